package lease

// Idle connections on real sockets: taken again in the right order, and gone as soon as they are good for nothing.

import (
	"net"
	"os"
	"testing"
	"time"

	"sluice/engine/sock"
	"sluice/engine/stat"
	"sluice/internal/assert"
)

// origin is a backend whose far ends the test holds.
type origin struct {
	*Backend
	ends chan net.Conn
}

func newOrigin(t *testing.T, name string) *origin {
	t.Helper()
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	assert.NoError(t, err)
	t.Cleanup(func() { _ = ln.Close() })
	o := &origin{ends: make(chan net.Conn, 64)}
	o.Backend = &Backend{Name: name, Addr: Endpoint{Addr: ln.Addr().(*net.TCPAddr).AddrPort()}}
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { _ = c.Close() })
			o.ends <- c
		}
	}()
	return o
}

// pooled makes an upstream that keeps connections.
func pooled(most int, kept time.Duration, backends ...*Backend) *Upstream {
	u := upstreamOf(First, 1, backends...)
	u.MaxIdle, u.Idle = most, kept
	for _, b := range backends {
		b.lots = make([]lot, 1)
		b.lots[0].upstream, b.lots[0].backend, b.upstream = u, b, u
	}
	return u
}

// take leases a new connection.
func (b *bench) take(u *Upstream) outcome {
	k, _ := b.seek(u, time.Second)
	return <-k.told
}

// park gives a connection and its place back.
func (b *bench) park(o outcome) {
	b.call(func() {
		o.from.Release()
		b.dialer.Park(o.conn, o.from)
	})
}

// reuse takes an idle connection, or nil.
func (b *bench) reuse(u *Upstream) (c *sock.Conn, from *Backend) {
	b.call(func() {
		var l *Lease
		if c, from, l = b.dialer.Seek(Ask{From: u, Connect: time.Second, Taker: newTaker()}); l != nil {
			l.Cancel()
		} else {
			c.Own(quiet{})
		}
	})
	return c, from
}

// idle is how many connections wait.
func (b *bench) idle() (n int) {
	b.call(func() { n = int(b.loop.Stats().Get(stat.HTTPBackIdle)) })
	return n
}

// empties waits until none waits any more, and checks that they were closed for what they did.
func (b *bench) empties(touched uint64) {
	b.t.Helper()
	assert.Eventually(b.t, func() bool { return b.idle() == 0 })
	b.call(func() { assert.Equal(b.t, b.loop.Stats().Get(stat.HTTPBackIdleClosed), touched) })
}

func TestIdleIsLastInFirstOut(t *testing.T) {
	t.Parallel()
	b, one := newBench(t, 0), newOrigin(t, "one")
	u := pooled(8, time.Minute, one.Backend)
	var all []outcome
	for range 3 {
		all = append(all, b.take(u))
	}
	assert.Equal(t, one.InUse(), 3)
	for _, o := range all {
		b.park(o)
	}
	assert.Equal(t, one.InUse(), 0) // who waits takes no place at the server
	assert.Equal(t, b.idle(), 3)
	for i := range all {
		c, from := b.reuse(u)
		assert.Equal(t, c == all[2-i].conn, true)
		assert.Equal(t, from == one.Backend, true)
		assert.Equal(t, one.InUse(), int32(i+1))
	}
	assert.Equal(t, b.idle(), 0)
	c, _ := b.reuse(u) // none is left: a lease was begun
	assert.Equal(t, c == nil, true)
	assert.Equal(t, one.InUse(), 3)
	for _, o := range all {
		b.give(o)
	}
	assert.Equal(t, len(one.ends), 3)
}

func TestIdleHasALimit(t *testing.T) {
	t.Parallel()
	b, one := newBench(t, 0), newOrigin(t, "one")
	u := pooled(2, time.Minute, one.Backend)
	var all []outcome
	var ends []net.Conn
	for range 3 {
		all = append(all, b.take(u))
		ends = append(ends, <-one.ends)
	}
	for _, o := range all {
		b.park(o)
	}
	assert.Equal(t, b.idle(), 2)
	closed(t, ends[0]) // the one that has waited longest
	b.call(b.dialer.CloseIdle)
	assert.Equal(t, b.idle(), 0)
	closed(t, ends[1])
	closed(t, ends[2])
	b.call(b.dialer.CloseIdle)
}

// closed wants the end of the stream.
func closed(t *testing.T, c net.Conn) {
	t.Helper()
	assert.NoError(t, c.SetReadDeadline(time.Now().Add(10*time.Second)))
	n, err := c.Read(make([]byte, 1))
	if n != 0 || err == nil || os.IsTimeout(err) {
		t.Fatalf("not closed: %d, %v", n, err)
	}
}

// Without a limit above zero, and for servers whose connections speak for one client, nothing is kept.
func TestNothingIsKept(t *testing.T) {
	t.Parallel()
	b, one, two := newBench(t, 0), newOrigin(t, "one"), newOrigin(t, "two")
	none := pooled(0, time.Minute, one.Backend)
	never := upstreamOf(First, 1, two.Backend) // without lots: not made for this
	for u, o := range map[*Upstream]*origin{none: one, never: two} {
		got := b.take(u)
		b.park(got)
		closed(t, <-o.ends)
		assert.Equal(t, o.InUse(), 0)
		c, _ := b.reuse(u)
		assert.Equal(t, c == nil, true)
	}
	assert.Equal(t, b.idle(), 0)
}

// Each connection has its own time, which begins when it is parked.
func TestIdleExpires(t *testing.T) {
	t.Parallel()
	const kept = 60 * time.Millisecond
	b, one := newBench(t, 0), newOrigin(t, "one")
	u := pooled(8, kept, one.Backend)
	var since [3]time.Time
	var ends [3]net.Conn
	for i := range since {
		o := b.take(u)
		ends[i] = <-one.ends
		since[i] = time.Now()
		b.park(o)
		b.after(kept / 3)
	}
	for i, end := range ends {
		closed(t, end)
		if waited := time.Since(since[i]); waited < kept {
			t.Errorf("closed after %v", waited)
		}
	}
	b.empties(0)

	o := b.take(u) // the clock starts again
	b.park(o)
	closed(t, <-one.ends)
	b.empties(0)
}

// Whatever a server says while nobody asks, ends the connection.
func TestIdleIsTouchedByItsServer(t *testing.T) {
	t.Parallel()
	for name, touch := range map[string]func(c net.Conn){
		"closes":            func(c net.Conn) { _ = c.Close() },
		"ends its half":     func(c net.Conn) { _ = c.(*net.TCPConn).CloseWrite() },
		"resets":            func(c net.Conn) { _ = c.(*net.TCPConn).SetLinger(0); _ = c.Close() },
		"says something":    func(c net.Conn) { _, _ = c.Write([]byte("HTTP/1.1 408 Request Timeout\r\n")) },
		"speaks and leaves": func(c net.Conn) { _, _ = c.Write([]byte("x")); _ = c.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			b, one := newBench(t, 0), newOrigin(t, "one")
			u := pooled(8, time.Minute, one.Backend)
			var all []outcome
			var ends []net.Conn
			for range 3 {
				all = append(all, b.take(u))
				ends = append(ends, <-one.ends)
			}
			for _, o := range all {
				b.park(o)
			}
			touch(ends[1]) // from the middle
			assert.Eventually(t, func() bool { return b.idle() == 2 })
			c, _ := b.reuse(u)
			assert.Equal(t, c == all[2].conn, true)
			b.give(all[2])
			touch(ends[0])
			b.empties(2)
			assert.Equal(t, one.InUse(), 0)
			assert.Equal(t, one.Failures(), uint64(0)) // servers may close what is idle
		})
	}
}

// What came before the connection was parked, and nobody has read, shows at once.
func TestIdleThatWasTouchedBefore(t *testing.T) {
	t.Parallel()
	b, one := newBench(t, 0), newOrigin(t, "one")
	u := pooled(8, time.Minute, one.Backend)
	o := b.take(u)
	_, err := (<-one.ends).Write([]byte("unasked"))
	assert.NoError(t, err)
	assert.Eventually(t, func() (here bool) {
		b.call(func() { here = o.conn.Waiting() })
		return here
	})
	b.park(o)
	b.empties(1)
}

// Seek takes what waits at the server that is picked, and dials where nothing does.
func TestSeek(t *testing.T) {
	t.Parallel()
	b, one, two := newBench(t, 0), newOrigin(t, "one"), newOrigin(t, "two")
	u := pooled(8, time.Minute, one.Backend, two.Backend)
	b.park(b.take(u))
	one.SetDraining(true) // an idle connection to a server that is not picked is none
	k := newTaker()
	b.call(func() {
		c, from, l := b.dialer.Seek(Ask{From: u, Connect: time.Second, Taker: k})
		assert.Equal(t, c == nil && from == nil && l != nil, true)
		assert.Equal(t, two.InUse(), 1) // its place is taken already
		assert.Equal(t, len(k.tried), 0)
	})
	o := <-k.told
	assert.Equal(t, o.from == two.Backend, true)
	assert.Equal(t, k.tried, []string{"two"})
	assert.Equal(t, two.Picks(), uint64(1))
	one.SetDraining(false)
	c, from := b.reuse(u)
	assert.Equal(t, c != nil && from == one.Backend, true)
	b.give(outcome{conn: c, from: from})
	b.give(o)

	one.SetDown(true)
	two.SetDown(true)
	k = newTaker()
	b.call(func() {
		_, _, l := b.dialer.Seek(Ask{From: u, Connect: time.Second, Taker: k})
		assert.Equal(t, l != nil, true)
		assert.Equal(t, len(k.told), 0) // not from inside
	})
	assert.Equal(t, (<-k.told).conn == nil, true)
}

// A place that Seek has taken is given back when the search is cancelled before it begins, and when the server is dead the
// next one is tried.
func TestSeekGivesPlacesBack(t *testing.T) {
	t.Parallel()
	b, two := newBench(t, 0), newOrigin(t, "two")
	dead := refusing("dead")
	u := pooled(8, time.Minute, dead, two.Backend)
	b.call(func() {
		_, _, l := b.dialer.Seek(Ask{From: u, Connect: time.Second, Taker: newTaker()})
		assert.Equal(t, dead.InUse(), 1)
		l.Cancel()
		assert.Equal(t, dead.InUse(), 0)
	})
	k := newTaker()
	b.call(func() { b.dialer.Seek(Ask{From: u, Connect: time.Second, Taker: k}) })
	o := <-k.told
	assert.Equal(t, k.tried, []string{"dead", "two"})
	assert.Equal(t, dead.InUse(), 0)
	b.give(o)
}

// Not parallel: it counts the process's descriptors.
func TestIdleLeaksNoDescriptors(t *testing.T) {
	b, one := newBench(t, 0), newOrigin(t, "one")
	u := pooled(4, 20*time.Millisecond, one.Backend)
	round := func() {
		var all []outcome
		for range 10 {
			all = append(all, b.take(u))
		}
		for i, o := range all {
			end := <-one.ends
			b.park(o)
			if i%3 == 0 {
				_ = end.Close()
			}
			t.Cleanup(func() { _ = end.Close() })
			defer func() { _ = end.Close() }()
		}
		assert.Eventually(t, func() (gone bool) {
			b.call(func() { gone = b.net.Open() == 0 })
			return gone
		})
	}
	round()
	before := descriptors(t)
	for range 5 {
		round()
	}
	if now := descriptors(t); now > before {
		t.Errorf("%d descriptors after one round, %d after six", before, now)
	}
}

func descriptors(t *testing.T) int {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	assert.NoError(t, err)
	return len(all)
}

func TestAllocParkAndSeek(t *testing.T) {
	b, one := newBench(t, 0), newOrigin(t, "one")
	u := pooled(4, time.Minute, one.Backend)
	o := b.take(u)
	k := newTaker()
	b.call(func() {
		assert.Allocs(t, 0, func() {
			o.from.Release()
			b.dialer.Park(o.conn, o.from)
			c, _, l := b.dialer.Seek(Ask{From: u, Connect: time.Second, Taker: k})
			if c != o.conn || l != nil {
				t.Fatal("another connection")
			}
		})
	})
	o.conn.Own(quiet{})
	b.give(o)
}
