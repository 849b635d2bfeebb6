package origin

import (
	"time"

	"golang.org/x/sys/unix"

	"sluice/bench/wire"
)

// slowTick is how often a slow answer gets another piece, if that has a byte.
const slowTick = 10 * time.Millisecond

// behave answers a request that asks for trouble itself or meets an address that
// makes it; false ends the connection without an answer.
func (o *Origin) behave(fd int, c *conn, r *reply) bool {
	ask, at := &r.ask, c.at
	at.count++
	switch {
	case ask.Key != "":
		c.out, c.role, c.frames = r.data, roleWebSocket, &frames{}
		return true
	case ask.Hang || at.every(at.HangEvery):
		c.held, c.hung = true, true
		return !c.ended
	case ask.Drop || at.every(at.DropEvery):
		return false
	case at.every(at.ErrorEvery):
		c.out = o.bytes(wire.Reply{Status: 503})
	default:
		c.closing = ask.Close || at.every(at.CloseEvery)
		c.out = o.bytes(wire.Reply{Status: ask.Status, Size: ask.Size, Chunked: ask.Chunked || at.Chunked, Close: c.closing})
	}
	if c.pace = at.SlowBody; ask.Slow > 0 {
		c.pace = ask.Slow
	}
	if delay := at.Delay + ask.Delay + o.jitter(at.Jitter); delay > 0 {
		o.hold(fd, c, delay)
	}
	return true
}

// every reports whether it is one of every n requests; never for 0.
func (a *address) every(n int) bool { return n > 0 && a.count%n == 0 }

// jitter is a random time with that mean.
func (o *Origin) jitter(mean time.Duration) time.Duration {
	if mean == 0 {
		return 0
	}
	return time.Duration(o.random.ExpFloat64() * float64(mean))
}

// slow is the piece of the answer that may be written now, and interval how long that
// must suffice.
func (c *conn) slow() []byte {
	n := int(int64(c.pace) * int64(slowTick) / int64(time.Second))
	return c.out[:min(len(c.out), max(1, n))]
}

func (c *conn) interval(written int) time.Duration {
	return time.Duration(int64(written) * int64(time.Second) / int64(c.pace))
}

// part ends a connection after its last answer. It does not close before the client
// has: what the client may have sent meanwhile would turn into a reset that destroys
// the answer.
func (o *Origin) part(fd int, c *conn) {
	c.role, c.held = roleDrain, false
	_ = unix.Shutdown(fd, unix.SHUT_WR)
	o.drain(fd, c)
}

// drain reads to the end.
func (o *Origin) drain(fd int, c *conn) {
	for o.read(fd) != nil {
	}
}
