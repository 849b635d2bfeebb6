// Package proxyproto is the PROXY protocol (HAProxy's doc/proxy-protocol.txt): a header before the first byte of a connection, in which a
// proxy says whom it speaks for. Version 1 is a line, version 2 is binary:
//
//	PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n
//	0d0a0d0a000d0a515549540a │ 21 version, command │ 11 family, transport │ 000c length │ addresses │ TLVs (type 1, length 2, value)*
//
// The parser takes what has arrived so far and answers partial, complete, absent or bad. It is pure and does not allocate for a header it
// accepts. It is strict, since it decides who a client is: a header that two readers could read differently is refused.
package proxyproto

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"net/netip"
	"strings"
	"unsafe"
)

const (
	// maxProxyV1 is the longest line of version 1, CRLF included: the specification's worst case.
	maxProxyV1 = 107

	// maxProxyV2 bounds a header of version 2 with its TLVs. The format allows 64 KiB; addresses need 232 bytes, and what proxies add
	// (authority, ALPN, TLS details, identifiers) has room to spare in 4 KiB.
	maxProxyV2 = 4 << 10

	proxyV1Prefix  = "PROXY "
	proxyV1Unknown = "UNKNOWN"
	proxyV2Prefix  = "\r\n\r\n\x00\r\nQUIT\n"
	proxyV2Fixed   = len(proxyV2Prefix) + 4

	proxyLocal = 0x20 // version 2 and command
	proxyProxy = 0x21

	proxyUnspec = 0x0 // families, the upper half of their byte
	proxyInet   = 0x1
	proxyInet6  = 0x2
	proxyUnix   = 0x3

	proxyStream = 0x1 // transports, the lower half
	proxyDgram  = 0x2

	proxyTLVHeader = 3
	proxyTLVCRC32C = 0x03
)

// proxyAddresses is the size of version 2's address block per family.
var proxyAddresses = [...]int{proxyUnspec: 0, proxyInet: 12, proxyInet6: 36, proxyUnix: 216}

// Status is what a prefix of a connection turned out to be.
type Status uint8

// The verdicts of Parse. All but Partial are final.
const (
	Partial  Status = iota // a header so far; more bytes are needed
	Complete               // a whole header
	Absent                 // certainly no header: the connection's own data
	Bad                    // a broken header
)

// Reason is why a header is Bad: an enum for counters, with a token for the log.
type Reason uint8

// The reasons of Bad.
const (
	ReasonNone     Reason = iota
	ReasonTooLong         // beyond 107 bytes (version 1) or 4 KiB (version 2)
	ReasonLine            // version 1: no CRLF, wrong fields or spaces
	ReasonAddress         // version 1: no address of the family named
	ReasonPort            // version 1: no port
	ReasonVersion         // version 2: unknown version or command
	ReasonFamily          // version 2: unknown family or transport
	ReasonLength          // version 2: shorter than its addresses
	ReasonTLV             // version 2: a TLV does not fit
	ReasonChecksum        // version 2: wrong CRC32C
	proxyReasonCount
)

var proxyReasonTokens = [proxyReasonCount]string{"none", "too_long", "malformed_line", "invalid_address", "invalid_port", "unknown_version",
	"unknown_family", "short_addresses", "malformed_tlv", "wrong_checksum"}

// String returns the reason's token, as it appears in logs and metrics.
func (r Reason) String() string {
	if r < proxyReasonCount {
		return proxyReasonTokens[r]
	}
	return "invalid"
}

// Header is what a header says. IPv4-mapped addresses are IPv4 addresses already.
type Header struct {
	Source, Destination netip.AddrPort
	// Local means that the header names no usable addresses, so that the socket's own stand: version 1 UNKNOWN; version 2 LOCAL (the
	// proxy speaks for itself, as in health checks), unspecified families, and unix sockets.
	Local   bool
	Version uint8  // 1 or 2, if the status is Complete
	Reason  Reason // set if the status is Bad
}

// Begun reports whether b begins with the whole signature of a header of either version. What is shorter may still
// become anything.
func Begun(b []byte) bool {
	text := string(b[:min(len(b), len(proxyV2Prefix))])
	return strings.HasPrefix(text, proxyV1Prefix) || text == proxyV2Prefix
}

// Parse looks for a header at the start of b, all bytes received so far. n is the header's length in bytes if it is Complete and 0
// otherwise. Absent and Bad come with the first byte that leaves no other choice, except that a line is judged when it is
// complete.
func Parse(b []byte) (h Header, n int, status Status) {
	switch {
	case len(b) == 0:
		return h, 0, Partial
	case b[0] == proxyV1Prefix[0]:
		n, status = h.matchPrefix(b, proxyV1Prefix, (*Header).parseV1)
	default:
		n, status = h.matchPrefix(b, proxyV2Prefix, (*Header).parseV2)
	}
	return h, n, status
}

// matchPrefix goes on with parse once b begins with the whole signature.
func (h *Header) matchPrefix(b []byte, prefix string, parse func(*Header, []byte) (int, Status)) (int, Status) {
	have := min(len(b), len(prefix))
	switch {
	case string(b[:have]) != prefix[:have]:
		return 0, Absent
	case have < len(prefix):
		return 0, Partial
	}
	return parse(h, b)
}

func (h *Header) bad(reason Reason) (int, Status) {
	*h = Header{Reason: reason}
	return 0, Bad
}

// parseV1 reads a line. It waits for the end of the line before it looks at fields: 107 bytes are not worth a state machine.
func (h *Header) parseV1(b []byte) (int, Status) {
	end := bytes.IndexByte(b[:min(len(b), maxProxyV1)], '\n')
	switch {
	case end < 0 && len(b) >= maxProxyV1:
		return h.bad(ReasonTooLong)
	case end < 0:
		return 0, Partial
	case b[end-1] != '\r': // a lone LF is not an end, and nothing else may hold one
		return h.bad(ReasonLine)
	}
	h.Version = 1
	line := b[len(proxyV1Prefix) : end-1]
	protocol, fields, more := bytes.Cut(line, []byte{' '})
	switch string(protocol) {
	case proxyV1Unknown: // whatever follows MUST be ignored
		h.Local = true
	case "TCP4", "TCP6":
		if !more {
			return h.bad(ReasonLine)
		}
		if reason := h.parseV1Fields(fields, protocol[3] == '4'); reason != ReasonNone {
			return h.bad(reason)
		}
	default:
		return h.bad(ReasonLine)
	}
	return end + 1, Complete
}

// parseV1Fields reads "source destination sourceport destinationport". A doubled space makes an empty field, which is no address or port.
func (h *Header) parseV1Fields(fields []byte, want4 bool) Reason {
	var part [4][]byte
	for i := range part[:3] {
		var found bool
		if part[i], fields, found = bytes.Cut(fields, []byte{' '}); !found {
			return ReasonLine
		}
	}
	part[3] = fields
	source, ok1 := proxyV1Addr(part[0], want4)
	destination, ok2 := proxyV1Addr(part[1], want4)
	if !ok1 || !ok2 {
		return ReasonAddress
	}
	sourcePort, ok1 := proxyV1Port(part[2])
	destinationPort, ok2 := proxyV1Port(part[3])
	if !ok1 || !ok2 {
		return ReasonPort
	}
	h.Source = netip.AddrPortFrom(source, sourcePort)
	h.Destination = netip.AddrPortFrom(destination, destinationPort)
	return ReasonNone
}

// proxyV1Addr reads an address as netip does, which refuses leading zeros in IPv4, but without zones.
func proxyV1Addr(text []byte, want4 bool) (netip.Addr, bool) {
	if len(text) == 0 || bytes.IndexByte(text, '%') >= 0 {
		return netip.Addr{}, false
	}
	// ParseAddr keeps its argument only in a zone, excluded above, and in the error, dropped here: the borrowed string ends with this call.
	addr, err := netip.ParseAddr(unsafe.String(&text[0], len(text)))
	if err != nil || addr.Is4() != want4 {
		return netip.Addr{}, false
	}
	return addr.Unmap(), true
}

// proxyV1Port reads 0 to 65535 without sign or leading zeros.
func proxyV1Port(text []byte) (uint16, bool) {
	if len(text) == 0 || len(text) > 5 || text[0] == '0' && len(text) > 1 {
		return 0, false
	}
	port := 0
	for _, c := range text {
		if c < '0' || c > '9' {
			return 0, false
		}
		port = port*10 + int(c-'0')
	}
	return uint16(port), port <= 0xffff
}

// parseV2 reads a binary header. Unknown versions, commands, families and transports MUST be refused.
func (h *Header) parseV2(b []byte) (int, Status) {
	if len(b) > len(proxyV2Prefix) && b[12] != proxyLocal && b[12] != proxyProxy {
		return h.bad(ReasonVersion)
	}
	if len(b) < proxyV2Fixed {
		return 0, Partial
	}
	family, transport, local := b[13]>>4, b[13]&0xf, b[12] == proxyLocal
	n := proxyV2Fixed + int(binary.BigEndian.Uint16(b[14:]))
	switch {
	case n > maxProxyV2:
		return h.bad(ReasonTooLong)
	case local: // the block is to be discarded, "including the family which is ignored"
	case family > proxyUnix || transport > proxyDgram:
		return h.bad(ReasonFamily)
	case n < proxyV2Fixed+proxyAddresses[family]:
		return h.bad(ReasonLength)
	}
	if len(b) < n {
		return 0, Partial
	}
	h.Version, h.Local = 2, true
	// Without a family nobody knows where addresses end and TLVs begin, so there are none to check.
	if local || family == proxyUnspec {
		return n, Complete
	}
	if reason := checkProxyTLVs(b[:n], proxyV2Fixed+proxyAddresses[family]); reason != ReasonNone {
		return h.bad(reason)
	}
	if transport != proxyUnspec && family != proxyUnix {
		h.Local = false
		h.setV2Addresses(b[proxyV2Fixed:], family)
	}
	return n, Complete
}

// setV2Addresses reads an address block of proxyInet or proxyInet6: two addresses, then two ports.
func (h *Header) setV2Addresses(block []byte, family byte) {
	var source, destination netip.Addr
	ports := block[8:]
	if family == proxyInet {
		source, destination = netip.AddrFrom4([4]byte(block)), netip.AddrFrom4([4]byte(block[4:]))
	} else {
		source, destination = netip.AddrFrom16([16]byte(block)).Unmap(), netip.AddrFrom16([16]byte(block[16:])).Unmap()
		ports = block[32:]
	}
	h.Source = netip.AddrPortFrom(source, binary.BigEndian.Uint16(ports))
	h.Destination = netip.AddrPortFrom(destination, binary.BigEndian.Uint16(ports[2:]))
}

// checkProxyTLVs walks the TLVs of a whole header from offset on. Their meaning is the backend's affair, but they must fit, and a checksum
// that is present must be right.
func checkProxyTLVs(header []byte, offset int) Reason {
	for offset < len(header) {
		value := offset + proxyTLVHeader
		if value > len(header) {
			return ReasonTLV
		}
		end := value + int(binary.BigEndian.Uint16(header[offset+1:]))
		switch {
		case end > len(header):
			return ReasonTLV
		case header[offset] != proxyTLVCRC32C:
		case end != value+crc32.Size:
			return ReasonTLV
		case proxyChecksum(header, value) != binary.BigEndian.Uint32(header[value:]):
			return ReasonChecksum
		}
		offset = end
	}
	return ReasonNone
}

var (
	castagnoli   = crc32.MakeTable(crc32.Castagnoli)
	zeroChecksum [crc32.Size]byte // not a local variable, as crc32's assembly makes its argument escape
)

// proxyChecksum is the CRC32C of the header with its checksum at offset taken as zero.
func proxyChecksum(header []byte, offset int) uint32 {
	sum := crc32.Update(0, castagnoli, header[:offset])
	sum = crc32.Update(sum, castagnoli, zeroChecksum[:])
	return crc32.Update(sum, castagnoli, header[offset+crc32.Size:])
}
