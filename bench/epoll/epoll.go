// Package epoll is the thinnest event loop that can drive a load generator and
// a stub origin: one epoll instance, non-blocking sockets, one goroutine.
//
// It makes raw system calls, which skip the Go scheduler's bookkeeping on entry
// and exit. That is sound only because these processes are single-purpose: one
// goroutine does all the work, nothing else waits for the processor, and the
// collector is off. Sockets are registered once, edge-triggered, for reading and
// writing, so a request costs one wait, one read and one write at most.
//
//	p, _ := epoll.New()
//	p.Add(fd, token)
//	for { events, _ := p.Wait(100); … }
package epoll

import (
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// maxEvents bounds a turn; 256 covers the 64 connections of a scenario four times.
const maxEvents = 256

// Token comes back with each event. Slot says whose event it is and Gen which
// life of that slot it belongs to: an event that was already in the batch when
// its socket was closed must not hit the newcomer in the same slot.
type Token struct {
	Slot int32
	Gen  int32
}

// Event is one readiness report.
type Event struct {
	Token
	// Readable includes end of stream and errors: reading tells which.
	Readable bool
	// Writable is also how a connect reports that it has finished.
	Writable bool
	// Ended says that the peer has sent its end of stream or a reset: a short read
	// does not mean "nothing more" then, since no further edge will follow.
	Ended bool
}

// Poller is one epoll instance. It belongs to one goroutine.
type Poller struct {
	fd    int
	raw   [maxEvents]unix.EpollEvent
	ready [maxEvents]Event
	// coarse says that the kernel waits by milliseconds only.
	coarse bool
}

// New opens an epoll instance; the error is the kernel's errno.
func New() (*Poller, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, err
	}
	return &Poller{fd: fd}, nil
}

// Close releases the epoll instance; the registered sockets stay open.
func (p *Poller) Close() error { return unix.Close(p.fd) }

// Add registers a socket once for both directions, edge-triggered. Closing the
// socket removes it.
func (p *Poller) Add(fd int, t Token) error {
	return p.add(fd, t, unix.EPOLLIN|unix.EPOLLOUT|unix.EPOLLRDHUP|unix.EPOLLET)
}

// AddLevel registers a descriptor for reading, level-triggered: listeners, and
// the pipe whose end tells that the parent is gone.
func (p *Poller) AddLevel(fd int, t Token) error {
	return p.add(fd, t, unix.EPOLLIN)
}

func (p *Poller) add(fd int, t Token, events uint32) error {
	e := unix.EpollEvent{Events: events, Fd: t.Slot, Pad: t.Gen}
	return unix.EpollCtl(p.fd, unix.EPOLL_CTL_ADD, fd, &e)
}

// Wait sleeps until something is ready or the milliseconds have passed. The
// events are valid until the next Wait. An interrupted wait is an empty one.
func (p *Poller) Wait(milliseconds int) ([]Event, error) {
	n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_WAIT, uintptr(p.fd),
		uintptr(unsafe.Pointer(&p.raw[0])), maxEvents, uintptr(milliseconds), 0, 0)
	return p.report(n, errno)
}

// WaitFor is Wait to the nanosecond, as far as timers of the machine are: for less
// than a millisecond. A kernel before 5.11 cannot and rounds up.
func (p *Poller) WaitFor(d time.Duration) ([]Event, error) {
	if p.coarse {
		return p.Wait(int((d + time.Millisecond - 1) / time.Millisecond))
	}
	ts := unix.NsecToTimespec(int64(d))
	n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT2, uintptr(p.fd),
		uintptr(unsafe.Pointer(&p.raw[0])), maxEvents, uintptr(unsafe.Pointer(&ts)), 0, 0)
	if errno == unix.ENOSYS {
		p.coarse = true
		return p.WaitFor(d)
	}
	return p.report(n, errno)
}

// report turns what the kernel said into events.
func (p *Poller) report(n uintptr, errno syscall.Errno) ([]Event, error) {
	if errno == unix.EINTR {
		return nil, nil
	}
	if errno != 0 {
		return nil, errno
	}
	const ended = unix.EPOLLRDHUP | unix.EPOLLHUP | unix.EPOLLERR
	for i := range p.raw[:n] {
		e := &p.raw[i]
		p.ready[i] = Event{
			Token:    Token{Slot: e.Fd, Gen: e.Pad},
			Readable: e.Events&(unix.EPOLLIN|ended) != 0,
			Writable: e.Events&unix.EPOLLOUT != 0,
			Ended:    e.Events&ended != 0,
		}
	}
	return p.ready[:n], nil
}

// Yield lets others run that are waiting for this core; at once if nobody is.
func Yield() { _, _, _ = unix.RawSyscall(unix.SYS_SCHED_YIELD, 0, 0, 0) }

// Read is read(2) into b, which must not be empty. The errno is 0 on success;
// n is 0 at the end of the stream.
func Read(fd int, b []byte) (n int, errno syscall.Errno) {
	return transfer(unix.SYS_READ, fd, b)
}

// Write is write(2) of b, which must not be empty. It may take less than all.
func Write(fd int, b []byte) (n int, errno syscall.Errno) {
	return transfer(unix.SYS_WRITE, fd, b)
}

func transfer(call uintptr, fd int, b []byte) (int, syscall.Errno) {
	for {
		n, _, errno := unix.RawSyscall(call, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)))
		if errno == 0 {
			return int(n), 0
		}
		if errno != unix.EINTR {
			return 0, errno
		}
	}
}
