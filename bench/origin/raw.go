package origin

import (
	"syscall"

	"golang.org/x/sys/unix"

	"sluice/bench/epoll"
	"sluice/bench/wire"
)

// serveEcho returns what comes. What the client does not take at once is kept, and
// nothing is read until it has.
func (o *Origin) serveEcho(fd int, c *conn) {
	for o.flush(fd, c) && len(c.out) == 0 {
		b := o.read(fd)
		if b == nil {
			return
		}
		o.stats.Bytes += int64(len(b))
		c.out = b
		if !o.flush(fd, c) {
			return
		}
		if len(c.out) > 0 {
			c.partial = append(c.partial[:0], c.out...)
			c.out = c.partial
		}
		if len(b) < len(o.buf) && !c.ended {
			return
		}
	}
}

// serveDown sends the stream until the client goes.
func (o *Origin) serveDown(fd int, c *conn) {
	if c.ended {
		o.drop(fd)
		return
	}
	for range movesPerTurn {
		n, errno := epoll.Write(fd, o.period[c.offset%wire.Period:])
		if errno == syscall.EAGAIN {
			return
		}
		if errno != 0 {
			o.drop(fd)
			return
		}
		c.offset += int64(n)
	}
	o.again = append(o.again, epoll.Token{Slot: int32(fd), Gen: c.gen})
}

// serveUp takes a stream and resets it if it is not what was sent.
func (o *Origin) serveUp(fd int, c *conn) {
	for range movesPerTurn {
		b := o.read(fd)
		if b == nil {
			return
		}
		if !wire.MatchStream(b, c.offset) {
			o.stats.Damaged++
			_ = unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
			o.drop(fd)
			return
		}
		c.offset += int64(len(b))
		o.stats.Bytes += int64(len(b))
		if len(b) < len(o.buf) && !c.ended {
			return
		}
	}
	o.again = append(o.again, epoll.Token{Slot: int32(fd), Gen: c.gen})
}
