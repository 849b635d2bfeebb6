package engine

// TLS at listeners of one process, on real sockets with Go's clients: what it leaves behind, in descriptors and goroutines.

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"sluice/configs"
	"sluice/engine/stat"
	"sluice/internal/assert"
	"sluice/internal/pki"
)

// identity writes a certificate for a.test and its key in one file, and returns the path and a client that believes it.
func identity(t *testing.T) (path string, client *tls.Config) {
	t.Helper()
	ca := pki.New(t, "root")
	cert, key := ca.Issue(t, pki.Leaf{Names: []string{"a.test"}}).Files(t)
	text, err := os.ReadFile(cert)
	assert.NoError(t, err)
	secret, err := os.ReadFile(key)
	assert.NoError(t, err)
	path = filepath.Join(t.TempDir(), "site.pem")
	assert.NoError(t, os.WriteFile(path, append(text, secret...), 0o600))
	return path, &tls.Config{RootCAs: ca.Pool(), ServerName: "a.test"}
}

// secured loads a configuration with TLS in front of one server, on two loops.
func secured(t *testing.T, server, at, cert string) *configs.Config {
	t.Helper()
	cfg, err := configs.Parse("test.yaml", fmt.Appendf(nil, `
listeners: {raw: {bind: %q, protocol: tcp, tls: {certificates: %q}, upstream: app, timeouts: {hello: 1s, handshake: 1s}}}
upstreams: {app: {servers: [%q]}}
runtime: {loops: 2}
log: {access: {to: "off"}}
`, at, cert, server))
	assert.NoError(t, err)
	return cfg
}

// secure connects, shakes hands, and proves that the origin is there.
func secure(t *testing.T, at string, config *tls.Config) *tls.Conn {
	t.Helper()
	c := tls.Client(dial(t, "tcp4", at), config)
	assert.NoError(t, c.Handshake())
	greet(t, c)
	return c
}

// Nothing is left of lives with TLS: neither of connections that ended well nor of handshakes that did not.
// Not parallel: it counts the process's descriptors and goroutines.
func TestATLSListenerLeavesNothingBehind(t *testing.T) {
	cert, client := identity(t)
	server, at := origin(t), freePort()
	_ = dial(t, "tcp4", server).Close()
	files, goroutines := 0, runtime.NumGoroutine()
	for round := range 3 {
		e := start(t, secured(t, server, at, cert))
		stays := secure(t, at, client)
		assert.Equal(t, stays.ConnectionState().CurveID, tls.X25519MLKEM768)
		bulk := secure(t, at, client)
		echoTLS(t, bulk, 8<<20)
		var lost []net.Conn
		for i := range 30 {
			c := dial(t, "tcp4", at)
			_, err := c.Write(firstBytes(client)[:40*(i+1)])
			assert.NoError(t, err)
			lost = append(lost, c)
		}
		for i, c := range lost {
			switch i % 3 {
			case 0:
				assert.NoError(t, c.Close())
			case 1:
				assert.NoError(t, c.(*net.TCPConn).SetLinger(0))
				assert.NoError(t, c.Close())
			}
		}
		assert.Eventually(t, func() bool { return e.Active() == 1 }) // the one that stays
		total := stat.Sum(e.Counters()...)
		assert.Equal(t, []uint64{total.Get(stat.TLSFull), total.Get(stat.Panics)}, []uint64{2, 0})
		assert.Equal(t, e.Drain(expired()), 1)
		assert.NoError(t, e.Wait())
		for _, c := range append(lost, stays.NetConn()) {
			_ = c.Close()
		}
		assert.Eventually(t, func() bool { return runtime.NumGoroutine() <= goroutines })
		if round == 0 {
			files = descriptors(t)
		}
	}
	if now := descriptors(t); now > files {
		t.Errorf("%d descriptors after the first life, %d after the third: %v", files, now, kinds(t))
	}
}

// expired is a deadline that is over.
func expired() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// firstBytes is the hello of a client.
func firstBytes(config *tls.Config) []byte {
	near, far := net.Pipe()
	go func() {
		_ = tls.Client(near, config).Handshake()
	}()
	hello := make([]byte, 16<<10)
	n, _ := far.Read(hello)
	_ = far.Close()
	return hello[:n]
}

// echoTLS is echo, for a connection whose end is said in TLS.
func echoTLS(t *testing.T, c *tls.Conn, n int) {
	t.Helper()
	data := bytes.Repeat([]byte("0123456789abcdef"), n/16)
	go func() {
		_, _ = c.Write(data)
		_ = c.CloseWrite()
	}()
	got, err := io.ReadAll(c)
	assert.NoError(t, err)
	assert.Equal(t, bytes.Equal(got, data), true)
	assert.NoError(t, c.NetConn().Close())
}

// Connections have no goroutines of their own, neither secured ones nor those in the middle of a handshake, beyond the few that are
// suspended in one. Not parallel: it counts the process's goroutines.
func TestTLSConnectionsHaveNoGoroutines(t *testing.T) {
	cert, client := identity(t)
	client.ClientSessionCache = tls.NewLRUClientSessionCache(8)
	ln, err := net.Listen("tcp4", "127.0.0.1:0") // an origin that has none either: nobody accepts
	assert.NoError(t, err)
	t.Cleanup(func() { _ = ln.Close() })
	at := freePort()
	e := start(t, secured(t, ln.Addr().String(), at, cert))
	const count, spares = 200, 32
	before := runtime.NumGoroutine()
	for range count {
		assert.NoError(t, tls.Client(dial(t, "tcp4", at), client).Handshake())
	}
	if now := runtime.NumGoroutine(); now > before+spares {
		t.Errorf("%d goroutines before %d connections, %d with them", before, count, now)
	}
	e.Stop()
	assert.NoError(t, e.Wait())
}
