package sock

import (
	"slices"
	"sync"
	"sync/atomic"
	"syscall"

	"sluice/engine/limit"
)

// Gate is one listener's max_connections, counted exactly over all loops. At the limit every loop's listener pauses,
// and new connections wait in the kernel's backlog; the first release wakes them all.
type Gate struct {
	slots  limit.Slots
	full   atomic.Bool  // some listener has paused since the last wake-up
	short  atomic.Int64 // when descriptors last ran out, in nanoseconds; 0 once that is said to be over
	mu     sync.Mutex   // guards members; taken when listeners come, go and wake up, never per connection
	member []*Listener
}

// NewGate returns a gate for at most limit connections; 0 means no limit.
func NewGate(limit int64) *Gate {
	g := new(Gate)
	g.slots.SetMax(limit)
	return g
}

// Used is the number of connections inside.
func (g *Gate) Used() int64 { return g.slots.Used() }

// Shortage pauses this loop's listeners, because a connection they had accepted found no descriptors for its other
// side: accepting more would only kill more.
func (g *Gate) Shortage(on *Net, err syscall.Errno) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, l := range g.member {
		if l.net == on && !l.paused {
			l.exhausted(err)
		}
	}
}

// acquire takes a slot. A listener that gets none pauses; it has said so before it asked a second time, so that a
// slot released in between wakes it.
func (g *Gate) acquire() bool {
	if g.slots.Acquire() {
		return true
	}
	g.full.Store(true)
	return g.slots.Acquire()
}

// Release gives a slot back and wakes the listeners that wait for one. It may be called on any loop.
func (g *Gate) Release() {
	g.slots.Release()
	if g.full.Load() && g.full.CompareAndSwap(true, false) {
		g.wake()
	}
}

func (g *Gate) wake() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, l := range g.member {
		l.net.Loop.Post(l.resume)
	}
}

func (g *Gate) join(l *Listener) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.member = append(g.member, l)
}

func (g *Gate) leave(l *Listener) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.member = slices.DeleteFunc(g.member, func(m *Listener) bool { return m == l })
}
