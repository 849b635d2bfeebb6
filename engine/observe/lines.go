package observe

// Lines is the loop's end of the access log. Two batches circle between the loop and
// the writer through two slots of one element each:
//
//	loop ── full ──► writer
//	     ◄── free ──
//
// The loop fills one batch. It hands it over only when the other one has come back, so
// it never waits: while the writer is behind, the batch fills up, and when it is full,
// lines are dropped and counted. The memory is two batches of at most batchMax a loop,
// whatever happens.

import (
	"sync/atomic"

	"sluice/engine/record"
)

const (
	// batchSize is the size of a batch in ordinary times, batchMax what it may grow to
	// while the writer is busy with the other one: thousands of connections that end
	// together are a burst, not a reason to lose lines.
	batchSize = 64 << 10
	batchMax  = 2 << 20
	// handOverAt is where a loop no longer waits for its flush timer: half of the
	// batch is left for what arrives while the writer works.
	handOverAt = batchSize / 2
)

// batch is a piece of log on its way to the sink.
type batch struct {
	bytes []byte // whole lines, at most batchMax
	lines uint64
}

// reset empties b, and lets go of what a burst has made it grow to.
func (b *batch) reset() {
	b.bytes, b.lines = b.bytes[:0], 0
	if cap(b.bytes) > batchSize {
		b.bytes = make([]byte, 0, batchSize)
	}
}

// Lines collects the lines of one loop. It is touched by that loop only, and a nil
// *Lines, which an access log that is off gives out, does nothing.
type Lines struct {
	log     *AccessLog
	current *batch // the loop's; the other is in full, in free or with the writer
	clock   clock

	full    atomic.Pointer[batch]
	free    atomic.Pointer[batch]
	dropped atomic.Uint64 // atomic because the writer drops too
}

func newLines(log *AccessLog) *Lines {
	l := &Lines{log: log, current: &batch{bytes: make([]byte, 0, batchSize)}}
	l.free.Store(&batch{bytes: make([]byte, 0, batchSize)})
	return l
}

// Conn appends the line of one connection that has ended. It allocates nothing but in a
// burst, never blocks and keeps nothing of r. When there is no room the line is dropped.
func (l *Lines) Conn(r *record.Conn) {
	if b := l.room(); b != nil {
		b.bytes = appendConn(b.bytes, &l.clock, r)
		l.added(b)
	}
}

// Exchange appends the line of one HTTP exchange that is over, as Conn does; its borrowed
// texts are copied.
func (l *Lines) Exchange(x *record.Exchange) {
	if b := l.room(); b != nil {
		b.bytes = appendExchange(b.bytes, &l.clock, x)
		l.added(b)
	}
}

// room returns a batch that can take one more line; if there is none it counts the line as
// dropped and returns nil.
func (l *Lines) room() *batch {
	if l == nil {
		return nil
	}
	full := l.current
	if len(full.bytes)+lineMax <= batchMax {
		return full
	}
	if l.Flush(); l.current == full {
		l.dropped.Add(1)
		return nil
	}
	return l.current
}

// added counts the line that was appended to b.
func (l *Lines) added(b *batch) {
	b.lines++
	if len(b.bytes) >= handOverAt {
		l.Flush()
	}
}

// Pending reports whether lines wait for a Flush. The loop then flushes by a timer, at
// most every 100 ms: a line should not wait for the next connection to end.
func (l *Lines) Pending() bool { return l != nil && l.current.lines > 0 }

// Flush hands the lines to the writer if it is ready for them. If not they stay
// pending.
func (l *Lines) Flush() {
	if !l.Pending() {
		return
	}
	spare := l.free.Swap(nil)
	if spare == nil {
		return
	}
	// The other batch is in hand, so the slot towards the writer is empty.
	l.full.Store(l.current)
	l.current = spare
	l.log.wakeWriter()
}

// Dropped returns how many lines were lost so far because the sink failed or was too
// slow. Any goroutine may ask.
func (l *Lines) Dropped() uint64 {
	if l == nil {
		return 0
	}
	return l.dropped.Load()
}
