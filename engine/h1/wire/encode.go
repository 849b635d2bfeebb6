package wire

// Heads on their way out. Fields leave in their order, each as it came; what frames the message is written anew, in its old place
// if it had one, so that what was true of the bytes that came in is true of those that go out, whatever was edited between.
//
// The encoder is a gate too. Whatever an edit, a variable in a rule or another protocol's codec put into a head, no name or value
// with a line end in it leaves here: such a field is dropped whole, because half of it would be another lie.

import (
	"strconv"

	"sluice/engine/exchange"
)

// RequestFraming is what AppendRequest has to know besides the fields.
type RequestFraming struct {
	Body    int64  // bytes of body, or Chunked
	HasBody bool   // say so even if it is empty: "Content-Length: 0" where the field is not there
	Close   bool   // ask the server to close the connection afterwards
	Upgrade []byte // protocols to ask for; none if empty
}

// ResponseFraming is what AppendResponse has to know besides the fields.
type ResponseFraming struct {
	Version   uint8  // of the client: 10 or 11. The status line says 1.1 in any case (RFC 9110, section 6.2)
	Body      int64  // bytes of body, Chunked (never to 1.0), or UntilClose, which implies Close
	NoBody    bool   // the answer to a HEAD, or 304: what the fields say about a body stays as it came; Body is ignored
	Close     bool   // the connection ends with this answer
	KeepAlive bool   // tell a 1.0 client that asked for it that the connection stays
	Upgrade   []byte // of a 101: the protocol the connection turns to
}

// The framing of a head that is being written.
type framing struct {
	body   int64
	keep   bool // leave the fields as they came, one of them at most
	none   bool // write neither field
	old    bool // never write Transfer-Encoding: the reader does not know it
	needed bool // write one although body is 0 and none was there
	done   bool // one is written
	number [20]byte
}

// AppendRequest appends the head of a request. The version is always HTTP/1.1; without a Host field, h.Authority becomes one.
func AppendRequest(dst []byte, h *exchange.Head, f RequestFraming) []byte {
	if method := h.Bytes(h.Method); isToken(method) {
		dst = append(dst, method...)
	} else {
		dst = appendVisible(dst, method)
	}
	dst = append(dst, ' ')
	dst = appendVisible(dst, h.Bytes(h.Target))
	dst = append(dst, " HTTP/1.1\r\n"...)
	if !h.Has(exchange.Host) {
		dst = appendField(dst, hostName, h.Bytes(h.Authority))
	}
	dst = appendFields(dst, h, framing{body: f.Body, needed: f.HasBody})
	return appendConnection(dst, f.Close, false, f.Upgrade)
}

var hostName = []byte("Host")

// AppendResponse appends the head of an answer, or of a 1xx. Statuses 1xx and 204 never say anything about a body.
func AppendResponse(dst []byte, h *exchange.Head, f ResponseFraming) []byte {
	if f.Version == 10 && f.Body == Chunked && !f.NoBody {
		panic("h1: a chunked answer to an HTTP/1.0 client")
	}
	dst = append(dst, "HTTP/1.1 "...)
	dst = strconv.AppendUint(dst, uint64(h.Status), 10)
	dst = append(dst, ' ')
	if h.Reason == (exchange.Span{}) {
		dst = append(dst, reasonPhrase(h.Status)...)
	} else {
		dst = appendText(dst, h.Bytes(h.Reason))
	}
	dst = append(dst, '\r', '\n')
	dst = appendFields(dst, h, framing{
		body: f.Body, needed: true, keep: f.NoBody, old: f.Version == 10,
		none: h.Status < 200 || h.Status == 204 || f.Body == UntilClose && !f.NoBody,
	})
	close := f.Close || f.Body == UntilClose && !f.NoBody && h.Status >= 200
	return appendConnection(dst, close, f.KeepAlive, f.Upgrade)
}

// appendFields appends all fields that are to be sent, with the framing among them.
func appendFields(dst []byte, h *exchange.Head, f framing) []byte {
	r := run{arena: h.Bytes(exchange.Span{Len: uint32(h.Size())})}
	fields, hosts := h.Fields(), 0
	for i := range fields {
		field := &fields[i]
		switch {
		case field.Gone, field.ID.Hop():
			continue
		case field.ID == exchange.ContentLength, field.ID == exchange.TransferEncoding:
			value := f.inPlace(h, field)
			if value == nil {
				continue
			}
			if string(value) != string(h.Bytes(field.Value)) {
				dst = appendField(r.flush(dst), h.Bytes(field.Name), value)
				continue
			}
		case field.ID == exchange.Host:
			if hosts++; hosts > 1 {
				continue
			}
		}
		if r.take(field) {
			continue
		}
		if dst = r.flush(dst); !r.take(field) {
			dst = appendField(dst, h.Bytes(field.Name), h.Bytes(field.Value))
		}
	}
	return f.atEnd(r.flush(dst))
}

// atEnd appends the field that frames the message, if it is needed and was not among the others.
func (f *framing) atEnd(dst []byte) []byte {
	switch {
	case f.none, f.keep, f.done, f.body == 0 && !f.needed:
		return dst
	case f.body == Chunked:
		return append(dst, "Transfer-Encoding: chunked\r\n"...)
	}
	dst = append(dst, "Content-Length: "...)
	return appendLine(strconv.AppendInt(dst, f.body, 10))
}

// inPlace is the value to write for a field that frames the message; nil if the message is framed otherwise.
func (f *framing) inPlace(h *exchange.Head, field *exchange.Field) []byte {
	chunked := field.ID == exchange.TransferEncoding
	if f.none || f.done || chunked && f.old || !f.keep && chunked != (f.body == Chunked) {
		return nil
	}
	f.done = true
	switch {
	case f.keep:
		return h.Bytes(field.Value)
	case chunked:
		return chunkedValue
	}
	return strconv.AppendInt(f.number[:0], f.body, 10)
}

var chunkedValue = []byte("chunked")

// appendField appends one line, unless it would not be one field: see above.
func appendField(dst, name, value []byte) []byte {
	if !isToken(name) || textEnd(value, 0) < len(value) {
		return dst
	}
	dst = append(dst, name...)
	dst = append(dst, ':', ' ')
	return appendLine(append(dst, value...))
}

func appendLine(dst []byte) []byte { return append(dst, '\r', '\n') }

// appendConnection appends what the connection's two ends say to each other, and the empty line.
func appendConnection(dst []byte, close, keep bool, upgrade []byte) []byte {
	switch {
	case len(upgrade) > 0 && textEnd(upgrade, 0) == len(upgrade):
		dst = append(dst, "Connection: Upgrade\r\nUpgrade: "...)
		dst = appendLine(append(dst, upgrade...))
	case close:
		dst = append(dst, "Connection: close\r\n"...)
	case keep:
		dst = append(dst, "Connection: keep-alive\r\n"...)
	}
	return appendLine(dst)
}

// appendText appends a reason phrase, with a space for each byte that may not be in one.
func appendText(dst, text []byte) []byte {
	for {
		end := textEnd(text, 0)
		dst = append(dst, text[:end]...)
		if end == len(text) {
			return dst
		}
		dst = append(dst, ' ')
		text = text[end+1:]
	}
}

// appendVisible appends a part of the request line, with an escape for each byte that would end it.
func appendVisible(dst, text []byte) []byte {
	const digits = "0123456789ABCDEF"
	for {
		end := targetEnd(text, 0)
		dst = append(dst, text[:end]...)
		if end == len(text) {
			return dst
		}
		dst = append(dst, '%', digits[text[end]>>4], digits[text[end]&15])
		text = text[end+1:]
	}
}
