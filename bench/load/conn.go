package load

import (
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"

	"sluice/bench/epoll"
)

// conn is one slot: a connection and its current exchanges.
type conn struct {
	slot    int32
	gen     int32   // the slot's life, to tell stale events
	fd      int     // -1 when closed
	fresh   bool    // nothing has been written yet, so that a failure is one to connect
	ended   bool    // the end of the stream is known: read until it shows
	opening bool    // WebSocket: the upgrade is not granted yet
	secure  *secure // TLS; nil = plain
	rest    []byte  // what has not been written yet

	// began has when each exchange under way began, or should have in the mode Open:
	// a ring with the oldest at head.
	began   []int64
	head    int
	pending int
	answer  answer

	failed int64 // when the slot failed, if it is closed
	freed  int64 // Open: when the connection became ready for another exchange
	listed bool  // Open: it is in the list of free ones
	trial  bool  // Open: the first exchange, which nobody's schedule has
}

// push notes an exchange that begins, pop returns when the oldest one did.
func (c *conn) push(since int64) {
	i := c.head + c.pending
	if i >= len(c.began) {
		i -= len(c.began)
	}
	c.began[i] = since
	c.pending++
}

func (c *conn) pop() (since int64) {
	since = c.began[c.head]
	if c.head++; c.head == len(c.began) {
		c.head = 0
	}
	c.pending--
	return since
}

func parseTarget(text string) (unix.SockaddrInet4, error) {
	target, err := netip.ParseAddrPort(text)
	if err != nil || !target.Addr().Is4() {
		return unix.SockaddrInet4{}, fmt.Errorf("target %q is not an IPv4 address and port", text)
	}
	return unix.SockaddrInet4{Addr: target.Addr().As4(), Port: int(target.Port())}, nil
}

// dial opens the slot's connection and writes at once if it can: over loopback a
// connect has usually finished when it returns. The first exchanges begin here, so
// that they contain whatever it takes to get to them.
func (g *generator) dial(c *conn) {
	now := g.clock()
	g.n.connects++
	fd, err := g.dialer.Dial()
	if err != nil {
		g.fail(c, kindConnect)
		return
	}
	c.fd, c.fresh, c.ended, c.trial = fd, true, false, g.opt.Mode == Open
	c.gen++
	c.answer.reset()
	g.expect(c, g.opt.Pipeline, now)
	if err := g.poller.Add(fd, epoll.Token{Slot: c.slot, Gen: c.gen}); err != nil {
		g.fail(c, kindConnect)
		return
	}
	if g.shield != nil {
		c.secure = g.shield.wrap()
		g.handshake(c)
		return
	}
	g.start(c)
}

// expect notes exchanges that begin.
func (g *generator) expect(c *conn, n int, since int64) {
	for range n {
		c.push(since)
	}
	g.pending += n
}

// start says the first words once there is somebody to talk to.
func (g *generator) start(c *conn) {
	if greeting := g.speech.greeting; len(greeting) > 0 {
		c.opening = true
		g.put(c, greeting)
		return
	}
	g.request(c, c.pending)
}

// send begins more exchanges on an open connection, as of the given time: in a
// closed loop that of the answer before, one clock reading serves both.
func (g *generator) send(c *conn, n int, since int64) {
	g.expect(c, n, since)
	g.request(c, n)
}

// fail counts an error, one for each exchange that is lost by it, and closes the
// connection; the sweep opens it anew.
func (g *generator) fail(c *conn, k kind) {
	g.blame(k, int64(max(1, c.pending)))
	if g.opt.Mode == Hold && c.fd >= 0 && c.pending == 0 {
		g.idle--
	}
	g.release(c)
	c.failed = g.now
}

// blame counts errors.
func (g *generator) blame(k kind, n int64) {
	g.errors[k] += n
	g.buckets.at(g.now).Errors += n
}

// renew closes a connection that has done its work, by the rules, and opens another.
func (g *generator) renew(c *conn) {
	if c.secure != nil {
		c.secure.farewell(c.fd)
	}
	g.release(c)
	g.dial(c)
}

// release closes the slot's connection, if it has one. Exchanges under way on it are
// forgotten.
func (g *generator) release(c *conn) {
	if c.fd >= 0 {
		_ = unix.Close(c.fd)
	}
	if c.secure != nil {
		c.secure.abandon()
	}
	g.pending -= c.pending
	c.fd, c.rest, c.secure, c.opening = -1, nil, nil, false
	c.head, c.pending = 0, 0
}

// sweep fails exchanges that take too long and dials again where one failed.
// In the mode Hold a failure is final: the connection is missing from the count.
func (g *generator) sweep() {
	g.sweepAt = g.now + int64(sweepEvery)
	for slot := range g.conns {
		c := &g.conns[slot]
		switch {
		case c.pending > 0 && g.now-c.began[c.head] > int64(answerTimeout):
			g.fail(c, kindTimeout)
		case c.fd < 0 && g.opt.Mode != Hold && g.now-c.failed > int64(retryDelay):
			g.dial(c)
		}
	}
}
