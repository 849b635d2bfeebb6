package sim

// Worlds with TLS: the same plays, whose clients come through a veil.

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"sluice/engine/record"
	"sluice/engine/stat"
)

func newSecureWorld(seed uint64, traced bool) *World {
	w := newWorld(seed, traced)
	w.secure, w.backs = true, true
	return w
}

func newSecureWebWorld(seed uint64, traced bool) *World {
	w := newWebWorld(seed, traced)
	w.secure = true
	return w
}

// bearing is how a client behaved, as far as TLS is concerned.
type bearing struct {
	veil  *veiled
	rude  bool // it left, or was told to, without manners
	slow  bool
	blunt bool
	may   []record.Reason
}

func (a *actor) bearing() bearing {
	return bearing{a.e.veil, a.cut, a.script.stallFor > 0 || a.script.pace > time.Millisecond, a.script.blunt || a.cut || a.sawErr != 0, a.intro.may}
}

func (c *client) bearing() bearing {
	return bearing{c.e.veil, c.cut || c.broken, c.slow || c.pace > time.Millisecond, c.blunt || c.over, nil}
}

// judgeTurned judges the record of a connection that never came to a request.
func (w *web) judgeTurned(r *record.Conn) {
	w.cover.reasons[r.Reason]++
	c := w.clientAt(r.Client)
	if c == nil {
		return // by the address of a connection that was not introduced
	}
	c.turned = true
	text := ""
	switch r.Reason {
	case record.PerIPLimit:
		text = unless(w.plan.maxPerIP > 0, "there was no limit")
	case record.FDExhausted:
		text = unless(w.plan.shortage, "there were enough")
	case record.ClientGone:
		text = unless(c.cut || c.broken || c.over, "the client stayed")
	case record.ProxyHeaderTimeout, record.ProxyHeaderBad, record.ProxyHeaderMissing:
	default:
		text = w.wrongTLS(r, c.bearing())
	}
	if text != "" {
		w.fault("%s was turned away for %s, but %s", c.name, r.Reason, text)
	}
}

// wrongTLS says why a connection cannot have ended so, or "".
func (w *World) wrongTLS(r *record.Conn, b bearing) string {
	for _, may := range b.may {
		if may == r.Reason {
			return ""
		}
	}
	tough := w.plan.late > 0 || w.plan.tear > 0 || w.plan.bufferMin < 1024 // it may take long, and be nobody's fault
	garbled := b.veil != nil && b.veil.garbleAt != -1
	switch r.Reason {
	case record.HelloTimeout:
		return unless(r.Total >= timeoutHello && (b.rude || b.slow || tough), "the client was in time (%v)", r.Total)
	case record.HandshakeTimeout:
		return unless(r.Total >= timeoutShake && (b.rude || b.slow || tough), "the client was in time (%v)", r.Total)
	case record.HandshakeBusy: // nobody to do it, or not in time
		return unless(w.plan.desk < 10 || w.plan.late > 0 && r.Total >= timeoutShake, "there was room (%v)", r.Total)
	case record.HelloBad:
		return unless(b.rude || garbled, "the hello was right")
	case record.ClientTruncated:
		return unless(b.blunt || garbled, "the client has said close_notify, or nothing")
	case record.ClientViolation:
		return unless(garbled, "the client kept to the rules")
	}
	return "nothing it did explains that"
}

// wrongServerTLS says why TLS with the servers cannot have ended so.
func (w *World) wrongServerTLS(r *record.Conn, c *actor) string {
	cut, blunt, garbled, slow := false, false, false, w.plan.late > 0 || w.plan.tear > 0 || w.plan.bufferMin < 1024
	for _, o := range w.actors {
		if o.client || c.mate != nil && c.mate != o {
			continue
		}
		cut = cut || o.cut
		blunt = blunt || o.script.blunt || o.cut || o.sawErr != 0
		garbled = garbled || o.e.veil.garbleAt != -1
		slow = slow || o.script.stallFor > 0 || o.script.pace > time.Millisecond || o.cut
	}
	switch r.Reason {
	case record.Busy:
		return unless(w.plan.desk < 10 || w.plan.late > 0, "there was room")
	case record.ServerHandshake:
		return unless(cut || garbled || w.plan.tear > 0 || w.plan.desk < 10, "every server was willing")
	case record.ServerHandshakeTimeout:
		return unless(slow, "every server was in time")
	case record.ServerTruncated:
		return unless(blunt || garbled, "the server has said close_notify, or nothing")
	}
	return unless(garbled, "the server kept to the rules")
}

// missingOfSecure names what happened less often than least in worlds with TLS.
func (c *Coverage) missingOfSecure(least int) (names []string) {
	for _, e := range []Event{ShortWrite, EAGAINStorm, HalfClose, NumberReused, KeysUpdated, Truncated, Garbled, ShakeLeft, Stalled, Vanished} {
		if c.events[e] < least {
			names = append(names, fmt.Sprintf("%s: %d", e, c.events[e]))
		}
	}
	for _, r := range secureReasons {
		if c.reasons[r] < least {
			names = append(names, fmt.Sprintf("connections that ended in %s: %d", r, c.reasons[r]))
		}
	}
	return names
}

// secureReasons are the endings that come with TLS.
var secureReasons = []record.Reason{
	record.HelloTimeout, record.HandshakeTimeout, record.HandshakeBusy, record.ClientTruncated, record.ClientViolation, record.ClientGone,
}

// TestNoCoroutineIsLeft plays worlds with TLS and counts the goroutines, of which coroutines are some.
func TestNoCoroutineIsLeft(t *testing.T) {
	before := runtime.NumGoroutine()
	shaken := uint64(0)
	for seed := range uint64(40) {
		for _, world := range []func(uint64, bool) *World{newSecureWorld, newSecureWebWorld} {
			w := world(seed+1, false)
			w.Run()
			shaken += w.stats.Get(stat.TLSFull) + w.stats.Get(stat.TLSResumed)
		}
	}
	if after := runtime.NumGoroutine(); after > before {
		t.Errorf("%d goroutines more than before", after-before)
	}
	if shaken == 0 {
		t.Error("no handshake was done")
	}
}
