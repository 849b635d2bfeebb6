// least_conn picks the member with the fewest connections in use per weight, by
// looking at all of them: two microseconds for a thousand, and the only policy
// whose cost grows with the set while all is well. p2c is nearly as even.
//
// When servers are mostly idle there are many least ones. As in nginx, these
// are served in weighted round-robin order: the first of the list would
// otherwise get everything whenever connections are short.

package lease

import (
	"math/rand/v2"

	"sluice/engine/turns"
)

type leastConn struct {
	tier
	walk
}

func planLeastConn(t tier, _ SetOptions) plan {
	cycle := turns.Cycle(t.weights())
	return func(rng *rand.PCG) Balancer { return &leastConn{tier: t, walk: newWalk(cycle, rng)} }
}

func (l *leastConn) Pick(q *Query) *Backend {
	// Nobody is less loaded than an idle server: if the next one is, ask no more.
	if m := &l.tier[l.peek()]; m.live.inUse.Load() == 0 && m.usable(q) {
		l.step()
		return m.backend
	}
	best, ties := l.least(q)
	switch {
	case best == nil:
		return nil
	case ties > 1:
		best = l.whoseTurn(best, q)
	}
	return best.backend
}

// least returns a least loaded usable member, nil if there is none, and how
// many have its load, itself and unusable ones included. Usability and ramp are
// asked only of members that would improve on the best, which is rarely.
func (l *leastConn) least(q *Query) (best *member, ties int) {
	inUse, share := int64(1), int64(0) // 1/0: more than any load
	members := l.tier                  // in registers: this loop is all of the cost
	for i := range members {
		m := &members[i]
		mine, least := int64(m.live.inUse.Load())*share, inUse*int64(m.weight)
		if mine > least {
			continue
		}
		if mine == least {
			ties++
		} else if m.usable(q) {
			if n, s := m.load(); n*share < inUse*s {
				best, ties, inUse, share = m, 1, n, s
			}
		}
	}
	return best, ties
}

// whoseTurn returns the next member of the cycle that is as light as best. If
// such are so rare that one tier's length of the cycle has none, best will do.
func (l *leastConn) whoseTurn(best *member, q *Query) *member {
	for range l.tier {
		if m := &l.tier[l.step()]; !best.lighter(m) && m.usable(q) {
			return m
		}
	}
	return best
}
