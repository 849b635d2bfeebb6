package observe

// The JSON of one line, written by hand: appended to the loop's buffer without an
// allocation, in well under a microsecond. Field order is fixed and docs/logging.md
// describes it; a test compares the two.
//
// Some of the text was chosen by an attacker (the server name, the target). It is
// cut, so a line has an upper bound, and every character that could break the JSON,
// move a terminal's cursor or turn its text around is escaped.

import (
	"net/netip"
	"strconv"
	"syscall"
	"time"
	"unicode/utf8"

	"sluice/engine/record"
)

const (
	// textMax is the longest text printed in full; a DNS name has at most 253 bytes.
	textMax = 255
	// addrMax cuts an address; only an invented IPv6 zone makes one longer.
	addrMax = 64
	// connMax bounds the line of a connection: eight texts and two addresses whose every
	// byte becomes \u00XX, and the keys and numbers around them.
	connMax = 8*(6*textMax+len("…")) + 2*6*addrMax + 900
	// lineMax bounds every line.
	lineMax = max(connMax, exchangeMax)
)

// appendConn appends r as one line with its newline, at most connMax bytes.
func appendConn(dst []byte, c *clock, r *record.Conn) []byte {
	dst = appendEnding(dst, c, ending{r.Start, r.Total, r.Reason, r.Errno})
	if r.TLS != nil {
		dst = appendText(dst, "detail", r.TLS.Detail)
	}
	dst = appendParties(dst, r.Client, r.Peer, r.Names)
	dst = appendText(dst, "server", r.Server)
	dst = appendText(dst, "sni", r.SNI)
	dst = appendText(dst, "alpn", r.ALPN)
	if r.TLS != nil {
		dst = appendTLS(dst, r.TLS)
	}
	dst = appendCount(dst, "attempts", uint64(r.Attempts))
	dst = appendCount(dst, "bytes_up", r.BytesUp)
	dst = appendCount(dst, "bytes_down", r.BytesDown)
	dst = appendMillis(dst, "proxy_header_ms", uint64(r.ProxyHeader))
	dst = appendMillis(dst, "hello_ms", uint64(r.Hello))
	dst = appendMillis(dst, "connect_ms", uint64(r.Connect))
	dst = appendMillis(dst, "first_byte_ms", uint64(r.FirstByte))
	dst = appendMillis(dst, "total_ms", micros(r.Total))
	dst = appendBool(dst, "spliced", r.Spliced)
	return append(dst, "}\n"...)
}

// appendTLS appends what was agreed on with the client; nothing where the handshake failed.
func appendTLS(dst []byte, t *record.TLS) []byte {
	if t.Version == 0 {
		return dst
	}
	dst = appendText(dst, "tls", t.VersionName())
	dst = appendText(dst, "cipher", t.CipherName())
	dst = appendBool(dst, "resumed", t.Resumed)
	if t.Client != nil {
		dst = appendText(dst, "client_cert", t.Client.Subject)
	}
	return appendMillis(dst, "handshake_ms", uint64(t.Handshake))
}

// ending is how every line begins: when and why it was over.
type ending struct {
	start  int64 // Unix nanoseconds
	total  time.Duration
	reason record.Reason
	errno  syscall.Errno
}

// appendEnding opens a line.
func appendEnding(dst []byte, c *clock, e ending) []byte {
	dst = append(dst, `{"time":"`...)
	dst = c.append(dst, e.start, e.total)
	dst = append(dst, `","reason":"`...)
	dst = append(dst, e.reason.String()...)
	dst = append(dst, `","side":"`...)
	dst = append(dst, e.reason.Side().String()...)
	dst = append(dst, '"')
	if e.errno != 0 {
		dst = appendText(dst, "error", e.errno.Error())
	}
	return dst
}

// appendParties appends who came and where it was filed.
func appendParties(dst []byte, client, peer netip.AddrPort, names *record.Names) []byte {
	dst = appendAddr(dst, "client", client)
	if peer.IsValid() {
		dst = appendAddr(dst, "peer", peer)
	}
	if names == nil {
		return dst
	}
	dst = appendText(dst, "listener", names.Listener)
	dst = appendText(dst, "route", names.Route)
	return appendText(dst, "upstream", names.Upstream)
}

func appendKey(dst []byte, key string) []byte {
	dst = append(dst, `,"`...)
	dst = append(dst, key...)
	return append(dst, `":`...)
}

// appendText appends the field unless its text is empty, and at most textMax bytes of it.
func appendText[T string | []byte](dst []byte, key string, text T) []byte {
	return appendCut(dst, key, text, textMax)
}

// appendCut appends the field unless its text is empty, and at most longest bytes of it.
func appendCut[T string | []byte](dst []byte, key string, text T, longest int) []byte {
	if len(text) == 0 {
		return dst
	}
	dst = append(appendKey(dst, key), '"')
	if len(text) > longest {
		dst = appendEscaped(dst, text[:longest])
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
	if addr.Port() == 0 { // whom another proxy named has no port
		text = addr.Addr().AppendTo(scratch[:0])
	}
	return append(appendEscaped(dst, text[:min(len(text), addrMax)]), '"')
}

func appendCount(dst []byte, key string, n uint64) []byte {
	return appendUint(appendKey(dst, key), n)
}

// appendUint appends n in decimal. Most numbers of a line have one digit.
func appendUint(dst []byte, n uint64) []byte {
	if n < 10 {
		return append(dst, byte('0'+n))
	}
	return strconv.AppendUint(dst, n, 10)
}

// appendMillis appends microseconds as milliseconds with three decimals.
func appendMillis(dst []byte, key string, us uint64) []byte {
	dst = appendUint(appendKey(dst, key), us/1000)
	return appendThree(append(dst, '.'), us%1000)
}

// micros returns d in whole microseconds, 0 if it is negative.
func micros(d time.Duration) uint64 { return uint64(max(d, 0) / time.Microsecond) }

func appendBool(dst []byte, key string, b bool) []byte {
	return strconv.AppendBool(appendKey(dst, key), b)
}

// appendEscaped appends text as the inside of a JSON string (RFC 8259, section 7). What
// is not UTF-8 becomes U+FFFD, one for each bad byte. Runs of plain bytes, which is
// nearly everything, are copied whole.
func appendEscaped[T string | []byte](dst []byte, text T) []byte {
	done := 0 // text[:done] is in dst
	for i := 0; i < len(text); {
		if plain[text[i]] {
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

// plain marks the ASCII characters that stand for themselves.
var plain = func() (set [256]bool) {
	for c := ' '; c < 0x7f; c++ {
		set[c] = c != '"' && c != '\\'
	}
	return set
}()

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
