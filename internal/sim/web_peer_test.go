package sim

// A peer is one far end of a connection that speaks HTTP: what clients and origins have in common. It sends what its part
// puts into its outbox, torn at any byte, collects what comes, and leaves as it was told to.

import (
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// part is who a peer is.
type part interface {
	// came is called when in has grown, ended when the other side's end was read: cut says by an error.
	came()
	ended(cut bool)
	// act may put something into out, or leave.
	act()
}

type peer struct {
	w     *World
	name  string
	part  part
	e     *end
	in    []byte // received and not read by the part
	out   []byte // to be sent
	raw   int    // of which so many bytes go before TLS
	sent  int
	got   int
	pace  time.Duration
	piece int // at most so many bytes are sent at once
	bite  int // or read

	pauseAt  int // stops sending behind so many bytes, for pauseFor
	pauseFor time.Duration
	stallAt  int // stops reading behind so many bytes, for stallFor
	stallFor time.Duration
	mute     int64 // until when it does not send
	deaf     int64 // until when it does not read

	cutAt    int    // leaves behind so many bytes, by
	shakeCut int    // or behind so many bytes of its handshake, if not 0
	cutHow   ending // one of quits, resets, vanishes, vanishesFar, and endsFirst for a FIN; endsAfter is never

	scheduled bool
	sentEnd   bool
	sawEnd    bool
	broken    bool // a call has failed
	cut       bool // it left without manners
	blunt     bool // it ended without close_notify
	over      bool
}

func (p *peer) begin(w *World, e *end, who part) {
	p.w, p.e, p.part = w, e, who
	p.pace = time.Duration(w.scale(10, 3000)) * time.Microsecond
	p.piece, p.bite = w.scale(1, 4096), w.scale(16, readMax)
	if w.plan.bulk || w.chance(40) {
		p.piece, p.bite = w.scale(2048, 64<<10), readMax
	}
	p.cutHow = endsAfter
	e.wake = p.later
	p.later()
}

// later plans the next step.
func (p *peer) later() {
	if p.scheduled || p.over {
		return
	}
	p.scheduled = true
	p.w.after(p.w.delay(p.pace)+1, p.step)
}

func (p *peer) step() {
	p.scheduled = false
	if p.over {
		return
	}
	p.e.tend(p.sent >= p.raw)
	busy := p.read()
	if !p.over {
		p.part.act()
	}
	if !p.over {
		busy = p.write() || busy
	}
	if !p.over {
		p.mayLeave()
	}
	if busy {
		p.later()
	}
}

// read reports whether there may be more.
func (p *peer) read() bool {
	w := p.w
	if p.sawEnd || w.now < p.deaf {
		return false
	}
	if p.stallFor > 0 && p.got >= p.stallAt {
		w.trace("%s stops reading for %v", p.name, p.stallFor)
		w.cover.hit(Stalled)
		p.deaf = w.now + int64(p.stallFor)
		w.after(int64(p.stallFor), p.later)
		p.stallFor = 0
		return false
	}
	n, err := p.e.hear(w.scratch[:p.bite])
	switch {
	case err == unix.EAGAIN:
		return false
	case err != 0 || n == 0:
		w.trace("%s sees the end: %s", p.name, errName(err))
		p.sawEnd = true
		p.part.ended(err != 0 || p.broken)
		if err != 0 || p.broken {
			p.finish()
		}
		return true
	}
	p.got += n
	p.in = append(p.in, w.scratch[:n]...)
	p.part.came()
	return true
}

// write reports whether there is more to send and room for it.
func (p *peer) write() bool {
	if p.broken || p.sentEnd || len(p.out) == 0 || p.w.now < p.mute {
		return false
	}
	n := p.w.between(1, min(p.piece, len(p.out)))
	if p.pauseFor > 0 {
		if p.sent >= p.pauseAt {
			p.w.trace("%s stops sending for %v", p.name, p.pauseFor)
			p.mute = p.w.now + int64(p.pauseFor)
			p.w.after(int64(p.pauseFor), p.later)
			p.pauseFor = 0
			return false
		}
		n = min(n, p.pauseAt-p.sent)
	}
	if p.cutHow != endsAfter {
		if n = min(n, p.cutAt-p.sent); n <= 0 {
			return false
		}
	}
	write := p.e.say
	if p.sent < p.raw {
		n, write = min(n, p.raw-p.sent), p.e.write
	}
	n, err := write(p.out[:n])
	switch {
	case err == unix.EAGAIN:
		return false
	case err != 0:
		p.failed(err)
		return true
	}
	p.sent += n
	p.out = p.out[n:]
	return true
}

// failed notes that nothing can be sent any more; what had come before may still be read.
func (p *peer) failed(err syscall.Errno) {
	p.w.trace("%s cannot send: %s", p.name, errName(err))
	p.broken = true
}

// mayLeave leaves when the time has come.
func (p *peer) mayLeave() {
	if v := p.e.veil; v != nil && p.shakeCut > 0 && !v.Over() && v.flown >= p.shakeCut {
		p.w.cover.hit(ShakeLeft)
		p.cutAt = p.sent
	}
	if p.sentEnd && p.sawEnd && p.e.flushed() {
		p.finish()
		return
	}
	if p.cutHow == endsAfter || p.sent < p.cutAt {
		return
	}
	how := p.cutHow
	p.cutHow = endsAfter
	p.leave(how)
}

// leave leaves, in one of the rude ways, or sends the end of the stream too early.
func (p *peer) leave(how ending) {
	p.w.trace("%s leaves behind %d bytes (way %d)", p.name, p.sent, how)
	p.cut = true
	switch how {
	case endsFirst:
		p.out = nil
		p.endBy(p.e.veil != nil && p.w.chance(50))
	case resets:
		p.e.hard = true
		p.finish()
	case quits:
		p.finish()
	default:
		p.vanish(how == vanishesFar)
	}
}

func (p *peer) vanish(far bool) {
	p.over = true
	p.w.cover.hit(Vanished)
	if near := p.e.peer; far && !p.e.unix {
		p.w.after(int64(20*time.Second), func() {
			p.e.dead = true
			near.cut(unix.ETIMEDOUT)
		})
	}
}

// end sends the end of the stream.
func (p *peer) end() { p.endBy(false) }

// endBy sends it, bluntly without close_notify.
func (p *peer) endBy(bluntly bool) {
	if !p.sentEnd && !p.over {
		p.w.trace("%s ends, bluntly %v", p.name, bluntly)
		if bluntly {
			p.w.cover.hit(Truncated)
			p.blunt = true
		}
		p.sentEnd = true
		p.e.bow(bluntly)
	}
	if p.sawEnd && p.e.flushed() {
		p.finish()
	}
}

// finish closes.
func (p *peer) finish() {
	if p.over {
		return
	}
	p.over, p.sentEnd = true, true
	if !p.e.orphan {
		p.e.close()
	}
}
