package template

// Where a text goes decides which bytes of a client's may be in it. They are looked up in one table, a bit per place.

// Place is where a text goes.
type Place uint8

// The places.
const (
	Field Place = 1 << iota // the value of a header field: no control bytes (RFC 9110, section 5.5)
	URI                     // a part of a URI, ahead of any "#": nothing that RFC 3986 does not know
	Body                    // a body: as in a URI, and no apostrophe, so that it breaks out of no string of HTML or JSON
)

// allowed has the bit of each place in which a byte may stand as it is.
var allowed = func() (table [256]Place) {
	for c := ' '; c <= 0xff; c++ {
		if c != 0x7f {
			table[c] = Field
		}
	}
	const unreserved = "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	for _, c := range []byte(unreserved + "%:/?[]@!$&()*+,;=") {
		table[c] |= URI | Body
	}
	table['\''] |= URI
	return table
}()

// appendSafe appends what a client has sent, and the escape of each byte that has no business there.
func appendSafe(dst, value []byte, where Place) []byte {
	const digits = "0123456789ABCDEF"
	for {
		n := 0
		for n < len(value) && allowed[value[n]]&where != 0 {
			n++
		}
		dst = append(dst, value[:n]...)
		if n == len(value) {
			return dst
		}
		dst = append(dst, '%', digits[value[n]>>4], digits[value[n]&15])
		value = value[n+1:]
	}
}
