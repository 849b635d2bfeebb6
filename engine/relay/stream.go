package relay

// The tunnel proper: two flows between two connections.

import (
	"syscall"
	"time"

	"sluice/engine/flow"
	"sluice/engine/lease"
	"sluice/engine/proxyproto"
	"sluice/engine/record"
	"sluice/engine/sock"
	"sluice/engine/stat"
)

// Leased implements lease.Taker: bytes may move.
func (t *tunnel) Leased(c *sock.Conn, b *lease.Backend) {
	t.lease, t.back, t.backend = nil, c, b
	c.Own(t)
	t.set(relaying)
	t.rec.Connect = t.between()
	if u := t.intro.route.Upstream; u.Timed() {
		b.Observe(int64(t.rec.Connect) * int64(time.Microsecond))
	}
	l := t.relay.net.Loop
	t.up.Start(l, t.front, t.back, t)
	t.down.Start(l, t.back, t.front, t)
	// Queued after the flows were started, the header leaves together with the first bytes where there are any.
	t.present(b)
	t.dropIntro()
	l.Start(&t.timer, l.Now()+int64(min(probeAfter, t.relay.service.Timeouts.Tunnel)))
}

// present sends the PROXY header, where the upstream wants one and the lease has not sent it.
func (t *tunnel) present(to *lease.Backend) {
	if t.intro.route.Upstream.Proxy == 0 || to.Secure != nil {
		return
	}
	var room [proxyRoom]byte
	t.back.Queue(t.Introduce(room[:0]))
}

// Introduce implements lease.Introducer.
func (t *tunnel) Introduce(dst []byte) []byte {
	target := t.intro.target
	if !target.IsValid() {
		target = t.front.Local()
	}
	if t.intro.route.Upstream.Proxy == 1 {
		return proxyproto.AppendV1(dst, t.rec.Client, target)
	}
	return proxyproto.AppendV2(dst, t.rec.Client, target)
}

// explain notes what was wrong with TLS, on whichever side.
func (t *tunnel) explain(detail string) {
	if detail == "" {
		return
	}
	if t.rec.TLS == nil {
		t.rec.TLS = new(record.TLS)
	}
	t.rec.TLS.Detail = detail
}

// Broken implements sock.Owner: a connection has failed. What it had received may still be on its way to the other
// side, and gets there as long as that side takes it.
func (t *tunnel) Broken(c *sock.Conn, cause syscall.Errno) {
	switch t.state {
	case securing:
		t.relay.net.Loop.Stats().Inc(stat.TLSFailed)
		t.end(record.ClientGone, cause)
	case accepted, reading, greeting, leasing:
		t.end(record.ClientGone, cause)
	case relaying:
		out := &t.up
		t.verdict, t.cause = record.StreamReason(record.Front, cause), cause
		if c == t.back {
			out = &t.down
			t.verdict = record.StreamReason(record.Back, cause)
			t.explain(t.backend.Explain(c.TLSFailure()))
		} else if failure := c.TLSFailure(); failure != nil {
			t.explain(failure.Text)
		}
		if out.Closing() {
			t.end(t.verdict, cause)
			return
		}
		t.set(dying)
		now := t.relay.net.Loop.Now()
		t.dyingUntil, t.gained = now+int64(lastWordsTotal), now
		t.mark = t.pending(out)
		t.relay.net.Loop.Start(&t.timer, now+int64(lastWordsTick))
	}
}

// pending tells how far the last bytes of a dying tunnel have come: out of the flow, and off the kernel's hands.
func (t *tunnel) pending(out *flow.Flow) progress {
	to := t.back
	if out == &t.down {
		to = t.front
	}
	return progress{moved: out.Moved(), unsent: to.Unsent()}
}

// stillDying looks whether the last bytes make progress.
func (t *tunnel) stillDying() {
	now := t.relay.net.Loop.Now()
	if at := t.pending(t.lastFlow()); at != t.mark {
		t.mark, t.gained = at, now
	}
	if now-t.gained >= int64(lastWords) || now >= t.dyingUntil {
		t.gaveUp = true
		t.end(t.verdict, t.cause)
		return
	}
	t.relay.net.Loop.Start(&t.timer, now+int64(lastWordsTick))
}

// lastFlow is the one out of the broken connection.
func (t *tunnel) lastFlow() *flow.Flow {
	if t.verdict.Side() == record.Front {
		return &t.up
	}
	return &t.down
}

// Ended implements flow.Owner: one direction is over.
func (t *tunnel) Ended(f *flow.Flow, err error) {
	switch {
	case t.state == dying:
		t.lastEnded(f)
	case t.state != relaying:
	case err != nil:
		// A connection that fails is latched first, so Broken has been heard and the tunnel is dying by now.
		t.end(record.Internal, 0)
	case t.up.Over() && t.down.Over():
		t.finish()
	default:
		t.halfSince = t.relay.net.Loop.Now()
		t.clientEnd = f == &t.up
		t.watch()
	}
}

// lastEnded handles the end of a flow of a dying tunnel. The one into the broken connection ends first and changes
// nothing; when the one out of it ends, everything that connection had sent has been passed on.
func (t *tunnel) lastEnded(f *flow.Flow) {
	if f == t.lastFlow() {
		t.end(t.verdict, t.cause)
	}
}

// finish ends a tunnel whose sides have both ended.
func (t *tunnel) finish() {
	if t.clientEnd {
		t.end(record.ClientEnd, 0)
		return
	}
	t.end(record.ServerEnd, 0)
}

// watch ends a tunnel that has been silent for too long, or sets the time of the next look. Bytes only leave the
// time of the last one behind; nothing is done for them here.
func (t *tunnel) watch() {
	now := t.relay.net.Loop.Now()
	t.probe(now)
	answered := t.down.Moved() > 0
	if answered && !t.heard {
		t.heard = true
		t.backend.Succeeded()
	}
	limit, why := t.relay.service.Timeouts.Tunnel, record.TunnelIdle
	if t.halfSince != 0 && answered {
		limit, why = t.relay.service.Timeouts.HalfClosed, record.HalfClosedIdle
	}
	due := max(t.up.LastMove(), t.down.LastMove(), t.halfSince) + int64(limit)
	if now >= due {
		t.end(why, 0)
		return
	}
	if t.halfSince != 0 && !answered {
		// The answer may begin at any time, and the shorter limit with it.
		due = min(due, now+int64(t.relay.service.Timeouts.HalfClosed))
	}
	if !t.probed {
		due = min(due, t.phase+int64(probeAfter))
	}
	t.relay.net.Loop.Start(&t.timer, due)
}

// probe turns keepalive on towards the server once the tunnel has proven long.
func (t *tunnel) probe(now int64) {
	if !t.probed && now-t.phase >= int64(probeAfter) {
		t.probed = true
		t.back.KeepAlive()
	}
}
