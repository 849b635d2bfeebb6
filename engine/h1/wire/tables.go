package wire

// Classes of bytes. Names are read through a table of 256, one byte at a time, because what a byte means matters there
// (a colon, a space, an underscore). Text is read eight bytes at a time, because all that matters is where it ends.

import (
	"encoding/binary"
	"math/bits"
)

// The classes a byte may belong to, as bits of classes.
const (
	token  = 1 << iota // of a method or field name (RFC 9110, section 5.6.2)
	odd                // of a token, but not kept apart from "-" by everybody: "_" and "."
	inHost             // of a registered name or an IPv4 address, as narrow as host names are in practice
	inIPv6             // between the brackets of an IP literal
	hex
	inQuotes // of a quoted string, but for the quote and the backslash
)

var classes = func() (table [256]uint8) {
	mark := func(bytes string, class uint8) {
		for _, c := range []byte(bytes) {
			table[c] |= class
		}
	}
	const digits, letters = "0123456789", "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	mark(digits+letters+"!#$%&'*+-.^_`|~", token)
	mark("_.", odd)
	mark(digits+letters+"-._", inHost)
	mark(digits+"abcdefABCDEF:.", inIPv6)
	mark(digits+"abcdefABCDEF", hex)
	for c := range table {
		if (c >= ' ' && c != 0x7f || c == '\t') && c != '"' && c != '\\' {
			table[c] |= inQuotes
		}
	}
	return table
}()

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// textEnd is the place of the first byte of b, from at on, that text must not contain: a control byte other than HTAB
// (RFC 9110, section 5.5). It is len(b) if there is none.
func textEnd(b []byte, at int) int {
	for at+8 <= len(b) {
		w := binary.LittleEndian.Uint64(b[at:])
		del := w ^ 0x7f*ones
		// The sign bit of a byte below 0x20 comes from the borrow, that of a byte equal to 0x7f likewise; a borrow may
		// also run into bytes behind a hit, so only the first hit counts.
		found := ((w-0x20*ones)&^w | (del-ones)&^del) & highs
		if found == 0 {
			at += 8
			continue
		}
		at += bits.TrailingZeros64(found) / 8
		if b[at] != '\t' {
			return at
		}
		at++
	}
	for ; at < len(b); at++ {
		if c := b[at]; c < ' ' && c != '\t' || c == 0x7f {
			return at
		}
	}
	return at
}

// targetEnd is the place of the first byte of b, from at on, that a request target must not contain: a control byte, a
// space, or a "#". Bytes from 0x80 on pass: browsers do not send them, but many programs do, and nobody reads them as
// anything else.
func targetEnd(b []byte, at int) int {
	for ; at+8 <= len(b); at += 8 {
		w := binary.LittleEndian.Uint64(b[at:])
		del, hash := w^0x7f*ones, w^'#'*ones
		if found := ((w-0x21*ones)&^w | (del-ones)&^del | (hash-ones)&^hash) & highs; found != 0 {
			return at + bits.TrailingZeros64(found)/8
		}
	}
	for ; at < len(b); at++ {
		if c := b[at]; c <= ' ' || c == 0x7f || c == '#' {
			return at
		}
	}
	return at
}

// all reports whether every byte of b belongs to the class.
func all(b []byte, class uint8) bool {
	for _, c := range b {
		if classes[c]&class == 0 {
			return false
		}
	}
	return true
}

// isToken reports whether b is a token.
func isToken(b []byte) bool { return len(b) > 0 && all(b, token) }

// fold reports whether b is word, in any case of its ASCII letters. word is in lower case.
func fold(b []byte, word string) bool {
	if len(b) != len(word) {
		return false
	}
	for i, c := range b {
		if c != word[i] && ('A' > c || c > 'Z' || c|0x20 != word[i]) {
			return false
		}
	}
	return true
}

// trim removes white space around b.
func trim(b []byte) []byte {
	for len(b) > 0 && blank(b[0]) {
		b = b[1:]
	}
	for len(b) > 0 && blank(b[len(b)-1]) {
		b = b[:len(b)-1]
	}
	return b
}

func blank(c byte) bool { return c == ' ' || c == '\t' }

// reasonPhrase is the usual phrase of a status, empty for an unknown one: an answer that was made here has no other.
func reasonPhrase(status int) string {
	if status < 0 || status >= len(phrases) {
		return ""
	}
	return phrases[status]
}

// phrases are IANA's.
var phrases = [512]string{
	100: "Continue", 101: "Switching Protocols", 102: "Processing", 103: "Early Hints",
	200: "OK", 201: "Created", 202: "Accepted", 203: "Non-Authoritative Information", 204: "No Content",
	205: "Reset Content", 206: "Partial Content", 207: "Multi-Status", 208: "Already Reported", 226: "IM Used",
	300: "Multiple Choices", 301: "Moved Permanently", 302: "Found", 303: "See Other", 304: "Not Modified",
	305: "Use Proxy", 307: "Temporary Redirect", 308: "Permanent Redirect",
	400: "Bad Request", 401: "Unauthorized", 402: "Payment Required", 403: "Forbidden", 404: "Not Found",
	405: "Method Not Allowed", 406: "Not Acceptable", 407: "Proxy Authentication Required", 408: "Request Timeout",
	409: "Conflict", 410: "Gone", 411: "Length Required", 412: "Precondition Failed", 413: "Content Too Large",
	414: "URI Too Long", 415: "Unsupported Media Type", 416: "Range Not Satisfiable", 417: "Expectation Failed",
	421: "Misdirected Request", 422: "Unprocessable Content", 423: "Locked", 424: "Failed Dependency", 425: "Too Early",
	426: "Upgrade Required", 428: "Precondition Required", 429: "Too Many Requests",
	431: "Request Header Fields Too Large", 451: "Unavailable For Legal Reasons",
	500: "Internal Server Error", 501: "Not Implemented", 502: "Bad Gateway", 503: "Service Unavailable",
	504: "Gateway Timeout", 505: "HTTP Version Not Supported", 506: "Variant Also Negotiates", 507: "Insufficient Storage",
	508: "Loop Detected", 510: "Not Extended", 511: "Network Authentication Required",
}
