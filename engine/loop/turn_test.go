package loop

import (
	"math/rand/v2"
	"testing"

	"sluice/engine/stat"
	"sluice/internal/assert"
)

func TestTaskQueueIsFirstInFirstOut(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 1))
	var a, b taskQueue
	var wantA, wantB []*Task
	for range 5000 {
		switch rng.IntN(7) {
		case 0, 1, 2:
			one := new(Task)
			a.push(one)
			wantA = append(wantA, one)
		case 3:
			one := new(Task)
			b.push(one)
			wantB = append(wantB, one)
		case 4, 5:
			if len(wantA) > 0 {
				got := a.pop()
				assert.Equal(t, got == wantA[0] && !got.Queued() && got.next == nil, true)
				wantA = wantA[1:]
			}
		case 6:
			a.append(&b)
			wantA, wantB = append(wantA, wantB...), nil
			assert.Equal(t, b.empty(), true)
		}
		assert.Equal(t, a.empty(), len(wantA) == 0)
	}
}

func TestSettleRunsAfterTheCallbackAndOnce(t *testing.T) {
	t.Parallel()
	l, _ := newFake(0)
	var order []string
	second := newRunner(func() { order = append(order, "second") })
	first := newRunner(func() {
		order = append(order, "first")
		l.Settle(&second.Task)
	})
	on(t, l, 5, func(Events) {
		l.Settle(&first.Task)
		l.Settle(&first.Task)
		order = append(order, "callback")
	})
	l.Event(5, Readable)
	assert.Equal(t, order, []string{"callback", "first", "second"})
	l.Event(5, Readable)
	assert.Equal(t, len(order), 6)
}

func TestSettleIsBoundedAndLosesNothing(t *testing.T) {
	t.Parallel()
	l, p := newFake(0)
	var ran []int
	tasks := make([]*runner, 3*settleMax+7)
	for i := range tasks {
		tasks[i] = newRunner(func() { ran = append(ran, i) })
	}
	on(t, l, 5, func(Events) {
		for _, one := range tasks {
			l.Settle(&one.Task)
		}
	})
	l.Event(5, Readable)
	assert.Equal(t, len(ran), settleMax)
	assert.Equal(t, p.rouses, 1)
	l.Event(6, Readable) // an event of nobody in between does not run them out of order
	p.drain(t, l)
	assert.Equal(t, len(ran), len(tasks))
	for i := range ran {
		assert.Equal(t, ran[i], i)
	}
}

// A task that settles itself for ever costs turns, not the loop.
func TestEndlessTaskDoesNotHoldTheLoop(t *testing.T) {
	t.Parallel()
	l, p := newFake(0)
	runs := 0
	var one *runner
	one = newRunner(func() { runs++; l.Settle(&one.Task) })
	on(t, l, 5, func(Events) { l.Settle(&one.Task) })
	l.Event(5, Readable)
	assert.Equal(t, runs, settleMax)
	before := p.rouses
	l.Turn()
	assert.Equal(t, p.rouses, before+1)
	if runs <= settleMax || runs > 2*settleMax+1 {
		t.Fatalf("%d runs in two rounds", runs)
	}
}

// What was in the ring first must not be overtaken by what was put off later: an object that is freed from Later relies
// on it that nothing of it still waits in the ring by then.
func TestOverflowIsNotOvertakenByLater(t *testing.T) {
	t.Parallel()
	for _, roused := range []bool{false, true} {
		l, p := newFake(0)
		var order []string
		if roused {
			l.Later(&newRunner(func() {}).Task)
		}
		free := newRunner(func() { order = append(order, "freed") })
		on(t, l, 5, func(Events) {
			l.Settle(&newRunner(func() { l.Later(&free.Task) }).Task)
			for range settleMax {
				l.Settle(&newRunner(func() {}).Task)
			}
			l.Settle(&newRunner(func() { order = append(order, "ring") }).Task)
		})
		l.Event(5, Readable)
		p.drain(t, l)
		l.Turn()
		l.Turn()
		assert.Equal(t, order, []string{"ring", "freed"})
	}
}

// batches plays a kernel that hands over events in batches, each followed by a turn if one was asked for.
type batches struct {
	t       *testing.T
	rng     *rand.Rand
	loop    *Loop
	poller  *fakePoller
	tasks   []*batchTask
	batch   int
	turning bool // between two batches
	rouses  int
	queued  int
	ran     int
}

type batchTask struct {
	Task
	world *batches
	since int // the last batch whose turn must not run it
}

func (b *batchTask) Run() {
	w := b.world
	w.ran++
	if !w.turning || b.since >= w.batch {
		w.t.Fatalf("must not run in batch %d or its turn; run in batch %d, in a turn: %v", b.since, w.batch, w.turning)
	}
	for range w.rng.IntN(3) {
		w.later()
	}
}

// later puts off a random task.
func (w *batches) later() {
	one := w.tasks[w.rng.IntN(len(w.tasks))]
	if w.queued >= 2000 || one.Queued() {
		return
	}
	one.since = w.batch
	if !w.turning {
		one.since-- // the turn after this batch may run it, but no event of the batch
	}
	w.queued++
	w.loop.Later(&one.Task)
}

// play hands over one batch and what follows it.
func (w *batches) play(events int) {
	w.batch++
	for range events {
		w.loop.Event(5, Readable)
	}
	w.turning = true
	if w.roused() {
		w.loop.Turn()
	}
	w.turning = false
}

// roused takes what the loop has asked for since the last time.
func (w *batches) roused() bool {
	asked := w.poller.rouses > w.rouses
	w.rouses = w.poller.rouses
	return asked
}

func TestLaterRunsBetweenBatches(t *testing.T) {
	t.Parallel()
	for seed := range uint64(200) {
		l, p := newFake(0)
		w := &batches{t: t, rng: rand.New(rand.NewPCG(seed, 3)), loop: l, poller: p}
		for range 20 {
			one := &batchTask{world: w}
			one.Bind(one)
			w.tasks = append(w.tasks, one)
		}
		on(t, l, 5, func(Events) { w.later() })
		for range 50 {
			w.play(w.rng.IntN(5))
		}
		w.queued += 2000 // nothing new from now on
		asked := w.queued - 2000
		for range 5 {
			w.play(0)
		}
		assert.Equal(t, w.ran, asked)
		assert.Equal(t, w.roused(), false)
	}
}

func TestOneRouseForManyLaters(t *testing.T) {
	t.Parallel()
	l, p := newFake(0)
	ran := 0
	for range 100 {
		l.Later(&newRunner(func() { ran++ }).Task)
	}
	assert.Equal(t, p.rouses, 1)
	l.Turn()
	assert.Equal(t, ran <= 100 && ran >= 1, true)
	p.drain(t, l)
	assert.Equal(t, ran, 100)
	assert.Equal(t, l.Stats().Get(stat.Yields) >= 1, true)
}
