package engine

import (
	"sluice/engine/h1"
	"sluice/engine/record"
	"sluice/engine/relay"
	"sluice/engine/stat"
)

// httpService is the service of an HTTP listener. Requests find their routes by its router, which a reload gives others; those
// that have found theirs keep it.
//
// One port may be for TLS that ends here and for TLS that is passed on. Every connection begins at the HTTP server, which reads
// the ClientHello and asks who it is for.
type httpService struct {
	*h1.Server
	router *router
	passed *relay.Relay // nil until a route wants connections
}

// Active implements service.
func (s *httpService) Active() int {
	if s.passed == nil {
		return s.Server.Active()
	}
	return s.Server.Active() + s.passed.Active()
}

// Reasons implements service.
func (s *httpService) Reasons() stat.Vector {
	if s.passed == nil {
		return s.Server.Reasons()
	}
	return stat.SumVectors(s.Server.Reasons(), s.passed.Reasons())
}

// StopAll implements service.
func (s *httpService) StopAll(why record.Reason) {
	s.Server.StopAll(why)
	if s.passed != nil {
		s.passed.StopAll(why)
	}
}

// WhenEmpty implements service: connections go from the server to the relay, and never back.
func (s *httpService) WhenEmpty(fn func()) {
	s.Server.WhenEmpty(func() {
		if s.passed == nil {
			fn()
			return
		}
		s.passed.WhenEmpty(fn)
	})
}

// diverter has a relay asked about connections whose ClientHello has been read.
type diverter struct{ relay *relay.Relay }

// Divert implements h1.Diverter.
func (d diverter) Divert(a h1.Arrival) bool { return d.relay.Divert(relay.Arrival(a)) }
