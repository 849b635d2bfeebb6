package h1

import (
	"testing"

	"sluice/internal/assert"
)

// Every pair of states: the moves of the lives in the package's pictures pass, every other one panics.
func TestFrontStates(t *testing.T) {
	t.Parallel()
	assert.Moves(t, "h1", [][]frontState{
		unused:      {accepted},
		accepted:    {introducing, greeting, idle, closed},
		introducing: {greeting, idle, closed},
		greeting:    {securing, exchanging, closed},
		securing:    {idle, closed},
		idle:        {heading, exchanging, closed},
		heading:     {exchanging, closed},
		exchanging:  {idle, closed},
		closed:      {unused},
	}, func(from frontState) (func(frontState), *frontState) {
		f := &front{state: from}
		return f.set, &f.state
	})
}

func TestBackStates(t *testing.T) {
	t.Parallel()
	assert.Moves(t, "h1", [][]backState{
		backUnused: {awaiting, detached}, // a request that does not fit is given up before it begins
		awaiting:   {answering, detached},
		answering:  {tunneled, detached},
		tunneled:   {detached},
		detached:   {backUnused},
	}, func(from backState) (func(backState), *backState) {
		b := &back{state: from}
		return b.set, &b.state
	})
}
