package e2e

// Discovery: servers by name, by SRV record and from a file, while they are in use.

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"

	"sluice/internal/assert"
)

// zone is a name server, over UDP and TCP, whose records the test changes.
type zone struct {
	address string
	mu      sync.Mutex
	records []dns.RR
	rcode   int
}

// zoneOf starts a name server. Records are written as in zone files.
func zoneOf(t testing.TB, records ...string) *zone {
	t.Helper()
	z := &zone{address: nobody(t)}
	z.has(t, records...)
	for _, network := range []string{"udp", "tcp"} {
		ready := make(chan struct{})
		server := &dns.Server{Addr: z.address, Net: network, Handler: z, NotifyStartedFunc: func() { close(ready) }}
		go func() { _ = server.ListenAndServe() }()
		<-ready
		t.Cleanup(func() { _ = server.Shutdown() })
	}
	return z
}

// has replaces all records, and has the server answer again.
func (z *zone) has(t testing.TB, records ...string) {
	t.Helper()
	var parsed []dns.RR
	for _, text := range records {
		record, err := dns.NewRR(text)
		assert.NoError(t, err)
		parsed = append(parsed, record)
	}
	z.mu.Lock()
	defer z.mu.Unlock()
	z.records, z.rcode = parsed, dns.RcodeSuccess
}

// fails has every question be answered with rcode.
func (z *zone) fails(rcode int) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.rcode = rcode
}

// ServeDNS implements dns.Handler.
func (z *zone) ServeDNS(w dns.ResponseWriter, q *dns.Msg) {
	z.mu.Lock()
	defer z.mu.Unlock()
	m := new(dns.Msg).SetRcode(q, z.rcode)
	m.Authoritative = true // so that no answer is an answer
	for _, record := range z.records {
		head := record.Header()
		if z.rcode == dns.RcodeSuccess && head.Name == q.Question[0].Name && head.Rrtype == q.Question[0].Qtype {
			m.Answer = append(m.Answer, record)
		}
	}
	_ = w.WriteMsg(m)
}

// addresses are A records of app.test, which are good for a second.
func addresses(ips ...string) (records []string) {
	for _, ip := range ips {
		records = append(records, "app.test. 1 IN A "+ip)
	}
	return records
}

// counted is a website that knows its connections. Its path /long is an answer that ends when the test says so.
type counted struct {
	*website
	opened, closed atomic.Int64
	finish         chan struct{}
}

func countedAt(t testing.TB, address, name string) *counted {
	t.Helper()
	l, err := net.Listen("tcp", address)
	assert.NoError(t, err)
	c := &counted{finish: make(chan struct{})}
	server := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, name)
			if r.URL.Path == "/long" {
				_ = http.NewResponseController(w).Flush()
				<-c.finish
				_, _ = io.WriteString(w, ", finished")
			}
		}),
		ConnState: func(_ net.Conn, s http.ConnState) {
			switch s {
			case http.StateNew:
				c.opened.Add(1)
			case http.StateClosed:
				c.closed.Add(1)
			}
		},
	}
	c.website = siteOn(t, l, server)
	return c
}

// named is one upstream whose servers the test's name server knows.
const named = `
listeners: {front: {bind: "127.0.0.1:PORT1", protocol: http, upstream: back}}
upstreams: {back: {servers: "%s", balance: round_robin}}
admin: "127.0.0.1:PORT2"
runtime: {loops: %d, resolvers: "%s"}
`

// The addresses of a name become more and fewer under load: nobody notices, the servers that stay keep their connections,
// and the one that goes finishes its answers first.
func TestUpstreamDNSGrowsAndShrinks(t *testing.T) {
	t.Parallel()
	port := freePort(t)
	var sites []*counted
	for i := 2; i <= 4; i++ {
		sites = append(sites, countedAt(t, fmt.Sprintf("127.0.0.%d:%d", i, port), fmt.Sprint(i)))
	}
	z := zoneOf(t, addresses("127.0.0.2")...)
	p := run(t, named, fmt.Sprintf("dns://app.test:%d", port), 2, z.address)
	leaver := p.dial(1)
	leaver.asksFor("/long")
	leaver.hearsHead()
	c := p.throng(32, "/")
	c.goesOn(200)
	z.has(t, addresses("127.0.0.2", "127.0.0.3", "127.0.0.4")...)
	p.logs(2, "server is new")
	assert.Eventually(t, func() bool { return sites[1].opened.Load() > 0 && sites[2].opened.Load() > 0 })
	c.goesOn(500)

	z.has(t, addresses("127.0.0.3", "127.0.0.4")...)
	p.logs(1, "server is gone", "127.0.0.2", "in_use=")
	assert.Eventually(t, func() bool { return sites[0].opened.Load()-sites[0].closed.Load() == 1 }) // the long answer's
	c.goesOn(500)
	close(sites[0].finish)
	leaver.hearsLine() // the size of the first chunk
	leaver.hears("2\r\n")
	leaver.hearsLine()
	leaver.hears(", finished\r\n0\r\n\r\n")
	assert.Eventually(t, func() bool { return sites[0].opened.Load() == sites[0].closed.Load() })

	z.fails(dns.RcodeServerFailure)
	p.logs(1, "discovering servers failed", "SERVFAIL")
	c.goesOn(500)
	z.has(t, addresses("127.0.0.3", "127.0.0.4")...)
	p.logs(1, "discovering servers works again")
	for _, stays := range sites[1:] {
		assert.Equal(t, stays.closed.Load(), int64(0))
	}
	c.leaves()
	assert.Equal(t, p.logged("server is new"), 2)
	assert.Equal(t, p.logged("server is gone"), 1)
}

// A server that goes and comes back before it has finished takes new requests again.
func TestUpstreamDNSReturns(t *testing.T) {
	t.Parallel()
	port := freePort(t)
	a, b := countedAt(t, fmt.Sprintf("127.0.0.2:%d", port), "a"), countedAt(t, fmt.Sprintf("127.0.0.3:%d", port), "b")
	z := zoneOf(t, addresses("127.0.0.2")...)
	p := run(t, named, fmt.Sprintf("dns://app.test:%d", port), 1, z.address)
	long := p.dial(1)
	long.asksFor("/long")
	long.hearsHead()
	z.has(t, addresses("127.0.0.3")...)
	p.logs(1, "server is gone", "in_use=1")
	client := p.browser()
	for range 4 {
		assert.Equal(t, client.gets("/").body, "b")
	}
	z.has(t, addresses("127.0.0.2", "127.0.0.3")...)
	assert.Eventually(t, func() bool { return client.gets("/").body == "a" })
	assert.Equal(t, p.server(fmt.Sprintf("app.test:%d (127.0.0.2)", port)).InUse, 1)
	close(a.finish)
	close(b.finish)
	long.hearsLine()
	long.hears("a\r\n")
}

// Without an answer at the start the proxy starts all the same, says so, and serves as soon as there is one.
func TestUpstreamDNSStartsWithout(t *testing.T) {
	t.Parallel()
	port := freePort(t)
	countedAt(t, fmt.Sprintf("127.0.0.2:%d", port), "a")
	z := zoneOf(t, addresses("127.0.0.2")...)
	z.fails(dns.RcodeServerFailure)
	p := run(t, named, fmt.Sprintf("dns://app.test:%d", port), 1, z.address)
	p.logs(1, "starting without servers")
	b := p.browser()
	got, err := b.does("GET", "/", nil)
	assert.NoError(t, err)
	assert.Equal(t, got.StatusCode, http.StatusServiceUnavailable)
	p.ends("no_server")
	z.has(t, addresses("127.0.0.2")...)
	assert.Eventually(t, func() bool {
		got, err := b.does("GET", "/", nil)
		return err == nil && got.body == "a"
	})
}

// SRV records have ports, weights, and priorities: the best priority serves, by weight, and the others wait for its end.
func TestUpstreamSRV(t *testing.T) {
	t.Parallel()
	light, heavy, spare := site(t, names("light")), site(t, names("heavy")), site(t, names("spare"))
	record := func(priority, weight int, w *website, host string) string {
		_, port, _ := strings.Cut(w.address, ":")
		return fmt.Sprintf("_http._tcp.app.test. 1 IN SRV %d %d %s %s", priority, weight, port, host)
	}
	hosts := []string{"one.test. 60 IN A 127.0.0.1", "two.test. 60 IN A 127.0.0.1", "three.test. 60 IN A 127.0.0.1"}
	z := zoneOf(t, append(hosts, record(10, 1, light, "one.test."), record(10, 3, heavy, "two.test."), record(20, 1, spare, "three.test."))...)
	p := run(t, named, "srv://_http._tcp.app.test", 1, z.address)
	b := p.browser()
	asked := func(n int) map[string]int {
		counts := map[string]int{}
		for range n {
			counts[b.gets("/").body]++
		}
		return counts
	}
	assert.Equal(t, asked(40), map[string]int{"light": 10, "heavy": 30})
	z.has(t, append(hosts, record(10, 3, light, "one.test."), record(10, 1, heavy, "two.test."), record(20, 1, spare, "three.test."))...)
	assert.Eventually(t, func() bool { return p.upstreamWeight("one.test") == 3 })
	assert.Equal(t, asked(40), map[string]int{"light": 30, "heavy": 10})
	light.dies()
	heavy.dies()
	assert.Equal(t, asked(10), map[string]int{"spare": 10})
	assert.Equal(t, p.logged("server is new"), 0)
	assert.Equal(t, p.logged("server is gone"), 0)
}

// upstreamWeight is the weight of the first server whose name begins so.
func (p *proxy) upstreamWeight(prefix string) int {
	p.t.Helper()
	for _, s := range p.upstream().Servers {
		if strings.HasPrefix(s.Name, prefix) {
			return s.Weight
		}
	}
	return 0
}

// A file of servers is replaced under load. With a mistake in it, the list before stays, and the log says where the mistake is.
func TestUpstreamFile(t *testing.T) {
	t.Parallel()
	a, b, c := site(t, names("a")), site(t, names("b")), site(t, names("c"))
	list := filepath.Join(t.TempDir(), "app.servers")
	replace := func(lines ...string) {
		t.Helper()
		writeFile(t, list+".new", strings.Join(lines, "\n")+"\n")
		assert.NoError(t, os.Rename(list+".new", list))
	}
	replace("# the servers of the app", a.address, b.address+" weight=0")
	p := run(t, named, "file:"+list, 1, "127.0.0.1")
	client := p.browser()
	load := p.throng(16, "/")
	load.goesOn(50)
	assert.Equal(t, client.gets("/").body, "a")
	replace(a.address, c.address+" weight=3")
	p.logs(1, "server is new", c.address)
	p.logs(1, "server is gone", b.address)
	load.goesOn(50)
	assert.Equal(t, p.server(c.address).Weight, 3)

	replace(a.address, b.address, "not an address")
	p.logs(1, "discovering servers failed", list+":3:")
	load.goesOn(50)
	assert.Equal(t, len(p.upstream().Servers), 2)
	assert.Equal(t, p.server(c.address).State, "up")
	replace(c.address)
	p.logs(1, "discovering servers works again")
	p.logs(1, "server is gone", a.address)
	load.goesOn(50)
	assert.Equal(t, client.gets("/").body, "c")
	assert.NoError(t, os.Remove(list))
	assert.Eventually(t, func() bool { return p.logged("discovering servers failed") == 2 })
	p.quiet(100 * time.Millisecond)
	assert.Equal(t, client.gets("/").body, "c")
	load.leaves()
	assert.Equal(t, p.logged("server is new"), 1)
	assert.Equal(t, p.logged("server is gone"), 2)
}

// A line that changes changes its server, and not its connections: those that are in use are used again.
func TestUpstreamFileChangesALimit(t *testing.T) {
	t.Parallel()
	a := countedAt(t, "127.0.0.1:0", "a")
	list := filepath.Join(t.TempDir(), "app.servers")
	writeFile(t, list, a.address+" max_connections=10\n")
	p := run(t, named, "file:"+list, 1, "127.0.0.1")
	long := p.dial(1)
	long.asksFor("/long")
	long.hearsHead()
	b := p.browser()
	assert.Equal(t, b.gets("/").body, "a")
	writeFile(t, list, a.address+" max_connections=20 weight=2\n")
	assert.Eventually(t, func() bool { return p.server(a.address).Weight == 2 })
	assert.Equal(t, p.server(a.address).InUse, 1)
	close(a.finish)
	long.hearsLine()
	long.hears("a\r\n")
	long.hearsLine()
	long.hears(", finished\r\n0\r\n\r\n")
	assert.Eventually(t, func() bool { return p.server(a.address).InUse == 0 })
	for range 10 {
		assert.Equal(t, b.gets("/").body, "a")
	}
	open := a.opened.Load() - a.closed.Load()
	assert.Equal(t, open, int64(p.server(a.address).Idle))
	assert.Equal(t, p.logged("server is"), 0)
}

// A name server that says nothing keeps nobody from ending the proxy, while it starts and when it serves.
func TestUpstreamDNSSilenceDoesNotKeepTheProxy(t *testing.T) {
	t.Parallel()
	silent, err := net.ListenPacket("udp", "127.0.0.1:0")
	assert.NoError(t, err)
	t.Cleanup(func() { silent.Close() })
	p := command{config: fmt.Sprintf(named, "dns://app.test:80", 1, silent.LocalAddr())}.start(t)
	_, _, err = silent.ReadFrom(make([]byte, 512)) // it asks
	assert.NoError(t, err)
	began := time.Now()
	p.signal(syscall.SIGTERM)
	p.exits(0)
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("took %v to end", took)
	}
}
