package loop

import (
	"sync"
	"testing"

	"sluice/internal/assert"
)

func TestPostFromManyGoroutinesKeepsEachSendersOrder(t *testing.T) {
	t.Parallel()
	l := running(t)
	const senders, letters = 8, 500
	last := make([]int, senders) // touched by the loop only
	var sent sync.WaitGroup
	for s := range senders {
		sent.Go(func() {
			for i := range letters {
				ok := l.Post(func() {
					if last[s] != i {
						t.Errorf("sender %d: letter %d came after %d letters", s, i, last[s])
					}
					last[s]++
				})
				if !ok {
					t.Error("a running loop takes letters")
				}
			}
		})
	}
	sent.Wait()
	l.call(t, func() {
		for s := range last {
			assert.Equal(t, last[s], letters)
		}
	})
}

func TestPostFromTheLoopItself(t *testing.T) {
	t.Parallel()
	l := running(t)
	var order []int
	done := make(chan struct{})
	l.Post(func() {
		l.Post(func() {
			order = append(order, 2)
			close(done)
		})
		order = append(order, 1)
	})
	<-done
	l.call(t, func() { assert.Equal(t, order, []int{1, 2}) })
}

// A letter is either run or refused, also when the loop ends at the same time.
func TestPostWhileTheLoopEnds(t *testing.T) {
	t.Parallel()
	l := running(t)
	var senders sync.WaitGroup
	for range 4 {
		senders.Go(func() {
			for l.Post(func() {}) {
			}
		})
	}
	l.Post(l.Stop)
	senders.Wait()
	<-l.over
	assert.Equal(t, l.Post(func() { t.Error("ran after the end") }), false)
}

func TestWakesAreOncePerFullBox(t *testing.T) {
	t.Parallel()
	l, p := newFake(0)
	for range 10 {
		l.Post(func() {})
	}
	assert.Equal(t, p.wakes, 1)
	l.Posted()
	l.Post(func() {})
	assert.Equal(t, p.wakes, 2)
}
