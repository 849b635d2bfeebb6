package sock

// Reading ahead: the first bytes of a connection decide where it goes, and then go there themselves.

import (
	"golang.org/x/sys/unix"

	"sluice/pool"
)

// Peeker looks at the first bytes of a connection.
type Peeker interface {
	// Peeked is shown all bytes that were read and not discarded, each time there are more, and a last time with
	// eof. It may call Discard, EndPeek, Close and Reset of c. It must end the peek before 64 KiB. An eof of a
	// connection that has failed comes only after its owner has heard of that; c.Cause tells it from an ordinary one.
	Peeked(c *Conn, b []byte, eof bool)
}

// Peek shows the connection's bytes to p as they arrive, and keeps them. A connection that sends nothing costs no
// buffer; one that sends slowly costs the smallest.
func (c *Conn) Peek(p Peeker) {
	c.peeker = p
	c.dropPipe() // of a body that has ended: a connection that waits holds nothing
	if c.headAt < c.headLen || c.has(ended) {
		// Shown from the ring: the caller may be a peeker that hands on to the next.
		c.add(unseen)
		c.net.Loop.Settle(&c.task)
		return
	}
	c.look()
}

// PeekBy sets the size of the buffers that bytes are read ahead into, from now on: the smallest unless told. A peeker
// that takes a message whose body follows in the same read saves calls by a larger one.
func (c *Conn) PeekBy(class pool.Class) { c.ahead = class }

// EndPeek stops reading ahead. What was read and not discarded is the first thing a flow gets.
func (c *Conn) EndPeek() { c.peeker = nil }

// Discard drops the first n of the bytes read ahead.
func (c *Conn) Discard(n int) {
	c.headAt += int32(n)
	if c.headAt == c.headLen {
		c.dropHead()
	}
}

// look reads while there is something to read and somebody who wants to see it. The bound is the peeker's: it ends
// the peek before the largest buffer is full.
func (c *Conn) look() {
	for c.peeker != nil && c.state == open && c.has(readable) && !c.has(ended) {
		if c.spent >= turnBytes { // the others have their turn first
			c.spent = 0
			c.add(unseen)
			c.net.Loop.Later(&c.task)
			return
		}
		c.makeRoom()
		space := c.head.Bytes()[c.headLen:]
		n, err := c.read(space)
		switch {
		case err == unix.EAGAIN:
			c.clear(readable)
			if c.headAt == c.headLen {
				c.dropHead()
			}
			return
		case (err != 0 || n == 0 && c.cause != 0) && !c.has(told):
			if err != 0 {
				c.latch(err)
			}
			return // the owner is told from the task
		case n == 0 || err != 0:
			c.add(ended)
			if c.headAt == c.headLen {
				c.dropHead()
			}
		default:
			c.headLen += int32(n)
			c.spent += int32(n)
			if n < len(space) {
				c.drained()
			} else if c.ahead < pool.Large {
				c.ahead++ // more is coming
			}
		}
		c.clear(unseen)
		c.peeker.Peeked(c, c.Ahead(), c.has(ended))
	}
}

// Ahead is what was read and not discarded, valid until the next read or Discard.
func (c *Conn) Ahead() []byte {
	if c.head == nil {
		return nil
	}
	return c.head.Bytes()[c.headAt:c.headLen]
}

// makeRoom sees to it that the head has space for one more read.
func (c *Conn) makeRoom() {
	if c.head == nil {
		c.head, c.headAt, c.headLen = c.net.Buffers.Get(c.ahead), 0, 0
		return
	}
	if int(c.headLen) < len(c.head.Bytes()) {
		return
	}
	if c.headAt > 0 && !c.head.Shared() {
		c.headLen = int32(copy(c.head.Bytes(), c.Ahead()))
		c.headAt = 0
		return
	}
	class := c.head.Class()
	if len(c.Ahead()) == class.Size() {
		if class == pool.Large {
			panic("sock: a peek went beyond the largest buffer")
		}
		class++
	}
	bigger := c.net.Buffers.Get(class)
	n := copy(bigger.Bytes(), c.Ahead())
	c.head.Release()
	c.head, c.headAt, c.headLen = bigger, 0, int32(n)
}

func (c *Conn) dropHead() {
	if c.head != nil {
		c.head.Release()
		c.head, c.headAt, c.headLen = nil, 0, 0
	}
}

// Waiting reports whether bytes of the peer are here, or may be, that nobody has read or discarded.
func (c *Conn) Waiting() bool { return c.headAt < c.headLen || c.has(readable) && !c.has(ended) }

// PeerEnds reports whether the peer's end of stream has been seen, even if bytes before it are still unread.
func (c *Conn) PeerEnds() bool { return c.flags&(readShut|ended) != 0 }
