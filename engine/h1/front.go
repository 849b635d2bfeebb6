package h1

// A client's connection. Between requests it is this structure and its socket: no exchange, no head, no buffer.
//
//	accepted ─► (introducing) ─► (greeting ─► securing) ─► idle ─► (heading) ─► exchanging ─► idle … ─► closed
//
// What the three ways to stop mean here:
//
//	end    a FIN between requests closes; before any byte of an answer it cancels the exchange, unless the request was
//	       HTTP/1.0 or said close; later it only means that no further request will come
//	abort  a reset cancels the exchange, whatever state it is in
//	stop   an answer that cannot be completed is cut by a reset, so that nobody takes it for whole; an answer that came
//	       before the end of its request is followed by a lingering close

import (
	"net/netip"
	"syscall"

	"sluice/engine/exchange"
	"sluice/engine/h1/wire"
	"sluice/engine/loop"
	"sluice/engine/record"
	"sluice/engine/roster"
	"sluice/engine/sock"
	"sluice/engine/stat"
	"sluice/pool"
)

// front is one client's connection.
type front struct {
	server   *Server
	gate     *sock.Gate
	conn     *sock.Conn
	place    roster.Place[*front] // in the server's list of live connections
	stream   *stream              // of the exchange under way
	timer    loop.Timer
	task     loop.Task // goes on to the next request, or frees
	arrived  int64     // when it was accepted, on the loop's clock
	since    int64     // when the present state began, on the loop's clock
	wall     int64     // when the head's first byte came
	client   netip.AddrPort
	target   netip.AddrPort // where the client connected to, as a PROXY header said
	greeting *greetings     // what is needed until the ClientHello has been read
	tls      *record.TLS    // nil without TLS
	counted  netip.Addr
	requests uint32
	scanned  int32 // bytes of a partial head that were looked at
	port     uint16
	state    frontState
}

// begin takes over an accepted connection.
func (f *front) begin(s *Server, c *sock.Conn, gate *sock.Gate) {
	now := s.net.Loop.Now()
	*f = front{server: s, gate: gate, conn: c, arrived: now, since: now, client: c.Peer()}
	if f.client.IsValid() { // a unix socket has no port, even beside addresses that do
		f.port = s.config.Port
	}
	f.timer.Bind(f)
	f.task.Bind(f)
	f.set(accepted)
	c.Own(f)
	s.live.Join(f)
	s.net.Loop.Stats().Inc(stat.Active)
}

// Seat implements roster.Placed.
func (f *front) Seat() *roster.Place[*front] { return &f.place }

// Peeked implements sock.Peeker.
func (f *front) Peeked(c *sock.Conn, b []byte, eof bool) {
	switch {
	case f.state == introducing:
		f.seeProxy(c, b, eof)
	case f.state == greeting:
		f.seeHello(b, eof)
	case len(b) > 0:
		f.seeHead(c, b, eof)
	case eof:
		f.end(inOrder)
	}
}

// seeHead judges the bytes that should be a request's head. A stream is leased for a head that is whole, or bad.
func (f *front) seeHead(c *sock.Conn, b []byte, eof bool) {
	s := f.server.stream(f)
	in := wire.Input{Bytes: b, Scanned: int(f.scanned), Limits: &f.server.config.Limits}
	n, bad := in.ParseRequest(&s.Request, &s.msg)
	switch {
	case bad != nil:
		c.EndPeek()
		f.exchange(s)
		s.refuse(bad)
	case n > 0:
		c.Discard(n)
		c.EndPeek()
		f.exchange(s)
		s.start()
	default:
		s.giveBack()
		if eof { // nobody will say the rest
			f.end(inOrder)
			return
		}
		f.partial(len(b))
	}
}

// partial waits for the rest of a head.
func (f *front) partial(n int) {
	f.scanned = int32(n)
	if f.state == heading {
		return
	}
	f.set(heading)
	l := f.server.net.Loop
	l.Stats().Dec(stat.HTTPIdle)
	if f.requests > 0 {
		f.since = l.Now()
	}
	f.wall = l.Wall()
	f.expect(f.since + int64(f.server.config.Timeouts.Header))
}

// exchange turns the connection over to a stream.
func (f *front) exchange(s *stream) {
	l := f.server.net.Loop
	s.Record.Start = f.wall
	if f.state == idle {
		l.Stats().Dec(stat.HTTPIdle)
		s.Record.Start = l.Wall()
	} else {
		s.Record.Head = record.Between(f.since, l.Now())
	}
	f.requests++
	s.Record.Requests = f.requests
	f.scanned = 0
	f.stream = s
	f.set(exchanging)
	l.Stats().Inc(stat.HTTPActive)
}

// over goes on after an exchange: with the next request, or without this client.
func (f *front) over(how ending) {
	l := f.server.net.Loop
	l.Stats().Dec(stat.HTTPActive)
	f.stream = nil
	switch {
	case how != persist:
		f.end(how)
	case f.server.draining && !f.conn.Waiting():
		f.end(inOrder)
	default:
		f.set(idle)
		l.Stats().Inc(stat.HTTPIdle)
		f.since = l.Now()
		f.conn.Unwatch()
		l.Settle(&f.task)
	}
}

// Run goes on to the next request, or frees a closed front.
func (f *front) Run() {
	switch f.state {
	case closed:
		if f.gate != nil {
			return // its connection is still on its way out
		}
		f.set(unused)
		f.server.fronts.Put(f)
		f.server.live.Freed()
	case idle:
		f.expect(f.since + int64(f.server.config.Timeouts.Idle))
		// Answers to requests that were sent ahead leave together, but no further one is read while they do not leave.
		if f.conn.Queued() > pipelineMax && !f.conn.AwaitFlush() {
			return
		}
		f.conn.PeekBy(pool.Small)
		f.conn.Peek(f)
	}
}

// Flushed implements sock.Flushed.
func (f *front) Flushed(*sock.Conn) {
	if f.state == idle {
		f.conn.Peek(f)
	}
}

// PeerEnded implements sock.Watcher: the client has sent its FIN while an exchange is under way.
func (f *front) PeerEnded(*sock.Conn) {
	if f.state == exchanging {
		f.stream.clientEnded()
	}
}

// Broken implements sock.Owner.
func (f *front) Broken(c *sock.Conn, cause syscall.Errno) {
	switch f.state {
	case exchanging:
		if failure := c.TLSFailure(); failure != nil {
			f.stream.Record.Detail = failure.Text
		}
		f.stream.Abandon(record.StreamReason(record.Front, cause), cause)
	case securing:
		f.server.net.Loop.Stats().Inc(stat.TLSFailed)
		f.turnAway(record.ClientGone, cause)
	case greeting:
		f.lost(cause)
	case idle, heading:
		if failure := c.TLSFailure(); failure != nil {
			f.violated(failure)
			return
		}
		f.end(byReset)
	default:
		f.end(byReset)
	}
}

// expect sees to it that the timer comes up at the deadline or before.
func (f *front) expect(deadline int64) { f.server.net.Loop.Hasten(&f.timer, deadline) }

// Expired implements loop.Expirer. The timer is lazy: it finds out what is due.
func (f *front) Expired(*loop.Timer) {
	t := &f.server.config.Timeouts
	now := f.server.net.Loop.Now()
	due := f.since
	switch {
	case f.state == introducing:
		due += int64(t.ProxyHeader)
	case f.state == greeting:
		due += int64(t.Hello)
	case f.state == idle && f.requests == 0 && f.server.draining:
		due += int64(min(t.Header, drainGrace))
	case f.state == heading, f.state == idle && f.requests == 0:
		due += int64(t.Header)
	case f.state == idle:
		due += int64(t.Idle)
	default:
		return // an exchange has its own clocks, and a handshake its own
	}
	if now < due {
		f.expect(due)
		return
	}
	f.late()
}

// late ends what has taken too long.
func (f *front) late() {
	switch f.state {
	case introducing:
		if why := f.server.config.Proxy.Overdue(f.conn.Ahead()); why != record.None {
			f.server.net.Loop.Stats().Inc(stat.ProxyHeadersBad)
			f.turnAway(why, 0)
			return
		}
		f.since = f.server.net.Loop.Now()
		f.conn.EndPeek()
		f.identified()
	case greeting:
		f.refuseHello(record.HelloTimeout)
	case heading:
		f.conn.EndPeek()
		s := f.server.stream(f)
		s.msg.Version = 11
		f.exchange(s)
		s.refuse(&wire.Bad{Reason: record.HeaderTimeout})
	default:
		f.end(inOrder)
	}
}

// stop ends the connection at once, for why.
func (f *front) stop(why record.Reason) {
	if f.state == exchanging {
		f.stream.Abandon(why, nil)
		return
	}
	f.end(inOrder)
}

// ending is how a connection ends, or that it does not.
type ending uint8

const (
	persist ending = iota // it is used for another request
	inOrder               // what is queued still leaves
	drained               // likewise, and what the client may still be sending is dropped for a while
	byReset               // the client must be able to tell that something is missing
)

// end is the one way out.
func (f *front) end(how ending) {
	if f.state == closed {
		return
	}
	if f.state == idle {
		f.server.net.Loop.Stats().Dec(stat.HTTPIdle)
	}
	f.set(closed)
	f.dropGreeting()
	s := f.server
	s.live.Leave(f)
	s.net.Loop.Stats().Dec(stat.Active)
	s.net.Loop.Cancel(&f.timer)
	c := f.conn
	f.conn = nil
	if how == byReset {
		c.Cut()
		f.Left()
		return
	}
	c.Farewell(how == drained || c.Waiting(), f)
}

// Left implements sock.Leaver: the connection is closed, and its places are free.
func (f *front) Left() {
	f.gate.Release()
	f.gate = nil
	if f.counted.IsValid() {
		f.server.config.PerIP.Release(f.counted)
	}
	f.server.net.Loop.Later(&f.task)
}

// Panicked implements loop.Victim.
func (f *front) Panicked() {
	if f.state == exchanging {
		f.stream.Panicked()
	}
	if f.state != closed && f.state != unused {
		f.end(byReset)
	}
}

var _ exchange.Front = (*stream)(nil)
