package forwarded

// One element of Forwarded (RFC 7239, section 4): for=192.0.2.1;host="a.example:8080";proto=http

import (
	"sluice/engine/exchange"
	"sluice/engine/template"
)

// elementUsual is room for an element with a host name that people can remember; a longer one allocates.
const elementUsual = 192

// appendElement appends what is known here: the peer, the host as it was sent, the scheme. A peer without an address is
// "unknown" (section 6.2).
func appendElement(dst []byte, x *exchange.Exchange) []byte {
	dst = append(dst, "for="...)
	switch addr := x.Peer.Addr().Unmap(); {
	case addr.Is4():
		dst = template.AppendAddr(dst, addr)
	case addr.Is6():
		dst = append(dst, `"[`...)
		dst = template.AppendAddr(dst, addr)
		dst = append(dst, `]"`...)
	default:
		dst = append(dst, "unknown"...)
	}
	if host := x.Request.Bytes(x.Request.Authority); len(host) > 0 {
		dst = append(dst, ";host="...)
		dst = appendWord(dst, host)
	}
	dst = append(dst, ";proto="...)
	return append(dst, x.Scheme...)
}

// appendWord appends a token as it is, and all else as a quoted string (RFC 9110, section 5.6.4) without control bytes.
func appendWord(dst, word []byte) []byte {
	if isPlain(word) {
		return append(dst, word...)
	}
	dst = append(dst, '"')
	for _, c := range word {
		switch {
		case c < ' ' || c == 0x7f:
			continue
		case c == '"' || c == '\\':
			dst = append(dst, '\\')
		}
		dst = append(dst, c)
	}
	return append(dst, '"')
}

// isPlain reports whether a word has only bytes that are in a token and in host names.
func isPlain(word []byte) bool {
	for _, c := range word {
		switch {
		case 'a' <= c|0x20 && c|0x20 <= 'z', '0' <= c && c <= '9', c == '-', c == '.', c == '_':
		default:
			return false
		}
	}
	return true
}
