package exchange

import (
	"slices"
	"testing"

	"sluice/internal/assert"
)

// Every pair of states: the moves of the life in the package comment pass, every other one panics.
func TestExchangeStates(t *testing.T) {
	t.Parallel()
	allowed := map[State][]State{
		Unused:    {Routing},
		Routing:   {Working, Answering, Over},
		Working:   {Answering, Over},
		Answering: {Tunneling, Over},
		Tunneling: {Over},
		Over:      {Unused},
	}
	for from := range states {
		for to := range states {
			x := Exchange{state: from}
			if slices.Contains(allowed[from], to) {
				x.set(to)
				assert.Equal(t, x.State(), to)
				continue
			}
			assert.Panics(t, "exchange: "+from.String()+" → "+to.String(), func() { x.set(to) })
			assert.Equal(t, x.State(), from)
		}
	}
}
