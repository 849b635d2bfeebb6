package sim

// A reader takes HTTP/1.1 messages apart, by the letter and independently of the code under test: what it does not
// understand is a fault.

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

// field is one field line.
type field struct{ name, value string }

// message is what has been read of one message.
type message struct {
	first    string // line
	status   int    // of an answer
	fields   []field
	body     []byte
	trailers []field
	chunked  bool
	length   int // −1 without one
	closes   bool
	toEnd    bool // the body ends with the connection
}

// readerState is what comes next.
type readerState uint8

const (
	readsHead readerState = iota
	readsBody
	readsSize
	readsData
	readsGap
	readsTrailers
	readsToEnd
	readsNothing // the message is whole
)

// reader reads one message after the other.
type reader struct {
	answer bool
	state  readerState
	left   int
	message
	bad string // what is wrong
}

// next makes the reader ready for another message.
func (r *reader) next() { *r = reader{answer: r.answer} }

// begun reports whether the head is whole.
func (r *reader) begun() bool { return r.state != readsHead }

func (r *reader) whole() bool { return r.state == readsNothing }

// take reads from b and returns the rest. It stops behind a head, whose body the caller may deny by bodiless.
func (r *reader) take(b []byte) (rest []byte) {
	for len(b) > 0 && r.bad == "" && r.state != readsNothing {
		was := r.state
		n := r.step(b)
		if n == 0 {
			break
		}
		if b = b[n:]; was == readsHead {
			break
		}
	}
	return b
}

// head reads a head, if it is there.
func (r *reader) head(b []byte) (rest []byte, ok bool) {
	end := bytes.Index(b, []byte("\r\n\r\n"))
	if end < 0 {
		return b, false
	}
	lines := strings.Split(string(b[:end]), "\r\n")
	r.first, r.length = lines[0], -1
	r.fields = r.parse(lines[1:])
	if r.answer {
		r.statusLine()
	}
	r.framing()
	return b[end+4:], true
}

func (r *reader) parse(lines []string) (fields []field) {
	for _, line := range lines {
		name, value, ok := strings.Cut(line, ": ")
		if !ok || name == "" || strings.ContainsAny(line, "\r\n\x00") {
			r.wrong("the line %q", line)
		}
		fields = append(fields, field{name, value})
	}
	return fields
}

func (r *reader) wrong(format string, args ...any) {
	if r.bad == "" {
		r.bad = fmt.Sprintf(format, args...)
	}
}

func (r *reader) statusLine() {
	if len(r.first) < 12 || r.first[:9] != "HTTP/1.1 " {
		r.wrong("the line %q", r.first)
		return
	}
	r.status, _ = strconv.Atoi(r.first[9:12])
}

// framing finds out how long the body is.
func (r *reader) framing() {
	for _, f := range r.fields {
		switch strings.ToLower(f.name) {
		case "content-length":
			n, err := strconv.Atoi(f.value)
			if err != nil || r.length >= 0 || r.chunked {
				r.wrong("the length %q", f.value)
			}
			r.length = n
		case "transfer-encoding":
			if f.value != "chunked" || r.length >= 0 || r.chunked {
				r.wrong("the coding %q", f.value)
			}
			r.chunked = true
		case "connection":
			r.closes = r.closes || f.value == "close"
		}
	}
	switch {
	case r.chunked:
		r.state = readsSize
	case r.length > 0:
		r.state, r.left = readsBody, r.length
	case r.length == 0 || !r.answer:
		r.state = readsNothing
	default:
		r.state, r.toEnd = readsToEnd, true
	}
}

// bodiless says that the message has no body, whatever its head says.
func (r *reader) bodiless() { r.state, r.toEnd = readsNothing, false }

// step reads a piece and returns its length, or 0 if more is needed.
func (r *reader) step(b []byte) int {
	switch r.state {
	case readsBody, readsData:
		n := min(len(b), r.left)
		r.body = append(r.body, b[:n]...)
		switch r.left -= n; {
		case r.left > 0:
		case r.chunked:
			r.state = readsGap
		default:
			r.state = readsNothing
		}
		return n
	case readsToEnd:
		r.body = append(r.body, b...)
		return len(b)
	case readsHead:
		rest, ok := r.head(b)
		if !ok {
			return 0
		}
		return len(b) - len(rest)
	}
	end := bytes.Index(b, []byte("\r\n"))
	if end < 0 {
		return 0
	}
	r.line(string(b[:end]))
	return end + 2
}

// line reads a line of the chunked coding.
func (r *reader) line(line string) {
	switch {
	case r.state == readsGap:
		if line != "" {
			r.wrong("%q behind a chunk", line)
		}
		r.state = readsSize
	case r.state == readsTrailers && line == "":
		r.state = readsNothing
	case r.state == readsTrailers:
		r.trailers = append(r.trailers, r.parse([]string{line})...)
	default:
		n, err := strconv.ParseUint(line, 16, 31)
		if err != nil {
			r.wrong("the chunk size %q", line)
		}
		r.state, r.left = readsData, int(n)
		if n == 0 {
			r.state = readsTrailers
		}
	}
}

// hops are the fields that only one hop is meant to see, or that frame a message.
var hops = map[string]bool{
	"connection": true, "keep-alive": true, "upgrade": true, "te": true, "proxy-connection": true,
	"content-length": true, "transfer-encoding": true, "expect": true, "x-hop": true,
}

// lasting are the fields that have to arrive.
func lasting(fields []field) (kept []field) {
	for _, f := range fields {
		if !hops[strings.ToLower(f.name)] {
			kept = append(kept, f)
		}
	}
	return kept
}

// value finds a field.
func (m *message) value(name string) string {
	for _, f := range m.fields {
		if strings.EqualFold(f.name, name) {
			return f.value
		}
	}
	return ""
}
