package load

import "sluice/bench/wire"

const (
	// maxLine bounds a line between chunks: a size with extensions, a trailer field.
	maxLine = 4 << 10
	// maxChunk bounds a chunk, far from where the digits of its size overflow.
	maxChunk = 1 << 40
)

// step takes the next part of a body: of a known length, in chunks (RFC 9112 section
// 7.1) or to the end of the connection.
func (k *checker) step(a *answer, b []byte) (n int, done bool, bad kind) {
	h := &a.http
	switch h.stage {
	case inBody:
		n = int(min(int64(len(b)), h.left))
		h.left -= int64(n)
		bad = k.check(a, b[:n])
		return n, h.left == 0, bad
	case inChunk:
		n = int(min(int64(len(b)), h.left))
		if h.left -= int64(n); h.left == 0 {
			h.stage = afterChunk
		}
		return n, false, k.check(a, b[:n])
	case untilEnd:
		return len(b), false, k.check(a, b)
	}
	return k.line(a, b)
}

// check compares a piece of a body, if it is known what it must be.
func (k *checker) check(a *answer, piece []byte) kind {
	if a.unmeasured {
		return kindNone
	}
	if int64(len(piece)) > k.size-a.offset {
		return kindLength
	}
	if !wire.Match(piece, a.offset) {
		return kindContent
	}
	a.offset += int64(len(piece))
	return kindNone
}

// line takes what stands between chunks, byte by byte.
func (k *checker) line(a *answer, b []byte) (n int, done bool, bad kind) {
	h := &a.http
	for n < len(b) {
		c := b[n]
		n++
		if c == '\n' {
			done, bad = k.lineEnd(a)
			if done || bad != kindNone || h.stage == inChunk {
				return n, done, bad
			}
			h.line, h.sized = 0, false
			continue
		}
		if c == '\r' {
			continue
		}
		if h.line++; h.line > maxLine || h.stage == afterChunk {
			return n, false, kindHead
		}
		if h.stage == inSize && !h.digit(c) {
			return n, false, kindHead
		}
	}
	return n, false, kindNone
}

// digit takes the next character of a chunk's size, or of what may follow it.
func (h *body) digit(c byte) bool {
	switch {
	case h.sized:
		return true
	case '0' <= c && c <= '9':
		h.left = h.left<<4 | int64(c-'0')
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		h.left = h.left<<4 | int64(c|0x20-'a'+10)
	default:
		h.sized = true
		return h.line > 1 && (c == ';' || c == ' ' || c == '\t')
	}
	return h.left <= maxChunk
}

// lineEnd goes to the next stage.
func (k *checker) lineEnd(a *answer) (done bool, bad kind) {
	h := &a.http
	switch {
	case h.stage == afterChunk:
		h.stage = inSize
	case h.stage == inSize && h.line == 0:
		return false, kindHead
	case h.stage == inSize && h.left == 0:
		h.stage = inTrailer
	case h.stage == inSize:
		h.stage, h.line, h.sized = inChunk, 0, false
	case h.line == 0: // the blank line behind the trailer
		if !a.unmeasured && a.offset != k.size {
			return false, kindLength
		}
		return true, kindNone
	}
	return false, kindNone
}
