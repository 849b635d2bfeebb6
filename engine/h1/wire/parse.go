package wire

// The pass over a head: each byte is read once, in order, and the first one that is wrong ends it, so a head that arrives
// in pieces is refused at the same byte, for the same reason, as one that arrives whole.
//
//	GET /a?b HTTP/1.1␍␊  Host: example.org␍␊  Accept: */*␍␊  ␍␊
//	└ requestLine ────┘  └ fields ──────────────────────────┘
//
// Spans are places in the bytes received; loading those into the head comes last, and is its only copy.

import (
	"bytes"

	"sluice/engine/exchange"
)

// Input is what a parser is given of a connection.
type Input struct {
	Bytes   []byte  // everything received and not yet consumed
	Scanned int     // how many of these an earlier call has seen without finding the end
	Limits  *Limits // of the head
}

// ParseRequest looks for one whole request head at the start of in.
//
// With n > 0 the head took the first n bytes, and h and m are filled; h holds a copy. With n == 0 and no bad, the head is
// not whole yet, and may become so within Limits.Head bytes. Bad says that it never will be a request; bytes are refused as
// soon as they are seen. h and m hold nothing of use then. Both are reset first.
func (in Input) ParseRequest(h *exchange.Head, m *Message) (n int, bad *Bad) {
	b, full := in.within()
	skip := 0
	if len(b) >= 2 && b[0] == '\r' && b[1] == '\n' {
		// Some clients send one empty line too many behind the body of a POST (RFC 9112, section 2.2). One is enough.
		skip = 2
	}
	g := gate{b: b[skip:], full: full, h: h, m: m, length: -1}
	if known := min(in.Scanned, len(b)) - skip; known > 0 && g.unchanged(known) {
		return 0, g.partial(headTooLong).inRequest()
	}
	h.Reset()
	*m = Message{}
	if !g.requestLine(in.Limits.Target) {
		return 0, g.partial(longTarget).inRequest()
	}
	if !g.fields(in.Limits.Fields) {
		return 0, g.partial(headTooLong).inRequest()
	}
	g.settle()
	h.Load(g.b[:g.at])
	if g.fault == fine {
		g.judgeRequest()
	}
	if g.fault != fine {
		return 0, g.fault.inRequest()
	}
	return skip + g.at, nil
}

// within is the part of the bytes that a head may take, and whether that is all it may.
func (in Input) within() (b []byte, full bool) {
	if len(in.Bytes) >= in.Limits.Head {
		return in.Bytes[:in.Limits.Head], true
	}
	return in.Bytes, false
}

// unchanged spares a head in pieces the repeated pass: where the new bytes neither begin a line nor end one, only the last
// line has to be looked at, and of its value only what is new. known is how many bytes are not new.
func (g *gate) unchanged(known int) bool {
	begin := bytes.LastIndexByte(g.b[:known], '\n') + 1
	if begin == 0 || begin == known || bytes.IndexByte(g.b[known:], '\n') >= 0 {
		return false
	}
	g.at = begin
	if g.b[begin] == '\r' {
		g.lineEnd(begin, bareCR)
		return true
	}
	if colon := g.fieldName(g.b); colon >= 0 {
		if g.b[known-1] == '\r' {
			known--
		}
		g.wrong(textEnd(g.b, max(colon+1, known)), controlByte)
	}
	return true
}

// partial is the verdict where the bytes ended before the head did: fine, unless there were as many as there may be.
func (g *gate) partial(tooLong fault) fault {
	if g.fault == fine && g.full {
		return tooLong
	}
	return g.fault
}

// tlsHandshake is how a client begins that takes this for a port with TLS (RFC 8446, section 5.1).
const tlsHandshake = 0x16

// requestLine reads up to the first field. It reports whether the line was whole and right.
func (g *gate) requestLine(maxTarget int) bool {
	b, i := g.b, 0
	for i < len(b) && i <= maxMethod && classes[b[i]]&token != 0 {
		i++
	}
	method := exchange.Span{Len: uint32(i)}
	switch {
	case i > maxMethod:
		g.fault = longMethod
	case i == len(b):
	case i == 0 && b[0] == tlsHandshake:
		g.fault = clientHello
	case b[i] != ' ' || i == 0:
		g.wrong(i, badMethod)
	default:
		i++
		end := targetEnd(b, i)
		g.h.Method, g.h.Target = method, exchange.Span{At: uint32(i), Len: uint32(end - i)}
		if end-i > maxTarget {
			g.fault = longTarget
			return false
		}
		return end < len(b) && g.afterTarget(end)
	}
	return false
}

// afterTarget reads on at the byte that ended the target.
func (g *gate) afterTarget(end int) bool {
	b := g.b
	switch {
	case b[end] == '#':
		g.fault = fragmentInTarget
		return false
	case b[end] == ' ' && g.h.Target.Len == 0:
		g.fault = emptyTarget
		return false
	case b[end] != ' ':
		g.wrong(end, noVersion)
		return false
	}
	const version = len("HTTP/1.1")
	if !g.version(end + 1) {
		return false
	}
	return g.lineEnd(end+1+version, badVersion)
}

// version reads "HTTP/1.1" or "HTTP/1.0" at a place. A higher minor version may be read as 1.1, but nobody sends one
// except to find out how this is done, and the next reader may do it differently.
func (g *gate) version(at int) bool {
	const pattern = "HTTP/1.1"
	b := g.b[at:]
	if len(b) >= len(pattern) && string(b[:len(pattern)]) == pattern {
		g.m.Version = 11
		return true
	}
	for i := range min(len(b), len(pattern)) {
		digit := b[i] >= '0' && b[i] <= '9'
		if b[i] != pattern[i] && (pattern[i] != '1' || !digit) {
			g.wrong(at+i, badVersion)
			return false
		}
	}
	if len(b) < len(pattern) {
		return false
	}
	switch major, minor := b[5], b[7]; {
	case major == '0':
		g.fault = oldVersion
	case major != '1' || minor != '0':
		g.fault = otherVersion
	default:
		g.m.Version = 10
		return true
	}
	return false
}

// lineEnd takes the CRLF at a place, or says that there is something else.
func (g *gate) lineEnd(at int, otherwise fault) bool {
	b := g.b[at:]
	if len(b) >= 2 && b[0] == '\r' && b[1] == '\n' {
		g.at = at + 2
		return true
	}
	g.wrong(at, otherwise)
	return false
}

// fields reads the field lines, and the empty line behind them. It reports whether all were whole and right.
func (g *gate) fields(limit int) bool {
	b := g.b
	for count := 0; g.at < len(b); count++ {
		if b[g.at] == '\r' {
			return g.lineEnd(g.at, bareCR)
		}
		if count >= limit {
			g.fault = tooManyFields
			return false
		}
		colon := g.fieldName(b)
		if colon < 0 {
			return false
		}
		start := colon + 1
		for start < len(b) && blank(b[start]) {
			start++
		}
		end := textEnd(b, start)
		if end+1 >= len(b) || b[end] != '\r' || b[end+1] != '\n' {
			g.wrong(end, controlByte)
			return false
		}
		next := end + 2
		for end > start && blank(b[end-1]) {
			end--
		}
		g.field(exchange.Span{At: uint32(g.at), Len: uint32(colon - g.at)}, exchange.Span{At: uint32(start), Len: uint32(end - start)})
		if g.fault != fine {
			return false
		}
		g.at = next
	}
	return false
}

// fieldName reads a name and returns the place of its colon, or −1.
func (g *gate) fieldName(b []byte) (colon int) {
	i, class := g.at, uint8(0)
	for _, char := range b[i:] {
		c := classes[char]
		if c&token == 0 {
			break
		}
		class |= c
		i++
	}
	g.class = class
	switch {
	case i == len(b):
		return -1
	case b[i] == ':' && i > g.at:
		return i
	case b[i] == ':':
		g.fault = emptyName
	case blank(b[i]) && i == g.at:
		g.fault = foldedLine
	case blank(b[i]):
		g.fault = spaceBeforeColon
	case b[i] == '\r':
		g.wrong(i, noColon)
	default:
		g.wrong(i, badName)
	}
	return -1
}

// field enters one field and consumes it if it is special. Names of requests with "_" or "." are dropped: CGI and its heirs
// make "X_Forwarded_For" and "X.Forwarded.For" the same variable as "X-Forwarded-For", which a client must not write. Nor must
// it write who its certificate says it is.
func (g *gate) field(name, value exchange.Span) {
	id := exchange.Known(g.bytes(name))
	gone := !g.answer && (g.class&odd != 0 || name.Len > exchange.ClientCertLen && exchange.IsClientCert(g.bytes(name)))
	if id != exchange.Other {
		gone = g.special(id, value)
	}
	g.h.AddSpan(id, name, value)
	if gone {
		fields := g.h.Fields()
		fields[len(fields)-1].Gone = true
	}
}

// wrong says what is wrong with the byte at a place: that it is right nowhere in a head, or else what it breaks here. It may be
// nothing so far, where the bytes end there or behind a CR.
func (g *gate) wrong(at int, here fault) {
	if at == len(g.b) {
		return
	}
	switch c := g.b[at]; {
	case c == '\r' && at+1 == len(g.b):
	case c == '\r' && g.b[at+1] != '\n':
		g.fault = bareCR
	case c == '\n':
		g.fault = bareLF
	case c == 0:
		g.fault = nulByte
	case c < ' ' && c != '\t' && c != '\r' || c == 0x7f:
		g.fault = controlByte
	default:
		g.fault = here
	}
}
