package lease

import (
	"math"
	"slices"
	"testing"
)

const movementKeys = 20_000

// owners picks for many keys and returns the endpoint of each.
func owners(p Policy, members []Member) []string {
	c := newSet(p, members).NewCursor(0, 1)
	chosen := make([]string, movementKeys)
	for key := range chosen {
		chosen[key] = c.Pick(mix64(uint64(key)), nil).Addr.String()
	}
	return chosen
}

// strays counts keys that moved although neither their old nor their new server
// is the one that came or went.
func strays(before, after []string, changed string) (moved int) {
	for key := range before {
		if before[key] != after[key] && before[key] != changed && after[key] != changed {
			moved++
		}
	}
	return moved
}

var keyed = []struct {
	policy Policy
	strays float64 // the share of keys that may move without need
}{{Hash, 0}, {Maglev, 0.03}}

// TestMovement: a server leaves and one joins. Only its keys may move on the
// ring; in the Maglev table few others.
func TestMovement(t *testing.T) {
	for _, k := range keyed {
		for _, weights := range [][]int{{1, 1, 1, 1, 1, 1, 1, 1, 1, 1}, {1, 9, 3, 2, 8, 4, 4, 6, 5, 7}} {
			all := servers(weights...)
			full := owners(k.policy, all)
			for gone := range all {
				left := slices.Delete(slices.Clone(all), gone, gone+1)
				moved := strays(full, owners(k.policy, left), all[gone].Addr.String())
				if share := float64(moved) / movementKeys; share > k.strays {
					t.Errorf("%v, weights %v: %.2f %% of the keys moved between others when server %d left",
						k.policy, weights, 100*share, gone)
				}
			}
		}
	}
}

// TestOrderDoesNotMatter: two instances may list the servers differently.
func TestOrderDoesNotMatter(t *testing.T) {
	for _, k := range keyed {
		all := servers(3, 1, 4, 1, 5)
		before := owners(k.policy, all)
		slices.Reverse(all)
		if !slices.Equal(before, owners(k.policy, all)) {
			t.Errorf("%v: the order of the list decides", k.policy)
		}
	}
}

// TestStandIn: while a server is down only its keys go elsewhere, spread over
// all others, and they come home when it is back.
func TestStandIn(t *testing.T) {
	for _, k := range keyed {
		all := servers(10, 10, 10, 10, 10)
		before := owners(k.policy, all)
		all[2].SetDown(true)
		during := owners(k.policy, all)
		if n := strays(before, during, all[2].Addr.String()); n != 0 {
			t.Errorf("%v: %d keys of servers that were up moved", k.policy, n)
		}
		heirs, inherited := map[string]int{}, 0
		for key := range before {
			if before[key] != during[key] {
				heirs[during[key]]++
				inherited++
			}
		}
		for heir, n := range heirs {
			if n < inherited/5 || n > inherited*3/10 {
				t.Errorf("%v: %s took %d of %d keys, want about a quarter", k.policy, heir, n, inherited)
			}
		}
		all[2].SetDown(false)
		if !slices.Equal(before, owners(k.policy, all)) {
			t.Errorf("%v: keys did not come home", k.policy)
		}
	}
}

// TestKeyedRetry: the second attempt of a key is as fixed as the first, on
// every loop, or a sticky client would wander whenever its server is slow.
func TestKeyedRetry(t *testing.T) {
	for _, k := range keyed {
		s := newSet(k.policy, equalServers(20))
		for key := range uint64(1000) {
			var tried Tried
			first := s.NewCursor(0, 1).Pick(mix64(key), nil)
			tried.Add(first)
			a, b := s.NewCursor(0, 2).Pick(mix64(key), &tried), s.NewCursor(1, 3).Pick(mix64(key), &tried)
			if a != b || a == first {
				t.Fatalf("%v: attempts went to %s, then %s or %s", k.policy, first.Name, a.Name, b.Name)
			}
		}
	}
}

// TestRingAtWeightOne records how uneven the smallest weights are.
func TestRingAtWeightOne(t *testing.T) {
	const picks = 100_000
	members := equalServers(10)
	for b, n := range shares(newSet(Hash, members), picks, func(*Backend) {}) {
		if n < picks/10*75/100 || n > picks/10*125/100 {
			t.Errorf("%s got %d keys, want %d ± 25 %%", b.Name, n, picks/10)
		}
	}
}

func TestRingIsBounded(t *testing.T) {
	weights := make([]int, 1000)
	for i := range weights {
		weights[i] = MaxWeight
	}
	r := newRing(newTier(servers(weights...)))
	if n := len(r.points); n > maxPoints || n < maxPoints/4 {
		t.Errorf("%d points, want at most %d and not far below", n, maxPoints)
	}
	if !slices.IsSorted(r.points) {
		t.Error("points are not sorted")
	}
}

// TestRingSearch compares the index with a plain search: at points, beside
// them, and beyond the last, on rings of all small sizes.
func TestRingSearch(t *testing.T) {
	for n := range 70 {
		r := &ring{points: make([]uint64, n+1)}
		for i := range r.points {
			r.points[i] = mix64(uint64(n*100 + i))
		}
		slices.Sort(r.points)
		r.makeIndex()
		keys := []uint64{0, 1 << 63, math.MaxUint64}
		for _, at := range r.points {
			keys = append(keys, at-1, at, at+1)
		}
		for _, key := range keys {
			if want, _ := slices.BinarySearch(r.points, key); r.search(key) != want {
				t.Fatalf("%d points: search(%#x) = %d, want %d", n+1, key, r.search(key), want)
			}
		}
	}
}

// TestMaglevTable: all slots taken, in proportion to weights within 1 %.
func TestMaglevTable(t *testing.T) {
	for _, weights := range [][]int{{1}, {1, 1, 1}, {1, 2, 3, 4}, {256, 1}, {256, 100, 3}} {
		total, slots := 0, make([]int, len(weights))
		for _, w := range weights {
			total += w
		}
		for _, owner := range maglevTable(newTier(servers(weights...))) {
			slots[owner]++
		}
		for i, w := range weights {
			want := maglevSlots * w / total
			if slots[i] < want*99/100-1 || slots[i] > want*101/100+1 {
				t.Errorf("weights %v: member %d has %d slots, want %d", weights, i, slots[i], want)
			}
		}
	}
}

func newTier(members []Member) (t tier) {
	for _, b := range members {
		t = append(t, newMember(b))
	}
	return t
}
