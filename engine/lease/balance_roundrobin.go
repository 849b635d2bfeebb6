// round_robin walks a precomputed cycle in nginx's smooth weighted order: with
// weights 5, 1, 1 it reads a a b a c a a, never five times a in a row. A member
// that cannot serve is stepped over, so the others keep their shares and their
// interleaving.

package lease

import (
	"math/rand/v2"

	"sluice/engine/key"
	"sluice/engine/turns"
)

type roundRobin struct {
	tier
	walk
	resume int // where to look once the cycle was walked in vain
}

func planRoundRobin(t tier, _ SetOptions) plan {
	cycle := turns.Cycle(t.weights())
	return func(rng *rand.PCG) Balancer { return &roundRobin{tier: t, walk: newWalk(cycle, rng)} }
}

func (r *roundRobin) Pick(q *Query) *Backend {
	for range r.tier {
		if m := &r.tier[r.step()]; m.usable(q) {
			return m.backend
		}
	}
	// The cycle may be 256 times as long as the tier: look at each member once.
	i := r.next(r.resume, q)
	if i < 0 {
		return nil
	}
	r.resume = (i + 1) % len(r.tier)
	return r.tier[i].backend
}

// walk is one loop's position in a shared cycle of member indexes.
type walk struct {
	cycle []int32
	pos   int
}

func newWalk(cycle []int32, rng *rand.PCG) walk {
	return walk{cycle: cycle, pos: key.Below(rng.Uint64(), len(cycle))}
}

// peek returns the member whose turn is next, and leaves it next.
func (w *walk) peek() int32 { return w.cycle[w.pos] }

// step returns the member whose turn is next and goes on to the one after.
func (w *walk) step() int32 {
	i := w.peek()
	if w.pos++; w.pos == len(w.cycle) {
		w.pos = 0
	}
	return i
}
