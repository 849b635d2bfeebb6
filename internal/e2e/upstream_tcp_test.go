package e2e

// Upstreams of tcp listeners: checks, failover, ejection, and limits, all of which are the upstream's and not the protocol's.

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sluice/internal/assert"
)

// passed is a tcp listener in front of an upstream that the test writes.
const passed = `
listeners: {front: {bind: "127.0.0.1:PORT1", protocol: tcp, upstream: back}}
upstreams: {back: {servers: [%s], %s}}
admin: "127.0.0.1:PORT2"
runtime: {loops: 2}
`

// A server that stops listening is found down, and comes back; nobody is refused meanwhile.
func TestUpstreamTCPChecks(t *testing.T) {
	t.Parallel()
	address := nobody(t)
	a := stationAt(t, "tcp", address).serves(greets("a"))
	p := run(t, passed, quoted(address, greeter(t, "b").address()), "balance: first, check: {tcp: true, every: 200ms, fast: 100ms, timeout: 200ms}")
	assert.Equal(t, spread(t, p, 5), map[string]int{"a": 5})
	assert.NoError(t, a.Listener.Close())
	assert.Eventually(t, func() bool { return listening(t, atoi(t, strings.TrimPrefix(address, "127.0.0.1:"))) == 0 })
	assert.Equal(t, spread(t, p, 3), map[string]int{"b": 3}) // whatever is known
	p.turns(address, "down")
	assert.Equal(t, p.metric(fmt.Sprintf("sluice_server_up{upstream=%q,server=%q}", "back", address)), "0")
	assert.Equal(t, spread(t, p, 5), map[string]int{"b": 5})
	stationAt(t, "tcp", address).serves(greets("a"))
	p.turns(address, "up")
	assert.Equal(t, spread(t, p, 5), map[string]int{"a": 5})
	p.logs(1, "server is down", "server="+address, "connection refused")
	p.logs(1, "server is up", "server="+address)
}

// A server that does not answer at all is not waited for any longer once its checks have found that out.
func TestUpstreamTCPDialIsForsaken(t *testing.T) {
	t.Parallel()
	silent := deaf(t)
	p := run(t, passed, quoted(silent, greeter(t, "b").address()),
		"balance: first, timeouts: {connect: 1m}, check: {tcp: true, every: 200ms, fast: 100ms, timeout: 200ms}")
	assert.Equal(t, asks(t, p.addr(1)), "b")
	p.logs(1, "server is down", "server="+silent, "after=3")
	line := p.ends("client_end")
	assert.Equal(t, line.Attempts, 2)
}

// resets accepts and cuts, without having said a word.
func resets(c net.Conn) {
	_, _ = c.Read(make([]byte, 1))
	_ = c.(*net.TCPConn).SetLinger(0)
}

// A server that accepts and resets costs some clients their connection, and is then left alone, for longer each time.
func TestUpstreamTCPEjects(t *testing.T) {
	t.Parallel()
	bad := station(t).serves(resets).address()
	p := run(t, passed, quoted(bad, greeter(t, "good").address()), "balance: round_robin, eject: {errors: 3, for: 2s}")
	asksOnce := func() (cut bool) {
		e := p.dial(1)
		e.says("?")
		name, err := readLine(e)
		if err != nil && !errors.Is(err, syscall.ECONNRESET) {
			t.Fatal(err)
		}
		_ = e.Close()
		return name == ""
	}
	untilEjected := func(n int) (cuts int) {
		assert.Eventually(t, func() bool {
			if asksOnce() {
				cuts++
			}
			return p.server(bad).Ejections == n
		})
		return cuts
	}
	if cuts := untilEjected(1); cuts != 3 {
		t.Errorf("%d clients were cut before the server was ejected, want 3", cuts)
	}
	assert.Equal(t, p.server(bad).State, "ejected")
	for range 5 {
		assert.Equal(t, asksOnce(), false)
	}
	p.logs(1, "server is ejected", "server="+bad, "for=2s")
	// It comes back on probation: one more failure is enough.
	if cuts := untilEjected(2); cuts != 1 {
		t.Errorf("%d clients were cut by a server on probation, want 1", cuts)
	}
	p.logs(1, "server is used again after an ejection")
	p.logs(1, "server is ejected", "server="+bad, "for=4s")
}

// census is an origin that counts connections which are established at the same time, as the kernel sees them: one that the
// other side has closed does not count, even if nobody here has read that yet.
type census struct {
	mu    sync.Mutex
	open  map[*net.TCPConn]bool
	most  int
	total int
}

func (c *census) joins(conn net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open == nil {
		c.open = map[*net.TCPConn]bool{}
	}
	c.open[conn.(*net.TCPConn)] = true
	c.total++
	now := 0
	for one := range c.open {
		if isEstablished(one) {
			now++
		}
	}
	c.most = max(c.most, now)
}

func (c *census) parts(conn net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.open, conn.(*net.TCPConn))
}

func isEstablished(c *net.TCPConn) (yes bool) {
	const established = 1 // TCP_ESTABLISHED
	if raw, err := c.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) {
			info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
			yes = err == nil && info.State == established
		})
	}
	return yes
}

// More clients than a server may have wait for their turn. The limit holds over both loops, however clients leave, and
// everybody is served.
func TestUpstreamTCPQueues(t *testing.T) {
	t.Parallel()
	const limit, clients, each = 4, 32, 10
	var counted census
	o := station(t).serves(func(c net.Conn) {
		counted.joins(c)
		defer counted.parts(c)
		if _, err := io.WriteString(c, "one\n"); err == nil {
			_, _ = io.Copy(io.Discard, c) // until the client goes
		}
	})
	p := run(t, passed, fmt.Sprintf(`{address: "%s", max_connections: %d}`, o.address(), limit), fmt.Sprintf("queue: {size: %d}", clients))
	var all sync.WaitGroup
	for range clients {
		all.Go(func() {
			for n := range each {
				if err := visits(p.addr(1), n%2 == 0); err != nil {
					t.Errorf("a client was not served: %v", err)
				}
			}
		})
	}
	assert.Eventually(t, func() bool { return p.upstream().Waiting > 0 })
	all.Wait()
	assert.Equal(t, counted.total, clients*each)
	if counted.most != limit {
		t.Errorf("%d connections at once, want %d", counted.most, limit)
	}
	assert.Equal(t, p.reasons(clients*each), map[string]int{"client_end": clients * each / 2, "client_reset": clients * each / 2})
}

// visits connects, hears a line, and leaves, in good order or not.
func visits(address string, orderly bool) error {
	c, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	if _, err := readLine(c); err != nil {
		return err
	}
	if !orderly {
		return c.(*net.TCPConn).SetLinger(0)
	}
	_ = c.(*net.TCPConn).CloseWrite()
	_, err = io.Copy(io.Discard, c)
	return err
}

// A full queue turns clients away at once, and one that waits too long too.
func TestUpstreamTCPQueueIsFull(t *testing.T) {
	t.Parallel()
	p := run(t, passed, fmt.Sprintf(`{address: "%s", max_connections: 1}`, greeter(t, "one").address()), "queue: {size: 1, timeout: 300ms}")
	inside := p.dial(1)
	inside.hears("one\n")
	second := p.dial(1)
	assert.Eventually(t, func() bool { return p.upstream().Waiting == 1 })
	third := p.dial(1)
	third.hearsEndOrReset()
	p.ends("upstream_full")
	second.hearsEndOrReset()
	p.ends("queue_timeout")
	assert.Equal(t, p.upstream().QueueFull, 1)
	assert.Equal(t, p.upstream().QueueTimeouts, 1)
	fourth := p.dial(1)
	assert.Eventually(t, func() bool { return p.upstream().Waiting == 1 })
	inside.resets()
	fourth.hears("one\n")
}

// hearsEndOrReset waits until the connection is over, in either way.
func (e *end) hearsEndOrReset() {
	e.t.Helper()
	if n, err := e.Read(make([]byte, 1)); n > 0 || !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) {
		e.t.Fatalf("heard %d bytes and %v, want the end", n, err)
	}
}

// A check that fails takes new connections away from a server; those that it has are left alone.
func TestUpstreamTCPTunnelsSurviveTheVerdict(t *testing.T) {
	t.Parallel()
	var sick atomic.Bool
	doctor := site(t, func(w http.ResponseWriter, _ *http.Request) {
		if sick.Load() {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	_, port, _ := strings.Cut(doctor.address, ":")
	a := greeter(t, "a").address()
	p := run(t, passed, quoted(a), fmt.Sprintf("eject: {panic: off}, check: {http: /, port: %s, every: 200ms, fast: 100ms, timeout: 200ms}", port))
	tunnel := p.dial(1)
	tunnel.hears("a\n")
	sick.Store(true)
	p.turns(a, "down")
	p.logs(1, "server is down", "answered 500")
	p.dial(1).hearsEndOrReset()
	p.ends("no_server")
	tunnel.says("still there?")
	tunnel.hears("still there?")
	assert.Equal(t, p.server(a).InUse, 1)
	sick.Store(false)
	p.turns(a, "up")
	tunnel.says("good.")
	tunnel.hears("good.")
	tunnel.fin()
	tunnel.hearsEnd()
	p.ends("client_end")
}
