// Package relay passes TCP connections through, untouched: bytes, half-closes and resets arrive as they were sent.
//
// A tunnel goes one way through its states: who is it (PROXY header), where to (ClientHello), a server (lease), and
// then two flows between two connections, until both have ended or one side is broken:
//
//	accepted ─► reading ─► greeting ─► (securing) ─► leasing ─► relaying ─► ended
//	                                                               └► dying ──┘
//
// What the three ways to stop mean here:
//
//	end    a FIN on one side becomes a FIN on the other, after all bytes before it; the other direction goes on
//	abort  a reset, or a lost peer, becomes a reset on the other side, after the bytes received before it, as long as
//	       the other side takes them
//	       (with TLS, an end is close_notify with a FIN behind it, and a FIN alone is an abort)
//	stop   the tunnel's own limits (idle, drain) reset both sides: an invented FIN would look like the end of the data
package relay

import (
	"crypto/tls"
	"net/netip"
	"syscall"
	"time"

	"sluice/engine/lease"
	"sluice/engine/limit"
	"sluice/engine/proxyproto"
	"sluice/engine/record"
	"sluice/engine/roster"
	"sluice/engine/route"
	"sluice/engine/sock"
	"sluice/engine/stat"
	"sluice/pool"
)

// Service is what one listener does with its connections. It never changes, and all loops share it.
type Service struct {
	Names    *record.Names // with the listener's name only
	Routes   *route.Table[*Route]
	Access   route.Access // judged at accept, on the socket's peer
	Proxy    proxyproto.Policy
	TLS      *tls.Config               // how what is no route's for passthrough is secured; nil = everything is passed on as it is
	PerIP    *limit.PerKey[netip.Addr] // nil without a limit
	MaxPerIP int64
	Timeouts Timeouts
}

// Timeouts are a listener's.
type Timeouts struct {
	Hello       time.Duration // to the complete ClientHello, from the PROXY header or accept
	Handshake   time.Duration // with TLS: from then to the end of the handshake
	ProxyHeader time.Duration // to the complete PROXY header, from accept
	Tunnel      time.Duration // without a byte in either direction
	HalfClosed  time.Duration // likewise, once one side has ended and the answer has begun
}

// Route is where a service sends some of its connections.
type Route struct {
	Names       *record.Names
	Upstream    *lease.Upstream
	Access      route.Access  // judged when the client is known
	Connect     time.Duration // for each attempt
	Passthrough bool          // where the service has TLS: this route's connections are not to be secured
}

// Recorder is told of every connection that is over.
type Recorder interface {
	// Conn reads r, which is the caller's and changes afterwards.
	Conn(r *record.Conn)
}

// Relay is a service on one loop. It is the listener's sock.Acceptor.
type Relay struct {
	net      *sock.Net
	dialer   *lease.Dialer
	service  *Service
	recorder Recorder
	reasons  stat.Vector // connections by the reason of their end
	tunnels  pool.FreeList[tunnel]
	intros   pool.FreeList[intro]
	live     roster.Roster[*tunnel]
}

// New returns the service on the loop of net and dialer.
func New(service *Service, net *sock.Net, dialer *lease.Dialer, recorder Recorder) *Relay {
	return &Relay{
		net: net, dialer: dialer, service: service, recorder: recorder,
		reasons: stat.NewVector(record.ReasonCount),
	}
}

// Active is the number of connections that are not over.
func (r *Relay) Active() int { return r.live.Live() }

// Reasons counts the connections that are over, by record.Reason.
func (r *Relay) Reasons() stat.Vector { return r.reasons }

// Admit implements sock.Acceptor: the listener's own client_ip. The peer of a unix socket has no address, so no list
// names it, and a list of those who may come in keeps it out.
func (r *Relay) Admit(peer netip.AddrPort) bool {
	if r.service.Access.Permits(peer.Addr()) {
		return true
	}
	r.net.Loop.Stats().Inc(stat.RefusedDenied)
	r.turnAway(peer, record.Denied, 0)
	return false
}

// Dropped implements sock.Acceptor.
func (r *Relay) Dropped(peer netip.AddrPort, err syscall.Errno) {
	r.turnAway(peer, record.DropReason(err), err)
}

// turnAway records a connection that never became a tunnel.
func (r *Relay) turnAway(peer netip.AddrPort, why record.Reason, cause syscall.Errno) {
	rec := record.Conn{Client: peer, Names: r.service.Names, Start: r.net.Loop.Wall()}
	rec.End(rec.Start, why, cause)
	r.reasons.Inc(int(why))
	r.recorder.Conn(&rec)
}

// Accept implements sock.Acceptor.
func (r *Relay) Accept(c *sock.Conn, gate *sock.Gate) {
	t := r.tunnels.Get()
	t.begin(r, c, gate)
}

// Reroute has connections whose way is not found yet, and those to come, go by other routes.
func (r *Relay) Reroute(routes *route.Table[*Route]) {
	service := *r.service
	service.Routes = routes
	r.service = &service
}

// StopAll ends every tunnel, for why.
func (r *Relay) StopAll(why record.Reason) { r.live.Each(func(t *tunnel) { t.end(why, 0) }) }

// WhenEmpty has fn called, on the loop, once no tunnel is left: at once when there is none.
func (r *Relay) WhenEmpty(fn func()) { r.live.WhenEmpty(fn) }
