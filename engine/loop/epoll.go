package loop

// The production Poller: gnet's epoll instance, with a wait of our own.
//
// gnet's Poller opens the instance and registers descriptors. Its Polling method is not used, because a proxy loses
// by it what epoll gives: it has no hook between two batches of events, so deferred work and timers would need
// descriptors and system calls of their own; and whenever nothing is ready it calls runtime.Gosched, which wakes a
// thread to look for work that does not exist (21 % of the processor time of a bulk transfer). Here a turn is
//
//	wait ─► events ─► Turn, if roused ─► Tick, if the armed moment has come ─► wait
//
// with the wait's timeout as the only timer and the clock read once per batch.

import (
	"errors"
	"os"
	"reflect"
	"syscall"
	"time"
	"unsafe"

	"github.com/panjf2000/gnet/v2/pkg/netpoll"
	"golang.org/x/sys/unix"
)

// batchMax is the number of events taken from the kernel at once. It bounds how long a turn may take and how stale
// its last event may be.
const batchMax = 256

type epoll struct {
	poller   *netpoll.Poller
	fd       int // of the epoll instance
	waker    int // eventfd; Wake writes it
	start    time.Time
	now      int64
	deadline int64 // when to Tick, or never
	roused   bool
	events   [batchMax]unix.EpollEvent
}

// one is what a write to an eventfd adds to its counter; the value does not matter, the edge does.
var one = []byte{1, 0, 0, 0, 0, 0, 0, 0}

// OpenEpoll returns the Poller of production.
func OpenEpoll() (Poller, error) {
	p := &epoll{waker: -1, start: time.Now(), deadline: never}
	if err := p.open(); err != nil {
		_ = p.Close()
		return nil, err
	}
	return p, nil
}

func (p *epoll) open() (err error) {
	if p.poller, err = netpoll.OpenPoller(); err != nil {
		return err
	}
	if p.fd, err = instance(p.poller); err != nil {
		return err
	}
	if p.waker, err = unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC); err != nil {
		return os.NewSyscallError("eventfd", err)
	}
	return p.poller.AddRead(&netpoll.PollAttachment{FD: p.waker}, true)
}

// instance finds the descriptor that gnet's poller keeps to itself. The library is pinned, and a test would notice.
func instance(p *netpoll.Poller) (int, error) {
	fd := reflect.ValueOf(p).Elem().FieldByName("fd")
	if fd.Kind() != reflect.Int {
		return -1, errors.New("loop: gnet's poller has no descriptor where this version of it has one")
	}
	return int(fd.Int()), nil
}

func (p *epoll) Add(fd int) error {
	return p.poller.AddReadWrite(&netpoll.PollAttachment{FD: fd}, true)
}

func (p *epoll) AddListener(fd int) error {
	return p.poller.AddRead(&netpoll.PollAttachment{FD: fd}, false)
}

func (p *epoll) Delete(fd int) error { return p.poller.Delete(fd) }

func (p *epoll) Wake() error {
	_, err := unix.Write(p.waker, one)
	if err == unix.EAGAIN {
		return nil // the counter is full: the loop has not seen the last 2^64 wake-ups yet
	}
	return os.NewSyscallError("write", err)
}

func (p *epoll) Rouse() { p.roused = true }

func (p *epoll) Arm(at int64) { p.deadline = at }

func (p *epoll) Now() int64 { return p.now }

func (p *epoll) Wall() int64 { return time.Now().UnixNano() }

func (p *epoll) Poll(d Dispatcher) error {
	for !d.Stopped() {
		n, err := p.wait()
		if err != 0 && err != unix.EINTR {
			return os.NewSyscallError("epoll_wait", err)
		}
		p.now = int64(time.Since(p.start))
		for i := 0; i < n && !d.Stopped(); i++ {
			p.dispatch(d, &p.events[i])
		}
		if p.roused {
			p.roused = false
			d.Turn()
		}
		if p.now >= p.deadline {
			p.deadline = never
			d.Tick()
		}
	}
	return nil
}

func (p *epoll) dispatch(d Dispatcher, ev *unix.EpollEvent) {
	if int(ev.Fd) == p.waker {
		d.Posted()
		return
	}
	d.Event(int(ev.Fd), Events(ev.Events))
}

// wait takes what is ready, or sleeps until something is or until the armed moment. Only a wait that may sleep tells
// the scheduler about it.
func (p *epoll) wait() (int, unix.Errno) {
	timeout := -1 // milliseconds
	switch {
	case p.roused:
		timeout = 0
	case p.deadline != never:
		left := p.deadline - int64(time.Since(p.start))
		timeout = int(max(0, min((left+999_999)/1_000_000, 1<<30)))
	}
	if timeout == 0 {
		n, _, err := syscall.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(p.fd), uintptr(unsafe.Pointer(&p.events)), batchMax, 0, 0, 0)
		return int(n), err
	}
	n, _, err := syscall.Syscall6(unix.SYS_EPOLL_PWAIT, uintptr(p.fd), uintptr(unsafe.Pointer(&p.events)), batchMax, uintptr(timeout), 0, 0)
	return int(n), err
}

func (p *epoll) Close() error {
	if p.waker >= 0 {
		_ = unix.Close(p.waker)
	}
	if p.poller == nil {
		return nil
	}
	return p.poller.Close()
}
