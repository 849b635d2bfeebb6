package e2e

// Checks: a server that hangs, all servers at once, and a proxy that is short of descriptors itself.

import (
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

// watched is servers that are checked every other moment; the words are the list, and more of the upstream.
const watched = `
listeners: {front: {bind: "127.0.0.1:PORT1", protocol: http, upstream: back}}
upstreams:
  back:
    servers: [%s]
    check: {http: /health, every: 200ms, fast: 100ms, timeout: 200ms, fall: 3, rise: 2}
    %s
admin: "127.0.0.1:PORT2"
runtime: {loops: 2}
`

// What watched promises: a server that hangs is out by then, and one that is back is in.
const (
	outAfter = 200*time.Millisecond + 3*(100+200)*time.Millisecond
	inAfter  = 2 * 200 * time.Millisecond
	// lag is what a machine with much else to do may add; a promise that is broken is broken by the next deadline, 60 s.
	lag = 3 * time.Second
)

// quoted lists servers as configurations do.
func quoted(addresses ...string) string { return `"` + strings.Join(addresses, `", "`) + `"` }

// A server that hangs is out in time. A GET that waits for it is answered by another; a POST is not sent twice, but
// told. When it wakes it is used again.
func TestUpstreamHangs(t *testing.T) {
	t.Parallel()
	a := process(t, "a")
	p := run(t, watched, quoted(a.address, site(t, names("b")).address), "balance: first")
	b := p.browser()
	for range 100 { // retries are a part of what was asked of late
		assert.Equal(t, b.gets("/").body, "a")
	}
	p.reasons(100)
	a.hangs()
	began := time.Now()
	answers := p.asksAtOnce(8, "GET", "/")
	for _, got := range append(answers, p.asksAtOnce(1, "GET", "/")...) {
		assert.Equal(t, got.StatusCode, http.StatusOK)
		assert.Equal(t, got.body, "b")
	}
	if took := time.Since(began); took > outAfter+lag {
		t.Errorf("it took %v to do without a server that hangs", took)
	}
	p.logs(1, "server is down", "server="+a.address, "after=3")
	tries := 0
	for range 9 {
		tries += p.ends("done").Attempts
	}
	assert.Equal(t, tries, 8*2+1)
	a.wakes()
	began = time.Now()
	p.turns(a.address, "up")
	if took := time.Since(began); took > inAfter+lag {
		t.Errorf("it took %v to use a server again that is back", took)
	}
	p.logs(1, "server is up", "server="+a.address)
	assert.Equal(t, b.gets("/").body, "a")
}

// What may not be sent twice waits for the verdict and no longer.
func TestUpstreamHangsWithPost(t *testing.T) {
	t.Parallel()
	a := process(t, "a")
	p := run(t, watched, quoted(a.address, site(t, names("b")).address), "balance: first")
	assert.Equal(t, p.browser().gets("/").body, "a")
	p.ends("done")
	a.hangs()
	began := time.Now()
	got, err := p.browser().does("POST", "/", strings.NewReader("order"))
	assert.NoError(t, err)
	if got.StatusCode != http.StatusGatewayTimeout {
		t.Fatalf("answered %d, after %v: %+v\n%s", got.StatusCode, time.Since(began), p.next(), p.stderr)
	}
	if took := time.Since(began); took > outAfter+lag {
		t.Errorf("it took %v to give up a server that hangs", took)
	}
	line := p.ends("marked_down")
	assert.Equal(t, line.Status, http.StatusGatewayTimeout)
	assert.Equal(t, line.UpstreamStatus, 0)
	assert.Equal(t, line.Server, a.address)
	assert.Equal(t, line.Attempts, 1)
}

// While a server is down, the end of its ejection is no news: it is not used again.
func TestUpstreamEjectionEndsWhileDown(t *testing.T) {
	t.Parallel()
	a := process(t, "a")
	p := run(t, watched, quoted(a.address, site(t, names("b")).address, site(t, names("c")).address), "eject: {for: 300ms}")
	c := p.throng(16, "/")
	c.goesOn(500)
	a.dies()
	p.logs(1, "server is ejected", "server="+a.address)
	p.logs(1, "server is down", "server="+a.address)
	p.quiet(time.Second)
	assert.Equal(t, p.server(a.address).State, "down")
	assert.Equal(t, p.logged("server is used again"), 0)
	c.leaves()
}

// A server that was killed under load is ejected by traffic and found down by checks, whichever comes first. When its
// checks pass again it is back, whatever traffic had thought of it.
func TestUpstreamIsKilledUnderLoad(t *testing.T) {
	t.Parallel()
	a := process(t, "a")
	p := run(t, watched, quoted(a.address, site(t, names("b")).address, site(t, names("c")).address), "eject: {for: 1h}")
	c := p.throng(32, "/")
	c.goesOn(500)
	a.dies()
	p.logs(1, "server is down", "server="+a.address)
	c.goesOn(100)
	a.starts()
	began := time.Now()
	p.turns(a.address, "up")
	if took := time.Since(began); took > inAfter+lag {
		t.Errorf("it took %v to use a server again that is back", took)
	}
	c.goesOn(100)
	c.leaves()
}

// A server that takes connections and resets them at once, idle ones too, costs nobody an answer: what it has not even
// heard goes elsewhere.
func TestUpstreamResetsAtAccept(t *testing.T) {
	t.Parallel()
	var sick atomic.Bool
	var mu sync.Mutex
	open := map[net.Conn]bool{}
	moody := station(t).serves(func(c net.Conn) {
		_ = c.(*net.TCPConn).SetLinger(0)
		if sick.Load() {
			return
		}
		mu.Lock()
		open[c] = true
		mu.Unlock()
		for hearsOne(c) && !sick.Load() {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nmoody")
		}
		mu.Lock()
		delete(open, c)
		mu.Unlock()
	})
	p := run(t, limited, quoted(moody.address(), site(t, names("steady")).address), "balance: first, eject: {for: 100ms}")
	c := p.throng(32, "/")
	c.goesOn(300)
	for range 12 {
		sick.Store(true)
		mu.Lock()
		for conn := range open {
			_ = conn.(*net.TCPConn).SetReadDeadline(time.Now())
		}
		mu.Unlock()
		c.goesOn(100)
		sick.Store(false)
		c.goesOn(200)
	}
	c.leaves()
	for t.Failed() && len(p.entries) > 0 {
		if e := p.next(); e.Reason != "done" {
			t.Logf("%+v", e)
		}
	}
}

// rising is a website that can die and come back at the same address.
type rising struct {
	t       testing.TB
	address string
	name    string
	site    *website
}

func rises(t testing.TB, name string) *rising {
	r := &rising{t: t, name: name, address: nobody(t)}
	r.again()
	return r
}

func (r *rising) again() {
	r.t.Helper()
	var l net.Listener
	assert.Eventually(r.t, func() bool { // its old connections may hold the port for a moment
		var err error
		l, err = net.Listen("tcp", r.address)
		return err == nil
	})
	r.site = siteOn(r.t, l, &http.Server{Handler: names(r.name)})
}

// All servers are lost: clients are told at once, the operator once; and nobody has to do anything when they return.
func TestUpstreamLosesAllServers(t *testing.T) {
	t.Parallel()
	all := []*rising{rises(t, "a"), rises(t, "b"), rises(t, "c")}
	p := run(t, watched, quoted(all[0].address, all[1].address, all[2].address), "eject: {errors: off}")
	b := p.browser()
	b.gets("/")
	for _, one := range all {
		one.site.dies()
	}
	told := 0
	deadline := time.Now().Add(patience)
	for n := 0; n < 30 || p.logged("server is down") < len(all); n++ {
		began := time.Now()
		got, err := b.does("GET", "/", nil)
		assert.NoError(t, err)
		switch got.StatusCode {
		case http.StatusBadGateway, http.StatusServiceUnavailable:
		case http.StatusGatewayTimeout: // it was connecting when the verdict came
		default:
			t.Fatalf("answered %d without a server", got.StatusCode)
		}
		if time.Since(began) > lag {
			t.Errorf("took %v to say that there is no server", time.Since(began))
		}
		if told++; time.Now().After(deadline) {
			t.Fatalf("not all are known to be down:\n%s", p.stderr)
		}
	}
	p.logs(1, "too few servers are usable")
	assert.Equal(t, p.upstream().Panic, true)
	assert.Equal(t, p.metric(`sluice_upstream_panic{upstream="back"}`), "1")
	for _, one := range all {
		one.again()
	}
	p.logs(1, "enough servers are usable again")
	for _, one := range all {
		p.turns(one.address, "up")
		assert.Equal(t, p.logged("server is down", "server="+one.address), 1)
		assert.Equal(t, p.logged("server is up", "server="+one.address), 1)
	}
	assert.Equal(t, p.logged("too few servers are usable"), 1)
	for range 30 {
		b.gets("/")
	}
	assert.Equal(t, p.metric(`sluice_upstream_panic{upstream="back"}`), "0")
}

// Most servers hang, which is a panic: all of them are used, and some requests wait for those that hang. As soon as there
// are enough again, nobody waits for those any more.
func TestUpstreamPanicEnds(t *testing.T) {
	t.Parallel()
	a, b := process(t, "a"), process(t, "b")
	c := site(t, names("c"))
	p := run(t, watched, quoted(a.address, b.address, c.address), "balance: round_robin")
	client := p.browser()
	for range 60 {
		client.gets("/")
	}
	a.hangs()
	p.turns(a.address, "down")
	b.hangs()
	p.logs(1, "too few servers are usable")
	answers := make(chan answer, 6)
	for range cap(answers) {
		one := p.browser()
		go func() {
			got, _ := one.does("GET", "/", nil)
			answers <- got
		}()
	}
	assert.Eventually(t, func() bool { return p.server(a.address).InUse > 0 })
	b.wakes()
	p.logs(1, "enough servers are usable again")
	for n := range cap(answers) {
		select {
		case got := <-answers:
			if got.Response == nil || got.StatusCode != http.StatusOK {
				t.Errorf("answered %+v", got)
			}
		case <-time.After(lag):
			t.Fatalf("%d of %d still wait for a server that is down, while two are up:\n%s", cap(answers)-n, cap(answers), p.stderr)
		}
	}
}

// limitsFiles sets how many files the proxy may have open, and returns what it could have before.
func (p *proxy) limitsFiles(n uint64) (before unix.Rlimit) {
	p.t.Helper()
	assert.NoError(p.t, unix.Prlimit(p.cmd.Process.Pid, unix.RLIMIT_NOFILE, nil, &before))
	assert.NoError(p.t, unix.Prlimit(p.cmd.Process.Pid, unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: n, Max: before.Max}, nil))
	return before
}

// A proxy that has no descriptors left cannot check anything, and knows that this says nothing about its servers.
func TestUpstreamChecksWithoutDescriptors(t *testing.T) {
	t.Parallel()
	p := run(t, watched, quoted(site(t, names("a")).address, site(t, names("b")).address), "balance: first")
	b := p.browser()
	b.gets("/")
	before := p.limitsFiles(3)
	p.logs(1, "a check could not be made", syscall.EMFILE.Error())
	for range 10 { // the connections that there are go on
		p.quiet(100 * time.Millisecond)
		b.gets("/")
	}
	assert.Equal(t, p.logged("server is"), 0)
	p.limitsFiles(before.Cur)
	assert.Eventually(t, func() bool { return p.upstream().Servers[0].Check.State == "up" })
	assert.Equal(t, p.logged("server is"), 0)
	b.gets("/")
}
