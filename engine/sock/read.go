package sock

// The reading half: a Conn as flow.Source.
//
// One read per request for bytes, into a buffer that goes on with the chunk. A short read proves that the queue is
// empty, so the edge is forgotten without a second call; and when the poller has already seen the peer's end of
// stream, a short read proves the end as well. Large reads in a row make a bulk run, which goes by splice.

import (
	"io"
	"syscall"

	"golang.org/x/sys/unix"

	"sluice/engine/flow"
	"sluice/pool"
)

// Bound says how many bytes the next flow out of this connection may have: after n of them the flow ends, although the
// stream goes on, and what was read beyond them stays ahead, for whoever reads next. A stream that ends before is cut
// short: the flow fails with io.ErrUnexpectedEOF. n is at least 1.
func (c *Conn) Bound(n int64) {
	c.left = n
	c.class = max(c.class, pool.ClassFor(int(min(n, 1<<20))))
}

// Unbound makes the stream's own end the end of the next flow, as it is without Bound.
func (c *Conn) Unbound() { c.left = unbounded }

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
		c.sendEnd(f)
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
	c.clear(wanted)
	if take, within := c.within(len(rest)); !within {
		head.Retain()
		c.headAt += int32(take)
		f.Send(flow.Chunk{Bytes: rest[:take], Owner: head}, true)
		return
	}
	c.head, c.headAt, c.headLen = nil, 0, 0
	f.Send(flow.Chunk{Bytes: rest, Owner: head}, c.left == 0 || c.left < 0 && c.has(ended))
}

// sendEnd passes on the end of the stream, which is a cut when the flow was to have more.
func (c *Conn) sendEnd(f *flow.Flow) {
	if c.left > 0 {
		f.Fail(io.ErrUnexpectedEOF)
		return
	}
	f.Send(flow.Chunk{}, true)
}

// within takes up to n bytes from what the flow may have, and reports whether it may have all n.
func (c *Conn) within(n int) (take int, all bool) {
	if c.left < 0 {
		return n, true
	}
	if int64(n) > c.left {
		n = int(c.left)
		c.left = 0
		return n, false
	}
	c.left -= int64(n)
	return n, true
}

func (c *Conn) pullBuffer(f *flow.Flow) {
	buf := c.net.Buffers.Get(c.class)
	space := buf.Bytes()
	if c.class == pool.Large {
		space = space[:largeRead]
	}
	n, err := c.read(space)
	if err != 0 || n == 0 {
		buf.Release()
		c.pullNothing(f, err)
		return
	}
	full := n == len(space)
	c.measure(n, full)
	end := !full && c.drained()
	c.clear(wanted)
	take, all := c.within(n)
	if !all { // the rest belongs to whoever reads next
		buf.Retain()
		c.head, c.headAt, c.headLen = buf, int32(take), int32(n)
	}
	if c.left >= 0 {
		end = c.left == 0
	}
	f.Send(flow.Chunk{Bytes: buf.Bytes()[:take], Owner: buf}, end)
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
	if c.flags&(rough|opaque) != 0 {
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
	c.sendEnd(f)
}

// Splicer is a sink that may end in a connection whose bytes nobody looks at.
type Splicer interface {
	flow.Sink
	// SpliceTo is the connection that chunks in pipes go to, or nil when the sink wants memory.
	SpliceTo() *Conn
}

// SpliceTo implements Splicer.
func (c *Conn) SpliceTo() *Conn { return c }

// bulk reports whether the next read should be a splice. It gives back the pipe of a run that is over.
func (c *Conn) bulk(f *flow.Flow) bool {
	if c.run < spliceAfter {
		c.dropPipe()
		return false
	}
	sink, plain := f.Sink().(Splicer)
	if !plain || c.has(unsplice) {
		return false
	}
	to := sink.SpliceTo()
	if to == nil || to.has(unsplice) || to.out != nil {
		return false
	}
	if c.pipe == nil {
		c.pipe = c.net.Pipes.Get()
	}
	return c.pipe != nil
}

// pullPipe fills the empty pipe. Only EAGAIN proves an empty queue: a splice also stops when the pipe is full.
func (c *Conn) pullPipe(f *flow.Flow) {
	most := spliceMax
	if c.left >= 0 {
		most = int(min(c.left, spliceMax))
	}
	n, err := c.net.Sys.SpliceIn(int(c.fd), c.pipe.W, most)
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
	if c.left > 0 {
		c.left -= int64(n)
	}
	f.Send(flow.Chunk{Pipe: c.pipe}, c.left == 0)
}

func (c *Conn) dropPipe() {
	if c.pipe != nil {
		c.net.Pipes.Put(c.pipe)
		c.pipe = nil
	}
}
