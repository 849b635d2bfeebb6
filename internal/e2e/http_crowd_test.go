package e2e

// Crowds: attackers who are slow on purpose, and clients who just stay. These tests use the binary without the race
// detector; those with thousands of connections do not run beside each other.

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sluice/internal/assert"
)

// needsDescriptors skips the test where a process may not have n of them.
func needsDescriptors(t testing.TB, n uint64) {
	t.Helper()
	var limit unix.Rlimit
	assert.NoError(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &limit))
	if limit.Max < n {
		t.Skipf("a process may have %d open files here (ulimit -Hn), and this test needs %d", limit.Max, n)
	}
}

// slow has little patience, so that a test sees the end of it.
const slow = `
listeners:
  front: {bind: "127.0.0.1:PORT1", protocol: http, upstream: back, timeouts: {header: 6s, body_idle: 6s, write_idle: 4s}}
upstreams: {back: {servers: ["%s"]}}
runtime: {loops: 2}
`

// median is the middle one of some GETs of one client, one after the other; each must be answered.
func (b *browser) median(gets int) time.Duration {
	b.t.Helper()
	var took []time.Duration
	for range gets {
		began := time.Now()
		b.gets("/")
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	return took[len(took)/2]
}

// slowSite answers most requests at once, and one with more than the kernel takes for a reader who does not read.
func slowSite(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/big" {
		_, _ = w.Write(pattern(0, 4*mebibyte))
		return
	}
	_, _ = io.Copy(io.Discard, r.Body)
	_, _ = io.WriteString(w, "ok")
}

// slowhttptest's three attacks with up to 2,000 connections: everybody else is served all the time, and the attackers
// are shown out.
func TestHTTPSlowClients(t *testing.T) {
	tool(t, "slowhttptest")
	const attackers = 2000
	needsDescriptors(t, 3*attackers)
	o := site(t, slowSite)
	for _, row := range []struct {
		name, args, path string
		crowd            int
		reason           string // why the proxy ends them
	}{
		{"headers", "-H -i 30 -t GET", "/", attackers, "header_timeout"},
		{"body", "-B -i 30 -s 8192 -t POST", "/", attackers, "body_timeout"},
		// On the loopback interface a socket takes 2.5 MiB that nobody reads: more of them would test the kernel.
		{"read", "-X -n 30 -w 256 -y 512 -z 32", "/big", attackers / 10, "write_timeout"},
	} {
		t.Run(row.name, func(t *testing.T) {
			p := command{plain: true, config: fmt.Sprintf(slow, o.address)}.run(t)
			b := p.browser()
			b.median(50) // what is allocated and connected once
			before := b.median(300)
			args := fmt.Sprintf("%s -c %d -r %d -l 60 -p 5 -v 0 -u http://%s%s", row.args, row.crowd, row.crowd, p.addr(1), row.path)
			attack := startTool(t, "slowhttptest", strings.Fields(args)...)
			crowd := 0
			p.waits(func() bool { // half of them at once, because a busy machine shows the first ones out while the last ones come
				b.gets("/")
				crowd = max(crowd, p.descriptors())
				return crowd > row.crowd/2
			})
			during := b.median(300)
			p.showsOut(row.crowd/4, row.reason)
			after := b.median(300)
			t.Logf("median of a GET: %v before, %v beside %d descriptors, %v afterwards", before, during, crowd, after)
			attack.kill()
			assert.Eventually(t, func() bool { return p.descriptors() < 100 })
		})
	}
}

// showsOut waits for n lines of one reason, among others: ordinary answers, and what the attacker asks to see its success.
func (p *proxy) showsOut(n int, reason string) {
	p.t.Helper()
	for n > 0 {
		if p.next().Reason == reason {
			n--
		}
	}
}

// keepers is how many clients stay without asking for anything.
const keepers = 9000

// keeper is a client that stays. It is used from any goroutine, so that it returns its errors.
type keeper struct{ net.Conn }

// asks sends a request and wants the answer of names("ok").
func (k keeper) asks() error {
	if err := k.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	if _, err := io.WriteString(k, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		return err
	}
	var got [512]byte
	for n := 0; ; {
		more, err := k.Read(got[n:])
		if n += more; strings.HasSuffix(string(got[:n]), "\r\n\r\nok") {
			return nil
		}
		if err != nil {
			return fmt.Errorf("after %q: %w", got[:n], err)
		}
	}
}

// byManyHands calls do for each of n, some at a time, and fails the test if one of them fails.
func byManyHands(t testing.TB, n int, do func(i int) error) {
	t.Helper()
	const hands = 8
	var all sync.WaitGroup
	for hand := range hands {
		all.Go(func() {
			for i := hand; i < n; i += hands {
				if err := do(i); err != nil {
					t.Errorf("number %d: %v", i, err)
					return
				}
			}
		})
	}
	all.Wait()
	if t.Failed() {
		t.FailNow()
	}
}

// 9,000 clients that have asked once and stay cost next to nothing, and are all served when they ask again.
func TestHTTPIdleClients(t *testing.T) {
	needsDescriptors(t, keepers+1000)
	roomy := strings.Replace(web, "upstream: back}", "upstream: back, max_connections: 9500}", 1)
	p := command{plain: true, config: fmt.Sprintf(roomy, site(t, names("ok")).address)}.run(t)
	before := p.resident()
	clients := make([]keeper, keepers)
	t.Cleanup(func() {
		for _, k := range clients {
			if k.Conn != nil {
				k.Close()
			}
		}
	})
	byManyHands(t, keepers, func(i int) (err error) {
		if clients[i].Conn, err = net.Dial("tcp", p.addr(1)); err != nil {
			return err
		}
		return clients[i].asks()
	})
	perEach := (p.resident() - before) / keepers
	t.Logf("%d bytes each", perEach)
	if perEach > 3<<10 { // make bench keeps the exact account
		t.Errorf("an idle connection costs %d bytes", perEach)
	}
	used := p.cpu()
	p.quiet(time.Second)
	if used = p.cpu() - used; used > 100*time.Millisecond {
		t.Errorf("%d idle connections used the processor for %v of a second", keepers, used)
	}
	byManyHands(t, keepers, func(i int) error { return clients[i].asks() })
	assert.Equal(t, p.reasons(2*keepers), map[string]int{"done": 2 * keepers})
}
