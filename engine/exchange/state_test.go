package exchange

import (
	"testing"

	"sluice/internal/assert"
)

// Every pair of states: the moves of the life in the package comment pass, every other one panics.
func TestExchangeStates(t *testing.T) {
	t.Parallel()
	assert.Moves(t, "exchange", [][]State{
		Unused:    {Routing},
		Routing:   {Working, Answering, Over},
		Working:   {Answering, Over},
		Answering: {Tunneling, Over},
		Tunneling: {Over},
		Over:      {Unused},
	}, func(from State) (func(State), *State) {
		x := &Exchange{state: from}
		return x.set, &x.state
	})
}
