package sock

import (
	"slices"
	"sync"
	"sync/atomic"
	"syscall"

	"sluice/engine/limit"
)

// Gate is one listener's max_connections, counted exactly over all loops. At the limit each loop's listener pauses, new
// connections wait in the kernel's backlog, and each slot that is released wakes one listener, in the order of their
// pauses.
type Gate struct {
	slots   limit.Slots
	full    atomic.Bool  // somebody waits
	short   atomic.Int64 // when descriptors last ran out, in nanoseconds; 0 once that is said to be over
	mu      sync.Mutex   // guards the lists; taken when listeners come, go, pause and wake up, never per connection below the limit
	members []*Listener
	waiting []*Listener // paused for want of a slot
}

// NewGate returns a gate for at most limit connections; 0 means no limit.
func NewGate(limit int64) *Gate {
	g := new(Gate)
	g.slots.SetMax(limit)
	return g
}

// SetMax changes the number of connections there may be inside. Those beyond a lower one stay; a higher one wakes all who
// wait. It may be called from anywhere.
func (g *Gate) SetMax(limit int64) {
	if g.slots.Max() == limit {
		return
	}
	g.slots.SetMax(limit)
	for range g.paused() {
		g.wake()
	}
}

// paused is how many listeners wait for a slot.
func (g *Gate) paused() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.waiting)
}

// Max is the number of connections there may be inside; 0 is no limit.
func (g *Gate) Max() int64 { return g.slots.Max() }

// Used is the number of connections inside.
func (g *Gate) Used() int64 { return g.slots.Used() }

// Shortage pauses the listeners that feed this loop, because a connection they had accepted found no descriptors for
// its other side: accepting more would only kill more.
func (g *Gate) Shortage(on *Net, err syscall.Errno) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, l := range g.members {
		switch {
		case l.net == on:
			l.exhausted(err)
		case l.unix: // it hands on to every loop, from its own
			l.net.Loop.Post(func() { l.exhausted(err) })
		}
	}
}

// acquire takes a slot.
func (g *Gate) acquire() bool { return g.slots.Acquire() }

// acquireOrWait takes a slot for l, or puts l on the list of those who wait. It is on the list before it asks again, so
// that a slot released in between wakes it.
func (g *Gate) acquireOrWait(l *Listener) bool {
	g.mu.Lock()
	g.waiting = append(g.waiting, l)
	g.full.Store(true)
	g.mu.Unlock()
	if !g.acquire() {
		return false
	}
	g.forget(l)
	return true
}

// Release gives a slot back and wakes a listener that waits for one. It may be called on any loop.
func (g *Gate) Release() {
	g.slots.Release()
	if g.full.Load() {
		g.wake()
	}
}

// wake hands the chance of a free slot to the listener that has waited longest.
func (g *Gate) wake() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for len(g.waiting) > 0 {
		l := g.waiting[0]
		g.waiting = slices.Delete(g.waiting, 0, 1)
		if l.net.Loop.Post(l.woken) {
			break
		}
	}
	g.full.Store(len(g.waiting) > 0)
}

// forget takes l off the list of those who wait.
func (g *Gate) forget(l *Listener) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.waiting = slices.DeleteFunc(g.waiting, func(w *Listener) bool { return w == l })
	g.full.Store(len(g.waiting) > 0)
}

func (g *Gate) join(l *Listener) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.members = append(g.members, l)
}

func (g *Gate) leave(l *Listener) {
	g.forget(l)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.members = slices.DeleteFunc(g.members, func(m *Listener) bool { return m == l })
}
