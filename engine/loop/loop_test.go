package loop

import (
	"errors"
	"fmt"
	"testing"

	"sluice/engine/stat"
	"sluice/internal/assert"
)

func TestEventsReachTheirHandlerOnly(t *testing.T) {
	t.Parallel()
	l, _ := newFake(0)
	got := make(map[int][]Events)
	for _, fd := range []int{3, 64, 1000} {
		on(t, l, fd, func(ev Events) { got[fd] = append(got[fd], ev) })
	}
	l.Event(3, Readable)
	l.Event(64, Writable|Hangup)
	l.Event(1000, Failed)
	l.Event(4, Readable)       // never registered
	l.Event(100_000, Readable) // beyond the table
	assert.Equal(t, got, map[int][]Events{3: {Readable}, 64: {Writable | Hangup}, 1000: {Failed}})
	assert.Equal(t, l.Stats().Get(stat.Events), uint64(5))
}

func TestDeadEntriesIgnoreEvents(t *testing.T) {
	t.Parallel()
	l, _ := newFake(0)
	calls := 0
	count := func(Events) { calls++ }
	on(t, l, 3, count)
	on(t, l, 4, count)
	l.Forget(3)
	assert.NoError(t, l.Remove(4))
	l.Event(3, Readable)
	l.Event(4, Readable)
	assert.Equal(t, calls, 0)

	on(t, l, 3, count) // the number may be used again
	l.Replace(3, &handler{ready: func(Events) { calls += 100 }})
	l.Event(3, Readable)
	assert.Equal(t, calls, 100)
}

func TestRegisteringTwicePanics(t *testing.T) {
	t.Parallel()
	l, _ := newFake(0)
	h := on(t, l, 7, func(Events) {})
	assert.Panics(t, "registered twice", func() { _ = l.Add(7, h) })
	assert.Panics(t, "registered twice", func() { _ = l.AddListener(7, h) })
}

func TestARefusedRegistrationLeavesNoEntry(t *testing.T) {
	t.Parallel()
	l, p := newFake(0)
	p.add = errors.New("no space in epoll")
	h := &handler{ready: func(Events) { t.Error("an event for a descriptor that was never registered") }}
	for _, add := range []func(int, Handler) error{l.Add, l.AddListener} {
		assert.Equal(t, add(7, h), p.add)
		l.Event(7, Readable)
	}
	p.add = nil
	assert.NoError(t, l.Add(7, h))
}

func TestNowIsReadOncePerCallback(t *testing.T) {
	t.Parallel()
	l, p := newFake(100)
	on(t, l, 3, func(Events) {
		p.now += 50 // time goes on, this callback's does not
		assert.Equal(t, l.Now(), int64(200))
	})
	p.now = 200
	l.Event(3, Readable)
	for _, callback := range []func(){l.Turn, l.Tick, l.Posted} {
		p.now += 1000
		callback()
		assert.Equal(t, l.Now(), p.now)
	}
}

func TestWallFollowsTheSystemClock(t *testing.T) {
	t.Parallel()
	l, p := newFake(5e9)
	p.wall = 1_700_000_000e9
	p.now += 2e9
	l.Turn()
	assert.Equal(t, l.Wall(), int64(1_700_000_000e9))
	p.now, p.wall = p.now+3e8, p.wall+3e8
	l.Turn()
	assert.Equal(t, l.Wall(), int64(1_700_000_000e9+3e8)) // no clock is asked for it
	p.wall -= 3600e9                                      // somebody set the clock back by an hour
	p.now += 1e9
	l.Turn()
	assert.Equal(t, l.Wall(), p.wall)
}

// Each kind of callback may panic: its victim is told, and what comes after it happens all the same.
func TestAPanicCostsItsVictimOnly(t *testing.T) {
	t.Parallel()
	l, p := newFake(0)
	var reports, told []string
	l.report = func(value any, stack []byte) {
		if len(stack) == 0 {
			t.Error("no stack")
		}
		reports = append(reports, fmt.Sprint(value))
	}
	victim := func(name string) *victim {
		return &victim{what: name, told: func() { told = append(told, name) }}
	}
	settled, alive := 0, newRunner(nil)
	alive.fn = func() { settled++ }

	assert.NoError(t, l.Add(3, victim("handler")))
	l.Settle(&alive.Task)
	l.Event(3, Readable)
	assert.Equal(t, settled, 1)

	task := victim("task")
	task.Bind(task)
	l.Settle(&task.Task)
	l.Settle(&alive.Task)
	l.Event(99, Readable)
	assert.Equal(t, settled, 2)

	later := victim("later")
	later.Bind(later)
	l.Later(&later.Task)
	l.Later(&alive.Task)
	p.drain(t, l)
	assert.Equal(t, settled, 3)

	timer, other := victim("timer"), newExpirer(func() { settled++ })
	timer.Timer.Bind(timer)
	l.Start(&timer.Timer, tick)
	l.Start(&other.Timer, tick)
	p.now = 2 * tick
	l.Tick()
	assert.Equal(t, settled, 4)

	l.Post(func() { panic("letter") })
	l.Post(func() { settled++ })
	l.Posted()
	assert.Equal(t, settled, 5)

	assert.Equal(t, told, []string{"handler", "task", "later", "timer"})
	assert.Equal(t, reports, []string{"handler", "task", "later", "timer", "letter"})
	assert.Equal(t, l.Stats().Get(stat.Panics), uint64(5))
}

// victim panics in whatever it is asked to do.
type victim struct {
	Task
	Timer Timer
	what  string
	told  func()
}

func (v *victim) Ready(Events)   { panic(v.what) }
func (v *victim) Run()           { panic(v.what) }
func (v *victim) Expired(*Timer) { panic(v.what) }
func (v *victim) Panicked()      { v.told() }

func TestAPanicWhileTearingDownIsSurvived(t *testing.T) {
	t.Parallel()
	l, _ := newFake(0)
	var reports []string
	l.report = func(value any, _ []byte) { reports = append(reports, fmt.Sprint(value)) }
	h := on(t, l, 3, func(Events) { panic("first") })
	h.panicked = func() { panic("second") }
	l.Event(3, Readable)
	assert.Equal(t, reports, []string{"first", "second"})
	assert.Equal(t, l.Stats().Get(stat.Panics), uint64(2))

	l.report = nil // nobody needs to listen
	l.Event(3, Readable)
	assert.Equal(t, l.Stats().Get(stat.Panics), uint64(4))
}

func TestRunEndsWithThePollerAndReleasesIt(t *testing.T) {
	t.Parallel()
	broken := errors.New("epoll is broken")
	for _, want := range []error{nil, broken} {
		l, p := newFake(0)
		p.poll = func(d Dispatcher) error {
			l.Stop()
			assert.Equal(t, d.Stopped(), true)
			return want
		}
		assert.Equal(t, l.Run(), want)
		assert.Equal(t, p.closed, true)
		assert.Equal(t, l.Post(func() {}), false)
	}
}

func TestAllocDispatch(t *testing.T) {
	l, p := newFake(0)
	one, two := newRunner(func() {}), newRunner(func() {})
	timer := newExpirer(func() {})
	on(t, l, 3, func(Events) {
		l.Settle(&one.Task)
		l.Later(&two.Task)
		l.Start(&timer.Timer, l.Now()+tick)
		timer.Extend(l.Now() + 2*tick)
	})
	assert.Allocs(t, 0, func() {
		l.Event(3, Readable)
		l.Turn()
		p.now += 5 * tick
		l.Tick()
	})
}
