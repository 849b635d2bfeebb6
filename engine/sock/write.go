package sock

// The writing half: a Conn as flow.Sink.
//
// What can leave leaves, at once or at the end of the batch; what cannot stays where it is, in the chunk, until the
// poller reports space. Bytes queued by Queue or Commit leave before any chunk, and together with one when there is one.

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"sluice/engine/flow"
	"sluice/engine/stat"
	"sluice/pool"
)

// Write implements flow.Sink. A small chunk waits for the end of the batch of events, when everything small that the
// batch has brought leaves at once: the processes on the far sides wake up once for all of it, not for each piece, which
// saves a busy proxy 7 % of its time and costs an idle one nothing.
func (c *Conn) Write(f *flow.Flow, chunk *flow.Chunk, end bool) {
	c.sink, c.chunk, c.tail, c.last = f, chunk, "", end
	c.clear(framed)
	c.pushSoon()
}

// WriteFramed writes a chunk that is part of a message on this connection, followed by tail, which may be empty. It
// says Done when all of it has left or is queued; a small chunk is copied to what is queued
// and done at once, so that a head, its body and the next answer leave by one call.
func (c *Conn) WriteFramed(f *flow.Flow, chunk *flow.Chunk, tail string) {
	n := chunk.Len()
	if chunk.Pipe == nil && n+len(tail) <= smallWrite && c.fits(n+len(tail)) && c.Queued()+n+len(tail) <= queuedMax {
		space := c.Space(n + len(tail))
		space = append(append(space, chunk.Bytes...), tail...)
		c.Commit(len(space))
		f.Advance(n)
		f.Done()
		return
	}
	c.sink, c.chunk, c.tail, c.last = f, chunk, tail, false
	c.add(framed)
	c.pushSoon()
}

// pushSoon writes a large chunk now and a small one at the end of the batch.
func (c *Conn) pushSoon() {
	if c.chunk.Pipe == nil && len(c.chunk.Bytes) <= smallWrite {
		c.net.Loop.Later(&c.leave)
		return
	}
	c.push()
}

// Abort implements flow.Sink. What is not written is dropped; the owner has to Reset the connection, because an
// ordinary close would look like the end of the stream.
func (c *Conn) Abort(*flow.Flow, error) {
	c.sink, c.chunk, c.tail = nil, nil, ""
}

// outbox is a Conn as the task that writes at the end of a batch.
type outbox Conn

// Run writes what waits to be written.
func (o *outbox) Run() { (*Conn)(o).flush() }

// Panicked implements loop.Victim.
func (o *outbox) Panicked() { (*Conn)(o).Panicked() }

// flush writes what waits to be written.
func (c *Conn) flush() {
	switch {
	case c.sink != nil:
		c.push()
	case c.out != nil:
		c.flushOut()
	case c.layer != nil:
		c.layer.flush()
	}
	if c.has(awaited) && c.sink == nil && c.state == open && c.emptied() {
		c.clear(awaited)
		c.owner.(Flushed).Flushed(c)
	}
}

// push writes as much as the socket takes.
func (c *Conn) push() {
	f, chunk := c.sink, c.chunk
	for (chunk.Len() > 0 || c.out != nil) && c.has(writable) {
		if err := c.writeSome(f, chunk); err != 0 {
			c.pushFailed(f, err)
			return
		}
	}
	if chunk.Len() > 0 || c.out != nil && (!c.has(framed) || c.Queued()+len(c.tail) > pool.Large.Size()) {
		return
	}
	if c.layer != nil {
		if err := c.layer.deliver(c.last); err != 0 {
			c.pushFailed(f, err)
			return
		}
	}
	tail := c.tail
	c.sink, c.chunk, c.tail = nil, nil, ""
	if len(tail) > 0 {
		c.Commit(len(append(c.Space(len(tail)), tail...)))
	}
	if c.last {
		c.shutdown()
	}
	f.Done()
}

func (c *Conn) pushFailed(f *flow.Flow, err syscall.Errno) {
	if err == unix.EAGAIN {
		c.clear(writable)
		return
	}
	c.sink, c.chunk, c.tail = nil, nil, ""
	c.latch(err)
	f.Refuse(c.cause)
}

// writeSome makes one system call. A short write means a full socket; a short splice only means it from a later
// EAGAIN, because it also ends at the pipe's own boundaries.
func (c *Conn) writeSome(f *flow.Flow, chunk *flow.Chunk) syscall.Errno {
	sys, fd := c.net.Sys, int(c.fd)
	if c.has(lazy) {
		c.hurry(chunk.Len() + int(c.outLen-c.outAt) + len(c.tail))
	}
	switch {
	case chunk.Pipe != nil && c.out == nil:
		n, err := sys.SpliceOut(chunk.Pipe.R, fd, chunk.Pipe.N)
		if err == 0 {
			f.Advance(n)
			c.net.Loop.Stats().Add(stat.BytesSpliced, uint64(n))
		}
		return err
	case c.out != nil || len(c.tail) > 0:
		return c.writeParts(f, chunk)
	}
	n, err := c.write(chunk.Bytes)
	if err == 0 {
		f.Advance(n)
	}
	return err
}

// writeParts writes what is queued, the chunk and its tail by one call.
func (c *Conn) writeParts(f *flow.Flow, chunk *flow.Chunk) syscall.Errno {
	parts := &c.net.parts
	*parts = Parts{c.queued(), chunk.Bytes, unsafe.Slice(unsafe.StringData(c.tail), len(c.tail))}
	if chunk.Pipe != nil {
		parts[2] = nil // it comes behind what is in the pipe
	}
	n, err := c.writeJoined(parts)
	*parts = Parts{}
	if err != 0 {
		return err
	}
	n = c.sentOut(n)
	if body := min(n, len(chunk.Bytes)); body > 0 {
		f.Advance(body)
		n -= body
	}
	c.tail = c.tail[n:]
	return 0
}

// hurry turns Nagle's rule off before a dialed connection writes for the second time, or more than any segment holds.
// The rule holds back a small segment only while an earlier one is not acknowledged, so it cannot delay a first small
// write; and many connections never write twice.
func (c *Conn) hurry(bytes int) {
	if !c.has(wrote) && bytes <= smallestSegment {
		c.add(wrote)
		return
	}
	c.clear(lazy | wrote)
	c.net.Sys.NoDelay(int(c.fd))
}

// shutdown sends the end of the stream. When the peer's own end has been read and passed on already, the connection
// is over, and the close that its owner owes it sends the end: one system call less per connection.
func (c *Conn) shutdown() {
	c.add(shut)
	if c.has(ended) && c.source != nil && c.source.Delivered() {
		return
	}
	if err := c.net.Sys.ShutdownWrite(int(c.fd)); err != 0 && err != unix.ENOTCONN {
		c.latch(err)
	}
}
