package assert

import (
	"fmt"
	"slices"
	"testing"
)

// Moves fails the test unless a setter allows exactly the moves that allowed has: allowed[from] lists each to. Every
// pair of states is tried on something new that at makes in the state from; at returns its setter and where its state
// stands. A move that is not listed must panic with "who: from → to" and leave the state as it was.
//
//	assert.Moves(t, "door", [][]state{shut: {open}, open: {shut}}, func(from state) (func(state), *state) {
//		d := &door{state: from}
//		return d.set, &d.state
//	})
//
// A state that leads nowhere has an empty row: one that has a name and no row was forgotten, and fails the test.
func Moves[S interface {
	~uint8
	fmt.Stringer
}](t testing.TB, who string, allowed [][]S, at func(from S) (set func(S), state *S)) {
	t.Helper()
	if _, beyond := catch(func() { _ = S(len(allowed)).String() }); !beyond {
		t.Fatalf("%s: no row for the moves from %v", who, S(len(allowed)))
	}
	for from := range S(len(allowed)) {
		for to := range S(len(allowed)) {
			set, state := at(from)
			move, want := fmt.Sprintf("%s: %v → %v", who, from, to), from
			if !slices.Contains(allowed[from], to) {
				Panics(t, move, func() { set(to) })
			} else if value, refused := catch(func() { set(to) }); refused {
				t.Fatalf("%s is listed, but panics: %v", move, value)
			} else {
				want = to
			}
			if *state != want {
				t.Fatalf("%s leads to %v, want %v", move, *state, want)
			}
		}
	}
}
