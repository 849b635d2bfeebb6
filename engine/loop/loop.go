// Package loop is the reactor: one goroutine, one poller, one timer wheel, and all they reach.
//
// Everything a loop owns (connections, buffers, timers, counters) is touched by its own goroutine only, so none of
// it needs a lock. Post is the one door from outside:
//
//	l.Post(func() { listener.Resume() })
//
// The loop hands readiness to Handlers, which do their system calls and return. They never block, never call back
// into their caller (completions go through Settle), and never take more than a share of a turn (the rest goes
// through Later). A panic costs the connection it happened in: it is recovered in dispatch, counted and reported.
package loop

import (
	"runtime/debug"

	"sluice/engine/stat"
)

// Handler is what a descriptor is registered with.
type Handler interface {
	// Ready hands over hints; the handler finds out the truth by system calls.
	Ready(ev Events)
}

// Victim is a Handler, Runner or Expirer that can be destroyed after a panic in it.
type Victim interface {
	// Panicked tears down whatever the panicking callback belonged to. The state may be inconsistent.
	Panicked()
}

// Loop is one reactor. All methods but Post belong to its own goroutine, which is the one that calls Run; before
// Run the goroutine that builds the loop may use them.
type Loop struct {
	index  int
	poller Poller
	table  []Handler // by descriptor; nil entries are dead, and events for them are stale
	now    int64
	wall   int64 // what to add to now for the wall clock
	synced int64 // when that was measured

	ring taskQueue // runs after the present callback
	due  taskQueue // runs in the next Turn

	wheel   wheel
	armed   int64 // the moment the poller will Tick, or never
	ticking Task  // goes on with expired timers in the next turn

	mail    mailbox
	stats   *stat.Block
	report  func(value any, stack []byte)
	stopped bool
}

// Config is what a loop is made of.
type Config struct {
	Index  int         // 0, 1, … : which of the engine's loops this is
	Poller Poller      // owned by the loop from now on
	Stats  *stat.Block // the loop's own counters
	// Report is told of recovered panics; it may be nil.
	Report func(value any, stack []byte)
}

// New returns a loop that is ready to be run.
func New(c Config) *Loop {
	l := &Loop{index: c.Index, poller: c.Poller, stats: c.Stats, report: c.Report, armed: never}
	l.now = l.poller.Now()
	l.syncWall()
	l.wheel.init(l.now)
	l.ticking.Bind(ticker{l})
	return l
}

// Index tells which of the engine's loops this is, from 0.
func (l *Loop) Index() int { return l.index }

// Now returns the monotonic time of the present callback in nanoseconds. It is read once per callback.
func (l *Loop) Now() int64 { return l.now }

// wallDrift is how long the wall clock's distance to the monotonic one is trusted.
const wallDrift = int64(1e9)

// Wall returns the present callback's time in nanoseconds since 1970 UTC, for records. It follows adjustments of the
// system's clock within a second.
func (l *Loop) Wall() int64 {
	if l.now-l.synced >= wallDrift {
		l.syncWall()
	}
	return l.now + l.wall
}

func (l *Loop) syncWall() {
	l.wall, l.synced = l.poller.Wall()-l.now, l.now
}

// Stats returns the loop's own counters.
func (l *Loop) Stats() *stat.Block { return l.stats }

// Run polls until Stop, on the calling goroutine, and releases the poller.
func (l *Loop) Run() error {
	err := l.poller.Poll(l)
	l.mail.close()
	if closing := l.poller.Close(); err == nil {
		err = closing
	}
	return err
}

// Stop ends Run after the present callback. Descriptors still registered stay open; their owners close them before.
func (l *Loop) Stop() { l.stopped = true }

// Stopped reports whether Stop was called.
func (l *Loop) Stopped() bool { return l.stopped }

// Add registers a connected or connecting descriptor with its handler, edge-triggered, once and for all.
func (l *Loop) Add(fd int, h Handler) error {
	l.place(fd, h)
	err := l.poller.Add(fd)
	if err != nil {
		l.table[fd] = nil
	}
	return err
}

// AddListener registers a listening descriptor with its handler, level-triggered.
func (l *Loop) AddListener(fd int, h Handler) error {
	l.place(fd, h)
	err := l.poller.AddListener(fd)
	if err != nil {
		l.table[fd] = nil
	}
	return err
}

// Replace gives a registered descriptor another handler.
func (l *Loop) Replace(fd int, h Handler) { l.table[fd] = h }

// Forget makes all further events of fd stale. The descriptor stays in the poller until it is closed, which must
// not happen before a later turn: an event for it may be waiting in the present batch, and a newcomer that got the
// same number would receive it.
func (l *Loop) Forget(fd int) { l.table[fd] = nil }

// Remove unregisters fd from the poller too, for a descriptor that lives on elsewhere.
func (l *Loop) Remove(fd int) error {
	l.table[fd] = nil
	return l.poller.Delete(fd)
}

func (l *Loop) place(fd int, h Handler) {
	if fd >= len(l.table) {
		bigger := make([]Handler, max(2*len(l.table), fd+1, 64))
		copy(bigger, l.table)
		l.table = bigger
	}
	if l.table[fd] != nil {
		panic("loop: a descriptor is registered twice")
	}
	l.table[fd] = h
}

// Event dispatches hints for one descriptor.
func (l *Loop) Event(fd int, ev Events) {
	l.now = l.poller.Now()
	l.stats.Inc(stat.Events)
	if fd < len(l.table) {
		if h := l.table[fd]; h != nil {
			l.ready(h, ev)
		}
	}
	l.settle()
}

func (l *Loop) ready(h Handler, ev Events) {
	defer l.rescue(h)
	h.Ready(ev)
}

// rescue is deferred around every callback. It must be the deferred function itself, or recover sees nothing.
func (l *Loop) rescue(subject any) {
	value := recover()
	if value == nil {
		return
	}
	l.stats.Inc(stat.Panics)
	if l.report != nil {
		l.report(value, debug.Stack())
	}
	if victim, ok := subject.(Victim); ok {
		defer l.rescue(nil)
		victim.Panicked()
	}
}
