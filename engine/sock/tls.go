package sock

// TLS inside a connection: a layer between what flows, codecs and peekers see and what the kernel sees.
//
//	Source, Sink, Peek, Queue …        plaintext
//	        │ Conn.read, Conn.write
//	      layer ── seal.Session        records
//	        │ Receive, Send, flush
//	       Sys                         ciphertext
//
// Reads open records until the kernel has nothing more, straight from the kernel into crypto/tls. Writes join what is to
// leave, seal it, and keep what the kernel does not take: a chunk is done only when its ciphertext has left, so that a
// Close behind it loses nothing. Nothing is spliced.

import (
	"syscall"

	"golang.org/x/sys/unix"

	"sluice/engine/loop"
	"sluice/engine/seal"
	"sluice/pool"
)

// Causes of connections that TLS has broken. The kernel gives neither for a connected socket.
const (
	// Truncated is the end of a stream without close_notify: bytes may be missing.
	Truncated = unix.ECONNABORTED
	// Violated says that records could not be opened, or that the peer sent an alert; TLSFailure tells more.
	Violated = unix.EPROTO
)

// layer is the TLS of one connection: a handshake first, then a session, or neither once the handshake has failed.
type layer struct {
	conn    *Conn
	shake   *seal.Handshake
	session *seal.Session
	failure *seal.Failure // of the handshake
	timer   loop.Timer    // ends the handshake

	out  [2]*pool.Buffer // ciphertext the kernel has not taken: out[0][at:ends[0]], then out[1][:ends[1]]
	at   int
	ends [2]int
	hint int // how much more ciphertext is to be expected

	role   seal.Role
	failed bool
	deaf   bool // what comes is dropped by its reader, and needs not be opened
	fin    bool // the end of the stream is to follow the ciphertext
	mute   bool // close_notify has been said: nothing may follow it
	ack    bool // the end of the handshake may still wait to be acknowledged
}

// TLS is what the connection's handshake has agreed on, or nil without TLS.
func (c *Conn) TLS() *seal.State {
	if c.layer == nil || c.layer.session == nil {
		return nil
	}
	return c.layer.session.State()
}

// TLSFailure is why TLS with the peer has failed, or nil.
func (c *Conn) TLSFailure() *seal.Failure {
	switch l := c.layer; {
	case l == nil:
		return nil
	case l.session == nil:
		return l.failure
	default:
		return l.session.Failure()
	}
}

// read is the read of every reader: from the kernel, or through the layer.
func (c *Conn) read(p []byte) (int, syscall.Errno) {
	if c.layer != nil {
		return c.layer.read(p)
	}
	return c.net.Sys.Read(int(c.fd), p)
}

// write is the write of every writer, likewise. A short write means a full socket.
func (c *Conn) write(p []byte) (int, syscall.Errno) {
	if c.layer != nil {
		return c.layer.write(&Parts{p})
	}
	n, err := c.net.Sys.Write(int(c.fd), p)
	if err == 0 && n < len(p) {
		c.clear(writable)
	}
	return n, err
}

// stalled reports whether sealed bytes wait for the kernel to take them.
func (c *Conn) stalled() bool { return c.layer != nil && c.layer.pending() }

// sayEnd sends the end of the stream, behind all that is on its way.
func (c *Conn) sayEnd() syscall.Errno {
	if c.layer != nil && !c.layer.end() {
		return c.cause
	}
	return c.net.Sys.ShutdownWrite(int(c.fd))
}

// read opens records until p is full or the kernel has nothing more: only then is the connection not readable any more.
func (l *layer) read(p []byte) (int, syscall.Errno) {
	c := l.conn
	switch {
	case l.deaf:
		n, err := c.net.Sys.Read(int(c.fd), p)
		return n, err
	case l.session == nil:
		return 0, Violated
	}
	n, verdict := l.session.Read(p)
	c.spent += int32(l.session.Opened() * recordCost)
	if l.pending() { // an answer to a KeyUpdate, or an alert
		l.flush()
	}
	if l.ack {
		l.ack = false
		if n == 0 && verdict == seal.Empty {
			c.net.Sys.QuickAck(int(c.fd))
		}
	}
	if verdict == seal.Empty && !c.has(wet) {
		c.clear(readable)
	}
	if verdict == seal.Ended {
		c.add(readShut)
	}
	if n > 0 {
		return n, 0
	}
	return 0, l.told(verdict)
}

// told is what a reader hears that gets no bytes: EAGAIN, 0 for the end, or an error.
func (l *layer) told(verdict seal.Verdict) syscall.Errno {
	switch verdict {
	case seal.Empty:
		return unix.EAGAIN
	case seal.Ended:
		return 0
	case seal.Cut:
		return Truncated
	case seal.Lost:
		return l.session.Lost()
	}
	return Violated
}

// Receive implements seal.Wire. A short read proves an empty queue, as it does without TLS.
func (l *layer) Receive(p []byte) (int, syscall.Errno) {
	c := l.conn
	if !c.has(wet) {
		return 0, unix.EAGAIN
	}
	n, err := c.net.Sys.Read(int(c.fd), p)
	if err == unix.EAGAIN || err == 0 && 0 < n && n < len(p) && !c.has(rough) && !c.has(readShut) {
		c.clear(wet)
	}
	return n, err
}

// end says close_notify and has the end of the stream follow. It reports whether the latter may be sent now.
func (l *layer) end() bool {
	l.notify()
	l.flush()
	l.fin = l.pending()
	return !l.fin && l.conn.cause == 0
}

func (l *layer) notify() {
	if l.session != nil {
		l.session.Notify()
		l.mute = true
	}
}

// bid says close_notify to a peer whose connection is about to be closed, if it takes that at once.
func (l *layer) bid() {
	if c := l.conn; l.session != nil && c.state == open && c.cause == 0 {
		l.notify()
		l.flush()
	}
}

// release gives back what the layer holds. A step of the handshake that is under way comes to its end alone.
func (l *layer) release() {
	if l.session == nil {
		l.giveUp()
	}
	l.drop()
}

// writeJoined is the write of several parts, queued bytes first.
func (c *Conn) writeJoined(parts *Parts) (int, syscall.Errno) {
	if c.layer != nil {
		return c.layer.write(parts)
	}
	want := parts.Len()
	n, err := c.net.Sys.WriteParts(int(c.fd), parts)
	if err == 0 && n < want {
		c.clear(writable)
	}
	return n, err
}
