package relay

// The way to the server: who is it, where to.

import (
	"net/netip"
	"syscall"

	"sluice/engine/hello"
	"sluice/engine/key"
	"sluice/engine/lease"
	"sluice/engine/loop"
	"sluice/engine/proxyproto"
	"sluice/engine/record"
	"sluice/engine/route"
	"sluice/engine/sock"
	"sluice/engine/stat"
)

// intro is what is known only on the way to the server.
type intro struct {
	parser hello.Parser
	hello  hello.Hello
	route  *Route
	target netip.AddrPort // where the client connected to, as a PROXY header said
}

// need leases the tunnel's intro.
func (t *tunnel) need() *intro {
	if t.intro == nil {
		t.intro = t.relay.intros.Get()
		*t.intro = intro{}
	}
	return t.intro
}

func (t *tunnel) dropIntro() {
	if t.intro != nil {
		*t.intro = intro{} // it holds a route, and a large hello's memory
		t.relay.intros.Put(t.intro)
		t.intro = nil
	}
}

// Connected implements sock.Owner: the client's connection has had its first event. (The server's are the lease's
// business.)
func (t *tunnel) Connected(c *sock.Conn) {
	if t.relay.service.Proxy.Expects(c.Peer().Addr()) {
		t.readProxy()
		return
	}
	t.identified()
}

// readProxy waits for the PROXY header.
func (t *tunnel) readProxy() {
	t.set(reading)
	l := t.relay.net.Loop
	l.Start(&t.timer, l.Now()+int64(t.relay.service.Timeouts.ProxyHeader))
	t.front.Peek(t)
}

// identified goes on when the client is known: by a hello where routes need one, else straight to a server, without
// waiting for a byte, because the server may be the one who speaks first.
func (t *tunnel) identified() {
	if !t.count() {
		t.end(record.PerIPLimit, 0)
		return
	}
	service := t.relay.service
	if service.TLS == nil && !service.Routes.NeedsHello() {
		to, ok := service.Routes.Default()
		t.routed(to, ok, record.NoRoute)
		return
	}
	t.set(greeting)
	t.need()
	l := t.relay.net.Loop
	l.Start(&t.timer, l.Now()+int64(service.Timeouts.Hello))
	t.front.Peek(t)
}

// Peeked implements sock.Peeker.
func (t *tunnel) Peeked(c *sock.Conn, b []byte, eof bool) {
	switch {
	case t.state == reading:
		t.seeProxy(c, b, eof)
	case len(b) == 0 && eof:
		t.end(record.ClientGone, 0)
	case t.state == greeting:
		t.seeHello(b, eof)
	}
}

// seeProxy judges the bytes that should be a PROXY header.
func (t *tunnel) seeProxy(c *sock.Conn, b []byte, eof bool) {
	header, n, status, why := t.relay.service.Proxy.Judge(b, eof)
	switch {
	case status == proxyproto.Partial:
		return
	case why == record.ClientGone:
		t.end(why, 0)
		return
	case why != record.None:
		t.refuse(why, stat.ProxyHeadersBad)
		return
	case status == proxyproto.Complete:
		c.Discard(n)
		t.introduced(header)
	}
	t.relay.net.Loop.Cancel(&t.timer)
	t.rec.ProxyHeader = t.between()
	c.EndPeek()
	t.identified()
}

// introduced takes the addresses from a header. LOCAL and unknown families keep the socket's own.
func (t *tunnel) introduced(h proxyproto.Header) {
	if h.Local || !h.Source.IsValid() {
		return
	}
	t.rec.Peer, t.rec.Client = t.rec.Client, h.Source
	t.need().target = h.Destination
}

// seeHello judges the bytes that should be a ClientHello.
func (t *tunnel) seeHello(b []byte, eof bool) {
	routes := t.relay.service.Routes
	h := &t.intro.hello
	switch status := t.intro.parser.Parse(b, h); status {
	case hello.Partial:
		if eof {
			t.refuse(record.HelloBad, stat.HellosBad)
		}
	case hello.Complete:
		t.see(h)
		to, ok := routes.MatchTLS(route.Query{Name: h.ServerName(), ALPN: h.ALPN()})
		if t.relay.service.TLS != nil && ok && !to.Passthrough {
			t.secure(to)
			return
		}
		t.routed(to, ok, record.NoRoute)
	case hello.NotTLS:
		if t.relay.service.TLS != nil { // in clear it goes nowhere
			t.refuse(record.NotTLS, stat.HellosBad)
			return
		}
		to, ok := routes.Default()
		t.routed(to, ok, record.NotTLS)
	case hello.TooBig:
		t.refuse(record.HelloTooBig, stat.HellosBad)
	default:
		t.refuse(record.HelloBad, stat.HellosBad)
	}
}

// see notes what a hello says for the record.
func (t *tunnel) see(h *hello.Hello) {
	t.rec.SNI = string(h.ServerName())
	for name := range h.Protocols {
		t.rec.ALPN = string(name)
		break
	}
}

func (t *tunnel) refuse(why record.Reason, count stat.ID) {
	t.relay.net.Loop.Stats().Inc(count)
	t.end(why, 0)
}

// routed goes on when the destination is known, or found not to exist.
func (t *tunnel) routed(to *Route, ok bool, otherwise record.Reason) {
	if t.state == greeting {
		t.greeted()
	}
	if !ok {
		t.end(otherwise, 0)
		return
	}
	t.rec.Names = to.Names
	if !to.Access.Permits(t.rec.Client.Addr()) {
		t.relay.net.Loop.Stats().Inc(stat.RefusedDenied)
		t.end(record.Denied, 0)
		return
	}
	t.set(leasing)
	t.need().route = to
	t.lease = t.relay.dialer.Begin(lease.Ask{
		From: to.Upstream, Key: t.key(to.Upstream), Connect: to.Connect, Taker: t,
	})
}

// greeted closes the phase of the ClientHello.
func (t *tunnel) greeted() {
	t.relay.net.Loop.Cancel(&t.timer)
	t.front.EndPeek()
	t.rec.Hello = t.between()
}

// key is what a policy that goes by a key gets.
func (t *tunnel) key(u *lease.Upstream) uint64 {
	switch {
	case !u.Policy().Keyed():
		return 0
	case u.Key == key.SNI:
		return key.Name(t.rec.SNI)
	}
	return key.Addr(t.rec.Client.Addr())
}

// Trying implements lease.Taker.
func (t *tunnel) Trying(b *lease.Backend) { t.rec.Tried(b.Name) }

// Unleased implements lease.Taker.
func (t *tunnel) Unleased(why record.Reason, cause syscall.Errno, detail string) {
	t.lease = nil
	t.explain(detail)
	t.rec.Connect = t.between()
	if why == record.FDExhausted {
		t.gate.Shortage(t.relay.net, cause)
	}
	t.end(why, cause)
}

// tooSlow handles the end of a deadline on the way to the server.
func (t *tunnel) tooSlow() {
	if t.state == greeting {
		t.refuse(record.HelloTimeout, stat.HellosBad)
		return
	}
	if why := t.relay.service.Proxy.Overdue(t.front.Ahead()); why != record.None {
		t.refuse(why, stat.ProxyHeadersBad)
		return
	}
	t.front.EndPeek()
	t.rec.ProxyHeader = t.between()
	t.identified()
}

// Expired implements loop.Expirer.
func (t *tunnel) Expired(*loop.Timer) {
	switch t.state {
	case reading, greeting:
		t.tooSlow()
	case relaying:
		t.watch()
	case dying:
		t.stillDying()
	}
}
