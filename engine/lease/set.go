// A Set is the members of one upstream and the policy that chooses among them.
// All loops share it, and it never changes but for one bit, whether it panics;
// whatever can be computed before the first connection (the cycle, the alias
// table, the ring) is in it. What choosing itself changes, a position and a
// random generator, is in a Cursor, of which every loop has its own:
//
//	set := NewSet(SetOptions{Policy: Maglev}, members) // once, by whoever compiles
//	cursor := set.NewCursor(loop, seed)                // once on each loop
//	b := cursor.Pick(key, &tried)                      // for every connection
//
// New members or weights are a new Set around the same Backends.

package lease

import (
	"math/rand/v2"
	"slices"
	"sync/atomic"

	"sluice/engine/key"
)

// MaxWeight is the largest Member.Weight, as in HAProxy. It bounds what the
// policies precompute.
const MaxWeight = 256

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
	LeastTime                // the least connections in use times average latency
)

var policies = [...]struct {
	name string
	plan func(tier, SetOptions) plan
}{
	RoundRobin: {"round_robin", planRoundRobin},
	LeastConn:  {"least_conn", planLeastConn},
	P2C:        {"p2c", planP2C},
	Random:     {"random", planRandom},
	First:      {"first", planFirst},
	Hash:       {"hash", planRing},
	Maglev:     {"maglev", planMaglev},
	LeastTime:  {"least_time", planLeastTime},
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

// Member is a Backend's place in a Set.
type Member struct {
	*Backend
	// Weight is the share relative to the other members, 0 to MaxWeight. A
	// member of weight 0 is never picked.
	Weight int
	// Backup members are picked only when no other member is usable.
	Backup bool
}

// SetOptions say how a Set chooses.
type SetOptions struct {
	Policy Policy
	// Bound is how much of its fair share, in percent, a member may have in use
	// before keyed policies pass it over; 0 is no bound, else it is at least 100.
	Bound int
	// Panic is the percentage of primaries below which the Set panics; 0 is never.
	Panic int
}

// Set is a choice of backends, safe to share between loops.
type Set struct {
	policy    Policy
	threshold int // of panic, in percent
	members   []Member
	backends  []*Backend
	primary   plan
	backup    plan
	panicking atomic.Bool // read only about members that are not up
}

// NewSet makes a Set of the members, whose order matters to First only, and
// Judges it. It may take tens of milliseconds for a thousand of them and belongs
// where configuration is compiled. It panics on an unknown policy, a bound below
// the fair share, or a weight outside 0 to MaxWeight, which configuration has
// ruled out. The slice stays the caller's.
func NewSet(o SetOptions, members []Member) *Set {
	if o.Bound < 0 || o.Bound > 0 && o.Bound < 100 {
		panic("lease: a bound below the fair share")
	}
	s := &Set{policy: o.Policy, threshold: o.Panic, members: slices.Clone(members)}
	var primary, backup tier
	for _, m := range members {
		s.backends = append(s.backends, m.Backend)
		switch {
		case m.Weight < 0 || m.Weight > MaxWeight:
			panic("lease: weight out of range: " + m.Name)
		case m.Weight == 0: // can never be picked, so no policy needs to know it
		case m.Backup:
			backup = append(backup, newMember(m))
		default:
			primary = append(primary, newMember(m))
		}
	}
	s.primary, s.backup = newPlan(o, primary), newPlan(o, backup)
	s.Judge()
	return s
}

// Judge decides anew whether the set panics. It is owed after every change of a
// member's causes, by one goroutine at a time. Usable counts the members that
// are up and total those that should be: the primaries that have a weight and
// are not leaving, or if there are none, the backups.
//
// A set panics when less than the threshold of them is usable and no backup is:
// so few servers would break down under the load of all, and so many are hardly
// down at once; more likely the checks are wrong. It then ignores who is down or
// ejected.
func (s *Set) Judge() (usable, total int, panicking bool) {
	usable, total = s.count(false)
	spare, backups := s.count(true)
	if total == 0 {
		usable, total = spare, backups
	}
	panicking = spare == 0 && usable*100 < s.threshold*total
	s.panicking.Store(panicking)
	return usable, total, panicking
}

// count returns how many of the backups or of the primaries are up and how many
// should be.
func (s *Set) count(backup bool) (usable, total int) {
	for _, m := range s.members {
		if m.Backup != backup || m.Weight == 0 || m.Draining() || m.Removed() {
			continue
		}
		total++
		if m.State() == Up {
			usable++
		}
	}
	return usable, total
}

// Panicking is the last Judge's verdict.
func (s *Set) Panicking() bool { return s.panicking.Load() }

// admits reports whether the causes among flags let a member be picked.
func (s *Set) admits(flags uint32) bool {
	switch {
	case flags&causes == 0:
		return true
	case flags&(flagDraining|flagRemoved) != 0:
		return false
	default:
		return s.panicking.Load()
	}
}

// Policy is the policy of the set.
func (s *Set) Policy() Policy { return s.policy }

// Members is every member in the order given to NewSet. The slice belongs to the
// set.
func (s *Set) Members() []Member { return s.members }

// Backends is every member's in the order given to NewSet, weight 0 and backups
// included. The slice belongs to the set.
func (s *Set) Backends() []*Backend { return s.backends }

// Cursor is one loop's place in a Set. It is not safe for use by two loops.
type Cursor struct {
	primary Balancer
	backup  Balancer
	query   Query
}

// NewCursor makes the cursor of one loop. Loops that share a seed still start
// at different places, or all of them would send their first connections to the
// same server. The same loop and seed repeat the same choices.
func (s *Set) NewCursor(loop int, seed uint64) *Cursor {
	rng := rand.NewPCG(key.Mix(seed), key.Mix(seed+key.Golden*uint64(loop+1)))
	return &Cursor{primary: s.primary(rng), backup: s.backup(rng), query: Query{set: s, rng: rng}}
}

// Pick chooses the backend of a connection, or nil if none is usable or tried
// is full. Backups are considered only when no other member is usable. The key
// comes from key.Addr or key.Name and matters to keyed policies only. Pick
// takes nothing: the caller owes an Acquire, and when that fails, because
// another loop took the last place, it picks again.
func (c *Cursor) Pick(key uint64, tried *Tried) *Backend {
	if tried.Full() {
		return nil
	}
	q := &c.query
	if q.key = key; tried.Len() > 0 {
		q.tried = tried
	}
	b := q.ask(c.primary)
	if b == nil {
		b = q.ask(c.backup)
	}
	q.tried = nil
	return b
}
