package wire

// The head of an answer. It is read by the same pass as a request's; what differs is the first line, and that the length of
// the body also depends on the question (RFC 9112, section 6.3).

import "sluice/engine/exchange"

// Asked is what has to be known of a request to know how long its answer is.
type Asked uint8

// The kinds of requests.
const (
	AskedAny     Asked = iota
	AskedHead          // HEAD: the answer has no body, whatever it says about one
	AskedConnect       // CONNECT: after a 2xx there is no HTTP any more
)

// ParseResponse looks for one whole head of an answer at the start of in, as ParseRequest does. Statuses 1xx are heads of
// their own, and a 101 is for the caller to judge. Where an answer cannot have a body, m.Body is 0; Content-Length and
// Transfer-Encoding are dropped where they mean nothing (a length of 0 in 1xx and 204, 2xx to CONNECT), and kept where they say what another
// question would have got (HEAD, 304). After a 2xx to CONNECT the body is UntilClose: the tunnel.
func (in Input) ParseResponse(asked Asked, h *exchange.Head, m *Message) (n int, bad *Bad) {
	b, full := in.within()
	g := gate{b: b, full: full, h: h, m: m, length: -1, answer: true}
	if known := min(in.Scanned, len(b)); known > 0 && g.unchanged(known) {
		return 0, g.partial(headTooLong).inAnswer()
	}
	h.Reset()
	*m = Message{}
	if !g.statusLine() || !g.fields(in.Limits.Fields) {
		return 0, g.partial(headTooLong).inAnswer()
	}
	g.settle()
	if status := h.Status; (status < 200 || status == 204) && (g.chunked || g.length > 0) && g.fault == fine {
		g.fault = impossibleBody // two readers would not agree on where it ends (RFC 9110, section 8.6; RFC 9112, section 6.1)
	}
	if g.fault != fine {
		return 0, g.fault.inAnswer()
	}
	h.Load(b[:g.at])
	g.answerLength(asked)
	return g.at, nil
}

// statusLine reads "HTTP/1.1 200 OK". Many servers leave out the space before an empty reason, which no reader minds: the
// phrase means nothing, and the line ends at its CRLF either way.
func (g *gate) statusLine() bool {
	const version, status = len("HTTP/1.1"), len("HTTP/1.1 200")
	if !g.version(0) {
		return false
	}
	b, code := g.b, 0
	for i := version; i < status; i++ {
		switch {
		case i >= len(b):
			return false
		case i == version && b[i] != ' ':
			g.wrong(i, badStatusLine)
			return false
		case i == version:
		case b[i] < '0' || b[i] > '9' || i == version+1 && b[i] == '0':
			g.wrong(i, badStatus)
			return false
		default:
			code = code*10 + int(b[i]-'0')
		}
	}
	g.h.Status = code
	start := status
	if start < len(b) && b[start] == ' ' {
		start++
	} else if start < len(b) && b[start] != '\r' {
		g.wrong(start, badStatusLine)
		return false
	}
	end := textEnd(b, start)
	g.h.Reason = exchange.Span{At: uint32(start), Len: uint32(end - start)}
	return g.lineEnd(end, controlByte)
}

// answerLength says where the body ends.
func (g *gate) answerLength(asked Asked) {
	m, status := g.m, g.h.Status
	switch {
	case status < 200 || status == 204:
		g.dropFraming()
	case asked == AskedHead || status == 304:
	case asked == AskedConnect && status < 300:
		g.dropFraming()
		m.Body = UntilClose
	case g.chunked:
		m.Body = Chunked
	case g.length >= 0:
		m.Body = g.length
	default:
		m.Body = UntilClose
	}
	m.Close = m.Close || m.Body == UntilClose
}

func (g *gate) dropFraming() {
	g.h.Drop(exchange.ContentLength)
	g.h.Drop(exchange.TransferEncoding)
}
