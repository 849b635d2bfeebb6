package roster

import (
	"testing"

	"sluice/internal/assert"
)

type guest struct {
	name  string
	place Place[*guest]
}

func (g *guest) Seat() *Place[*guest] { return &g.place }

// Guests may leave in any order, also while they are being visited, and whoever waits for the end is told once.
func TestRoster(t *testing.T) {
	t.Parallel()
	var r Roster[*guest]
	all := []*guest{{name: "a"}, {name: "b"}, {name: "c"}, {name: "d"}}
	for _, g := range all {
		r.Join(g)
	}
	visit := func() (names string) {
		r.Each(func(g *guest) { names += g.name })
		return names
	}
	assert.Equal(t, visit(), "dcba")
	r.Leave(all[1])
	assert.Equal(t, visit(), "dca")
	r.Leave(all[3])
	assert.Equal(t, visit(), "ca")
	told := 0
	r.WhenEmpty(func() { told++ })
	r.Each(r.Leave)
	assert.Equal(t, []int{r.Live(), told}, []int{0, 0})
	r.Freed()
	r.Freed()
	assert.Equal(t, told, 1)
	r.WhenEmpty(func() { told++ })
	assert.Equal(t, told, 2)
}
