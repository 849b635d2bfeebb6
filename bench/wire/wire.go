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
//
// Messages of TCP and WebSocket are pieces of the pattern from its beginning, and a
// stream is a piece of it repeated without end.
package wire

import (
	"bytes"
	"net/http"
	"strconv"
)

// MaxBody is the largest body the origin prepares or takes, in bytes. It bounds what one
// request can make the origin allocate.
const MaxBody = 64 << 20

// HeadEnd ends the head of a request and of an answer (RFC 9112 section 2.1).
const HeadEnd = "\r\n\r\n"

// Host is the Host field of requests that are not told otherwise.
const Host = "bench"

// Request returns the bytes that ask for a body of size bytes.
func Request(size int) []byte { return Get(Host, Target("", size)) }

// Post returns the bytes that send a body of so many bytes and ask for one of
// size bytes.
func Post(body, size int) []byte { return PostTo(Host, Target("", size), body) }

// Target is the request target that asks for size bytes below a path prefix.
func Target(prefix string, size int) string { return prefix + "/" + strconv.Itoa(size) }

// Get returns a request without a body.
func Get(host, target string) []byte {
	return []byte("GET " + target + " HTTP/1.1\r\nHost: " + host + HeadEnd)
}

// PostTo returns a request with a body of the pattern.
func PostTo(host, target string, body int) []byte {
	head := "POST " + target + " HTTP/1.1\r\nHost: " + host + "\r\nContent-Length: " + strconv.Itoa(body) + HeadEnd
	request := make([]byte, len(head)+body)
	copy(request, head)
	Fill(request[len(head):])
	return request
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

// ChunkSize is how much of a body a chunk has.
const ChunkSize = 4 << 10

// Reply is what an answer is made of.
type Reply struct {
	Status int // 0 = 200
	Size   int
	// Chunked leaves out the Content-Length; Close announces the end of the connection.
	Chunked, Close bool
}

// Answer returns a complete answer, head and body, with a body of size bytes.
func Answer(size int) []byte { return Reply{Size: size}.Bytes() }

// Bytes returns the complete answer.
func (r Reply) Bytes() []byte {
	if r.Status == 0 {
		r.Status = http.StatusOK
	}
	head := "HTTP/1.1 " + strconv.Itoa(r.Status) + " " + http.StatusText(r.Status) + "\r\nServer: bench\r\n"
	if r.Close {
		head += "Connection: close\r\n"
	}
	if r.Chunked {
		return appendChunks([]byte(head+"Transfer-Encoding: chunked"+HeadEnd), r.Size)
	}
	head += "Content-Length: " + strconv.Itoa(r.Size) + HeadEnd
	answer := make([]byte, len(head)+r.Size)
	copy(answer, head)
	Fill(answer[len(head):])
	return answer
}

// appendChunks appends a body of the pattern in chunks and the last of them (RFC
// 9112 section 7.1).
func appendChunks(b []byte, size int) []byte {
	body := make([]byte, size)
	Fill(body)
	for len(body) > 0 {
		n := min(len(body), ChunkSize)
		b = strconv.AppendInt(b, int64(n), 16)
		b = append(b, "\r\n"...)
		b = append(b, body[:n]...)
		b = append(b, "\r\n"...)
		body = body[n:]
	}
	return append(b, "0\r\n\r\n"...)
}
