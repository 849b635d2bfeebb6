package flow

import (
	"slices"
	"testing"

	"sluice/internal/assert"
)

func TestStateTableIsExhaustive(t *testing.T) {
	t.Parallel()
	allowed := map[State][]State{
		Idle:     {Ready},
		Ready:    {Sending, Failed, Refused, Aborted},
		Sending:  {Ready, Finished, Failed, Refused, Aborted},
		Finished: {Ended, Aborted},
		Refused:  {Aborted},
		Failed:   {Aborted},
		Ended:    {Ready},
		Aborted:  {Ready},
	}
	for from := range states {
		for to := range states {
			f := Flow{state: from}
			if slices.Contains(allowed[from], to) {
				f.set(to)
				assert.Equal(t, f.State(), to)
				continue
			}
			assert.Panics(t, "flow: "+from.String()+" → "+to.String(), func() { f.set(to) })
			assert.Equal(t, f.State(), from)
		}
	}
}
