package route

import (
	"bytes"
	"net/netip"
	"unsafe"
)

// maxHost is the most bytes a host has: that of a domain name (RFC 1035, 2.3.4), and enough for every address.
const maxHost = 255

// NormalHost returns the host of a Host field or an authority as it is matched: in lower case, without port and final dot. An IPv6 address
// keeps its brackets and is otherwise left as it was written. It returns false for what is no host with an optional port (RFC 9110, 4.2 and
// 7.2; RFC 3986, 3.2.2): empty, more than 255 bytes, an empty label, a port above 65535 or no number.
//
// A name has letters, digits, hyphens, underscores and dots. RFC 3986 allows more, such as "," and percent-encoding, but no name in use has
// them, and where one server decodes what another compares, a rule is evaded.
//
// If nothing but port and dot had to go, the result is the part of host it is, without a copy. Otherwise it is built in dst from its start,
// which grows if it has less room. The result is never longer than host.
func NormalHost(dst, host []byte) ([]byte, bool) {
	name, port := cutPort(host)
	if len(name) == 0 || !validPort(port) {
		return nil, false
	}
	ok := false
	if name[0] == '[' {
		ok = validLiteral(name)
	} else {
		if last := len(name) - 1; name[last] == '.' {
			name = name[:last]
		}
		ok = validName(name)
	}
	if !ok {
		return nil, false
	}
	return lower(dst, name), true
}

// cutPort divides host at the colon before the port, and knows those within brackets.
func cutPort(host []byte) (name, port []byte) {
	inside := 0
	if len(host) > 0 && host[0] == '[' {
		inside = max(0, bytes.IndexByte(host, ']'))
	}
	colon := bytes.IndexByte(host[inside:], ':')
	if colon < 0 {
		return host, nil
	}
	return host[:inside+colon], host[inside+colon+1:]
}

// validPort tells whether port is a number of 16 bits or empty, which means the default one (RFC 9110, 4.2.3).
func validPort(port []byte) bool {
	if len(port) > 5 {
		return false
	}
	number := 0
	for _, c := range port {
		if c < '0' || c > '9' {
			return false
		}
		number = number*10 + int(c-'0')
	}
	return number <= 65535
}

// nameBytes are the bytes a host name may have.
var nameBytes = func() (table [256]bool) {
	for _, c := range "-.0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz" {
		table[c] = true
	}
	return table
}()

// validName tells whether name is labels with single dots between them, in either case. IPv4 addresses are such names.
func validName(name []byte) bool {
	previous := byte('.')
	for _, c := range name {
		if !nameBytes[c] || c == '.' && previous == '.' {
			return false
		}
		previous = c
	}
	return previous != '.' && len(name) <= maxHost
}

// validLiteral tells whether literal, which begins with a bracket, is an IPv6 address in brackets. A zone means something on the sender's
// machine only (RFC 6874, 4).
func validLiteral(literal []byte) bool {
	text, closed := bytes.CutSuffix(literal[1:], []byte{']'})
	if !closed || len(text) == 0 || len(text) > maxHost || bytes.IndexByte(text, '%') >= 0 {
		return false
	}
	addr, err := netip.ParseAddr(unsafe.String(&text[0], len(text))) // without a zone, only the error keeps the text
	return err == nil && addr.Is6()
}

// lower returns name in lower case: itself, or a copy in dst if it has capitals.
func lower(dst, name []byte) []byte {
	for i, c := range name {
		if c >= 'A' && c <= 'Z' {
			return lowerFrom(append(dst[:0], name...), i)
		}
	}
	return name
}

// lowerFrom lowers the capitals of name from i on, in place.
func lowerFrom(name []byte, i int) []byte {
	for ; i < len(name); i++ {
		if c := name[i]; c >= 'A' && c <= 'Z' {
			name[i] = c | 0x20
		}
	}
	return name
}
