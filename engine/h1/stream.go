package h1

// One request of a client and its answer: an exchange, and the framing of both bodies.

import (
	"net/netip"
	"strings"

	"sluice/engine/exchange"
	"sluice/engine/flow"
	"sluice/engine/h1/wire"
	"sluice/engine/loop"
	"sluice/engine/record"
	"sluice/engine/sock"
	"sluice/engine/stat"
)

// stream is what one request needs. It is leased when its head is whole and goes back when the answer is.
type stream struct {
	exchange.Exchange
	server  *Server
	front   *front
	task    loop.Task    // gives it back in a later turn
	msg     wire.Message // of the request
	body    dechunker    // of the request
	chunked bool         // the answer's body is
	close   bool         // the connection ends with the answer, whatever the exchange says
	raw     bool         // switched
}

// start begins the exchange.
func (s *stream) start() {
	f := s.front
	s.identify()
	switch {
	case s.msg.Body == wire.Chunked:
		s.RequestBody = exchange.Unknown
	default:
		s.RequestBody = s.msg.Body
	}
	s.Upgrade, s.Connect = s.msg.Upgrade, s.msg.Connect
	s.Continue = s.msg.Continue
	s.close = s.msg.Close
	s.Record.Version = s.msg.Version
	if !s.Continue {
		s.Request.Drop(exchange.Expect) // nothing to wait for: without a body, or from a client of 1.0
	}
	if f.conn.Watch() && s.RequestBody == 0 && s.stays() {
		s.Forgo(s, s.server.service, record.ClientGone) // it asked and left
		return
	}
	s.Begin(s, s.server.service)
}

// stays reports whether the client's own end of stream would mean that it is gone: one that has said that it will send
// nothing more, or speaks HTTP/1.0, may end its side and wait.
func (s *stream) stays() bool { return !s.msg.Close && s.msg.Version >= 11 }

// identify says who asks.
func (s *stream) identify() {
	f := s.front
	if s.Scheme = "http"; f.tls != nil && f.tls.Version != 0 {
		s.Scheme, s.Record.TLS = "https", f.tls
	}
	s.Client, s.Peer = f.client, f.client
	if peer := f.conn.Peer(); peer != f.client {
		s.Record.Peer = peer
	}
	if f.port == 0 && f.client.IsValid() {
		f.port = f.conn.Local().Port()
	}
	s.Port = f.port
}

// refuse answers a request that cannot be accepted.
func (s *stream) refuse(bad *wire.Bad) {
	s.server.net.Loop.Stats().Inc(stat.HTTPRequestsBad)
	s.identify()
	s.close = true
	s.Request.Reset()
	s.msg.Body = wire.Chunked // nobody knows how much of it is still to come
	s.RequestBody = exchange.Unknown
	s.Refuse(s, s.server.service, bad.Reason, bad.Detail)
}

// clientEnded decides about a client that has sent its FIN before its answer was whole.
func (s *stream) clientEnded() {
	if s.raw || !s.stays() || s.Unfinished() {
		return // it said so before; or Received will look again
	}
	if !s.Answered() {
		s.Abandon(record.ClientGone, nil)
		return
	}
	s.close = true
}

// Source implements exchange.Front.
func (s *stream) Source(*exchange.Exchange) flow.Source {
	conn := s.front.conn
	switch {
	case s.raw:
		conn.Unbound()
		return conn
	case s.msg.Body == wire.Chunked:
		s.body.begin(conn, &s.RequestTrailers)
		if s.Route != nil {
			s.body.most = s.Route.MaxBody
		}
		return &s.body
	}
	conn.Bound(s.msg.Body)
	return conn
}

// Received implements exchange.Front: a client that has ended behind its body is gone, as one without a body is.
func (s *stream) Received(*exchange.Exchange) {
	if s.front.conn.PeerEnds() {
		s.clientEnded()
	}
}

// Local implements exchange.Front.
func (s *stream) Local(*exchange.Exchange) netip.AddrPort {
	if s.front.target.IsValid() {
		return s.front.target
	}
	return s.front.conn.Local()
}

// Inform implements exchange.Front.
func (s *stream) Inform(*exchange.Exchange) {
	if s.msg.Version < 11 || s.front.conn.Queued() > pipelineMax {
		return // it does not know them, or does not take what is there already
	}
	s.write(wire.ResponseFraming{Version: s.msg.Version})
}

// WriteHead implements exchange.Front.
func (s *stream) WriteHead(*exchange.Exchange) bool {
	f := wire.ResponseFraming{Version: s.msg.Version, Body: s.ResponseBody, NoBody: s.Bodiless}
	s.chunked = false
	if s.ResponseBody == exchange.Unknown {
		f.Body = wire.Chunked
		if s.chunked = s.msg.Version >= 11; !s.chunked {
			f.Body = wire.UntilClose
			s.close = true
		}
	}
	switch {
	case s.Switching:
		f.Body, f.NoBody = 0, true
		f.Upgrade = s.Response.Bytes(s.Protocol)
		return s.write(f)
	case s.Closing(), (s.server.draining || s.server.retired) && len(s.front.conn.Ahead()) == 0, s.msg.Connect, s.msg.Upgrade.Len > 0 && s.front.conn.Waiting():
		// Bytes behind a request to switch, sent before the answer, were not meant to be HTTP. Behind a CONNECT some
		// clients send them in any case, so they may also come later.
		s.close = true
	case s.Unfinished() && (s.Continue || s.ResponseBody == 0 || s.Bodiless || !s.Sending()) && !s.bodyHere():
		s.close = true
	}
	f.Close = s.close
	f.KeepAlive = !s.close && s.msg.Version < 11
	return s.write(f)
}

// bodyHere reports whether the whole body of the request has come with its head, and nobody has asked for it: then it
// can be skipped.
func (s *stream) bodyHere() bool {
	return s.msg.Body > 0 && !s.Asked() && int64(len(s.front.conn.Ahead())) >= s.msg.Body
}

// write queues the head in s.Response.
func (s *stream) write(f wire.ResponseFraming) bool {
	most := headRoom(&s.Response)
	if most > maxWrittenHead {
		return false
	}
	conn := s.front.conn
	space := conn.Space(most)
	if space == nil { // behind another large head
		conn.Flush()
		if space = conn.Space(most); space == nil {
			return false
		}
	}
	conn.Commit(len(wire.AppendResponse(space, &s.Response, f)))
	return true
}

// headRoom is more than the bytes that h can take when it is written: a target may have to be escaped, a missing Host is
// made of the authority.
func headRoom(h *exchange.Head) int {
	room := int(h.Method.Len+h.Authority.Len+h.Reason.Len+h.Target.Len) + headExtra
	for _, c := range h.Bytes(h.Target) {
		if c <= ' ' || c >= 0x7f {
			room += len("%20") - 1
		}
	}
	fields := h.Fields()
	for i := range fields {
		room += int(fields[i].Name.Len+fields[i].Value.Len) + len(": \r\n")
	}
	return room
}

// Sink implements exchange.Front.
func (s *stream) Sink(*exchange.Exchange) flow.Sink {
	if s.raw {
		return s.front.conn
	}
	return (*answerSink)(s)
}

// Switch implements exchange.Front.
func (s *stream) Switch(*exchange.Exchange) {
	s.raw = true
	s.front.conn.Unwatch()
	s.front.conn.KeepAlive()
}

// Backlog implements exchange.Front.
func (s *stream) Backlog(*exchange.Exchange) int {
	return s.front.conn.Queued() + s.front.conn.Unsent()
}

// Over implements exchange.Front.
func (s *stream) Over(_ *exchange.Exchange, cut bool) {
	f := s.front
	s.body.settle()
	how := persist
	switch {
	case cut:
		how = byReset
	case s.raw:
		how = inOrder
	case s.Unfinished() && s.bodyHere() && !s.close:
		f.conn.Discard(int(s.msg.Body))
	case s.Unfinished(), s.msg.Connect:
		how = drained
	case s.msg.Close, s.server.draining && s.close:
		how = inOrder
	case s.close || s.Closing():
		how = drained // it may be sending its next request just now
	}
	s.giveBack()
	f.over(how)
}

// giveBack returns the stream to its list, now or when nothing of it waits in the ring any more.
func (s *stream) giveBack() {
	s.front = nil
	if s.Busy() {
		s.server.net.Loop.Later(&s.task)
		return
	}
	s.Run()
}

// Run returns the stream to its list.
func (s *stream) Run() {
	if s.State() != exchange.Unused {
		s.Clear()
	}
	s.msg = wire.Message{}
	s.body.reset()
	s.chunked, s.close, s.raw = false, false, false
	s.server.streams.Put(s)
}

// answerSink is the sink of the answer's body: the client's connection, but for the framing.
type answerSink stream

// Write implements flow.Sink.
func (a *answerSink) Write(f *flow.Flow, c *flow.Chunk, end bool) {
	s := (*stream)(a)
	writeBody(s.front.conn, f, c, bodyFraming{chunked: s.chunked, end: end, trailers: &s.ResponseTrailers})
}

// Abort implements flow.Sink: the exchange cuts the connection.
func (a *answerSink) Abort(f *flow.Flow, err error) { a.front.conn.Abort(f, err) }

// SpliceTo implements sock.Splicer.
func (a *answerSink) SpliceTo() *sock.Conn {
	if a.chunked {
		return nil
	}
	return a.front.conn
}

// bodyFraming is what writeBody has to know besides the bytes.
type bodyFraming struct {
	chunked  bool
	end      bool
	trailers *exchange.Head
}

// writeBody writes one chunk of a body, and what frames it.
func writeBody(conn *sock.Conn, f *flow.Flow, c *flow.Chunk, b bodyFraming) {
	n := c.Len()
	if !b.chunked {
		if n == 0 {
			f.Done()
			return
		}
		conn.WriteFramed(f, c, "")
		return
	}
	tail := "\r\n"
	if b.end {
		tail = lastChunk(b.trailers, n > 0)
	}
	if n > 0 {
		var line [chunkHeadMax]byte
		conn.Queue(wire.AppendChunkHead(line[:0], n))
	}
	conn.WriteFramed(f, c, tail)
}

// lastChunk is what ends a chunked body, behind the data of the chunk before if there is one.
func lastChunk(trailers *exchange.Head, behindData bool) string {
	if len(trailers.Fields()) == 0 {
		if behindData {
			return "\r\n0\r\n\r\n"
		}
		return "0\r\n\r\n"
	}
	var b strings.Builder
	if behindData {
		b.WriteString("\r\n")
	}
	b.Write(wire.AppendTrailers(nil, trailers))
	return b.String()
}
