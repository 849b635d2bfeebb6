package loop

import (
	"testing"

	"sluice/engine/stat"
)

// fakePoller is a kernel without descriptors: the test moves its clock and plays its events.
type fakePoller struct {
	now    int64
	wall   int64
	armed  int64 // the last moment armed; 0 when none
	arms   int
	rouses int
	wakes  int
	add    error // what Add and AddListener answer
	closed bool
	poll   func(d Dispatcher) error
}

func (p *fakePoller) Add(int) error         { return p.add }
func (p *fakePoller) AddListener(int) error { return p.add }
func (p *fakePoller) Delete(int) error      { return nil }
func (p *fakePoller) Wake() error           { p.wakes++; return nil }
func (p *fakePoller) Rouse()                { p.rouses++ }
func (p *fakePoller) Arm(at int64)          { p.armed = at; p.arms++ }
func (p *fakePoller) Now() int64            { return p.now }
func (p *fakePoller) Wall() int64           { return p.wall }
func (p *fakePoller) Close() error          { p.closed = true; return nil }
func (p *fakePoller) Poll(d Dispatcher) error {
	if p.poll != nil {
		return p.poll(d)
	}
	return nil
}

// newFake returns a loop on a fake poller whose clock stands at now.
func newFake(now int64) (*Loop, *fakePoller) {
	p := &fakePoller{now: now, wall: now}
	return New(Config{Poller: p, Stats: new(stat.Block)}), p
}

// drain answers rouses until there are none left, and reports how many there were.
func (p *fakePoller) drain(t *testing.T, l *Loop) (turns int) {
	t.Helper()
	for answered := p.rouses - 1; answered < p.rouses; answered++ {
		if turns++; turns > 10_000 {
			t.Fatal("the loop rouses itself for ever")
		}
		l.Turn()
	}
	return turns
}

// runner is a task that calls a function.
type runner struct {
	Task
	fn func()
}

func newRunner(fn func()) *runner {
	r := &runner{fn: fn}
	r.Bind(r)
	return r
}

func (r *runner) Run() { r.fn() }

// handler is a Handler, and a Victim, made of functions.
type handler struct {
	ready    func(ev Events)
	panicked func()
}

func (h *handler) Ready(ev Events) { h.ready(ev) }

func (h *handler) Panicked() {
	if h.panicked != nil {
		h.panicked()
	}
}

// on registers a handler on a descriptor number of the fake kernel.
func on(t *testing.T, l *Loop, fd int, ready func(ev Events)) *handler {
	t.Helper()
	h := &handler{ready: ready}
	if err := l.Add(fd, h); err != nil {
		t.Fatal(err)
	}
	return h
}
