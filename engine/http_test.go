package engine

// HTTP listeners: which route takes a request, what is wrong with a table of routes, and what a request costs.

import (
	"io"
	"net"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"sluice/configs"
	"sluice/engine/exchange"
	"sluice/engine/record"
	"sluice/engine/stat"
	"sluice/internal/assert"
)

// routes compiles the routes of one HTTP listener, and returns how requests find theirs.
func routes(t *testing.T, text string) *router {
	t.Helper()
	cfg, err := configs.Parse("test.yaml", []byte("listeners:\n  web: {bind: \"127.0.0.1:1\"}\nroutes:\n"+text+
		"upstreams:\n  app: {servers: [\"127.0.0.1:2\"]}\n"))
	assert.NoError(t, err)
	s, issues := compile(t.Context(), cfg, basis{loops: 1})
	assert.Equal(t, len(issues), 0)
	p := s.stations[0].plan.(*httpPlan)
	r := &router{tree: p.tree, host: make([]byte, 0, hostRoom), path: make([]byte, 0, 8<<10)}
	for i := range p.routes {
		r.routes = append(r.routes, &p.routes[i].route)
	}
	return r
}

// request makes x ask for target at host; "-" is no host.
func request(x *exchange.Exchange, method, host, target string) {
	h := &x.Request
	h.Reset()
	h.Method, h.Target = h.StoreString(method), h.StoreString(target)
	if host != "-" {
		h.Authority = h.StoreString(host)
	}
}

func TestRouterFindsRoutes(t *testing.T) {
	t.Parallel()
	r := routes(t, `
  - {name: api, hosts: [api.example.com, "*.api.example.com"], paths: [/v1/*], upstream: app}
  - {name: read, hosts: [api.example.com], paths: [/v1/users], methods: [GET], upstream: app}
  - {name: admin, paths: [/admin/*], upstream: app}
  - {name: any, hosts: [www.example.com], upstream: app}
`)
	const misdirected, missing, bad = "misdirected", "not_found", "bad_request"
	for _, c := range []struct{ method, host, target, want string }{
		{"GET", "api.example.com", "/v1/x", "api"},
		{"GET", "API.Example.COM.:8080", "/v1/x?q=/../", "api"},
		{"GET", "a.b.api.example.com", "/v1/", "api"},
		{"GET", "api.example.com", "/v1/users", "read"},
		{"POST", "api.example.com", "/v1/users", "api"},
		{"GET", "api.example.com", "/v2", missing},
		{"GET", "other.example.com", "/admin/x", "admin"},
		{"GET", "other.example.com", "/x/../admin/x", "admin"}, // no rule is evaded by another spelling
		{"GET", "other.example.com", "//%61dmin/x", "admin"},
		{"GET", "api.example.com", "/admin/", "admin"},
		{"GET", "other.example.com", "/", missing},
		{"GET", "-", "/admin/", "admin"}, // HTTP/1.0 need not name a host
		{"GET", "www.example.com", "/", "any"},
		{"OPTIONS", "www.example.com", "*", "any"},
		{"GET", "www.example.com", "/a/../../b", bad},
		{"GET", "www.example.com", "/%zz", bad},
		{"GET", "www..example.com", "/", bad},
		{"GET", "www.example.com:port", "/", bad},
	} {
		var x exchange.Exchange
		request(&x, c.method, c.host, c.target)
		route, why := r.Route(&x)
		got := why.String()
		if route != nil {
			got = route.Names.Route
			assert.Equal(t, why, record.None)
		}
		if got != c.want {
			t.Errorf("%s %s%s: got %s, want %s", c.method, c.host, c.target, got, c.want)
		}
		assert.Equal(t, string(x.Request.Bytes(x.Request.Target)), c.target) // what goes on is what was sent
	}

	r = routes(t, `
  - {name: only, hosts: [www.example.com], upstream: app}
`)
	var x exchange.Exchange
	request(&x, "GET", "other.example.com", "/")
	_, why := r.Route(&x)
	assert.Equal(t, why.String(), misdirected)
}

// Loading a file finds equal routes already; the table is the last to look, and says where it found them.
func TestConflictsOfRoutesHavePositions(t *testing.T) {
	t.Parallel()
	cfg, err := configs.Parse("test.yaml", []byte(`
listeners:
  web: {bind: "127.0.0.1:1"}
routes:
  - {name: one, hosts: [a.example.com], paths: [/x, /y/*], upstream: app}
  - {name: two, hosts: [b.example.com], paths: [/y/*], upstream: app}
upstreams:
  app: {servers: ["127.0.0.1:2"]}
`))
	assert.NoError(t, err)
	assert.NoError(t, Check(cfg))
	cfg.Routes[1].Hosts = cfg.Routes[0].Hosts
	err = Check(cfg)
	issues, ok := err.(configs.Issues)
	if !ok || len(issues) != 1 {
		t.Fatalf("got %v", err)
	}
	for _, part := range []string{"test.yaml:6:", "listener web:", "one", "two", "/y/*", "line 5"} {
		if !strings.Contains(issues[0].Error(), part) {
			t.Errorf("%q is missing in %s", part, issues[0].Error())
		}
	}
}

func TestCommonPort(t *testing.T) {
	t.Parallel()
	tcp := func(host string, port uint16) configs.Address {
		return configs.Address{Network: "tcp", Host: host, Port: port}
	}
	path := configs.Address{Network: "unix", Path: "/s"}
	for _, c := range []struct {
		binds []configs.Address
		want  uint16
	}{
		{[]configs.Address{tcp("", 80)}, 80},
		{[]configs.Address{tcp("10.0.0.1", 80), tcp("::1", 80)}, 80},
		{[]configs.Address{tcp("", 80), tcp("", 81)}, 0},
		{[]configs.Address{tcp("", 80), tcp("", 81), tcp("", 80)}, 0},
		{[]configs.Address{path}, 0},
		{[]configs.Address{path, tcp("", 80), path}, 80},
		{nil, 0},
	} {
		l := new(configs.Listener)
		for _, b := range c.binds {
			l.Bind = append(l.Bind, configs.Value[configs.Address]{V: b})
		}
		assert.Equal(t, commonPort(l), c.want)
	}
}

func TestAllocRouting(t *testing.T) {
	r := routes(t, `
  - {name: api, hosts: ["*.example.com"], paths: [/v1/*], methods: [GET], upstream: app}
  - {name: any, upstream: app}
`)
	var x exchange.Exchange
	request(&x, "GET", "API.Example.com:8080", "/v1/./users/%61?q=1")
	assert.Allocs(t, 0, func() {
		if route, _ := r.Route(&x); route == nil || route.Names.Route != "api" {
			t.Fatal("the wrong route")
		}
	})
}

// through starts an HTTP proxy for a server and returns a client's descriptor, on which calls block.
func through(t *testing.T, server string) (e *Engine, client int) {
	t.Helper()
	at := freePort()
	cfg, err := configs.Parse("test.yaml", []byte("listeners:\n  web: {bind: \""+at+"\", upstream: app}\nupstreams:\n  app: {servers: [\""+
		server+"\"]}\nruntime: {loops: 1}\nlog: {access: {to: \"off\"}}\n"))
	assert.NoError(t, err)
	e = start(t, cfg)
	t.Cleanup(e.Stop)
	return e, blocking(t, dial(t, "tcp4", at).(*net.TCPConn))
}

// blocking is another descriptor of a connection, on which calls block.
func blocking(t *testing.T, c *net.TCPConn) (fd int) {
	t.Helper()
	raw, err := c.SyscallConn()
	assert.NoError(t, err)
	assert.NoError(t, raw.Control(func(own uintptr) { fd, err = unix.Dup(int(own)) }))
	assert.NoError(t, err)
	assert.NoError(t, unix.SetNonblock(fd, false))
	t.Cleanup(func() { _ = unix.Close(fd) })
	return fd
}

// exchangeOn sends a request and reads as many bytes of answer.
func exchangeOn(t *testing.T, fd int, ask, answer []byte) {
	if n, err := syscall.Write(fd, ask); n != len(ask) || err != nil {
		t.Fatal(n, err)
	}
	for left := answer; len(left) > 0; {
		n, err := syscall.Read(fd, left)
		if n <= 0 {
			t.Fatal(n, err)
		}
		left = left[n:]
	}
}

// answerOf is the answer to the first request, whole.
func answerOf(t *testing.T, fd int, ask []byte, size int) []byte {
	answer := make([]byte, size)
	exchangeOn(t, fd, ask, answer)
	return answer
}

// A whole exchange over connections that stay: client, front, route, gates, balancer, idle connection, back, and the way
// back; with what proxies add on by default.
func TestAllocAWholeExchange(t *testing.T) {
	const body = "0123456789012345678901234567890123456789012345678901234567890\n"
	for name, c := range map[string]struct{ ask, answer string }{
		"a length": {"GET /v1/x?y HTTP/1.1\r\nHost: a.example\r\nUser-Agent: test\r\nAccept: */*\r\n\r\n",
			"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 62\r\n\r\n" + body},
		"chunks": {"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n",
			"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3e\r\n" + body + "\r\n0\r\n\r\n"},
		"a body": {"POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 62\r\n\r\n" + body,
			"HTTP/1.1 204 No Content\r\n\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			e, fd := through(t, repeats(t, c.answer))
			ask, answer := []byte(c.ask), make([]byte, len(c.answer))
			for range 50 { // the steady state: lists are filled, heads have grown
				exchangeOn(t, fd, ask, answer)
			}
			assert.Equal(t, string(answer), c.answer)
			assert.Allocs(t, 0, func() { exchangeOn(t, fd, ask, answer) })
			total := stat.Sum(e.Counters()...)
			if reused, requests := total.Get(stat.HTTPBackReused), total.Get(stat.HTTPRequests); reused != requests-1 {
				t.Errorf("of %d requests %d found an idle connection", requests, reused)
			}
		})
	}
}

// A body that goes on and on: each piece is one more turn of the same flow.
func TestAllocRelayedBody(t *testing.T) {
	for name, size := range map[string]int{"small": 100, "large": 32 << 10} {
		t.Run(name, func(t *testing.T) {
			more := make(chan struct{})
			_, fd := through(t, serves(t, func(c net.Conn) {
				piece := make([]byte, size)
				_, _ = c.Read(make([]byte, 4096))
				_, err := io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
				for range more {
					if _, err = c.Write(piece); err != nil {
						return
					}
				}
			}))
			head := "HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n"
			assert.Equal(t, string(answerOf(t, fd, []byte("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), len(head))), head)
			piece := make([]byte, size)
			next := func() {
				more <- struct{}{}
				exchangeOn(t, fd, nil, piece)
			}
			for range 50 {
				next()
			}
			assert.Allocs(t, 0, next)
			close(more)
		})
	}
}
