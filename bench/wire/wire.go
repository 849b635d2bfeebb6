// Package wire is what the load generator and the stub origin agree on: the
// request says how many bytes it wants, and the bytes of an answer are a known
// function of their offset, so that a lost, doubled or reordered piece shows.
//
//	GET /60 HTTP/1.1        →  HTTP/1.1 200 OK
//	Host: bench                Content-Length: 60
//
//	                           60 bytes of Pattern
package wire

import (
	"bytes"
	"encoding/binary"
	"strconv"
)

// MaxBody is the largest body the origin prepares, in bytes. It bounds what one
// request can make the origin allocate.
const MaxBody = 64 << 20

// HeadEnd ends the head of a request and of an answer (RFC 9112 section 2.1).
const HeadEnd = "\r\n\r\n"

// Request returns the bytes that ask for a body of size bytes.
func Request(size int) []byte {
	return []byte("GET /" + strconv.Itoa(size) + " HTTP/1.1\r\nHost: bench\r\n\r\n")
}

// Size reads from a request head how many bytes it wants. It is not an HTTP
// parser: anything but the form Request writes, or with more fields, is refused.
func Size(head []byte) (size int, ok bool) {
	rest, ok := bytes.CutPrefix(head, []byte("GET /"))
	if !ok {
		return 0, false
	}
	digits := 0
	for ; digits < len(rest) && rest[digits] >= '0' && rest[digits] <= '9'; digits++ {
		size = size*10 + int(rest[digits]-'0')
		if size > MaxBody {
			return 0, false
		}
	}
	return size, digits > 0 && bytes.HasPrefix(rest[digits:], []byte(" HTTP/1.1\r\n"))
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
