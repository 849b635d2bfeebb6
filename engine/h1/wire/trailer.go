package wire

// Trailers: the fields behind a chunked body. They obey the rules of a head's fields, but come late: whoever decided by the
// head must not be overruled by them (RFC 9110, section 6.5.1).

import "sluice/engine/exchange"

// trailerLine is what is known of the trailer being read.
type trailerLine struct {
	name, value exchange.Span
	class       uint8 // of the name
	size        int   // bytes of the trailer section
	fields      int
}

// trailer reads bytes of the trailer section and returns how many; 0 only if the state has changed.
func (d *Decoder) trailer(b []byte) (n int) {
	b = b[:min(len(b), maxTrailer-d.trailerLine.size)]
	if len(b) == 0 {
		d.fault = longTrailer
		return 0
	}
	switch d.state {
	case lineStart:
		n = d.trailerStart(b[0])
	case trailerName:
		n = d.trailerName(b)
	case trailerBlank:
		if !blank(b[0]) {
			d.state = trailerValue
			return 0
		}
		n = 1
	case trailerValue:
		n = d.trailerValue(b)
	case trailerLF:
		d.expect(b[0], '\n', bareCR)
		d.endTrailer()
		n = 1
	case lastLF:
		d.expect(b[0], '\n', bareCR)
		d.state = bodyDone
		n = 1
	}
	d.trailerLine.size += n
	return n
}

func (d *Decoder) trailerStart(c byte) (n int) {
	if c == '\r' {
		d.state = lastLF
		return 1
	}
	if blank(c) {
		d.fault = foldedLine
		return 0
	}
	if d.fields++; d.fields > maxTrailerFields {
		d.fault = manyTrailers
	}
	d.state = trailerName
	d.name, d.value, d.class = exchange.Span{}, exchange.Span{}, 0
	return 0
}

func (d *Decoder) trailerName(b []byte) (n int) {
	for n < len(b) && classes[b[n]]&token != 0 {
		d.class |= classes[b[n]]
		n++
	}
	d.keep(&d.name, b[:n])
	if n == len(b) {
		return n
	}
	switch c := b[n]; {
	case c == ':' && d.name.Len > 0:
		d.state = trailerBlank
	case c == ':':
		d.fault = emptyName
	case blank(c):
		d.fault = spaceBeforeColon
	case c == '\r':
		d.fault = noColon
	default:
		d.refuse(c, badName)
	}
	return n + 1
}

func (d *Decoder) trailerValue(b []byte) (n int) {
	n = textEnd(b, 0)
	d.keep(&d.value, b[:n])
	if n == len(b) {
		return n
	}
	d.expect(b[n], '\r', controlByte)
	d.state = trailerLF
	return n + 1
}

// keep puts a piece of a name or value behind the pieces before it.
func (d *Decoder) keep(s *exchange.Span, piece []byte) {
	if d.Trailers == nil {
		s.Len += uint32(len(piece))
		return
	}
	stored := d.Trailers.Store(piece)
	if s.Len == 0 {
		s.At = stored.At
	}
	s.Len += stored.Len
}

// endTrailer enters the field, unless it is one that must not come late.
func (d *Decoder) endTrailer() {
	d.state = lineStart
	t := d.Trailers
	if t == nil || d.fault != fine {
		return
	}
	name, value := t.Bytes(d.name), t.Bytes(d.value)
	for len(value) > 0 && blank(value[len(value)-1]) {
		value = value[:len(value)-1]
	}
	d.value.Len = uint32(len(value))
	if late(name) && (d.Answer || d.class&odd == 0 && !exchange.IsClientCert(name)) {
		t.AddSpan(exchange.Other, d.name, d.value)
	}
}

// notLate are names that must not be trailers, besides those that no Connection may take away: they say how the message is
// to be treated, which was done by the time they come.
var notLate = []string{
	"www-authenticate", "proxy-authenticate", "max-forwards", "age", "expires", "retry-after", "vary", "warning",
	"content-language", "content-location", "transfer-coding", "x-accel-redirect", "x-sendfile",
}

// late reports whether a field of that name may come as a trailer. No known name may: those are known for what a proxy does
// about them.
func late(name []byte) bool {
	if exchange.Known(name) != exchange.Other || protected(name) {
		return false
	}
	for _, forbidden := range notLate {
		if fold(name, forbidden) {
			return false
		}
	}
	return true
}

// AppendTrailers appends the last chunk, the fields of t, which may be nil, and the end of the body.
func AppendTrailers(dst []byte, t *exchange.Head) []byte {
	dst = append(dst, "0\r\n"...)
	if t != nil {
		fields := t.Fields()
		for i := range fields {
			if f := &fields[i]; !f.Gone && late(t.Bytes(f.Name)) {
				dst = appendField(dst, t.Bytes(f.Name), t.Bytes(f.Value))
			}
		}
	}
	return append(dst, '\r', '\n')
}
