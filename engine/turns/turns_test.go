package turns

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// maxWeight is that of the configuration.
const maxWeight = 256

func TestCycle(t *testing.T) {
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
		if got := Cycle(c.weights); !slices.Equal(got, c.want) {
			t.Errorf("Cycle(%v) = %v, want %v", c.weights, got, c.want)
		}
	}
}

// TestCycleIsNginx compares with nginx's algorithm, one score a server.
func TestCycleIsNginx(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for range 500 {
		weights := make([]int, 1+rng.IntN(20))
		for i := range weights {
			weights[i] = 1 + rng.IntN(1+rng.IntN(maxWeight))
		}
		got := Cycle(weights)
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

// TestCycleIsBounded: beyond Max shares get coarser, but nobody's
// vanishes, and the memory stays what the constant says.
func TestCycleIsBounded(t *testing.T) {
	weights := make([]int, 3000)
	for i := range weights {
		weights[i] = maxWeight - i%2
	}
	weights[0] = 1
	cycle := Cycle(weights)
	if len(cycle) > Max || len(cycle) <= Max/2 {
		t.Errorf("the cycle has %d turns, want at most %d and more than half of it", len(cycle), Max)
	}
	turns := make([]int, len(weights))
	for _, i := range cycle {
		turns[i]++
	}
	if turns[0] != 1 || slices.Min(turns[1:]) != 64 || slices.Max(turns) != 64 {
		t.Errorf("turns: %d for weight 1, %d to %d for the others", turns[0], slices.Min(turns[1:]), slices.Max(turns))
	}
}
