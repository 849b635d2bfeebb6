package loop

import (
	"sync/atomic"
	"testing"

	"sluice/engine/stat"
	"sluice/internal/assert"
)

// chore is work made of functions.
type chore struct {
	Job
	run, done func()
}

func newChore(run, done func()) *chore {
	c := &chore{run: run, done: done}
	c.Bind(c)
	return c
}

func (c *chore) Run()  { c.run() }
func (c *chore) Done() { c.done() }

// spinning is a loop that runs on its own goroutine until the end of the test.
func spinning(t *testing.T) *Loop {
	t.Helper()
	p, err := OpenEpoll()
	assert.NoError(t, err)
	l := New(Config{Poller: p, Stats: new(stat.Block)})
	over := make(chan struct{})
	go func() {
		defer close(over)
		if err := l.Run(); err != nil {
			t.Error(err)
		}
	}()
	t.Cleanup(func() {
		l.Post(l.Stop)
		<-over
	})
	return l
}

func nothing() {}

func TestWorkIsRunOnceAndDoneOnItsLoop(t *testing.T) {
	t.Parallel()
	w := NewWorkers(3, 1000)
	t.Cleanup(w.Close)
	const each = 200
	for range 2 {
		l := spinning(t)
		var ran atomic.Int64
		done := 0 // touched on the loop only: the race detector would tell
		over := make(chan struct{})
		l.Post(func() {
			for range each {
				c := newChore(func() { ran.Add(1) }, nil)
				c.done = func() {
					if done++; done == each {
						close(over)
					}
					if c.Busy() || c.Crashed() {
						t.Error("a job that is done is busy, or crashed")
					}
				}
				if !w.Submit(l, &c.Job, 0) || !c.Busy() {
					t.Error("there was room")
				}
			}
		})
		<-over
		assert.Equal(t, ran.Load(), int64(each))
	}
	assert.Equal(t, w.Finished(), uint64(2*each))
	assert.Equal(t, w.Waiting(), 0)
}

func TestAFullQueueSaysSoAtOnce(t *testing.T) {
	t.Parallel()
	w := NewWorkers(1, 2)
	l, other := spinning(t), spinning(t)
	hold, begun := make(chan struct{}), make(chan struct{})
	var done atomic.Int64
	count := func() { done.Add(1) }
	assert.Equal(t, w.Submit(l, &newChore(func() { close(begun); <-hold }, count).Job, 0), true)
	<-begun
	for _, want := range []bool{true, true, false, false} {
		assert.Equal(t, w.Submit(l, &newChore(nothing, count).Job, 0), want)
	}
	assert.Equal(t, w.Submit(other, &newChore(nothing, count).Job, 0), true) // its queue is its own
	assert.Equal(t, w.Waiting(), 3)
	close(hold)
	assert.Eventually(t, func() bool { return done.Load() == 4 })
	w.Close()
	assert.Equal(t, w.Submit(l, &newChore(nothing, count).Job, 0), false)
}

// A flooded loop delays itself: the other's job comes next, not last.
func TestLoopsAreServedInTurn(t *testing.T) {
	t.Parallel()
	w := NewWorkers(1, 100)
	l, other := spinning(t), spinning(t)
	hold, begun, over := make(chan struct{}), make(chan struct{}), make(chan struct{})
	var order []string // by the one worker
	w.Submit(l, &newChore(func() { close(begun); <-hold }, nothing).Job, 0)
	<-begun
	for range 50 {
		w.Submit(l, &newChore(func() { order = append(order, "flood") }, nothing).Job, 0)
	}
	w.Submit(other, &newChore(func() { order = append(order, "other"); close(over) }, nothing).Job, 0)
	close(hold)
	<-over
	w.Close()
	if order[0] != "other" && order[1] != "other" {
		t.Fatalf("the other loop's job came after %d", len(order))
	}
}

func TestAPanicOnAWorkerIsReportedOnTheLoop(t *testing.T) {
	t.Parallel()
	p, err := OpenEpoll()
	assert.NoError(t, err)
	var reported []any
	l := New(Config{Poller: p, Stats: new(stat.Block), Report: func(value any, stack []byte) {
		reported = append(reported, value)
		if len(stack) == 0 {
			t.Error("a panic without a stack")
		}
	}})
	w := NewWorkers(1, 10)
	defer w.Close()
	bad := newChore(func() { panic("worker") }, nil)
	crashed := false
	bad.done = func() {
		crashed = bad.Crashed()
		panic("done")
	}
	good := newChore(nothing, l.Stop)
	l.Post(func() {
		w.Submit(l, &bad.Job, 0)
		w.Submit(l, &good.Job, 0)
	})
	assert.NoError(t, l.Run())
	assert.Equal(t, reported, []any{"worker", "done"})
	assert.Equal(t, l.Stats().Get(stat.Panics), uint64(2))
	assert.Equal(t, crashed, true)
}

func TestDoneOfManyIsSharedOut(t *testing.T) {
	t.Parallel()
	l, _ := newFake(0)
	w := NewWorkers(1, 1000)
	const jobs = 3*collectMax + 1
	done := 0
	for range jobs {
		w.Submit(l, &newChore(nothing, func() { done++ }).Job, 0)
	}
	assert.Eventually(t, func() bool { return w.Finished() == jobs })
	w.Close()
	letters := 0
	for done < jobs {
		before := done
		l.Posted()
		letters++
		assert.Equal(t, done-before <= collectMax, true)
	}
	assert.Equal(t, letters, 4)
}

func TestJobsOfALoopThatHasEnded(t *testing.T) {
	t.Parallel()
	l, _ := newFake(0)
	w := NewWorkers(1, 1000)
	assert.NoError(t, l.Run()) // its poller has nothing to wait for
	for range 100 {
		w.Submit(l, &newChore(nothing, func() { t.Error("done on no loop") }).Job, 0)
	}
	assert.Eventually(t, func() bool { return w.Waiting() == 0 })
	w.Close()
}

func TestAJobIsUnderWayOnce(t *testing.T) {
	t.Parallel()
	l, _ := newFake(0)
	w := NewWorkers(0, 10)
	c := newChore(nothing, nothing)
	w.Submit(l, &c.Job, 0)
	assert.Panics(t, "loop: a job was submitted twice", func() { w.Submit(l, &c.Job, 0) })
	w.Close()
}

// Who starts no workers does the jobs himself, when he likes; Done still comes by letter.
func TestStep(t *testing.T) {
	t.Parallel()
	l, _ := newFake(0)
	w := NewWorkers(0, 10)
	defer w.Close()
	assert.Equal(t, w.Step(), false)
	ran, done := 0, 0
	for range 2 {
		w.Submit(l, &newChore(func() { ran++ }, func() { done++ }).Job, 0)
	}
	assert.Equal(t, w.Step(), true)
	assert.Equal(t, []int{ran, done, w.Waiting()}, []int{1, 0, 1})
	l.Posted()
	assert.Equal(t, w.Step(), true)
	assert.Equal(t, w.Step(), false)
	l.Posted()
	assert.Equal(t, []int{ran, done}, []int{2, 2})
}

func TestSubmittingAllocatesNothing(t *testing.T) {
	l, _ := newFake(0)
	w := NewWorkers(1, 10)
	defer w.Close()
	done := make(chan struct{}, 1)
	c := newChore(nothing, func() { done <- struct{}{} })
	round := func() {
		w.Submit(l, &c.Job, 0)
		for c.Busy() {
			l.Posted()
		}
		<-done
	}
	round()
	if n := testing.AllocsPerRun(100, round); n > 1 { // the mailbox's list of letters
		t.Errorf("%.1f allocations a job", n)
	}
}
