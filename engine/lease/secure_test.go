package lease

// Leases of connections with TLS, to crypto/tls on the other side.

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"sluice/engine/loop"
	"sluice/engine/record"
	"sluice/engine/seal"
	"sluice/engine/sock"
	"sluice/engine/stat"
	"sluice/internal/assert"
	"sluice/internal/pki"
)

// secureBench is a bench that does handshakes.
func secureBench(t *testing.T) *bench {
	t.Helper()
	workers := loop.NewWorkers(2, 64)
	handshakes := seal.NewPool(workers)
	t.Cleanup(workers.Close)
	b := newBench(t, 0)
	b.call(func() { b.net.Handshakes = handshakes })
	return b
}

// tlsPeer is a TLSPeer without words of its own.
type tlsPeer struct{ config *tls.Config }

func (p tlsPeer) Config() *tls.Config      { return p.config }
func (p tlsPeer) Explain(err error) string { return err.Error() }

// tlsOrigin is a server: it does with each connection what serve does.
func tlsOrigin(t *testing.T, name string, client *tls.Config, serve func(net.Conn)) *Backend {
	t.Helper()
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	assert.NoError(t, err)
	t.Cleanup(func() { _ = ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { _ = c.Close() })
			go serve(c)
		}
	}()
	return &Backend{Name: name, Addr: Endpoint{Addr: ln.Addr().(*net.TCPAddr).AddrPort()}, Secure: tlsPeer{client}}
}

// shakes does a handshake, and then nothing until the other side ends.
func shakes(config *tls.Config) func(net.Conn) {
	return func(c net.Conn) {
		secure := tls.Server(c, config)
		if secure.Handshake() == nil {
			_, _ = io.Copy(io.Discard, secure)
		}
		_ = c.Close()
	}
}

// site is an authority, a server of it, and a client that believes it.
func site(t *testing.T) (ca *pki.Authority, server, client *tls.Config) {
	t.Helper()
	ca = pki.New(t, "root")
	server = ca.Issue(t, pki.Leaf{Names: []string{"app.test"}}).Server()
	return ca, server, &tls.Config{RootCAs: ca.Pool(), ServerName: "app.test", ClientSessionCache: tls.NewLRUClientSessionCache(1)}
}

// secured makes an upstream whose handshakes may take so long.
func secured(handshake time.Duration, backends ...*Backend) *Upstream {
	u := pooled(8, time.Minute, backends...)
	u.Handshake = handshake
	return u
}

// unhurried is only ever spent by a test that fails.
const unhurried = 10 * time.Second

// Two connections: the second one takes up the session of the first.
func TestSecuredAndResumed(t *testing.T) {
	t.Parallel()
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		b := secureBench(t)
		_, server, client := site(t)
		server.MaxVersion = version
		one := tlsOrigin(t, "one", client, shakes(server))
		u := secured(unhurried, one)
		for _, resumed := range []bool{false, true} {
			o := b.take(u)
			b.call(func() {
				state := o.conn.TLS()
				assert.Equal(t, []any{state.Version, state.Resumed}, []any{version, resumed})
			})
			b.park(o) // tickets are taken while it waits
			assert.Eventually(t, func() bool { _, ok := client.ClientSessionCache.Get("app.test"); return ok })
			b.call(b.dialer.CloseIdle)
		}
		b.call(func() {
			s := b.loop.Stats()
			assert.Equal(t, []uint64{s.Get(stat.TLSServerFull), s.Get(stat.TLSServerResumed), s.Get(stat.TLSServerFailed)}, []uint64{1, 1, 0})
		})
		assert.Equal(t, one.Failures(), uint64(0))
	}
}

// Whatever is wrong with a server's TLS, another server is tried; alone, the reason and what was wrong are told.
func TestHandshakesThatFail(t *testing.T) {
	t.Parallel()
	ca, server, client := site(t)
	expired := ca.Issue(t, pki.Leaf{Names: []string{"app.test"}, Until: time.Now().Add(-time.Hour)}).Server()
	alone := ca.Issue(t, pki.Leaf{Names: []string{"app.test"}, Alone: true}).Server()
	asking := server.Clone()
	asking.ClientAuth, asking.MaxVersion = tls.RequireAnyClientCert, tls.VersionTLS12 // 1.3 would tell later
	stranger := &tls.Config{RootCAs: pki.New(t, "other").Pool(), ServerName: "app.test"}
	other := client.Clone()
	other.ServerName = "db.test"
	for name, c := range map[string]struct {
		client *tls.Config
		serve  func(net.Conn)
		why    record.Reason
		cause  syscall.Errno
		about  string
	}{
		"wrong name":    {other, shakes(server), record.ServerCertificate, 0, "valid for app.test, not db.test"},
		"unknown CA":    {stranger, shakes(server), record.ServerCertificate, 0, "unknown authority"},
		"expired":       {client, shakes(expired), record.ServerCertificate, 0, "has expired"},
		"self-signed":   {client, shakes(alone), record.ServerCertificate, 0, "unknown authority"},
		"wants one":     {client, shakes(asking), record.ServerHandshake, 0, "remote error"},
		"speaks first":  {client, func(c net.Conn) { _, _ = io.WriteString(c, "220 mail.test ready\r\n") }, record.ServerHandshake, 0, "does not look like a TLS"},
		"speaks plain":  {client, answersPlain, record.ServerHandshake, 0, "does not look like a TLS"},
		"hangs up":      {client, hangsUp, record.ServerHandshake, 0, "EOF"},
		"resets":        {client, resets, record.ServerHandshake, syscall.ECONNRESET, "connection reset"},
		"says nothing":  {client, func(net.Conn) {}, record.ServerHandshakeTimeout, syscall.ETIMEDOUT, "not done in time"},
		"too old":       {client, shakes(&tls.Config{Certificates: server.Certificates, MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}), record.ServerHandshake, 0, "protocol version"},
		"stops halfway": {client, stopsHalfway(server), record.ServerHandshakeTimeout, syscall.ETIMEDOUT, "not done in time"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			limit := unhurried
			if c.why == record.ServerHandshakeTimeout {
				limit = 100 * time.Millisecond
			}
			b := secureBench(t)
			bad := tlsOrigin(t, "bad", c.client, c.serve)
			o := b.take(secured(limit, bad))
			if o.why != c.why || o.cause != c.cause || !strings.Contains(o.about, c.about) {
				t.Errorf("got %v, %v, %q", o.why, o.cause, o.about)
			}
			good := tlsOrigin(t, "good", client, shakes(server))
			if o = b.take(secured(max(limit, 2*time.Second), bad, good)); o.from != good {
				t.Fatalf("got %+v", o)
			}
			assert.Equal(t, bad.Failures(), uint64(2))
			b.give(o)
		})
	}
}

// answersPlain is an HTTP server without TLS.
func answersPlain(c net.Conn) {
	_, _ = c.Read(make([]byte, 4096))
	_, _ = io.WriteString(c, "HTTP/1.1 400 Bad Request\r\n\r\n")
}

// hangsUp ends the connection once it has heard the beginning of a handshake.
func hangsUp(c net.Conn) {
	_, _ = io.CopyN(io.Discard, c, 5)
	_ = c.(*net.TCPConn).CloseWrite()
	_, _ = io.Copy(io.Discard, c)
	_ = c.Close()
}

func resets(c net.Conn) {
	_, _ = io.CopyN(io.Discard, c, 5)
	_ = c.(*net.TCPConn).SetLinger(0)
	_ = c.Close()
}

// stopsHalfway sends the first half of the server's flight.
func stopsHalfway(config *tls.Config) func(net.Conn) {
	return func(c net.Conn) {
		near, far := net.Pipe()
		go func() { _ = tls.Server(far, config).Handshake() }()
		go func() { _, _ = io.Copy(near, c); _ = near.Close() }()
		half := make([]byte, 200)
		n, _ := io.ReadFull(near, half)
		_, _ = c.Write(half[:n])
	}
}

// A server that is not verified may be anybody.
func TestNotVerified(t *testing.T) {
	t.Parallel()
	b := secureBench(t)
	ca, _, _ := site(t)
	alone := ca.Issue(t, pki.Leaf{Names: []string{"elsewhere.test"}, Alone: true, Until: time.Now().Add(-time.Hour)}).Server()
	o := b.take(secured(unhurried, tlsOrigin(t, "one", &tls.Config{InsecureSkipVerify: true}, shakes(alone))))
	assert.Equal(t, o.why, record.None)
	b.give(o)
}

// A fault of our own is no server's, and another server would meet it too.
func TestTooManyHandshakes(t *testing.T) {
	t.Parallel()
	b := newBench(t, 0) // nobody does handshakes
	_, server, client := site(t)
	one, two := tlsOrigin(t, "one", client, shakes(server)), tlsOrigin(t, "two", client, shakes(server))
	k, _ := b.seek(secured(unhurried, one, two), time.Second)
	assert.Equal(t, <-k.told, outcome{why: record.Busy, about: seal.TooBusy.Text})
	assert.Equal(t, k.tried, []string{"one"})
	assert.Equal(t, []uint64{one.Failures(), two.Failures()}, []uint64{0, 0})
	b.call(func() { assert.Equal(t, b.loop.Stats().Get(stat.TLSServerFailed), uint64(1)) })
}

// stuck is work that takes until it is told to end.
type stuck struct {
	loop.Job
	begun, end chan struct{}
}

func (s *stuck) Run()  { close(s.begun); <-s.end }
func (s *stuck) Done() {}

// Time that passes while a handshake waits for a worker of ours is not the server's either.
func TestNoWorkerInTime(t *testing.T) {
	t.Parallel()
	workers := loop.NewWorkers(1, 64)
	handshakes := seal.NewPool(workers)
	b := newBench(t, 0)
	work := &stuck{begun: make(chan struct{}), end: make(chan struct{})}
	work.Bind(work)
	b.call(func() { b.net.Handshakes = handshakes; workers.Submit(b.loop, &work.Job, 0) })
	<-work.begun
	_, server, client := site(t)
	one := tlsOrigin(t, "one", client, shakes(server))
	k, _ := b.seek(secured(30*time.Millisecond, one), time.Second)
	o := <-k.told
	close(work.end)
	assert.Equal(t, o, outcome{why: record.Busy, about: seal.TooBusy.Text})
	assert.Equal(t, one.Failures(), uint64(0))
}

// Handshakes are work, for us as well: not many are made for nothing.
func TestHandshakesForNothingAreBounded(t *testing.T) {
	t.Parallel()
	b := secureBench(t)
	_, server, client := site(t)
	other := client.Clone()
	other.ServerName = "db.test"
	var all []*Backend
	for range maxDear + 2 {
		all = append(all, tlsOrigin(t, "wrong", other, shakes(server)))
	}
	k, _ := b.seek(secured(unhurried, all...), time.Second)
	o := <-k.told
	assert.Equal(t, []any{o.why, len(k.tried)}, []any{record.ServerCertificate, maxDear})
}

// introducer begins connections with a header.
type introducer struct {
	*taker
	header string
}

func (i introducer) Introduce(dst []byte) []byte { return append(dst, i.header...) }

// The PROXY header is the first thing a server hears, before TLS and in plaintext.
func TestHeaderBeforeTheHandshake(t *testing.T) {
	t.Parallel()
	b := secureBench(t)
	_, server, client := site(t)
	heard := make(chan string, 1)
	one := tlsOrigin(t, "one", client, func(c net.Conn) {
		r := bufio.NewReader(c)
		line, _ := r.ReadString('\n')
		heard <- line
		shakes(server)(&ahead{c, r})
	})
	u := secured(unhurried, one)
	u.Proxy = 1
	k := introducer{newTaker(), "PROXY UNKNOWN\r\n"}
	b.call(func() { b.dialer.Begin(Ask{From: u, Connect: time.Second, Taker: k}) })
	o := <-k.told
	assert.Equal(t, o.why, record.None)
	assert.Equal(t, <-heard, "PROXY UNKNOWN\r\n")
	b.call(func() { assert.Equal(t, o.conn.TLS().Version, uint16(tls.VersionTLS13)) })
	b.give(o)
}

// ahead is a connection of which something has been read.
type ahead struct {
	net.Conn
	r *bufio.Reader
}

func (a *ahead) Read(p []byte) (int, error) { return a.r.Read(p) }

// A socket that has no room for the header is given up, and not waited for.
func TestNoRoomForTheHeader(t *testing.T) {
	t.Parallel()
	b := secureBench(t)
	_, server, client := site(t)
	b.call(func() { b.sys.full = true })
	u := secured(unhurried, tlsOrigin(t, "one", client, shakes(server)))
	u.Proxy = 1
	k := introducer{newTaker(), "PROXY UNKNOWN\r\n"}
	b.call(func() { b.dialer.Begin(Ask{From: u, Connect: time.Second, Taker: k}) })
	assert.Equal(t, <-k.told, outcome{why: record.ServerHandshake, about: "no room for the PROXY header"})
}

// Tickets on an idle connection are no reason to end it; close_notify is, and so is a bare end.
func TestIdleSecured(t *testing.T) {
	t.Parallel()
	for name, hangUp := range map[string]func(*tls.Conn){
		"close_notify": func(c *tls.Conn) { _ = c.CloseWrite() },
		"end":          func(c *tls.Conn) { _ = c.NetConn().Close() },
		"bytes":        func(c *tls.Conn) { _, _ = io.WriteString(c, "unasked") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := secureBench(t)
			_, server, client := site(t)
			ends := make(chan *tls.Conn, 1)
			one := tlsOrigin(t, "one", client, func(c net.Conn) {
				secure := tls.Server(c, server)
				_ = secure.Handshake()
				ends <- secure
			})
			u := secured(unhurried, one)
			o := b.take(u)
			b.park(o)
			end := <-ends
			assert.Eventually(t, func() bool { _, ok := client.ClientSessionCache.Get("app.test"); return ok })
			assert.Equal(t, b.idle(), 1)
			c, from := b.reuse(u)
			assert.Equal(t, c == o.conn, true)
			b.call(func() { c.Queue([]byte("hello")) })
			text := make([]byte, 5)
			_, err := io.ReadFull(end, text)
			assert.NoError(t, err)
			assert.Equal(t, string(text), "hello")
			b.park(outcome{conn: c, from: from})
			hangUp(end)
			b.empties(1)
			if name != "end" {
				_, err = end.Read(text)
				assert.Equal(t, err, io.EOF) // in order: after close_notify
			}
		})
	}
}

// A search that is given up, and one whose server is found dead, while the server thinks.
func TestLeftDuringTheHandshake(t *testing.T) {
	t.Parallel()
	b := secureBench(t)
	_, server, client := site(t)
	began := make(chan struct{}, 2)
	mute := tlsOrigin(t, "mute", client, func(c net.Conn) {
		_, _ = io.CopyN(io.Discard, c, 5)
		began <- struct{}{}
		_, _ = io.Copy(io.Discard, c)
		_ = c.Close()
	})
	good := tlsOrigin(t, "good", client, shakes(server))
	k, l := b.seek(secured(unhurried, mute), time.Second)
	<-began
	b.call(l.Cancel)
	assert.Equal(t, len(k.told), 0)
	assert.Equal(t, mute.InUse(), int32(0))

	k, _ = b.seek(secured(unhurried, mute, good), time.Second)
	<-began
	b.call(func() { b.dialer.Forsake(mute) })
	o := <-k.told
	assert.Equal(t, o.from == good, true)
	assert.Equal(t, mute.Failures(), uint64(0))
	b.give(o)
}

// What the server has said of our certificate in TLS 1.3 comes after the handshake, and is told all the same.
func TestRefusedAfterTheHandshake(t *testing.T) {
	t.Parallel()
	b := secureBench(t)
	_, server, client := site(t)
	server.ClientAuth = tls.RequireAnyClientCert
	one := tlsOrigin(t, "one", client, shakes(server))
	u := secured(unhurried, one)
	k := &reader{taker: newTaker(), broken: make(chan string, 1)}
	k.hears = func(c *sock.Conn, cause syscall.Errno) {
		k.broken <- record.StreamReason(record.Back, cause).String() + ": " + one.Explain(c.TLSFailure())
		c.Reset()
		one.Release()
	}
	b.call(func() { b.dialer.Begin(Ask{From: u, Connect: time.Second, Taker: k}) })
	assert.Equal(t, <-k.broken, "server_violation: remote error: tls: certificate required")
}

// reader reads from what it was leased.
type reader struct {
	*taker
	broken chan string
	hears  func(*sock.Conn, syscall.Errno)
}

func (r *reader) Leased(c *sock.Conn, _ *Backend) {
	c.Own(r)
	c.Peek(r)
}
func (r *reader) Connected(*sock.Conn)                     {}
func (r *reader) Peeked(*sock.Conn, []byte, bool)          {}
func (r *reader) Broken(c *sock.Conn, cause syscall.Errno) { r.hears(c, cause) }

// peersByHost makes a peer for each that asks, and notes who it is.
type peersByHost struct{ made *[]string }

type namedPeer struct {
	tlsPeer
	host string
}

func (p peersByHost) Peer(host string) TLSPeer {
	*p.made = append(*p.made, host)
	return &namedPeer{host: host}
}

// A server keeps its peer, and the sessions with it, whatever else changes; not if it is called something else.
func TestPeersStayWithTheirServers(t *testing.T) {
	t.Parallel()
	made := new([]string)
	u := &Upstream{loops: 1, tls: peersByHost{made}}
	at := func(host, name string, limit int) Spec {
		return Spec{Name: name, Host: host, Addr: Endpoint{Addr: netip.MustParseAddrPort("10.0.0.1:443")}, Weight: 1, MaxConnections: limit}
	}
	peer := func(specs ...Spec) TLSPeer {
		u.Replace(specs)
		return u.Set().Backends()[0].Secure
	}
	first := peer(at("app.test", "app.test:443 (10.0.0.1)", 0))
	assert.Equal(t, peer(at("app.test", "app.test:443 (10.0.0.1)", 0)) == first, true)
	assert.Equal(t, peer(at("app.test", "app.test:443 (10.0.0.1)", 7)) == first, true)
	other := peer(at("10.0.0.1", "10.0.0.1:443", 7))
	assert.Equal(t, other.(*namedPeer).host, "10.0.0.1")

	u = &Upstream{loops: 1, tls: peersByHost{made}, before: u} // a reload that has changed nothing of it
	assert.Equal(t, peer(at("10.0.0.1", "10.0.0.1:443", 7)) == other, true)
	u = &Upstream{loops: 1, tls: peersByHost{new([]string)}, before: u}
	assert.Equal(t, peer(at("10.0.0.1", "10.0.0.1:443", 7)) == other, false)
}
