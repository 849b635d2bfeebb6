package flow

// Flows between a scripted source and a scripted sink, on a loop whose poller does nothing but note that it was roused.

import (
	"errors"
	"fmt"
	"testing"

	"sluice/engine/loop"
	"sluice/engine/stat"
	"sluice/internal/assert"
	"sluice/pool"
)

// clock is a loop.Poller with a clock that the test moves and no descriptors.
type clock struct {
	now   int64
	turns int // rouses to be answered
}

func (c *clock) Add(int) error              { return nil }
func (c *clock) AddListener(int) error      { return nil }
func (c *clock) Delete(int) error           { return nil }
func (c *clock) Wake() error                { return nil }
func (c *clock) Rouse()                     { c.turns++ }
func (c *clock) Arm(int64)                  {}
func (c *clock) Now() int64                 { return c.now }
func (c *clock) Wall() int64                { return c.now }
func (c *clock) Poll(loop.Dispatcher) error { return nil }
func (c *clock) Close() error               { return nil }

// scene is a source, a sink and an owner in one, with a log of what they are told.
type scene struct {
	t     *testing.T
	clock *clock
	loop  *loop.Loop
	arena *pool.Arena
	flow  Flow
	log   []string
	ends  int

	proceed func() // what the source does when it is asked
	write   func(c *Chunk, end bool)
}

func newScene(t *testing.T) *scene {
	s := &scene{t: t, clock: &clock{now: 1000}, arena: pool.NewArena(0)}
	s.loop = loop.New(loop.Config{Poller: s.clock, Stats: new(stat.Block)})
	return s
}

func (s *scene) note(format string, args ...any) { s.log = append(s.log, fmt.Sprintf(format, args...)) }

func (s *scene) Proceed(*Flow) {
	s.note("proceed")
	if s.proceed != nil {
		s.proceed()
	}
}
func (s *scene) Stop(_ *Flow, err error) { s.note("stop: %v", err) }
func (s *scene) Write(_ *Flow, c *Chunk, end bool) {
	s.note("write %q %v", c.Bytes, end)
	if s.write != nil {
		s.write(c, end)
	}
}
func (s *scene) Abort(_ *Flow, err error) { s.note("abort: %v", err) }
func (s *scene) Ended(f *Flow, err error) {
	s.note("ended: %v", err)
	if !f.Over() {
		s.t.Error("the owner is told before the flow is over")
	}
	s.ends++
}

// start begins a transfer; nothing may happen before the ring runs.
func (s *scene) start() {
	s.flow.Start(s.loop, s, s, s)
	assert.Equal(s.t, len(s.log), 0)
	s.settle()
}

// settle lets the loop run its ring: an event of nobody, one millisecond later.
func (s *scene) settle() {
	s.clock.now += 1e6
	s.loop.Event(9999, 0)
}

// send hands over text in a buffer of its own.
func (s *scene) send(text string, end bool) {
	b := s.arena.Get(pool.Small)
	n := copy(b.Bytes(), text)
	s.flow.Send(Chunk{Bytes: b.Bytes()[:n], Owner: b}, end)
}

// take has the sink take everything.
func (s *scene) take() {
	s.flow.Advance(s.flow.chunk.Len())
	s.flow.Done()
}

// expect compares the log and begins a new one.
func (s *scene) expect(want ...string) {
	s.t.Helper()
	assert.Equal(s.t, s.log, want)
	s.log = nil
}

// over checks what must hold once a flow has come to its end, whichever it was.
func (s *scene) over(state State) {
	s.t.Helper()
	s.settle()
	s.settle()
	assert.Equal(s.t, s.flow.State(), state)
	assert.Equal(s.t, s.flow.Over() && s.flow.Closing(), true)
	assert.Equal(s.t, s.arena.InUse(), 0)
	assert.Equal(s.t, s.flow.chunk, Chunk{})
	assert.Equal(s.t, s.loop.Stats().Get(stat.Panics), uint64(0))
}

var errBroken = errors.New("broken")

func TestATransferInOrder(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.start()
	s.expect("proceed")
	assert.Equal(t, s.flow.FirstMove(), int64(0))

	s.send("hello", false)
	s.expect(`write "hello" false`)
	assert.Equal(t, s.flow.Stalled(), true)
	s.settle() // as long as the sink does not say Done, nobody is asked for more
	s.expect()
	s.flow.Advance(2)
	assert.Equal(t, string(s.flow.chunk.Bytes), "llo")
	first := s.flow.FirstMove()
	assert.Equal(t, first, s.loop.Now())
	s.settle()
	s.flow.Advance(3)
	s.flow.Done()
	assert.Equal(t, s.arena.InUse(), 0) // at Done, not later
	s.expect()                          // the source is asked from the ring, not from inside Done
	assert.Equal(t, s.flow.LastMove(), s.loop.Now())
	assert.Equal(t, s.flow.FirstMove(), first)
	s.settle()
	s.expect("proceed")

	s.send("", true)
	s.expect(`write "" true`)
	s.flow.Done()
	assert.Equal(t, s.flow.Closing() && !s.flow.Over(), true)
	s.expect() // nor is the owner
	s.settle()
	s.expect("ended: <nil>")
	assert.Equal(t, s.flow.Moved(), uint64(5))
	s.over(Ended)
	assert.Equal(t, s.ends, 1)
}

// A source and a sink that answer at once go through the ring all the same: stacks stay flat.
func TestAnswersAtOnceDoNotNest(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	depth, chunks := 0, 0
	s.proceed = func() {
		if depth++; depth > 1 {
			t.Fatal("asked from inside of its own answer")
		}
		chunks++
		s.send("x", chunks == 100)
		depth--
	}
	s.write = func(*Chunk, bool) { s.take() }
	s.start()
	assert.Equal(t, chunks, 100)
	assert.Equal(t, s.flow.Moved(), uint64(100))
	s.over(Ended)
	assert.Equal(t, s.ends, 1)
}

// Every way in which a transfer can be cut short.
func TestCutShort(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		cut  func(s *scene)
		want []string
		ends int
	}{
		"the source fails when asked": {
			func(s *scene) { s.flow.Fail(errBroken) },
			[]string{"proceed", "abort: broken", "ended: broken"}, 1},
		"the source fails with a chunk in flight": {
			func(s *scene) { s.send("ab", false); s.flow.Advance(1); s.flow.Fail(errBroken) },
			[]string{"proceed", `write "ab" false`, "abort: broken", "ended: broken"}, 1},
		"the sink refuses a chunk": {
			func(s *scene) { s.send("ab", false); s.flow.Advance(1); s.flow.Refuse(errBroken) },
			[]string{"proceed", `write "ab" false`, "stop: broken", "ended: broken"}, 1},
		"the sink refuses the last chunk": {
			func(s *scene) { s.send("ab", true); s.flow.Refuse(errBroken) },
			[]string{"proceed", `write "ab" true`, "stop: broken", "ended: broken"}, 1},
		"the sink refuses while the source is asked": {
			func(s *scene) { s.flow.Refuse(errBroken) },
			[]string{"proceed", "stop: broken", "ended: broken"}, 1},
		"the owner cancels while the source is asked": {
			func(s *scene) { s.flow.Cancel() },
			[]string{"proceed"}, 0},
		"the owner cancels with a chunk in flight": {
			func(s *scene) { s.send("ab", false); s.flow.Cancel(); s.flow.Cancel() },
			[]string{"proceed", `write "ab" false`}, 0},
		"the owner cancels after Done": {
			func(s *scene) { s.send("ab", false); s.take(); s.flow.Cancel() },
			[]string{"proceed", `write "ab" false`}, 0},
		"the owner cancels after the last Done": {
			func(s *scene) { s.send("ab", true); s.take(); s.flow.Cancel() },
			[]string{"proceed", `write "ab" true`}, 0},
		"the owner cancels after a refusal": {
			func(s *scene) { s.send("ab", true); s.flow.Refuse(errBroken); s.flow.Cancel() },
			[]string{"proceed", `write "ab" true`}, 0},
		"the owner cancels after a failure": {
			func(s *scene) { s.flow.Fail(errBroken); s.flow.Cancel() },
			[]string{"proceed", "abort: broken"}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t)
			s.start()
			c.cut(s)
			s.over(Aborted)
			s.expect(c.want...)
			assert.Equal(t, s.ends, c.ends)

			// What is over can be started again, and knows nothing of the time before.
			s.flow.Start(s.loop, s, s, s)
			assert.Equal(t, s.flow.Moved(), uint64(0))
			assert.Equal(t, s.flow.FirstMove(), int64(0))
			s.settle()
			s.send("c", true)
			s.take()
			s.over(Ended)
			s.expect("proceed", `write "c" true`, "ended: <nil>")
		})
	}
}

func TestCancelOfAFlowThatNeverStarted(t *testing.T) {
	t.Parallel()
	var f Flow
	f.Cancel()
	assert.Equal(t, f.State(), Idle)
}

func TestYieldWaitsForALaterTurn(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.start()
	s.flow.Yield()
	s.settle()
	s.expect("proceed")
	assert.Equal(t, s.clock.turns, 1)
	s.loop.Turn()
	s.expect("proceed")

	// An answer that comes before the turn is good, and the turn then asks for the next chunk.
	s.flow.Yield()
	s.send("a", false)
	s.take()
	s.settle()
	s.loop.Turn()
	s.expect(`write "a" false`, "proceed")

	// A refusal before the turn is told by the turn, once.
	s.flow.Yield()
	s.flow.Refuse(errBroken)
	s.settle()
	s.loop.Turn()
	s.expect("stop: broken", "ended: broken")
	s.over(Aborted)
	assert.Equal(t, s.ends, 1)
}

func TestPipesAreCountedDown(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.start()
	pipe := &pool.Pipe{N: 10}
	s.flow.Send(Chunk{Pipe: pipe}, false)
	assert.Equal(t, s.flow.chunk.Len(), 10)
	s.flow.Advance(4)
	assert.Equal(t, pipe.N, 6)
	assert.Panics(t, "bytes left", s.flow.Done)
	s.flow.Advance(6)
	s.flow.Done()
	assert.Equal(t, s.flow.Spliced(), true)
	assert.Equal(t, s.flow.Moved(), uint64(10))
	s.settle()
	s.expect("proceed", `write "" false`, "proceed")
}

func TestMisuse(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		says string
		do   func(s *scene)
	}{
		"done with bytes left":       {"bytes left", func(s *scene) { s.send("ab", false); s.flow.Advance(1); s.flow.Done() }},
		"done without a chunk":       {"ready", func(s *scene) { s.flow.Done() }},
		"done twice":                 {"ready", func(s *scene) { s.send("a", false); s.take(); s.flow.Done() }},
		"done after cancel":          {"aborted", func(s *scene) { s.send("a", false); s.flow.Cancel(); s.flow.Done() }},
		"done after the end":         {"ended", func(s *scene) { s.send("a", true); s.take(); s.settle(); s.flow.Done() }},
		"send twice":                 {"sending → sending", func(s *scene) { s.send("a", false); s.flow.Send(Chunk{}, true) }},
		"send after cancel":          {"aborted → sending", func(s *scene) { s.flow.Cancel(); s.flow.Send(Chunk{}, true) }},
		"fail after the end":         {"ended → failed", func(s *scene) { s.send("a", true); s.take(); s.settle(); s.flow.Fail(errBroken) }},
		"refuse twice":               {"refused → refused", func(s *scene) { s.flow.Refuse(errBroken); s.flow.Refuse(errBroken) }},
		"start while asked":          {"flow: ready → ready", func(s *scene) { s.flow.Start(s.loop, s, s, s) }},
		"start with a chunk at sink": {"flow: sending → ready", func(s *scene) { s.send("a", false); s.flow.Start(s.loop, s, s, s) }},
		"start before the owner":     {"flow: finished → ready", func(s *scene) { s.send("a", true); s.take(); s.flow.Start(s.loop, s, s, s) }},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t)
			s.start()
			assert.Panics(t, c.says, func() { c.do(s) })
		})
	}
}

// victim is a loop.Victim that owns a flow.
type victim struct {
	*scene
	panicked int
}

func (v *victim) Panicked() { v.panicked++ }

func TestAPanicInTheSourceCostsTheOwner(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	v := &victim{scene: s}
	s.proceed = func() { panic("source") }
	s.flow.Start(s.loop, s, s, v)
	s.settle()
	assert.Equal(t, v.panicked, 1)
	s.flow.Cancel()
	s.flow.Start(s.loop, s, s, s) // an owner that is no victim is left alone
	s.settle()
	assert.Equal(t, s.loop.Stats().Get(stat.Panics), uint64(2))
}

// quick is a source and a sink that answer at once, without a log.
type quick struct {
	arena *pool.Arena
	left  int
}

func (q *quick) Proceed(f *Flow) {
	b := q.arena.Get(pool.Small)
	q.left--
	f.Send(Chunk{Bytes: b.Bytes()[:100], Owner: b}, q.left == 0)
}
func (q *quick) Stop(*Flow, error) {}
func (q *quick) Write(f *Flow, c *Chunk, _ bool) {
	f.Advance(len(c.Bytes))
	f.Done()
}
func (q *quick) Abort(*Flow, error) {}
func (q *quick) Ended(*Flow, error) {}

func TestAllocAChunkCostsNothing(t *testing.T) {
	s := newScene(t)
	q := &quick{arena: s.arena}
	var f Flow
	assert.Allocs(t, 0, func() {
		q.left = 50
		f.Start(s.loop, q, q, q)
		s.settle()
		if f.State() != Ended {
			t.Fatal(f.State())
		}
	})
}
