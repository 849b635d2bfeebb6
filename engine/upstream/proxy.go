// Package upstream answers requests by asking a server: HTTP on leases.
//
// A Proxy is a route's handler. Each exchange gets an Attempt, which finds a connection, sends the request, and hands the
// answer over; and which is the only place that decides to try again:
//
//	pick ─► idle connection ─┬─► Begin ─► head ─► answer ─► Finish ─► parked, or closed
//	    └─► lease (dial) ────┘     │        │
//	             ▲                 │        │ reset, overdue, marked down; a status that another server may better
//	             └─────────────────┴────────┘
package upstream

import (
	"time"

	"sluice/engine/exchange"
	"sluice/engine/key"
	"sluice/engine/lease"
	"sluice/engine/roster"
	"sluice/engine/sock"
	"sluice/pool"
)

// Origins makes attempts on one loop.
type Origins struct {
	net      *sock.Net
	dialer   *lease.Dialer
	backs    func(*sock.Conn) exchange.Back
	attempts pool.FreeList[attempt]
	live     roster.Roster[*attempt]
}

// NewOrigins returns the maker of attempts on net's loop. backs makes the protocol's side of a connection.
func NewOrigins(net *sock.Net, dialer *lease.Dialer, backs func(*sock.Conn) exchange.Back) *Origins {
	return &Origins{net: net, dialer: dialer, backs: backs}
}

// Abandon ends the wait for answers of b, which is down: what can be tried elsewhere is, the rest fails.
func (o *Origins) Abandon(b *lease.Backend) {
	var waiting []*attempt // a try that ends may begin and end others
	o.live.Each(func(a *attempt) {
		if a.backend.Is(b) {
			waiting = append(waiting, a)
		}
	})
	for _, a := range waiting {
		if a.proxy != nil && a.backend.Is(b) {
			a.markedDown()
		}
	}
}

// Shortage is told when descriptors ran out, so that no more clients are accepted for a moment.
type Shortage interface {
	// ShortOfDescriptors says that a connection to a server could not be opened because of cause.
	ShortOfDescriptors(cause error)
}

// Proxy is the handler of a route on one loop: an upstream, and how to ask it.
type Proxy struct {
	Origins  *Origins
	Upstream *lease.Upstream
	Connect  time.Duration // for each attempt to connect
	Retry    Retry
	Sticky   *Sticky  // nil for no cookie
	Shortage Shortage // may be nil
}

// Serve implements exchange.Handler.
func (p *Proxy) Serve(x *exchange.Exchange) {
	a := p.Origins.attempts.Get()
	*a = attempt{proxy: p, x: x}
	p.Origins.live.Join(a)
	p.Retry.Budget.Serve(p.Origins.net.Loop.Index())
	x.Serving = a
	x.Phase()
	a.seek()
}

// key is what a policy that goes by a key gets.
func (p *Proxy) key(x *exchange.Exchange) uint64 {
	if !p.Upstream.Policy().Keyed() {
		return 0
	}
	if value := p.keyValue(x); len(value) > 0 {
		return key.Name(value)
	}
	return key.Addr(x.Client.Addr())
}

// keyValue is the part of the request that the key is made of; nil if the request has none.
func (p *Proxy) keyValue(x *exchange.Exchange) []byte {
	h := &x.Request
	switch p.Upstream.Key {
	case key.Path:
		return h.Path()
	case key.URI:
		return h.Bytes(h.Target)
	case key.Host:
		return h.Bytes(h.Authority)
	case key.Header:
		value, _ := h.Get(p.Upstream.KeyName)
		return value
	case key.Cookie:
		return cookie(h, p.Upstream.KeyName)
	}
	return nil
}
