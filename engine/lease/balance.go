// What the policies have in common. Each sees one tier: the primaries or the
// backups, as two instances that do not know of each other. A policy comes in
// two halves: a plan, computed once and shared by all loops, and a Balancer,
// the few words that choosing changes on one loop. Policies without such words
// are their own Balancer.
//
// "Not usable" is everywhere the same question, member.usable, and whoever has
// looked in vain for long enough falls back on tier.next, which looks at every
// member exactly once. So a Pick is bounded even when one of thousands is left.

package lease

import (
	"math/bits"
	"math/rand/v2"
)

// Balancer picks a member of one tier for one loop.
type Balancer interface {
	// Pick returns a usable backend not in tried, or nil if there is none. It
	// reads the key if the policy is keyed. It neither acquires the backend nor
	// keeps tried, does no I/O and allocates nothing.
	Pick(key uint64, tried *Tried) *Backend
}

// plan makes a loop's Balancer over what a policy precomputed. The generator
// belongs to that loop and may be kept.
type plan func(rng *rand.PCG) Balancer

// newPlan spares the policies the case of no members.
func newPlan(policy Policy, t tier) plan {
	build := policies[policy].plan
	if len(t) == 0 {
		return func(*rand.PCG) Balancer { return nobody{} }
	}
	return build(t)
}

// nobody balances a tier without members.
type nobody struct{}

func (nobody) Pick(uint64, *Tried) *Backend { return nil }

// tier is the members a policy chooses from: none of weight 0.
type tier []member

// member is what choosing needs of a Backend, side by side with the others: a
// scan of the tier then misses the cache once per member and not twice.
type member struct {
	live    *live
	limit   int32
	weight  int32
	backend *Backend
}

func newMember(b *Backend) member {
	return member{live: b.state(), limit: b.limit(), weight: int32(b.Weight), backend: b}
}

// usable is Backend.Usable, and not tried.
func (m *member) usable(tried *Tried) bool {
	return m.live.flags.Load() == 0 && m.live.inUse.Load() < m.limit && !tried.has(m.live)
}

// lighter reports whether m has fewer connections in use per weight than o. It
// cross-multiplies, because dividing would lose what tells light loads apart.
func (m *member) lighter(o *member) bool {
	return int64(m.live.inUse.Load())*int64(o.weight) < int64(o.live.inUse.Load())*int64(m.weight)
}

// next returns the index of the first usable member at or after from, going
// round once, or -1.
func (t tier) next(from int, tried *Tried) int {
	for i := from; i < len(t); i++ {
		if t[i].usable(tried) {
			return i
		}
	}
	for i := range from {
		if t[i].usable(tried) {
			return i
		}
	}
	return -1
}

func (t tier) weights() []int {
	w := make([]int, len(t))
	for i := range t {
		w[i] = int(t[i].weight)
	}
	return w
}

// below maps a random or hashed 64-bit number to 0 ≤ i < n by a multiplication
// instead of a division. The bias, n/2^64, is beyond measuring.
func below(x uint64, n int) int {
	i, _ := bits.Mul64(x, uint64(n))
	return int(i)
}
