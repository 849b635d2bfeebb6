// Package sock is non-blocking connections: ordered byte streams that live on one loop.
//
// A Conn is a flow.Source and a flow.Sink. It remembers edges (the poller's hints), reads only when a flow asks,
// writes at once what it is given, and closes its halves separately:
//
//	up.Start(loop, front, back, owner)   // front's bytes go to back
//	down.Start(loop, back, front, owner) // and the other way
//
// Errors are never lost: the first one, from an event or a call, is latched as the connection's cause. A later end
// of stream reports that cause instead of a clean end (after a reset the kernel gives the error only once, and then
// a clean end), but bytes that had arrived before still come first.
package sock

import (
	"net/netip"
	"syscall"

	"sluice/engine/flow"
	"sluice/engine/loop"
	"sluice/pool"
)

// Owner is told what happens to a connection outside its flows.
type Owner interface {
	// Connected is called once, when bytes may move: on the first event of a connection, dialed or accepted.
	Connected(c *Conn)
	// Broken is called at most once: the dial failed, or the connection did. Bytes received before may still be read;
	// reading then ends in the same error. The owner has to close the connection.
	Broken(c *Conn, cause syscall.Errno)
}

// Conn is one connection. It belongs to its loop. Close or Reset gives it back; nothing may touch it afterwards.
type Conn struct {
	net   *Net
	owner Owner
	task  loop.Task // tells the owner, shows what was read ahead, and closes, depending on the state
	leave loop.Task // writes at the end of the batch

	source *flow.Flow // takes the bytes from here; it waits for more when wanted is set
	sink   *flow.Flow // its chunk is being written here
	chunk  *flow.Chunk
	peeker Peeker
	layer  *layer // TLS; nil without

	head *pool.Buffer // bytes read ahead of any flow: [headAt, headLen)
	out  *pool.Buffer // bytes queued to leave before any chunk: [outAt, outLen)
	tail string       // what follows the chunk being written
	pipe *pool.Pipe   // held while a bulk run lasts

	left    int64 // bytes the source flow may still have; unbounded for all until the end of the stream
	peer    netip.AddrPort
	fd      int32
	headAt  int32
	headLen int32
	outAt   int32
	outLen  int32
	run     int32 // bytes moved in the present bulk run, saturating
	spent   int32 // bytes brought in since the last event
	cause   syscall.Errno
	flags   flag
	state   connState
	class   pool.Class // of the next read for a flow
	ahead   pool.Class // of the next read for a peeker
	last    bool       // the chunk being written is the last
}

// unbounded is what a flow may have when nobody said otherwise.
const unbounded = -1

// Watcher is an Owner that wants to know when the peer ends its side while nobody reads.
type Watcher interface {
	// PeerEnded is called once after Watch: the peer has sent its end of stream. Bytes before it may still be unread.
	PeerEnded(c *Conn)
}

// Watch has the owner, a Watcher, told of the peer's end of stream, without reading anything. It reports whether that
// has been seen already; the owner is not called then.
func (c *Conn) Watch() (gone bool) {
	if c.flags&(readShut|ended) != 0 {
		return true
	}
	c.add(watched)
	return false
}

// Unwatch takes a Watch back.
func (c *Conn) Unwatch() { c.clear(watched) }

// Own sets who is told about the connection. It must be called before the next event.
func (c *Conn) Own(o Owner) { c.owner = o }

// Peer is the address of the other end; the zero AddrPort for a unix socket.
func (c *Conn) Peer() netip.AddrPort { return c.peer }

// Local asks the kernel for the connection's own address.
func (c *Conn) Local() netip.AddrPort { return c.net.Sys.Local(int(c.fd)) }

// Cause is the first error of the connection, or 0.
func (c *Conn) Cause() syscall.Errno { return c.cause }

// Unsent is the number of bytes written that the peer's kernel has not acknowledged, in ciphertext where there is TLS.
func (c *Conn) Unsent() int {
	n := c.net.Sys.Unsent(int(c.fd))
	if c.layer != nil {
		n += c.layer.unsent()
	}
	return n
}

// KeepAlive makes the kernel probe the peer when the connection is silent. Accepted connections inherit this from
// their listener; dialed ones are worth the four system calls only once they have lived for a while.
func (c *Conn) KeepAlive() {
	if !c.has(stream) {
		c.net.Sys.KeepAlive(int(c.fd))
	}
}

// Ready takes the poller's hints.
func (c *Conn) Ready(ev loop.Events) {
	c.spent = 0
	c.note(ev)
	if c.state == connecting {
		c.settleDial()
		return
	}
	switch {
	case c.has(sealing):
		c.layer.greet()
		return
	case c.has(wanted):
		c.pull()
	case c.peeker != nil:
		c.look()
	}
	if !c.leave.Queued() { // else what has just been queued waits for what belongs to it
		c.flush()
	}
	if c.flags&(watched|readShut) == watched|readShut && c.state == open && c.cause == 0 { // a reset is told from the task
		c.clear(watched)
		c.owner.(Watcher).PeerEnded(c)
	}
}

// note turns hints into remembered facts.
func (c *Conn) note(ev loop.Events) {
	if ev&(loop.Readable|loop.ReadShut|loop.Hangup|loop.Failed|loop.Urgent) != 0 {
		c.add(readable | wet)
	}
	if ev&(loop.Writable|loop.Failed|loop.Hangup) != 0 {
		c.add(writable)
	}
	if ev&loop.ReadShut != 0 {
		c.add(readShut)
	}
	if ev&loop.Urgent != 0 {
		c.add(rough)
	}
	if ev&loop.Failed != 0 {
		if cause := c.net.Sys.Failure(int(c.fd)); cause != 0 {
			c.latch(cause)
		}
	}
}

// settleDial finds out how a dial came out. An accepted connection passes here too, by its first event.
func (c *Conn) settleDial() {
	if c.cause != 0 || !c.has(writable) {
		return // a cause is told from the task
	}
	if c.meetsItself() {
		c.latch(syscall.ECONNREFUSED)
		return
	}
	c.set(open)
	c.owner.Connected(c)
}

// meetsItself reports whether a dial has reached its own socket. Where nobody listens on a local port from which the
// kernel also chooses, a connection may be given that very port, and TCP's simultaneous open then succeeds: the client
// would hear its own bytes.
func (c *Conn) meetsItself() bool {
	return c.has(lazy) && c.peer.Port() >= c.net.Ephemeral && c.Local() == c.peer
}

// latch remembers the first error and has the owner told.
func (c *Conn) latch(cause syscall.Errno) {
	if c.cause != 0 {
		return
	}
	c.cause = cause
	c.net.Loop.Settle(&c.task)
}

// Run does what was queued: it is called by the loop.
func (c *Conn) Run() {
	if c.state == closing {
		c.bury()
		return
	}
	if c.has(sealing) {
		c.layer.settle()
		return
	}
	if c.cause != 0 && !c.has(told) {
		c.hearOut()
	}
	if c.state == open && c.has(unseen) && c.peeker != nil {
		c.clear(unseen)
		c.peeker.Peeked(c, c.Ahead(), c.has(ended))
		c.look()
	}
}

// hearOut tells the owner that the connection has failed, after what the peer had said before: a write may find out
// first that nobody listens any more, while the reason lies in the queue, unread.
func (c *Conn) hearOut() {
	if c.state == open && c.peeker != nil && !c.has(ended) {
		c.add(readable | wet)
		c.look()
	}
	if c.state == open || c.state == connecting {
		c.add(told)
		c.owner.Broken(c, c.cause)
	}
}

// Panicked implements loop.Victim: the owner has to end what the connection belongs to.
func (c *Conn) Panicked() {
	if victim, ok := c.owner.(loop.Victim); ok && c.state != closing {
		victim.Panicked()
	}
}
