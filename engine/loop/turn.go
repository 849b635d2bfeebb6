package loop

// A turn's work has a bound, so that one busy connection cannot starve the others.
//
// Completions never call back into their caller: they enter the ring by Settle, and the loop runs the ring after
// each callback, which keeps stacks flat. What must wait for the next turn (a connection that has used its share,
// a descriptor to close) enters by Later.

import "sluice/engine/stat"

// settleMax is how many ring entries one callback may run before the rest waits for the next turn. It is far above
// what a single event causes (two or three), and small enough that a loop with thousands of connections stays fair.
const settleMax = 256

// Settle queues t to run right after the callback that is running now.
func (l *Loop) Settle(t *Task) {
	if !t.queued {
		l.ring.push(t)
	}
}

// Later queues t for a later batch of events: every event already taken from the kernel is handled first.
//
// An eventfd written now is reported in a later batch than this one. One that was written before may be reported
// still in this batch, so what comes while it is under way waits for the one after.
func (l *Loop) Later(t *Task) {
	if t.queued {
		return
	}
	if l.roused {
		l.afterNext.push(t)
		return
	}
	l.due.push(t)
	l.rouse()
}

func (l *Loop) rouse() {
	l.roused = true
	l.stats.Inc(stat.Yields)
	l.poller.Rouse()
}

// Turn runs what earlier batches deferred.
func (l *Loop) Turn() {
	l.now = l.poller.Now()
	l.stats.Inc(stat.Turns)
	run := l.due
	l.due = l.afterNext
	l.afterNext = taskQueue{}
	l.roused = false
	if !l.due.empty() {
		l.rouse()
	}
	for !run.empty() {
		l.run(run.pop())
	}
	l.settle()
}

// settle empties the ring, up to its bound.
func (l *Loop) settle() {
	for n := 0; !l.ring.empty(); n++ {
		if n == settleMax {
			l.overflow()
			return
		}
		l.run(l.ring.pop())
	}
}

// overflow moves what is left of the ring to the next turn, ahead of all that waits for it: what was queued for the
// end of an object must not overtake what was queued for its work.
func (l *Loop) overflow() {
	l.ring.append(&l.due)
	l.due, l.ring = l.ring, taskQueue{}
	if !l.roused {
		l.rouse()
	}
}

// run runs one task; a panic in it costs what the task belongs to, not the loop.
func (l *Loop) run(t *Task) {
	defer l.rescue(t.runner)
	t.runner.Run()
}
