// A Query is one question to the Balancers of one loop, who would do for whom,
// and what was found out on the way to the answer. Most answers need no more
// than the first line of member.usable; this file is for the members that are
// neither simply up nor simply out:
//
//   - While the Set panics, those that are down or ejected count as up.
//   - A ramping one counts as up for some questions only. Each draws one number
//     from 0 to 999; the member is up for it if it lacks no more thousandths of
//     its full share than that. For keyed policies the number comes from the
//     key, so a key stays where it is until the ramp reaches it.
//
// When a question finds nobody but passed over a ramping member, it is asked
// once more with the ramps forgotten: a slow start is no reason to refuse.

package lease

import (
	"math/rand/v2"

	"sluice/engine/key"
)

// Query is reused by its Cursor for one Pick after the other.
type Query struct {
	key   uint64
	tried *Tried
	set   *Set
	rng   *rand.PCG // the loop's

	lot    int32 // what a member may lack of its share; notDrawn at first
	passed bool  // somebody lacked more
	inUse  int64 // the sum over usable members, once fits has needed it
	weight int64 // likewise; 0 means not yet
}

const notDrawn = -1

// ask puts the question to the members of one tier.
func (q *Query) ask(tier Balancer) *Backend {
	q.lot, q.passed, q.weight = notDrawn, false, 0
	b := tier.Pick(q)
	if b == nil && q.passed {
		q.lot, q.weight = fullRamp, 0
		b = tier.Pick(q)
	}
	return b
}

// admits judges one that is not simply up, or may have been tried.
func (q *Query) admits(one *live) bool {
	flags := one.flags.Load()
	if q.tried.has(one) || !q.set.admits(flags) {
		return false
	}
	missing := int32(flags >> rampShift)
	if missing == 0 {
		return true
	}
	if q.lot == notDrawn {
		q.draw()
	}
	if missing > q.lot {
		q.passed = true
		return false
	}
	return true
}

func (q *Query) draw() {
	x := key.Mix(q.key + key.Golden) // far from what places the key on ring and table
	if !q.set.policy.Keyed() {
		x = q.rng.Uint64()
	}
	q.lot = int32(key.Below(x, fullRamp))
}
