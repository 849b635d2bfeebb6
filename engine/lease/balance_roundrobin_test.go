package lease

import (
	"testing"
)

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
