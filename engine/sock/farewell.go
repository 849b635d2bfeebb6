package sock

// Saying farewell: a connection whose last message is queued, and which nobody needs any more.
//
// A plain close is enough when the peer has nothing on its way to us. Otherwise closing would answer its bytes with a
// reset, which destroys what it has not read yet: our last message. So the connection sends its end of stream, and
// reads and drops what comes, until the peer ends too, or for a while (RFC 9112, section 9.6):
//
//	flushing ──► (draining) ──► closed

import (
	"syscall"

	"sluice/engine/loop"
)

// Leaver is who waits for a connection on its way out to be gone.
type Leaver interface {
	// Left is called once, when the connection is closed.
	Left()
}

// farewell is the owner of a connection on its way out.
type farewell struct {
	net     *Net
	conn    *Conn
	leaver  Leaver
	timer   loop.Timer
	until   int64
	mark    int // bytes not delivered at the last look
	dropped int // bytes read and dropped
	still   int // looks without progress
	drain   bool
	said    bool // the end of stream has been sent
}

// Farewell closes the connection in order once what was queued has left. With drain, the peer may still be sending: its
// bytes are dropped for a while before the close. The leaver is told when it is closed, perhaps at once: until then it
// takes its place among the connections there may be. The caller must not touch the connection any more, and no flow may
// use it.
func (c *Conn) Farewell(drain bool, leaver Leaver) {
	n := c.net
	if c.has(sealing) {
		c.layer.giveUp()
	}
	if !drain && c.state == open {
		c.flushOut() // mostly this is all there is to wait for
		c.bid()
	}
	if c.emptied() && !drain || c.cause != 0 {
		c.Close()
		leaver.Left()
		return
	}
	g := n.farewells.Get()
	now := n.Loop.Now()
	*g = farewell{net: n, conn: c, leaver: leaver, drain: drain, until: now + int64(farewellTotal), mark: -1}
	g.timer.Bind(g)
	n.leaving[g] = struct{}{}
	c.clear(watched | wanted) // an answer may have come before the end of its request, for which a flow still waited
	c.source, c.peeker = nil, nil
	c.Own(g)
	c.dropHead()
	c.dropPipe()
	n.Loop.Start(&g.timer, now+int64(farewellStall))
	if c.AwaitFlush() {
		g.Flushed(c)
	}
}

// bid says close_notify behind what was queued, once that is sealed. It has to leave before the close as well: without it,
// a message that ends with the connection would not be whole.
func (c *Conn) bid() {
	if c.layer != nil && c.out == nil {
		c.layer.bid()
	}
}

// Flushed implements Flushed: the last message is with the kernel.
func (g *farewell) Flushed(c *Conn) {
	if g.said {
		g.end()
		return
	}
	if !g.drain && !c.Waiting() { // it may have begun to send again meanwhile
		if c.bid(); c.AwaitFlush() {
			g.end()
		}
		return
	}
	now := c.net.Loop.Now()
	g.said, g.mark, g.still = true, 0, 0
	g.until = now + int64(drainTotal)
	c.net.Loop.Start(&g.timer, now+int64(farewellStall))
	if c.layer != nil {
		c.layer.deaf = true
	}
	if c.sayEnd() != 0 {
		g.end()
		return
	}
	c.Peek(g)
}

// Peeked implements Peeker: what comes is dropped.
func (g *farewell) Peeked(c *Conn, b []byte, eof bool) {
	g.dropped += len(b)
	c.Discard(len(b))
	if eof && c.AwaitFlush() || g.dropped > farewellBytes { // close_notify may still be on its way
		g.end()
	}
}

// Connected implements Owner. The connection has been connected for long.
func (g *farewell) Connected(*Conn) {}

// Broken implements Owner.
func (g *farewell) Broken(*Conn, syscall.Errno) { g.end() }

// Expired ends a farewell that gets nowhere.
func (g *farewell) Expired(*loop.Timer) {
	now := g.net.Loop.Now()
	mark := g.conn.Queued() + g.conn.Unsent()
	if g.said {
		mark = g.dropped
	}
	if g.still++; mark != g.mark {
		g.mark, g.still = mark, 0
	}
	if now >= g.until || g.still > 0 && g.said || g.still >= farewellLooks {
		g.end()
		return
	}
	g.net.Loop.Start(&g.timer, now+int64(farewellStall))
}

// end closes the connection. Bytes of the last message that the peer does not take are lost, and it can tell: it sees
// a reset.
func (g *farewell) end() {
	n := g.net
	delete(n.leaving, g)
	n.Loop.Cancel(&g.timer)
	if !g.conn.emptied() {
		g.conn.Drop()
	} else {
		g.conn.Close()
	}
	leaver := g.leaver
	g.conn, g.leaver = nil, nil
	n.farewells.Put(g)
	leaver.Left()
}

// Panicked implements loop.Victim.
func (g *farewell) Panicked() {
	if g.conn != nil {
		g.end()
	}
}

// Leaving is the number of connections on their way out.
func (n *Net) Leaving() int { return len(n.leaving) }
