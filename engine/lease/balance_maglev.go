// maglev looks a key up in a table of a prime number of slots that members have
// filled in turn, each along its own permutation of the slots: shares are exact
// to a fraction of a percent, a lookup is one multiplication and one load, and
// a change of members moves few keys beyond those it must. (Eisenbud et al.,
// "Maglev: A Fast and Reliable Software Network Load Balancer", NSDI 2016, 3.4;
// weights as in Envoy: a lighter member sits out some of the rounds.)
//
// The table knows the members, not their health: rebuilding it in every process
// whenever a server blinks would move others' keys. So a key whose member is
// unusable walks the table along a permutation of its own. That is the same for
// every loop and instance, keeps every other key where it is, and spreads the
// keys of the failed member over all others by weight, where "the next slot"
// would follow the table's local order.

package lease

import (
	"math/rand/v2"
	"slices"
	"strings"

	"sluice/engine/key"
)

// maglevSlots is the paper's smaller table: prime, so that every step walks all
// of it, and 65 slots for each of a thousand members. Beyond 65,537 members
// some would have none.
const maglevSlots = 65537

type maglev struct {
	tier
	bound
	slots []int32
}

func planMaglev(t tier, o SetOptions) plan {
	m := &maglev{t, bound(o.Bound), maglevTable(t)}
	return func(*rand.PCG) Balancer { return m }
}

func (m *maglev) Pick(q *Query) *Backend {
	slot := key.Below(q.key, maglevSlots)
	if o := &m.tier[m.slots[slot]]; o.usable(q) && m.fits(o, m.tier, q) {
		return o.backend
	}
	return m.another(slot, q)
}

// another finds a stand-in for the owner of slot, which is unusable or at its
// bound. Rare, so apart.
func (m *maglev) another(slot int, q *Query) *Backend {
	step := 1 + key.Below(key.Mix(q.key), maglevSlots-1)
	for passed := range maglevSlots {
		slot = (slot + step) % maglevSlots
		if o := &m.tier[m.slots[slot]]; o.usable(q) && m.fits(o, m.tier, q) {
			return o.backend
		}
		if passed == patience && m.next(0, q) < 0 {
			return nil
		}
	}
	return m.first(q) // as on the ring
}

// permutation is a member's order of preference among the slots: from at on,
// always skip further.
type permutation struct {
	member int32
	weight int
	at     int
	skip   int
	due    int // takes a slot in the round when its weights add up to this
}

func maglevTable(t tier) []int32 {
	order, heaviest := permutations(t)
	slots := make([]int32, maglevSlots)
	for i := range slots {
		slots[i] = -1
	}
	for round, filled := 1, 0; ; round++ {
		for i := range order {
			p := &order[i]
			if round*p.weight < p.due {
				continue
			}
			p.due += heaviest
			slots[p.claim(slots)] = p.member
			if filled++; filled == maglevSlots {
				return slots
			}
		}
	}
}

// claim returns the member's best slot that is still free.
func (p *permutation) claim(slots []int32) int {
	for slots[p.at] >= 0 {
		p.at = (p.at + p.skip) % maglevSlots
	}
	return p.at
}

// permutations derives each member's from its endpoint and sorts by that, so
// that instances whose lists are ordered differently build the same table.
func permutations(t tier) (order []permutation, heaviest int) {
	for i := range t {
		h := key.Name(t[i].backend.Addr.String())
		p := permutation{
			member: int32(i),
			weight: int(t[i].weight),
			at:     key.Below(h, maglevSlots),
			skip:   1 + key.Below(key.Mix(h), maglevSlots-1),
		}
		heaviest = max(heaviest, p.weight)
		order = append(order, p)
	}
	slices.SortFunc(order, func(a, b permutation) int {
		return strings.Compare(t[a.member].backend.Addr.String(), t[b.member].backend.Addr.String())
	})
	return order, heaviest
}
