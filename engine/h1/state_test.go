package h1

import (
	"slices"
	"testing"

	"sluice/internal/assert"
)

// Every pair of states: the moves of the lives in the package's pictures pass, every other one panics.
func TestFrontStates(t *testing.T) {
	t.Parallel()
	allowed := map[frontState][]frontState{
		unused:      {accepted},
		accepted:    {introducing, greeting, idle, closed},
		introducing: {greeting, idle, closed},
		greeting:    {securing, exchanging, closed},
		securing:    {idle, closed},
		idle:        {heading, exchanging, closed},
		heading:     {exchanging, closed},
		exchanging:  {idle, closed},
		closed:      {unused},
	}
	for from := range frontStates {
		for to := range frontStates {
			f := &front{state: from}
			if slices.Contains(allowed[from], to) {
				f.set(to)
				assert.Equal(t, f.state, to)
				continue
			}
			assert.Panics(t, "h1: "+from.String()+" → "+to.String(), func() { f.set(to) })
		}
	}
}

func TestBackStates(t *testing.T) {
	t.Parallel()
	allowed := map[backState][]backState{
		backUnused: {awaiting, detached}, // a request that does not fit is given up before it begins
		awaiting:   {answering, detached},
		answering:  {tunneled, detached},
		tunneled:   {detached},
		detached:   {backUnused},
	}
	for from := range backStates {
		for to := range backStates {
			b := &back{state: from}
			if slices.Contains(allowed[from], to) {
				b.set(to)
				assert.Equal(t, b.state, to)
				continue
			}
			assert.Panics(t, "h1: "+from.String()+" → "+to.String(), func() { b.set(to) })
		}
	}
}
