// Package wire is the bytes of HTTP/1.1 and 1.0 (RFC 9112), towards clients and towards servers.
//
// It is pure: bytes in, a Head and a Message out, and back. Framing is a security boundary, because two readers
// that disagree about where a message ends let a client write requests in another client's name. So the parser is a gate:
// it knows one reading of every byte and refuses what has two, it consumes the fields that say how a message is framed, and
// the encoder writes them anew:
//
//	n, bad := wire.Input{Bytes: received, Limits: &limits}.ParseRequest(head, &message)
//	…
//	out = wire.AppendRequest(out, head, wire.RequestFraming{Body: message.Body})
//
// This file is the judgement: what the fields of one message, taken together, say about its body and its connection.
package wire

import (
	"bytes"

	"sluice/engine/exchange"
)

// The values of Message.Body that are no lengths.
const (
	Chunked    = -1 // the body is chunked
	UntilClose = -2 // the body ends with the connection; answers only
)

// Message is what the gate found out about one message, apart from its fields.
type Message struct {
	Version  uint8         // 10 or 11
	Close    bool          // the sender will not use the connection after this message
	Continue bool          // the client waits for 100 (Continue) before it sends the body
	Connect  bool          // the method is CONNECT
	Body     int64         // bytes of body, or Chunked, or UntilClose
	Upgrade  exchange.Span // the Upgrade field, if it is meant and not h2c; zero otherwise
}

// gate is the pass over one head. Its methods report what they find wrong in fault.
type gate struct {
	b      []byte // the bytes of the head, or some of them; no more than may be
	at     int    // where in b the next line begins
	h      *exchange.Head
	m      *Message
	fault  fault
	answer bool
	full   bool // b cannot grow: the head's limit is reached

	class   uint8 // of the current field's name, all bytes together
	hosts   bool  // there was a Host
	options int   // one more than the first Connection's place among the fields; 0 without one
	upgrade int   // how many Upgrades there were
	host    exchange.Span
	length  int64 // of Content-Length; −1 without one
	chunked bool
}

// special consumes a field that says something about framing, routing or the connection, the moment it is read. It
// reports whether the field is to be dropped.
func (g *gate) special(id exchange.ID, value exchange.Span) (gone bool) {
	switch id {
	case exchange.ContentLength:
		g.contentLength(g.b[value.At:][:value.Len])
	case exchange.TransferEncoding:
		g.transferEncoding(g.b[value.At:][:value.Len])
	case exchange.Host:
		if !g.answer {
			g.hostField(value)
		}
	case exchange.Expect:
		return !g.answer && g.expect(g.b[value.At:][:value.Len])
	case exchange.Connection:
		if g.options == 0 {
			g.options = len(g.h.Fields()) + 1
		}
		return true
	case exchange.Upgrade:
		g.upgrade++
		g.m.Upgrade = value
		return true
	}
	return id.Hop()
}

// contentLength takes 1*DIGIT, once. RFC 9110, section 8.6, would let "5, 5" pass as 5; a recipient that takes the first
// member and one that takes the whole do not agree about anything else either.
func (g *gate) contentLength(value []byte) {
	switch {
	case g.length >= 0:
		g.fault = repeatedLength
		return
	case g.chunked:
		g.fault = lengthAndCoding
		return
	case len(value) == 0:
		g.fault = badLength
		return
	}
	n := int64(0)
	for _, c := range value {
		d := int64(c - '0')
		if c < '0' || c > '9' {
			g.fault = badLength
			return
		}
		if n > (1<<63-1-d)/10 {
			g.fault = hugeLength
			return
		}
		n = n*10 + d
	}
	g.length = n
}

// transferEncoding takes "chunked", once. HTTP/1.0 does not know the field, so a 1.0 hop on the way may have passed it on
// without understanding it (RFC 9112, section 6.1).
func (g *gate) transferEncoding(value []byte) {
	switch {
	case g.chunked:
		g.fault = repeatedCoding
	case g.length >= 0:
		g.fault = lengthAndCoding
	case g.m.Version == 10:
		g.fault = oldCoding
	case !fold(value, "chunked"):
		g.fault = otherCoding
	}
	g.chunked = true
}

func (g *gate) hostField(value exchange.Span) {
	if g.hosts {
		g.fault = repeatedHost
		return
	}
	g.hosts, g.host = true, value
	if _, _, ok := splitHost(g.b[value.At:][:value.Len]); value.Len > 0 && !ok {
		g.fault = badHost
	}
}

// expect knows 100-continue only. From HTTP/1.0 it must be ignored (RFC 9110, section 10.1.1), and dropped, since the
// request goes on as 1.1.
func (g *gate) expect(value []byte) (gone bool) {
	if !fold(value, "100-continue") {
		g.fault = otherExpectation
		return false
	}
	g.m.Continue = g.m.Version == 11
	return g.m.Version == 10
}

// settle says what Connection and Upgrade mean, once all fields are known.
func (g *gate) settle() {
	closes, keeps, upgrades := false, false, false
	if g.options > 0 {
		closes, keeps, upgrades = g.connection()
	}
	g.m.Close = closes || g.m.Version == 10 && !keeps
	// Upgrade from 1.0 must be ignored (RFC 9110, section 7.8). Where there is more than one field, or more in it than
	// protocol names, or h2c, which would open a tunnel past every rule of this proxy, ignoring it is allowed and safe.
	if !upgrades || g.upgrade != 1 || g.m.Version == 10 || !protocols(g.bytes(g.m.Upgrade)) {
		g.m.Upgrade = exchange.Span{}
	}
}

// connection goes through the members of all Connection fields. Members that are no tokens are nobody's name.
func (g *gate) connection() (closes, keeps, upgrades bool) {
	members := 0
	fields := g.h.Fields()[g.options-1:]
	for i := range fields {
		f := &fields[i]
		if f.ID != exchange.Connection {
			continue
		}
		for rest := g.bytes(f.Value); len(rest) > 0; {
			var member []byte
			member, rest = nextMember(rest)
			if members++; members > maxOptions {
				g.fault = tooManyOptions
				return
			}
			switch {
			case fold(member, "keep-alive"):
				keeps = true
			case fold(member, "close"):
				closes = true
			case fold(member, "upgrade"):
				upgrades = true
			default:
				g.nominated(member)
			}
		}
	}
	return closes, keeps, upgrades
}

// nominated drops the fields that Connection says are for this hop only (RFC 9110, section 7.6.1).
func (g *gate) nominated(name []byte) {
	if len(name) == 0 || protected(name) {
		return
	}
	fields := g.h.Fields()
	for i := range fields {
		if int(fields[i].Name.Len) == len(name) && bytes.EqualFold(g.bytes(fields[i].Name), name) {
			fields[i].Gone = true
		}
	}
}

// endToEnd are the fields that no Connection can take away, besides those with an ID. The specification forbids to name
// them (they are for all recipients), and a client that does so wants a check behind the proxy to miss them: who it is,
// what it may do, where it comes from, and what was asked.
var endToEnd = []string{
	"authorization", "proxy-authorization", "cache-control", "pragma", "set-cookie", "origin", "referer", "range",
	"content-type", "content-encoding", "content-range", "x-real-ip", "x-request-id", "traceparent",
}

// protected reports whether a field stays although Connection names it.
func protected(name []byte) bool {
	if id := exchange.Known(name); id != exchange.Other {
		return !id.Hop()
	}
	const forwarded, conditional = "x-forwarded-", "if-"
	if len(name) > len(forwarded) && fold(name[:len(forwarded)], forwarded) ||
		len(name) > len(conditional) && fold(name[:len(conditional)], conditional) {
		return true
	}
	for _, known := range endToEnd {
		if fold(name, known) {
			return true
		}
	}
	return false
}

// protocols reports whether value is a list of protocol names without h2c among them (RFC 9110, section 7.8).
func protocols(value []byte) bool {
	if len(value) == 0 {
		return false
	}
	for len(value) > 0 {
		var member []byte
		member, value = nextMember(value)
		name, version, versioned := bytes.Cut(member, []byte{'/'})
		if !isToken(name) || versioned && !isToken(version) || fold(name, "h2c") {
			return false
		}
	}
	return true
}

// nextMember cuts the first member off a comma-separated list.
func nextMember(list []byte) (member, rest []byte) {
	if at := bytes.IndexByte(list, ','); at >= 0 {
		return trim(list[:at]), list[at+1:]
	}
	return trim(list), nil
}

func (g *gate) bytes(s exchange.Span) []byte { return g.b[s.At:][:s.Len] }
