// Package wire is what the load generator and the stub origin agree on: the
// request says how many bytes it wants, and the bytes of a body, in either
// direction, are a known function of their offset, so that a lost, doubled or
// reordered piece shows.
//
//	POST /60 HTTP/1.1       →  HTTP/1.1 200 OK
//	Host: bench                Content-Length: 60
//	Content-Length: 65536
//	                           60 bytes of the pattern
//	65536 bytes of it
package wire

import (
	"bytes"
	"encoding/binary"
	"strconv"
)

// MaxBody is the largest body the origin prepares or takes, in bytes. It bounds what one
// request can make the origin allocate.
const MaxBody = 64 << 20

// HeadEnd ends the head of a request and of an answer (RFC 9112 section 2.1).
const HeadEnd = "\r\n\r\n"

// Request returns the bytes that ask for a body of size bytes.
func Request(size int) []byte {
	return []byte("GET /" + strconv.Itoa(size) + " HTTP/1.1\r\nHost: bench\r\n\r\n")
}

// Post returns the bytes that send a body of so many bytes and ask for one of
// size bytes.
func Post(body, size int) []byte {
	head := "POST /" + strconv.Itoa(size) + " HTTP/1.1\r\nHost: bench\r\nContent-Length: " + strconv.Itoa(body) + HeadEnd
	request := make([]byte, len(head)+body)
	copy(request, head)
	fill(request[len(head):])
	return request
}

// Ask is what a request head says.
type Ask struct {
	// Size is how many bytes are wanted, Body how many follow the head.
	Size, Body int
}

// Parse reads a request head. It is not an HTTP parser: it knows the forms that
// Request and Post write, with whatever fields a proxy adds, and refuses others.
func Parse(head []byte) (ask Ask, ok bool) {
	line, _, _ := bytes.Cut(head, []byte("\r\n"))
	path, ok := bytes.CutSuffix(line, []byte(" HTTP/1.1"))
	if !ok {
		return Ask{}, false
	}
	post := false
	if path, ok = bytes.CutPrefix(path, []byte("GET /")); !ok {
		if path, post = bytes.CutPrefix(path, []byte("POST /")); !post {
			return Ask{}, false
		}
	}
	if ask.Size, ok = number(path); !ok {
		return Ask{}, false
	}
	if length, found := Field(head, "Content-Length"); found || post {
		ask.Body, ok = number(length)
	}
	return ask, ok
}

// number reads digits and nothing else, up to MaxBody.
func number(text []byte) (n int, ok bool) {
	for _, c := range text {
		if c < '0' || c > '9' {
			return 0, false
		}
		if n = n*10 + int(c-'0'); n > MaxBody {
			return 0, false
		}
	}
	return n, len(text) > 0
}

// Field returns the value of the first field of that name in a head of either
// kind, without the blanks around it.
func Field(head []byte, name string) (value []byte, found bool) {
	for line := range bytes.SplitSeq(head, []byte("\r\n")) {
		field, value, found := bytes.Cut(line, []byte(":"))
		if found && bytes.EqualFold(field, []byte(name)) {
			return bytes.TrimSpace(value), true
		}
	}
	return nil, false
}

// Answer returns a complete answer, head and body, with a body of size bytes.
func Answer(size int) []byte {
	head := "HTTP/1.1 200 OK\r\nServer: bench\r\nContent-Length: " + strconv.Itoa(size) + HeadEnd
	answer := make([]byte, len(head)+size)
	copy(answer, head)
	fill(answer[len(head):])
	return answer
}

// word is the pattern's i-th group of eight bytes: a multiplicative hash of its
// index, so that no two neighbours and no two distant groups look alike.
func word(i uint64) uint64 { return (i + 1) * 0x9e3779b97f4a7c15 }

// fill writes the pattern from offset 0 on.
func fill(b []byte) {
	var group [8]byte
	for i := 0; i < len(b); i += len(group) {
		binary.LittleEndian.PutUint64(group[:], word(uint64(i/len(group))))
		copy(b[i:], group[:])
	}
}

// Match reports whether piece is what the pattern has at offset. It compares the
// first complete groups and the last one, at most nine: a sample that costs the
// same for any length, and all of a small answer.
func Match(piece []byte, offset int64) bool {
	const group, groups = 8, 8
	skip := int((group - offset%group) % group)
	if len(piece) < skip+group {
		return matchBytes(piece, offset)
	}
	whole := (len(piece) - skip) / group
	first := uint64(offset+int64(skip)) / group
	for i := range min(whole, groups) {
		if binary.LittleEndian.Uint64(piece[skip+i*group:]) != word(first+uint64(i)) {
			return false
		}
	}
	last := whole - 1
	return binary.LittleEndian.Uint64(piece[skip+last*group:]) == word(first+uint64(last)) &&
		matchBytes(piece[:skip], offset) &&
		matchBytes(piece[skip+whole*group:], offset+int64(skip+whole*group))
}

// matchBytes compares single bytes: the ragged ends, each shorter than a group.
func matchBytes(piece []byte, offset int64) bool {
	for i, b := range piece {
		at := uint64(offset) + uint64(i)
		if b != byte(word(at/8)>>(8*(at%8))) {
			return false
		}
	}
	return true
}
