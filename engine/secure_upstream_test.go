package engine

// TLS to servers, in a whole engine.

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"testing"

	"sluice/configs"
	"sluice/engine/stat"
	"sluice/internal/assert"
	"sluice/internal/pki"
)

// secureOrigin is a server with TLS that sends back what it gets, end included.
func secureOrigin(t *testing.T, config *tls.Config, serve func(*tls.Conn)) (addr string) {
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
			go func() {
				defer c.Close()
				serve(tls.Server(c, config))
			}()
		}
	}()
	return ln.Addr().String()
}

// echoes sends back what comes, and the end after it.
func echoes(c *tls.Conn) {
	_, _ = io.Copy(struct{ io.Writer }{c}, struct{ io.Reader }{c})
	_ = c.CloseWrite()
}

// replies does for each read what a web server would.
func replies(answer string) func(*tls.Conn) {
	return func(c *tls.Conn) {
		request, bytes := make([]byte, 16<<10), []byte(answer)
		for {
			if n, err := c.Read(request); n == 0 || err != nil {
				return
			}
			if _, err := c.Write(bytes); err != nil {
				return
			}
		}
	}
}

// secureText is a configuration with a listener of each kind in front of servers with TLS.
func secureText(web, raw, site, echo, ca string) string {
	return fmt.Sprintf(`
listeners:
  web: {bind: %q, upstream: site}
  raw: {bind: %q, protocol: tcp, upstream: echo}
upstreams:
  site: {servers: %q, tls: {ca: %q, server_name: app.test}}
  echo: {servers: %q, tls: {ca: %q, server_name: app.test}}
runtime: {loops: 1}
log: {access: {to: "off"}}
`, web, raw, site, ca, echo, ca)
}

const hello = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"

// Not parallel: it counts the process's descriptors and goroutines.
func TestALifeWithTLSLeavesNothingBehind(t *testing.T) {
	ca := pki.New(t, "root")
	config := ca.Issue(t, pki.Leaf{Names: []string{"app.test"}}).Server()
	site, back, file := secureOrigin(t, config, replies(hello)), secureOrigin(t, config, echoes), ca.File(t)
	_ = dial(t, "tcp4", back).Close() // the runtime opens its own poller for the first socket
	files, goroutines := 0, 0
	for round := range 3 {
		web, raw := freePort(), freePort()
		cfg, err := configs.Parse("test.yaml", []byte(secureText(web, raw, site, back, file)))
		assert.NoError(t, err)
		e := start(t, cfg)
		echo(t, dial(t, "tcp4", raw), 100_000)
		client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		for range 3 {
			a, err := client.Get("http://" + web)
			assert.NoError(t, err)
			text, err := io.ReadAll(a.Body)
			assert.NoError(t, err)
			assert.Equal(t, string(text), "hello")
			_ = a.Body.Close()
		}
		total := stat.Sum(e.Counters()...)
		assert.Equal(t, []uint64{total.Get(stat.TLSServerFull), total.Get(stat.HTTPBackReused)}, []uint64{2, 2})
		e.Stop()
		if round == 0 { // the first one made what the process keeps
			files, goroutines = descriptors(t), runtime.NumGoroutine()
			continue
		}
		assert.Eventually(t, func() bool { return descriptors(t) <= files && runtime.NumGoroutine() <= goroutines })
	}
}

// An upstream that is used by a connection which the proxy does not read offers no protocol.
func TestServerProtocols(t *testing.T) {
	t.Parallel()
	cfg, err := configs.Parse("test.yaml", []byte(`
listeners:
  web: {bind: "127.0.0.1:1"}
  raw: {bind: "127.0.0.1:2", protocol: tcp, upstream: both}
routes:
  - {listeners: web, hosts: a, upstream: read}
  - {listeners: web, hosts: b, upstream: both}
upstreams:
  read: {servers: "https://127.0.0.1:3"}
  both: {servers: "https://127.0.0.1:3"}
`))
	assert.NoError(t, err)
	assert.Equal(t, serverProtocols(cfg, "read"), []string{"http/1.1"})
	assert.Equal(t, len(serverProtocols(cfg, "both")), 0)
}

// A file that was there when the configuration was loaded, and is not when it is used, has its place in it.
func TestUpstreamFilesThatAreGone(t *testing.T) {
	t.Parallel()
	ca := pki.New(t, "root")
	cert, key := ca.Issue(t, pki.Leaf{Names: []string{"proxy.test"}}).Files(t)
	root := ca.File(t)
	cfg, err := configs.Parse("test.yaml", fmt.Appendf(nil, `
listeners: {web: {bind: %q, upstream: app}}
upstreams: {app: {servers: "127.0.0.1:1", tls: {ca: %q, cert: %q, key: %q}, check: {http: /, tls: {ca: %q}}}}
log: {access: {to: "off"}}
`, freePort(), root, cert, key, root))
	assert.NoError(t, err)
	assert.NoError(t, os.Remove(root))
	assert.NoError(t, os.Remove(key))
	_, err = New(cfg, slog.New(slog.DiscardHandler))
	text := fmt.Sprint(err)
	if strings.Count(text, "test.yaml:3:") != 3 || strings.Count(text, root) < 2 || !strings.Contains(text, key) {
		t.Errorf("got %s", text)
	}
}

// TLS to the server costs nothing once it stands, but the 24 bytes that crypto/tls takes for each read from the wire: once
// here and once in the server, which is of this process too.
func TestAllocAnExchangeOverTLS(t *testing.T) {
	ca := pki.New(t, "root")
	config := ca.Issue(t, pki.Leaf{Names: []string{"app.test"}}).Server()
	at := freePort()
	cfg, err := configs.Parse("test.yaml", []byte(secureText(at, freePort(), secureOrigin(t, config, replies(hello)), "127.0.0.1:1", ca.File(t))))
	assert.NoError(t, err)
	e := start(t, cfg)
	t.Cleanup(e.Stop)
	fd := blocking(t, dial(t, "tcp4", at).(*net.TCPConn))
	ask, answer := []byte("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n"), make([]byte, len(hello))
	for range 50 {
		exchangeOn(t, fd, ask, answer)
	}
	assert.Equal(t, bytes.Equal(answer, []byte(hello)), true)
	assert.Allocs(t, 2, func() { exchangeOn(t, fd, ask, answer) })
	total := stat.Sum(e.Counters()...)
	assert.Equal(t, total.Get(stat.TLSServerFull), uint64(1))
}

// The certificate that is shown to servers is in the status; an upstream that shows none is there when a file of it is broken.
func TestCredentialsOfUpstreams(t *testing.T) {
	t.Parallel()
	ca := pki.New(t, "root")
	cert, key := ca.Issue(t, pki.Leaf{Names: []string{"proxy.test"}}).Files(t)
	root := ca.File(t)
	e := runs(t, fmt.Sprintf(`
listeners: {web: {bind: %q, upstream: app}}
routes: [{upstream: silent, paths: /silent}]
upstreams:
  app: {servers: "https://127.0.0.1:1", tls: {cert: %q, key: %q}}
  silent: {servers: "https://127.0.0.1:1", tls: {ca: %q}}
`, freePort(), cert, key, root))
	seen := e.TLS().Credentials
	assert.Equal(t, len(seen), 1)
	assert.Equal(t, []any{seen[0].Upstream, seen[0].Refused, seen[0].Certificates[0].Names}, []any{"app", 0, []string{"proxy.test"}})
	assert.NoError(t, os.WriteFile(root, nil, 0o600))
	assert.Eventually(t, func() bool {
		seen = e.TLS().Credentials
		return len(seen) == 2 && seen[1].Upstream == "silent" && seen[1].Refused == 1
	})
}
