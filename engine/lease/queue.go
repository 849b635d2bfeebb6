package lease

// A lease that finds everything at its limit: it waits for its turn, or for another loop to close an idle connection.

import (
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
		l.until = on.Now() + int64(d.Patience)
	}
	on.Start(&l.timer, l.until)
	d.Nudge()
	return true
}

// tryTurn looks for a place although others may wait. It is true when the wait is over: with a place, or without one
// because there is no server any more. With turned it uses the turn that it was given; else it looks by itself.
func (l *Lease) tryTurn(turned bool) bool {
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
	l.why, l.cause = record.QueueTimeout, 0
	l.fail()
}

// Waited reports whether the lease has waited for its turn.
func (l *Lease) Waited() bool { return l.waited }

// Waiting reports whether the lease waits for its turn now.
func (l *Lease) Waiting() bool { return l.state == queued }

// errand is a request to another loop. It outlives a lease that gives up.
type errand struct{ lease *Lease }

// makeRoom sees to it that a new connection does not exceed its server's limit together with those that are idle: one of
// these is closed first. It is true when another loop has to do that.
func (l *Lease) makeRoom() bool {
	b := l.backend
	if b.MaxConnections == 0 || b.lots == nil {
		return false
	}
	at := b.crowded(l.dialer.net.Loop.Index())
	if at == nil {
		return false
	}
	e := &errand{lease: l}
	home, there := l.dialer.net.Loop, at.dialer
	done := func() {
		if e.lease != nil {
			e.lease.roomMade()
		}
	}
	if !there.net.Loop.Post(func() {
		at.evict()
		there.part(parting{then: func() { home.Post(done) }})
	}) {
		return false
	}
	l.errand = e
	l.set(clearing)
	return true
}

// roomMade goes on to dial, unless the server has been found dead meanwhile.
func (l *Lease) roomMade() {
	l.errand = nil
	l.set(picking)
	switch {
	case l.ask.From.Set().Admits(l.backend):
		if !l.connect() {
			l.next()
		}
	case l.ask.Once:
		l.drop()
		l.fail()
	default:
		l.drop()
		l.next()
	}
}

// crowded returns a lot whose oldest connection has to go before there is another, its own loop's first; nil if there is
// room. The caller has taken its place already.
func (b *Backend) crowded(loop int) *lot {
	total := int(b.InUse())
	var at *lot
	for i := range b.lots {
		n := int(b.lots[i].kept.Load())
		total += n
		if n > 0 && (at == nil || i == loop) {
			at = &b.lots[i]
		}
	}
	if total <= int(b.MaxConnections) {
		return nil
	}
	return at
}

// Forsake ends the searches that wait for a connection to b to be made: b is down. They go on to another server.
func (d *Dialer) Forsake(b *Backend) {
	d.live.Each(func(l *Lease) {
		if l.backend.Is(b) && l.state == dialing {
			l.again(record.MarkedDown, 0)
		}
	})
}
