package loop

// The production Poller: gnet's epoll loop, plus two descriptors of our own.
//
// gnet's Polling calls back once per descriptor and has no hook at the end of a batch, so the next turn is reached
// through an eventfd (written only when work was really deferred) and time through a timerfd (written only for a
// nearer deadline). Both are edge-triggered and never read: each write or expiry is a new edge.

import (
	"os"
	"time"

	gneterrors "github.com/panjf2000/gnet/v2/pkg/errors"
	"github.com/panjf2000/gnet/v2/pkg/netpoll"
	"github.com/panjf2000/gnet/v2/pkg/queue"
	"golang.org/x/sys/unix"
)

type epoll struct {
	poller *netpoll.Poller
	rouser int // eventfd
	timer  int // timerfd, CLOCK_MONOTONIC
	start  time.Time
	target Dispatcher
}

// one is what a write to an eventfd adds to its counter; the value does not matter, the edge does.
var one = []byte{1, 0, 0, 0, 0, 0, 0, 0}

// OpenEpoll returns the Poller of production.
func OpenEpoll() (Poller, error) {
	p := &epoll{rouser: -1, timer: -1, start: time.Now()}
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
	if p.rouser, err = unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC); err != nil {
		return os.NewSyscallError("eventfd", err)
	}
	p.timer, err = unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return os.NewSyscallError("timerfd_create", err)
	}
	for _, fd := range []int{p.rouser, p.timer} {
		if err = p.poller.AddRead(&netpoll.PollAttachment{FD: fd}, true); err != nil {
			return err
		}
	}
	return nil
}

func (p *epoll) Add(fd int) error {
	return p.poller.AddReadWrite(&netpoll.PollAttachment{FD: fd}, true)
}

func (p *epoll) AddListener(fd int) error {
	return p.poller.AddRead(&netpoll.PollAttachment{FD: fd}, false)
}

func (p *epoll) Delete(fd int) error { return p.poller.Delete(fd) }

// Wake uses gnet's own queue: it is the one door that is safe from other goroutines, and it already coalesces.
func (p *epoll) Wake() error { return p.poller.Trigger(queue.HighPriority, p.posted, nil) }

func (p *epoll) posted(any) error {
	p.target.Posted()
	return p.verdict()
}

func (p *epoll) Rouse() { _, _ = unix.Write(p.rouser, one) }

func (p *epoll) Arm(at int64) {
	// A zero it_value would disarm the timer; a moment in the past must fire at once.
	left := max(at-p.Now(), 1)
	spec := unix.ItimerSpec{Value: unix.NsecToTimespec(left)}
	_ = unix.TimerfdSettime(p.timer, 0, &spec, nil)
}

func (p *epoll) Now() int64 { return int64(time.Since(p.start)) }

func (p *epoll) Wall() int64 { return time.Now().UnixNano() }

func (p *epoll) Poll(d Dispatcher) error {
	p.target = d
	err := p.poller.Polling(p.event)
	if d.Stopped() {
		return nil
	}
	return err
}

// event returns an error only to end the loop: any other would be dropped by gnet together with nothing else, but
// the habit is worth keeping, because an edge that is not handled now is never reported again.
func (p *epoll) event(fd int, ev netpoll.IOEvent, _ netpoll.IOFlags) error {
	switch fd {
	case p.rouser:
		p.target.Turn()
	case p.timer:
		p.target.Tick()
	default:
		p.target.Event(fd, Events(ev))
	}
	return p.verdict()
}

func (p *epoll) verdict() error {
	if p.target.Stopped() {
		return gneterrors.ErrEngineShutdown
	}
	return nil
}

func (p *epoll) Close() error {
	for _, fd := range []int{p.rouser, p.timer} {
		if fd >= 0 {
			_ = unix.Close(fd)
		}
	}
	if p.poller == nil {
		return nil
	}
	return p.poller.Close()
}
