package sim

// How time passes, and when the world is over.

import "syscall"

const errBadFile = syscall.EBADF

// after plans do in d nanoseconds.
func (w *World) after(d int64, do func()) { w.agenda.Add(w.now+d, do) }

// catchUp does everything that is due.
func (w *World) catchUp() {
	for {
		at, ok := w.agenda.Next()
		if !ok || at > w.now {
			return
		}
		w.progress = true
		w.agenda.Take()()
	}
}

// pass lets the world go on until a batch can be taken. It reports false when the run must be given up.
func (w *World) pass() bool {
	w.batches++
	if len(w.faults) > 0 || w.hopeless() {
		return false
	}
	if w.chance(30) {
		w.now += w.delay(2_000_000) // the loop was busy, or the machine: events gather
	}
	w.catchUp()
	for !w.poller.pending() {
		if len(w.poller.beside) > 0 {
			w.poller.passTime()
			continue
		}
		at, ok := w.agenda.Next()
		if armed := w.poller.armed; armed != unarmed && (!ok || armed < at) {
			at, ok = armed+w.delay(5_000_000), true
		}
		if !ok {
			w.rest()
			continue
		}
		if w.play.atRest(); len(w.faults) > 0 {
			return false
		}
		w.now = max(w.now, at)
		w.stuck = 0
		w.catchUp()
	}
	return true
}

// hopeless notices a loop that spins or never comes to an end.
func (w *World) hopeless() bool {
	w.stuck++
	if w.progress {
		w.stuck, w.progress = 0, false
	}
	switch {
	case w.stuck > fruitless:
		w.fault("the loop spins: %d batches of events without any news", w.stuck)
	case w.batches > batchesMax:
		w.fault("%d batches of events and no end", w.batches)
	case w.now-w.start > virtualMax:
		w.fault("the world is not at rest after %d virtual minutes: %s", virtualMax/60e9, w.census())
	default:
		return false
	}
	return true
}

// rest ends the world, in two steps, when nothing is planned, reported or timed any more.
func (w *World) rest() {
	if !w.stopping {
		w.stopping = true
		if n := len(w.listener.queue); n > 0 {
			w.fault("%d clients wait in the backlog, and nothing else happens", n)
		}
		w.trace("at rest: closing")
		w.loop.Post(w.rig.close)
		return
	}
	w.trace("at rest: over")
	w.loop.Post(w.loop.Stop)
}
