package flow

// Collectors that keep what they send, so that it can be sent again.

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"sluice/internal/assert"
	"sluice/pool"
)

// again has another sink take what the collector has, after the first was taken away from it.
func (s *store) again() *drain {
	s.c.Recall()
	s.out.Cancel()
	next := &drain{scene: s.scene}
	s.out = Flow{}
	s.out.Start(s.loop, s.c, next, s)
	s.settle()
	return next
}

// Whatever the first sink has done with it, the second gets all of it, in buffers of whatever number; and so does a third.
func TestCollectorSendsAgain(t *testing.T) {
	t.Parallel()
	large := pool.Large.Size()
	for _, size := range []int{0, 1, large - 1, large, large + 1, 3 * large, 3*large + 7} {
		text := strings.Repeat("0123456789abcde\n", size/16+1)[:size]
		for _, at := range []string{"nothing was taken", "the first is being taken", "all was taken"} {
			s := newStore(t, 4*large)
			s.c.Retain()
			for rest := text; rest != ""; {
				n := min(len(rest), 40_000)
				s.give(rest[:n], false)
				rest = rest[n:]
			}
			s.give("", true)
			if at == "nothing was taken" {
				s.c.Recall()
			}
			s.sink.hold = at == "the first is being taken"
			s.open()
			assert.Equal(t, []any{s.c.Complete(), s.c.Entire()}, []any{true, true})
			for round := range 2 {
				next := s.again()
				if string(next.got) != text || next.ends != 1 {
					t.Fatalf("%d bytes, %s, round %d: %d bytes came, %d ends", size, at, round, len(next.got), next.ends)
				}
				assert.Equal(t, []any{s.c.Entire(), s.c.Collected()}, []any{true, uint64(size)})
			}
			s.c.Forget()
			assert.Equal(t, s.arena.InUse(), 0)
			s.home()
		}
	}
}

// What is not there as a whole when the sending begins is not kept: memory is bounded by what was asked for.
func TestCollectorKeepsTheWholeOrNothing(t *testing.T) {
	t.Parallel()
	s := newStore(t, 5)
	s.c.Retain()
	s.give("01234", false)
	assert.Equal(t, s.c.Entire(), false) // more may come
	s.open()
	assert.Equal(t, []any{string(s.sink.got), s.c.Entire(), s.arena.InUse()}, []any{"01234", false, 0})
	s.give("567", true)
	assert.Equal(t, []any{s.c.Complete(), s.c.Entire()}, []any{true, false})
	next := s.again()
	assert.Equal(t, []any{string(next.got), next.ends}, []any{"", 1})
	s.home()
}

// Entire tells whether nothing has been lost yet, for those that keep and those that do not.
func TestEntire(t *testing.T) {
	t.Parallel()
	for _, retain := range []bool{false, true} {
		s := newStore(t, 10)
		if retain {
			s.c.Retain()
		}
		assert.Equal(t, s.c.Entire(), false)
		s.give("hello", false)
		assert.Equal(t, s.c.Entire(), false)
		s.give("", true)
		assert.Equal(t, s.c.Entire(), true)
		s.sink.hold = true
		s.open()
		assert.Equal(t, s.c.Entire(), retain)
		s.sink.take()
		s.settle()
		assert.Equal(t, s.c.Entire(), retain)
		s.c.Forget()
		assert.Equal(t, s.c.Entire(), false)
		s.home()
	}
}

// Forget gives back what was sent and nothing else, at whatever point it comes.
func TestCollectorForgets(t *testing.T) {
	t.Parallel()
	large := pool.Large.Size()
	text := strings.Repeat("x", 3*large)
	for taken := range 4 {
		s := newStore(t, 4*large)
		s.c.Retain()
		for i := range 3 {
			s.give(text[:large], i == 2)
		}
		s.sink.hold = true
		s.open()
		for range taken {
			s.sink.take()
			s.settle()
		}
		assert.Equal(t, s.arena.InUse(), 3)
		s.c.Forget()
		s.c.Forget()
		assert.Equal(t, s.arena.InUse(), 3-taken)
		for range 3 - taken {
			s.sink.take()
			s.settle()
		}
		assert.Equal(t, []any{len(s.sink.got), s.sink.ends}, []any{3 * large, 1})
		s.home()
	}
}

// Everything comes home when a collector that keeps is cancelled, or stopped, or its source fails.
func TestWhatIsKeptComesHome(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(s *store){
		"cancelled": func(s *store) { s.c.Cancel(); s.out.Cancel() },
		"stopped":   func(s *store) { s.out.Refuse(errors.New("enough")) },
		"recalled":  func(s *store) { s.c.Recall(); s.out.Cancel(); s.c.Cancel() },
	} {
		for _, hold := range []bool{false, true} {
			t.Run(fmt.Sprint(name, hold), func(t *testing.T) {
				s := newStore(t, 3*pool.Large.Size())
				s.c.Retain()
				s.give(strings.Repeat("x", pool.Large.Size()), false)
				s.give("more", true)
				s.sink.hold = hold
				s.open()
				if !hold && name == "stopped" {
					return // it is over already
				}
				end(s)
				s.home()
			})
		}
	}
	s := newStore(t, 10)
	s.c.Retain()
	s.give("hello", false)
	s.c.in.Fail(errors.New("broken"))
	s.settle()
	assert.Equal(t, []any{s.told, s.c.Entire(), s.c.Err() != nil}, []any{1, false, true})
	s.c.Cancel()
	s.home()
}
