package lease

// Admission counts the connections of one upstream that are in use, exactly and over all loops, and lets those that find
// no room wait their turn: one queue, first come, first served, whatever loop they come from.
//
//	enter ─► a place ─► leave ─► the first in the queue gets a turn
//	   └─► full ─► join ─► turn ─► a place
//
// While nobody waits, nothing here but two atomics is touched. Who waits is never overtaken: as long as the queue is not
// empty, newcomers go to its end. A turn is not a place but the right to try for one; places are counted where they are
// taken, so that a turn that comes to nothing does no harm.
//
// No turn is lost. Whoever gives a place back looks for waiters afterwards, and whoever has joined looks for a place once
// more afterwards: of two such looks at least one sees the other.

import (
	"math"
	"sync"
	"sync/atomic"
	"time"

	"sluice/engine/loop"
)

// Admission is the door of an upstream that has a limit. Its methods may be called from every loop.
type Admission struct {
	limit    int32         // connections in use at once, in the whole upstream
	size     int32         // of the queue
	Patience time.Duration // how long one waits at most

	inUse    atomic.Int32
	waiting  atomic.Int32 // in the queue, or given a turn that they have not taken yet
	refused  atomic.Uint64
	timeouts atomic.Uint64
	_        [24]byte

	mu          sync.Mutex
	first, last *waiter
	tickets     uint64
	turns       int  // given, and not taken or given up yet
	spree       bool // there may be room for several: one turn taken is followed by another
}

// NewAdmission returns the door of an upstream with at most limit connections in use, 0 for no limit of its own, and at
// most size waiters.
func NewAdmission(limit, size int, patience time.Duration) *Admission {
	a := &Admission{limit: int32(limit), size: int32(size), Patience: patience}
	if limit <= 0 {
		a.limit = math.MaxInt32
	}
	return a
}

// waiter is one lease in the queue. It outlives a lease that gives up.
type waiter struct {
	lease      *Lease // nil once it does not wait any more; touched on its own loop only
	loop       *loop.Loop
	prev, next *waiter
	ticket     uint64 // its place in the order of arrival
	picky      bool   // it has been at servers that are no use to it, but may be to those behind it
	linked     bool   // in the queue; else it has a turn
}

// enter takes one of the upstream's places. It is false, and nothing is taken, when there is none.
func (a *Admission) enter() bool {
	for {
		n := a.inUse.Load()
		if n >= a.limit {
			return false
		}
		if a.inUse.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// leave gives a place back, and the first waiter a turn.
func (a *Admission) leave() {
	if a.inUse.Add(-1) < 0 {
		panic("lease: an upstream's place was given back twice")
	}
	if a.waiting.Load() > 0 {
		a.wake(nil)
	}
}

// undo gives back a place that came to nothing because no server had room. Only a newcomer may have kept another from
// joining meanwhile: everybody else is behind whoever has the turn.
func (a *Admission) undo(turn bool) {
	if turn {
		a.inUse.Add(-1)
		return
	}
	a.leave()
}

// Kick gives waiters turns because there may be new room: a server has come, or come back.
func (a *Admission) Kick() {
	a.mu.Lock()
	a.spree = a.first != nil
	a.mu.Unlock()
	a.wake(nil)
}

// wake gives the first waiter behind after a turn; the first of all if after is nil.
func (a *Admission) wake(after *waiter) {
	for {
		w := a.call(after)
		if w == nil || w.loop.Post(w.turn) {
			return
		}
		a.forget(w) // its loop has ended
	}
}

// call takes the next waiter out of the queue.
func (a *Admission) call(after *waiter) *waiter {
	a.mu.Lock()
	defer a.mu.Unlock()
	w := a.first
	if after != nil {
		w = nil
		if after.linked {
			w = after.next
		}
	}
	if w != nil {
		a.unlink(w)
		a.turns++
	}
	return w
}

// turn is the letter that a waiter gets.
func (w *waiter) turn() {
	if w.lease != nil {
		w.lease.turn()
	}
}

// join puts a lease at the end of the queue; nil when that is full. One that has had a place before goes to its front,
// whether it is full or not.
func (a *Admission) join(l *Lease) *waiter {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.waiting.Load() >= a.size && !l.ask.Again {
		a.refused.Add(1)
		return nil
	}
	ticket := uint64(0) // before everybody else: those are no more than had places
	if !l.ask.Again {
		a.tickets++
		ticket = a.tickets
	}
	w := &waiter{lease: l, loop: l.dialer.net.Loop, ticket: ticket, picky: l.tried.Len() > 0}
	a.waiting.Add(1)
	a.link(w)
	return w
}

// rejoin puts a waiter whose turn came to nothing back to where it was.
func (a *Admission) rejoin(w *waiter) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.spree = false
	a.turns--
	a.link(w)
}

// mayLook reports whether w, which has just joined, is the one to look for a place. Whoever has been given a turn is
// before it, and sees to it that w gets one, too, should there be room for both.
func (a *Admission) mayLook(w *waiter) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.first != w {
		return false
	}
	a.spree = a.turns > 0
	return a.turns == 0
}

// isFirst reports whether nobody in the queue is before w.
func (a *Admission) isFirst(w *waiter) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.first == w
}

// nudge gives the first waiter a turn if it may wait for less than somebody behind it would be content with.
func (a *Admission) nudge() {
	a.mu.Lock()
	picky := a.first != nil && a.first.picky
	a.mu.Unlock()
	if picky {
		a.wake(nil)
	}
}

// admitted takes a waiter that has found its place out of all lists.
func (a *Admission) admitted(w *waiter) {
	a.mu.Lock()
	w.lease = nil
	if w.linked {
		a.unlink(w)
	} else {
		a.turns--
	}
	spree := a.spree
	a.waiting.Add(-1)
	a.mu.Unlock()
	if spree {
		a.wake(nil)
	}
}

// quit takes out a waiter that gives up, or that no server is left for. Its turn, if it has one, is the next one's.
func (a *Admission) quit(w *waiter) {
	w.lease = nil
	if a.forget(w) {
		a.wake(nil)
	}
}

// forget takes a waiter out, and reports whether it had a turn.
func (a *Admission) forget(w *waiter) (turned bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.waiting.Add(-1)
	if !w.linked {
		a.turns--
		return true
	}
	a.unlink(w)
	return false
}

// link inserts w in the order of tickets. Who had a turn belongs to the front, everybody else to the end.
func (a *Admission) link(w *waiter) {
	next := a.first
	if a.last != nil && a.last.ticket < w.ticket {
		next = nil
	}
	for next != nil && next.ticket < w.ticket {
		next = next.next
	}
	prev := a.last
	if next != nil {
		prev = next.prev
		next.prev = w
	} else {
		a.last = w
	}
	if prev != nil {
		prev.next = w
	} else {
		a.first = w
	}
	w.prev, w.next, w.linked = prev, next, true
}

func (a *Admission) unlink(w *waiter) {
	if w.prev != nil {
		w.prev.next = w.next
	} else {
		a.first = w.next
	}
	if w.next != nil {
		w.next.prev = w.prev
	} else {
		a.last = w.prev
	}
	w.prev, w.next, w.linked = nil, nil, false
}

// InUse is the number of connections in use, Limit the most there may be, 0 for no limit.
func (a *Admission) InUse() int { return int(a.inUse.Load()) }

// Limit is the upstream's own max_connections; 0 is none.
func (a *Admission) Limit() int {
	if a.limit == math.MaxInt32 {
		return 0
	}
	return int(a.limit)
}

// Waiting is the length of the queue, Size the most it may be.
func (a *Admission) Waiting() int { return int(a.waiting.Load()) }

// Size is how many may wait.
func (a *Admission) Size() int { return int(a.size) }

// Refused counts those who found the queue full, Timeouts those who waited in vain.
func (a *Admission) Refused() uint64 { return a.refused.Load() }

// Timeouts counts those who waited in vain.
func (a *Admission) Timeouts() uint64 { return a.timeouts.Load() }
