package h1

// The way in, before the first request: who connects (a PROXY header), and with TLS, for whom (a ClientHello) and how (a
// handshake).

import (
	"net/netip"
	"syscall"

	"sluice/engine/h1/wire"
	"sluice/engine/hello"
	"sluice/engine/limit"
	"sluice/engine/proxyproto"
	"sluice/engine/record"
	"sluice/engine/seal"
	"sluice/engine/sock"
	"sluice/engine/stat"
)

// Arrival is a connection whose ClientHello has come, on its way to somebody else. It is owned with its place at the gate, and
// with that of its address, if Counted is valid.
type Arrival struct {
	Conn    *sock.Conn
	Gate    *sock.Gate
	Hello   *hello.Hello   // valid until the connection's bytes are touched
	Client  netip.AddrPort // after a PROXY header
	Target  netip.AddrPort // likewise; the zero AddrPort if there was none
	Counted netip.Addr
	PerIP   *limit.PerKey[netip.Addr] // where that is counted
	Since   int64                     // when it was accepted, on the loop's clock
}

// Diverter takes connections that are not to be terminated here.
type Diverter interface {
	// Divert takes a over and reports true, or leaves it alone.
	Divert(a Arrival) bool
}

// greetings is what is needed until the ClientHello has been read.
type greetings struct {
	parser hello.Parser
	hello  hello.Hello
}

// Connected implements sock.Owner: the connection has had its first event.
func (f *front) Connected(c *sock.Conn) {
	if f.server.config.Proxy.Expects(c.Peer().Addr()) {
		f.set(introducing)
		f.expect(f.since + int64(f.server.config.Timeouts.ProxyHeader))
		c.Peek(f)
		return
	}
	f.identified()
}

// identified goes on when the client is known.
func (f *front) identified() {
	if !f.count() {
		f.server.net.Loop.Stats().Inc(stat.RefusedPerIP)
		f.turnAway(record.PerIPLimit, 0)
		return
	}
	if f.server.config.TLS != nil {
		f.greet()
		return
	}
	f.ready()
}

// ready waits for the first request.
func (f *front) ready() {
	f.set(idle)
	f.server.net.Loop.Stats().Inc(stat.HTTPIdle)
	if f.server.draining {
		f.expect(f.since + int64(drainGrace))
	}
	f.expect(f.since + int64(f.server.config.Timeouts.Header))
	f.conn.Peek(f)
}

// count makes the connection one of its client's, and reports whether there is room.
func (f *front) count() bool {
	config := f.server.config
	if config.PerIP == nil || !f.client.IsValid() {
		return true
	}
	key := limit.ClientKey(f.client.Addr())
	if !config.PerIP.Acquire(key, config.MaxPerIP) {
		return false
	}
	f.counted = key
	return true
}

// seeProxy judges the bytes that should be a PROXY header.
func (f *front) seeProxy(c *sock.Conn, b []byte, eof bool) {
	header, n, status, why := f.server.config.Proxy.Judge(b, eof)
	switch {
	case status == proxyproto.Partial:
		return
	case why != record.None:
		if why != record.ClientGone {
			f.server.net.Loop.Stats().Inc(stat.ProxyHeadersBad)
		}
		f.turnAway(why, 0)
		return
	case status == proxyproto.Complete:
		c.Discard(n)
		if !header.Local && header.Source.IsValid() {
			f.client, f.target = header.Source, header.Destination
			f.port = header.Destination.Port()
		}
	}
	f.since = f.server.net.Loop.Now()
	c.EndPeek()
	f.identified()
}

// greet waits for the ClientHello: no handshake is begun before it is whole.
func (f *front) greet() {
	f.set(greeting)
	f.greeting = f.server.greets.Get()
	f.expect(f.since + int64(f.server.config.Timeouts.Hello))
	f.conn.Peek(f)
}

func (f *front) dropGreeting() {
	if f.greeting != nil {
		*f.greeting = greetings{} // a hello in pieces has memory of its own
		f.server.greets.Put(f.greeting)
		f.greeting = nil
	}
}

// seeHello judges the bytes that should be a ClientHello.
func (f *front) seeHello(b []byte, eof bool) {
	g := f.greeting
	switch status := g.parser.Parse(b, &g.hello); {
	case status == hello.Complete:
		f.secure()
	case status == hello.NotTLS && isLetter(b[0]):
		f.refusePlain()
	case status == hello.NotTLS:
		f.refuseHello(record.NotTLS)
	case status == hello.TooBig:
		f.refuseHello(record.HelloTooBig)
	case status != hello.Partial:
		f.refuseHello(record.HelloBad)
	case eof && len(b) > 0:
		f.refuseHello(record.HelloBad)
	case eof:
		f.end(inOrder)
	}
}

// isLetter reports whether a message of HTTP may begin so: with a method. What begins otherwise is no HTTP either.
func isLetter(c byte) bool { return 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z' }

// refuseHello closes a connection whose hello is bad, or late. One that has said nothing at all is just closed.
func (f *front) refuseHello(why record.Reason) {
	if why == record.HelloTimeout && len(f.conn.Ahead()) == 0 {
		f.end(inOrder)
		return
	}
	f.server.net.Loop.Stats().Inc(stat.HellosBad)
	f.turnAway(why, 0)
}

// refusePlain tells a client that speaks plain HTTP where it is, in its own tongue.
func (f *front) refusePlain() {
	f.server.net.Loop.Stats().Inc(stat.HellosBad)
	f.dropGreeting()
	f.conn.EndPeek()
	s := f.server.stream(f)
	s.msg.Version = 11
	f.wall = f.server.net.Loop.Wall()
	f.exchange(s)
	s.refuse(&wire.Bad{Reason: record.NotTLS, Detail: "plain HTTP on a port for HTTPS"})
}

// secure begins the handshake, unless somebody else takes the connection as it is.
func (f *front) secure() {
	config := f.server.config
	f.tls = &record.TLS{ServerName: string(f.greeting.hello.ServerName())}
	f.conn.EndPeek()
	if f.server.diverter != nil && f.divert() {
		return
	}
	f.dropGreeting()
	f.set(securing)
	f.since = f.server.net.Loop.Now()
	f.conn.Secure(sock.Security{Config: config.TLS, Role: seal.Server, Deadline: f.since + int64(config.Timeouts.Handshake)})
}

// divert offers the connection to the diverter. When that has taken it, nothing of it is the front's any more.
func (f *front) divert() bool {
	taken := f.server.diverter.Divert(Arrival{
		Conn: f.conn, Gate: f.gate, Hello: &f.greeting.hello, Client: f.client, Target: f.target, Counted: f.counted, PerIP: f.server.config.PerIP, Since: f.arrived,
	})
	if !taken {
		return false
	}
	f.conn, f.gate, f.counted = nil, nil, netip.Addr{}
	f.set(closed)
	f.dropGreeting()
	s := f.server
	s.live.Leave(f)
	s.net.Loop.Stats().Dec(stat.Active)
	s.net.Loop.Cancel(&f.timer)
	s.net.Loop.Later(&f.task)
	return true
}

// Secured implements sock.Secured: what follows is HTTP.
func (f *front) Secured(c *sock.Conn) {
	l := f.server.net.Loop
	f.tls = seal.Describe(c.TLS(), record.Between(f.since, l.Now()))
	l.Stats().Inc(seal.Counter(c.TLS()))
	f.since = l.Now()
	f.ready()
}

// Unsecured implements sock.Secured: there will be no HTTP.
func (f *front) Unsecured(_ *sock.Conn, failure *seal.Failure) {
	f.server.net.Loop.Stats().Inc(stat.TLSFailed)
	f.tls.Detail = failure.Text
	f.note(failure.Reason(record.Front), 0)
	if failure.Silent() {
		f.end(byReset)
		return
	}
	f.end(drained) // an alert may be on its way
}

// lost closes a connection that has failed before its hello was whole. One on which nothing was said is not worth a line.
func (f *front) lost(cause syscall.Errno) {
	if len(f.conn.Ahead()) == 0 {
		f.end(byReset)
		return
	}
	f.server.net.Loop.Stats().Inc(stat.HellosBad)
	f.turnAway(record.ClientGone, cause)
}

// violated closes a connection on which the rules of TLS were broken between two requests.
func (f *front) violated(failure *seal.Failure) {
	told := *f.tls // the records of its requests share it
	told.Detail = failure.Text
	f.tls = &told
	f.turnAway(record.ClientViolation, 0)
}

// turnAway closes a connection without a request to blame.
func (f *front) turnAway(why record.Reason, cause syscall.Errno) {
	f.note(why, cause)
	f.end(byReset)
}

// note tells why there will be no request.
func (f *front) note(why record.Reason, cause syscall.Errno) {
	s := f.server
	s.reasons.Inc(int(why))
	if s.Turned == nil {
		return
	}
	r := record.Conn{Client: f.client, Names: s.config.Names, TLS: f.tls, Start: s.net.Loop.Wall() - (s.net.Loop.Now() - f.arrived)}
	if peer := f.conn.Peer(); peer != f.client {
		r.Peer = peer
	}
	if f.tls != nil {
		r.SNI = f.tls.ServerName
	}
	r.End(s.net.Loop.Wall(), why, cause)
	s.Turned.Conn(&r)
}
