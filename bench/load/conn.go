package load

import (
	"fmt"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"

	"sluice/bench/epoll"
)

// conn is one slot: a connection and its current exchange.
type conn struct {
	fd      int    // -1 when closed
	gen     int32  // the slot's life, to tell stale events
	ended   bool   // the end of the stream is known: read until it shows
	rest    []byte // what has not been written of the request
	waiting bool   // an answer is due
	since   int64  // when the exchange began, in the mode Open should have; when the slot failed, if closed
	freed   int64  // Open: when the connection became ready for another exchange
	listed  bool   // Open: it is in the list of free ones
	answer  answer
}

func parseTarget(text string) (unix.SockaddrInet4, error) {
	target, err := netip.ParseAddrPort(text)
	if err != nil || !target.Addr().Is4() {
		return unix.SockaddrInet4{}, fmt.Errorf("target %q is not an IPv4 address and port", text)
	}
	return unix.SockaddrInet4{Addr: target.Addr().As4(), Port: int(target.Port())}, nil
}

// dial opens the slot's connection and writes the request at once if it can:
// over loopback a connect has usually finished when it returns.
func (g *generator) dial(slot int) {
	c := &g.conns[slot]
	c.since = g.clock()
	fd, err := g.dialer.Dial()
	if err != nil {
		g.fail(c, kindConnect)
		return
	}
	c.fd, c.ended = fd, false
	c.gen++
	g.expect(c)
	if err := g.poller.Add(fd, epoll.Token{Slot: int32(slot), Gen: c.gen}); err != nil {
		g.fail(c, kindConnect)
		return
	}
	g.write(c)
}

// send begins the next exchange on an open connection, as of the given time: in
// a closed loop that of the answer before, one clock reading serves both.
func (g *generator) send(c *conn, since int64) {
	c.since = since
	g.expect(c)
	g.write(c)
}

// expect prepares the slot for a request and its answer.
func (g *generator) expect(c *conn) {
	c.rest, c.waiting = g.request, true
	c.answer.reset()
	g.pending++
}

// settle ends the exchange, if there is one.
func (g *generator) settle(c *conn) {
	if c.waiting {
		c.waiting = false
		g.pending--
	}
}

// write sends what it can of the request; EAGAIN means that the connect is still
// under way or the socket full.
func (g *generator) write(c *conn) {
	for len(c.rest) > 0 {
		n, errno := epoll.Write(c.fd, c.rest)
		switch errno {
		case 0:
			c.rest = c.rest[n:]
		case syscall.EAGAIN:
			return
		case syscall.ECONNREFUSED, syscall.ETIMEDOUT, syscall.EHOSTUNREACH:
			g.fail(c, kindConnect)
			return
		default:
			g.fail(c, kindReset)
			return
		}
	}
}

func (g *generator) event(e epoll.Event) {
	c := &g.conns[e.Slot]
	if c.fd < 0 || c.gen != e.Gen {
		return
	}
	c.ended = c.ended || e.Ended
	if len(c.rest) > 0 && (e.Writable || e.Ended) {
		g.write(c)
	}
	if e.Readable && c.fd >= 0 {
		g.receive(int(e.Slot), c)
	}
}

// receive reads until the socket is empty: a short read says so unless the end
// of the stream is already known.
func (g *generator) receive(slot int, c *conn) {
	for gen := c.gen; c.fd >= 0 && c.gen == gen; {
		n, errno := epoll.Read(c.fd, g.buf)
		if errno == syscall.EAGAIN {
			return
		}
		if bad := g.judge(c, n, errno); bad != kindNone {
			g.fail(c, bad)
			return
		}
		before := c.answer.offset
		done, bad := g.check.feed(&c.answer, g.buf[:n])
		if bad != kindNone {
			g.fail(c, bad)
			return
		}
		g.bytes += c.answer.offset - before
		more := n == len(g.buf) || c.ended
		if done && len(c.rest) > 0 {
			g.fail(c, kindEarly)
			return
		}
		if done {
			g.complete(slot, c)
		}
		if !more {
			return
		}
	}
}

// judge names what is wrong with a read before its bytes are looked at.
func (g *generator) judge(c *conn, n int, errno syscall.Errno) kind {
	switch {
	case len(c.rest) == len(g.request) && errno != 0:
		return kindConnect
	case errno != 0:
		return kindReset
	case n == 0:
		return kindEOF
	case !c.waiting:
		return kindLength // bytes nobody asked for
	}
	return kindNone
}

// complete counts an answer and goes on as the mode says.
func (g *generator) complete(slot int, c *conn) {
	g.clock()
	if c.since >= g.from && c.since < g.until {
		// A value out of the histogram's bounds cannot occur: the sweep ends an
		// exchange long before a minute.
		_ = g.hist.RecordValue(max(g.now-c.since, histMin))
	}
	g.answers++
	g.settle(c)
	switch g.opt.Mode {
	case Keep:
		g.send(c, g.now)
	case Churn:
		g.release(c)
		g.dial(slot)
	case Hold:
		g.idle++
	case Open:
		g.lend(int32(slot))
	}
}

// fail counts an error and closes the connection; the sweep opens it anew.
func (g *generator) fail(c *conn, k kind) {
	g.errors[k]++
	if g.opt.Mode == Hold && c.fd >= 0 && !c.waiting {
		g.idle--
	}
	g.release(c)
	c.since = g.now
}

// release closes the slot's connection, if it has one.
func (g *generator) release(c *conn) {
	if c.fd >= 0 {
		_ = unix.Close(c.fd)
	}
	c.fd, c.rest = -1, nil
	g.settle(c)
}

// sweep fails exchanges that take too long and dials again where one failed.
// In the mode Hold a failure is final: the connection is missing from the count.
func (g *generator) sweep() {
	g.sweepAt = g.now + int64(sweepEvery)
	for slot := range g.conns {
		c := &g.conns[slot]
		switch age := g.now - c.since; {
		case c.waiting && age > int64(answerTimeout):
			g.fail(c, kindTimeout)
		case c.fd < 0 && g.opt.Mode != Hold && age > int64(retryDelay):
			g.dial(slot)
		}
	}
}
