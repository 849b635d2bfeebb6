package e2e

// Chaos: three origins are killed, stopped, closed and restarted one after another under load, and nobody notices but the
// operator. Five minutes of it, with the intervals that people use:
//
//	go test ./internal/e2e -run Chaos -chaos=5m -timeout 10m

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sluice/internal/assert"
)

var chaosFor = flag.Duration("chaos", 0, "how long TestUpstreamChaos runs, with production's intervals; 0 is short and quick")

// chaos is three origins and the care that is taken of them.
const chaos = `
listeners: {front: {bind: "127.0.0.1:PORT1", protocol: http, upstream: back}}
upstreams: {back: {servers: ["%s", "%s", "%s"], %s}}
admin: "127.0.0.1:PORT2"
log: {access: {to: access.log}}
runtime: {loops: 2}
`

// Quick ejections are short, or a run of some seconds would see one of each server.
const (
	quickCare = `check: {http: /health, every: 200ms, fast: 100ms, timeout: 200ms}, eject: {for: 200ms}`
	usualCare = `check: {http: /health, every: 5s, fast: 1s, timeout: 2s}`
)

// havoc is one way to lose a server and to get it back.
type havoc struct {
	name         string
	does, undoes func(*child)
	brief        bool // it is undone at once: nobody need have noticed
}

var havocs = []havoc{
	{"kill", (*child).dies, (*child).starts, false},
	{"hang", (*child).hangs, (*child).wakes, false},
	{"refuse", (*child).refuses, (*child).opens, false},
	{"restart", (*child).dies, (*child).starts, true},
}

// window is a time in which a server was out and the proxy did not know yet.
type window struct{ from, to time.Time }

func TestUpstreamChaos(t *testing.T) {
	const clients = 64
	lasts, care := 10*time.Second, quickCare
	if *chaosFor > 0 {
		lasts, care = *chaosFor, usualCare
	}
	origins := []*child{process(t, "a"), process(t, "b"), process(t, "c")}
	p := run(t, chaos, origins[0].address, origins[1].address, origins[2].address, care)
	c := p.throng(clients, "/")
	c.goesOn(clients)
	began := time.Now()
	p.quiet(time.Second)
	windows := []window{{began.Add(-time.Hour), began}}
	calm := time.Now()
	for n := 0; n < len(havocs) || time.Since(calm) < lasts; n++ {
		windows = append(windows, p.suffers(havocs[n%len(havocs)], origins[(n/len(havocs)+n)%len(origins)]))
		c.goesOn(clients)
	}
	c.leaves()
	t.Logf("%d answers, %d of them cut; p99 %v at first, %v outside of %d windows", c.answered.Load()+c.cut.Load(), c.cut.Load(),
		c.p99(began, calm, windows[:1]), c.p99(calm, time.Now(), windows), len(windows)-1)
	if t.Failed() {
		p.tellsWhy()
	}
}

// suffers lets a server be lost and come back, and checks that both are logged, once each.
func (p *proxy) suffers(h havoc, o *child) window {
	p.t.Helper()
	downs, ups := p.turned(o, "down"), p.turned(o, "up")
	lost := window{from: time.Now()}
	h.does(o)
	if !h.brief {
		p.waits(func() bool { return p.turned(o, "down") > downs })
		lost.to = time.Now()
		p.quiet(200 * time.Millisecond) // the load without it
	}
	h.undoes(o)
	back := time.Now()
	p.waits(func() bool { return p.isCalm() && p.turned(o, "up")-ups == p.turned(o, "down")-downs })
	if h.brief {
		lost.to = time.Now()
		p.t.Logf("%s %s: calm after %v", h.name, o.name, lost.to.Sub(lost.from).Round(time.Millisecond))
	} else {
		p.t.Logf("%s %s: known after %v, calm %v after it was back", h.name, o.name,
			lost.to.Sub(lost.from).Round(time.Millisecond), time.Since(back).Round(time.Millisecond))
		assert.Equal(p.t, p.turned(o, "down"), downs+1)
	}
	return lost
}

// turned counts how often a check's verdict about o was logged.
func (p *proxy) turned(o *child, state string) int {
	return p.logged("server is "+state, "server="+o.address)
}

// isCalm reports whether all servers are up, also to the next check.
func (p *proxy) isCalm() bool {
	return !slices.ContainsFunc(p.upstream().Servers, func(s server) bool { return s.State != "up" || s.Check.State != "up" })
}

// waits is assert.Eventually for things that take production's intervals.
func (p *proxy) waits(cond func() bool) {
	p.t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !cond(); p.quiet(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			p.t.Fatalf("still waiting; the proxy's log:\n%s", p.stderr)
		}
	}
}

// p99 is the 99th percentile of what was asked between two moments, but for what was answered in one of the windows.
func (c *throng) p99(from, to time.Time, but []window) time.Duration {
	var took []time.Duration
	for _, m := range c.took {
		end := m.at.Add(m.took)
		in := slices.ContainsFunc(but, func(w window) bool { return m.at.Before(w.to) && end.After(w.from) })
		if !in && m.at.After(from) && end.Before(to) {
			took = append(took, m.took)
		}
	}
	if len(took) == 0 {
		return 0
	}
	slices.Sort(took)
	return took[len(took)*99/100]
}

// tellsWhy shows what the proxy has to say about requests that failed.
func (p *proxy) tellsWhy() {
	p.t.Helper()
	lines, err := os.ReadFile(filepath.Join(p.dir, "access.log"))
	assert.NoError(p.t, err)
	var said []string
	for _, line := range strings.Split(string(lines), "\n") {
		if line != "" && !strings.Contains(line, `"reason":"done"`) && len(said) < 10 {
			said = append(said, line)
		}
	}
	p.t.Log(fmt.Sprintf("access log:\n%s\nlog:\n%s", strings.Join(said, "\n"), p.stderr))
}
