package pool

import (
	"math"
	"math/rand/v2"
	"testing"

	"sluice/internal/assert"
)

// guest is a thing with its link inside, as a connection would have it.
type guest struct {
	id   int
	idle IdleLink[*guest]
}

func TestIdleTakesTheNewestAndEvictsTheOldest(t *testing.T) {
	list := Idle[*guest]{MaxIdle: 2}
	a, b, c := &guest{id: 1}, &guest{id: 2}, &guest{id: 3}
	for i, g := range []*guest{a, b} {
		_, full := list.Put(g, &g.idle, int64(i))
		assert.Equal(t, full, false)
	}
	evicted, full := list.Put(c, &c.idle, 2)
	assert.Equal(t, full, true)
	assert.Equal(t, evicted == a, true)
	assert.Equal(t, []bool{a.idle.In(), b.idle.In(), c.idle.In()}, []bool{false, true, true})
	assert.Equal(t, list.Len(), 2)

	for _, want := range []*guest{c, b} {
		got, ok := list.Take()
		assert.Equal(t, ok, true)
		assert.Equal(t, got == want, true)
		assert.Equal(t, got.idle, IdleLink[*guest]{}) // nothing is kept from the collector
	}
	got, ok := list.Take()
	assert.Equal(t, ok, false)
	assert.Equal(t, got == nil, true)
	assert.Equal(t, list.Len(), 0)
}

func TestIdleExpiresInOrder(t *testing.T) {
	list := Idle[int]{MaxIdle: 10}
	var links [3]IdleLink[int]
	_, ok := list.Oldest()
	assert.Equal(t, ok, false)
	for i := range links {
		list.Put(i, &links[i], int64(10*(i+1)))
	}
	at, ok := list.Oldest()
	assert.Equal(t, at, 10)
	assert.Equal(t, ok, true)
	_, ok = list.Expire(9)
	assert.Equal(t, ok, false)
	for i, before := range []int64{10, 25, math.MaxInt64} { // at that moment, before it, whenever
		got, ok := list.Expire(before)
		assert.Equal(t, got, i)
		assert.Equal(t, ok, true)
	}
	_, ok = list.Expire(math.MaxInt64)
	assert.Equal(t, ok, false)
}

func TestIdleWithoutRoomGivesBack(t *testing.T) {
	var list Idle[int]
	var link IdleLink[int]
	got, full := list.Put(7, &link, 1)
	assert.Equal(t, got, 7)
	assert.Equal(t, full, true)
	assert.Equal(t, link.In(), false)
	assert.Equal(t, list, Idle[int]{})
}

func TestIdlePanicsWhenMisused(t *testing.T) {
	list, other := Idle[int]{MaxIdle: 2}, Idle[int]{MaxIdle: 2}
	var link IdleLink[int]
	assert.Panics(t, "not in it", func() { list.Remove(&link) })
	list.Put(1, &link, 1)
	assert.Panics(t, "already idle", func() { list.Put(1, &link, 2) })
	assert.Panics(t, "already idle", func() { other.Put(1, &link, 2) })
	assert.Panics(t, "not in it", func() { other.Remove(&link) })
	list.Remove(&link)
	assert.Panics(t, "not in it", func() { list.Remove(&link) })
	list.Put(1, &link, 3)
	list.Take()
	assert.Panics(t, "not in it", func() { list.Remove(&link) })
}

// TestIdleAgainstASlice does random things to a list and to a slice, oldest first, and compares.
func TestIdleAgainstASlice(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	list := Idle[int]{MaxIdle: 8}
	var links [16]IdleLink[int]
	var putAt [16]int64
	var model []int
	pop := func(at int) (c int) {
		c = model[at]
		model = append(model[:at:at], model[at+1:]...)
		return c
	}
	for now := range int64(20_000) {
		switch c := random.IntN(len(links)); random.IntN(5) {
		case 0, 1:
			if links[c].In() {
				continue
			}
			putAt[c] = now
			model = append(model, c)
			evicted, full := list.Put(c, &links[c], now)
			assert.Equal(t, full, len(model) > 8)
			if full {
				assert.Equal(t, evicted, pop(0))
			}
		case 2:
			got, ok := list.Take()
			assert.Equal(t, ok, len(model) > 0)
			if ok {
				assert.Equal(t, got, pop(len(model)-1))
			}
		case 3:
			if len(model) > 0 {
				list.Remove(&links[pop(random.IntN(len(model)))])
			}
		case 4:
			before := now - random.Int64N(40)
			got, ok := list.Expire(before)
			assert.Equal(t, ok, len(model) > 0 && putAt[model[0]] <= before)
			if ok {
				assert.Equal(t, got, pop(0))
			}
		}
		assert.Equal(t, list.Len(), len(model))
		at, ok := list.Oldest()
		assert.Equal(t, ok, len(model) > 0)
		if ok {
			assert.Equal(t, at, putAt[model[0]])
		}
	}
}

func TestIdleAllocs(t *testing.T) {
	list := Idle[*guest]{MaxIdle: 2}
	a, b, c := &guest{}, &guest{}, &guest{}
	assert.Allocs(t, 0, func() {
		list.Put(a, &a.idle, 1)
		list.Put(b, &b.idle, 2)
		list.Put(c, &c.idle, 3)
		list.Remove(&c.idle)
		list.Expire(2)
		list.Take()
	})
}
