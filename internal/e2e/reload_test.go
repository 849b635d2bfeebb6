package e2e

// Reloads of the real binary: under load, refused, and what survives them.

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"sluice/internal/assert"
)

// rewrites replaces the configuration file at one moment, as editors do, by a text with ports and values as in run.
func (p *proxy) rewrites(config string, values ...any) {
	p.t.Helper()
	next := p.write("sluice.yaml.next", p.fill(fmt.Sprintf(config, values...)))
	assert.NoError(p.t, os.Rename(next, filepath.Join(p.dir, "sluice.yaml")))
}

// tellsToReload is `sluice reload`.
func (p *proxy) tellsToReload() (out, errs string, status int) {
	p.t.Helper()
	path, err := product()
	assert.NoError(p.t, err)
	cmd := exec.CommandContext(p.t.Context(), path, "reload", "-c", "sluice.yaml")
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr, cmd.Dir, cmd.Env = &stdout, &stderr, p.dir, environment()
	_ = cmd.Run()
	return stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()
}

// reloads wants a new file to be taken, and returns what is said to have changed.
func (p *proxy) reloads(config string, values ...any) string {
	p.t.Helper()
	p.rewrites(config, values...)
	out, errs, status := p.tellsToReload()
	if status != 0 {
		p.t.Fatalf("reload: status %d\n%s%s", status, out, errs)
	}
	return out
}

// hups sends HUP, and waits until it has been heeded for the nth time.
func (p *proxy) hups(n int) {
	p.t.Helper()
	p.signal(syscall.SIGHUP)
	assert.Eventually(p.t, func() bool { return p.logged("the configuration is reloaded") >= n })
}

// config is what `sluice status` tells of the configuration.
type config struct {
	Generation     int
	Reloads        int
	ReloadsRefused int                   `json:"reloads_refused"`
	NeedsRestart   []string              `json:"needs_restart"`
	LastRefused    *struct{ Why string } `json:"last_refused"`
}

func (p *proxy) config() config {
	p.t.Helper()
	path, err := product()
	assert.NoError(p.t, err)
	cmd := exec.Command(path, "status", "--json", "-c", "sluice.yaml")
	cmd.Dir, cmd.Env = p.dir, environment()
	out, err := cmd.Output()
	assert.NoError(p.t, err)
	var got struct{ Config config }
	assert.NoError(p.t, json.Unmarshal(out, &got))
	return got.Config
}

// busy is everything that changes from one reload of TestReloadUnderLoad to the next.
func busy(n int, one, two, tcp string) string {
	var binds, servers, route string
	if n%2 == 1 {
		binds = `, "127.0.0.1:PORT3"`
		route = fmt.Sprintf("  - {name: extra, paths: /extra%d, respond: {status: 204}}\n", n)
	}
	if n%3 == 1 {
		servers = fmt.Sprintf(", %q", two)
	}
	idle := 60
	if n%10 == 9 { // its connections are asked to go, one by one
		idle = 60 + n
	}
	return fmt.Sprintf(`
listeners:
  web: {bind: ["127.0.0.1:PORT1"%s], timeouts: {idle: %ds}}
  db: {bind: "127.0.0.1:PORT2", protocol: tcp, upstream: data, timeouts: {tunnel: %dm}}
routes:
  - {name: all, listeners: web, upstream: back, headers: {response: {set: {X-Generation: "%d"}}}}
%supstreams:
  back: {servers: [%q%s], check: {http: /, every: 1s}, max_connections: %d, queue: {size: 100}}
  data: {servers: [%q], timeouts: {connect: %ds}}
runtime: {loops: 2}
`, binds, idle, n%7+10, n, route, one, servers, n%5+200, tcp, n%4+1)
}

// A hundred reloads that change everything, under load: no request fails, no tunnel is cut, nobody is kept waiting.
func TestReloadUnderLoad(t *testing.T) {
	t.Parallel()
	serve := func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "" {
			wsEcho(w, r)
			return
		}
		_, _ = io.WriteString(w, "served")
	}
	one, two := site(t, serve).address, site(t, serve).address
	tcp := station(t).serves(func(c net.Conn) { _, _ = io.Copy(c, c) }).address()
	p := run(t, "%s", busy(0, one, two, tcp))
	p.fill("PORT3") // before others look at the ports

	tunnel, socket := p.dial(2), p.dial(1)
	socket.says(upgrade)
	status, _ := socket.hearsHead()
	assert.Equal(t, status, "HTTP/1.1 101 Switching Protocols")
	_, _, err := wsRead(socket)
	assert.NoError(t, err)
	stay := p.throng(4, "/")
	come := p.visitors(2)
	for n := range 100 {
		p.rewrites("%s", busy(n+1, one, two, tcp))
		p.hups(n + 1)
		for _, e := range []*end{tunnel, socket} { // patience is for each wait, and not for all of them
			assert.NoError(t, e.SetDeadline(time.Now().Add(patience)))
		}
		tunnel.says("ping")
		tunnel.hears("ping")
		socket.says(string(wsFrame(wsBinary, []byte("ping"), true)))
		_, payload, err := wsRead(socket)
		assert.NoError(t, err)
		assert.Equal(t, string(payload), "ping")
		if n%10 == 0 {
			stay.goesOn(20)
			b := p.browser()
			assert.Equal(t, b.gets("/").Header.Get("X-Generation"), fmt.Sprint(n+1))
			b.leaves()
		}
	}
	stay.leaves()
	come.leaves()
	assert.Equal(t, []int{p.config().Generation, p.config().ReloadsRefused}, []int{101, 0})
	for len(p.entries) > 0 {
		if e := p.next(); e.Reason != "done" && e.Reason != "client_end" {
			t.Errorf("%+v", e)
		}
	}
}

// visitors are clients who come with a new connection for each request.
func (p *proxy) visitors(n int) *throng {
	c := &throng{t: p.t}
	for range n {
		c.all.Go(func() {
			for !c.stop.Load() {
				b := p.browser()
				c.judges(b.does("GET", "/", nil))
				b.leaves()
			}
		})
	}
	p.t.Cleanup(func() { c.stop.Store(true) })
	return c
}

// wrk sees no error either, while a listener's own settings change under it again and again.
func TestReloadUnderWrk(t *testing.T) {
	t.Parallel()
	tool(t, "wrk")
	const config = `
listeners: {front: {bind: "127.0.0.1:PORT1", upstream: back, timeouts: {idle: %ds}}}
upstreams: {back: {servers: ["%s"], max_connections: %d}}
log: {access: {to: off}}
runtime: {loops: 2}
`
	origin := site(t, names("served")).address
	p := run(t, config, 60, origin, 1000)
	ended := make(chan string)
	go func() { ended <- outputOf(t, "wrk", "-t1", "-c16", "-d3s", "http://"+p.addr(1)+"/") }()
	for n := 0; ; n++ {
		select {
		case out := <-ended:
			if strings.Contains(out, "Socket errors") || strings.Contains(out, "Non-2xx") || !strings.Contains(out, "Requests/sec") {
				t.Errorf("after %d reloads:\n%s", n, out)
			}
			return
		default:
			p.rewrites(config, 60+n%2, origin, 1000+n)
			p.hups(n + 1)
		}
	}
}

// A file with mistakes changes nothing: the verb says what check says, the log says all of it, and status says that the file is
// not what runs.
func TestReloadRefused(t *testing.T) {
	t.Parallel()
	const config = `
listeners: {front: {bind: "127.0.0.1:PORT1", protocol: http, upstream: back}}
upstreams: {back: {servers: ["%s"]}}
admin: {bind: "127.0.0.1:PORT2"}
`
	p := run(t, config, site(t, names("one")).address)
	b := p.browser()
	assert.Equal(t, b.gets("/").body, "one")
	p.rewrites(strings.Replace(config, "protocol: http", "protcol: http", 1)+"log: {level: loud}\n", "no-such-host.invalid:80")
	out, errs, status := p.tellsToReload()
	assert.Equal(t, []any{out, status}, []any{"", 1})
	path, err := product()
	assert.NoError(t, err)
	check := exec.Command(path, "check", "-c", "sluice.yaml")
	check.Dir = p.dir
	said, _ := check.CombinedOutput()
	assert.Equal(t, errs, string(said))
	has(t, errs, "protcol", "no-such-host.invalid", "loud")
	p.signal(syscall.SIGHUP)
	p.logs(2, "reload refused", "problems=3")
	p.logs(2, "reload refused", "protcol")
	seen := p.config()
	assert.Equal(t, []any{seen.Generation, seen.ReloadsRefused, seen.LastRefused.Why + "\n"}, []any{1, 2, errs})
	assert.Equal(t, p.metric("sluice_config_last_reload_ok"), "0")
	assert.Equal(t, p.metric(`sluice_reloads_total{result="refused"}`), "2")
	assert.Equal(t, b.gets("/").body, "one")
	assert.Equal(t, p.reloads(config, site(t, names("two")).address), "configuration 2: upstreams: back changed\n")
	assert.Equal(t, b.gets("/").body, "two")
	assert.Equal(t, p.config().LastRefused == nil, true)
	assert.Equal(t, []string{p.metric("sluice_config_generation"), p.metric("sluice_config_last_reload_ok")}, []string{"2", "1"})
}

// Without a file there is nothing to reload, and without a proxy nobody to tell.
func TestReloadOfNothing(t *testing.T) {
	t.Parallel()
	p := command{args: []string{"proxy", "--from", "127.0.0.1:PORT1", "--to", nobody(t)}}.run(t)
	p.signal(syscall.SIGHUP)
	p.logs(1, "there is nothing to reload: this proxy runs without a file")
	_, errs, status := p.tellsToReload()
	assert.Equal(t, status, 1)
	has(t, errs, "no sluice runs with")
}

// What is known about servers outlives a reload that changes their upstream: nothing is tried again, nothing forgotten.
func TestReloadKeepsWhatIsKnownOfServers(t *testing.T) {
	t.Parallel()
	const config = `
listeners: {front: {bind: "127.0.0.1:PORT1", upstream: back}}
upstreams: {back: {servers: [%s], balance: round_robin, sticky: seat, check: {http: /, every: 500ms, fast: 100ms, timeout: 2s, fall: 2}, timeouts: {connect: %ds}}}
admin: {bind: "127.0.0.1:PORT2"}
runtime: {loops: 1}
`
	up, dead, drained, heavy := site(t, names("up")).address, nobody(t), site(t, names("drained")).address, site(t, names("heavy")).address
	all := quoted(up, dead, drained, heavy)
	p := run(t, config, all, 1)
	p.turns(dead, "down")
	p.tells(drained, "drain", `{"draining": true}`)
	p.tells(heavy, "weight", `{"weight": 9}`)
	b := p.browser()
	first := b.gets("/")
	cookie := first.Cookies()[0]
	tries := p.server(dead).Picks
	for n := range 5 {
		p.reloads(config, all+fmt.Sprintf(`, {address: "%s", weight: 0}`, nobody(t)), n+2)
		assert.Equal(t, []any{p.server(dead).State, p.server(dead).Picks}, []any{"down", tries})
		assert.Equal(t, []any{p.server(drained).State, p.server(heavy).Weight}, []any{"draining", 9})
		for range 10 {
			again := b.gets("/", "Cookie", cookie.Name+"="+cookie.Value)
			assert.Equal(t, []any{again.body, len(again.Cookies())}, []any{first.body, 0})
		}
	}
	shares := b.shares(20)
	assert.Equal(t, []int{shares["up"], shares["heavy"]}, []int{2, 18})
	assert.Equal(t, p.logged("server is down"), 1)
	p.tells(drained, "drain", `{"draining": false}`)
	assert.Equal(t, b.shares(11)["drained"], 1)
}

// A server in which nothing has changed is checked once per interval, however often the file is read again.
func TestReloadDoesNotMultiplyChecks(t *testing.T) {
	t.Parallel()
	checks := make(chan struct{}, 1000)
	origin := site(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/check" {
			checks <- struct{}{}
		}
	})
	const config = `
listeners: {front: {bind: "127.0.0.1:PORT1", upstream: back}}
admin: {bind: "127.0.0.1:PORT2"}
upstreams: {back: {servers: ["%s"], check: {http: /check, every: 1h, fast: 1h, timeout: 10s}, timeouts: {connect: %ds}}}
`
	p := run(t, config, origin.address, 1)
	<-checks
	assert.Eventually(t, func() bool { return p.server(origin.address).Check.Detail != "" })
	once := p.server(origin.address).Check
	for n := range 5 {
		p.reloads(config, origin.address, n+1) // the same
		p.reloads(config, origin.address, n+2) // another upstream, the same check
	}
	assert.Equal(t, len(checks), 0)
	assert.Equal(t, p.server(origin.address).Check, once)
	p.reloads(strings.ReplaceAll(config, "10s", "9s"), origin.address, 1)
	<-checks // another check begins at once
}

// Listeners come, go, move and change; a name that has another address now, and an address that has another name.
func TestReloadOfListeners(t *testing.T) {
	t.Parallel()
	one, two := site(t, names("one")).address, site(t, names("two")).address
	const config = `
listeners: {%s}
upstreams: {one: {servers: ["%s"]}, two: {servers: ["%s"]}}
`
	p := run(t, config, `a: {bind: "127.0.0.1:PORT1", upstream: one}`, one, two)
	asks := func(port int) string {
		a, err := p.browserOf(port).does("GET", "/", nil)
		if err != nil {
			return "nobody"
		}
		return a.body
	}
	for _, step := range []struct {
		listeners, said string
		ports           []string
	}{
		{`a: {bind: "127.0.0.1:PORT1", upstream: one}, b: {bind: "127.0.0.1:PORT2", upstream: two}`, "listeners: b new; routes: @b new", []string{"one", "two", "nobody"}},
		{`a: {bind: "127.0.0.1:PORT2", upstream: one}, b: {bind: "127.0.0.1:PORT1", upstream: two}`, "listeners: a b changed", []string{"two", "one", "nobody"}},
		{`c: {bind: ["127.0.0.1:PORT2", "127.0.0.1:PORT3"], upstream: two}`, "listeners: c new, a b gone; routes: @c new, @a @b gone; upstreams: one gone", []string{"nobody", "two", "two"}},
		{`c: {bind: "127.0.0.1:PORT3", upstream: two, protocol: tcp}, a: {bind: "127.0.0.1:PORT1", upstream: one}`, "", []string{"one", "nobody", "two"}},
	} {
		text := config
		if !strings.Contains(step.listeners, "upstream: one") {
			text = strings.Replace(config, `one: {servers: ["%s"]}, `, "", 1)
			text = strings.Replace(text, `"%s"`, `"%[3]s"`, 1)
			text = strings.Replace(text, `{%s}`, `{%[1]s}`, 1)
		}
		said := p.reloads(text, step.listeners, one, two)
		if step.said != "" {
			has(t, said, step.said)
		}
		assert.Equal(t, []string{asks(1), asks(2), asks(3)}, step.ports)
	}
	other := station(t).address()
	p.rewrites(config, fmt.Sprintf(`a: {bind: ["127.0.0.1:PORT1", "%s"], upstream: one}`, other), one, two)
	_, errs, status := p.tellsToReload()
	assert.Equal(t, status, 1)
	has(t, errs, "sluice.yaml:2:", "address "+other+" is in use")
	assert.Equal(t, asks(1), "one")
}

// browserOf is a browser of another port.
func (p *proxy) browserOf(port int) *browser {
	b := p.browser()
	b.base = "http://" + p.addr(port)
	return b
}

// A listener whose own settings change lets its clients go with their next answer; with other routes they just go on.
func TestReloadOfKeepAliveClients(t *testing.T) {
	t.Parallel()
	const config = `
listeners: {front: {bind: "127.0.0.1:PORT1", upstream: back, limits: {header_count: %d}}}
upstreams: {back: {servers: ["%s"]}}
`
	p := run(t, config, 100, site(t, names("one")).address)
	client := p.dial(1)
	client.asksFor("/")
	client.hearsHead()
	client.hears("one")
	p.reloads(config, 100, site(t, names("two")).address)
	client.asksFor("/")
	client.hearsHead()
	client.hears("two")
	p.reloads(config, 101, site(t, names("three")).address)
	client.asksFor("/")
	_, fields := client.hearsHead()
	assert.Equal(t, slices.Contains(fields, "Connection: close"), true)
	client.hears("three")
	client.hearsEnd()
}

// Logs and the admin address are other ones at once; what needs a restart is said, and the rest taken.
func TestReloadOfTheRest(t *testing.T) {
	t.Parallel()
	const config = `
listeners: {front: {bind: "127.0.0.1:PORT1", upstream: back}}
upstreams: {back: {servers: ["%s"]}}
log: {level: %s, access: {to: %s}}
admin: {bind: "127.0.0.1:PORT%d"%s}
runtime: {loops: %d}
`
	origin := site(t, names("one")).address
	p := run(t, config, origin, "info", "one.log", 2, "", 2)
	b := p.browser()
	b.gets("/one")
	said := p.reloads(config, origin, "warn", "two.log", 3, "", 2)
	has(t, said, "configuration 2: admin; log")
	b.gets("/two")
	for name, path := range map[string]string{"one.log": "/one", "two.log": "/two"} {
		assert.Eventually(t, func() bool {
			lines := logFile(t, filepath.Join(p.dir, name))
			return len(lines) == 1 && lines[0].Target == path
		})
	}
	_, err := net.Dial("tcp", p.addr(2))
	assert.Equal(t, err != nil, true)
	get := func(token string) int {
		r, err := http.NewRequest("GET", "http://"+p.addr(3)+"/api/status", http.NoBody)
		assert.NoError(t, err)
		r.Header.Set("Authorization", "Bearer "+token)
		a, err := http.DefaultTransport.RoundTrip(r)
		assert.NoError(t, err)
		_ = a.Body.Close()
		return a.StatusCode
	}
	assert.Equal(t, get("x"), 200)
	p.rewrites(config, origin, "warn", "two.log", 3, ", token: 0123456789abcdef", 1)
	out, errs, status := p.tellsToReload()
	assert.Equal(t, []any{out, status}, []any{"configuration 3: admin\n", 0})
	has(t, errs, "a restart is needed for runtime.loops")
	assert.Equal(t, []int{get("x"), get("0123456789abcdef")}, []int{401, 200})
	assert.Equal(t, p.config().NeedsRestart, []string{"runtime.loops"})
	p.logs(1, "level=WARN", "some changes need a restart", "runtime.loops")
	assert.Equal(t, p.logged("level=INFO", "the configuration is reloaded"), 0) // the level was raised before that
}

// A proxy that is on its way to the end takes no other configuration, and one on its way to the beginning takes it in time.
func TestReloadAtTheEdges(t *testing.T) {
	t.Parallel()
	o := station(t)
	p := run(t, simple, o.address())
	client := p.dial(1)
	client.says("x")
	server := o.accept()
	p.signal(syscall.SIGTERM)
	assert.Eventually(t, func() bool { return p.stderr.has("stopping") })
	p.signal(syscall.SIGHUP)
	p.logs(1, "the configuration is not read again", "the proxy is stopping")
	_, errs, status := p.tellsToReload()
	assert.Equal(t, status, 1)
	has(t, errs, "the proxy is stopping")
	client.says("y")
	server.hears("xy")
}

// A HUP that comes while the start waits for a name server is heeded afterwards.
func TestReloadDuringTheStart(t *testing.T) {
	t.Parallel()
	silent, err := net.ListenPacket("udp", "127.0.0.1:0")
	assert.NoError(t, err)
	t.Cleanup(func() { _ = silent.Close() })
	config := fmt.Sprintf(`
listeners: {front: {bind: "127.0.0.1:PORT1", upstream: back}}
upstreams: {back: {servers: [%%s]}}
runtime: {resolvers: %q}
`, silent.LocalAddr())
	p := command{config: fmt.Sprintf(config, `"dns://app.example:80"`)}.start(t)
	_, _, err = silent.ReadFrom(make([]byte, 512))
	assert.NoError(t, err) // it has asked, and so it listens to signals
	p.rewrites(config, fmt.Sprintf("%q", site(t, names("one")).address))
	p.signal(syscall.SIGHUP)
	p.logs(1, "the configuration is reloaded", "generation=2")
	assert.Equal(t, p.browser().gets("/").body, "one")
}
