package lease

// TLS with a server: it stands between a connection that is made and its taker.
//
//	dialing ─► (PROXY header) ─► securing ─► leased
//	                                └► another server
//
// A handshake that fails is a failed attempt, as if the server had refused: nothing of what the lease is for has been said.
// The header goes first and in plaintext, because whoever reads it on the other side does so before TLS.

import (
	"crypto/tls"
	"syscall"

	"sluice/engine/record"
	"sluice/engine/seal"
	"sluice/engine/sock"
	"sluice/engine/stat"
)

// TLSPeers makes the peers of an upstream whose servers are reached over TLS. It is comparable, and the same one where what
// they are made of is the same.
type TLSPeers interface {
	// Peer is the peer for a server; host is what the user, or who has found it, calls it, without a port.
	Peer(host string) TLSPeer
}

// TLSPeer is a server as far as TLS is concerned. All loops share it.
type TLSPeer interface {
	// Config is the configuration for a connection that is made now.
	Config() *tls.Config
	// Explain says in one line, which is fit for a log, why TLS with the server has failed.
	Explain(err error) string
}

// Introducer is a Taker whose connections begin with a PROXY header. The lease asks for it where it has to go before TLS;
// otherwise the taker sends it itself.
type Introducer interface {
	// Introduce appends the header to dst.
	Introduce(dst []byte) []byte
}

// Explain says what is wrong with TLS to b; "" where nothing is.
func (b *Backend) Explain(failure *seal.Failure) string {
	switch {
	case failure == nil:
		return ""
	case failure.Err == nil || b.Secure == nil:
		return failure.Text
	}
	return b.Secure.Explain(failure.Err)
}

// secure begins the handshake on a connection that is connected.
func (l *Lease) secure(c *sock.Conn) {
	l.set(securing)
	if l.ask.From.Proxy != 0 && !l.introduce(c) {
		return
	}
	deadline := l.dialer.net.Loop.Now() + int64(l.ask.From.Handshake)
	c.Secure(sock.Security{Config: l.backend.Secure.Config(), Role: seal.Client, Deadline: deadline})
}

// introduce sends the PROXY header. A socket that has sent nothing yet has room for it; one that has not is no socket to wait
// for.
func (l *Lease) introduce(c *sock.Conn) bool {
	who, ok := l.ask.Taker.(Introducer)
	if !ok {
		return true
	}
	c.Queue(who.Introduce(nil))
	c.Flush()
	switch {
	case c.Cause() != 0: // Broken is on its way
		return false
	case c.Queued() > 0:
		l.unsecured(record.ServerHandshake, 0, "no room for the PROXY header")
		return false
	}
	return true
}

// Secured implements sock.Secured: the server is who it should be.
func (l *Lease) Secured(c *sock.Conn) {
	l.dialer.net.Loop.Stats().Inc(seal.ServerCounter(c.TLS()))
	l.hand(c)
}

// Unsecured implements sock.Secured: it is not, or does not say so. What it did wrong may be on its way to it as an alert, so
// the connection is closed in order, unless it only was too slow.
func (l *Lease) Unsecured(c *sock.Conn, failure *seal.Failure) {
	if failure.Kind != seal.Timeout {
		l.conn = nil
		c.Close()
	}
	l.unsecured(failure.Reason(record.Back), 0, l.backend.Explain(failure))
}

// unsecured goes on after a handshake that came to nothing. A fault of our own is no reason to trouble another server.
func (l *Lease) unsecured(why record.Reason, cause syscall.Errno, detail string) {
	l.dialer.net.Loop.Stats().Inc(stat.TLSServerFailed)
	l.dear++
	if why == record.ServerHandshakeTimeout {
		cause = syscall.ETIMEDOUT
	}
	l.again(why, cause, detail)
}
