package load

import (
	"syscall"

	"sluice/bench/epoll"
	"sluice/bench/wire"
)

// What goes through a connection. Bytes to write wait in conn.rest: plain, they are
// the end of a prepared batch of requests, all alike, so that any number of them
// that is still to be written is a suffix of it; sealed, they are records of the
// connection's own. Bytes read are in the generator's one buffer and gone when the
// call that read them returns.

const (
	// readsPerTurn and writesPerTurn keep a fast connection from starving the others:
	// several MiB, since only streams and large answers get there.
	readsPerTurn  = 16
	writesPerTurn = 16
	// streamPiece is how much of a stream is queued at a time; it divides the period.
	streamPiece = wire.Period / 4
)

// request queues n requests and writes what it can.
func (g *generator) request(c *conn, n int) {
	batch := g.speech.batch
	if c.secure != nil {
		c.secure.seal(c, batch[:n*g.speech.request])
	} else {
		c.rest = batch[len(batch)-len(c.rest)-n*g.speech.request:]
	}
	g.write(c)
}

// put queues other bytes where none are queued.
func (g *generator) put(c *conn, b []byte) {
	if c.secure != nil {
		c.secure.seal(c, b)
	} else {
		c.rest = b
	}
	g.write(c)
}

// write sends what it can; EAGAIN means that the connect is still under way or the
// socket full.
func (g *generator) write(c *conn) {
	for range writesPerTurn {
		if len(c.rest) == 0 && !g.refill(c) {
			return
		}
		n, errno := epoll.Write(c.fd, c.rest)
		switch {
		case errno == 0:
			c.rest, c.fresh = c.rest[n:], false
			g.n.out += int64(n)
		case errno == syscall.EAGAIN:
			return
		case c.fresh:
			g.fail(c, kindConnect)
			return
		default:
			g.fail(c, kindReset)
			return
		}
	}
	g.again = append(g.again, epoll.Token{Slot: c.slot, Gen: c.gen})
}

// refill puts the next piece of a stream in place of what has been written.
func (g *generator) refill(c *conn) bool {
	if g.opt.Stream != Up || c.secure != nil && !c.secure.ready {
		return false
	}
	pieces, sent := g.speech.batch, c.answer.offset
	if sent > 0 {
		g.progress(c, streamPiece)
	}
	c.answer.offset += streamPiece
	piece := pieces[sent%wire.Period:][:streamPiece]
	if c.secure != nil {
		c.secure.seal(c, piece)
	} else {
		c.rest = piece
	}
	return true
}

// drink takes bytes of a stream.
func (g *generator) drink(c *conn, b []byte) bool {
	if g.opt.Stream == Up {
		g.fail(c, kindLength)
		return false
	}
	if !wire.MatchStream(b, c.answer.offset) {
		g.fail(c, kindContent)
		return false
	}
	c.answer.offset += int64(len(b))
	g.progress(c, len(b))
	return true
}

// progress counts bytes of a stream, which has no answers but must not stand still.
func (g *generator) progress(c *conn, n int) {
	g.n.work += int64(n)
	c.began[c.head] = g.now
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
		g.receive(c)
	}
}

// resume goes on with the connections that had more to do than a turn allows.
func (g *generator) resume() {
	due := len(g.again)
	for _, t := range g.again {
		if c := &g.conns[t.Slot]; c.fd >= 0 && c.gen == t.Gen {
			g.write(c)
			if c.fd >= 0 && c.gen == t.Gen {
				g.receive(c)
			}
		}
	}
	g.again = append(g.again[:0], g.again[due:]...)
}

// receive reads until the socket is empty: a short read says so unless the end
// of the stream is already known.
func (g *generator) receive(c *conn) {
	for range readsPerTurn {
		n, errno := epoll.Read(c.fd, g.buf)
		switch {
		case errno == syscall.EAGAIN:
			return
		case errno != 0 && c.fresh:
			g.fail(c, kindConnect)
			return
		case errno != 0:
			g.fail(c, kindReset)
			return
		case n == 0:
			g.finish(c, false)
			return
		}
		c.fresh = false
		g.n.in += int64(n)
		if !g.take(c, g.buf[:n]) || n < len(g.buf) && !c.ended {
			return
		}
	}
	g.again = append(g.again, epoll.Token{Slot: c.slot, Gen: c.gen})
}

// take passes on what was read, without its TLS; false means that the connection is
// gone, perhaps for a new one.
func (g *generator) take(c *conn, b []byte) bool {
	if c.secure != nil {
		return g.unseal(c, b)
	}
	return g.listen(c, b)
}

// listen takes the next bytes of what the other side says.
func (g *generator) listen(c *conn, b []byte) bool {
	if c.opening {
		var ok bool
		if b, ok = g.welcome(c, b); !ok || c.opening {
			return ok
		}
	}
	if g.opt.Stream != "" {
		return g.drink(c, b)
	}
	return g.digest(c, b)
}

// digest takes the answers out of b one by one, and goes on as the mode says.
func (g *generator) digest(c *conn, b []byte) bool {
	finished := 0
	for len(b) > 0 {
		if c.pending == 0 {
			g.fail(c, kindLength)
			return false
		}
		before := c.answer.offset
		n, done, bad := g.speech.listener.feed(&c.answer, b)
		if bad == kindNone && done && g.early(c) {
			bad = kindEarly
		}
		if bad != kindNone {
			g.fail(c, bad)
			return false
		}
		g.n.work += c.answer.offset - before
		b = b[n:]
		if !done {
			break
		}
		if finished++; finished == 1 {
			g.clock()
		}
		last := c.answer.last
		g.complete(c)
		if last {
			g.part(c)
			return false
		}
	}
	return finished == 0 || g.proceed(c, finished)
}

// early reports whether the answer that is complete came before its request was: more
// is unwritten than the requests behind it. Sealed bytes are longer, so there only
// the last of them tells.
func (g *generator) early(c *conn) bool {
	behind := c.pending - 1
	if c.secure != nil && behind > 0 {
		return false
	}
	return len(c.rest) > behind*g.speech.request
}

// complete counts an answer.
func (g *generator) complete(c *conn) {
	since := c.pop()
	g.pending--
	status, unmeasured := c.answer.refused, c.answer.unmeasured
	c.answer.reset()
	if status != 0 {
		g.statuses[status]++
		g.blame(kindStatus, 1)
		return
	}
	took := g.now - since
	if c.trial {
		c.trial = false
	} else if since >= g.from && since < g.until {
		// A value out of the histogram's bounds cannot occur: the sweep ends an
		// exchange long before a minute.
		_ = g.hist.RecordValue(max(took, histMin))
	}
	if unmeasured {
		g.n.work += g.speech.unit
	}
	g.n.answers++
	g.buckets.at(g.now).add(took)
}

// proceed goes on after answers, as the mode says; false means with another
// connection.
func (g *generator) proceed(c *conn, finished int) bool {
	switch g.opt.Mode {
	case Keep:
		g.send(c, finished, g.now)
	case Churn:
		g.renew(c)
		return false
	case Hold:
		g.idle++
	case Open:
		g.lend(c.slot)
	}
	return c.fd >= 0
}

// finish takes the end of the other side's stream: by the rules (a notice of TLS) or
// not. It ends a body that has no other end, and is an error otherwise.
func (g *generator) finish(c *conn, noticed bool) {
	switch a := &c.answer; {
	case c.pending == 0 || !a.untilEnd() || c.secure != nil && !noticed:
		g.fail(c, kindEOF)
		return
	case !a.unmeasured && a.offset != int64(g.opt.Size):
		g.fail(c, kindLength)
		return
	}
	g.clock()
	g.complete(c)
	g.part(c)
}

// part goes on without a connection that the other side has ended by the rules. One
// that was to be held is lost.
func (g *generator) part(c *conn) {
	if g.opt.Mode == Hold {
		g.idle++
		g.fail(c, kindEOF)
		return
	}
	g.renew(c)
}
