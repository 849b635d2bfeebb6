package loop

// The production poller, on real descriptors.

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sluice/engine/stat"
	"sluice/internal/assert"
)

// live is a loop that runs on a goroutine of its own.
type live struct {
	*Loop
	over chan struct{}
}

// running starts a loop on the real poller and ends it with the test.
func running(t *testing.T) *live {
	t.Helper()
	p, err := OpenEpoll()
	assert.NoError(t, err)
	l := &live{Loop: New(Config{Poller: p, Stats: new(stat.Block)}), over: make(chan struct{})}
	go func() {
		defer close(l.over)
		if err := l.Run(); err != nil {
			t.Error(err)
		}
	}()
	t.Cleanup(func() {
		l.Post(l.Stop)
		<-l.over
	})
	return l
}

// call runs fn on the loop and waits for it.
func (l *live) call(t *testing.T, fn func()) {
	t.Helper()
	done := make(chan struct{})
	l.Post(func() {
		fn()
		close(done)
	})
	select {
	case <-done:
	case <-l.over: // a fatal failure inside fn ended its goroutine
		t.Fatal("the loop has ended")
	}
}

// pair returns two connected non-blocking stream sockets.
func pair(t *testing.T) (a, b int) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	assert.NoError(t, err)
	t.Cleanup(func() { _ = unix.Close(fds[0]); _ = unix.Close(fds[1]) })
	return fds[0], fds[1]
}

// watch registers fd with a handler that sends its events away.
func (l *live) watch(t *testing.T, fd int) <-chan Events {
	t.Helper()
	events := make(chan Events, 64)
	l.call(t, func() {
		if err := l.Add(fd, &handler{ready: func(ev Events) { events <- ev }}); err != nil {
			t.Error(err)
		}
	})
	return events
}

// quiet fails if an event waits, after the poller has had the occasion to report it: two more rounds through it.
func (l *live) quiet(t *testing.T, events <-chan Events) {
	t.Helper()
	for range 2 {
		l.call(t, func() {})
	}
	select {
	case ev := <-events:
		t.Fatalf("an unexpected event: %x", ev)
	default:
	}
}

func write(t *testing.T, fd int, text string) {
	t.Helper()
	_, err := unix.Write(fd, []byte(text))
	assert.NoError(t, err)
}

func TestEpollReportsEdges(t *testing.T) {
	t.Parallel()
	l := running(t)
	a, b := pair(t)
	events := l.watch(t, a)
	assert.Equal(t, <-events, Writable)
	l.quiet(t, events)

	write(t, b, "x")
	assert.Equal(t, (<-events)&Readable, Readable)
	l.quiet(t, events) // nothing was read, and still it is not said again
	write(t, b, "y")
	assert.Equal(t, (<-events)&Readable, Readable) // new bytes are a new edge

	assert.NoError(t, unix.Shutdown(b, unix.SHUT_WR))
	assert.Equal(t, (<-events)&ReadShut, ReadShut)
	assert.NoError(t, unix.Shutdown(b, unix.SHUT_RD))
	assert.Equal(t, (<-events)&Hangup, Hangup)
}

func TestEpollDeleteEndsEvents(t *testing.T) {
	t.Parallel()
	l := running(t)
	a, b := pair(t)
	events := l.watch(t, a)
	<-events
	l.call(t, func() {
		if err := l.Remove(a); err != nil {
			t.Error(err)
		}
	})
	write(t, b, "x")
	l.quiet(t, events)
	l.call(t, func() {
		if err := l.Remove(a); err == nil {
			t.Error("removed twice without an error")
		}
	})
	assert.Equal(t, (<-l.watch(t, a))&Readable, Readable) // registered again, it reports what waits
}

func TestEpollListenersAreLevelTriggered(t *testing.T) {
	t.Parallel()
	l := running(t)
	a, b := pair(t)
	calls := make(chan int, 100)
	l.call(t, func() {
		n, buf := 0, make([]byte, 1)
		err := l.AddListener(a, &handler{ready: func(Events) {
			if n++; n <= 3 { // the bytes stay where they are
				calls <- n
				return
			}
			_, _ = unix.Read(a, buf)
			calls <- n
		}})
		if err != nil {
			t.Error(err)
		}
	})
	write(t, b, "xy") // one edge
	for want := 1; want <= 5; want++ {
		assert.Equal(t, <-calls, want)
	}
	l.call(t, func() {})
	assert.Equal(t, len(calls), 0)
}

func TestEpollRouseArrives(t *testing.T) {
	t.Parallel()
	l := running(t)
	turns := make(chan uint64, 100)
	left := 50
	var one *runner
	one = newRunner(func() {
		turns <- l.Stats().Get(stat.Turns)
		if left--; left > 0 {
			l.Later(&one.Task)
		}
	})
	l.call(t, func() { l.Later(&one.Task) })
	for want := uint64(1); want <= 50; want++ {
		assert.Equal(t, <-turns, want) // each in a turn of its own
	}
}

func TestEpollArm(t *testing.T) {
	t.Parallel()
	l := running(t)
	late := make(chan int64, 1)
	for _, ahead := range []int64{0, int64(time.Millisecond), 3 * tick, -int64(time.Hour)} {
		l.call(t, func() {
			deadline := l.Now() + ahead
			l.Start(&newExpirer(func() { late <- l.Now() - deadline }).Timer, deadline)
		})
		if by := <-late; by < 0 {
			t.Fatalf("came up %d ns early", -by)
		}
	}
	l.call(t, func() { l.poller.Arm(l.Now() - 1e12) }) // a moment that is over fires at once; nobody needs it
	l.call(t, func() { l.Start(&newExpirer(func() { late <- 0 }).Timer, l.Now()+tick) })
	<-late
}

func TestEpollClocks(t *testing.T) {
	t.Parallel()
	p, err := OpenEpoll()
	assert.NoError(t, err)
	a := p.Now()
	b := p.Now()
	assert.Equal(t, a >= 0 && b >= a, true)
	assert.Equal(t, time.Since(time.Unix(0, p.Wall())) < time.Minute, true)
	assert.NoError(t, p.Close())
}
