package e2e

// Many TLS connections: thousands that stay, floods of handshakes that come to nothing, and what is left when all are gone; and how
// they end with the proxy.

import (
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"

	"sluice/internal/assert"
)

// secureKeepers is how many clients stay.
const secureKeepers = 2000

// stays connects, secures, and asks; it is used from any goroutine.
func stays(address string, config *tls.Config) (keeper, error) {
	raw, err := net.Dial("tcp", address)
	if err != nil {
		return keeper{}, err
	}
	k := keeper{tls.Client(raw, config)}
	return k, k.asks()
}

// 2,000 clients that have asked once and stay are all served when they ask again. When they have left, nothing is left of them.
func TestSecureCrowdStays(t *testing.T) {
	needsDescriptors(t, 3*secureKeepers)
	s := opensSafe(t)
	s.keeps("ec", s.root.issues(t, "x")) // which keepers ask for
	config := strings.Replace(shop, "upstream: web}", "upstream: web, max_connections: 2500}", 1)
	p := command{plain: true, config: s.fills(config, site(t, names("ok")).address, nobody(t))}.run(t)
	first, err := stays(p.addr(1), s.trusts("x")) // what is made once
	assert.NoError(t, err)
	before, files := p.resident(), p.descriptors()
	clients := make([]keeper, secureKeepers)
	resuming := remembers(s.trusts("x")) // so that most handshakes are cheap
	byManyHands(t, secureKeepers, func(i int) (err error) {
		clients[i], err = stays(p.addr(1), resuming)
		return err
	})
	t.Logf("%d bytes each", (p.resident()-before)/secureKeepers)
	assert.Equal(t, p.threads() < 50, true)
	byManyHands(t, secureKeepers, func(i int) error { return clients[i].asks() })
	assert.Equal(t, p.reasons(2*secureKeepers+1), map[string]int{"done": 2*secureKeepers + 1})
	byManyHands(t, secureKeepers, func(i int) error { return clients[i].Close() })
	assert.Eventually(t, func() bool { return p.descriptors() <= files+64 }) // some to the server are kept for later
	assert.NoError(t, first.asks())
	assert.NoError(t, first.Close())
}

// threads is how many threads the process has.
func (p *proxy) threads() int {
	p.t.Helper()
	status := textOf(p.t, fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	_, rest, _ := strings.Cut(status, "Threads:")
	return atoi(p.t, strings.Fields(rest)[0])
}

// A flood of noise, of half hellos and of whole ones that nobody goes on with costs those who flood, and nobody else: the limit for
// one address holds, others are served meanwhile, and nothing is left.
func TestSecureCrowdFloods(t *testing.T) {
	t.Parallel()
	s := opensSafe(t)
	config := strings.Replace(shop, "upstream: web}", "upstream: web, max_connections_per_ip: 40, timeouts: {hello: 1s, handshake: 1s}}", 1)
	p := s.run(config+"log: {access: {to: off}}\n", site(t, names("ok")).address, greeter(t, "raw").address())
	b := s.browser(p)
	b.gets("/")
	files := p.descriptors()
	hello := helloOf("a.example.com")
	noise := make([]byte, 300)
	_, err := rand.Read(noise)
	assert.NoError(t, err)
	const each = 300
	var held []*end
	for _, says := range []string{hello, hello[:200], string(noise), "\x16\x03\x01\x02\x00" + string(noise)} {
		for range each / 4 {
			e := dialFrom(t, "127.0.0.9", p.addr(1))
			_, _ = io.WriteString(e, says) // it may be over before
			held = append(held, e)
		}
		b.gets("/")
	}
	for _, e := range held { // those beyond the limit at once, and the others in time
		e.isOver()
		_ = e.Close()
	}
	b.gets("/")
	assert.Eventually(t, func() bool { return p.descriptors() <= files+8 })
	again := dialFrom(t, "127.0.0.9", p.addr(1)) // and the address has its places back
	c := tls.Client(again.Conn, s.trusts("a.example.com"))
	assert.NoError(t, c.Handshake())
	assert.Equal(t, newEnd(t, c).asksAt("/"), "ok")
}

// TERM lets answers finish, closes connections between requests in order, ends handshakes that nobody goes on with, and tunnels when
// they are over.
func TestSecureCrowdDrains(t *testing.T) {
	t.Parallel()
	s := opensSafe(t)
	web, raw := station(t), station(t)
	p := s.run(strings.ReplaceAll(shop, "upstream: web}", "upstream: web, timeouts: {hello: 3s, handshake: 3s}}"), web.address(), raw.address())
	idle, under := s.taps(p, 1)
	idle.says("GET /idle HTTP/1.1\r\nHost: a.example.com\r\n\r\n")
	server := web.accept()
	server.hearsRequest("GET /idle HTTP/1.1")
	server.says("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
	assert.Equal(t, idle.hearsBody(), "ok")
	p.ends("done")

	waiting, underWaiting := s.taps(p, 1)
	waiting.says("GET /asked HTTP/1.1\r\nHost: a.example.com\r\n\r\n")
	asked := web.next(server)
	asked.hearsRequest("GET /asked HTTP/1.1")
	tunnel, underTunnel := s.taps(p, 2)
	far := raw.accept()
	tunnel.says("begun")
	far.hears("begun")
	half, whole := p.dial(1), p.dial(1)
	half.says(helloOf("a.example.com")[:100])
	whole.says(helloOf("a.example.com"))
	whole.hears("\x16\x03\x03")

	p.signal(syscall.SIGTERM)
	idle.hearsGoodbye(under, "")
	_, err := net.Dial("tcp", p.addr(1))
	assert.Equal(t, errors.Is(err, syscall.ECONNREFUSED), true)
	asked.says("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nanswer")
	_, fields := waiting.hearsHead()
	has(t, strings.Join(fields, "\n"), "Connection: close")
	waiting.hearsGoodbye(underWaiting, "answer")
	half.isOver()
	whole.isOver()
	far.says("and ended")
	far.fin()
	tunnel.hearsGoodbye(underTunnel, "and ended")
	tunnel.fin()
	p.exits(0)
	assert.Equal(t, p.reasons(4), map[string]int{"done": 1, "server_end": 1, "hello_timeout": 1, "handshake_timeout": 1})
}

// A drain is bounded, and INT is fast, whatever is under way: requests, tunnels, handshakes, hellos.
func TestSecureCrowdIsStopped(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		signal syscall.Signal
		reason string
	}{{syscall.SIGTERM, "drain_timeout"}, {syscall.SIGINT, "stopped"}} {
		t.Run(row.signal.String(), func(t *testing.T) {
			t.Parallel()
			s := opensSafe(t)
			arrived := make(chan struct{}, 1)
			web := site(t, func(w http.ResponseWriter, r *http.Request) {
				arrived <- struct{}{}
				<-r.Context().Done()
			})
			p := s.run(strings.Replace(shop, "loops: 2", "loops: 2, drain: 300ms", 1), web.address, greeter(t, "raw").address())
			asking, tunnel := p.secures(1, s.trusts("a.example.com")), p.secures(2, s.trusts("a.example.com"))
			asking.says("GET / HTTP/1.1\r\nHost: a.example.com\r\n\r\n")
			tunnel.hears("raw\n")
			<-arrived
			half, whole := p.dial(1), p.dial(1)
			half.says(helloOf("a.example.com")[:100])
			whole.says(helloOf("a.example.com"))
			whole.hears("\x16\x03\x03")
			p.signal(row.signal)
			p.exits(0)
			for _, e := range []*end{asking, tunnel} {
				if got, err := io.ReadAll(e); !errors.Is(err, syscall.ECONNRESET) {
					t.Errorf("heard %q and %v, want a reset", got, err)
				}
			}
			half.isOver()
			whole.isOver()
			assert.Equal(t, p.reasons(2), map[string]int{row.reason: 2})
		})
	}
}
