package e2e

// TLS to servers: who is believed, what a failure is called, and what arrives when a server ends well or badly.

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"sluice/internal/assert"
	"sluice/internal/pki"
)

// secured makes an end speak TLS as a server.
func (e *end) secured(config *tls.Config) *end {
	e.t.Helper()
	c := tls.Server(e.Conn, config)
	assert.NoError(e.t, c.Handshake())
	return newEnd(e.t, c)
}

// truncates ends the connection without close_notify.
func (e *end) truncates() {
	e.t.Helper()
	assert.NoError(e.t, e.Conn.(*tls.Conn).NetConn().(*net.TCPConn).CloseWrite())
}

// closes ends the connection in order.
func (e *end) closes() { _ = e.Close() }

// secureSite is a web server with TLS.
func secureSite(t testing.TB, config *tls.Config, h http.HandlerFunc) *website {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	assert.NoError(t, err)
	return siteOn(t, tls.NewListener(l, config), &http.Server{Handler: h, ErrorLog: log.New(io.Discard, "", 0)})
}

// port is the port of an address.
func port(t testing.TB, address string) string {
	t.Helper()
	_, p, ok := cutAddress(address)
	assert.Equal(t, ok, true)
	return p
}

// backTLS is HTTP and plain TCP in front of one server with TLS; the words are its address, what tls has, and more of the upstream.
const backTLS = `
listeners:
  front: {bind: "127.0.0.1:PORT1", protocol: http, upstream: back}
  raw: {bind: "127.0.0.1:PORT3", protocol: tcp, upstream: back}
upstreams: {back: {servers: [%s], tls: {%s}, %s}}
admin: "127.0.0.1:PORT2"
runtime: {loops: 1}
`

// Everything that can be wrong with a server's certificate has its name in the log, and a status.
func TestBackTLSCertificates(t *testing.T) {
	t.Parallel()
	ca := pki.New(t, "root")
	good := ca.Issue(t, pki.Leaf{Names: []string{"app.test", "localhost", "127.0.0.1"}}).Server()
	named := ca.Issue(t, pki.Leaf{Names: []string{"app.test"}}).Server()
	expired := ca.Issue(t, pki.Leaf{Names: []string{"app.test", "127.0.0.1"}, Until: time.Now().Add(-time.Hour)}).Server()
	alone := ca.Issue(t, pki.Leaf{Names: []string{"127.0.0.1"}, Alone: true}).Server()
	picky := good.Clone()
	picky.ClientAuth, picky.ClientCAs = tls.RequireAndVerifyClientCert, ca.Pool()
	strict := picky.Clone()
	strict.MaxVersion = tls.VersionTLS12
	cert, key := ca.Issue(t, pki.Leaf{Names: []string{"proxy.test"}}).Files(t)
	root := "ca: " + ca.File(t)
	for _, row := range []struct {
		name   string
		config *tls.Config
		host   string
		tls    string
		status int
		reason string
		detail string
	}{
		{"address", good, "127.0.0.1", root, 200, "done", ""},
		{"name", good, "localhost", root, 200, "done", ""},
		{"server_name", named, "127.0.0.1", root + ", server_name: app.test", 200, "done", ""},
		{"not verified", alone, "127.0.0.1", "verify: false", 200, "done", ""},
		{"shown", picky, "127.0.0.1", root + ", cert: " + cert + ", key: " + key, 200, "done", ""},
		{"wrong address", named, "127.0.0.1", root, 502, "server_certificate", "certificate for a wrong name: wanted 127.0.0.1, it has app.test"},
		{"wrong name", named, "127.0.0.1", root + ", server_name: db.test", 502, "server_certificate", "certificate for a wrong name: wanted db.test, it has app.test"},
		{"unknown", named, "127.0.0.1", "server_name: app.test", 502, "server_certificate", "certificate of an unknown authority"},
		{"expired", expired, "127.0.0.1", root, 502, "server_certificate", "certificate expired since"},
		{"self-signed", alone, "127.0.0.1", root, 502, "server_certificate", "it is self-signed"},
		{"not shown", strict, "127.0.0.1", root, 502, "server_handshake", "refused by the other side"},
		{"not shown in 1.3", picky, "127.0.0.1", root, 502, "server_violation", "it wants a certificate from us"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			s := secureSite(t, row.config, names("one"))
			p := run(t, backTLS, quoted(net.JoinHostPort(row.host, port(t, s.address))), row.tls, "")
			a, err := p.browser().does("GET", "/", nil)
			assert.NoError(t, err)
			assert.Equal(t, a.StatusCode, row.status)
			line := p.ends(row.reason)
			if !strings.Contains(line.Detail, row.detail) || (row.detail == "") != (line.Detail == "") {
				t.Errorf("the log says %q", line.Detail)
			}
			client := p.dial(3)
			if row.status == 200 {
				client.says("GET / HTTP/1.0\r\n\r\n")
				assert.Equal(t, strings.HasSuffix(client.hearsAll(), "\r\n\r\none"), true)
				client.fin()
				p.ends("server_end")
				return
			}
			client.hearsReset()
			if line = p.ends(row.reason); !strings.Contains(line.Detail, row.detail) {
				t.Errorf("the log of the tunnel says %q", line.Detail)
			}
		})
	}
}

// A server whose handshake fails is one that cannot be reached: the next one is asked, whatever the method.
func TestBackTLSFailover(t *testing.T) {
	t.Parallel()
	ca := pki.New(t, "root")
	good := ca.Issue(t, pki.Leaf{Names: []string{"app.test"}}).Server()
	bad := ca.Issue(t, pki.Leaf{Names: []string{"db.test"}}).Server()
	mute := station(t).serves(func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })
	plain, wrong, right := site(t, names("plain")), secureSite(t, bad, names("wrong")), secureSite(t, good, names("right"))
	servers := quoted(mute.address(), plain.address, wrong.address, right.address)
	p := run(t, backTLS, servers, "server_name: app.test, ca: "+ca.File(t), "balance: first, timeouts: {tls: 1s}")
	a, err := p.browser().does("POST", "/", strings.NewReader("body"))
	assert.NoError(t, err)
	assert.Equal(t, a.body, "right")
	line := p.ends("done")
	assert.Equal(t, []any{line.Attempts, line.Server, line.Detail}, []any{4, right.address, ""})
	if line.Connect < 1000 {
		t.Errorf("%v ms for the handshakes, one of which took a second", line.Connect)
	}
	assert.Equal(t, p.metric(`sluice_tls_server_handshakes_total{result="failed"}`), "3")
	assert.Equal(t, p.metric(`sluice_tls_server_handshakes_total{result="full"}`), "1")
}

// A server that says nothing costs as long as it may, and no longer.
func TestBackTLSTimeout(t *testing.T) {
	t.Parallel()
	mute := station(t).serves(func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })
	p := run(t, backTLS, quoted(mute.address()), "verify: false", "timeouts: {tls: 100ms}")
	a, err := p.browser().does("GET", "/", nil)
	assert.NoError(t, err)
	assert.Equal(t, a.StatusCode, http.StatusGatewayTimeout)
	p.ends("server_handshake_timeout")
	p.dial(3).hearsReset()
	p.ends("server_handshake_timeout")
}

// Connections are used again, and sessions are, when there is none left.
func TestBackTLSIsUsedAgain(t *testing.T) {
	t.Parallel()
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		ca := pki.New(t, "root")
		config := ca.Issue(t, pki.Leaf{Names: []string{"app.test"}}).Server()
		config.MaxVersion = version
		o := secureSite(t, config, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/close" {
				w.Header().Set("Connection", "close")
			}
			fmt.Fprint(w, r.RemoteAddr, " ", r.TLS.DidResume)
		})
		p := run(t, backTLS, quoted(o.address), "server_name: app.test, ca: "+ca.File(t), "")
		b := p.browser()
		first := b.gets("/").body
		assert.Equal(t, strings.HasSuffix(first, " false"), true)
		for range 20 {
			assert.Equal(t, b.gets("/").body, first)
		}
		assert.Equal(t, b.gets("/close").body, first)
		second := b.gets("/").body
		assert.Equal(t, second != first && strings.HasSuffix(second, " true"), true)
		assert.Equal(t, p.metric(`sluice_tls_server_handshakes_total{result="full"}`), "1")
		assert.Equal(t, p.metric(`sluice_tls_server_handshakes_total{result="resumed"}`), "1")
	}
}

// The end of an answer without a length is close_notify; without it, the client must not take what it has for the whole.
func TestBackTLSTruncatedAnswers(t *testing.T) {
	t.Parallel()
	ca := pki.New(t, "root")
	config := ca.Issue(t, pki.Leaf{Names: []string{"app.test"}}).Server()
	o := station(t)
	p := run(t, backTLS, quoted(o.address()), "server_name: app.test, ca: "+ca.File(t), "")
	const open, sized, chunks = "HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n"
	for _, row := range []struct {
		name   string
		says   string
		end    func(*end)
		reason string
		client string // what it hears, in one go; "" = not all
	}{
		{"open, close_notify", open + "whole", (*end).closes, "done", "whole"},
		{"open, cut", open + "whole", (*end).truncates, "server_truncated", ""},
		{"sized, close_notify", sized + "whole", (*end).closes, "done", "whole"},
		{"sized, cut behind it", sized + "whole", (*end).truncates, "done", "whole"},
		{"sized, cut within", sized + "wh", (*end).truncates, "server_truncated", ""},
		{"chunked, cut within", chunks + "whole\r\n", (*end).truncates, "server_truncated", ""},
		{"head, cut within", "HTTP/1.1 200 OK\r\nContent", (*end).truncates, "server_truncated", "502"},
	} {
		client := p.dial(1)
		client.says("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		server := o.accept().secured(config)
		server.hearsLine()
		server.says(row.says)
		row.end(server)
		answer, err := http.ReadResponse(bufio.NewReader(client), nil)
		assert.NoError(t, err)
		body, err := io.ReadAll(answer.Body)
		switch {
		case row.client == "502":
			assert.Equal(t, answer.StatusCode, 502)
		case (err == nil) != (row.client != ""), err == nil && string(body) != row.client:
			t.Errorf("%s: the client hears %q, %v", row.name, body, err)
		}
		if line := p.next(); line.Reason != row.reason {
			t.Errorf("%s: the log says %s", row.name, line.Reason)
		}
		_ = client.Close()
		_ = server.Close()
	}
}

// The ends of a tunnel arrive as what they are, on both sides.
func TestBackTLSTunnelEnds(t *testing.T) {
	t.Parallel()
	ca := pki.New(t, "root")
	config := ca.Issue(t, pki.Leaf{Names: []string{"app.test"}}).Server()
	o := station(t)
	p := run(t, backTLS, quoted(o.address()), "server_name: app.test, ca: "+ca.File(t), "")
	meet := func() (client, server *end) {
		client = p.dial(3)
		server = o.accept().secured(config)
		client.says("question")
		server.hears("question")
		server.says("answer")
		client.hears("answer")
		return client, server
	}
	client, server := meet() // the client ends first: the server may still answer
	client.fin()
	server.hearsEnd() // crypto/tls takes nothing but close_notify for an end
	server.says("more")
	server.closes()
	assert.Equal(t, client.hearsAll(), "more")
	p.ends("client_end")

	client, server = meet() // the server does
	server.says("last")
	server.fin() // close_notify alone
	client.hears("last")
	client.hearsEnd()
	client.fin()
	server.hearsEnd()
	p.ends("server_end")

	client, server = meet() // without close_notify
	server.says("last")
	server.truncates()
	assert.Equal(t, string(client.hearsReset()), "last")
	p.ends("server_truncated")

	client, server = meet() // the client is cut: no end for the server
	client.resets()
	if _, err := io.ReadAll(server); err == nil {
		t.Error("a client's reset becomes an end in order")
	}
	p.ends("client_reset")
}

// A server may change protocols behind TLS as without.
func TestBackTLSUpgrade(t *testing.T) {
	t.Parallel()
	ca := pki.New(t, "root")
	config := ca.Issue(t, pki.Leaf{Names: []string{"app.test"}}).Server()
	o := station(t)
	p := run(t, `
listeners: {front: {bind: "127.0.0.1:PORT1", protocol: http}}
routes: {upstream: back, upgrade: [chat]}
upstreams: {back: {servers: "%s", tls: {ca: %s, server_name: app.test}}}
`, o.address(), ca.File(t))
	for _, row := range []struct {
		end    func(*end)
		reason string
	}{{(*end).closes, "server_end"}, {(*end).truncates, "server_truncated"}} {
		client := p.dial(1)
		client.says("GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: chat\r\n\r\n")
		server := o.accept().secured(config)
		for server.hearsLine() != "\r" {
		}
		server.says("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: chat\r\n\r\nhello")
		status, _ := client.hearsHead()
		assert.Equal(t, status, "HTTP/1.1 101 Switching Protocols")
		client.hears("hello")
		client.says("hi")
		server.hears("hi")
		row.end(server)
		if row.reason == "server_end" {
			client.hearsEnd()
			client.fin()
		} else {
			client.hearsReset()
		}
		p.ends(row.reason)
	}
}

// The PROXY header comes in plaintext, before the handshake, of HTTP and of tunnels alike.
func TestBackTLSProxyProtocol(t *testing.T) {
	t.Parallel()
	ca := pki.New(t, "root")
	config := ca.Issue(t, pki.Leaf{Names: []string{"app.test"}}).Server()
	for _, version := range []string{"v1", "v2"} {
		o := station(t)
		p := run(t, backTLS, quoted(o.address()), "server_name: app.test, ca: "+ca.File(t), "proxy_protocol: "+version)
		for _, n := range []int{1, 3} {
			client := p.dial(n)
			if n == 1 {
				client.asksFor("/")
			}
			raw := o.accept()
			from := client.LocalAddr().(*net.TCPAddr)
			if version == "v1" {
				raw.hears(fmt.Sprintf("PROXY TCP4 127.0.0.1 127.0.0.1 %d %d\r\n", from.Port, p.port(n)))
			} else {
				raw.hears(v2(0x21, 0x11, "\x7f\x00\x00\x01\x7f\x00\x00\x01"+string([]byte{
					byte(from.Port >> 8), byte(from.Port), byte(p.port(n) >> 8), byte(p.port(n)),
				})))
			}
			server := raw.secured(config)
			if n == 1 {
				assert.Equal(t, server.hearsLine(), "GET / HTTP/1.1\r")
			} else {
				client.says("hi")
				server.hears("hi")
			}
			server.closes()
			_ = client.Close()
			p.next()
		}
	}
}

// Checks go the same way as traffic; what they show and believe follows the files.
func TestBackTLSChecksAndFiles(t *testing.T) {
	t.Parallel()
	ca := pki.New(t, "root")
	dir := t.TempDir()
	cert, key := ca.Issue(t, pki.Leaf{Names: []string{"first.test"}}).FilesIn(t, dir)
	config := ca.Issue(t, pki.Leaf{Names: []string{"app.test"}}).Server()
	config.ClientAuth, config.ClientCAs = tls.RequireAndVerifyClientCert, ca.Pool()
	shown := func(c *x509.Certificate) string { return c.Subject.CommonName }
	o := secureSite(t, config, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Connection", "close")
		fmt.Fprint(w, shown(r.TLS.PeerCertificates[0]), " ", r.UserAgent())
	})
	p := run(t, `
listeners: {front: {bind: "127.0.0.1:PORT1", protocol: http, upstream: back}}
upstreams:
  back:
    servers: %q
    tls: {ca: %s, cert: %s, key: %s, server_name: app.test}
    check: {http: /health, every: 100ms, fast: 100ms, fall: 1, rise: 1}
  doubted:
    servers: %q
    tls: {ca: %s, cert: %s, key: %s, server_name: app.test}
    check: {http: /health, every: 100ms, fast: 100ms, fall: 1, rise: 1, tls: {ca: %s, server_name: db.test}}
admin: "127.0.0.1:PORT2"
`, o.address, ca.File(t), cert, key, o.address, ca.File(t), cert, key, ca.File(t))
	p.logs(1, "server is down", "upstream=doubted", "not db.test")
	b := p.browser()
	assert.Equal(t, strings.HasPrefix(b.gets("/").body, "first.test "), true)
	ca.Issue(t, pki.Leaf{Names: []string{"second.test"}}).FilesIn(t, dir)
	assert.Eventually(t, func() bool { return strings.HasPrefix(b.gets("/").body, "second.test ") })
	assert.Equal(t, p.logged("server is down", "upstream=back"), 0)
	writeFile(t, cert, "no certificate")
	p.logs(1, "level=ERROR", cert, `owner="upstream back"`)
	assert.Equal(t, strings.HasPrefix(b.gets("/").body, "second.test "), true)
}

// OpenSSL's server, which sends its tickets when it likes and wants a certificate.
func TestBackTLSOpenSSL(t *testing.T) {
	t.Parallel()
	tool(t, "openssl")
	ca := pki.New(t, "root")
	cert, key := ca.Issue(t, pki.Leaf{Names: []string{"app.test"}}).Files(t)
	own, ownKey := ca.Issue(t, pki.Leaf{Names: []string{"proxy.test"}}).Files(t)
	root := ca.File(t)
	for _, version := range []string{"-tls1_2", "-tls1_3"} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			at := freePort(t)
			startTool(t, "openssl", "s_server", "-accept", loopback(at), "-cert", cert, "-key", key, version, "-rev", "-quiet",
				"-Verify", "1", "-verify_return_error", "-CAfile", root)
			answersAt(t, loopback(at))
			p := run(t, backTLS, quoted(loopback(at)), fmt.Sprintf("server_name: app.test, ca: %s, cert: %s, key: %s", root, own, ownKey), "")
			client := p.dial(3)
			for range 3 {
				client.says("drawer\n")
				client.hears("reward\n")
			}
			client.fin()
			client.hearsEnd()
			p.ends("client_end")
		})
	}
}

// nginx keeps connections, and resumes sessions, of its own OpenSSL.
func TestBackTLSNginx(t *testing.T) {
	t.Parallel()
	ca := pki.New(t, "root")
	cert, key := ca.Issue(t, pki.Leaf{Names: []string{"app.test"}}).Files(t)
	at := freePort(t)
	nginx(t, t.TempDir(), fmt.Sprintf(`server { listen 127.0.0.1:%d ssl; ssl_certificate %s; ssl_certificate_key %s; ssl_protocols TLSv1.2 TLSv1.3;
		keepalive_requests 5; location / { return 200 "$connection $ssl_server_name $ssl_session_reused"; } }`, at, cert, key))
	answersAt(t, loopback(at))
	p := run(t, backTLS, quoted(loopback(at)), "server_name: app.test, ca: "+ca.File(t), "")
	b := p.browser()
	seen := map[string]int{}
	for range 20 {
		fields := strings.Fields(b.gets("/").body)
		seen[fields[0]]++
		assert.Equal(t, fields[1], "app.test")
	}
	assert.Equal(t, len(seen), 4) // five requests each
	assert.Equal(t, p.metric(`sluice_tls_server_handshakes_total{result="full"}`), "1")
	assert.Equal(t, p.metric(`sluice_tls_server_handshakes_total{result="resumed"}`), "3")
}

// A reset is a reset, behind TLS as without.
func TestBackTLSServerResets(t *testing.T) {
	t.Parallel()
	ca := pki.New(t, "root")
	config := ca.Issue(t, pki.Leaf{Names: []string{"app.test"}}).Server()
	o := station(t)
	p := run(t, backTLS, quoted(o.address()), "server_name: app.test, ca: "+ca.File(t), "")
	client := p.dial(3)
	server := o.accept().secured(config)
	server.says("hello")
	client.hears("hello")
	raw := server.Conn.(*tls.Conn).NetConn().(*net.TCPConn)
	assert.NoError(t, raw.SetLinger(0))
	assert.NoError(t, raw.Close())
	client.hearsReset()
	assert.Equal(t, p.ends("server_reset").Error, syscall.ECONNRESET.Error())
}
