// first fills the servers in the order written: the second gets a connection
// only while the first is full or unusable. With max_connections on each it
// keeps the number of busy machines small, so that the rest may be switched
// off. Weights other than 0 mean nothing to it.

package lease

import "math/rand/v2"

type first struct{ tier }

func planFirst(t tier, _ SetOptions) plan {
	return func(*rand.PCG) Balancer { return first{t} }
}

func (f first) Pick(q *Query) *Backend { return f.tier.first(q) }
