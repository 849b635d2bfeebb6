package sock

import (
	"testing"

	"golang.org/x/sys/unix"

	"sluice/engine/flow"
	"sluice/engine/loop"
	"sluice/internal/assert"
)

// The peer's end is told once, without a byte being read for it.
func TestWatchTellsOfThePeersEnd(t *testing.T) {
	t.Parallel()
	d := openDesk(t)
	assert.Equal(t, d.conn.Watch(), false)
	d.event(loop.Readable)
	assert.Equal(t, d.ended, 0)
	d.event(loop.Readable | loop.ReadShut)
	d.event(loop.Readable | loop.ReadShut)
	assert.Equal(t, d.ended, 1)
	assert.Equal(t, d.conn.Watch(), true) // it has been seen: nobody is called
	d.event(loop.Readable | loop.ReadShut)
	assert.Equal(t, d.ended, 1)
	assert.Equal(t, d.net.Buffers.InUse(), 0)
	d.close()
}

func TestUnwatch(t *testing.T) {
	t.Parallel()
	d := openDesk(t)
	assert.Equal(t, d.conn.Watch(), false)
	d.conn.Unwatch()
	d.event(loop.Readable | loop.ReadShut)
	assert.Equal(t, d.ended, 0)
	d.close()
}

// An end that was read, and not reported by the poller, counts as well.
func TestWatchOfAStreamThatHasBeenReadToItsEnd(t *testing.T) {
	t.Parallel()
	d := openDesk(t)
	var f flow.Flow
	f.Start(d.loop, d.conn, new(collector), d)
	d.settle()
	d.sys.ended = true
	d.event(loop.Readable)
	assert.Equal(t, d.flows, []error{nil})
	assert.Equal(t, d.conn.Watch(), true)
	d.close()
}

// Whoever closes the connection in the same event, hears nothing of its peer's end. Neither does who is about to hear of
// a reset.
func TestWatchIsSilentAfterAClose(t *testing.T) {
	t.Parallel()
	d := openDesk(t)
	assert.Equal(t, d.conn.Watch(), false)
	d.conn.Peek(&peeker{enough: 1, done: (*Conn).Close})
	d.sys.incoming = []string{"x"}
	d.event(loop.Readable | loop.ReadShut)
	assert.Equal(t, d.ended, 0)
	d.gone()

	d = openDesk(t)
	assert.Equal(t, d.conn.Watch(), false)
	d.sys.broken = unix.ECONNRESET
	d.event(loop.Readable | loop.ReadShut | loop.Failed | loop.Hangup)
	assert.Equal(t, d.ended, 0)
	assert.Equal(t, len(d.broken), 1)
	d.close()
}

// Real sockets: bytes before the end stay where they are.
func TestWatchOnRealSockets(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Kernel{})
	c, p, o := w.connect()
	watcher := &watching{owner: o, gone: make(chan struct{}, 4)}
	w.call(func() {
		c.Own(watcher)
		assert.Equal(t, c.Watch(), false)
	})
	send(t, p, "unread")
	assert.NoError(t, p.CloseWrite())
	<-watcher.gone
	w.call(func() {
		assert.Equal(t, c.PeerEnds() && c.Waiting(), true)
		assert.Equal(t, c.Watch(), true)
	})
	k, _ := w.collect(c, o)
	assert.NoError(t, <-o.ended)
	w.call(func() { assert.Equal(t, string(k.got), "unread") })
	w.close(c)
	assert.Equal(t, len(watcher.gone), 0)
}

// watching is an owner that is told of the peer's end.
type watching struct {
	*owner
	gone chan struct{}
}

func (o *watching) PeerEnded(*Conn) { o.gone <- struct{}{} }
