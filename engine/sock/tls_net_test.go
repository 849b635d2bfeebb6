package sock

// TLS over real sockets, on a loop that runs, with crypto/tls's own goroutines on the far side.

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"sluice/engine/flow"
	"sluice/engine/loop"
	"sluice/engine/seal"
	"sluice/internal/assert"
)

// keeper is an owner that waits for a handshake.
type keeper struct {
	*owner
	secured   chan *seal.State
	unsecured chan *seal.Failure
	then      func(c *Conn)
}

func newKeeper() *keeper {
	return &keeper{owner: newOwner(), secured: make(chan *seal.State, 1), unsecured: make(chan *seal.Failure, 1)}
}

func (k *keeper) Secured(c *Conn) {
	if k.then != nil {
		k.then(c)
	}
	k.secured <- c.TLS()
}

func (k *keeper) Unsecured(c *Conn, f *seal.Failure) { k.unsecured <- f }

// workers gives the world a pool of its own.
func (w *world) workers(t *testing.T) {
	workers := loop.NewWorkers(2, seal.Queue)
	pool := seal.NewPool(workers)
	t.Cleanup(func() {
		workers.Close()
	})
	w.call(func() { w.net.Handshakes = pool })
}

// secure connects to a listener and has the handshake done; the far side is crypto/tls.
func (w *world) secure(t *testing.T, s *server, k *keeper, role seal.Role) (*Conn, *tls.Conn) {
	t.Helper()
	c, p := w.dial(s, k.owner)
	far := tls.Client(p, clientConfig())
	config := serverConfig()
	if role == seal.Client {
		far, config = tls.Server(p, config), clientConfig()
	}
	w.call(func() {
		c.Own(k)
		c.Secure(Security{Config: config, Role: role, Deadline: w.loop.Now() + int64(10*time.Second)})
	})
	assert.NoError(t, far.Handshake())
	select {
	case <-k.secured:
	case f := <-k.unsecured:
		t.Fatal(f)
	}
	return c, far
}

// Megabytes each way at once, over every kind of socket.
func TestTLSOverSockets(t *testing.T) {
	t.Parallel()
	for _, network := range []string{"tcp4", "tcp6", "unix"} {
		for _, role := range roles {
			t.Run(fmt.Sprint(network, role), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, Kernel{})
				w.workers(t)
				k := newKeeper()
				c, far := w.secure(t, serve(t, network), k, role)
				text := pattern(3 << 20)
				in, f := w.collect(c, k.owner)
				out := new(flow.Flow)
				w.call(func() { out.Start(w.loop, &wholes{rest: text, end: true}, c, k.owner) })
				go func() {
					_, err := far.Write([]byte(text))
					must(err)
					must(far.CloseWrite())
				}()
				got, err := io.ReadAll(far)
				assert.NoError(t, err)
				assert.Equal(t, string(got) == text, true)
				assert.NoError(t, <-k.ended)
				assert.NoError(t, <-k.ended)
				w.call(func() {
					assert.Equal(t, string(in.got) == text, true)
					assert.Equal(t, []bool{f.Delivered(), out.Delivered(), f.Spliced()}, []bool{true, true, false})
				})
				w.close(c)
			})
		}
	}
}

// Between two connections with TLS, as a proxy has them.
func TestTLSRelay(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Kernel{})
	w.workers(t)
	client, origin := newKeeper(), newKeeper()
	front, near := w.secure(t, serve(t, "tcp4"), client, seal.Server)
	back, distant := w.secure(t, serve(t, "tcp4"), origin, seal.Client)
	var up, down flow.Flow
	w.call(func() {
		up.Start(w.loop, front, back, client.owner)
		down.Start(w.loop, back, front, client.owner)
	})
	go func() {
		_, err := io.Copy(distant, distant) // an echo
		must(err)
		must(distant.CloseWrite())
	}()
	text := pattern(2 << 20)
	go func() {
		_, err := near.Write([]byte(text))
		must(err)
		must(near.CloseWrite())
	}()
	got, err := io.ReadAll(near)
	assert.NoError(t, err)
	assert.Equal(t, string(got) == text, true)
	assert.NoError(t, <-client.ended)
	assert.NoError(t, <-client.ended)
	w.close(front)
	w.close(back)
}

// A client that says hello and then nothing, and one that leaves, cost a coroutine until the deadline, and no goroutine
// that runs.
func TestTLSSilentPeers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Kernel{})
	w.workers(t)
	s := serve(t, "tcp4")
	for _, leave := range []bool{false, true} {
		k := newKeeper()
		c, p := w.dial(s, k.owner)
		hold := &holding{Conn: p, hold: make(chan struct{})}
		far := tls.Client(hold, clientConfig())
		done := make(chan struct{})
		go func() { _ = far.Handshake(); close(done) }()
		w.call(func() {
			c.Own(k)
			c.Secure(Security{Config: serverConfig(), Deadline: w.loop.Now() + int64(200*time.Millisecond)})
		})
		want := seal.Timeout
		if leave {
			want = seal.Gone
			assert.NoError(t, p.CloseWrite())
		}
		assert.Equal(t, (<-k.unsecured).Kind, want)
		w.close(c)
		_ = p.Close()
		close(hold.hold)
		<-done
	}
}

// holding is a peer whose answers to the first flight are kept from it.
type holding struct {
	net.Conn
	hold chan struct{}
}

func (h *holding) Read(p []byte) (int, error) {
	<-h.hold
	return h.Conn.Read(p)
}

// No goroutine belongs to a connection whose handshake is over.
func TestTLSHoldsNoGoroutine(t *testing.T) {
	w := newWorld(t, Kernel{})
	w.workers(t)
	s := serve(t, "tcp4")
	before := runtime.NumGoroutine()
	var conns []*Conn
	for range 50 {
		c, _ := w.secure(t, s, newKeeper(), seal.Server)
		conns = append(conns, c)
	}
	if now := runtime.NumGoroutine(); now > before+5 { // coroutines kept for the next handshakes count too
		t.Errorf("%d goroutines for 50 connections", now-before)
	}
	w.call(func() {
		assert.Equal(t, w.net.Buffers.InUse(), 0)
		assert.Equal(t, w.net.Handshakes.Under(), int64(0))
	})
	for _, c := range conns {
		w.close(c)
	}
}

// tool finds a program or skips.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not installed", name)
	}
	return path
}

// files writes the test CA's server certificate and key as PEM.
func pemFiles(t *testing.T) (cert, key string) {
	t.Helper()
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	server := testCA().server
	der, err := x509.MarshalPKCS8PrivateKey(server.PrivateKey)
	assert.NoError(t, err)
	for path, block := range map[string]*pem.Block{
		cert: {Type: "CERTIFICATE", Bytes: server.Certificate[0]}, key: {Type: "PRIVATE KEY", Bytes: der},
	} {
		assert.NoError(t, os.WriteFile(path, pem.EncodeToMemory(block), 0o600))
	}
	return cert, key
}

// openssl as a client: it can ask for new keys ("K") and say close_notify ("Q").
func TestTLSWithOpenSSLClient(t *testing.T) {
	t.Parallel()
	openssl := tool(t, "openssl")
	for _, version := range []string{"-tls1_2", "-tls1_3"} {
		w := newWorld(t, Kernel{})
		w.workers(t)
		proxy, err := net.Listen("tcp4", "127.0.0.1:0") // joins openssl, which can only dial, with a connection of ours
		assert.NoError(t, err)
		defer proxy.Close()
		cmd := exec.Command(openssl, "s_client", "-connect", proxy.Addr().String(), version, "-servername", "server.test")
		stdin, err := cmd.StdinPipe()
		assert.NoError(t, err)
		assert.NoError(t, cmd.Start())
		k := newKeeper()
		s := serve(t, "tcp4")
		c, p := w.dial(s, k.owner)
		from, err := proxy.Accept()
		assert.NoError(t, err)
		var passed atomic.Int64 // bytes of openssl's
		go func() {
			_, _ = io.Copy(io.MultiWriter(p, tally{&passed}), from)
			_ = p.CloseWrite()
		}()
		go func() { _, _ = io.Copy(from, p); _ = from.(*net.TCPConn).CloseWrite() }()
		w.call(func() {
			c.Own(k)
			c.Secure(Security{Config: serverConfig(), Deadline: w.loop.Now() + int64(10*time.Second)})
		})
		<-k.secured
		in, f := w.collect(c, k.owner)
		lines := []string{"one\n", "two\n"}
		if version == "-tls1_3" {
			lines = []string{"one\n", "K\n", "two\n"}
		}
		for _, line := range lines {
			before := passed.Load()
			_, err := io.WriteString(stdin, line)
			assert.NoError(t, err)
			if line == "K\n" { // it takes what it finds behind a command for a part of that
				w.until(func() bool { return passed.Load() > before })
				continue
			}
			w.until(func() bool { return strings.HasSuffix(string(in.got), line) })
		}
		w.call(func() { c.Queue([]byte("answered\n")) })
		w.until(func() bool { return c.Unsent() == 0 })
		_, _ = io.WriteString(stdin, "Q\n")
		assert.NoError(t, <-k.ended)
		w.call(func() { assert.Equal(t, f.Delivered(), true) })
		w.close(c)
		assert.NoError(t, cmd.Wait())
		assert.Equal(t, string(in.got), "one\ntwo\n")
		_ = from.Close()
	}
}

// tally counts what is written.
type tally struct{ n *atomic.Int64 }

func (t tally) Write(p []byte) (int, error) {
	t.n.Add(int64(len(p)))
	return len(p), nil
}

// openssl as a server that serves a page.
func TestTLSWithOpenSSLServer(t *testing.T) {
	t.Parallel()
	openssl := tool(t, "openssl")
	cert, key := pemFiles(t)
	free, err := net.Listen("tcp4", "127.0.0.1:0")
	assert.NoError(t, err)
	address := free.Addr().(*net.TCPAddr).AddrPort()
	_ = free.Close()
	cmd := exec.Command(openssl, "s_server", "-accept", address.String(), "-cert", cert, "-key", key, "-www", "-quiet")
	assert.NoError(t, cmd.Start())
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	w := newWorld(t, Kernel{})
	w.workers(t)
	assert.Eventually(t, func() bool {
		c, err := net.Dial("tcp4", address.String())
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	})
	k := newKeeper()
	var errno syscall.Errno
	w.call(func() { _, errno = w.net.Dial(&Addr{Addr: address}, k.owner) })
	assert.Equal(t, errno, 0)
	c := <-k.connected
	w.call(func() {
		c.Own(k)
		c.Secure(Security{Config: clientConfig(), Role: seal.Client, Deadline: w.loop.Now() + int64(10*time.Second)})
	})
	<-k.secured
	w.call(func() { c.Queue([]byte("GET / HTTP/1.0\r\n\r\n")) })
	in, _ := w.collect(c, k.owner)
	assert.NoError(t, <-k.ended)
	w.call(func() {
		assert.Equal(t, strings.HasPrefix(string(in.got), "HTTP/1.0 200 ok"), true)
		assert.Equal(t, strings.Contains(string(in.got), "TLSv1.3"), true)
	})
	w.close(c)
}
