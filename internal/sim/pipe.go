package sim

// Pipes, and splice. A pipe holds a number of slots, not of bytes: a splice from a socket takes as many pieces as
// there are slots, of whatever size the network made them, and stops there although bytes are left.

import (
	"syscall"

	"golang.org/x/sys/unix"

	"sluice/pool"
)

const pipeSlots = 16

type pipe struct {
	queue
	r, w *file
}

var _ pool.Opener = (*World)(nil)

// Pipe2 implements pool.Opener.
func (w *World) Pipe2(int) (int, int, error) {
	if w.files.short {
		return -1, -1, unix.EMFILE
	}
	p := &pipe{}
	p.r, p.w = &file{pipe: p}, &file{pipe: p}
	return w.files.open(p.r), w.files.open(p.w), nil
}

// ClosePipe implements pool.Opener.
func (w *World) ClosePipe(r, wr int) {
	for _, fd := range []int{r, wr} {
		if x := w.files.get(fd, "close"); x != nil {
			if x.pipe == nil {
				w.fault("close of descriptor %d as a pipe, which it is not", fd)
			}
			w.files.release(x)
		}
	}
}

// splice finds the two sides of a splice.
func (w *World) splice(socket, through int) (*end, *pipe) {
	e := w.files.socket(socket, "splice")
	x := w.files.get(through, "splice")
	if e == nil || x == nil {
		return nil, nil
	}
	if x.pipe == nil {
		w.fault("splice through descriptor %d, which is no pipe", through)
	}
	return e, x.pipe
}

// SpliceIn implements sock.Sys.
func (w *World) SpliceIn(fd, into, n int) (int, syscall.Errno) {
	e, p := w.splice(fd, into)
	if e == nil || p == nil {
		return 0, unix.EBADF
	}
	if p.len() > 0 {
		w.fault("splice into a pipe that is not empty: its EAGAIN would prove nothing")
	}
	n, err := e.readable(min(n, pipeSlots*w.between(512, 4096)))
	w.learnt(err)
	if err == 0 && n > 0 {
		w.cover.hit(Spliced)
		if n < e.in.len() {
			w.cover.hit(SpliceStopped)
		}
		p.push(e.in.peek(n))
		e.in.drop(n)
		e.consumed()
	}
	w.trace("splice in %s: %d, %s", e.name, n, errName(err))
	return n, err
}

// SpliceOut implements sock.Sys.
func (w *World) SpliceOut(from, fd, n int) (int, syscall.Errno) {
	e, p := w.splice(fd, from)
	if e == nil || p == nil {
		return 0, unix.EBADF
	}
	if n != p.len() {
		w.fault("splice out of %d bytes from a pipe that holds %d", n, p.len())
		n = min(n, p.len())
	}
	if n > 1 && w.chance(20) {
		n = w.between(1, n) // it ends at a slot, although there is room
	}
	n, err := e.write(p.peek(n))
	w.learnt(err)
	if err == 0 {
		p.drop(n)
	}
	w.trace("splice out %s: %d, %s", e.name, n, errName(err))
	return n, err
}
