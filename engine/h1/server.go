// Package h1 speaks HTTP/1.1 and 1.0 on connections, towards clients (front) and towards servers (back). What the bytes
// mean is the business of its room below, wire.
//
//	client ──► front ──► stream (an exchange) ──► … ──► back ──► server
//
// This file is the clients of one listener on one loop: the list of their connections, and what all of them share.
package h1

import (
	"crypto/tls"
	"net/netip"
	"syscall"
	"time"

	"sluice/engine/exchange"
	"sluice/engine/h1/wire"
	"sluice/engine/limit"
	"sluice/engine/proxyproto"
	"sluice/engine/record"
	"sluice/engine/roster"
	"sluice/engine/route"
	"sluice/engine/sock"
	"sluice/engine/stat"
	"sluice/pool"
)

// Config is what one listener does with its connections. It never changes, and all loops share it.
type Config struct {
	Names    *record.Names // with the listener's name only
	Access   route.Access  // judged at accept, on the socket's peer
	Proxy    proxyproto.Policy
	PerIP    *limit.PerKey[netip.Addr] // nil without a limit
	MaxPerIP int64
	Timeouts Timeouts
	Limits   wire.Limits
	TLS      *tls.Config // how the clients' connections are secured; nil = not at all
	Port     uint16      // that all addresses of the listener have in common; 0 if there is none
}

// Timeouts are a listener's, for the time between exchanges.
type Timeouts struct {
	Header      time.Duration // to a complete head, from its first byte; to the first one, from accept
	Idle        time.Duration // between an answer and the next request's first byte
	ProxyHeader time.Duration // to the complete PROXY header, from accept
	Hello       time.Duration // with TLS: to the complete ClientHello, from accept or the PROXY header
	Handshake   time.Duration // from then to the end of the handshake
}

// Server is HTTP/1.1 for the clients of one listener, on one loop. It is the listener's sock.Acceptor.
type Server struct {
	// Turned is told of connections that are turned away before their first request; nobody is if it is nil.
	Turned Recorder

	net      *sock.Net
	config   *Config
	service  *exchange.Service
	diverter Diverter    // nil: every connection is for this server
	reasons  stat.Vector // connections turned away before a request, by reason
	fronts   pool.FreeList[front]
	streams  pool.FreeList[stream]
	greets   pool.FreeList[greetings]
	live     roster.Roster[*front]
	draining bool
	retired  bool // connections end with their next answer
}

// NewServer returns the server of a listener on net's loop; requests are the service's.
func NewServer(config *Config, net *sock.Net, service *exchange.Service) *Server {
	s := &Server{net: net, config: config, service: service, reasons: stat.NewVector(record.ReasonCount)}
	s.streams.MaxIdle = idleStreams
	s.greets.MaxIdle = idleStreams
	return s
}

// Before has d asked first about connections with TLS.
func (s *Server) Before(d Diverter) { s.diverter = d }

// Recorder is told of connections that have ended without a request.
type Recorder interface {
	// Conn reads r, which is the caller's and changes afterwards.
	Conn(r *record.Conn)
}

// Active is the number of connections that are not over.
func (s *Server) Active() int { return s.live.Live() }

// Reasons counts connections that were closed without a request to blame, by record.Reason.
func (s *Server) Reasons() stat.Vector { return s.reasons }

// Admit implements sock.Acceptor: the listener's own client_ip. The peer of a unix socket has no address, so no list
// names it, and a list of those who may come in keeps it out.
func (s *Server) Admit(peer netip.AddrPort) bool {
	if s.config.Access.Permits(peer.Addr()) {
		return true
	}
	s.net.Loop.Stats().Inc(stat.RefusedDenied)
	s.reasons.Inc(int(record.Denied))
	return false
}

// Dropped implements sock.Acceptor.
func (s *Server) Dropped(_ netip.AddrPort, err syscall.Errno) {
	s.reasons.Inc(int(record.DropReason(err)))
}

// Accept implements sock.Acceptor.
func (s *Server) Accept(c *sock.Conn, gate *sock.Gate) {
	f := s.fronts.Get()
	f.begin(s, c, gate)
}

// Drain lets every connection finish what it is doing and closes those that do nothing. Answers say that the connection
// ends with them.
func (s *Server) Drain() {
	s.draining = true
	s.live.Each(func(f *front) {
		switch {
		case f.state != idle || f.conn.Waiting():
		case f.requests == 0: // accepted a moment ago, perhaps: its first request may be on its way
			f.expect(f.since + int64(drainGrace))
		default:
			f.end(inOrder)
		}
	})
}

// Retire has every connection end with its next answer, which says so, or when it has been idle for as long as it may:
// other than by Drain, no client that is about to ask meets a connection that has just been closed.
func (s *Server) Retire() { s.retired = true }

// Use replaces the server's configuration by another one that treats connections alike: it may differ in the port.
func (s *Server) Use(config *Config) { s.config = config }

// StopAll ends every connection, for why.
func (s *Server) StopAll(why record.Reason) {
	s.draining = true
	s.live.Each(func(f *front) { f.stop(why) })
}

// WhenEmpty has fn called, on the loop, once no connection is left: at once when there is none.
func (s *Server) WhenEmpty(fn func()) { s.live.WhenEmpty(fn) }

// Shed gives back what the server keeps for its next requests, of which there are none any more: the timers of streams
// run on between requests, and would keep all of it for as long.
func (s *Server) Shed() {
	for range s.streams.Idle() {
		s.streams.Get().Rest()
	}
}

// stream leases what one request needs.
func (s *Server) stream(f *front) *stream {
	m := s.streams.Get()
	if m.server == nil {
		m.server = s
		m.Bind(s.net.Loop, s.net.Buffers)
		m.task.Bind(m)
	}
	m.front = f
	return m
}
