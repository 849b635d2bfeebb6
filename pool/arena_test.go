package pool

import (
	"testing"

	"sluice/internal/assert"
)

func TestClassForPicksTheSmallestThatHolds(t *testing.T) {
	for _, c := range []struct {
		n    int
		want Class
	}{
		{0, Small}, {1, Small}, {4096, Small}, {4097, Medium},
		{16384, Medium}, {16385, Large}, {65536, Large}, {1 << 30, Large},
	} {
		assert.Equal(t, ClassFor(c.n), c.want)
	}
}

func TestArenaReusesTheBufferReleasedLast(t *testing.T) {
	a := NewArena(0)
	for c := range Class(classes) {
		first, second := a.Get(c), a.Get(c)
		assert.Equal(t, len(first.Bytes()), c.Size())
		assert.Equal(t, first.Class(), c)
		first.Release()
		second.Release()
		assert.Equal(t, a.Get(c) == second, true)
		assert.Equal(t, a.Get(c) == first, true)
	}
}

func TestArenaCounts(t *testing.T) {
	a := NewArena(0)
	small, large := a.Get(Small), a.Get(Large)
	assert.Equal(t, [3]int{a.InUse(), a.InUseBytes(), a.IdleBytes()}, [3]int{2, 68 << 10, 0})
	large.Retain()
	large.Release()
	assert.Equal(t, a.InUse(), 2) // one holder is left
	large.Release()
	small.Release()
	assert.Equal(t, [3]int{a.InUse(), a.InUseBytes(), a.IdleBytes()}, [3]int{0, 0, 68 << 10})
}

func TestBufferPanicsWhenMisused(t *testing.T) {
	b := NewArena(0).Get(Small)
	b.Release()
	assert.Panics(t, "Buffer released twice", b.Release)
	assert.Panics(t, "Retain after its last Release", b.Retain)
	assert.Panics(t, "Bytes after its last Release", func() { b.Bytes() })

	dropped := NewArena(1).Get(Small) // nothing fits this arena: its buffers go to the GC
	dropped.Release()
	assert.Panics(t, "Buffer released twice", dropped.Release)
}

func TestBufferUseAfterReleaseShows(t *testing.T) {
	if !Poison {
		t.Skip("released buffers are poisoned only under -race or with -tags poison")
	}
	a := NewArena(0)
	b := a.Get(Medium)
	stale := b.Bytes()
	copy(stale, "secret")
	b.Release()
	assert.Equal(t, stale[:3], []byte{0xDB, 0xDB, 0xDB})
	stale[len(stale)-1] = 0
	assert.Panics(t, "written to after its last Release", func() { a.Get(Medium) })
}

func TestArenaBoundsWhatItKeeps(t *testing.T) {
	a := NewArena(128 << 10)
	release(lend(a, Large, 5))
	assert.Equal(t, a.IdleBytes(), 128<<10)
	assert.Equal(t, a.idle[Large].len, 2)
}

// A burst of one class fills the arena; the others must still find room, or they would be
// allocated anew for ever after.
func TestArenaHoarderGivesWay(t *testing.T) {
	a := NewArena(256 << 10)
	release(lend(a, Small, 64))
	assert.Equal(t, a.IdleBytes(), 256<<10)
	release(lend(a, Large, 1))
	assert.Equal(t, a.idle[Large].len, 1)
	assert.Equal(t, a.idle[Small].len, 48)
	release(lend(a, Medium, 1))
	assert.Equal(t, a.idle[Medium].len, 1)
	assert.Equal(t, a.IdleBytes(), 256<<10)
}

func TestArenaTrimKeepsAReserve(t *testing.T) {
	a := NewArena(0)
	for c := range Class(classes) {
		release(lend(a, c, 20))
	}
	a.Trim()
	assert.Equal(t, [3]int{a.idle[Small].len, a.idle[Medium].len, a.idle[Large].len}, [3]int{16, 4, 1})
	assert.Equal(t, a.IdleBytes(), 3*trimReserve)
	assert.Equal(t, a.headers.Live(), 21) // headers of dropped buffers went home
}

func TestArenaSteadyStateAllocs(t *testing.T) {
	a := NewArena(0)
	assert.Allocs(t, 0, func() {
		for c := range Class(classes) {
			one, two := a.Get(c), a.Get(c)
			one.Retain()
			one.Release()
			one.Release()
			two.Release()
		}
	})
}

// lend takes n buffers of a class, and release returns them all.
func lend(a *Arena, c Class, n int) []*Buffer {
	lent := make([]*Buffer, n)
	for i := range lent {
		lent[i] = a.Get(c)
	}
	return lent
}

func release(lent []*Buffer) {
	for _, b := range lent {
		b.Release()
	}
}

func BenchmarkArenaGetRelease(b *testing.B) {
	a := NewArena(0)
	for b.Loop() {
		a.Get(Large).Release()
	}
}
