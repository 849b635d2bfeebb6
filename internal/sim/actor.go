package sim

// An actor is a client or an origin, played by the world: it follows its script on its own end of a connection, and
// checks every byte it receives.

import (
	"fmt"
	"net/netip"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"sluice/engine/proxyproto"
	"sluice/engine/record"
)

type actor struct {
	w      *World
	name   string
	client bool
	script script
	e      *end
	mine   *stream
	ahead  []byte // sent before the stream, and not passed on: a PROXY header
	addr   netip.AddrPort
	intro  intro

	sent, got int // bytes of streams
	aheadSent int
	unknown   []byte // received, and not recognised yet
	theirs    *stream
	mate      *actor
	headed    bool // the PROXY header has come

	scheduled bool
	stalled   int64 // until when it does not read
	stallDone bool

	sentEnd bool // our FIN, by shutdown or close
	sawEnd  bool
	sawErr  syscall.Errno
	cut     bool // we reset, vanished or quit
	over    bool
	lastGot int64

	recorded *record.Conn
}

func (w *World) newClient(i int) {
	a := &actor{w: w, name: fmt.Sprintf("client%d", i), client: true, headed: true, script: w.script(true)}
	a.addr = netip.AddrPortFrom(netip.AddrFrom4([4]byte{198, 51, 100, byte(1 + i/2)}), uint16(40000+i))
	e, ok := w.listener.connect(a.name, a.addr)
	if !ok {
		return
	}
	a.introduce(i)
	if a.intro.may != nil {
		e.veil = nil // it gets no further
	}
	a.mine = w.newStream(a, a.intro.hello, a.script.total)
	w.actors = append(w.actors, a)
	a.play(e)
}

func (w *World) newOrigin(e *end) {
	a := &actor{w: w, name: "origin of " + e.name, script: w.script(false), headed: w.plan.proxyOut == 0}
	if w.plan.back {
		w.office.veil(e, false)
	}
	a.mine = w.newStream(a, nil, a.script.total)
	w.actors = append(w.actors, a)
	a.play(e)
}

func (a *actor) play(e *end) {
	a.e = e
	a.w.trace("%s begins: %+v", a.name, a.script)
	e.wake = a.later
	a.later()
}

// later plans the next step.
func (a *actor) later() {
	if a.scheduled || a.over {
		return
	}
	a.scheduled = true
	a.w.after(a.w.delay(a.script.pace)+1, a.step)
}

func (a *actor) step() {
	a.scheduled = false
	if a.over {
		return
	}
	a.e.tend(a.aheadSent == len(a.ahead) && a.headed)
	busy := a.readSome()
	if !a.over {
		busy = a.sendSome() || busy
	}
	if !a.over && a.sawErr == 0 {
		a.leave()
	}
	if busy {
		a.later()
	}
}

// readSome reports whether there may be more.
func (a *actor) readSome() bool {
	w := a.w
	if a.sawEnd || w.now < a.stalled {
		return false
	}
	if s := &a.script; s.stallFor > 0 && !a.stallDone && a.got >= s.stallAt {
		a.stallDone = true
		a.stalled = w.now + int64(s.stallFor)
		w.cover.hit(Stalled)
		w.trace("%s stops reading for %v", a.name, s.stallFor)
		w.after(int64(s.stallFor), a.later)
		a.ambush()
		return false
	}
	room := w.scratch[:a.script.readPiece]
	n, err := a.e.hear(room)
	switch {
	case err == unix.EAGAIN:
		return false
	case err != 0:
		a.failed(err)
		return false
	case n == 0 && a.sawErr != 0:
		a.finish() // a write has met the reset already, and this is all that reads see of it
		return false
	case n == 0:
		a.sawEnd = true
		w.trace("%s sees the end", a.name)
		a.checkEnd()
		return true
	}
	a.lastGot = w.now
	a.take(room[:n])
	return true
}

// ambush has the other side reset the connection while this one stands still, now and then.
func (a *actor) ambush() {
	m := a.mate
	if m == nil || !a.w.chance(15) {
		return
	}
	a.w.after(a.w.delay(time.Duration(a.script.stallFor)), func() {
		if !m.over && !m.sentEnd {
			m.script.ending = resets
			m.reset()
		}
	})
}

// failed handles an error: the connection is gone.
func (a *actor) failed(err syscall.Errno) {
	a.w.trace("%s: %s", a.name, errName(err))
	a.sawErr = err
	a.finish()
}

func (a *actor) finish() {
	a.over = true
	if !a.e.orphan {
		a.e.close()
	}
}

// take checks what has come.
func (a *actor) take(b []byte) {
	if a.theirs == nil {
		a.unknown = append(a.unknown, b...)
		if !a.headed && (!a.takeHeader() || a.unveil()) {
			return
		}
		if len(a.unknown) == 0 || !a.meet() {
			return
		}
		b, a.unknown = a.unknown, nil
	}
	if !a.theirs.holds(a.got, b) {
		a.w.fault("%s received %d bytes at %d that %s did not send there", a.name, len(b), a.got, a.theirs.owner.name)
	}
	a.got += len(b)
	if a.got > a.theirs.owner.sent {
		a.w.fault("%s received %d bytes of %d that %s has sent", a.name, a.got, a.theirs.owner.sent, a.theirs.owner.name)
	}
}

// takeHeader removes the PROXY header that an origin expects.
func (a *actor) takeHeader() bool {
	h, n, status := proxyproto.Parse(a.unknown)
	switch status {
	case proxyproto.Partial:
		return false
	case proxyproto.Complete:
	default:
		a.w.fault("%s received no PROXY header but %q", a.name, a.unknown[:min(len(a.unknown), 20)])
		return false
	}
	a.unknown = a.unknown[n:]
	a.headed = true
	a.w.cover.hit(ProxySent)
	if !h.Source.IsValid() {
		return true // a client of a unix socket that claims nothing
	}
	if c := a.w.claimant(h.Source); c != nil {
		if a.e.veil == nil { // else the handshake may fail, and another server take its place
			a.join(c)
		}
	} else {
		a.w.fault("%s received a PROXY header for %v, who is no client", a.name, h.Source)
	}
	return true
}

// claimant is the client that says it is at addr.
func (w *World) claimant(addr netip.AddrPort) *actor {
	for _, c := range w.actors {
		if c.client && c.claims() == addr {
			return c
		}
	}
	return nil
}

// meet recognises the other side.
func (a *actor) meet() bool {
	s, known := a.w.recognise(a.unknown)
	switch {
	case !known:
		return false
	case s == nil || s.owner.client == a.client:
		a.w.fault("%s received bytes that nobody sent: %x", a.name, a.unknown[:min(len(a.unknown), 20)])
		return false
	}
	a.theirs = s
	a.join(s.owner)
	return true
}

// join makes two actors the ends of one tunnel.
func (a *actor) join(b *actor) {
	if (a.mate != nil && a.mate != b) || (b.mate != nil && b.mate != a) {
		a.w.fault("%s and %s are joined, but they have partners: %s and %s", a.name, b.name, a.mate.title(), b.mate.title())
	}
	a.mate, b.mate = b, a
}

func (a *actor) title() string {
	if a == nil {
		return "none"
	}
	return a.name
}

// signature is the length of the longer of the two that make a PROXY header.
const signature = 12

// sendSome reports whether there is more to send and room for it.
func (a *actor) sendSome() bool {
	if a.sentEnd || a.sawErr != 0 || !a.mayOpen() {
		return false
	}
	a.sendUrgent()
	rest := a.ahead[a.aheadSent:]
	limit := a.intro.piece
	if len(rest) == 0 {
		rest, limit = a.mine.bytes[a.sent:], a.script.piece
		if a.sent < a.intro.size {
			limit = a.intro.piece
		}
	}
	if len(rest) == 0 {
		return false
	}
	piece := a.w.between(1, max(limit, 1))
	if a.w.plan.proxyIn == proxyAccept && a.aheadSent == 0 && len(a.ahead) > 0 {
		piece = max(piece, signature) // whoever stands still before it is whole has sent something else than a header
	}
	write := a.e.say
	if a.aheadSent < len(a.ahead) {
		write = a.e.write
	}
	n, err := write(rest[:min(len(rest), piece)])
	switch {
	case err == unix.EAGAIN:
		return false
	case err != 0:
		a.w.trace("%s cannot send: %s", a.name, errName(err))
		a.sawErr = err
		return true // what had come before may still be read
	case a.aheadSent < len(a.ahead):
		a.aheadSent += n
	default:
		a.sent += n
	}
	return true
}

// sendUrgent marks a place behind which a byte out of band was sent; the byte itself is not part of the stream.
func (a *actor) sendUrgent() {
	p := a.e.peer
	if !a.script.urgent || a.e.unix || p.marked || p.orphan || p.dead || a.e.out.len() > 0 || a.sent < a.intro.size+1 {
		return
	}
	a.script.urgent = false
	a.w.cover.hit(UrgentData)
	p.marked, p.urgent = true, p.in.len()
	p.wake()
}

// mayOpen reports whether the actor may send yet.
func (a *actor) mayOpen() bool {
	switch a.script.opening {
	case onRequest:
		return a.got >= a.script.request || a.sawEnd
	case onEnd:
		return a.sawEnd
	}
	return true
}

// done reports whether everything is sent.
func (a *actor) done() bool {
	return a.sent == len(a.mine.bytes) && a.aheadSent == len(a.ahead) && (a.e.veil == nil || a.e.veil.begun)
}

// leave ends the actor's part, in the way of its script.
func (a *actor) leave() {
	w := a.w
	if a.leavesShake() {
		return
	}
	switch s := &a.script; s.ending {
	case endsBluntly:
	case endsFirst, endsAfter:
		if a.done() && !a.sentEnd && (a.sawEnd || s.ending == endsFirst) {
			w.trace("%s ends", a.name)
			a.sentEnd, a.cut = !s.blunt, s.blunt || a.cut
			a.e.bow(s.blunt)
			if s.blunt {
				w.cover.hit(Truncated)
				s.ending = endsBluntly
			}
		}
		if a.sentEnd && a.sawEnd && a.e.flushed() {
			a.finish()
		}
	case quits:
		if a.done() {
			w.trace("%s quits", a.name)
			a.e.bow(s.blunt)
			a.sentEnd, a.cut = a.e.veil == nil || !s.blunt && a.e.flushed(), true
			a.finish()
		}
	case resets:
		if a.sent+a.got >= s.cutAt {
			a.reset()
		}
	default:
		if a.sent+a.got >= s.cutAt && a.sent >= min(len(a.mine.bytes), max(a.intro.size, 1)) && a.aheadSent == len(a.ahead) {
			a.vanish()
		}
	}
}

func (a *actor) reset() {
	w := a.w
	w.trace("%s resets", a.name)
	a.cut, a.e.hard = true, true
	if q := a.mateEnd(); q != nil && q.out.len() > 0 && a.mate.stalled > w.now {
		w.cover.hit(ResetWhileStalled)
	}
	a.finish()
}

func (a *actor) vanish() {
	a.w.trace("%s vanishes", a.name)
	a.cut, a.over = true, true
	a.w.cover.hit(Vanished)
	if near := a.e.peer; a.script.ending == vanishesFar && !a.e.unix {
		a.w.after(int64(20*time.Second), func() {
			a.e.dead = true
			near.cut(unix.ETIMEDOUT)
		})
	}
}
