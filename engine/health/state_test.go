package health

import (
	"strings"
	"testing"

	"sluice/internal/assert"
)

func TestStateTableIsExhaustive(t *testing.T) {
	t.Parallel()
	assert.Moves(t, "health", [][]state{
		up:      {falling, down},
		falling: {up, down},
		down:    {rising, up},
		rising:  {up, down},
	}, func(from state) (func(state), *state) {
		h := &health{state: from}
		return h.set, &h.state
	})
}

// Each line is a run of checks, + passed and - failed, and the states they lead to; ! marks the check that turned the verdict.
func TestVerdicts(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name       string
		from       state
		fall, rise int
		checks     string
		want       string
	}{
		{"good stays good", up, 3, 2, "+++", "up up up"},
		{"three failures", up, 3, 2, "----", "falling falling down! down"},
		{"two failures are forgiven", up, 3, 2, "--+--", "falling falling up falling falling"},
		{"forgiven failures do not add up", up, 3, 2, "--+--+---", "falling falling up falling falling up falling falling down!"},
		{"two successes", down, 3, 2, "-++", "down rising up!"},
		{"a success that was none", down, 3, 2, "+-+-", "rising down rising down"},
		{"there and back", up, 2, 3, "--+++--", "falling down! rising rising up! falling down!"},
		{"one check decides", up, 1, 1, "-+-+", "down! up! down! up!"},
	} {
		h := health{state: c.from}
		var got []string
		for _, sign := range c.checks {
			was, after := h.serves(), h.note(sign == '+', c.fall, c.rise)
			word := h.state.String()
			if after > 0 {
				word += "!"
				want := c.fall
				if h.serves() {
					want = c.rise
				}
				assert.Equal(t, after, want)
			}
			assert.Equal(t, was != h.serves(), after > 0)
			assert.Equal(t, h.wavers(), h.against > 0)
			got = append(got, word)
		}
		if text := strings.Join(got, " "); text != c.want {
			t.Errorf("%s: %s\n got %s\nwant %s", c.name, c.checks, text, c.want)
		}
	}
}
