package flow

import (
	"testing"

	"sluice/internal/assert"
)

func TestStateTableIsExhaustive(t *testing.T) {
	t.Parallel()
	assert.Moves(t, "flow", [][]State{
		Idle:     {Ready},
		Ready:    {Sending, Failed, Refused, Aborted},
		Sending:  {Ready, Finished, Failed, Refused, Aborted},
		Finished: {Ended, Aborted},
		Refused:  {Aborted},
		Failed:   {Aborted},
		Ended:    {Ready},
		Aborted:  {Ready},
	}, func(from State) (func(State), *State) {
		f := &Flow{state: from}
		return f.set, &f.state
	})
}
