package e2e

// Limits of servers and of upstreams, and the queue in front of them.

import (
	"fmt"
	"net"
	"net/http"
	"sync"
	"syscall"
	"testing"
	"time"

	"sluice/internal/assert"
)

// limited is an upstream with a limit; the words are its server, and more of it.
const limited = `
listeners: {front: {bind: "127.0.0.1:PORT1", protocol: http, upstream: back}}
upstreams: {back: {servers: [%s], %s}}
admin: "127.0.0.1:PORT2"
runtime: {loops: 2}
`

// turnstile is a website that lets one request through at a time, when the test says so, and tells which.
type turnstile struct {
	*website
	came, goes chan string
}

func turnstiles(t testing.TB) *turnstile {
	t.Helper()
	s := &turnstile{came: make(chan string, 100), goes: make(chan string)}
	s.website = site(t, func(w http.ResponseWriter, r *http.Request) {
		s.came <- r.URL.Path
		select {
		case <-s.goes:
		case <-r.Context().Done():
		}
	})
	return s
}

// next waits for the next request, and lets it go.
func (s *turnstile) next(t testing.TB) string {
	t.Helper()
	select {
	case path := <-s.came:
		s.goes <- path
		return path
	case <-time.After(patience):
		t.Fatal("no request comes")
	}
	return ""
}

// Requests that find the upstream full wait in one line, whatever loop they come from. The log says how long.
func TestUpstreamQueueIsFair(t *testing.T) {
	t.Parallel()
	const waiters = 12
	s := turnstiles(t)
	p := run(t, limited, quoted(s.address), fmt.Sprintf("max_connections: 1, queue: {size: %d, timeout: 10s}", waiters))
	answers := make(chan answer, waiters+1)
	var all sync.WaitGroup
	for n := range waiters + 1 {
		b := p.browser() // a connection of its own, on either loop
		all.Go(func() {
			a, err := b.does("GET", fmt.Sprintf("/%d", n), nil)
			if err != nil {
				t.Errorf("%d: %v", n, err)
			}
			answers <- a
		})
		assert.Eventually(t, func() bool { return p.upstream().InUse == 1 && p.upstream().Waiting == n })
	}
	full, err := p.browser().does("GET", "/full", nil)
	assert.NoError(t, err)
	assert.Equal(t, full.StatusCode, http.StatusServiceUnavailable)
	assert.Equal(t, full.Header.Get("Retry-After"), "1")
	p.ends("upstream_full")
	assert.Equal(t, p.upstream().QueueFull, 1)
	p.quiet(50 * time.Millisecond)
	for n := range waiters + 1 {
		assert.Equal(t, s.next(t), fmt.Sprintf("/%d", n))
	}
	all.Wait()
	for range waiters + 1 {
		assert.Equal(t, (<-answers).StatusCode, http.StatusOK)
		line := p.ends("done")
		if waited := line.Queue >= 50; waited != (line.Target != "/0") {
			t.Errorf("%s has waited for %v ms", line.Target, line.Queue)
		}
	}
}

// Who waits too long is told to come again, and one who leaves makes room in the line.
func TestUpstreamQueueTimesOut(t *testing.T) {
	t.Parallel()
	s := turnstiles(t)
	p := run(t, limited, quoted(s.address), "max_connections: 1, queue: {size: 1, timeout: 300ms}")
	inside := p.dial(1)
	inside.asksFor("/inside")
	assert.Equal(t, <-s.came, "/inside")
	late, err := p.browser().does("GET", "/late", nil)
	assert.NoError(t, err)
	assert.Equal(t, late.StatusCode, http.StatusServiceUnavailable)
	assert.Equal(t, late.Header.Get("Retry-After"), "1")
	line := p.ends("queue_timeout")
	if line.Queue < 250 || line.Attempts != 0 {
		t.Errorf("waited in vain as %+v", line)
	}
	leaver := p.dial(1)
	leaver.asksFor("/leaver")
	assert.Eventually(t, func() bool { return p.upstream().Waiting == 1 })
	leaver.resets()
	assert.Eventually(t, func() bool { return p.upstream().Waiting == 0 })
	patient := p.dial(1)
	patient.asksFor("/patient")
	assert.Eventually(t, func() bool { return p.upstream().Waiting == 1 })
	s.goes <- ""
	inside.hearsHead()
	assert.Equal(t, s.next(t), "/patient")
	patient.hearsHead()
}

// Who waits in the line when the proxy is told to end is served before it does.
func TestUpstreamQueueIsDrained(t *testing.T) {
	t.Parallel()
	s := turnstiles(t)
	p := run(t, limited, quoted(s.address), "max_connections: 1, queue: {size: 8}")
	var all sync.WaitGroup
	for n := range 4 {
		b := p.browser()
		all.Go(func() {
			if a, err := b.does("GET", "/", nil); err != nil || a.StatusCode != http.StatusOK {
				t.Errorf("%d: %v, %+v", n, err, a)
			}
		})
		assert.Eventually(t, func() bool { return p.upstream().InUse == 1 && p.upstream().Waiting == n })
	}
	p.signal(syscall.SIGTERM)
	assert.Eventually(t, func() bool { return p.isClosed() })
	for range 4 {
		s.next(t)
	}
	all.Wait()
	p.exits(0)
	assert.Equal(t, p.reasons(4), map[string]int{"done": 4})
}

// A request that has to be tried again has been admitted already: that the queue is full meanwhile is not its concern.
func TestUpstreamQueueDoesNotRefuseRetries(t *testing.T) {
	t.Parallel()
	die := make(chan struct{})
	bad := station(t).serves(func(c net.Conn) {
		if hearsOne(c) {
			<-die
			_ = c.(*net.TCPConn).SetLinger(0)
		}
	})
	good := turnstiles(t)
	p := run(t, limited, fmt.Sprintf(`{address: "%s", max_connections: 1}, "%s"`, bad.address(), good.address),
		"balance: first, eject: off, max_connections: 2, queue: {size: 1}")
	for range 5 {
		answers := make(chan answer, 3)
		for _, now := range []upstream{{InUse: 1}, {InUse: 2}, {InUse: 2, Waiting: 1}} { // one is reset, one is held, one waits
			b := p.browser()
			go func() {
				a, _ := b.does("GET", "/", nil)
				answers <- a
			}()
			assert.Eventually(t, func() bool { u := p.upstream(); return u.InUse == now.InUse && u.Waiting == now.Waiting })
		}
		for left := cap(answers); left > 0; {
			select {
			case die <- struct{}{}: // also who waits in line may come here
			case path := <-good.came:
				good.goes <- path
			case a := <-answers:
				left--
				if a.Response == nil || a.StatusCode != http.StatusOK {
					t.Fatalf("answered %+v, with %+v", a, p.upstream())
				}
			}
		}
	}
}

// isClosed reports whether port 1 takes no more connections.
func (p *proxy) isClosed() bool {
	c, err := net.Dial("tcp", p.addr(1))
	if err == nil {
		c.Close()
	}
	return err != nil
}

// A server's limit is exact over both loops, idle connections included: those of the other loop make room.
func TestUpstreamLimitIsExact(t *testing.T) {
	t.Parallel()
	const limit, clients = 8, 64
	var seen census
	l, err := net.Listen("tcp", "127.0.0.1:0")
	assert.NoError(t, err)
	var mu sync.Mutex
	busy, busiest := 0, 0
	o := siteOn(t, l, &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			mu.Lock()
			busy++
			busiest = max(busiest, busy)
			mu.Unlock()
			_, _ = w.Write([]byte("ok"))
			mu.Lock()
			busy--
			mu.Unlock()
		}),
		ConnState: func(c net.Conn, s http.ConnState) {
			switch s {
			case http.StateNew:
				seen.joins(c)
			case http.StateClosed:
				seen.parts(c)
			}
		},
	})
	p := run(t, limited, fmt.Sprintf(`{address: "%s", max_connections: %d}`, o.address, limit), fmt.Sprintf("queue: {size: %d}", clients))
	c := p.throng(clients, "/")
	c.goesOn(1500)
	c.leaves()
	t.Logf("%d answers over %d connections, at most %d at once", c.answered.Load(), seen.total, seen.most)
	if busiest > limit {
		t.Errorf("%d requests at once, want %d", busiest, limit)
	}
	if seen.most > limit {
		t.Errorf("%d connections at once, want %d", seen.most, limit)
	}
	assert.Eventually(t, func() bool { return p.server(o.address).InUse == 0 })
	if idle := p.server(o.address).Idle; idle > limit {
		t.Errorf("%d idle connections, want at most %d", idle, limit)
	}
	assert.Equal(t, p.upstream().Waiting, 0)
}

// A loop that has no connection to a full server gets one at the cost of an idle one of the other loop.
func TestUpstreamLimitTakesFromTheOtherLoop(t *testing.T) {
	t.Parallel()
	var seen census
	l, err := net.Listen("tcp", "127.0.0.1:0")
	assert.NoError(t, err)
	o := siteOn(t, l, &http.Server{Handler: names("ok"), ConnState: func(c net.Conn, s http.ConnState) {
		switch s {
		case http.StateNew:
			seen.joins(c)
		case http.StateClosed:
			seen.parts(c)
		}
	}})
	p := run(t, limited, fmt.Sprintf(`{address: "%s", max_connections: 1}`, o.address), "queue: {size: 8}")
	for range 40 { // new connections to either loop, one after the other
		b := p.browser()
		assert.Equal(t, b.gets("/").body, "ok")
		b.leaves()
	}
	if seen.most > 1 || seen.total < 2 {
		t.Errorf("%d connections at once, want 1; %d in all, want some from each loop", seen.most, seen.total)
	}
}
