package engine

// One port for TLS that ends here and TLS that is passed on: every connection begins at the HTTP server, which reads the
// ClientHello and asks who it is for.

import (
	"sluice/engine/h1"
	"sluice/engine/record"
	"sluice/engine/relay"
	"sluice/engine/stat"
)

// parted is a listener's two services on one loop.
type parted struct {
	*h1.Server
	passed *relay.Relay
}

var (
	_ service = parted{}
	_ drainer = parted{}
)

// Active implements service.
func (p parted) Active() int { return p.Server.Active() + p.passed.Active() }

// Reasons implements service.
func (p parted) Reasons() stat.Vector { return stat.SumVectors(p.Server.Reasons(), p.passed.Reasons()) }

// StopAll implements service.
func (p parted) StopAll(why record.Reason) {
	p.Server.StopAll(why)
	p.passed.StopAll(why)
}

// WhenEmpty implements service: connections go from the server to the other, and never back.
func (p parted) WhenEmpty(fn func()) { p.Server.WhenEmpty(func() { p.passed.WhenEmpty(fn) }) }

// diverter has a relay asked about connections whose ClientHello has been read.
type diverter struct{ relay *relay.Relay }

// Divert implements h1.Diverter.
func (d diverter) Divert(a h1.Arrival) bool { return d.relay.Divert(relay.Arrival(a)) }
