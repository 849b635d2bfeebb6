package steward

// A steward of servers that nobody ever dials: the test says what loops, checks and sources say, on a clock of its own, and
// reads what operators would.

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sluice/configs"
	"sluice/engine/discover"
	"sluice/engine/health"
	"sluice/engine/lease"
	"sluice/engine/observe"
	"sluice/engine/record"
	"sluice/internal/assert"
)

// rig is a steward and everything around it. It implements Hooks.
type rig struct {
	*testing.T
	s   *Steward
	u   *lease.Upstream
	log journal

	mu   sync.Mutex
	gone []*lease.Backend
	dead []*lease.Backend
}

func (r *rig) Gone(b *lease.Backend) { r.mu.Lock(); defer r.mu.Unlock(); r.gone = append(r.gone, b) }

func (r *rig) Dead(b *lease.Backend) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.dead = append(r.dead, b)
	if !b.Down() {
		r.Error("whoever waits is sent away before the server is down")
	}
}

// hooked tells the names that the hooks have been called with, and forgets them.
func (r *rig) hooked() (gone, dead []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, b := range r.gone {
		gone = append(gone, b.Name)
	}
	for _, b := range r.dead {
		dead = append(dead, b.Name)
	}
	r.gone, r.dead = nil, nil
	return gone, dead
}

// servers lists n servers: 192.0.2.1:80 and so on. server is the name of one.
func servers(n int) (all []configs.Server) {
	for i := range n {
		at := configs.Address{Network: "tcp", Host: fmt.Sprintf("192.0.2.%d", i+1), Port: 80}
		all = append(all, configs.Server{Address: at, Weight: 1})
	}
	return all
}

func server(i int) string { return fmt.Sprintf("192.0.2.%d:80", i) }

// hire makes the steward of an upstream as a configuration describes it, and starts it. It has three servers, and is quick to
// eject them, unless change says otherwise.
func hire(t *testing.T, change func(c *configs.Upstream)) *rig {
	t.Helper()
	r := prepare(t, change)
	r.s.Start(t.Context())
	return r
}

func prepare(t *testing.T, change func(c *configs.Upstream)) *rig {
	t.Helper()
	return succeed(t, new(rig), change)
}

// succeed is prepare for a configuration that comes after another one, whose rig is given.
func succeed(t *testing.T, before *rig, change func(c *configs.Upstream)) *rig {
	t.Helper()
	c := &configs.Upstream{
		Name: "app", Balance: "first", ProxyProtocol: "off", HashOn: "client_ip", Servers: servers(3),
		Eject: configs.Eject{Errors: 3, For: 10 * time.Second, MaxPercent: 50},
	}
	if change != nil {
		change(c)
	}
	r := &rig{T: t}
	u, known, issues := lease.Compile(c, lease.Deps{Config: new(configs.Config), Loops: 1, Before: before.u})
	assert.Equal(t, len(issues), 0)
	s := New(c, u, known, Options{Hooks: r, Log: slog.New(&r.log), Before: before.s})
	s.checks = true // by the test
	r.s, r.u = s, u
	t.Cleanup(s.Close)
	return r
}

// owned counts the addresses that own has given out.
var owned atomic.Uint32

// own is an address of this test alone on the loopback network, where clients get 127.0.0.1. It is nobody's while nothing
// listens there, as a port cannot be that the kernel gives to clients.
func own() string {
	pid, n := os.Getpid(), owned.Add(1)
	return fmt.Sprintf("127.%d.%d.%d:%d", pid%200+10, pid/200%256, n%256, 8300+n/256)
}

// backend is a server by its address; one that is not listed ends the test.
func (r *rig) backend(address string) *lease.Backend {
	r.Helper()
	for _, b := range r.u.Set().Backends() {
		if b.Addr.String() == address {
			return b
		}
	}
	r.Fatalf("%s is not listed", address)
	return nil
}

// fail has a loop see so many failures of a server.
func (r *rig) fail(address string, times int) {
	r.Helper()
	for range times {
		r.u.Failed(r.backend(address), record.ConnectRefused)
	}
	synctest.Wait()
}

// check reports a verdict of the checks.
func (r *rig) check(address string, up bool, cause string) {
	e := health.Event{ID: health.ID{Network: "tcp", Address: address}, Name: address, Up: up, Cause: cause, After: 2}
	r.s.call(func() { r.s.checked(e) })
}

// find has the first source find these servers, and nothing else.
func (r *rig) find(list ...discover.Found) {
	r.s.call(func() { r.s.found(r.s.sources[0], list) })
}

// at is a server found, with what a file's line may say of it.
func at(address, line string) discover.Found {
	listed, issues := configs.ParseServers(address+" "+line, "list")
	if len(issues) > 0 {
		panic(issues)
	}
	f := discover.Found{Addr: netip.MustParseAddrPort(address), Line: listed[0]}
	f.Line.Address, f.Line.At = configs.Address{}, configs.Position{}
	return f
}

// states are those of all servers, in the order of the set.
func (r *rig) states() string {
	var all []string
	for _, b := range r.u.Set().Backends() {
		all = append(all, b.State().String())
	}
	return strings.Join(all, " ")
}

// seen is a server as operators see it.
func (r *rig) seen(address string) observe.Server {
	r.Helper()
	v, _, ok := r.s.View()
	assert.Equal(r.T, ok, true)
	for _, one := range v.Servers {
		if one.Address == address {
			return one
		}
	}
	r.Fatalf("%s is not seen", address)
	return observe.Server{}
}

// said wants these lines in the log, each once, and none besides; the upstream's name is left out.
func (r *rig) said(want ...string) {
	r.Helper()
	if got := r.log.take(); strings.Join(got, "\n") != strings.Join(want, "\n") {
		r.Fatalf("said:\n  %s\nwant:\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

// hears waits for the next line of the log, which begins with want.
func (r *rig) hears(want string) {
	r.Helper()
	got := ""
	assert.Eventually(r, func() bool { got = r.log.next(); return got != "" })
	if !strings.HasPrefix(got, want) {
		r.Fatalf("said %q, want %q", got, want)
	}
}

// journal is a slog.Handler that keeps the lines.
type journal struct {
	mu    sync.Mutex
	lines []string
}

func (j *journal) take() (lines []string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	lines, j.lines = j.lines, nil
	return lines
}

// next takes the first line; "" without one.
func (j *journal) next() (line string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.lines) > 0 {
		line, j.lines = j.lines[0], j.lines[1:]
	}
	return line
}

func (j *journal) Enabled(context.Context, slog.Level) bool { return true }
func (j *journal) WithGroup(string) slog.Handler            { panic("no groups") }

// WithAttrs is called once, with the upstream's name.
func (j *journal) WithAttrs(attrs []slog.Attr) slog.Handler {
	if len(attrs) != 1 || attrs[0].String() != "upstream=app" {
		panic(attrs)
	}
	return j
}

func (j *journal) Handle(_ context.Context, r slog.Record) error {
	line := r.Level.String() + " " + r.Message
	r.Attrs(func(a slog.Attr) bool {
		line += " " + a.String()
		return true
	})
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, line)
	return nil
}
