package sock

// The writing half: a Conn as flow.Sink.
//
// What can leave leaves, at once or at the end of the batch; what cannot stays where it is, in the chunk, until the
// poller reports space. Bytes queued by Queue leave before any chunk, and together with the first one when there is one.

import (
	"syscall"

	"golang.org/x/sys/unix"

	"sluice/engine/flow"
	"sluice/engine/stat"
	"sluice/pool"
)

// Write implements flow.Sink. A small chunk waits for the end of the batch of events, when everything small that the
// batch has brought leaves at once: the processes on the far sides wake up once for all of it, not for each piece, which
// saves a busy proxy 7 % of its time and costs an idle one nothing.
func (c *Conn) Write(f *flow.Flow, chunk *flow.Chunk, end bool) {
	c.sink, c.chunk, c.last = f, chunk, end
	if chunk.Pipe == nil && len(chunk.Bytes) <= smallWrite {
		c.net.Loop.Later(&c.out)
		return
	}
	c.push()
}

// Abort implements flow.Sink. What is not written is dropped; the owner has to Reset the connection, because an
// ordinary close would look like the end of the stream.
func (c *Conn) Abort(*flow.Flow, error) {
	c.sink, c.chunk = nil, nil
}

// Queue copies b (at most 4 KiB in all) to leave ahead of everything else: with the next chunk, or at the end of
// this callback when there is none. The connection must be connected.
func (c *Conn) Queue(b []byte) {
	if c.state != open || (c.prefix != nil && int(c.prefixLn)+len(b) > pool.Small.Size()) || len(b) > pool.Small.Size() {
		panic("sock: bytes queued too early, or too many")
	}
	if c.prefix == nil {
		c.prefix = c.net.Buffers.Get(pool.Small)
		c.prefixAt, c.prefixLn = 0, 0
	}
	c.prefixLn += int16(copy(c.prefix.Bytes()[c.prefixLn:], b))
	c.net.Loop.Settle(&c.task)
}

// push writes as much as the socket takes.
func (c *Conn) push() {
	f, chunk := c.sink, c.chunk
	for (chunk.Len() > 0 || c.prefix != nil) && c.has(writable) {
		if err := c.writeSome(f, chunk); err != 0 {
			c.pushFailed(f, err)
			return
		}
	}
	if chunk.Len() > 0 || c.prefix != nil {
		return
	}
	c.sink, c.chunk = nil, nil
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
	c.sink, c.chunk = nil, nil
	c.latch(err)
	f.Refuse(c.cause)
}

// writeSome makes one system call. A short write means a full socket; a short splice only means it from a later
// EAGAIN, because it also ends at the pipe's own boundaries.
func (c *Conn) writeSome(f *flow.Flow, chunk *flow.Chunk) syscall.Errno {
	sys, fd := c.net.Sys, int(c.fd)
	if c.has(lazy) {
		c.hurry(chunk.Len() + int(c.prefixLn-c.prefixAt))
	}
	switch {
	case c.prefix != nil:
		return c.writePrefixed(f, chunk)
	case chunk.Pipe != nil:
		n, err := sys.SpliceOut(chunk.Pipe.R, fd, chunk.Pipe.N)
		if err == 0 {
			f.Advance(n)
			c.net.Loop.Stats().Add(stat.BytesSpliced, uint64(n))
		}
		return err
	}
	want := len(chunk.Bytes)
	n, err := sys.Write(fd, chunk.Bytes)
	if err != 0 {
		return err
	}
	f.Advance(n)
	if n < want {
		c.clear(writable)
	}
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

func (c *Conn) writePrefixed(f *flow.Flow, chunk *flow.Chunk) syscall.Errno {
	ahead := c.prefix.Bytes()[c.prefixAt:c.prefixLn]
	want := len(ahead) + len(chunk.Bytes)
	n, err := c.net.Sys.WriteTwo(int(c.fd), ahead, chunk.Bytes)
	if err != 0 {
		return err
	}
	if n < want {
		c.clear(writable)
	}
	if n < len(ahead) {
		c.prefixAt += int16(n)
		return 0
	}
	c.dropPrefix()
	if n > len(ahead) {
		f.Advance(n - len(ahead))
	}
	return 0
}

// flushPrefix writes queued bytes that no chunk came to join.
func (c *Conn) flushPrefix() {
	for c.prefix != nil && c.has(writable) {
		if c.has(lazy) {
			c.hurry(int(c.prefixLn - c.prefixAt))
		}
		n, err := c.net.Sys.Write(int(c.fd), c.prefix.Bytes()[c.prefixAt:c.prefixLn])
		switch {
		case err == unix.EAGAIN:
			c.clear(writable)
		case err != 0:
			c.dropPrefix()
			c.latch(err)
		case n == int(c.prefixLn-c.prefixAt):
			c.dropPrefix()
		default:
			c.prefixAt += int16(n)
		}
	}
}

func (c *Conn) dropPrefix() {
	if c.prefix != nil {
		c.prefix.Release()
		c.prefix, c.prefixAt, c.prefixLn = nil, 0, 0
	}
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
