package observe

// The JSON of one line, written by hand: appended to the loop's buffer without an
// allocation, in about a microsecond. Field order is fixed and docs/logging.md
// describes it; a test compares the two.
//
// Some of the text was chosen by an attacker (the server name, the protocol). It is
// cut at textMax bytes, so a line has an upper bound, and every character that could
// break the JSON, move a terminal's cursor or turn its text around is escaped.

import (
	"net/netip"
	"strconv"
	"time"
	"unicode/utf8"

	"sluice/engine/record"
)

const (
	// textMax is the longest text printed in full; a DNS name has at most 253 bytes.
	textMax = 255
	// addrMax cuts an address; only an invented IPv6 zone makes one longer.
	addrMax = 64
	// lineMax bounds a line: six texts and two addresses whose every byte becomes
	// \u00XX, and the keys and numbers around them.
	lineMax = 6*(6*textMax+len("…")) + 2*6*addrMax + 700

	timeLayout = "2006-01-02T15:04:05.000000Z" // RFC 3339 in UTC
)

// appendConn appends r as one line with its newline, at most lineMax bytes.
func appendConn(dst []byte, r *record.Conn) []byte {
	var names record.Names
	if r.Names != nil {
		names = *r.Names
	}
	dst = append(dst, `{"time":"`...)
	dst = time.Unix(0, r.Start).Add(r.Total).UTC().AppendFormat(dst, timeLayout)
	dst = append(dst, `","reason":"`...)
	dst = append(dst, r.Reason.String()...)
	dst = append(dst, `","side":"`...)
	dst = append(dst, r.Reason.Side().String()...)
	dst = append(dst, '"')
	if r.Errno != 0 {
		dst = appendText(dst, "error", r.Errno.Error())
	}
	dst = appendAddr(dst, "client", r.Client)
	if r.Peer.IsValid() {
		dst = appendAddr(dst, "peer", r.Peer)
	}
	dst = appendText(dst, "listener", names.Listener)
	dst = appendText(dst, "route", names.Route)
	dst = appendText(dst, "upstream", names.Upstream)
	dst = appendText(dst, "server", r.Server)
	dst = appendText(dst, "sni", r.SNI)
	dst = appendText(dst, "alpn", r.ALPN)
	return appendNumbers(dst, r)
}

// appendNumbers appends the fields that every line has, and ends it.
func appendNumbers(dst []byte, r *record.Conn) []byte {
	dst = appendCount(dst, "attempts", uint64(r.Attempts))
	dst = appendCount(dst, "bytes_up", r.BytesUp)
	dst = appendCount(dst, "bytes_down", r.BytesDown)
	dst = appendMillis(dst, "proxy_header_ms", uint64(r.ProxyHeader))
	dst = appendMillis(dst, "hello_ms", uint64(r.Hello))
	dst = appendMillis(dst, "connect_ms", uint64(r.Connect))
	dst = appendMillis(dst, "first_byte_ms", uint64(r.FirstByte))
	dst = appendMillis(dst, "total_ms", uint64(max(r.Total, 0)/time.Microsecond))
	dst = appendKey(dst, "spliced")
	if r.Spliced {
		return append(dst, "true}\n"...)
	}
	return append(dst, "false}\n"...)
}

func appendKey(dst []byte, key string) []byte {
	dst = append(dst, `,"`...)
	dst = append(dst, key...)
	return append(dst, `":`...)
}

// appendText appends the field unless its text is empty.
func appendText(dst []byte, key, text string) []byte {
	if text == "" {
		return dst
	}
	dst = append(appendKey(dst, key), '"')
	if len(text) > textMax {
		dst = appendEscaped(dst, text[:textMax])
		return append(dst, `…"`...)
	}
	return append(appendEscaped(dst, text), '"')
}

// appendAddr appends IP and port; a client on a unix socket has neither.
func appendAddr(dst []byte, key string, addr netip.AddrPort) []byte {
	dst = append(appendKey(dst, key), '"')
	if !addr.IsValid() {
		return append(dst, `unix"`...)
	}
	// The zone of an IPv6 address is an interface's name, and those may hold quotes.
	var scratch [addrMax]byte
	text := addr.AppendTo(scratch[:0])
	return append(appendEscaped(dst, text[:min(len(text), addrMax)]), '"')
}

func appendCount(dst []byte, key string, n uint64) []byte {
	return strconv.AppendUint(appendKey(dst, key), n, 10)
}

// appendMillis appends microseconds as milliseconds with three decimals.
func appendMillis(dst []byte, key string, us uint64) []byte {
	dst = strconv.AppendUint(appendKey(dst, key), us/1000, 10)
	us %= 1000
	return append(dst, '.', byte('0'+us/100), byte('0'+us/10%10), byte('0'+us%10))
}

// appendEscaped appends text as the inside of a JSON string (RFC 8259, section 7). What
// is not UTF-8 becomes U+FFFD, one for each bad byte. Runs of plain bytes, which is
// nearly everything, are copied whole.
func appendEscaped[T string | []byte](dst []byte, text T) []byte {
	done := 0 // text[:done] is in dst
	for i := 0; i < len(text); {
		if isPlain(text[i]) {
			i++
			continue
		}
		r, size := decodeRune(text[i:])
		if size > 1 && !isUnsafe(r) {
			i += size
			continue
		}
		dst = append(dst, text[done:i]...)
		if r == '"' || r == '\\' {
			dst = append(dst, '\\', byte(r))
		} else {
			dst = appendUnicode(dst, r)
		}
		i += size
		done = i
	}
	return append(dst, text[done:]...)
}

// isPlain reports the ASCII characters that stand for themselves.
func isPlain(c byte) bool { return c >= ' ' && c < 0x7f && c != '"' && c != '\\' }

// decodeRune decodes the first character without a conversion that would allocate.
func decodeRune[T string | []byte](text T) (rune, int) {
	var scratch [utf8.UTFMax]byte
	return utf8.DecodeRune(scratch[:copy(scratch[:], text)])
}

// isUnsafe reports characters that JSON allows and terminals obey: C1 controls, line
// separators and marks that change the direction of text.
func isUnsafe(r rune) bool {
	return r <= 0x9f || r == 0x061c ||
		r >= 0x200e && r <= 0x200f ||
		r >= 0x2028 && r <= 0x202e ||
		r >= 0x2066 && r <= 0x2069
}

// appendUnicode appends \uXXXX; r lies in the basic plane.
func appendUnicode(dst []byte, r rune) []byte {
	const hex = "0123456789abcdef"
	return append(dst, '\\', 'u', hex[r>>12&15], hex[r>>8&15], hex[r>>4&15], hex[r&15])
}
