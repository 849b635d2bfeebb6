package lease

import (
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"testing"

	"sluice/engine/key"
)

// Where a test calls a key by that name, the room of keys is out of sight.
var mix64 = key.Mix

const golden = uint64(key.Golden)

// servers makes one member for each weight, at 10.0.0.0:80 and on.
func servers(weights ...int) []Member {
	members := make([]Member, len(weights))
	for i, w := range weights {
		addr := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 80)
		members[i] = Member{Backend: &Backend{Name: addr.String(), Addr: Endpoint{Addr: addr}}, Weight: w}
	}
	return members
}

func newSet(p Policy, members []Member) *Set { return NewSet(SetOptions{Policy: p}, members) }

func equalServers(n int) []Member {
	weights := make([]int, n)
	for i := range weights {
		weights[i] = 1
	}
	return servers(weights...)
}

func name(b *Backend) string {
	if b == nil {
		return "nobody"
	}
	return b.Name
}

func forEachPolicy(t *testing.T, body func(*testing.T, Policy)) {
	for p := range policies {
		t.Run(Policy(p).String(), func(t *testing.T) { body(t, Policy(p)) })
	}
}

// shares picks n times with fresh keys and returns the count of each backend.
func shares(s *Set, n int, after func(*Backend)) map[*Backend]int {
	c, got := s.NewCursor(0, 42), map[*Backend]int{}
	for key := range uint64(n) {
		b := c.Pick(mix64(key), nil)
		got[b]++
		after(b)
	}
	return got
}

// TestDistribution: within 5 % of every member's share over 100,000 picks, both
// when connections end at once and when all of them stay. Weights are large
// enough for the ring's points to be that even; see pointsPerWeight.
func TestDistribution(t *testing.T) {
	const picks = 100_000
	endings := map[string]func(*Backend){
		"short": func(b *Backend) {},
		"long":  func(b *Backend) { b.Acquire() },
	}
	for _, weights := range [][]int{{20, 20, 20, 20}, {20, 60, 40, 80}, {250, 150, 100}} {
		total := 0
		for _, w := range weights {
			total += w
		}
		for ending, after := range endings {
			forEachPolicy(t, func(t *testing.T, p Policy) {
				if p == First {
					return // has no distribution: TestFirstFillsInOrder
				}
				members := servers(weights...)
				got := shares(newSet(p, members), picks, after)
				for i, b := range members {
					want := picks * weights[i] / total
					if off := math.Abs(float64(got[b.Backend]-want)) / float64(want); off > 0.05 {
						t.Errorf("%s connections, weights %v: server %d got %d, want %d ± 5 %%",
							ending, weights, i, got[b.Backend], want)
					}
				}
			})
		}
	}
}

// TestP2CEvens: two draws must level what single draws pile up.
func TestP2CEvens(t *testing.T) {
	for policy, most := range map[Policy]int32{P2C: 105, Random: math.MaxInt32} {
		members := equalServers(100)
		shares(newSet(policy, members), 100*100, func(b *Backend) { b.Acquire() })
		fullest := int32(0)
		for _, b := range members {
			fullest = max(fullest, b.InUse())
		}
		if fullest > most || policy == Random && fullest < 115 {
			t.Errorf("%v: the fullest of 100 servers holds %d of 100 expected connections", policy, fullest)
		}
	}
}

// TestP2CDrawsTwo: of two servers both are drawn, whatever their weights, so
// the busier one is never picked.
func TestP2CDrawsTwo(t *testing.T) {
	for _, weights := range [][]int{{1, 1}, {MaxWeight, 1}} {
		members := servers(weights...)
		members[0].Acquire()
		if got := shares(newSet(P2C, members), 1000, func(*Backend) {}); got[members[0].Backend] != 0 {
			t.Errorf("weights %v: the busier server got %d of 1000", weights, got[members[0].Backend])
		}
	}
}

// TestLeastConnPicksTheLeast checks every choice against the definition.
func TestLeastConnPicksTheLeast(t *testing.T) {
	members := servers(1, 2, 3, 5, 8)
	c := newSet(LeastConn, members).NewCursor(0, 1)
	rng := rand.New(rand.NewPCG(1, 2))
	weight := map[*Backend]int{}
	for _, m := range members {
		weight[m.Backend] = m.Weight
	}
	load := func(b *Backend) float64 { return float64(b.InUse()) / float64(weight[b]) }
	var open []*Backend
	for range 10_000 {
		b := c.Pick(0, nil)
		for _, other := range members {
			if load(other.Backend) < load(b) {
				t.Fatalf("picked a load of %v while one had %v", load(b), load(other.Backend))
			}
		}
		b.Acquire()
		open = append(open, b)
		if rng.IntN(40) < len(open) {
			i := rng.IntN(len(open))
			open[i].Release()
			open[i] = open[len(open)-1]
			open = open[:len(open)-1]
		}
	}
}

// TestLeastConnTiesAreFair: beside a busy server the idle ones share equally,
// although one of them always comes right after the busy one.
func TestLeastConnTiesAreFair(t *testing.T) {
	members := servers(1, 1, 1)
	members[2].Acquire()
	got := shares(newSet(LeastConn, members), 1000, func(*Backend) {})
	if got[members[0].Backend] != 500 || got[members[1].Backend] != 500 {
		t.Errorf("idle servers got %d and %d, want 500 each", got[members[0].Backend], got[members[1].Backend])
	}
}

func TestFirstFillsInOrder(t *testing.T) {
	members := servers(1, 200, 3)
	for _, b := range members {
		b.MaxConnections = 2
	}
	c := newSet(First, members).NewCursor(3, 9)
	for i := range 6 {
		b := c.Pick(0, nil)
		if b != members[i/2].Backend || !b.Acquire() {
			t.Fatalf("connection %d went to %v", i, name(b))
		}
	}
	members[0].Release()
	if b := c.Pick(0, nil); b != members[0].Backend {
		t.Errorf("a place in front was left empty for %v", name(b))
	}
}

// TestAliasTable compares the exact mass each member was given with its weight.
func TestAliasTable(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 200 {
		weights, total := make([]int, 1+rng.IntN(50)), 0
		for i := range weights {
			weights[i] = 1 + rng.IntN(MaxWeight)
			total += weights[i]
		}
		mass := make([]float64, len(weights))
		for i, c := range aliasTable(weights) {
			own := float64(c.mark) / (1 << 64)
			mass[i] += own
			mass[c.alias] += 1 - own
		}
		for i, w := range weights {
			if want := float64(w) / float64(total) * float64(len(weights)); math.Abs(mass[i]-want) > 1e-9 {
				t.Fatalf("weights %v: member %d has %v columns, want %v", weights, i, mass[i], want)
			}
		}
	}
}

// TestNeverUnusable throws random states at every policy. Whatever is picked
// must be usable and untried, and nobody is picked only if nobody could be:
// neither a ramp nor a bound is a reason to refuse.
func TestNeverUnusable(t *testing.T) {
	forEachPolicy(t, func(t *testing.T, p Policy) {
		panics := 0
		for seed := range uint64(200) {
			if checkRandomState(t, p, seed) {
				panics++
			}
		}
		if panics == 0 || panics == 200 {
			t.Errorf("%d of 200 states panic, want some", panics)
		}
	})
}

// checkRandomState reports whether the state was one of panic.
func checkRandomState(t *testing.T, p Policy, seed uint64) bool {
	rng := rand.New(rand.NewPCG(seed, uint64(p)))
	members := equalServers(1 + rng.IntN(15))
	randomState(rng, members)
	s := NewSet(SetOptions{Policy: p, Bound: []int{0, 100, 125}[rng.IntN(3)], Panic: 50}, members)
	c := s.NewCursor(int(seed%3), seed)
	var tried Tried
	able := func(m *Member) bool {
		excused := s.Panicking() && !m.Draining() && !m.Removed()
		room := m.MaxConnections == 0 || m.InUse() < m.MaxConnections
		return m.Weight > 0 && (m.State() == Up || excused) && room && !tried.Has(m.Backend)
	}
	for range MaxAttempts {
		picked, isAble, isBackup := c.Pick(rng.Uint64(), &tried), false, false
		for i := range members {
			if m := &members[i]; m.Backend == picked {
				isAble, isBackup = able(m), m.Backup
			}
		}
		for i := range members {
			if m := &members[i]; able(m) && (picked == nil || isBackup && !m.Backup) {
				t.Fatalf("seed %d: picked %v although %v is usable", seed, name(picked), m.Name)
			}
		}
		if picked == nil {
			break
		}
		if !isAble {
			t.Fatalf("seed %d: picked %v, which is not usable", seed, picked.Name)
		}
		tried.Add(picked)
	}
	return s.Panicking()
}

func randomState(rng *rand.Rand, members []Member) {
	healthy := rng.Float64() // from nearly all dead to nearly all well
	for i := range members {
		m := &members[i]
		m.Weight, m.MaxConnections, m.Backup = rng.IntN(4), int32(rng.IntN(3)), rng.IntN(4) == 0
		m.SetDown(rng.Float64() > healthy)
		m.SetEjected(rng.Float64() > healthy)
		m.SetDraining(rng.IntN(8) == 0)
		m.SetRemoved(rng.IntN(8) == 0)
		m.SetRamp(rng.IntN(2000))
		m.Observe(rng.Int64N(1e8))
		for range rng.IntN(3) {
			m.Acquire()
		}
	}
}

// TestLastOneIsFound: a single survivor among a thousand, whichever it is.
func TestLastOneIsFound(t *testing.T) {
	forEachPolicy(t, func(t *testing.T, p Policy) {
		members := equalServers(1000)
		c := newSet(p, members).NewCursor(0, 1)
		for _, b := range members {
			b.SetDown(true)
		}
		for i := 0; i < len(members); i += 37 {
			members[i].SetDown(false)
			if b := c.Pick(mix64(uint64(i)), nil); b != members[i].Backend {
				t.Fatalf("picked %v, want %v", name(b), members[i].Name)
			}
			members[i].SetDown(true)
		}
	})
}

// TestLoopsShareLimits runs two loops over one Set: the sum of their
// connections must fill every server to its limit and none beyond it.
func TestLoopsShareLimits(t *testing.T) {
	forEachPolicy(t, func(t *testing.T, p Policy) {
		members := servers(1, 2, 3, 4)
		for i, b := range members {
			b.MaxConnections = int32(100 * (i + 1))
		}
		s := newSet(p, members)
		var wg sync.WaitGroup
		var taken [2]int
		for loop := range taken {
			c := s.NewCursor(loop, 5)
			wg.Go(func() {
				for key := uint64(loop); ; key += 2 {
					b := c.Pick(mix64(key), nil)
					if b == nil {
						return
					}
					if b.Acquire() {
						taken[loop]++
					}
				}
			})
		}
		wg.Wait()
		for _, b := range members {
			if b.InUse() != b.MaxConnections {
				t.Errorf("%v ended with %d of %d connections", b.Name, b.InUse(), b.MaxConnections)
			}
		}
		if sum := taken[0] + taken[1]; sum != 1000 {
			t.Errorf("loops took %d connections, want 1000", sum)
		}
	})
}

// TestDeterminism: the same loop, seed and course of things repeat every choice.
func TestDeterminism(t *testing.T) {
	forEachPolicy(t, func(t *testing.T, p Policy) {
		run := func(seed uint64) (course []string) {
			members := servers(3, 1, 4, 1, 5, 9, 2, 6, 5, 3)
			for i := range 3 {
				members[i].SetRamp(300 * i)
			}
			members[7].SetDown(true)
			c := NewSet(SetOptions{Policy: p, Bound: 125}, members).NewCursor(1, seed)
			for key := range uint64(2000) {
				b := c.Pick(mix64(key), nil)
				if b.Observe(int64(len(b.Name)) << (key % 20)); key%3 > 0 {
					b.Acquire()
				}
				course = append(course, b.Name)
			}
			return course
		}
		if !slices.Equal(run(7), run(7)) {
			t.Error("two runs differ")
		}
		if p != First && !p.Keyed() && slices.Equal(run(7), run(8)) {
			t.Error("another seed changes nothing")
		}
	})
}

// TestPickDoesNotAllocate: not at a thousand servers either, and not where
// members are down, ramping or at their bound.
func TestPickDoesNotAllocate(t *testing.T) {
	for _, n := range []int{5, 1000} {
		forEachPolicy(t, func(t *testing.T, p Policy) {
			members := equalServers(n)
			for i, m := range members {
				m.SetDown(i%7 == 1)
				m.SetRamp(1000 - i%2*500)
				m.Acquire()
			}
			c := NewSet(SetOptions{Policy: p, Bound: 110, Panic: 50}, members).NewCursor(0, 1)
			var tried Tried
			key := uint64(0)
			if allocs := testing.AllocsPerRun(500, func() {
				key += golden
				tried.Reset()
				for range 3 {
					b := c.Pick(key, &tried)
					b.Acquire()
					b.Observe(int64(key >> 40))
					b.Release()
					tried.Add(b)
				}
			}); allocs != 0 {
				t.Errorf("%d servers: %v allocations for three attempts", n, allocs)
			}
		})
	}
}

func benchmarkPick(b *testing.B, weight func(i int) int, prepare func([]Member)) {
	benchmarkOptions(b, SetOptions{Panic: 50}, weight, prepare)
}

func benchmarkOptions(b *testing.B, o SetOptions, weight func(i int) int, prepare func([]Member)) {
	const n = 1000
	for p := range policies {
		b.Run(fmt.Sprintf("%v/%d", Policy(p), n), func(b *testing.B) {
			weights := make([]int, n)
			for i := range weights {
				weights[i] = weight(i)
			}
			members := servers(weights...)
			prepare(members)
			o.Policy = Policy(p)
			c := NewSet(o, members).NewCursor(0, 1)
			var tried Tried
			key := uint64(0)
			b.ReportAllocs()
			for b.Loop() {
				key += golden
				c.Pick(mix64(key), &tried)
			}
		})
	}
}

func equalWeights(int) int { return 1 }

func mixedWeights(i int) int { return 1 + i%MaxWeight }

// busy gives everyone some connections in use and a latency.
func busy(members []Member) {
	rng := rand.New(rand.NewPCG(1, 1))
	for _, m := range members {
		m.Observe(1e6 + rng.Int64N(1e7))
		for range 1 + rng.IntN(20) {
			m.Acquire()
		}
	}
}

func BenchmarkPick(b *testing.B) { benchmarkPick(b, equalWeights, busy) }

func BenchmarkPickIdle(b *testing.B) { benchmarkPick(b, equalWeights, func([]Member) {}) }

func BenchmarkPickWeighted(b *testing.B) { benchmarkPick(b, mixedWeights, busy) }

func BenchmarkPickBounded(b *testing.B) {
	benchmarkOptions(b, SetOptions{Bound: 125}, equalWeights, busy)
}

func BenchmarkPickRamping(b *testing.B) {
	benchmarkPick(b, equalWeights, func(members []Member) {
		busy(members)
		for i, m := range members {
			m.SetRamp(1000 - i%2*500)
		}
	})
}

func BenchmarkPickPanicking(b *testing.B) {
	benchmarkPick(b, equalWeights, func(members []Member) {
		busy(members)
		for i, m := range members {
			m.SetDown(i%4 > 0)
		}
	})
}

func BenchmarkPickHalfDown(b *testing.B) {
	benchmarkPick(b, equalWeights, func(members []Member) {
		for i, m := range members {
			m.SetDown(i%2 == 0)
		}
	})
}

func BenchmarkPickAllDown(b *testing.B) {
	benchmarkOptions(b, SetOptions{}, equalWeights, func(members []Member) {
		for _, m := range members {
			m.SetDown(true)
		}
	})
}

func BenchmarkNewSet(b *testing.B) {
	for _, most := range []int{1, MaxWeight} {
		for p := range policies {
			b.Run(fmt.Sprintf("%v/weights=%d", Policy(p), most), func(b *testing.B) {
				weights := make([]int, 1000)
				for i := range weights {
					weights[i] = 1 + i%most
				}
				members := servers(weights...)
				for b.Loop() {
					newSet(Policy(p), members)
				}
			})
		}
	}
}
