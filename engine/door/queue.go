package door

// The queue of a door, and the turns it gives.

import "sluice/engine/loop"

// Waiter is whoever waits.
type Waiter interface {
	// Turn says that there may be a place now. It is called on the waiter's own loop.
	Turn()
}

// Ticket is a waiter's place in the queue. It outlives a waiter that gives up, because a turn may be on its way to it.
type Ticket struct {
	who        Waiter // nil once it does not wait any more; touched on its own loop only
	loop       *loop.Loop
	prev, next *Ticket
	number     uint64 // in the order of arrival
	picky      bool   // it has been at servers that are no use to it, but may be to those behind it
	linked     bool   // in the queue; else it has a turn
}

// newcomer is in the numbers of those who have not had a place before: the others are all before them. There are no more
// of these than there were places.
const newcomer = 1 << 63

// Candidate is who wants to wait.
type Candidate struct {
	Who   Waiter
	Loop  *loop.Loop
	Again bool // it has had a place before, and goes to the front, whether the queue is full or not (if there is one)
	Picky bool // not every place is of use to it
}

// Join puts a candidate into the queue; nil when that is full.
func (d *Door) Join(c Candidate) *Ticket {
	d.mu.Lock()
	defer d.mu.Unlock()
	if size := d.size.Load(); d.waiting.Load() >= size && (!c.Again || size == 0) {
		d.refused.Add(1)
		return nil
	}
	d.last++
	t := &Ticket{who: c.Who, loop: c.Loop, picky: c.Picky, number: d.last}
	if !c.Again {
		t.number |= newcomer
	}
	d.waiting.Add(1)
	d.queue.link(t)
	return t
}

// MayLook reports whether t, which has just joined, is the one to look for a place. Whoever has been given a turn is
// before it, and sees to it that t gets one, too, should there be room for both.
func (d *Door) MayLook(t *Ticket) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.turns > 0 {
		d.spree = true
	}
	return d.queue.first == t && (d.turns == 0 || t.number < newcomer)
}

// Nudge gives the first waiter a turn if it may wait for less than somebody behind it would be content with.
func (d *Door) Nudge() {
	d.mu.Lock()
	picky := d.queue.first != nil && d.queue.first.picky
	d.mu.Unlock()
	if picky {
		d.wake(nil)
	}
}

// Rejoin puts a waiter whose turn came to nothing back to where it was, and reports whether it is the first again.
func (d *Door) Rejoin(t *Ticket) (first bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.spree = d.spree && t.picky // else nobody behind it has better chances
	d.turns--
	d.queue.link(t)
	return d.queue.first == t
}

// PassOn gives the waiter behind t a turn: what t has no use for may be good enough for that one.
func (d *Door) PassOn(t *Ticket) { d.wake(t) }

// Admitted takes out a waiter that has found its place. A turn that was given to it while it looked by itself, without
// turned, is the next one's.
func (d *Door) Admitted(t *Ticket, turned bool) {
	d.mu.Lock()
	t.who = nil
	more := d.spree || !t.linked && !turned
	d.remove(t)
	d.mu.Unlock()
	if more {
		d.wake(nil)
	}
}

// Quit takes out a waiter that gives up, or that no server is left for. Its turn, if it has one, is the next one's.
func (d *Door) Quit(t *Ticket) {
	t.who = nil
	if d.forget(t) {
		d.wake(nil)
	}
}

// forget takes a waiter out, and reports whether it had a turn.
func (d *Door) forget(t *Ticket) (turned bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	turned = !t.linked
	d.remove(t)
	return turned
}

// remove takes a waiter out of the queue, or its turn from it.
func (d *Door) remove(t *Ticket) {
	if t.linked {
		d.queue.unlink(t)
	} else {
		d.turns--
	}
	d.waiting.Add(-1)
}

// wake gives the first waiter behind after a turn; the first of all if after is nil.
func (d *Door) wake(after *Ticket) {
	for {
		t := d.call(after)
		if t == nil || t.loop.Post(t.turn) {
			return
		}
		d.forget(t) // its loop has ended
	}
}

// call takes the next waiter out of the queue.
func (d *Door) call(after *Ticket) *Ticket {
	d.mu.Lock()
	defer d.mu.Unlock()
	t := d.queue.first
	if after != nil {
		t = after.next
	}
	if t != nil {
		d.queue.unlink(t)
		d.turns++
	}
	return t
}

// turn is the letter that a waiter gets.
func (t *Ticket) turn() {
	if t.who != nil {
		t.who.Turn()
	}
}

// queue is in the order of numbers.
type queue struct{ first, last *Ticket }

// link inserts t where it belongs: at the front if it had a turn, else mostly at the end.
func (q *queue) link(t *Ticket) {
	next := q.first
	if q.last != nil && q.last.number < t.number {
		next = nil
	}
	for next != nil && next.number < t.number {
		next = next.next
	}
	prev := q.last
	if next != nil {
		prev = next.prev
		next.prev = t
	} else {
		q.last = t
	}
	if prev != nil {
		prev.next = t
	} else {
		q.first = t
	}
	t.prev, t.next, t.linked = prev, next, true
}

func (q *queue) unlink(t *Ticket) {
	if t.prev != nil {
		t.prev.next = t.next
	} else {
		q.first = t.next
	}
	if t.next != nil {
		t.next.prev = t.prev
	} else {
		q.last = t.prev
	}
	t.prev, t.next, t.linked = nil, nil, false
}
