package sock

// The queue of a connection: bytes that leave ahead of any chunk, written by codecs in place. It is one buffer, which
// exists only while something is in it, and is written by the same call as the chunk that follows, or by itself at the
// end of the batch of events.

import (
	"golang.org/x/sys/unix"

	"sluice/pool"
)

// Flushed is an Owner that wants to know when what was queued has left.
type Flushed interface {
	// Flushed is called once after AwaitFlush, when nothing is queued and no chunk is being written.
	Flushed(c *Conn)
}

// AwaitFlush has the owner, a Flushed, told when everything queued has left. It reports whether that is so already; the
// owner is not called then.
func (c *Conn) AwaitFlush() (empty bool) {
	if c.sink == nil && c.emptied() {
		return true
	}
	c.add(awaited)
	return false
}

// emptied reports whether nothing that was queued waits for the peer, sealed or not.
func (c *Conn) emptied() bool { return c.out == nil && !c.stalled() }

// Queued is the number of bytes queued and not written yet.
func (c *Conn) Queued() int { return int(c.outLen - c.outAt) }

func (c *Conn) queued() []byte {
	if c.out == nil {
		return nil
	}
	return c.out.Bytes()[c.outAt:c.outLen]
}

// fits reports whether n more bytes can be queued without a larger buffer.
func (c *Conn) fits(n int) bool {
	return c.out == nil || int(c.outLen)+n <= c.out.Class().Size()
}

// Space returns an empty slice with room for n bytes at the end of the queue, to append to; Commit then says how many of
// them count. It is nil when the queue cannot hold that much: 64 KiB in all. The connection must be connected.
func (c *Conn) Space(n int) []byte {
	if c.state != open {
		panic("sock: bytes queued too early")
	}
	if c.out == nil {
		if n > pool.Large.Size() {
			return nil
		}
		c.out, c.outAt, c.outLen = c.net.Buffers.Get(pool.ClassFor(n)), 0, 0
	}
	if !c.fits(n) && !c.widen(n) {
		return nil
	}
	return c.out.Bytes()[c.outLen:c.outLen]
}

// widen moves the queue to a buffer with room for n more bytes.
func (c *Conn) widen(n int) bool {
	have := c.Queued()
	if have+n > pool.Large.Size() {
		return false
	}
	wider := c.net.Buffers.Get(pool.ClassFor(have + n))
	copy(wider.Bytes(), c.queued())
	c.out.Release()
	c.out, c.outAt, c.outLen = wider, 0, int32(have)
	return true
}

// Commit queues the first n bytes of the space last asked for. They leave with the next chunk, or at the end of the
// batch.
func (c *Conn) Commit(n int) {
	c.outLen += int32(n)
	if c.outLen == c.outAt {
		c.dropOut()
		return
	}
	c.net.Loop.Later(&c.leave)
}

// Queue copies b to leave ahead of everything else. The connection must be connected and the queue have room for it.
func (c *Conn) Queue(b []byte) {
	space := c.Space(len(b))
	if space == nil {
		panic("sock: too many bytes queued")
	}
	c.Commit(len(append(space, b...)))
}

// Mark begins to watch what is queued from now on.
func (c *Conn) Mark() { c.clear(left) }

// Unmoved reports whether no byte that was queued has left since Mark: the peer cannot know of it.
func (c *Conn) Unmoved() bool { return !c.has(left) }

// sentOut takes n written bytes off the queue and returns how many of them were not of the queue.
func (c *Conn) sentOut(n int) (rest int) {
	have := c.Queued()
	if n > 0 {
		c.add(left)
	}
	if n < have {
		c.outAt += int32(n)
		return 0
	}
	c.dropOut()
	return n - have
}

// flushOut writes queued bytes that no chunk came to join.
func (c *Conn) flushOut() {
	for c.out != nil && c.has(writable) {
		if c.has(lazy) {
			c.hurry(c.Queued())
		}
		n, err := c.write(c.queued())
		switch {
		case err == unix.EAGAIN:
			c.clear(writable)
		case err != 0:
			c.dropOut()
			c.latch(err)
		default:
			c.sentOut(n)
		}
	}
}

// Flush writes what is queued now, as far as the peer takes it.
func (c *Conn) Flush() {
	if c.sink == nil {
		c.flushOut()
	}
}

func (c *Conn) dropOut() {
	if c.out != nil {
		c.out.Release()
		c.out, c.outAt, c.outLen = nil, 0, 0
	}
}
