// Package door counts the connections of one upstream that are in use, exactly and over all loops, and lets those that find
// no room wait their turn: one queue, first come, first served, whatever loop they come from.
//
//	Enter ─► a place ─► Leave ─► the first in the queue gets a turn
//	   └─► full ─► Join ─► turn ─► a place
//
// While nobody waits, nothing here but two atomics is touched. Who waits is never overtaken: as long as the queue is not
// empty, newcomers go to its end. A turn is not a place but the right to try for one; places are counted where they are
// taken, so that a turn that comes to nothing does no harm.
//
// No turn is lost. Whoever gives a place back looks for waiters afterwards, and whoever has joined looks for a place once
// more afterwards: of two such looks at least one sees the other.
package door

import (
	"sync"
	"sync/atomic"
	"time"

	"sluice/engine/limit"
)

// Door is the door of an upstream that has a limit. Its methods may be called from every loop, but those that take a
// Ticket only from the ticket's own.
type Door struct {
	places   limit.Slots  // connections in use at once, in the whole upstream
	size     atomic.Int32 // of the queue
	patience atomic.Int64 // how long one should wait at most
	waiting  atomic.Int32 // in the queue, or given a turn that they have not taken yet
	refused  atomic.Uint64
	timeouts atomic.Uint64

	mu    sync.Mutex
	queue queue
	last  uint64 // number given
	turns int    // given, and not taken or given up yet
	spree bool   // there may be room for several: one turn taken is followed by another
}

// New returns the door of an upstream with at most so many connections in use, 0 for no limit of its own, and at most size
// waiters.
func New(most, size int, patience time.Duration) *Door {
	d := new(Door)
	d.set(most, size, patience)
	return d
}

// Change gives the door other limits, as New takes them. Who is inside or waits stays; newcomers go by the new ones.
func (d *Door) Change(most, size int, patience time.Duration) {
	d.set(most, size, patience)
	d.Kick()
}

func (d *Door) set(most, size int, patience time.Duration) {
	d.places.SetMax(int64(most))
	d.size.Store(int32(size))
	d.patience.Store(int64(patience))
}

// Patience is how long one should wait at most. Whoever waits keeps the time.
func (d *Door) Patience() time.Duration { return time.Duration(d.patience.Load()) }

// Enter takes one of the upstream's places. It is false, and nothing is taken, when there is none.
func (d *Door) Enter() bool { return d.places.Acquire() }

// Leave gives a place back, and the first waiter a turn. It panics when no place is taken.
func (d *Door) Leave() {
	d.places.Release()
	d.Stir()
}

// Stir gives the first waiter a turn because a server has room, though nobody has left.
func (d *Door) Stir() {
	if d.waiting.Load() > 0 {
		d.wake(nil)
	}
}

// Undo gives back a place that came to nothing because no server had room. Only a newcomer may have kept another from
// entering meanwhile: everybody else is behind whoever has the turn.
func (d *Door) Undo(turn bool) {
	d.places.Release()
	if !turn {
		d.Stir()
	}
}

// Kick gives waiters turns because there may be new room: a server has come, or come back.
func (d *Door) Kick() {
	d.mu.Lock()
	d.spree = d.queue.first != nil
	d.mu.Unlock()
	d.wake(nil)
}

// TimedOut counts one who has waited in vain.
func (d *Door) TimedOut() { d.timeouts.Add(1) }

// InUse is the number of places taken.
func (d *Door) InUse() int { return int(d.places.Used()) }

// Limit is the number of places; 0 is no limit of the upstream's own.
func (d *Door) Limit() int { return int(d.places.Max()) }

// Waiting is the length of the queue, those with a turn included.
func (d *Door) Waiting() int { return int(d.waiting.Load()) }

// Size is how many may wait.
func (d *Door) Size() int { return int(d.size.Load()) }

// Refused counts those who found the queue full.
func (d *Door) Refused() uint64 { return d.refused.Load() }

// Timeouts counts those who waited in vain.
func (d *Door) Timeouts() uint64 { return d.timeouts.Load() }
