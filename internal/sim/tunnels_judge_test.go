package sim

// The checkers of tunnels: what must hold at every moment, and of every record when the world is over.

import (
	"fmt"
	"time"

	"sluice/engine/record"
)

// How long a reset may take from one side to the other, in nanoseconds. Bytes on their way may hold it up as long as
// somebody takes them; without progress they are given up after two seconds.
const (
	resetWithin       = int64(3e9)
	resetWithinMoving = int64(30e9)
)

// inspect checks the servers' counts after each batch, and memory: one buffer or pipe a direction, and a small one for a
// PROXY header.
func (w *World) inspect() {
	c := w.common()
	c.care.inspect()
	each := 2
	if w.plan.proxyOut != 0 {
		each++
	}
	if w.secure {
		each += 2 // of ciphertext
	}
	if w.plan.back {
		each += 2
	}
	if used := c.arena.InUse() + c.pipes.InUse(); used > each*w.rig.active()+2*c.net.Leaving() {
		w.fault("%d buffers and %d pipes for %d connections", c.arena.InUse(), c.pipes.InUse(), w.rig.active())
	}
}

// atRest checks memory while nothing happens: only a direction that cannot move, or an introduction that is not
// complete, may hold any.
func (w *World) atRest() {
	c := w.common()
	c.care.atRest()
	allowed := 2 * c.net.Leaving() // an alert
	for _, x := range w.files.table {
		if x == nil || x.socket == nil {
			continue
		}
		if x.socket.noSpace {
			allowed += 1 + int(min(w.plan.proxyOut, 1))
			if w.secure {
				allowed += 2
			}
		}
	}
	if w.plan.hello || w.secure || w.plan.proxyIn != proxyOff {
		allowed += w.rig.active()
	}
	if used := c.arena.InUse() + c.pipes.InUse(); used > allowed {
		w.fault("at rest, %d buffers and %d pipes are held; %d directions are stalled", c.arena.InUse(), c.pipes.InUse(), allowed)
	}
}

func (w *World) checkRecords() {
	records := w.common().records
	if len(records) != w.listener.accepted {
		w.fault("%d connections were accepted and %d are on record", w.listener.accepted, len(records))
	}
	for i := range records {
		r := &records[i]
		w.cover.reasons[r.Reason]++
		if w.plan.unix {
			continue // all clients look the same
		}
		c := w.clientOf(r)
		if c == nil {
			w.fault("a record names %v, who is no client", r.Client)
			continue
		}
		if text := w.implausible(r, c); text != "" {
			w.fault("%s ended in %s, but %s", c.name, r.Reason, text)
		}
	}
}

// clientOf finds whom a record is about, once.
func (w *World) clientOf(r *record.Conn) *actor {
	for _, c := range w.actors {
		if c.client && (c.claims() == r.Client || c.addr == r.Client) {
			if c.recorded != nil {
				w.fault("%s is on record twice", c.name)
			}
			c.recorded = r
			return c
		}
	}
	return nil
}

func (w *World) checkActor(a *actor) {
	p := a.e.peer
	if p.file == nil {
		return // never accepted
	}
	if p.closedAt == 0 {
		w.fault("%s was never closed by the proxy", p.name)
		return
	}
	if a.mate == nil {
		return
	}
	if a.sawEnd && !a.e.unix && a.got > 0 && a.mate.sentEnd && a.client {
		w.cover.hit(LateHalf)
	}
	q := a.mate.e.peer
	if p.cutAt != 0 && q.closedAt > p.cutAt {
		w.checkCut(a, p, q)
	}
}

// checkCut judges what became of a's reset: it must show on the other side, in time, and behind the bytes before it.
func (w *World) checkCut(a *actor, p, q *end) {
	d := a.mate
	within := resetWithin
	since := max(p.cutAt, p.openedAt, q.openedAt) // nobody listens before
	if d.lastGot > since {
		within = resetWithinMoving
	}
	if took := q.closedAt - since; took > within {
		w.fault("the reset of %s took %v ms to reach %s", a.name, took/1e6, d.name)
	}
	if !d.e.unix && !d.e.dead && !d.e.orphan && !(d.e.finSeen && d.e.finSent) {
		w.fault("%s never saw that %s was cut", d.name, a.name)
	}
	if w.plan.pair || !d.brisk(q) {
		return
	}
	if before := a.came(); d.got < before {
		w.fault("%s got %d of the %d bytes that had come from %s before its reset", d.name, d.got, before, a.name)
	} else if before > 0 {
		w.cover.hit(LastWords)
	}
}

// came is how many bytes of the actor's stream can be read at the proxy's end.
func (a *actor) came() int {
	switch {
	case a.e.veil.garbled():
		return 0 // and what comes behind it
	case a.e.veil != nil:
		return a.e.delivered()
	}
	return a.e.delivered() - len(a.ahead)
}

// brisk reports whether the actor takes whatever comes without ever making the network wait for long.
func (a *actor) brisk(near *end) bool {
	s := &a.script
	return s.polite() && s.stallFor == 0 && s.pace <= 1e6 && s.readPiece >= 4096 && near.latency <= 1e6 &&
		near.outCap >= 1024 && near.outCap <= 4*a.e.inCap && !a.e.unix
}

// implausible says why a record cannot be true, or "".
func (w *World) implausible(r *record.Conn, c *actor) string {
	if len(c.intro.may) > 0 && c.mate != nil {
		return "its introduction was flawed, and it was let through"
	}
	if c.mate != nil && r.Attempts > 1 {
		w.cover.hit(Failover)
	}
	switch r.Reason {
	case record.ClientEnd, record.ServerEnd:
		return w.incomplete(r, c)
	case record.HelloTimeout, record.HelloBad, record.HandshakeTimeout, record.HandshakeBusy, record.HandshakeFailed, record.NotTLS,
		record.ClientTruncated, record.ClientViolation:
		if w.secure {
			return w.wrongTLS(r, c.bearing())
		}
	case record.Busy, record.ServerHandshake, record.ServerHandshakeTimeout, record.ServerTruncated, record.ServerViolation:
		if w.plan.back {
			return w.wrongServerTLS(r, c)
		}
	case record.ClientReset, record.ClientLost, record.ServerReset, record.ServerLost, record.ClientGone:
		return w.innocent(r, c)
	case record.TunnelIdle, record.HalfClosedIdle:
		return w.wasBusy(r, c)
	case record.FDExhausted:
		return unless(w.plan.shortage, "there were enough")
	case record.PerIPLimit:
		return unless(w.plan.maxPerIP > 0, "there was no limit")
	case record.NoServer, record.MarkedDown, record.QueueTimeout:
		return w.notThere(r.Reason, r.Total)
	case record.UpstreamFull, record.ConnectRefused, record.ConnectTimeout, record.ConnectUnreachable:
		return w.reachableAfterAll(r)
	}
	for _, may := range c.intro.may {
		if may == r.Reason {
			return ""
		}
	}
	return fmt.Sprintf("nothing it did explains that (allowed: %v)", c.intro.may)
}

// wasBusy says why a tunnel cannot have been idle: it was too young, or something was on its way to a reader who was
// willing.
func (w *World) wasBusy(r *record.Conn, c *actor) string {
	limit := timeoutTunnel
	if r.Reason == record.HalfClosedIdle {
		limit = timeoutHalf
	}
	if r.Total < limit {
		return fmt.Sprintf("after %v", r.Total)
	}
	if r.Reason == record.HalfClosedIdle && r.BytesDown == 0 {
		return "the answer had not begun, and might take its time"
	}
	if c.mate == nil {
		return ""
	}
	for _, a := range []*actor{c, c.mate} {
		if text := a.neglected(); text != "" {
			return text
		}
	}
	return ""
}

// neglected says what the proxy had for the actor and did not deliver, although it would have been taken.
func (a *actor) neglected() string {
	const moment = int64(time.Second)
	p := a.mate.e.peer
	closed := a.e.peer.closedAt
	if a.cut || a.stalled > closed-moment || a.sawEnd {
		return ""
	}
	had := a.mate.came()
	switch {
	case had > a.got && p.lastIn < closed-moment:
		return fmt.Sprintf("%s was ready for %d more bytes, which had come", a.name, had-a.got)
	case p.finAt != 0 && p.finAt < closed-moment && a.got == len(a.mate.mine.bytes):
		return fmt.Sprintf("%s was ready for the end, which had come", a.name)
	}
	return ""
}

// incomplete says what is missing of a tunnel that is said to have ended in order.
func (w *World) incomplete(r *record.Conn, c *actor) string {
	o := c.mate
	if o == nil {
		return unless(c.sentEnd && (r.BytesUp == 0 || w.anyLonelyCut()) && (r.BytesDown == 0 || c.cut), "it never ended, or bytes went nowhere")
	}
	if (o.e.unix && o.cut) || (c.e.unix && c.cut) {
		return "" // a cut that looks like an end
	}
	first := record.ClientEnd
	if c.script.ending == endsAfter {
		first = record.ServerEnd
	}
	switch {
	case !c.sentEnd:
		return "the client did not end"
	case !o.sentEnd:
		return "the server did not end"
	case !c.cut && c.got != len(o.mine.bytes), !o.cut && o.got != len(c.mine.bytes):
		return fmt.Sprintf("%d of %d and %d of %d bytes arrived", c.got, len(o.mine.bytes), o.got, len(c.mine.bytes))
	case r.BytesUp != uint64(len(c.mine.bytes)) || r.BytesDown != uint64(len(o.mine.bytes)):
		return fmt.Sprintf("the record says %d bytes up of %d and %d down of %d", r.BytesUp, len(c.mine.bytes), r.BytesDown, len(o.mine.bytes))
	case r.Reason != first && c.script.polite() && o.script.polite() && c.script.ending != o.script.ending:
		return "the other side ended first"
	}
	if c.got > 0 && o.got > 0 {
		w.cover.hit(Complete)
	}
	return ""
}

// anyLonelyCut looks for an origin that may have closed without reading what had come for it.
func (w *World) anyLonelyCut() bool {
	for _, o := range w.actors {
		if !o.client && o.mate == nil && o.cut {
			return true
		}
	}
	return false
}

// innocent says that nobody did what the record blames somebody for.
func (w *World) innocent(r *record.Conn, c *actor) string {
	switch r.Reason {
	case record.ClientGone:
		silent := len(c.mine.bytes) == 0 && c.sentEnd && (w.plan.hello || w.plan.proxyIn != proxyOff)
		return unless(c.cut || silent, "it did not go")
	case record.ClientReset:
		return unless(c.cut, "the client never reset")
	case record.ClientLost:
		return unless(c.cut && c.script.ending == vanishesFar, "the client is still there")
	}
	for _, o := range w.actors {
		far := o.script.ending == vanishesFar
		if !o.client && o.cut && (c.mate == nil || c.mate == o) && (far || r.Reason == record.ServerReset) {
			return ""
		}
	}
	return "the server did nothing of the kind"
}

// reachableAfterAll says that a server could have been reached.
func (w *World) reachableAfterAll(r *record.Conn) string {
	good, limited, tended := true, w.common().care.limited, w.common().care.tended
	for _, s := range w.servers {
		good = good && s.manner == accepts && !s.moody
	}
	for _, o := range w.actors {
		good = good && (o.client || !o.cut) // a reset right after the handshake is a refusal
	}
	switch {
	case r.Reason == record.UpstreamFull:
		return unless(limited, "no server has a limit")
	case good:
		return "every server accepts"
	case !limited && !tended && int(r.Attempts) != len(w.servers):
		return fmt.Sprintf("only %d of %d servers were tried", r.Attempts, len(w.servers))
	}
	return ""
}

// notThere says that there was a server, or room at one.
func (w *World) notThere(why record.Reason, after time.Duration) string {
	c := &w.common().care
	switch why {
	case record.NoServer:
		return unless(c.tended, "nothing was done to the servers")
	case record.MarkedDown:
		return unless(len(c.downs) > 0, "no server was down")
	}
	return unless(c.limited && w.plan.queue > 0 && after >= w.plan.patience, "there was room, or it was too soon (%v)", after)
}
