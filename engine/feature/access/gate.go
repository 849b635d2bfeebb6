package access

import (
	"sluice/engine/exchange"
	"sluice/engine/record"
	"sluice/engine/route"
)

type gate struct{ access route.Access }

// Check implements exchange.Gate. The peer of a unix socket has no address: no list names it, and a list of those who may
// come in keeps it out.
func (g *gate) Check(x *exchange.Exchange) exchange.Verdict {
	if g.access.Permits(x.Client.Addr()) {
		return exchange.Next
	}
	x.Fail(record.Denied, "", nil)
	return exchange.Answered
}
