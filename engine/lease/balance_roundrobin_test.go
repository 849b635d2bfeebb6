package lease

import (
	"math/rand/v2"
	"slices"
	"testing"
)

func TestSmoothCycle(t *testing.T) {
	for _, c := range []struct {
		weights []int
		want    []int32
	}{
		{[]int{5, 1, 1}, []int32{0, 0, 1, 0, 2, 0, 0}}, // nginx's own example
		{[]int{1, 1, 1}, []int32{0, 1, 2}},
		{[]int{100, 100}, []int32{0, 1}},
		{[]int{4, 2}, []int32{0, 1, 0}},
		{[]int{7}, []int32{0}},
	} {
		if got := smoothCycle(c.weights); !slices.Equal(got, c.want) {
			t.Errorf("smoothCycle(%v) = %v, want %v", c.weights, got, c.want)
		}
	}
}

// TestSmoothCycleIsNginx compares with nginx's algorithm, one score a server.
func TestSmoothCycleIsNginx(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for range 500 {
		weights := make([]int, 1+rng.IntN(20))
		for i := range weights {
			weights[i] = 1 + rng.IntN(1+rng.IntN(MaxWeight))
		}
		got := smoothCycle(weights)
		score, total := make([]int, len(weights)), 0
		for _, w := range weights {
			total += w
		}
		for turn := range total {
			best := 0
			for i, w := range weights {
				if score[i] += w; score[i] > score[best] {
					best = i
				}
			}
			score[best] -= total
			if int32(best) != got[turn%len(got)] {
				t.Fatalf("weights %v: turn %d is %d, nginx says %d", weights, turn, got[turn%len(got)], best)
			}
		}
	}
}

// TestSmoothCycleIsBounded: beyond maxCycle shares get coarser, but nobody's
// vanishes, and the memory stays what the constant says.
func TestSmoothCycleIsBounded(t *testing.T) {
	weights := make([]int, 3000)
	for i := range weights {
		weights[i] = MaxWeight - i%2
	}
	weights[0] = 1
	cycle := smoothCycle(weights)
	if len(cycle) > maxCycle || len(cycle) <= maxCycle/2 {
		t.Errorf("the cycle has %d turns, want at most %d and more than half of it", len(cycle), maxCycle)
	}
	turns := make([]int, len(weights))
	for _, i := range cycle {
		turns[i]++
	}
	if turns[0] != 1 || slices.Min(turns[1:]) != 64 || slices.Max(turns) != 64 {
		t.Errorf("turns: %d for weight 1, %d to %d for the others", turns[0], slices.Min(turns[1:]), slices.Max(turns))
	}
}

// TestRoundRobinSkipsFairly: the turns of an absent server must not all go to
// the one after it.
func TestRoundRobinSkipsFairly(t *testing.T) {
	members := servers(1, 1, 1, 1)
	members[1].SetDown(true)
	got := shares(newSet(RoundRobin, members), 3000, func(*Backend) {})
	for _, i := range []int{0, 2, 3} {
		if got[members[i].Backend] != 1000 {
			t.Errorf("server %d got %d of 3000, want a third", i, got[members[i].Backend])
		}
	}
}

// TestRoundRobinFewLeft: where the cycle holds long runs of absent servers the
// remaining ones still take turns.
func TestRoundRobinFewLeft(t *testing.T) {
	weights := make([]int, 200)
	for i := range weights {
		weights[i] = MaxWeight
	}
	weights[50], weights[51] = 1, 1
	members := servers(weights...)
	for i, b := range members {
		b.SetDown(i != 50 && i != 51)
	}
	got := shares(newSet(RoundRobin, members), 1000, func(*Backend) {})
	if a, b := got[members[50].Backend], got[members[51].Backend]; a < 450 || b < 450 {
		t.Errorf("the two left got %d and %d of 1000", a, b)
	}
}
