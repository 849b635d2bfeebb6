package lease

// A lease that finds everything at its limit: it waits for its turn, or for another loop to close an idle connection.

import (
	"time"

	"sluice/engine/door"
	"sluice/engine/record"
)

// queue joins the upstream's queue, if there is one with room. It is false if the lease does not wait; otherwise it
// waits, or has found a place after all.
func (l *Lease) queue() bool {
	d, on := l.ask.From.Door, l.dialer.net.Loop
	if d == nil {
		return false
	}
	t := d.Join(door.Candidate{Who: l, Loop: on, Again: l.ask.Again, Picky: l.tried.Len() > 0})
	if t == nil {
		return false
	}
	l.ticket, l.waited = t, true
	if d.MayLook(t) && l.tryTurn(false) {
		return l.backend != nil
	}
	l.set(queued)
	if l.until == 0 {
		l.until = on.Now() + int64(d.Patience())
	}
	on.Start(&l.timer, l.until)
	d.Nudge()
	return true
}

// tryTurn looks for a place although others may wait. It is true when the wait is over: with a place, or without one
// because there is no server any more. With turned it uses the turn that it was given; else it looks by itself.
func (l *Lease) tryTurn(turned bool) bool {
	l.ask.From = l.ask.From.latest()
	b, full := l.ask.From.take(&l.ask, l.dialer.net.Loop.Index(), &l.tried, true)
	if b == nil && full {
		return false
	}
	if d := l.ask.From.Door; b != nil {
		d.Admitted(l.ticket, turned)
	} else {
		d.Quit(l.ticket)
	}
	l.ticket, l.backend = nil, b
	l.ask.Inside = l.ask.Inside && b == nil
	return true
}

// Turn implements door.Waiter.
func (l *Lease) Turn() {
	d, t := l.ask.From.Door, l.ticket
	if !l.tryTurn(true) {
		if first := d.Rejoin(t); !first || !l.tryTurn(false) { // what was free a moment ago may have been seen by nobody else
			if l.tried.Len() > 0 {
				d.PassOn(t) // it may be no use to this one only, who has been there
			}
			return
		}
	}
	l.dialer.net.Loop.Cancel(&l.timer)
	l.set(picking)
	if l.backend == nil {
		l.fail()
		return
	}
	l.next()
}

// unqueue gives up waiting.
func (l *Lease) unqueue() {
	if l.ticket != nil {
		l.ask.From.Door.Quit(l.ticket)
		l.ticket = nil
	}
	if l.errand != nil {
		l.errand.lease, l.errand = nil, nil
	}
}

// waitedInVain ends a lease whose turn has not come in time.
func (l *Lease) waitedInVain() {
	l.ask.From.Door.TimedOut()
	l.unqueue()
	l.set(picking)
	l.why, l.cause, l.detail = record.QueueTimeout, 0, ""
	l.fail()
}

// Waited reports whether the lease has waited for its turn.
func (l *Lease) Waited() bool { return l.waited }

// Waiting reports whether the lease waits for its turn now.
func (l *Lease) Waiting() bool { return l.state == queued }

// errand is a request to another loop. It outlives a lease that gives up.
type errand struct{ lease *Lease }

// makeRoom sees to it that there are never more connections to a server than its limit, those that are idle included: one
// of these is closed first. It is true when that takes a while.
func (l *Lease) makeRoom() (later bool) {
	b := l.backend
	if !b.capped() || b.reserve() {
		l.reserved = b.capped()
		return false
	}
	l.set(clearing)
	home := l.dialer.net.Loop
	e := &errand{lease: l}
	l.errand = e
	at := b.idle(home.Index())
	if at == nil || !at.dialer.net.Loop.Post(func() { at.evict(); at.dialer.part(parting{then: func() { home.Post(e.run) }}) }) {
		home.Start(&l.timer, home.Now()+int64(closingTime)) // one is being closed
	}
	return true
}

// closingTime is how long a lease waits for a connection that is being closed already.
const closingTime = 5 * time.Millisecond

// run is the letter that comes back from an errand.
func (e *errand) run() {
	if e.lease != nil {
		e.lease.roomMade()
	}
}

// roomMade goes on to dial, unless the server has been found unfit meanwhile.
func (l *Lease) roomMade() {
	l.errand.lease, l.errand = nil, nil
	l.set(picking)
	if l.ask.From.Set().Admits(l.backend) {
		if !l.makeRoom() && !l.connect() {
			l.next()
		}
		return
	}
	l.drop()
	if l.ask.Once {
		l.fail()
		return
	}
	l.next()
}

// capped reports whether the number of connections to b is limited.
func (b *Backend) capped() bool {
	return b.MaxConnections > 0 && b.upstream != nil && b.upstream.Door != nil
}

// reserve counts one more connection to b, if there may be one.
func (b *Backend) reserve() bool {
	open := &b.state().open
	for {
		n := open.Load()
		if n >= b.MaxConnections {
			return false
		}
		if open.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// hungUp counts one connection less.
func (b *Backend) hungUp() {
	if b.capped() {
		b.state().open.Add(-1)
	}
}

// idle returns a lot with idle connections to b, or to its heir, the loop's own first; nil if there is none.
func (b *Backend) idle(loop int) (at *lot) {
	for i := range b.lots {
		if b.lots[i].kept.Load() > 0 && (at == nil || i == loop) {
			at = &b.lots[i]
		}
	}
	if now := b.state().present.Load(); at == nil && now != nil && now != b && now.takes(b) {
		return now.idle(loop)
	}
	return at
}

// Forsake ends the searches that wait for a connection to b to be made: b is down. They go on to another server.
func (d *Dialer) Forsake(b *Backend) {
	d.live.Each(func(l *Lease) {
		if l.backend.Is(b) && (l.state == dialing || l.state == securing) {
			l.again(record.MarkedDown, 0, "")
		}
	})
}
