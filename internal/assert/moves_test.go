package assert

import (
	"slices"
	"strings"
	"testing"
)

// lamp is a state whose setter may be wrong.
type lamp uint8

const (
	dark lamp = iota
	lit
	broken
	lamps
)

func (l lamp) String() string { return [lamps]string{"dark", "lit", "broken"}[l] }

// life are the moves of a lamp.
var life = [][]lamp{dark: {lit, broken}, lit: {dark, broken}, broken: {}}

// lampAt makes lamps that allow the moves of their life, and take those it says.
func lampAt(takes func(listed bool) bool) func(lamp) (func(lamp), *lamp) {
	return func(state lamp) (func(lamp), *lamp) {
		return func(next lamp) {
			before := state
			listed := slices.Contains(life[before], next)
			if takes(listed) {
				state = next
			}
			if !listed {
				panic("lamp: " + before.String() + " → " + next.String())
			}
		}, &state
	}
}

func TestMoves(t *testing.T) {
	t.Parallel()
	right := func(listed bool) bool { return listed }
	for _, c := range []struct {
		name  string
		table [][]lamp
		takes func(listed bool) bool
		want  string
	}{
		{"as listed", life, right, ""},
		{"more is listed", [][]lamp{dark: {lit, broken}, lit: {dark, broken}, broken: {dark}}, right, "lamp: broken → dark is listed, but panics"},
		{"less is listed", [][]lamp{dark: {lit}, lit: {dark, broken}, broken: {}}, right, `no panic, want one that says "lamp: dark → broken"`},
		{"a move that is not made", life, func(bool) bool { return false }, "lamp: dark → lit leads to dark, want lit"},
		{"a panic too late", life, func(bool) bool { return true }, "lamp: broken → dark leads to dark, want broken"},
		{"a forgotten row", life[:broken], right, "lamp: no row for the moves from broken"},
	} {
		got := spied(func(t testing.TB) { Moves(t, "lamp", c.table, lampAt(c.takes)) }).failure
		if (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: failure says %q, want %q", c.name, got, c.want)
		}
	}
}
