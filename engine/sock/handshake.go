package sock

// The way to TLS: the loop reads and writes, crypto/tls thinks on a worker, until there is a session or a failure.

import (
	"crypto/tls"

	"golang.org/x/sys/unix"

	"sluice/engine/loop"
	"sluice/engine/seal"
)

// Secured is an Owner of a connection that is to be secured. It hears one of the two, or Broken when the connection
// itself fails before.
type Secured interface {
	// Secured is called once the handshake is done: from now on the connection's bytes are plaintext.
	Secured(c *Conn)
	// Unsecured is called when there will be no TLS. The owner has to close the connection, best by a Farewell with drain:
	// an alert may be on its way to the peer, and bytes of the peer on theirs.
	Unsecured(c *Conn, failure *seal.Failure)
}

// Security is how a connection is to be secured.
type Security struct {
	Config   *tls.Config // shared and not changed any more
	Role     seal.Role
	Deadline int64 // of the handshake, on the loop's clock; 0 is none
}

// Secure begins a handshake on an open connection that nobody reads, with the bytes read ahead as its first. The owner,
// a Secured, hears how it comes out, later, and may only close the connection until then.
func (c *Conn) Secure(s Security) {
	if c.state != open || c.layer != nil {
		panic("sock: secured in the wrong moment")
	}
	if c.has(lazy) { // a handshake writes more than once
		c.clear(lazy | wrote)
		c.net.Sys.NoDelay(int(c.fd))
	}
	c.peeker = nil
	c.dropPipe()
	c.add(sealing | unsplice | opaque | wet)
	l := &layer{conn: c, role: s.Role}
	c.layer = l
	l.timer.Bind(l)
	if c.net.Handshakes != nil {
		l.shake = c.net.Handshakes.Begin(seal.Plan{
			Loop: c.net.Loop, Config: s.Config, Role: s.Role, Peer: c.peer, Stepper: l,
		})
	}
	if l.shake != nil {
		l.shake.Preload(c.Ahead())
		if c.has(ended) {
			l.shake.End()
		}
	}
	c.clear(ended)
	c.dropHead()
	if s.Deadline != 0 {
		c.net.Loop.Start(&l.timer, s.Deadline)
	}
	c.net.Loop.Settle(&c.task)
}

// greet goes on with the handshake: with what the kernel takes, and with what has come.
func (l *layer) greet() {
	l.flush()
	switch {
	case l.shake == nil:
		l.fail(seal.TooBusy)
		return
	case l.shake.Stepping():
		return
	}
	l.fill()
	if l.shake.Ready() {
		if why := l.shake.Step(); why != nil {
			l.fail(why)
		}
	}
}

// fill reads what has come, as far as there is room for it before the next step.
func (l *layer) fill() {
	c := l.conn
	for c.has(readable) {
		space := l.shake.Space()
		if space == nil {
			return
		}
		n, err := c.net.Sys.Read(int(c.fd), space)
		switch {
		case err == unix.EAGAIN:
			c.clear(readable)
		case err != 0 || n == 0:
			if err != 0 {
				c.latch(err)
			}
			l.shake.End()
			return
		default:
			l.shake.Feed(n)
			if n < len(space) && !c.has(rough) && !c.has(readShut) {
				c.clear(readable)
			}
		}
	}
}

// Stepped implements seal.Stepper.
func (l *layer) Stepped() {
	if out := l.shake.Out(); len(out) > 0 && l.conn.cause == 0 {
		l.emit(out)
	}
	switch {
	case !l.shake.Over():
		l.greet()
	case l.shake.Failure() != nil:
		l.fail(l.shake.Failure())
	default:
		l.secured()
	}
}

// emit sends what a handshake says, mostly at once and without a copy.
func (l *layer) emit(b []byte) {
	c := l.conn
	if !l.pending() && c.has(writable) {
		n, err := c.net.Sys.Write(int(c.fd), b)
		switch {
		case err == unix.EAGAIN:
			c.clear(writable)
		case err != 0:
			c.latch(err)
			return
		default:
			b = b[n:]
		}
	}
	if len(b) > 0 && !l.Send(b) {
		c.latch(Violated) // a peer that takes nothing of a flight without end
	}
}

// secured goes over from the handshake to the session.
func (l *layer) secured() {
	c := l.conn
	c.net.Loop.Cancel(&l.timer)
	l.session = l.shake.Session(l)
	l.shake = nil
	l.ack = l.role == seal.Server && !c.has(stream)
	c.clear(sealing)
	c.add(readable | wet) // what came with the end of the handshake may be plaintext already
	if c.cause != 0 {
		c.net.Loop.Settle(&c.task)
	}
	c.owner.(Secured).Secured(c)
}

// fail ends the handshake without a session. Where the connection itself has failed, its owner hears of that instead,
// unless the peer had said why before.
func (l *layer) fail(why *seal.Failure) {
	c := l.conn
	l.giveUp()
	l.failure = why
	if c.cause != 0 && why.Kind == seal.Gone {
		c.net.Loop.Settle(&c.task)
		return
	}
	if c.cause != 0 {
		c.add(told)
	}
	c.owner.(Secured).Unsecured(c, why)
}

// giveUp ends the handshake, and with it all TLS of the connection.
func (l *layer) giveUp() {
	l.conn.net.Loop.Cancel(&l.timer)
	if l.shake != nil {
		l.shake.Abandon()
		l.shake = nil
	}
	l.failed = true
	l.conn.clear(sealing)
}

// Expired implements loop.Expirer: the handshake has not been done in time. Where it is the workers' turn, the peer is not
// to blame.
func (l *layer) Expired(*loop.Timer) {
	switch {
	case l.shake == nil:
	case l.shake.Stepping():
		l.fail(seal.TooBusy)
	default:
		l.fail(seal.TooSlow)
	}
}

// Panicked implements loop.Victim.
func (l *layer) Panicked() { l.conn.Panicked() }

// settle goes on from the ring: at the beginning, and when the connection has failed. Then the peer's last words, an alert
// perhaps, count before the error.
func (l *layer) settle() {
	if l.conn.cause != 0 {
		l.conn.add(readable)
	}
	l.greet()
}
