package sock

// Farewells: what a peer sees of a connection that is not needed any more, and how long it may keep us.

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sluice/engine/flow"
	"sluice/engine/loop"
	"sluice/internal/assert"
)

// slot is the place of a connection in a gate, given back when it has left.
type slot struct{ *Gate }

func (s slot) Left() { s.Release() }

// gated is a gate with one connection inside.
func gated() slot {
	g := NewGate(1)
	g.acquire()
	return slot{g}
}

func TestFarewellWithoutAnythingLeftIsAClose(t *testing.T) {
	t.Parallel()
	d, g := openDesk(t), gated()
	d.conn.Farewell(false, g)
	assert.Equal(t, g.Used(), int64(0))
	assert.Equal(t, d.net.Leaving(), 0)
	d.gone()
	assert.Equal(t, d.sys.log, []string{"close"})

}

func TestFarewellWaitsForTheQueue(t *testing.T) {
	t.Parallel()
	d, g := openDesk(t), gated()
	d.sys.room = 3
	d.conn.Queue([]byte("goodbye"))
	d.conn.Farewell(false, g)
	d.settle()
	assert.Equal(t, []int64{g.Used(), int64(d.net.Leaving())}, []int64{1, 1})
	d.sys.room = -1
	d.event(loop.Writable)
	assert.Equal(t, g.Used(), int64(0))
	assert.Equal(t, d.sys.log, []string{"send 3", "send 4", "close"})
	d.gone()
}

func TestFarewellOfABrokenConnection(t *testing.T) {
	t.Parallel()
	d, g := openDesk(t), gated()
	d.conn.Queue([]byte("lost"))
	d.conn.latch(unix.ECONNRESET)
	d.conn.Farewell(true, g)
	assert.Equal(t, g.Used(), int64(0))
	d.gone()

	d, g = openDesk(t), gated() // or one that breaks meanwhile
	d.conn.Queue([]byte("lost"))
	d.conn.Farewell(true, g)
	d.sys.broken = unix.ECONNRESET
	d.event(loop.Failed | loop.Hangup | loop.Readable)
	assert.Equal(t, g.Used(), int64(0))
	d.gone()
	assert.Equal(t, len(d.broken), 0) // nobody wants to know
}

// With drain the end of the stream goes out behind what is queued, and what comes is dropped until the peer ends, too.
func TestFarewellDrains(t *testing.T) {
	t.Parallel()
	d, g := openDesk(t), gated()
	d.conn.Queue([]byte("answer"))
	d.conn.Farewell(true, g)
	d.settle()
	assert.Equal(t, d.sys.log, []string{"send 6", "shutdown"})
	for range 20 {
		d.give(pattern(3000), pattern(5000))
		assert.Equal(t, d.net.Buffers.InUse(), 0)
		d.pass(time.Second)
	}
	assert.Equal(t, g.Used(), int64(1))
	d.sys.ended = true
	d.event(loop.Readable | loop.ReadShut)
	assert.Equal(t, g.Used(), int64(0))
	assert.Equal(t, d.sys.log, []string{"send 6", "shutdown", "close"})
	d.gone()
}

// A flow that was cancelled while it waited for bytes leaves the connection's wish for them behind.
func TestFarewellAfterACancelledFlow(t *testing.T) {
	t.Parallel()
	for _, begin := range []func(d *desk){
		func(d *desk) { // waiting
			var f flow.Flow
			f.Start(d.loop, d.conn, new(collector), d)
			d.settle()
			f.Cancel()
		},
		func(d *desk) { // with a chunk at its sink, and bytes ahead
			var f flow.Flow
			d.conn.Bound(3)
			f.Start(d.loop, d.conn, &collector{hold: true}, d)
			d.give("bodyahead")
			f.Cancel()
		},
		func(d *desk) { d.conn.Peek(&peeker{}); d.give("some") },
	} {
		d, g := openDesk(t), gated()
		begin(d)
		d.conn.Queue([]byte("answer"))
		d.conn.Farewell(true, g)
		d.settle()
		d.give("more", "and more")
		assert.Equal(t, g.Used(), int64(1))
		assert.Equal(t, d.sys.log, []string{"send 6", "shutdown"})
		d.sys.ended = true
		d.event(loop.Readable | loop.ReadShut)
		assert.Equal(t, g.Used(), int64(0))
		d.gone()
	}
}

func TestFarewellsLimits(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		drain  bool
		each   func(d *desk, second int) // what happens in each second
		least  time.Duration
		most   time.Duration
		ending string // of the descriptor: after a reset bytes are lost
	}{
		"nothing is taken": {false, func(*desk, int) {}, farewellLooks * farewellStall, (farewellLooks + 2) * farewellStall, "reset"},
		"the kernel's bytes are acknowledged, for a while": {false,
			func(d *desk, second int) { d.sys.unsent = max(0, 20-second) * 1000 }, 20 * time.Second, 20*time.Second + (farewellLooks+2)*farewellStall, "reset"},
		"they are, for too long":     {false, func(d *desk, second int) { d.sys.unsent = 1e6 - second }, farewellTotal, farewellTotal + farewellStall, "reset"},
		"nothing comes":              {true, func(d *desk, _ int) { d.sys.room = -1; d.event(loop.Writable) }, farewellStall, 3 * farewellStall, "close"},
		"it comes and comes, slowly": {true, func(d *desk, _ int) { d.sys.room = -1; d.event(loop.Writable); d.give("x") }, drainTotal, drainTotal + farewellStall, "close"},
		"it comes for a while": {true, func(d *desk, second int) {
			d.sys.room = -1
			d.event(loop.Writable)
			if second < 12 {
				d.give("x")
			}
		}, 12 * time.Second, 12*time.Second + 3*farewellStall, "close"},
	} {
		t.Run(name, func(t *testing.T) {
			d, g := openDesk(t), gated()
			began := d.poller.now
			d.sys.room = 1
			d.conn.Queue([]byte("goodbye"))
			d.conn.Farewell(c.drain, g)
			d.settle()
			for second := 0; g.Used() > 0 && second < 400; second++ {
				c.each(d, second)
				d.pass(time.Second)
			}
			took := time.Duration(d.poller.now - began)
			if took < c.least || took > c.most {
				t.Errorf("it took %v, want %v to %v", took, c.least, c.most)
			}
			d.gone()
			last := d.sys.log[len(d.sys.log)-2:]
			if (last[0] == "reset") != (c.ending == "reset") || last[1] != "close" {
				t.Errorf("it ended by %v", last)
			}
			d.pass(farewellTotal) // nothing comes up again
			assert.Equal(t, g.Used(), int64(0))
		})
	}
}

func TestFarewellBoundsWhatItDrops(t *testing.T) {
	t.Parallel()
	d, g := openDesk(t), gated()
	d.conn.Farewell(true, g)
	d.settle()
	piece := string(make([]byte, 4<<10))
	for range farewellBytes / len(piece) {
		d.give(piece)
	}
	assert.Equal(t, g.Used(), int64(1))
	d.give("x")
	assert.Equal(t, g.Used(), int64(0))
	d.gone()
}

func TestShutEndsFarewells(t *testing.T) {
	t.Parallel()
	d, g := openDesk(t), gated()
	d.conn.Farewell(true, g)
	d.settle()
	assert.Equal(t, d.net.Leaving(), 1)
	d.net.Shut()
	assert.Equal(t, g.Used(), int64(0))
	d.gone()
}

func TestFarewellOnRealSockets(t *testing.T) {
	t.Parallel()
	t.Run("a close is a FIN behind the last byte", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, Kernel{})
		c, p, _ := w.connect()
		g := gated()
		w.call(func() {
			c.Queue([]byte("the whole answer"))
			c.Farewell(false, g)
		})
		receive(t, p, "the whole answer")
		receiveEnd(t, p)
		w.until(func() bool { return g.Used() == 0 })
	})
	// The client goes on sending all the time: a close would answer it with a reset, which destroys what it has not read.
	t.Run("a client that still sends gets the whole answer", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, Kernel{})
		c, p, _ := w.connect()
		g, answer := gated(), strings.Repeat("answer ", 9000)
		sent := make(chan error, 1)
		started := make(chan struct{})
		go func() {
			junk := bytes.Repeat([]byte("junk"), 4096)
			var err error
			for i := 0; i < 400 && err == nil; i++ { // 6.5 MB
				if i == 20 {
					close(started)
				}
				_, err = p.Write(junk)
			}
			sent <- errors.Join(err, p.CloseWrite())
		}()
		<-started
		w.call(func() {
			c.Queue([]byte(answer))
			c.Farewell(true, g)
		})
		assert.NoError(t, <-sent)
		got, err := io.ReadAll(p)
		assert.NoError(t, err)
		assert.Equal(t, string(got) == answer, true)
		w.until(func() bool { return g.Used() == 0 })
	})
}

// What was queued before a failure leaves before the reset, as far as it can.
func TestCutLeavesBehindTheQueue(t *testing.T) {
	t.Parallel()
	d := openDesk(t)
	d.conn.Queue([]byte("half an answer"))
	d.conn.Cut()
	d.gone()
	assert.Equal(t, string(d.sys.wrote), "half an answer")
	assert.Equal(t, d.sys.log, []string{"send 14", "reset", "close"})

	d = openDesk(t)
	d.sys.room = 4
	d.conn.Queue([]byte("half an answer"))
	d.conn.Cut()
	d.gone()
	assert.Equal(t, d.sys.log, []string{"send 4", "reset", "close"})

	d = openDesk(t)
	d.conn.Queue([]byte("half an answer"))
	d.conn.latch(unix.ECONNRESET)
	d.conn.Cut()
	d.gone()
	assert.Equal(t, d.sys.log, []string{"reset", "close"})
}
