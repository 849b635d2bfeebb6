package relay

// Connections whose TLS ends here, and those that come from a listener whose TLS ends there but not for them.

import (
	"net/netip"

	"sluice/engine/hello"
	"sluice/engine/limit"
	"sluice/engine/record"
	"sluice/engine/route"
	"sluice/engine/seal"
	"sluice/engine/sock"
	"sluice/engine/stat"
)

// secure begins the handshake of a connection that goes to route to.
func (t *tunnel) secure(to *Route) {
	t.greeted()
	t.set(securing)
	t.intro.route = to
	t.rec.TLS = &record.TLS{}
	deadline := t.phase + int64(t.relay.service.Timeouts.Handshake)
	t.front.Secure(sock.Security{Config: t.relay.service.TLS, Role: seal.Server, Deadline: deadline})
}

// Secured implements sock.Secured: what follows is what the client has to say.
func (t *tunnel) Secured(c *sock.Conn) {
	t.rec.TLS = seal.Describe(c.TLS(), t.between())
	t.relay.net.Loop.Stats().Inc(seal.Counter(c.TLS()))
	t.routed(t.intro.route, true, record.None)
}

// Unsecured implements sock.Secured.
func (t *tunnel) Unsecured(_ *sock.Conn, failure *seal.Failure) {
	t.rec.TLS.Detail = failure.Text
	t.alerted = !failure.Silent()
	t.refuse(failure.Reason(record.Front), stat.TLSFailed)
}

// Left implements sock.Leaver: the alert has gone out, or will not any more.
func (t *tunnel) Left() { t.gone() }

// Arrival is a connection whose ClientHello somebody else has read. It is owned with its place at the gate, and with that of
// its address, if Counted is valid.
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

// Divert takes a connection over if a route is for it, and leaves it alone otherwise.
func (r *Relay) Divert(a Arrival) bool {
	to, ok := r.service.Routes.MatchTLS(route.Query{Name: a.Hello.ServerName(), ALPN: a.Hello.ALPN()})
	if !ok {
		return false
	}
	t := r.tunnels.Get()
	t.begin(r, a.Conn, a.Gate)
	t.counted, t.perIP = a.Counted, a.PerIP
	if a.Client != a.Conn.Peer() {
		t.rec.Peer, t.rec.Client = a.Conn.Peer(), a.Client
	}
	t.phase = a.Since
	t.rec.Start -= r.net.Loop.Now() - a.Since
	t.set(greeting)
	t.need().target = a.Target
	t.see(a.Hello)
	t.routed(to, true, record.None)
	return true
}
