// round_robin walks a precomputed cycle in nginx's smooth weighted order: with
// weights 5, 1, 1 it reads a a b a c a a, never five times a in a row. A member
// that cannot serve is stepped over, so the others keep their shares and their
// interleaving.
//
// nginx finds each turn by adding every server's weight to its score, taking
// the highest score and subtracting the total from it: n steps a turn, 256
// million for a cycle of a thousand servers with large weights. But servers of
// equal weight are served strictly in turn, so one score for each distinct
// weight is enough, and of those there are at most MaxWeight.

package lease

import (
	"math/rand/v2"
	"slices"
)

// maxCycle bounds a cycle to 1 MiB, enough for a thousand servers of any
// weights. Larger sets have their weights halved, rounding up, until they fit:
// their shares become coarser, but everyone keeps at least one turn.
const maxCycle = 1 << 18

type roundRobin struct {
	tier
	walk
	resume int // where to look once the cycle was walked in vain
}

func planRoundRobin(t tier, _ SetOptions) plan {
	cycle := smoothCycle(t.weights())
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
	return walk{cycle: cycle, pos: below(rng.Uint64(), len(cycle))}
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

// peerGroup is the members of one weight. They share a score: all of them have
// had the same number of turns, but for those before next, which had one more.
type peerGroup struct {
	weight  int
	score   int // of the member whose turn is next
	next    int
	members []int32
}

// smoothCycle returns the order in which nginx would serve members of these
// weights until it repeats, with every weight divided by their common divisor.
func smoothCycle(weights []int) []int32 {
	weights, total := reduceWeights(weights)
	groups := groupByWeight(weights)
	cycle := make([]int32, total)
	for turn := range cycle {
		best := &groups[0]
		for i := range groups {
			g := &groups[i]
			g.score += g.weight
			if g.score > best.score || g.score == best.score && g.members[g.next] < best.members[best.next] {
				best = g
			}
		}
		cycle[turn] = best.members[best.next]
		if best.next++; best.next == len(best.members) {
			best.next = 0
			best.score -= total
		}
	}
	return cycle
}

func groupByWeight(weights []int) []peerGroup {
	var groups []peerGroup
	at := map[int]int{}
	for i, w := range weights {
		g, ok := at[w]
		if !ok {
			g = len(groups)
			at[w] = g
			groups = append(groups, peerGroup{weight: w})
		}
		groups[g].members = append(groups[g].members, int32(i))
	}
	return groups
}

// reduceWeights returns the weights in lowest terms, or lower to fit maxCycle,
// and their sum. No weight may be 0.
func reduceWeights(weights []int) (reduced []int, total int) {
	divisor := 0
	for _, w := range weights {
		divisor = gcd(divisor, w)
	}
	reduced = slices.Clone(weights)
	for i := range reduced {
		reduced[i] /= divisor
		total += reduced[i]
	}
	for total > maxCycle && total > len(reduced) {
		total = 0
		for i, w := range reduced {
			reduced[i] = (w + 1) / 2
			total += reduced[i]
		}
	}
	return reduced, total
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
