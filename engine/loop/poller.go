package loop

import "golang.org/x/sys/unix"

// Events is a set of readiness hints for one descriptor, in epoll's own bits. Hints may be stale, merged or
// repeated; only a system call on the descriptor tells the truth.
type Events uint32

// The hints a Poller may report.
const (
	Readable Events = unix.EPOLLIN
	Urgent   Events = unix.EPOLLPRI
	Writable Events = unix.EPOLLOUT
	Failed   Events = unix.EPOLLERR
	Hangup   Events = unix.EPOLLHUP
	ReadShut Events = unix.EPOLLRDHUP
)

// Poller is the seam between a Loop and the kernel: gnet's epoll in production, a simulated world in tests.
//
// All methods but Wake are called on the loop's own goroutine. A Poller never calls its Dispatcher from inside one
// of its own methods except Poll.
type Poller interface {
	// Add registers fd once, edge-triggered, for everything that can happen to it; there is no Modify.
	Add(fd int) error
	// AddListener registers a listening fd level-triggered: a queue that is not emptied is reported again, so
	// neither a bounded accept batch nor a pause can lose an edge.
	AddListener(fd int) error
	// Delete unregisters fd. Closing an fd that nothing else refers to does the same.
	Delete(fd int) error
	// Wake makes Poll call Dispatcher.Posted soon. It may be called from any goroutine.
	Wake() error
	// Rouse makes Poll call Dispatcher.Turn between two batches of events: when every event of the present one has been
	// handed over, and before the next is taken. Poll does not sleep in between.
	Rouse()
	// Arm makes Poll call Dispatcher.Tick, also between two batches, at or after the moment at (Now's scale,
	// nanoseconds), replacing what was armed before.
	Arm(at int64)
	// Now returns nanoseconds on a monotonic clock.
	Now() int64
	// Wall returns nanoseconds since 1970 UTC.
	Wall() int64
	// Poll waits for events and hands them to d until d.Stopped reports true or the poller breaks.
	Poll(d Dispatcher) error
	// Close releases the poller's own descriptors, after Poll has returned.
	Close() error
}

// Dispatcher is what a Poller drives: the Loop.
type Dispatcher interface {
	// Event hands over hints for one registered descriptor.
	Event(fd int, ev Events)
	// Turn answers Rouse.
	Turn()
	// Tick answers Arm.
	Tick()
	// Posted answers Wake.
	Posted()
	// Stopped is asked after each of the above; true ends Poll.
	Stopped() bool
}
