package sock

// The reading half: a Conn as flow.Source.
//
// One read per request for bytes, into a buffer that goes on with the chunk. A short read proves that the queue is
// empty, so the edge is forgotten without a second call; and when the poller has already seen the peer's end of
// stream, a short read proves the end as well. Large reads in a row make a bulk run, which goes by splice.

import (
	"syscall"

	"golang.org/x/sys/unix"

	"sluice/engine/flow"
	"sluice/pool"
)

// Proceed implements flow.Source.
func (c *Conn) Proceed(f *flow.Flow) {
	c.source = f
	c.add(wanted)
	c.pull()
}

// Stop implements flow.Source.
func (c *Conn) Stop(*flow.Flow, error) {
	c.clear(wanted)
	c.dropPipe()
}

// pull answers the source flow if it can.
func (c *Conn) pull() {
	f := c.source
	switch {
	case c.headAt < c.headLen:
		c.sendHead(f)
	case c.has(ended):
		c.clear(wanted)
		f.Send(flow.Chunk{}, true)
	case !c.has(readable):
		return
	case c.spent >= turnBytes:
		c.spent = 0
		f.Yield()
	case c.bulk(f):
		c.pullPipe(f)
	default:
		c.pullBuffer(f)
	}
}

// sendHead passes on what was read ahead.
func (c *Conn) sendHead(f *flow.Flow) {
	head := c.head
	rest := head.Bytes()[c.headAt:c.headLen]
	c.head, c.headAt, c.headLen = nil, 0, 0
	c.clear(wanted)
	f.Send(flow.Chunk{Bytes: rest, Owner: head}, c.has(ended))
}

func (c *Conn) pullBuffer(f *flow.Flow) {
	buf := c.net.Buffers.Get(c.class)
	n, err := c.net.Sys.Read(int(c.fd), buf.Bytes())
	if err != 0 || n == 0 {
		buf.Release()
		c.pullNothing(f, err)
		return
	}
	full := n == len(buf.Bytes())
	c.measure(n, full)
	end := !full && c.drained()
	c.clear(wanted)
	f.Send(flow.Chunk{Bytes: buf.Bytes()[:n], Owner: buf}, end)
}

// measure adapts the next read to the size of this one.
func (c *Conn) measure(n int, full bool) {
	c.spent += int32(n)
	switch {
	case full && c.class < pool.Large:
		c.class++
	case n < smallRead:
		c.class = pool.Medium
		c.run = 0
		return
	}
	if c.run < spliceAfter {
		c.run += int32(n)
	}
}

// drained notes that a short read has emptied the queue, and reports whether that was the end of the stream.
func (c *Conn) drained() (end bool) {
	if c.has(rough) {
		return false
	}
	if !c.has(readShut) {
		c.clear(readable)
		return false
	}
	if c.cause != 0 {
		return false // the next read tells how it ended
	}
	c.add(ended)
	return true
}

// pullNothing handles a read that brought no bytes: not now, the end, or an error.
func (c *Conn) pullNothing(f *flow.Flow, err syscall.Errno) {
	if err == unix.EAGAIN {
		c.clear(readable)
		c.class = pool.Medium
		c.dropPipe()
		return
	}
	c.clear(wanted)
	c.dropPipe()
	if err != 0 {
		c.latch(err)
	}
	if c.cause != 0 {
		f.Fail(c.cause)
		return
	}
	c.add(ended)
	f.Send(flow.Chunk{}, true)
}

// bulk reports whether the next read should be a splice. It gives back the pipe of a run that is over.
func (c *Conn) bulk(f *flow.Flow) bool {
	if c.run < spliceAfter {
		c.dropPipe()
		return false
	}
	to, plain := f.Sink().(*Conn)
	if !plain || c.has(unsplice) || to.has(unsplice) || to.prefix != nil {
		return false
	}
	if c.pipe == nil {
		c.pipe = c.net.Pipes.Get()
	}
	return c.pipe != nil
}

// pullPipe fills the empty pipe. Only EAGAIN proves an empty queue: a splice also stops when the pipe is full.
func (c *Conn) pullPipe(f *flow.Flow) {
	n, err := c.net.Sys.SpliceIn(int(c.fd), c.pipe.W, spliceMax)
	if err == unix.EINVAL {
		c.add(unsplice)
		c.dropPipe()
		c.pullBuffer(f)
		return
	}
	if err != 0 || n == 0 {
		c.pullNothing(f, err)
		return
	}
	c.spent += int32(n)
	if n < smallRead {
		c.run = 0
	}
	c.pipe.N = n
	c.clear(wanted)
	f.Send(flow.Chunk{Pipe: c.pipe}, false)
}

func (c *Conn) dropPipe() {
	if c.pipe != nil {
		c.net.Pipes.Put(c.pipe)
		c.pipe = nil
	}
}
