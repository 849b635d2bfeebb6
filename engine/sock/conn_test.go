package sock

import (
	"errors"
	"io"
	"net/netip"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"sluice/engine/flow"
	"sluice/engine/loop"
	"sluice/internal/assert"
)

func TestConnStateTableIsExhaustive(t *testing.T) {
	t.Parallel()
	assert.Moves(t, "sock", [][]connState{
		free:       {connecting},
		connecting: {open, closing},
		open:       {closing},
		closing:    {free},
	}, func(from connState) (func(connState), *connState) {
		c := &Conn{state: from}
		return c.set, &c.state
	})
}

// Each family: addresses, bytes in both directions, half-close in both directions.
func TestConversation(t *testing.T) {
	t.Parallel()
	for _, network := range []string{"tcp4", "tcp6", "unix"} {
		t.Run(network, func(t *testing.T) {
			w, s, o := newWorld(t, Kernel{}), serve(t, network), newOwner()
			c, p := w.dial(s, o)
			w.call(func() {
				assert.Equal(t, c.Peer(), s.addr.Addr)
				if network != "unix" {
					assert.Equal(t, c.Local().String(), p.RemoteAddr().String())
				} else {
					assert.Equal(t, c.Local(), netip.AddrPort{})
				}
				c.KeepAlive()
			})
			k, _ := w.collect(c, o)
			send(t, p, "question")
			assert.NoError(t, p.CloseWrite()) // the client ends first and then reads the whole answer
			assert.NoError(t, <-o.ended)
			w.call(func() { assert.Equal(t, string(k.got), "question") })
			assert.Equal(t, k.ends, 1)

			w.feed(c, &text{chunks: []string{"answer, ", "in two"}}, o)
			receive(t, p, "answer, in two")
			assert.NoError(t, <-o.ended)
			w.close(c)
			receiveEnd(t, p)
		})
	}
}

func TestServerEndsFirst(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Kernel{})
	c, p, o := w.connect()
	k, _ := w.collect(c, o)
	w.feed(c, &text{chunks: []string{"bye"}}, o)
	receive(t, p, "bye")
	receiveEnd(t, p) // a half-close: the other direction goes on
	assert.NoError(t, <-o.ended)
	send(t, p, "still here")
	assert.NoError(t, p.Close())
	assert.NoError(t, <-o.ended)
	w.call(func() { assert.Equal(t, string(k.got), "still here") })
	w.close(c)
}

func TestAFailedDialIsToldOnce(t *testing.T) {
	t.Parallel()
	w, s, o := newWorld(t, Kernel{}), serve(t, "tcp4"), newOwner()
	assert.NoError(t, s.Close())
	var c *Conn
	w.call(func() {
		var errno syscall.Errno
		c, errno = w.net.Dial(&s.addr, o)
		assert.Equal(t, errno, 0)
		assert.Equal(t, len(o.broken), 0) // not from inside Dial
	})
	assert.Equal(t, <-o.broken, unix.ECONNREFUSED)
	w.call(func() { assert.Equal(t, c.Cause(), unix.ECONNREFUSED) })
	w.call(c.Reset)
	w.until(func() bool { return w.net.Open() == 0 })
	assert.Equal(t, len(o.broken)+len(o.connected), 0)
}

func TestDialErrorsThatShowAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Kernel{})
	dead := serve(t, "unix")
	assert.NoError(t, unix.Mknod(dead.addr.Path+"2", unix.S_IFSOCK|0o600, 0)) // a socket that nobody listens on
	for want, to := range map[syscall.Errno]Addr{
		unix.ENOENT:       {Path: t.TempDir() + "/nobody"},
		unix.ECONNREFUSED: {Path: dead.addr.Path + "2"},
		unix.EINVAL:       {Path: strings.Repeat("x", 200)},
	} {
		w.call(func() {
			c, errno := w.net.Dial(&to, newOwner())
			assert.Equal(t, errno, want)
			assert.Equal(t, c == nil, true)
		})
	}
	w.call(func() {
		_, errno := w.net.Dial(&Addr{}, newOwner())
		assert.Equal(t, errno, unix.EINVAL)
		assert.Equal(t, w.net.Open(), 0)
	})
}

func TestCloseWhileConnecting(t *testing.T) {
	t.Parallel()
	w, s, o := newWorld(t, Kernel{}), serve(t, "tcp4"), newOwner()
	for _, end := range []func(*Conn){(*Conn).Close, (*Conn).Reset} {
		w.call(func() {
			c, errno := w.net.Dial(&s.addr, o)
			assert.Equal(t, errno, 0)
			end(c)
		})
		w.until(func() bool { return w.net.Open() == 0 })
	}
	assert.Equal(t, len(o.broken)+len(o.connected), 0)
}

// After a reset the kernel gives its error once; whoever comes later reads a clean end. The connection remembers.
func TestAResetIsNeverACleanEnd(t *testing.T) {
	t.Parallel()
	t.Run("consumed by the poller's error event", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, Kernel{})
		c, p, o := w.connect()
		reset(t, p)
		assert.Equal(t, <-o.broken, unix.ECONNRESET) // although nobody was reading
		k, _ := w.collect(c, o)
		assert.Equal(t, <-o.ended, error(unix.ECONNRESET))
		w.call(func() { assert.Equal(t, k.abort, error(unix.ECONNRESET)) })
		assert.Equal(t, k.ends, 0)
		w.call(c.Reset)
		assert.Equal(t, len(o.broken), 0)
	})
	t.Run("consumed by a write", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, Kernel{})
		c, p, o := w.connect()
		k, x := new(collector), &text{chunks: []string{"into the void"}}
		var in, out flow.Flow
		w.call(func() { // within one callback, so that the write is the first to hear of it
			reset(t, p)
			waitForHangup(t, int(c.fd))
			out.Start(w.loop, x, c, o)
			in.Start(w.loop, c, k, o)
		})
		first, second := <-o.ended, <-o.ended
		assert.Equal(t, first, second)
		assert.Equal(t, errors.Is(first, unix.ECONNRESET), true)
		assert.Equal(t, <-o.broken, unix.ECONNRESET)
		w.call(func() {
			assert.Equal(t, k.ends, 0)
			assert.Equal(t, k.abort, error(unix.ECONNRESET))
			assert.Equal(t, x.stopped, error(unix.ECONNRESET))
			c.Reset()
		})
	})
	t.Run("while peeking", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, Kernel{})
		c, p, o := w.connect()
		look := &peeker{}
		w.call(func() { c.Peek(look) })
		reset(t, p)
		assert.Equal(t, <-o.broken, unix.ECONNRESET)
		w.call(func() { assert.Equal(t, look.eofs, 0) })
		w.call(c.Reset)
	})
}

// waitForHangup blocks until the kernel knows of the peer's reset, without consuming the error.
func waitForHangup(t *testing.T, fd int) {
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
	for range 100 {
		n, err := unix.Poll(fds, 5000)
		if n == 1 || (err != nil && err != unix.EINTR) {
			return
		}
	}
	t.Error("the reset does not arrive")
}

func TestDataBeforeAResetIsDelivered(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Kernel{})
	c, p, o := w.connect()
	data := strings.Repeat("precious ", 5000)
	send(t, p, data)
	reset(t, p)
	assert.Equal(t, <-o.broken, unix.ECONNRESET)
	k, f := w.collect(c, o)
	assert.Equal(t, <-o.ended, error(unix.ECONNRESET))
	w.call(func() {
		assert.Equal(t, string(k.got) == data, true)
		assert.Equal(t, f.Moved(), uint64(len(data)))
		assert.Equal(t, k.ends, 0)
		c.Reset()
	})
}

func TestASlowReaderStallsTheFlowAndGetsEverything(t *testing.T) {
	t.Parallel()
	for _, network := range []string{"tcp4", "unix"} {
		t.Run(network, func(t *testing.T) {
			w, o := newWorld(t, Kernel{}), newOwner()
			c, p := w.dial(serve(t, network), o)
			chunk := strings.Repeat("0123456789abcdef", 4096)
			x := &text{}
			for i := range 200 {
				x.chunks = append(x.chunks, chunk[i:])
			}
			want := strings.Join(x.chunks, "")
			f := w.feed(c, x, o)
			w.until(f.Stalled)
			w.until(func() bool { return !c.has(writable) })
			got, err := io.ReadAll(p)
			assert.NoError(t, err)
			assert.Equal(t, string(got) == want, true)
			assert.NoError(t, <-o.ended)
			assert.Equal(t, f.Moved(), uint64(len(want)))
			w.close(c)
		})
	}
}

// A reader that nobody takes bytes from holds one chunk, and the peer's bytes wait in the kernel.
func TestBackPressure(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Kernel{})
	c, p, o := w.connect()
	k, f := &collector{hold: true}, new(flow.Flow)
	w.call(func() { f.Start(w.loop, c, k, o) })
	data := strings.Repeat("x", 1<<20)
	written := make(chan error, 1)
	go func() {
		_, err := io.WriteString(p, data)
		written <- errors.Join(err, p.CloseWrite())
	}()
	w.until(f.Stalled)
	w.call(func() {
		assert.Equal(t, w.net.Buffers.InUse(), 1)
		k.hold = false
		k.take()
	})
	assert.NoError(t, <-o.ended)
	assert.NoError(t, <-written)
	assert.Equal(t, len(k.got), len(data))
	w.close(c)
}

func TestCloseIsAFinAndResetAReset(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Kernel{})
	c, p, _ := w.connect()
	w.close(c)
	receiveEnd(t, p)

	c, p, _ = w.connect()
	w.call(c.Reset)
	_, err := p.Read(make([]byte, 1))
	assert.Equal(t, errors.Is(err, unix.ECONNRESET), true)

	s, o := serve(t, "unix"), newOwner() // knows no resets
	c, p = w.dial(s, o)
	w.call(c.Reset)
	receiveEnd(t, p)
}

// What was written before a reset still arrives, however slowly the peer reads, and then the reset.
func TestResetAfterUnsentBytes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Kernel{})
	c, p, o := w.connect()
	x := &text{open: true}
	for range 400 {
		x.chunks = append(x.chunks, strings.Repeat("y", 64<<10))
	}
	f := w.feed(c, x, o)
	w.until(func() bool { return f.Stalled() && !c.has(writable) })
	var moved int
	w.call(func() {
		moved = int(f.Moved())
		f.Cancel()
		c.Reset()
		assert.Equal(t, w.net.Lingering(), 1)
	})
	got, err := io.ReadAll(p)
	assert.Equal(t, len(got), moved)
	assert.Equal(t, errors.Is(err, unix.ECONNRESET), true)
}

// A descriptor is closed in a later turn than its connection: its number cannot be in use by another before.
func TestClosesAreBuried(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Kernel{})
	for _, end := range []func(*Conn){(*Conn).Close, (*Conn).Reset} {
		c, p, _ := w.connect()
		w.call(func() {
			fd := int(c.fd)
			end(c)
			_, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
			assert.NoError(t, err)
			w.loop.Event(fd, loop.Readable|loop.Writable) // a stale event of this batch
		})
		w.until(func() bool { return w.net.Open() == 0 })
		_ = p.Close()
	}
}

// A connection that is closed while its own task waits in the ring is freed once, and not within this turn.
func TestCloseWithATaskInTheRing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Kernel{})
	c, p, o := w.connect()
	w.call(func() {
		c.Queue([]byte("never sent"))
		c.latch(unix.ETIMEDOUT)
		c.Close()
	})
	w.until(func() bool { return w.net.Open() == 0 })
	receiveEnd(t, p)
	assert.Equal(t, len(o.broken), 0)
}
