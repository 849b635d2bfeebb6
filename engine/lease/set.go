// A Set is the members of one upstream and the policy that chooses among them.
// It never changes and all loops share it; whatever can be computed before the
// first connection (the cycle, the alias table, the ring) is in it. What
// choosing itself changes, a position and a random generator, is in a Cursor,
// of which every loop has its own:
//
//	set := NewSet(Maglev, backends)       // once, by whoever compiles
//	cursor := set.NewCursor(loop, seed)   // once on each loop
//	b := cursor.Pick(key, &tried)         // for every connection
//
// New members or weights are a new Set.

package lease

import (
	"math/rand/v2"
	"slices"
)

// Policy is a way to choose a backend.
type Policy uint8

// The policies, in the order of the reference; String gives the user's word.
const (
	RoundRobin Policy = iota // in turn, by weight, evenly interleaved
	LeastConn                // the fewest connections in use per weight
	P2C                      // the less loaded of two drawn at random
	Random                   // drawn at random by weight
	First                    // the first with room, in the order written
	Hash                     // by key on a consistent ring
	Maglev                   // by key through a Maglev table
)

var policies = [...]struct {
	name string
	plan func(tier) plan
}{
	RoundRobin: {"round_robin", planRoundRobin},
	LeastConn:  {"least_conn", planLeastConn},
	P2C:        {"p2c", planP2C},
	Random:     {"random", planRandom},
	First:      {"first", planFirst},
	Hash:       {"hash", planRing},
	Maglev:     {"maglev", planMaglev},
}

// ParsePolicy finds the policy of a name as users write it.
func ParsePolicy(name string) (Policy, bool) {
	for i, p := range policies {
		if p.name == name {
			return Policy(i), true
		}
	}
	return 0, false
}

// String is the name users write.
func (p Policy) String() string { return policies[p].name }

// Keyed reports whether Pick looks at its key; callers need not compute one for
// the other policies.
func (p Policy) Keyed() bool { return p == Hash || p == Maglev }

// Set is an immutable choice of backends, safe to share between loops.
type Set struct {
	policy   Policy
	backends []*Backend
	primary  plan
	backup   plan
}

// NewSet makes a Set of the backends, whose order matters to First only. It may
// take tens of milliseconds for a thousand of them and belongs where
// configuration is compiled. It panics on an unknown policy or a weight outside
// 0 to MaxWeight, which configuration has ruled out.
func NewSet(policy Policy, backends []*Backend) *Set {
	s := &Set{policy: policy, backends: slices.Clone(backends)}
	var primary, backup tier
	for _, b := range s.backends {
		switch {
		case b.Weight < 0 || b.Weight > MaxWeight:
			panic("lease: weight out of range: " + b.Name)
		case b.Weight == 0: // can never be picked, so no policy needs to know it
		case b.Backup:
			backup = append(backup, newMember(b))
		default:
			primary = append(primary, newMember(b))
		}
	}
	s.primary, s.backup = newPlan(policy, primary), newPlan(policy, backup)
	return s
}

// Policy is the policy of the set.
func (s *Set) Policy() Policy { return s.policy }

// Backends is every member in the order given to NewSet, weight 0 and backups
// included. The slice belongs to the set.
func (s *Set) Backends() []*Backend { return s.backends }

// Cursor is one loop's place in a Set. It is not safe for use by two loops.
type Cursor struct {
	primary Balancer
	backup  Balancer
}

// NewCursor makes the cursor of one loop. Loops that share a seed still start
// at different places, or all of them would send their first connections to the
// same server. The same loop and seed repeat the same choices.
func (s *Set) NewCursor(loop int, seed uint64) *Cursor {
	rng := rand.NewPCG(mix64(seed), mix64(seed+golden*uint64(loop+1)))
	return &Cursor{primary: s.primary(rng), backup: s.backup(rng)}
}

// Pick chooses the backend of a connection, or nil if none is usable or tried
// is full. Backups are considered only when no other member is usable. The key
// comes from HashAddr or HashName and matters to keyed policies only. Pick
// takes nothing: the caller owes an Acquire, and when that fails, because
// another loop took the last place, it picks again.
func (c *Cursor) Pick(key uint64, tried *Tried) *Backend {
	if tried.Full() {
		return nil
	}
	if b := c.primary.Pick(key, tried); b != nil {
		return b
	}
	return c.backup.Pick(key, tried)
}
