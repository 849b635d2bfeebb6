// Package hello reads the one TLS message a proxy may see without terminating: the ClientHello.
//
// It answers a single question, where does this connection want to go (server name and ALPN), from the bytes a client sends first, however
// they were cut into TCP segments and TLS records. Post-quantum key shares push a hello past one packet, so the cut is the normal case:
//
//	segment 1: 16 03 01 06 c5 │ 01 00 06 c1 …        record header │ handshake header …
//	segment 2: … the rest of the record
//
// What does not decide a route (ciphers, key shares, unknown extensions) is skipped by its length and left to the backend to judge. The
// package is pure: no I/O, no clock, and no allocation for a hello that came in one record.
package hello

import "encoding/binary"

const (
	// MaxHello is the largest handshake message accepted, in bytes, its 4-byte header included. RFC 8446, 4.1.2 would allow 16 MiB,
	// but every byte is memory held for a stranger. 16 KiB is one full record, nginx's preread buffer, and nine times a post-quantum hello.
	MaxHello = 16 << 10

	// MaxWire bounds the same message in bytes on the wire, so that a hello cut into tiny records cannot cost many times its size.
	// It leaves room in a buffer of 64 KiB for the header of the record that goes beyond.
	MaxWire = 60 << 10

	maxFragment       = 16 << 10 // RFC 8446, 5.1: TLSPlaintext.length
	recordHeader      = 5
	handshakeHeader   = 4
	typeHandshake     = 22
	typeClientHello   = 1
	majorVersion      = 3 // the minor one MUST be ignored (RFC 8446, 5.1)
	extServerName     = 0
	extALPN           = 16
	extVersions       = 43
	nameTypeHost      = 0
	maxServerName     = 253 // a domain name's text without the final dot (RFC 1035, 2.3.4)
	maxServerNamePart = 63
)

// A full record must hold the largest hello, or MaxHello would silently mean something smaller.
const _ = uint(maxFragment - MaxHello)

// Parser finds the ClientHello in a growing prefix of a connection. The zero value is ready; it serves one connection. It remembers the
// records it has put away, so that bytes arriving one at a time cost no rescans.
type Parser struct {
	off    int    // wire bytes of records already copied to msg
	size   int    // the handshake message with its header; 0 = its header is not complete yet
	msg    []byte // fragments so far; stays nil when one record holds everything
	reason Reason
}

// Parse looks at b, all bytes received so far from the start of the TLS stream; a longer b must begin with the bytes seen before. On
// Complete it fills h, which then refers to b or to p's memory and is valid while both are left alone. On any other status h holds nothing
// of use. Every status but Partial is final; Reason tells why it is not Complete. Bytes after the hello's record (0-RTT data) are not
// looked at.
func (p *Parser) Parse(b []byte, h *Hello) Status {
	for p.reason == ReasonNone {
		if p.size != 0 && len(p.msg) == p.size {
			return p.finish(p.msg, h)
		}
		fragment, length := p.fragment(b[p.off:])
		if len(p.msg) == 0 {
			p.inspect(fragment, length) // before the record is whole: garbage is refused at its first bytes
		}
		if p.reason != ReasonNone || length == 0 || len(fragment) < length {
			break
		}
		if len(p.msg) == 0 && p.size == length {
			return p.finish(fragment, h)
		}
		p.msg = append(p.msg, fragment...)
		p.off += recordHeader + length
		p.inspect(p.msg, len(p.msg))
	}
	return p.reason.status()
}

// Reason says why Parse gave NotTLS, Bad or TooBig; it is ReasonNone before that and after Complete.
func (p *Parser) Reason() Reason { return p.reason }

// fragment returns what has arrived of the next record's fragment, and the fragment's full length (0 = the record header is incomplete or
// was refused). It judges each header byte as soon as it is there.
func (p *Parser) fragment(record []byte) (fragment []byte, length int) {
	// Nothing may come between the fragments of one message (RFC 8446, 5.1), so a foreign record after the first is an error, not another
	// protocol. An SSLv2-style hello begins with its length (first bit set) and is NotTLS here: RFC 8996 buried what it could negotiate.
	foreign := ReasonNotHandshake
	if p.off > 0 {
		foreign = ReasonInterleaved
	}
	if len(record) > 0 && record[0] != typeHandshake || len(record) > 1 && record[1] != majorVersion {
		p.reason = foreign
		return nil, 0
	}
	if len(record) < recordHeader {
		return nil, 0
	}
	length = int(binary.BigEndian.Uint16(record[3:]))
	switch {
	case length == 0 || length > maxFragment: // empty handshake fragments MUST NOT be sent (RFC 8446, 5.1)
		p.reason = ReasonRecordLength
		return nil, 0
	case p.off+recordHeader+length > MaxWire:
		p.reason = ReasonWireSize
		return nil, 0
	}
	record = record[recordHeader:]
	return record[:min(length, len(record))], length
}

// inspect judges the handshake header from known, the message's first bytes, where total bytes are announced by the records so far.
//
// A record that continues after the hello is refused: in TLS 1.3 a ClientHello MUST end with its record (RFC 8446, 5.1), and before 1.3 a
// client has nothing to say until the server answered. No client does it, and a hidden second message is no proxy's business to forward.
func (p *Parser) inspect(known []byte, total int) {
	if len(known) > 0 && known[0] != typeClientHello {
		p.reason = ReasonNotClientHello
		return
	}
	if len(known) < handshakeHeader {
		return
	}
	p.size = handshakeHeader + int(known[1])<<16 + int(known[2])<<8 + int(known[3])
	switch {
	case p.size > MaxHello:
		p.reason = ReasonHelloSize
	case total > p.size:
		p.reason = ReasonTrailing
	}
}

// finish parses the whole message.
func (p *Parser) finish(message []byte, h *Hello) Status {
	p.reason = h.parse(message[handshakeHeader:])
	if p.reason == ReasonNone {
		return Complete
	}
	return p.reason.status()
}
