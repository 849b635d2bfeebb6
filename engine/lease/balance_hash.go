// hash places every member at many points of a ring of 2^64 positions; a key
// belongs to the first point at or after it. A member that leaves takes its
// points with it and only its own keys move, each to the point after; one that
// joins takes keys but moves none between others. An unusable member is stepped
// over in the same way, so it behaves as if it had left; so is, for one pick, a
// member at its bound.
//
//	points:  b₁ ─── a₀ ─── b₀ ─── a₁ ───▶ (round)
//	keys:        ↑k belongs to a; while a is down, to b
//
// For this to hold a point depends on the member's endpoint and weight alone,
// not on its place in the list or on who else is there.

package lease

import (
	"cmp"
	"math/bits"
	"math/rand/v2"
	"slices"

	"sluice/engine/key"
)

const (
	// pointsPerWeight is a member's points for each unit of weight. With k
	// points a share strays from its ideal by about 1/√k: 6 % at weight 1, 2 %
	// at weight 10. Users who want it more even raise all weights, or use maglev.
	pointsPerWeight = 256
	// maxPoints bounds a ring to 16 MiB. Where the sum of weights exceeds 4,096
	// everyone's points are halved until they fit; crossing that line is the one
	// change of members that also moves other members' keys.
	maxPoints = 1 << 20
	// patience is how many unusable points or slots a keyed pick passes before
	// it asks whether anyone is left at all.
	patience = 64
)

// ring keeps positions and owners apart: the search touches positions only. It
// starts from an index on their leading bits, where about one is left; a binary
// search of the whole ring would spend half a microsecond on cache misses.
type ring struct {
	tier
	bound
	points []uint64 // ascending
	owners []int32
	index  []int32 // of the first point whose bits above shift are at least i
	shift  int
}

func planRing(t tier, o SetOptions) plan {
	r := newRing(t)
	r.bound = bound(o.Bound)
	return func(*rand.PCG) Balancer { return r }
}

func (r *ring) Pick(q *Query) *Backend {
	at := r.search(q.key)
	for passed := range r.points {
		if at == len(r.points) {
			at = 0
		}
		if m := &r.tier[r.owners[at]]; m.usable(q) && r.fits(m, r.tier, q) {
			return m.backend
		}
		if passed == patience && r.next(0, q) < 0 {
			return nil
		}
		at++
	}
	return r.first(q) // loads have changed while this one looked: a bound is not worth a refusal
}

// search returns the index of the first point at or after key, which is one
// too many if the key is behind the last.
func (r *ring) search(key uint64) int {
	bucket := key >> r.shift
	from, to := int(r.index[bucket]), int(r.index[bucket+1])
	i, _ := slices.BinarySearch(r.points[from:to], key)
	return from + i
}

func newRing(t tier) *ring {
	type point struct {
		at    uint64
		owner int32
	}
	perWeight, total := pointsFor(t)
	all := make([]point, 0, total)
	for i := range t {
		at := key.Name(t[i].backend.Addr.String())
		for range int(t[i].weight) * perWeight {
			at += key.Golden
			all = append(all, point{key.Mix(at), int32(i)})
		}
	}
	slices.SortFunc(all, func(a, b point) int {
		if c := cmp.Compare(a.at, b.at); c != 0 {
			return c
		}
		return cmp.Compare(t[a.owner].backend.Addr.String(), t[b.owner].backend.Addr.String())
	})
	r := &ring{tier: t, points: make([]uint64, total), owners: make([]int32, total)}
	for i, p := range all {
		r.points[i], r.owners[i] = p.at, p.owner
	}
	r.makeIndex()
	return r
}

// makeIndex takes as many leading bits as give each point a bucket.
func (r *ring) makeIndex() {
	width := bits.Len(uint(len(r.points) - 1))
	r.shift = 64 - width
	r.index = make([]int32, 1<<width+1)
	for _, at := range r.points {
		r.index[at>>r.shift+1]++
	}
	for i := range 1 << width {
		r.index[i+1] += r.index[i]
	}
}

// pointsFor returns the points for each unit of weight and in all.
func pointsFor(t tier) (perWeight, total int) {
	sum := 0
	for i := range t {
		sum += int(t[i].weight)
	}
	perWeight = pointsPerWeight
	for perWeight > 1 && perWeight*sum > maxPoints {
		perWeight /= 2
	}
	return perWeight, perWeight * sum
}
