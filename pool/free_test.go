package pool

import (
	"testing"
	"unsafe"

	"sluice/internal/assert"
)

type session struct{ id, bytes int }

func TestFreeListReturnsTheLastAsItWasPut(t *testing.T) {
	var f FreeList[session]
	a, b := f.Get(), f.Get()
	assert.Equal(t, *a, session{})
	b.id = 7
	f.Put(a)
	f.Put(b)
	assert.Equal(t, f.Get() == b, true)
	assert.Equal(t, b.id, 7) // the caller resets
	assert.Equal(t, f.Get() == a, true)
}

func TestFreeListCounts(t *testing.T) {
	f := FreeList[session]{MaxIdle: 3}
	var lent []*session
	for range 5 {
		lent = append(lent, f.Get())
	}
	assert.Equal(t, [2]int{f.Live(), f.Idle()}, [2]int{5, 0})
	for _, s := range lent {
		f.Put(s)
	}
	assert.Equal(t, [2]int{f.Live(), f.Idle()}, [2]int{0, 3})
}

func TestFreeListCarvesDenseSlabs(t *testing.T) {
	var f FreeList[session]
	previous := f.Get()
	for range slabSize - 1 {
		next := f.Get()
		distance := uintptr(unsafe.Pointer(next)) - uintptr(unsafe.Pointer(previous))
		assert.Equal(t, distance, unsafe.Sizeof(session{}))
		previous = next
	}
}

func TestFreeListPanicsOnAPutTooMany(t *testing.T) {
	var f FreeList[session]
	s := f.Get()
	f.Put(s)
	assert.Panics(t, "FreeList.Put without a Get", func() { f.Put(s) })
	if !Poison {
		t.Log("a double Put while others are lent is caught only under -race or with -tags poison")
		return
	}
	f.Get()
	f.Get()
	f.Put(s)
	assert.Panics(t, "already put back", func() { f.Put(s) })
}

func TestFreeListAllocs(t *testing.T) {
	var f FreeList[session]
	assert.Allocs(t, 0, func() {
		a, b := f.Get(), f.Get()
		f.Put(a)
		f.Put(b)
	})
	// 9,000 fresh objects are one slab for every 64 of them.
	assert.Allocs(t, 1, func() {
		for range slabSize {
			f.Get()
		}
	})
}
