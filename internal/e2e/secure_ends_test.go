package e2e

// How TLS connections end: in order, cut short, and by breaking the rules. What counts is that each side can tell.

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"

	"sluice/internal/assert"
)

// tap remembers of what types the records were that came. In TLS 1.2 that is no secret.
type tap struct {
	net.Conn
	mu  sync.Mutex
	all []byte
}

func (c *tap) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.mu.Lock()
	c.all = append(c.all, b[:n]...)
	c.mu.Unlock()
	return n, err
}

// last is the type of the last record that came.
func (c *tap) last() (kind byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for rest := c.all; len(rest) >= 5; {
		kind = rest[0]
		rest = rest[min(len(rest), 5+int(rest[3])<<8+int(rest[4])):]
	}
	return kind
}

// The types of records (RFC 8446, section 5.1).
const alertRecord, dataRecord byte = 21, 23

// taps is secures in TLS 1.2, with a tap on the way.
func (s *safe) taps(p *proxy, n int) (*end, *tap) {
	p.t.Helper()
	under := &tap{Conn: p.dial(n).Conn}
	config := s.trusts("a.example.com")
	config.MaxVersion = tls.VersionTLS12
	c := tls.Client(under, config)
	assert.NoError(p.t, c.Handshake())
	return newEnd(p.t, c), under
}

// hearsGoodbye wants the end of the stream after body, with close_notify before it.
func (e *end) hearsGoodbye(under *tap, body string) {
	e.t.Helper()
	assert.Equal(e.t, e.hearsAll(), body)
	assert.Equal(e.t, under.last(), alertRecord)
}

// The proxy takes its leave wherever it closes in order: behind the last answer, behind one of HTTP/1.0 that only the end delimits,
// when a client has been idle for too long, at the end of a tunnel, and when it is told to stop.
func TestSecureEndsSayGoodbye(t *testing.T) {
	t.Parallel()
	s := opensSafe(t)
	p := s.run(strings.Replace(shop, "upstream: web}", "upstream: web, timeouts: {idle: 300ms}}", 1), site(t, curlSite).address, greeter(t, "raw").address())
	client, under := s.taps(p, 1)
	client.says("GET /file HTTP/1.1\r\nHost: a.example.com\r\nConnection: close\r\n\r\n")
	client.hearsHead()
	client.hearsGoodbye(under, string(pattern(0, 10_000)))

	client, under = s.taps(p, 1)
	client.says("GET /parts HTTP/1.0\r\n\r\n")
	_, fields := client.hearsHead()
	assert.Equal(t, strings.Contains(fmt.Sprint(fields), "Content-Length"), false)
	client.hearsGoodbye(under, "part one, part two")

	client, under = s.taps(p, 1)
	client.asksAt("/file")
	client.hearsGoodbye(under, "")

	client, under = s.taps(p, 2)
	client.hears("raw\n")
	client.says("last words")
	client.fin()
	client.hearsGoodbye(under, "last words")

	client, under = s.taps(p, 1)
	p.signal(syscall.SIGTERM)
	client.hearsGoodbye(under, "")
	p.exits(0)
}

// An answer that is cut on its way does not look whole: there is no close_notify.
func TestSecureEndsOfCutAnswers(t *testing.T) {
	t.Parallel()
	s := opensSafe(t)
	p := s.run(shop, station(t).serves(hearsAndThen("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nbeginning")).address(), nobody(t))
	client, under := s.taps(p, 1)
	client.says("GET / HTTP/1.1\r\nHost: a.example.com\r\n\r\n")
	client.hearsHead()
	assert.Equal(t, string(client.hearsReset()), "beginning")
	assert.Equal(t, under.last(), dataRecord)
	p.ends("answer_cut")
}

// GnuTLS and OpenSSL find the end orderly: both complain where it is not.
func TestSecureEndsForOtherClients(t *testing.T) {
	t.Parallel()
	s := opensSafe(t)
	p := s.run(shop, site(t, curlSite).address, greeter(t, "raw").address())
	const request = "GET /parts HTTP/1.0\r\nHost: a.example.com\r\n\r\n"
	t.Run("openssl", func(t *testing.T) {
		tool(t, "openssl")
		for _, version := range []string{"-tls1_2", "-tls1_3"} {
			out := s.openssl(p, 1, request, "-servername", "a.example.com", version, "-ign_eof")
			has(t, out, "part one, part two")
			if strings.Contains(out, "unexpected eof") || strings.Contains(out, "errno") {
				t.Errorf("OpenSSL finds the end disorderly:\n%s", out)
			}
		}
	})
	t.Run("gnutls", func(t *testing.T) {
		path := tool(t, "gnutls-cli")
		for _, version := range []string{"NORMAL:-VERS-ALL:+VERS-TLS1.2", "NORMAL:-VERS-ALL:+VERS-TLS1.3"} {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			cmd := exec.CommandContext(ctx, path, "--port", fmt.Sprint(p.port(1)), "--x509cafile", s.path("root.pem"), "--sni-hostname", "a.example.com",
				"--verify-hostname", "a.example.com", "--priority", version, "127.0.0.1")
			said, all := &text{}, &text{}
			cmd.Stdin, cmd.Stdout, cmd.Stderr = openPipe(t, request), io.MultiWriter(said, all), all
			err := cmd.Run()
			has(t, said.String(), "The certificate is trusted", "part one, part two", "Peer has closed the GnuTLS connection")
			if err != nil || strings.Contains(all.String(), "non-properly") {
				t.Errorf("GnuTLS finds the end disorderly: %v\n%s", err, all)
			}
		}
	})
}

// openPipe is what a program reads that stays until it is shown out: what is said, and no end before that of the test.
func openPipe(t testing.TB, say string) *os.File {
	t.Helper()
	out, in, err := os.Pipe()
	assert.NoError(t, err)
	t.Cleanup(func() { out.Close(); in.Close() })
	_, err = io.WriteString(in, say)
	assert.NoError(t, err)
	return out
}

// A client that ends its direction in order still hears the answer, and the server sees an orderly end.
func TestSecureEndsOneDirection(t *testing.T) {
	t.Parallel()
	s := opensSafe(t)
	o := station(t)
	p := s.run(shop, nobody(t), o.address())
	versions(t, func(t *testing.T, version uint16) {
		config := s.trusts("a.example.com")
		config.MaxVersion = version
		client := p.secures(2, config)
		server := o.accept()
		client.says("question")
		client.fin()
		server.hears("question")
		server.hearsEnd()
		server.says("answer")
		server.fin()
		assert.Equal(t, client.hearsAll(), "answer")
		line := p.ends("client_end")
		assert.Equal(t, []int64{line.Up, line.Down}, []int64{8, 6})
	})
}

// bare is what is under the TLS of an end.
func (e *end) bare() *net.TCPConn { return e.Conn.(*tls.Conn).NetConn().(*net.TCPConn) }

// A stream that ends without close_notify may have been cut by anybody on the way: the server sees a reset behind what has come, never
// an end, and the log has a word for it.
func TestSecureEndsThatAreTruncated(t *testing.T) {
	t.Parallel()
	s := opensSafe(t)
	o := station(t)
	web := station(t)
	p := s.run(shop, web.address(), o.address())
	versions(t, func(t *testing.T, version uint16) {
		config := s.trusts("a.example.com")
		config.MaxVersion = version
		client := p.secures(2, config)
		server := o.accept()
		client.says("all that matters")
		server.hears("all that matters")
		assert.NoError(t, client.bare().CloseWrite())
		server.hearsReset()
		assert.Equal(t, p.ends("client_truncated").Side, "front")

		client = p.secures(1, config)
		client.says("POST / HTTP/1.1\r\nHost: a.example.com\r\nContent-Length: 100\r\n\r\nhalf")
		server = web.accept()
		server.hearsRequest("POST / HTTP/1.1")
		server.hears("half")
		assert.NoError(t, client.bare().CloseWrite())
		server.hearsReset()
		p.ends("client_truncated")
	})
}

// Resets pass through as resets, and a server's too.
func TestSecureEndsByReset(t *testing.T) {
	t.Parallel()
	s := opensSafe(t)
	o := station(t)
	p := s.run(shop, nobody(t), o.address())
	client := p.secures(2, s.trusts("a.example.com"))
	server := o.accept()
	client.says("x")
	server.hears("x")
	assert.NoError(t, client.bare().SetLinger(0))
	assert.NoError(t, client.bare().Close())
	server.hearsReset()
	p.ends("client_reset")

	client = p.secures(2, s.trusts("a.example.com"))
	server = o.accept()
	client.says("x")
	server.hears("x")
	server.says("half an ans")
	client.hears("half an ans")
	server.resets()
	client.hearsReset()
	p.ends("server_reset")
}

// talk is OpenSSL's client with somebody at the keyboard.
type talk struct {
	*childTool
	keys io.Writer
}

// talks starts OpenSSL's client at port n.
func (s *safe) talks(p *proxy, n int, args ...string) *talk {
	p.t.Helper()
	all := append([]string{"s_client", "-connect", p.addr(n), "-servername", "a.example.com", "-CAfile", s.path("root.pem")}, args...)
	c := &childTool{cmd: toolCommand(p.t, "openssl", all...), said: &text{}, ended: make(chan struct{})}
	c.cmd.Stdout, c.cmd.Stderr = c.said, c.said
	keys, err := c.cmd.StdinPipe()
	assert.NoError(p.t, err)
	assert.NoError(p.t, c.cmd.Start())
	go func() {
		_ = c.cmd.Wait()
		close(c.ended)
	}()
	p.t.Cleanup(c.kill)
	return &talk{c, keys}
}

// types presses keys and waits until OpenSSL has said something for the nth time.
func (k *talk) types(t testing.TB, keys, until string, n int) {
	t.Helper()
	if keys != "" {
		_, err := io.WriteString(k.keys, keys)
		assert.NoError(t, err)
	}
	assert.Eventually(t, func() bool { return k.said.count(until) >= n })
}

// A client may change its keys as often as it likes, and ask the proxy to change its own.
func TestSecureEndsWithNewKeys(t *testing.T) {
	t.Parallel()
	s := opensSafe(t)
	p := s.run(shop, nobody(t), greeter(t, "raw").address())
	c := s.talks(p, 2, "-tls1_3")
	c.types(t, "", "raw\n", 1)
	for n := 1; n <= 5; n++ {
		c.types(t, "K\n", "KEYUPDATE", 2*n-1)
		c.types(t, fmt.Sprintf("words %d\n", n), fmt.Sprintf("words %d\n", n), 1)
		c.types(t, "k\n", "KEYUPDATE", 2*n)
		c.types(t, fmt.Sprintf("more %d\n", n), fmt.Sprintf("more %d\n", n), 1)
	}
	c.types(t, "Q\n", "DONE", 1)
	assert.Equal(t, p.next().Reason, "client_end")
}

// Renegotiation is refused, in the middle of a tunnel and between two requests, and the log says whose fault it was.
func TestSecureEndsByRenegotiation(t *testing.T) {
	t.Parallel()
	s := opensSafe(t)
	p := s.run(shop, nobody(t), greeter(t, "raw").address())
	for port, ready := range map[int]string{1: "Verify return code: 0 (ok)", 2: "raw\n"} {
		c := s.talks(p, port, "-tls1_2")
		c.types(t, "", ready, 1) // data that meets its new handshake stops OpenSSL
		c.types(t, "R\n", "RENEGOTIATING", 1)
		c.types(t, "", "alert", 1)
		line := p.ends("client_violation")
		has(t, line.Detail, "unexpected")
		assert.Equal(t, line.Side, "front")
	}
}
