package health

import (
	"testing"

	"sluice/internal/assert"
)

func seatOf(calls *int) *seat { return &seat{wake: func() { *calls++ }} }

func TestGateHandsOverInTurn(t *testing.T) {
	t.Parallel()
	g := &gate{free: 1}
	var wokenA, wokenB int
	a, b := seatOf(&wokenA), seatOf(&wokenB)
	assert.Equal(t, g.take(a), true)
	assert.Equal(t, g.take(a), false) // a second server of a is due
	assert.Equal(t, g.take(a), false) // and has one seat only
	assert.Equal(t, g.take(b), false)
	g.put()
	assert.Equal(t, []int{wokenA, wokenB}, []int{1, 0})
	assert.Equal(t, g.take(b), false) // the slot is kept for a
	assert.Equal(t, g.take(a), true)
	assert.Equal(t, g.take(a), false) // again behind b
	g.put()
	assert.Equal(t, []int{wokenA, wokenB}, []int{1, 1})
	assert.Equal(t, g.take(b), true)
	g.put()
	assert.Equal(t, g.take(a), true)
	g.put()
	assert.Equal(t, g.free, 1)
	assert.Equal(t, len(g.line), 0)
}

func TestGateForgetsWhoLeaves(t *testing.T) {
	t.Parallel()
	g := &gate{free: 1}
	var woken int
	a, b, c := seatOf(&woken), seatOf(&woken), seatOf(&woken)
	assert.Equal(t, g.take(a), true)
	assert.Equal(t, g.take(b), false)
	assert.Equal(t, g.take(c), false)
	g.leave(b)
	g.put()
	assert.Equal(t, c.granted, true)
	assert.Equal(t, woken, 1)
	assert.Equal(t, g.take(b), false)
	g.leave(c) // the kept slot goes on to b
	assert.Equal(t, b.granted, true)
	g.leave(b)
	assert.Equal(t, g.free, 1)
	g.leave(b) // once is enough
	assert.Equal(t, g.free, 1)
}
