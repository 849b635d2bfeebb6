package observe

// The admin server through real sockets: what it answers, to whom, and what one bad client can take from it.

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sluice/configs"
	"sluice/internal/assert"
)

var quiet = slog.New(slog.DiscardHandler)

var loopback = configs.Address{Network: "tcp", Host: "127.0.0.1"}

// serveAdmin runs an admin server on bind for the length of a test.
func serveAdmin(t *testing.T, bind configs.Address, token string, proxy Proxy) *Admin {
	t.Helper()
	a, err := OpenAdmin(bind, token, proxy, quiet)
	assert.NoError(t, err)
	a.Serve()
	t.Cleanup(a.Close)
	return a
}

// A call is one request and what is looked at of the answer.
type call struct {
	method, path, body string
	header             http.Header
	host               string
}

type reply struct {
	status int
	body   string
	header http.Header
}

// send makes the call on a connection of its own.
func (c call) send(t *testing.T, a *Admin) reply {
	t.Helper()
	client := http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true,
		Dial:              func(string, string) (net.Conn, error) { return net.Dial(a.listener.Addr().Network(), a.Address()) },
	}}
	method := c.method
	if method == "" {
		method = http.MethodGet
	}
	r, err := http.NewRequest(method, "http://localhost"+c.path, strings.NewReader(c.body))
	assert.NoError(t, err)
	if c.header != nil {
		r.Header = c.header
	}
	r.Host = c.host
	resp, err := client.Do(r)
	assert.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	assert.NoError(t, err)
	return reply{resp.StatusCode, string(body), resp.Header}
}

// errorOf is the sentence of a refusal.
func (r reply) errorOf(t *testing.T) string {
	t.Helper()
	var body map[string]string
	if err := json.Unmarshal([]byte(r.body), &body); err != nil || len(body) != 1 || body["error"] == "" {
		t.Fatalf("no error in JSON: %q", r.body)
	}
	assert.Equal(t, r.header.Get("Content-Type"), "application/json")
	return body["error"]
}

func TestAdminAnswers(t *testing.T) {
	a := serveAdmin(t, loopback, "", newFakeProxy())

	metrics := call{path: "/metrics"}.send(t, a)
	assert.Equal(t, metrics.header.Get("Content-Type"), typePrometheus)
	assert.Equal(t, metrics.header.Get("Cache-Control"), "no-store")
	assert.Equal(t, lint(metrics.body), nil)
	assert.Equal(t, steady(metrics.body), steady(scrapeFake(false)))
	open := call{path: "/metrics", header: http.Header{"Accept": {"application/openmetrics-text; version=1.0.0"}}}.send(t, a)
	assert.Equal(t, open.header.Get("Content-Type"), typeOpenMetrics)
	assert.Equal(t, steady(open.body), steady(scrapeFake(true)))

	var status Status
	assert.NoError(t, json.Unmarshal([]byte(call{path: "/api/status"}.send(t, a).body), &status))
	assert.Equal(t, status.PID, os.Getpid())
	assert.Equal(t, status.Loops, 2)
	assert.Equal(t, status.Requests.Answers["2xx"] > 0, true)
	assert.Equal(t, status.Ended.Exchanges, map[string]uint64{"done": 5, "connect_refused": 1})
	golden(t, "upstreams.json", call{path: "/api/upstreams"}.send(t, a).body)
}

// What JSON says is what was: durations too, and what is not there.
func TestUpstreamsSurviveJSON(t *testing.T) {
	want := upstreamsOf(newFakeProxy())
	text, err := json.Marshal(want)
	assert.NoError(t, err)
	var got []Upstream
	assert.NoError(t, json.Unmarshal(text, &got))
	again, err := json.Marshal(got)
	assert.NoError(t, err)
	assert.Equal(t, string(again), string(text))
	assert.Equal(t, got[0].Servers[0].Latency, want[0].Servers[0].Latency)
	assert.Equal(t, got[0].Servers[1].Check.Took, want[0].Servers[1].Check.Took)
	assert.Equal(t, got[1].Servers[0].Check, nil)
}

func TestHealth(t *testing.T) {
	proxy := newFakeProxy()
	a := serveAdmin(t, loopback, "secret", proxy)
	ask := func(path string) reply { return call{path: path, host: "whatever.example"}.send(t, a) }
	for _, step := range []struct {
		state, word string
		status      int
	}{{ProxyStarting, "starting\n", 503}, {ProxyRunning, "ready\n", 200}, {ProxyDraining, "draining\n", 503}} {
		proxy.setState(step.state)
		ready, live := ask("/health/ready"), ask("/health/live")
		assert.Equal(t, ready.status, step.status)
		assert.Equal(t, ready.body, step.word)
		assert.Equal(t, live.status, 200)
		assert.Equal(t, live.body, "live\n")
	}
}

func TestToken(t *testing.T) {
	a := serveAdmin(t, loopback, "secret", newFakeProxy())
	for authorization, want := range map[string]int{
		"":               401,
		"secret":         401,
		"Bearer":         401,
		"Bearer ":        401,
		"Bearer secre":   401,
		"Bearer secrets": 401,
		"Basic secret":   401,
		"Bearer secret":  200,
		"bearer  secret": 200,
	} {
		for _, path := range []string{"/metrics", "/api/status", "/nothing"} {
			r := call{path: path, header: http.Header{"Authorization": {authorization}}, host: "proxy.example"}.send(t, a)
			if want == 200 && path == "/nothing" {
				assert.Equal(t, r.status, 404)
				continue
			}
			if r.status != want {
				t.Errorf("%q %s: %d", authorization, path, r.status)
			}
			if want == 401 {
				assert.Equal(t, strings.Contains(r.errorOf(t), "token"), true)
				assert.Equal(t, r.header.Get("WWW-Authenticate"), `Bearer realm="sluice"`)
			}
		}
	}
}

// Only this machine may come without a token.
func TestAdminWantsAToken(t *testing.T) {
	for _, host := range []string{"", "0.0.0.0", "::", "192.0.2.1"} {
		_, err := OpenAdmin(configs.Address{Network: "tcp", Host: host}, "", newFakeProxy(), quiet)
		if err == nil || !strings.Contains(err.Error(), "admin.token") {
			t.Errorf("%q: %v", host, err)
		}
	}
	for _, host := range []string{"127.0.0.1", "127.8.9.1", "::1"} {
		a, err := OpenAdmin(configs.Address{Network: "tcp", Host: host}, "", newFakeProxy(), quiet)
		if err != nil && !errors.Is(err, unix.EADDRNOTAVAIL) {
			t.Errorf("%q: %v", host, err)
		} else if err == nil {
			a.Close()
		}
	}
}

// A name that was rebound to 127.0.0.1 is still a stranger's.
func TestHostOnLoopback(t *testing.T) {
	a := serveAdmin(t, loopback, "", newFakeProxy())
	for host, want := range map[string]int{
		"localhost": 200, "LOCALHOST:9901": 200, "127.0.0.1": 200, "127.0.0.1:9901": 200, "[::1]": 200, "[::1]:80": 200, "127.3.3.3": 200,
		"evil.example": 403, "evil.example:9901": 403, "localhost.evil.example": 403, "127.0.0.1.evil.example": 403, "10.0.0.1": 403, "0.0.0.0": 403,
	} {
		r := call{path: "/api/status", host: host}.send(t, a)
		if r.status != want {
			t.Errorf("%s: %d", host, r.status)
		}
		if want == 403 && !strings.Contains(r.errorOf(t), host) {
			t.Errorf("%s: %s", host, r.body)
		}
	}
}

// serverPath is the way to a server of the API, however it is spelt.
func serverPath(upstream, server, verb string) string {
	return "/api/upstreams/" + url.PathEscape(upstream) + "/servers/" + url.PathEscape(server) + "/" + verb
}

func TestCommands(t *testing.T) {
	proxy := newFakeProxy()
	a := serveAdmin(t, loopback, "", proxy)
	weigh := serverPath("app", "10.0.0.1:80", "weight")
	drain := serverPath("app", "app.internal:80 (10.0.0.2)", "drain")

	var s Server
	r := call{method: "POST", path: weigh, body: `{"weight": 17}`}.send(t, a)
	assert.NoError(t, json.Unmarshal([]byte(r.body), &s))
	assert.Equal(t, s.Weight, 17)
	r = call{method: "POST", path: drain, body: `{"draining": true}`}.send(t, a)
	assert.NoError(t, json.Unmarshal([]byte(r.body), &s))
	assert.Equal(t, s.State, ServerDraining)
	call{method: "POST", path: drain, body: `{"draining": false}`}.send(t, a)
	r = call{method: "POST", path: serverPath(`odd "name"`+"\n\\", "unix:/run/a b.sock", "weight"), body: `{"weight": 0}`}.send(t, a)
	assert.Equal(t, r.status, 200)
	assert.Equal(t, proxy.Upstreams()[0].Servers[1].State, ServerUp)

	for _, c := range []struct {
		path, body string
		status     int
		want       string
	}{
		{weigh, ``, 400, "it is empty"},
		{weigh, `17`, 400, "JSON object"},
		{weigh, `{}`, 400, "from 0 to 256"},
		{weigh, `{"weight": -1}`, 400, "from 0 to 256"},
		{weigh, `{"weight": 257}`, 400, "from 0 to 256"},
		{weigh, `{"weight": 1.5}`, 400, "number 1.5"},
		{weigh, `{"weight": "1"}`, 400, "string"},
		{weigh, `{"wieght": 1}`, 400, `unknown field "wieght"`},
		{weigh, `{"weight": 1} {}`, 400, "something follows"},
		{weigh, `{"weight": ` + strings.Repeat(" ", bodyMax) + `1}`, 400, "longer than 4096 bytes"},
		{drain, `{"draining": null}`, 400, "true or false"},
		{serverPath("ap", "x", "drain"), `{"draining": true}`, 404, `there is no upstream called "ap"; there is app, `},
		{serverPath("app", "10.0.0.1", "drain"), `{"draining": true}`, 404, `there is no server of app called "10.0.0.1"; there is 10.0.0.1:80, `},
		{serverPath("app", "https://x:1/../y", "drain"), `{"draining": true}`, 404, `called "https://x:1/../y"`},
		{serverPath("empty", "x", "drain"), `{"draining": true}`, 404, `none at all`},
	} {
		r := call{method: "POST", path: c.path, body: c.body}.send(t, a)
		if r.status != c.status || !strings.Contains(r.errorOf(t), c.want) {
			t.Errorf("%s %s: %d %s, want %q", c.path, c.body, r.status, r.body, c.want)
		}
	}
	assert.Equal(t, proxy.Upstreams()[0].Servers[0].Weight, 17)

	proxy.refusal = errors.New("that server is being removed")
	r = call{method: "POST", path: weigh, body: `{"weight": 1}`}.send(t, a)
	assert.Equal(t, r.status, 409)
	assert.Equal(t, r.errorOf(t), "that server is being removed")
}

// A page in a browser may send a command anywhere, without seeing the answer: the command is what must not happen.
func TestCommandsOfOtherOriginsAreRefused(t *testing.T) {
	proxy := newFakeProxy()
	a := serveAdmin(t, loopback, "", proxy)
	send := func(header http.Header) int {
		return call{method: "POST", path: serverPath("app", "10.0.0.1:80", "weight"), body: `{"weight": 9}`, header: header, host: "127.0.0.1:9901"}.send(t, a).status
	}
	for _, header := range []http.Header{
		{"Origin": {"http://evil.example"}}, {"Origin": {"null"}}, {"Sec-Fetch-Site": {"cross-site"}}, {"Sec-Fetch-Site": {"same-site"}},
	} {
		assert.Equal(t, send(header), 403)
	}
	assert.Equal(t, proxy.Upstreams()[0].Servers[0].Weight, 2)
	assert.Equal(t, send(http.Header{"Origin": {"http://127.0.0.1:9901"}}), 200)
	assert.Equal(t, send(http.Header{"Sec-Fetch-Site": {"same-origin"}}), 200)
	r := call{path: "/api/status", header: http.Header{"Origin": {"http://evil.example"}}}.send(t, a)
	assert.Equal(t, r.header.Get("Access-Control-Allow-Origin"), "")
}

func TestWrongWays(t *testing.T) {
	a := serveAdmin(t, loopback, "", newFakeProxy())
	for _, c := range []struct {
		method, path string
		status       int
		allow, want  string
	}{
		{"GET", "/", 404, "", "/metrics, /health/live"},
		{"GET", "/api/upstream", 404, "", `"/api/upstream"`},
		{"POST", "/metrics", 405, "GET, HEAD", "takes GET, HEAD"},
		{"DELETE", "/api/status", 405, "GET, HEAD", "takes GET, HEAD"},
		{"GET", serverPath("app", "10.0.0.1:80", "weight"), 405, "POST", "takes POST"},
	} {
		r := call{method: c.method, path: c.path}.send(t, a)
		if r.status != c.status || !strings.Contains(r.errorOf(t), c.want) || r.header.Get("Allow") != c.allow {
			t.Errorf("%s %s: %d %s", c.method, c.path, r.status, r.body)
		}
	}
	head := call{method: "HEAD", path: "/metrics"}.send(t, a)
	assert.Equal(t, head.status, 200)
	assert.Equal(t, head.body, "")
}

// dialRaw connects with a receive buffer that takes little, so that the server notices who does not read.
func dialRaw(t *testing.T, a *Admin) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", a.Address())
	assert.NoError(t, err)
	assert.NoError(t, c.(*net.TCPConn).SetReadBuffer(4<<10))
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// A client that does not read its metrics keeps one connection until the write timeout, and keeps nobody else.
func TestSlowReader(t *testing.T) {
	proxy := manyServers()
	const buffers = 5 << 20 // more than the kernel takes for a reader that does not read
	begun := time.Now()
	text := (&scraper{view: proxy}).scrape(false)
	took := time.Since(begun)
	assert.Equal(t, len(text) > buffers, true)

	a, err := OpenAdmin(loopback, "", proxy, quiet)
	assert.NoError(t, err)
	a.server.WriteTimeout = time.Second + 4*took // making the text counts, too
	a.Serve()
	defer a.Close()
	c := dialRaw(t, a)
	_, err = io.WriteString(c, "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
	assert.NoError(t, err)
	_, err = c.Read(make([]byte, 1)) // it has begun
	assert.NoError(t, err)
	assert.Equal(t, call{path: "/health/live"}.send(t, a).status, 200)
	assert.Eventually(t, func() bool { return open(a) == 1 })
	assert.Eventually(t, func() bool { return open(a) == 0 })
}

// open is the number of connections of a; the slot of the next one is always taken.
func open(a *Admin) int { return len(a.listener.(*bounded).slots) - 1 }

// Beyond the limit clients wait, and get their turn when another one goes.
func TestConnectionsAreBounded(t *testing.T) {
	a := serveAdmin(t, loopback, "", newFakeProxy())
	const request = "GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n"
	var held []net.Conn
	for range connectionsMax {
		c := dialRaw(t, a)
		_, _ = io.WriteString(c, request)
		_, err := http.ReadResponse(bufio.NewReader(c), nil)
		assert.NoError(t, err)
		held = append(held, c)
	}
	late := dialRaw(t, a)
	_, _ = io.WriteString(late, request)
	assert.NoError(t, late.SetReadDeadline(time.Now().Add(100*time.Millisecond)))
	_, err := late.Read(make([]byte, 1))
	assert.Equal(t, errors.Is(err, os.ErrDeadlineExceeded), true)
	assert.Equal(t, len(a.listener.(*bounded).slots), connectionsMax)
	_ = held[7].Close()
	assert.NoError(t, late.SetReadDeadline(time.Now().Add(10*time.Second)))
	_, err = http.ReadResponse(bufio.NewReader(late), nil)
	assert.NoError(t, err)
}

// Every phase of a connection has an end.
func TestTimeoutsAreSet(t *testing.T) {
	a := serveAdmin(t, loopback, "", newFakeProxy())
	s := a.server
	for name, d := range map[string]time.Duration{"head": s.ReadHeaderTimeout, "read": s.ReadTimeout, "write": s.WriteTimeout, "idle": s.IdleTimeout} {
		if d <= 0 || d > 2*time.Minute {
			t.Errorf("%s: %v", name, d)
		}
	}
	c := dialRaw(t, a)
	_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: localhost\r\nX: "+strings.Repeat("x", 2*headMax)+"\r\n\r\n")
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	assert.NoError(t, err)
	assert.Equal(t, resp.StatusCode, 431)
}

// Close ends what is open, at once, whether it was served or not, and the address is free.
func TestCloseFreesTheAddress(t *testing.T) {
	a := serveAdmin(t, loopback, "", newFakeProxy())
	c := dialRaw(t, a)
	_, _ = io.WriteString(c, "GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
	_, err := http.ReadResponse(bufio.NewReader(c), nil)
	assert.NoError(t, err)
	address := a.Address()
	a.Close()
	_, err = c.Read(make([]byte, 1))
	assert.Equal(t, err != nil, true)
	l, err := net.Listen("tcp", address)
	assert.NoError(t, err)
	_ = l.Close()

	unserved, err := OpenAdmin(loopback, "", newFakeProxy(), quiet)
	assert.NoError(t, err)
	address = unserved.Address()
	unserved.Close()
	l, err = net.Listen("tcp", address)
	assert.NoError(t, err)
	_ = l.Close()
}

func TestAdminOnAUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "admin.sock")
	bind := configs.Address{Network: "unix", Path: path}
	a := serveAdmin(t, bind, "", newFakeProxy())
	// No browser gets here by a name, so names do not matter.
	assert.Equal(t, call{path: "/api/status", host: "anything.example"}.send(t, a).status, 200)
	info, err := os.Stat(path)
	assert.NoError(t, err)
	assert.Equal(t, info.Mode().Perm()&^0o660, 0)
	_, err = OpenAdmin(bind, "", newFakeProxy(), quiet)
	assert.Equal(t, errors.Is(err, unix.EADDRINUSE), true)
	a.Close()
	_, err = os.Stat(path)
	assert.Equal(t, errors.Is(err, os.ErrNotExist), true)
}

func TestAdminAddressInUse(t *testing.T) {
	a := serveAdmin(t, loopback, "", newFakeProxy())
	port := a.listener.Addr().(*net.TCPAddr).Port
	_, err := OpenAdmin(configs.Address{Network: "tcp", Host: "127.0.0.1", Port: uint16(port)}, "", newFakeProxy(), quiet)
	assert.Equal(t, errors.Is(err, unix.EADDRINUSE), true)
}

// A reload's answer is what it has done, or everything that is wrong, as the client of the control socket sees it too.
func TestReloadByAPI(t *testing.T) {
	proxy := newFakeProxy()
	a := serveAdmin(t, loopback, "", proxy)
	var done Reloaded
	assert.NoError(t, json.Unmarshal([]byte(call{method: "POST", path: "/api/reload"}.send(t, a).body), &done))
	assert.Equal(t, done, Reloaded{Generation: 5, Changes: []string{"routes: 1 new"}, Fixed: []string{"runtime.loops"}})
	proxy.refusal = errors.New("sluice.yaml:3:5: one\nsluice.yaml:4:5: two")
	refused := call{method: "POST", path: "/api/reload"}.send(t, a)
	assert.Equal(t, refused.status, http.StatusConflict)
	assert.Equal(t, refused.errorOf(t), "sluice.yaml:3:5: one\nsluice.yaml:4:5: two")
	assert.Equal(t, call{path: "/api/reload"}.send(t, a).status, http.StatusMethodNotAllowed)
}

// Another token counts from the next request, also on a connection that is open; taking it away is for loopback only.
func TestTokenChanges(t *testing.T) {
	a := serveAdmin(t, loopback, "first", newFakeProxy())
	with := func(token string) int {
		return call{path: "/api/status", header: http.Header{"Authorization": {"Bearer " + token}}}.send(t, a).status
	}
	assert.Equal(t, []int{with("first"), with("second")}, []int{200, 401})
	assert.NoError(t, a.SetToken(loopback, "second"))
	assert.Equal(t, []int{with("first"), with("second")}, []int{401, 200})
	assert.NoError(t, a.SetToken(loopback, ""))
	assert.Equal(t, with(""), 200)
	assert.Equal(t, call{path: "/api/status", host: "rebound.example"}.send(t, a).status, http.StatusForbidden)
	assert.Equal(t, a.SetToken(configs.Address{Network: "tcp", Host: "10.0.0.1", Port: 1}, ""), errNoToken)
}
