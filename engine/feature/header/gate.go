package header

import "sluice/engine/exchange"

type requestGate struct{ edits *edits }

// Check implements exchange.Gate.
func (g *requestGate) Check(x *exchange.Exchange) exchange.Verdict {
	g.edits.apply(x, &x.Request)
	return exchange.Next
}
