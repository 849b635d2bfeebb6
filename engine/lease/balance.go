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
	"math/rand/v2"
)

// Balancer picks a member of one tier for one loop.
type Balancer interface {
	// Pick returns a backend that is usable for q, or nil if there is none. It
	// reads the key if the policy is keyed. It neither acquires the backend nor
	// keeps q, does no I/O and allocates nothing.
	Pick(q *Query) *Backend
}

// plan makes a loop's Balancer over what a policy precomputed. The generator
// is for the place to start from.
type plan func(rng *rand.PCG) Balancer

// newPlan spares the policies the case of no members.
func newPlan(o SetOptions, t tier) plan {
	if len(t) == 0 {
		return func(*rand.PCG) Balancer { return nobody{} }
	}
	return policies[o.Policy].plan(t, o)
}

// nobody balances a tier without members.
type nobody struct{}

func (nobody) Pick(*Query) *Backend { return nil }

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

func newMember(m Member) member {
	return member{live: m.state(), limit: m.limit(), weight: int32(m.Weight), backend: m.Backend}
}

// usable reports whether m has room and is up, or is admitted by q all the same.
func (m *member) usable(q *Query) bool {
	return m.live.inUse.Load() < m.limit && (q.tried == nil && m.live.flags.Load() == 0 || q.admits(m.live))
}

// fullShare is a unit of weight in the shares that load returns. It is one more
// than fullRamp so that no share is 0, whatever the ramp.
const fullShare = fullRamp + 1

// load returns the connections in use and the share of all that m should have,
// both times fullShare. A ramping member has a smaller share, so that policies
// that go by load do not take it for idle and rush to it.
func (m *member) load() (inUse, share int64) {
	missing := m.live.flags.Load() >> rampShift
	return int64(m.live.inUse.Load()) * fullShare, int64(m.weight) * int64(fullShare-missing)
}

// lighter reports whether m has fewer connections in use per share than o. It
// cross-multiplies, because dividing would lose what tells light loads apart.
func (m *member) lighter(o *member) bool {
	inUse, share := m.load()
	others, itsShare := o.load()
	return inUse*itsShare < others*share
}

// next returns the index of the first usable member at or after from, going
// round once, or -1.
func (t tier) next(from int, q *Query) int {
	for i := from; i < len(t); i++ {
		if t[i].usable(q) {
			return i
		}
	}
	for i := range from {
		if t[i].usable(q) {
			return i
		}
	}
	return -1
}

// first returns the backend of the first usable member in the order written.
func (t tier) first(q *Query) *Backend {
	if i := t.next(0, q); i >= 0 {
		return t[i].backend
	}
	return nil
}

func (t tier) weights() []int {
	w := make([]int, len(t))
	for i := range t {
		w[i] = int(t[i].weight)
	}
	return w
}
