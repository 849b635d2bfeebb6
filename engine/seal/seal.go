// Package seal is TLS without a socket and without waiting: records sealed and opened on a loop, handshakes taken off it.
//
//	loop                                       worker
//	Pool.Begin ─► Handshake
//	bytes that came ─► Space, Feed ─► Step ─►  crypto/tls goes on until it wants more bytes
//	Out goes to the peer ◄─ Stepped ◄────────
//	… once it is over:  Session: Read, Write, Notify on the loop; no goroutine is left
//
// All cryptography is crypto/tls's. It sees a net.Conn that never blocks: during the handshake its Read suspends a
// coroutine, which costs no goroutine that runs and no thread; afterwards it answers with a temporary error, the only kind
// that crypto/tls does not keep.
package seal

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/netip"
	"syscall"
	"time"
)

// Wire is where a session's ciphertext comes from and goes to.
type Wire interface {
	// Receive fills p as far as there is something. EAGAIN says that there is nothing now, 0 bytes without an error that
	// the stream has ended. Errors and the end are final.
	Receive(p []byte) (int, syscall.Errno)
	// Send takes all of p, a copy, or reports that it has no room for it; the session is broken then.
	Send(p []byte) bool
}

// State is what a handshake has agreed on. It does not change afterwards.
type State struct {
	Version          uint16 // such as tls.VersionTLS13
	Cipher           uint16 // see tls.CipherSuiteName
	Resumed          bool
	ALPN             string // the protocol agreed on; empty without one
	ServerName       string // what the client asked for; empty without one
	PeerCertificates []*x509.Certificate
}

// Session is one TLS connection after its handshake. It belongs to a loop.
type Session struct {
	state   State
	wire    Wire
	tls     *tls.Conn
	shake   *Handshake // until it is over
	peer    netip.AddrPort
	early   []byte // ciphertext that came with the end of the handshake
	failure *Failure
	frames  framer
	opened  int // records with data, in the present Read
	fed     int // complete records received, likewise
	fresh   int // complete records received of which none is known to be opened
	lost    syscall.Errno
	cut     bool // the wire's end has been seen
}

// Verdict is what is to be said about a session's incoming side after a Read, besides its bytes.
type Verdict uint8

// The verdicts. Those from Ended on are final: each later Read gives the same, and no bytes.
const (
	More   Verdict = iota // there may be more: what was to be filled is full, or the share of one Read used up
	Empty                 // the session holds nothing more, and what has been received of the wire is used up
	Ended                 // the peer has said close_notify: all its bytes have come
	Cut                   // the wire has ended without it: bytes may be missing (RFC 8446, 6.1)
	Lost                  // the wire has failed, see Lost
	Failed                // the peer broke the rules, or sent an alert, see Failure
)

// State is what the handshake has agreed on.
func (s *Session) State() *State { return &s.state }

// Failure is why the session has failed, or nil.
func (s *Session) Failure() *Failure { return s.failure }

// Lost is the wire's error, or 0.
func (s *Session) Lost() syscall.Errno { return s.lost }

// Opened is the number of records that the last Read has opened; those without data cost as much as others.
func (s *Session) Opened() int { return max(s.opened, s.fed) }

// Read opens records into p until it is full or nothing is left, or until it has opened its share of small ones. It may
// have to send: an answer to a KeyUpdate, an alert.
func (s *Session) Read(p []byte) (n int, v Verdict) {
	s.fed = 0
	for s.opened = 0; n < len(p) && s.opened < openMax && s.fed < 2*openMax; s.opened++ {
		got, err := s.tls.Read(p[n:])
		n += got
		switch {
		case err != nil:
			return n, s.judge(err)
		case n < len(p) && s.fresh == 1 && s.frames.aligned():
			// There was one record, and all of it has been given: to ask for more would cost an allocation to hear no.
			s.fresh = 0
			return n, Empty
		}
	}
	return n, More
}

// judge finds out what an error of crypto/tls means. It has one io.EOF for both ends of a stream: who has said it tells
// them apart.
func (s *Session) judge(err error) Verdict {
	switch {
	case err == error(errEmpty):
		s.fresh = 0
		return Empty
	case s.lost != 0:
		return Lost
	case s.cut:
		return Cut
	case err == io.EOF:
		return Ended
	}
	s.fail(err)
	return Failed
}

func (s *Session) fail(err error) {
	if s.failure == nil {
		s.failure = explain(err)
	}
}

// Write seals p and sends it. It reports whether the session is whole.
func (s *Session) Write(p []byte) bool {
	if _, err := s.tls.Write(p); err != nil {
		s.fail(err)
		return false
	}
	return true
}

// Notify sends close_notify, once: nothing can be written behind it.
func (s *Session) Notify() { _ = s.tls.CloseWrite() }

// shim is a Session as crypto/tls sees it: a net.Conn.
type shim Session

// Read implements net.Conn.
func (m *shim) Read(p []byte) (int, error) {
	if m.shake != nil {
		return m.shake.receive(p)
	}
	return (*Session)(m).receive(p)
}

// receive takes ciphertext: what the handshake has left, then what the wire has.
func (s *Session) receive(p []byte) (int, error) {
	if len(s.early) > 0 {
		n := copy(p, s.early)
		if s.early = s.early[n:]; len(s.early) == 0 {
			s.early = nil
		}
		return n, nil
	}
	n, errno := s.wire.Receive(p)
	switch {
	case errno == syscall.EAGAIN:
		return 0, errEmpty
	case errno != 0:
		s.lost = errno
		return 0, errLost
	case n == 0:
		s.cut = true
		return 0, io.EOF
	}
	whole := s.frames.feed(p[:n]) // what was early has been counted by the handshake
	s.fresh += whole
	s.fed += whole
	return n, nil
}

// Write implements net.Conn.
func (m *shim) Write(p []byte) (int, error) {
	if m.shake != nil {
		m.shake.out = append(m.shake.out, p...)
		return len(p), nil
	}
	if !m.wire.Send(p) {
		return 0, errOverrun
	}
	return len(p), nil
}

// RemoteAddr implements net.Conn; clients keep their session tickets by it where they know no name.
func (m *shim) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(m.peer) }

// The rest of net.Conn means nothing here: the loop has the descriptor, and the deadlines.

func (m *shim) Close() error                     { return nil }
func (m *shim) LocalAddr() net.Addr              { return nil }
func (m *shim) SetDeadline(time.Time) error      { return nil }
func (m *shim) SetReadDeadline(time.Time) error  { return nil }
func (m *shim) SetWriteDeadline(time.Time) error { return nil }
