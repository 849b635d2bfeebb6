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

// Later queues t for the moment between this batch of events and the next: everything already taken from the kernel is
// handled first. What a turn queues waits for the turn after.
func (l *Loop) Later(t *Task) {
	if t.queued {
		return
	}
	l.rouse()
	l.due.push(t)
}

// rouse asks for a turn, unless one is due already.
func (l *Loop) rouse() {
	if l.due.empty() {
		l.stats.Inc(stat.Yields)
		l.poller.Rouse()
	}
}

// Turn runs what was deferred.
func (l *Loop) Turn() {
	l.now = l.poller.Now()
	l.stats.Inc(stat.Turns)
	run := l.due
	l.due = taskQueue{}
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
	l.rouse()
	l.ring.append(&l.due)
	l.due, l.ring = l.ring, taskQueue{}
}

// run runs one task; a panic in it costs what the task belongs to, not the loop.
func (l *Loop) run(t *Task) {
	defer l.rescue(t.runner)
	t.runner.Run()
}
