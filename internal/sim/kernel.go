package sim

// The kernel's table of descriptors, and sock.Sys on top of it.
//
// Numbers are given out lowest first, as everywhere in Unix: a descriptor that is closed too early is soon somebody
// else's, and its owner's mistakes with it. A call on a number that is not open, or not a socket, is a fault.

import (
	"net/netip"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"

	"sluice/engine/sock"
)

// firstFD is the lowest number the world gives out: the standard streams are taken.
const firstFD = 3

// file is what a descriptor refers to: one of the pointers is set.
type file struct {
	fd         int
	socket     *end
	listener   *listener
	pipe       *pipe
	registered bool // with the poller
	ready      bool // in the poller's list
	level      bool // level-triggered
}

type files struct {
	w     *World
	table []*file
	short bool // descriptors have run out, for a while
}

func (f *files) init(w *World) { f.w, f.table = w, make([]*file, firstFD, 64) }

// open gives a file the lowest free number.
func (f *files) open(x *file) int {
	for fd := firstFD; fd < len(f.table); fd++ {
		if f.table[fd] == nil {
			f.w.cover.hit(NumberReused)
			x.fd = fd
			f.table[fd] = x
			return fd
		}
	}
	x.fd = len(f.table)
	f.table = append(f.table, x)
	return x.fd
}

// get finds an open file; it is a fault to ask for another.
func (f *files) get(fd int, call string) *file {
	if fd < 0 || fd >= len(f.table) || f.table[fd] == nil {
		f.w.fault("%s of descriptor %d, which is not open", call, fd)
		return nil
	}
	return f.table[fd]
}

// socket finds an open socket.
func (f *files) socket(fd int, call string) *end {
	x := f.get(fd, call)
	if x == nil {
		return nil
	}
	if x.socket == nil {
		f.w.fault("%s of descriptor %d, which is no socket", call, fd)
	}
	return x.socket
}

// release frees the number.
func (f *files) release(x *file) {
	f.table[x.fd] = nil
	x.registered = false
}

// count is how many descriptors are open.
func (f *files) count() (n int) {
	for _, x := range f.table {
		if x != nil {
			n++
		}
	}
	return n
}

// newFile opens a descriptor for the proxy's side of a connection.
func (w *World) newFile(e *end) int {
	e.file = &file{socket: e}
	e.openedAt = w.now
	e.wake = func() { w.poller.wakeFile(e.file) }
	return w.files.open(e.file)
}

var _ sock.Sys = (*World)(nil)

// Accept implements sock.Sys.
func (w *World) Accept(fd int) (int, netip.AddrPort, syscall.Errno) {
	x := w.files.get(fd, "accept")
	if x == nil || x.listener == nil {
		return -1, netip.AddrPort{}, unix.EBADF
	}
	e, peer, err := x.listener.accept()
	if err != 0 {
		w.trace("accept: %s", errName(err))
		return -1, netip.AddrPort{}, err
	}
	w.progress = true
	conn := w.newFile(e)
	w.trace("accept: fd %d is %s", conn, e.name)
	return conn, peer, 0
}

// NoDelay implements sock.Sys. Nothing here waits for acknowledgements.
func (w *World) NoDelay(fd int) { w.files.socket(fd, "setsockopt") }

// QuickAck implements sock.Sys. Nor does anything here.
func (w *World) QuickAck(int) {}

// Dial implements sock.Sys.
func (w *World) Dial(to *sock.Addr) (int, syscall.Errno) {
	w.progress = true
	if w.files.short {
		w.cover.hit(DialEMFILE)
		return -1, unix.EMFILE
	}
	s := w.server(to)
	if s == nil {
		w.fault("dial to %v, which nobody configured", *to)
		return -1, unix.ENETUNREACH
	}
	fd, err := s.dial()
	w.trace("dial %s: fd %d, %s", s.name, fd, errName(err))
	return fd, err
}

// Read implements sock.Sys.
func (w *World) Read(fd int, p []byte) (int, syscall.Errno) {
	e := w.files.socket(fd, "read")
	if e == nil {
		return 0, unix.EBADF
	}
	n, err := e.read(p)
	err = w.plant.failure(err)
	w.learnt(err)
	w.trace("read %s: %d of %d, %s", e.name, n, len(p), errName(err))
	return n, err
}

// learnt notes progress: every answer but "not now" is news.
func (w *World) learnt(err syscall.Errno) {
	if err != unix.EAGAIN {
		w.progress = true
	}
}

// Write implements sock.Sys.
func (w *World) Write(fd int, p []byte) (int, syscall.Errno) {
	e := w.files.socket(fd, "write")
	if e == nil {
		return 0, unix.EBADF
	}
	q, swallowed := w.plant.write(p)
	n, err := e.write(q)
	if err == 0 {
		n += swallowed
	}
	w.learnt(err)
	if err == 0 && n < len(p) {
		w.cover.hit(ShortWrite)
	}
	w.trace("write %s: %d of %d, %s", e.name, n, len(p), errName(err))
	return n, err
}

// WriteParts implements sock.Sys.
func (w *World) WriteParts(fd int, p *sock.Parts) (int, syscall.Errno) {
	w.cover.hit(TwoParts)
	return w.Write(fd, slices.Concat(p[0], p[1], p[2]))
}

// ShutdownWrite implements sock.Sys.
func (w *World) ShutdownWrite(fd int) syscall.Errno {
	e := w.files.socket(fd, "shutdown")
	if e == nil {
		return unix.EBADF
	}
	w.progress = true
	w.trace("shutdown %s", e.name)
	w.cover.hit(HalfClose)
	return e.shutdownWrite()
}

// Close implements sock.Sys.
func (w *World) Close(fd int) {
	x := w.files.get(fd, "close")
	if x == nil || w.plant.leak() {
		return
	}
	w.progress = true
	switch {
	case x.listener != nil:
		x.listener.close()
	case x.socket != nil:
		w.trace("close %s, fd %d, reset %v", x.socket.name, fd, x.socket.hard)
		x.socket.close()
	default:
		w.fault("close of descriptor %d, which is a pipe's", fd)
		return
	}
	w.files.release(x)
}

// ResetOnClose implements sock.Sys.
func (w *World) ResetOnClose(fd int) {
	if e := w.files.socket(fd, "setsockopt"); e != nil {
		e.hard = !e.unix && w.plant.kind != plantGentle
	}
}

// Failure implements sock.Sys.
func (w *World) Failure(fd int) syscall.Errno {
	e := w.files.socket(fd, "getsockopt")
	if e == nil {
		return unix.EBADF
	}
	err := w.plant.failure(e.takeError())
	w.learnt(err)
	w.trace("error of %s: %s", e.name, errName(err))
	return err
}

// Unsent implements sock.Sys.
func (w *World) Unsent(fd int) int {
	e := w.files.socket(fd, "ioctl")
	if e == nil {
		return 0
	}
	n := e.unsent()
	if n > 0 {
		w.cover.hit(Lingered)
	}
	return n
}

// Local implements sock.Sys.
func (w *World) Local(fd int) netip.AddrPort {
	if e := w.files.socket(fd, "getsockname"); e == nil || e.unix {
		return netip.AddrPort{}
	}
	return listenAt
}

// KeepAlive implements sock.Sys.
func (w *World) KeepAlive(fd int) {
	w.files.socket(fd, "setsockopt")
	w.cover.hit(Probed)
}
