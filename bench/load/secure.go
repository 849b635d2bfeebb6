package load

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"os"
	"time"

	"sluice/bench/epoll"
)

// TLS without goroutines: crypto/tls speaks to a socket that never blocks. Its
// handshake can only be written as one call, so that runs as a coroutine, which is
// left where it wants bytes that are not there yet. Records are read and written by
// the loop: a read without bytes returns an error that says "later", which crypto/tls
// does not hold against the connection, and what it writes is kept until the socket
// takes it.

// shield is the TLS of a run.
type shield struct {
	config *tls.Config
	plain  []byte // what records become
}

const (
	// recordSize holds the largest record's content (RFC 8446 section 5.1).
	recordSize = 16 << 10
	// sessionsKept is enough: all connections go to one server.
	sessionsKept = 64
	// heapBase and heapPerConn are how much memory handshakes may leave behind before
	// the collector runs, which is a small part of their own cost then.
	heapBase    = 256 << 20
	heapPerConn = 128 << 10
)

// newShield reads the settings; nil without TLS.
func newShield(o *Options) (*shield, error) {
	if o.TLS == nil {
		return nil, nil
	}
	host, _, _ := net.SplitHostPort(o.Target)
	config := &tls.Config{ServerName: host, CurvePreferences: []tls.CurveID{tls.X25519, tls.CurveP256}}
	if o.TLS.ServerName != "" {
		config.ServerName = o.TLS.ServerName
	}
	if o.TLS.Hybrid {
		config.CurvePreferences = []tls.CurveID{tls.X25519MLKEM768, tls.X25519, tls.CurveP256}
	}
	if o.TLS.Resume {
		config.ClientSessionCache = tls.NewLRUClientSessionCache(sessionsKept)
	}
	if o.Protocol != TCP {
		config.NextProtos = []string{"http/1.1"}
	}
	var err error
	if config.MinVersion, err = version(o.TLS.MinVersion); err != nil {
		return nil, err
	}
	if config.MaxVersion, err = version(o.TLS.MaxVersion); err != nil {
		return nil, err
	}
	if o.TLS.CA == "" {
		config.InsecureSkipVerify = true
	} else if config.RootCAs, err = readCA(o.TLS.CA); err != nil {
		return nil, err
	}
	return &shield{config, make([]byte, recordSize)}, nil
}

func version(text string) (uint16, error) {
	switch text {
	case "":
		return 0, nil
	case "1.2":
		return tls.VersionTLS12, nil
	case "1.3":
		return tls.VersionTLS13, nil
	}
	return 0, fmt.Errorf("TLS version %q is neither 1.2 nor 1.3", text)
}

func readCA(path string) (*x509.CertPool, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("CA: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("CA: no certificate in %s", path)
	}
	return pool, nil
}

// memory is how large the heap may grow.
func (s *shield) memory(connections int) int64 {
	return heapBase + heapPerConn*int64(connections)
}

// secure is the TLS of one connection. It is the net.Conn under its own tls.Conn.
type secure struct {
	conn  *tls.Conn
	in    []byte // records, or pieces of them, that have not been looked at
	out   []byte // records to be written; conn.rest is the end of it
	ready bool   // the handshake is over

	resume func() (struct{}, bool) // goes on with the handshake
	stop   func()
	wait   func(struct{}) bool // leaves the handshake; false if it is given up
	failed error               // of the handshake
}

func (s *shield) wrap() *secure {
	c := &secure{}
	c.conn = tls.Client(c, s.config)
	c.resume, c.stop = iter.Pull(func(yield func(struct{}) bool) {
		c.wait = yield
		c.failed = c.conn.Handshake()
	})
	return c
}

// later says that there are no bytes yet. It is temporary, as a net.Error: crypto/tls
// then tries again where it was.
type later struct{}

// Error implements error.
func (later) Error() string { return "no bytes yet" }

// Timeout implements net.Error.
func (later) Timeout() bool { return true }

// Temporary implements net.Error.
func (later) Temporary() bool { return true }

var errGivenUp = errors.New("the handshake was given up")

// Read implements net.Conn for crypto/tls.
func (s *secure) Read(b []byte) (int, error) {
	for len(s.in) == 0 {
		if s.ready {
			return 0, later{}
		}
		if !s.wait(struct{}{}) {
			return 0, errGivenUp
		}
	}
	n := copy(b, s.in)
	s.in = s.in[n:]
	return n, nil
}

// Write implements net.Conn for crypto/tls. It takes everything.
func (s *secure) Write(b []byte) (int, error) {
	s.out = append(s.out, b...)
	return len(b), nil
}

// Close implements net.Conn; the descriptor is closed elsewhere.
func (s *secure) Close() error { return nil }

// LocalAddr implements net.Conn.
func (s *secure) LocalAddr() net.Addr { return nil }

// RemoteAddr implements net.Conn.
func (s *secure) RemoteAddr() net.Addr { return nil }

// SetDeadline implements net.Conn; deadlines are the loop's.
func (s *secure) SetDeadline(time.Time) error { return nil }

// SetReadDeadline implements net.Conn.
func (s *secure) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline implements net.Conn.
func (s *secure) SetWriteDeadline(time.Time) error { return nil }

// seal queues b as records behind what is still unwritten.
func (s *secure) seal(c *conn, b []byte) {
	s.queue(c, func() { _, _ = s.conn.Write(b) }) // it cannot fail: Write takes everything
}

// queue lets crypto/tls write and sets rest to all that is unwritten.
func (s *secure) queue(c *conn, work func()) {
	if len(c.rest) == 0 {
		s.out = s.out[:0]
	}
	written := len(s.out) - len(c.rest)
	work()
	c.rest = s.out[written:]
}

// farewell says that nothing follows (RFC 8446 section 6.1), if the socket takes it.
func (s *secure) farewell(fd int) {
	s.out = s.out[:0]
	if s.ready && s.conn.CloseWrite() == nil {
		_, _ = epoll.Write(fd, s.out)
	}
}

// abandon ends a handshake that is under way.
func (s *secure) abandon() {
	if !s.ready {
		s.stop()
	}
}

// handshake goes on with it as far as the bytes reach.
func (g *generator) handshake(c *conn) {
	s := c.secure
	waiting := false
	s.queue(c, func() { _, waiting = s.resume() })
	switch {
	case waiting:
		g.write(c)
	case s.failed != nil:
		g.distrust(c, s.failed)
	default:
		s.ready = true
		g.count(s.conn.ConnectionState())
		g.start(c)
	}
}

// distrust ends a connection whose TLS has failed.
func (g *generator) distrust(c *conn, why error) {
	if g.alarm == nil {
		g.alarm = why
	}
	g.fail(c, kindTLS)
}

// count notes a handshake.
func (g *generator) count(state tls.ConnectionState) {
	g.tls = state
	if state.DidResume {
		g.n.resumed++
	} else {
		g.n.full++
	}
}

// unseal takes records and passes on what is in them.
func (g *generator) unseal(c *conn, b []byte) bool {
	s, life := c.secure, c.gen
	s.in = b
	if !s.ready {
		if g.handshake(c); c.gen != life || c.fd < 0 || !s.ready {
			return c.gen == life && c.fd >= 0
		}
	}
	for {
		n, err := s.conn.Read(g.shield.plain)
		if n > 0 && !g.listen(c, g.shield.plain[:n]) {
			return false
		}
		switch {
		case err == nil:
		case err == error(later{}):
			return c.fd >= 0
		case errors.Is(err, io.EOF):
			g.finish(c, true)
			return false
		default:
			g.distrust(c, err)
			return false
		}
	}
}
