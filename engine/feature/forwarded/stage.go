package forwarded

// Via says which messages have passed through here, and in which version they came (RFC 9110, section 7.6.3).

import (
	"sluice/engine/exchange"
	"sluice/engine/flow"
)

// viaStage adds Via to the answers of servers. Those that the proxy makes itself have not passed through anything: nobody
// serves them when they go out.
type viaStage struct{}

// Join implements exchange.Stage.
func (viaStage) Join(x *exchange.Exchange, src flow.Source) flow.Source {
	if x.Serving != nil {
		addVia(&x.Response, 11)
	}
	return src
}

// addVia adds a field behind those of the proxies before; version is that of the message, major × 10 + minor.
func addVia(h *exchange.Head, version uint8) {
	begin := h.StoreString(viaName)
	endLine(h, exchange.Via, begin, h.StoreString(received(version)))
}

func received(version uint8) string {
	switch version {
	case 10:
		return "1.0 sluice"
	case 20:
		return "2.0 sluice"
	case 30:
		return "3.0 sluice"
	}
	return "1.1 sluice"
}
