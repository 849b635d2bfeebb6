package exchange

// The clocks of an exchange: which one runs follows from who is waited for. There is one timer, and it is lazy: it stays
// where it is while nearer deadlines are met, and when it comes up, finds out what is due; a request that is answered in
// time costs no timer at all.

import (
	"time"

	"sluice/engine/flow"
	"sluice/engine/loop"
	"sluice/engine/record"
)

const (
	// rateGrace is how long a body may be slow before the minimum rate counts, and over which it is measured from then
	// on: start-up, and the steps in which windows open, are shorter.
	rateGrace = 10 * time.Second
	// lastWords is how long what one side of a tunnel had sent before it was lost may stand still on its way to the other,
	// lastWordsMax how long it may take at all.
	lastWords    = 2 * time.Second
	lastWordsMax = 5 * time.Minute
)

// pace is how a body on the client's side has moved: the progress at the last look, and since when there was none.
type pace struct {
	moved uint64 // bytes the client has sent, or has acknowledged
	since int64  // of the last progress
	rate  uint64 // moved at the beginning of the present window
	start int64  // of the window, which lasts as long as it is the client who is waited for; 0 without one
}

func (x *Exchange) timeouts() *Timeouts {
	if x.Route != nil {
		return &x.Route.Timeouts
	}
	return &x.service.Timeouts
}

// Detour says that the handler waits for something with a clock of its own, a connection mostly: the wait for the answer
// has not begun.
func (x *Exchange) Detour() { x.waiting = 0 }

// Await says that from now on it is the answer that is waited for.
func (x *Exchange) Await() {
	x.waiting = x.loop.Now()
	if x.state == Working && x.answer == unanswered {
		x.watchAnswer()
	}
}

// expect sees to it that the timer comes up at the deadline or before.
func (x *Exchange) expect(deadline int64) { x.loop.Hasten(&x.timer, deadline) }

// watchBody looks after a request's body that has begun to move.
func (x *Exchange) watchBody() {
	now := x.loop.Now()
	x.upPace = pace{since: now, start: now}
	x.expect(x.look(now, x.deadline(now)))
}

// look is when to look again if nothing changes: at the deadline, or before, because who is waited for may change without
// a word. A body that moves now may stand still in a moment, and then another limit counts.
func (x *Exchange) look(now int64, next due) int64 {
	if x.state == Tunneling {
		return next.at
	}
	t := x.timeouts()
	return min(next.at, now+int64(min(t.WriteIdle, t.Idle, rateGrace)))
}

// watchAnswer looks after the answer, or the wait for it. An answer that has begun is mostly over before anybody would
// have to look: what the client has taken, which costs a system call to know, is asked for when the timer comes up.
func (x *Exchange) watchAnswer() {
	now, t := x.loop.Now(), x.timeouts()
	x.downPace = pace{since: now}
	look := now + int64(min(t.WriteIdle, t.Idle, rateGrace))
	if x.state != Answering {
		look = min(look, x.deadline(now).at)
	}
	x.expect(look)
}

// due is a deadline and what it means.
type due struct {
	at  int64
	why record.Reason
}

// Expired implements loop.Expirer.
func (x *Exchange) Expired(*loop.Timer) {
	if x.state == Unused || x.state == Over {
		return
	}
	now := x.loop.Now()
	next := x.deadline(now)
	if now < next.at {
		x.expect(x.look(now, next))
		return
	}
	if x.lost != record.None {
		x.cut = true
		x.finish(x.lost, x.cause)
		return
	}
	if next.why == record.AnswerTimeout && x.state == Working && x.answer == unanswered {
		if h, ok := x.Serving.(Hopeful); ok && h.Overdue(x) {
			return
		}
	}
	x.Fail(next.why, "", nil)
}

// deadline finds what is waited for, and until when. Both bodies may move at once, and then both count.
func (x *Exchange) deadline(now int64) due {
	if x.state == Tunneling {
		return x.tunnelDeadline(now)
	}
	body, moving := x.bodyDeadline(now)
	if x.state == Answering {
		// A client may stop sending because of the answer that it is getting.
		body.at = max(body.at, x.Down.LastMove()+int64(x.timeouts().BodyIdle))
		if answer := x.answerDeadline(now); !moving || answer.at < body.at {
			return answer
		}
	}
	switch {
	case moving:
		return body
	case x.keep != nil:
		return x.sourceDeadline(x.keep.Inner())
	case x.state == Routing:
		return due{x.waiting + int64(x.timeouts().FirstByte), record.Busy} // parked by a gate
	}
	return x.firstByte(now)
}

// firstByte is for an answer that has not begun.
func (x *Exchange) firstByte(now int64) due {
	since := x.waiting
	if since == 0 {
		since = now // on a detour: not due, but to be looked at again
	}
	return due{since + int64(x.timeouts().FirstByte), record.AnswerTimeout}
}

// bodyDeadline is for the request's body, if it is under way: from the client, or to the server.
func (x *Exchange) bodyDeadline(now int64) (next due, moving bool) {
	t := x.timeouts()
	if x.Sending() && x.Up.Stalled() {
		x.upPace.start = 0
		return due{x.Up.LastMove() + int64(t.Idle), record.AnswerTimeout}, true
	}
	in := x.incoming()
	switch {
	case in == nil:
		return due{}, false
	case in.Stalled(), x.Continue && in.Moved() == 0: // kept back, and the handler has not asked for it; or told to wait
		x.upPace.start = 0
		return x.firstByte(now), x.state != Answering // an answer that has begun is not waited for
	}
	x.upPace.note(in.Moved(), in.LastMove())
	idle := due{x.upPace.since + int64(t.BodyIdle), record.BodyTimeout}
	return x.upPace.slower(idle, due{now, record.BodyTooSlow}, t.MinRate), true
}

// incoming is the flow that brings the request's body from the front, if it is under way.
func (x *Exchange) incoming() *flow.Flow {
	switch {
	case x.hold != nil:
		if in := x.hold.Inner(); !in.Closing() {
			return in
		}
	case x.Sending():
		return &x.Up
	}
	return nil
}

// answerDeadline is for an answer on its way to the client.
func (x *Exchange) answerDeadline(now int64) due {
	t := x.timeouts()
	backlog := x.front.Backlog(x)
	if !x.Down.Stalled() && (backlog == 0 || x.keep == nil) {
		x.downPace.start = 0
		next := x.sourceDeadline(&x.Down)
		if x.Sending() { // a server that takes the request is at work on the answer
			next.at = max(next.at, x.Up.LastMove()+int64(t.Idle))
		}
		return next
	}
	acked := x.Down.Moved() - min(x.Down.Moved(), uint64(backlog))
	if acked != x.downPace.moved {
		x.downPace.note(acked, now)
	}
	idle := due{x.downPace.since + int64(t.WriteIdle), record.WriteTimeout}
	return x.downPace.slower(idle, due{now, record.WriteTimeout}, t.MinRate)
}

// sourceDeadline is for a body whose next bytes the server owes.
func (x *Exchange) sourceDeadline(f *flow.Flow) due {
	if f.Stalled() {
		return due{x.loop.Now() + int64(x.timeouts().Idle), record.AnswerIdle}
	}
	return due{f.LastMove() + int64(x.timeouts().Idle), record.AnswerIdle}
}

// note remembers progress.
func (p *pace) note(moved uint64, at int64) {
	p.moved = moved
	p.since = max(p.since, at)
}

// slower makes the deadline earlier when the window's end comes first, and returns tooSlow when less than rate has moved
// in a window that is over.
func (p *pace) slower(idle, tooSlow due, rate int64) due {
	if rate == 0 {
		return idle
	}
	switch now := tooSlow.at; {
	case p.start == 0:
		p.start, p.rate = now, p.moved
	case now-p.start >= int64(rateGrace):
		// A body that does not move at all has its own limit, which is the longer one.
		if moved := p.moved - min(p.moved, p.rate); moved > 0 && moved < uint64(rate*(now-p.start)/int64(time.Second)) {
			return tooSlow
		}
		p.start, p.rate = now, p.moved
	}
	if end := p.start + int64(rateGrace); end < idle.at {
		return due{end, idle.why}
	}
	return idle
}

// tunnelDeadline is for a tunnel in which nothing moves.
func (x *Exchange) tunnelDeadline(now int64) due {
	t := x.timeouts()
	last := max(x.Up.LastMove(), x.Down.LastMove(), x.halved)
	switch {
	case x.lost != record.None:
		return x.lastWordsDeadline(now)
	case x.halved != 0:
		return due{last + int64(t.HalfClosed), record.HalfClosedIdle}
	}
	return due{last + int64(t.Tunnel), record.TunnelIdle}
}

// lastMoved is how far what one side of a tunnel had sent has come.
func (x *Exchange) lastMoved() uint64 {
	moved := x.lastWords().Moved()
	if x.lastWords() == &x.Down {
		moved -= min(moved, uint64(x.front.Backlog(x)))
	}
	return moved
}

// lastWordsDeadline is for what one side of a tunnel had sent before it was lost.
func (x *Exchange) lastWordsDeadline(now int64) due {
	if moved := x.lastMoved(); moved != x.downPace.moved {
		x.downPace.note(moved, now)
	}
	return due{min(x.downPace.since+int64(lastWords), x.waiting+int64(lastWordsMax)), x.lost}
}

// Panicked implements loop.Victim.
func (x *Exchange) Panicked() {
	if x.state != Over && x.state != Unused {
		x.cut = true
		x.running = false
		x.finish(record.Internal, nil)
	}
}
