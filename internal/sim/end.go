package sim

// An end is one socket: the kernel's half of a connection, for the proxy's side and for the actors' alike.
//
// It keeps the rules of Linux that a proxy stumbles over: an error is given once, to whoever asks first, and what
// follows looks like a clean end; after a FIN a reset is an EPIPE that no read ever sees; a close with unread bytes,
// or bytes that meet a closed socket, make a reset; a reset destroys what was not acknowledged yet.

import (
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"sluice/engine/loop"
)

type end struct {
	w    *World
	name string
	peer *end
	unix bool

	in, out       queue // received and not read; written and not acknowledged
	inCap, outCap int
	moving        bool // a delivery is on the agenda
	connecting    bool
	finQueued     bool // our end of stream follows what is in out
	finSent       bool
	finSeen       bool // the peer's end of stream is behind what is in in
	rcvShut       bool
	sndShut       bool
	dead          bool // reset, or never connected
	orphan        bool // closed by its application
	hard          bool // SO_LINGER 0: close means reset
	noSpace       bool // a write found no room: the next room is an edge
	squeezed      bool // no room, whatever the caps say
	err           syscall.Errno
	urgent        int // bytes until the urgent mark, when marked
	marked        bool

	received, wrote uint64        // bytes that ever came in and were written
	cutAt           int64         // when a reset came, or 0
	openedAt        int64         // when its application had it, connected
	lastIn          int64         // when bytes came last
	finAt           int64         // when the end came, before it was closed
	closedAt        int64         // when its application closed it, or 0
	file            *file         // of the proxy's side
	veil            *veiled       // what an actor speaks through, or nil
	server          *server       // that was dialed, or nil
	requests        int           // that were begun on it
	wake            func()        // tells the application that something has changed
	written         func()        // tells whoever looks on that bytes are about to be written, or nil
	heard           func()        // likewise that bytes have come, or nil
	latency         time.Duration // at most
}

// connect makes two ends of one connection, open at once.
func (w *World) newPair(name string, isUnix bool) (near, far *end) {
	latency := time.Duration(w.scale(10, 20_000)) * time.Microsecond
	near = &end{w: w, name: name + ".near", unix: isUnix, latency: latency}
	far = &end{w: w, name: name + ".far", unix: isUnix, latency: latency}
	near.peer, far.peer = far, near
	for _, e := range []*end{near, far} {
		e.inCap, e.outCap = w.bufferSize(), w.bufferSize()
		e.wake = func() {}
	}
	return near, far
}

func (w *World) bufferSize() int {
	if w.plan.bulk {
		return w.scale(32<<10, 256<<10)
	}
	return w.scale(w.plan.bufferMin, 64<<10)
}

// room is how much a write is taken of.
func (e *end) room() int {
	if e.squeezed {
		return 0
	}
	if e.unix {
		return max(e.outCap-e.peer.in.len(), 0)
	}
	return max(e.outCap-e.out.len(), 0)
}

// writable is when the kernel reports room: not for every byte.
func (e *end) writable() bool { return e.room()*3 >= e.outCap }

// takeError gives the pending error, once.
func (e *end) takeError() syscall.Errno {
	err := e.err
	e.err = 0
	return err
}

func (e *end) write(p []byte) (int, syscall.Errno) {
	switch {
	case e.connecting:
		return 0, unix.EAGAIN
	case e.sndShut || e.dead || (e.err != 0 && !e.unix):
		if err := e.takeError(); err != 0 && !e.unix {
			return 0, err
		}
		return 0, unix.EPIPE
	}
	if e.written != nil {
		e.written()
	}
	e.tearWrite()
	n := min(len(p), e.room())
	if n < len(p) {
		e.noSpace = true
	}
	if n == 0 {
		return 0, unix.EAGAIN
	}
	e.wrote += uint64(n)
	if e.unix {
		e.peer.arrive(p[:n])
		return n, 0
	}
	e.out.push(p[:n])
	e.move()
	return n, 0
}

// tearWrite begins a time without memory: the write that comes is cut short, and an edge tells when it is over.
func (e *end) tearWrite() {
	if e.file == nil || e.squeezed || !e.w.chance(e.w.plan.tear) {
		return
	}
	e.w.cover.hit(EAGAINStorm)
	e.squeezed, e.noSpace = true, true
	e.w.after(e.w.delay(20*time.Millisecond)+1, func() {
		e.squeezed = false
		e.spaceFreed()
	})
}

// spaceFreed reports room to whoever found none.
func (e *end) spaceFreed() {
	if (e.noSpace || e.unix) && e.writable() {
		e.noSpace = false
		e.wake()
	}
}

// move plans the next delivery of what is written.
func (e *end) move() {
	if e.moving || e.dead || e.unix {
		return
	}
	e.moving = true
	e.w.after(e.w.delay(e.latency)+1, e.deliver)
}

func (e *end) deliver() {
	e.moving = false
	p := e.peer
	switch {
	case e.dead:
		return
	case p.dead:
		return // its reset is on the way
	case p.orphan && e.out.len() > 0:
		e.w.cover.hit(DataAfterClose)
		e.w.after(e.w.delay(e.latency), e.hearReset)
		p.dead = true
		p.out.clear()
		return
	}
	if n := min(e.out.len(), p.inCap-p.in.len()); n > 0 {
		if e.w.chance(50) {
			n = e.w.between(1, n)
		}
		p.arrive(e.out.peek(n))
		e.out.drop(n)
		e.spaceFreed()
	}
	if e.out.len() == 0 && e.finQueued && !e.finSent {
		e.finSent = true
		p.hearFIN()
	}
	if e.out.len() > 0 && p.in.len() < p.inCap {
		e.move()
	}
}

func (e *end) arrive(p []byte) {
	e.in.push(p)
	e.received += uint64(len(p))
	e.lastIn = e.w.now
	e.wake()
	if e.heard != nil {
		e.heard()
	}
}

func (e *end) hearFIN() {
	e.w.trace("%s: FIN arrives", e.name)
	e.finSeen, e.rcvShut = true, true
	if !e.orphan {
		e.finAt = e.w.now
	}
	e.wake()
}

// hearReset is a reset that arrives, or what the kernel makes of a peer that never answers.
func (e *end) hearReset() { e.cut(unix.ECONNRESET) }

func (e *end) cut(cause syscall.Errno) {
	if e.dead || (e.finSeen && e.finSent) {
		return // both halves were over: nobody is left to tell
	}
	e.w.trace("%s: %s arrives, %d bytes unread, %d unsent", e.name, errName(cause), e.in.len(), e.out.len())
	lost := e.out.len()
	e.dead = true
	e.out.clear()
	if e.orphan {
		return
	}
	e.cutAt = e.w.now
	if e.file != nil && lost > 0 {
		e.w.cover.hit(ResetWithUnsent)
	}
	e.err = cause
	if cause == unix.ECONNRESET && e.finSeen {
		e.err = unix.EPIPE
	}
	e.rcvShut, e.sndShut = true, true
	e.wake()
}

// stopsAtMark limits a read to what is before the urgent mark, and passes the mark when it is next.
func (e *end) stopsAtMark(n int) int {
	if !e.marked {
		return n
	}
	if e.urgent == 0 {
		e.marked = false
		return n
	}
	n = min(n, e.urgent)
	e.urgent -= n
	return n
}

// readable is how many bytes the next read may give of limit; an error or a count of 0 is the end.
func (e *end) readable(limit int) (int, syscall.Errno) {
	if n := min(limit, e.in.len()); n > 0 {
		if e.unix && e.w.chance(30) {
			n = e.w.between(1, n) // it stops where a write did
		}
		return e.stopsAtMark(n), 0
	}
	switch {
	case e.connecting:
		return 0, unix.EAGAIN
	case e.finSeen && !e.unix:
		return 0, 0
	case e.err != 0:
		return 0, e.takeError()
	case e.rcvShut:
		return 0, 0
	}
	return 0, unix.EAGAIN
}

// consumed is called after bytes were taken from in: the window is open again.
func (e *end) consumed() {
	if e.unix {
		e.peer.spaceFreed()
		return
	}
	e.peer.move()
}

func (e *end) read(p []byte) (int, syscall.Errno) {
	n, err := e.readable(len(p))
	if err != 0 || n == 0 {
		return 0, err
	}
	e.in.pop(p[:n])
	e.consumed()
	return n, 0
}

func (e *end) shutdownWrite() syscall.Errno {
	if e.dead || e.connecting {
		return unix.ENOTCONN
	}
	e.sndShut, e.finQueued = true, true
	if e.unix {
		e.finSent = true
		if !e.peer.finSeen {
			e.peer.hearFIN()
		}
		return 0
	}
	e.move()
	return 0
}

// close is close(2).
func (e *end) close() {
	e.orphan, e.noSpace = true, false
	e.closedAt = e.w.now
	switch {
	case e.unix:
		e.closeUnix()
	case e.dead:
	case e.in.len() > 0 || e.hard:
		e.abort()
	default:
		e.sndShut, e.finQueued = true, true
		e.move()
	}
	e.in.clear()
}

func (e *end) closeUnix() {
	p := e.peer
	e.dead, e.finSent = true, true
	if p.orphan {
		return
	}
	if e.in.len() > 0 {
		p.err = unix.ECONNRESET
	}
	p.finSeen, p.rcvShut, p.sndShut = true, true, true
	p.wake()
}

// abort sends a reset. What was not delivered is gone.
func (e *end) abort() {
	e.w.trace("%s: sends a reset, %d bytes unsent", e.name, e.out.len())
	e.dead = true
	e.out.clear()
	p := e.peer
	e.w.after(e.w.delay(e.latency)+1, p.hearReset)
}

// unsent is SIOCOUTQ: a FIN takes one number of the sequence.
func (e *end) unsent() int {
	if e.dead || e.unix {
		return 0
	}
	n := e.out.len()
	if e.finQueued && !e.finSent {
		n++
	}
	return n
}

// mask is what poll reports.
func (e *end) mask() (ev loop.Events) {
	if e.connecting {
		return 0
	}
	if e.err != 0 {
		ev |= loop.Failed
	}
	if e.dead || (e.rcvShut && e.sndShut) {
		ev |= loop.Hangup
	}
	if e.rcvShut {
		ev |= loop.Readable | loop.ReadShut
	}
	if e.in.len() > 0 {
		ev |= loop.Readable
	}
	if e.sndShut || e.writable() {
		ev |= loop.Writable
	} else {
		e.noSpace = true
	}
	if e.marked {
		ev |= loop.Urgent
	}
	return ev
}
