package lease

import (
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"sync"
	"testing"
)

// servers makes one backend for each weight, at 10.0.0.0:80 and on.
func servers(weights ...int) []*Backend {
	backends := make([]*Backend, len(weights))
	for i, w := range weights {
		addr := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 80)
		backends[i] = &Backend{Name: addr.String(), Addr: Endpoint{Addr: addr}, Weight: w}
	}
	return backends
}

func equalServers(n int) []*Backend {
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
				backends := servers(weights...)
				got := shares(NewSet(p, backends), picks, after)
				for i, b := range backends {
					want := picks * weights[i] / total
					if off := math.Abs(float64(got[b]-want)) / float64(want); off > 0.05 {
						t.Errorf("%s connections, weights %v: server %d got %d, want %d ± 5 %%",
							ending, weights, i, got[b], want)
					}
				}
			})
		}
	}
}

// TestP2CEvens: two draws must level what single draws pile up.
func TestP2CEvens(t *testing.T) {
	for policy, most := range map[Policy]int32{P2C: 105, Random: math.MaxInt32} {
		backends := equalServers(100)
		shares(NewSet(policy, backends), 100*100, func(b *Backend) { b.Acquire() })
		fullest := int32(0)
		for _, b := range backends {
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
		backends := servers(weights...)
		backends[0].Acquire()
		if got := shares(NewSet(P2C, backends), 1000, func(*Backend) {}); got[backends[0]] != 0 {
			t.Errorf("weights %v: the busier server got %d of 1000", weights, got[backends[0]])
		}
	}
}

// TestLeastConnPicksTheLeast checks every choice against the definition.
func TestLeastConnPicksTheLeast(t *testing.T) {
	backends := servers(1, 2, 3, 5, 8)
	c := NewSet(LeastConn, backends).NewCursor(0, 1)
	rng := rand.New(rand.NewPCG(1, 2))
	load := func(b *Backend) float64 { return float64(b.InUse()) / float64(b.Weight) }
	var open []*Backend
	for range 10_000 {
		b := c.Pick(0, nil)
		for _, other := range backends {
			if load(other) < load(b) {
				t.Fatalf("picked a load of %v while one had %v", load(b), load(other))
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
	backends := servers(1, 1, 1)
	backends[2].Acquire()
	got := shares(NewSet(LeastConn, backends), 1000, func(*Backend) {})
	if got[backends[0]] != 500 || got[backends[1]] != 500 {
		t.Errorf("idle servers got %d and %d, want 500 each", got[backends[0]], got[backends[1]])
	}
}

func TestFirstFillsInOrder(t *testing.T) {
	backends := servers(1, 200, 3)
	for _, b := range backends {
		b.MaxConnections = 2
	}
	c := NewSet(First, backends).NewCursor(3, 9)
	for i := range 6 {
		b := c.Pick(0, nil)
		if b != backends[i/2] || !b.Acquire() {
			t.Fatalf("connection %d went to %v", i, name(b))
		}
	}
	backends[0].Release()
	if b := c.Pick(0, nil); b != backends[0] {
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
// must be usable and untried, and nobody is picked only if nobody could be.
func TestNeverUnusable(t *testing.T) {
	forEachPolicy(t, func(t *testing.T, p Policy) {
		for seed := range uint64(200) {
			checkRandomState(t, p, seed)
		}
	})
}

func checkRandomState(t *testing.T, p Policy, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, uint64(p)))
	backends := equalServers(1 + rng.IntN(15))
	healthy := rng.Float64() // from nearly all dead to nearly all well
	for _, b := range backends {
		b.Weight, b.MaxConnections, b.Backup = rng.IntN(4), int32(rng.IntN(3)), rng.IntN(4) == 0
		b.SetDown(rng.Float64() > healthy)
		b.SetDraining(rng.IntN(8) == 0)
		for range rng.IntN(3) {
			b.Acquire()
		}
	}
	c := NewSet(p, backends).NewCursor(int(seed%3), seed)
	var tried Tried
	for range MaxAttempts {
		picked := c.Pick(rng.Uint64(), &tried)
		able := func(b *Backend) bool { return b.Usable() && !tried.Has(b) }
		for _, b := range backends {
			if able(b) && (picked == nil || picked.Backup && !b.Backup) {
				t.Fatalf("seed %d: picked %v although %v is usable", seed, name(picked), b.Name)
			}
		}
		if picked == nil {
			return
		}
		if !able(picked) {
			t.Fatalf("seed %d: picked %v, which is not usable", seed, picked.Name)
		}
		tried.Add(picked)
	}
}

// TestLastOneIsFound: a single survivor among a thousand, whichever it is.
func TestLastOneIsFound(t *testing.T) {
	forEachPolicy(t, func(t *testing.T, p Policy) {
		backends := equalServers(1000)
		c := NewSet(p, backends).NewCursor(0, 1)
		for _, b := range backends {
			b.SetDown(true)
		}
		for i := 0; i < len(backends); i += 37 {
			backends[i].SetDown(false)
			if b := c.Pick(mix64(uint64(i)), nil); b != backends[i] {
				t.Fatalf("picked %v, want %v", name(b), backends[i].Name)
			}
			backends[i].SetDown(true)
		}
	})
}

// TestLoopsShareLimits runs two loops over one Set: the sum of their
// connections must fill every server to its limit and none beyond it.
func TestLoopsShareLimits(t *testing.T) {
	forEachPolicy(t, func(t *testing.T, p Policy) {
		backends := servers(1, 2, 3, 4)
		for i, b := range backends {
			b.MaxConnections = int32(100 * (i + 1))
		}
		s := NewSet(p, backends)
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
		for _, b := range backends {
			if b.InUse() != b.MaxConnections {
				t.Errorf("%v ended with %d of %d connections", b.Name, b.InUse(), b.MaxConnections)
			}
		}
		if sum := taken[0] + taken[1]; sum != 1000 {
			t.Errorf("loops took %d connections, want 1000", sum)
		}
	})
}

func TestPickDoesNotAllocate(t *testing.T) {
	forEachPolicy(t, func(t *testing.T, p Policy) {
		backends := equalServers(50)
		backends[7].SetDown(true)
		c := NewSet(p, backends).NewCursor(0, 1)
		var tried Tried
		key := uint64(0)
		if n := testing.AllocsPerRun(1000, func() {
			key += golden
			tried.Reset()
			for range 3 {
				b := c.Pick(key, &tried)
				b.Acquire()
				b.Release()
				tried.Add(b)
			}
		}); n != 0 {
			t.Errorf("%v allocations for three attempts", n)
		}
	})
}

func benchmarkPick(b *testing.B, weight func(i int) int, prepare func([]*Backend)) {
	for p := range policies {
		b.Run(Policy(p).String(), func(b *testing.B) {
			weights := make([]int, 1000)
			for i := range weights {
				weights[i] = weight(i)
			}
			backends := servers(weights...)
			prepare(backends)
			c := NewSet(Policy(p), backends).NewCursor(0, 1)
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

func BenchmarkPickIdle(b *testing.B) {
	benchmarkPick(b, func(int) int { return 1 }, func([]*Backend) {})
}

func BenchmarkPickWeightedBusy(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 1))
	benchmarkPick(b, func(i int) int { return 1 + i%MaxWeight }, func(backends []*Backend) {
		for _, backend := range backends {
			for range rng.IntN(20) {
				backend.Acquire()
			}
		}
	})
}

func BenchmarkPickHalfDown(b *testing.B) {
	benchmarkPick(b, func(int) int { return 1 }, func(backends []*Backend) {
		for i, backend := range backends {
			backend.SetDown(i%2 == 0)
		}
	})
}

func BenchmarkPickAllDown(b *testing.B) {
	benchmarkPick(b, func(int) int { return 1 }, func(backends []*Backend) {
		for _, backend := range backends {
			backend.SetDown(true)
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
				backends := servers(weights...)
				for b.Loop() {
					NewSet(Policy(p), backends)
				}
			})
		}
	}
}
