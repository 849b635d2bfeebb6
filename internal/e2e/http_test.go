package e2e

// HTTP: the servers and clients that the tests of it share, and what becomes of requests whose server does not answer.

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"sluice/internal/assert"
)

// web is simple for HTTP.
const web = `
listeners: {front: {bind: "127.0.0.1:PORT1", protocol: http, upstream: back}}
upstreams: {back: {servers: ["%s"]}}
runtime: {loops: 2}
`

// website is a web server of Go's.
type website struct {
	address string
	server  *http.Server
}

// site starts a web server on a free port. The test's end ends it.
func site(t testing.TB, h http.HandlerFunc) *website {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	assert.NoError(t, err)
	return siteOn(t, l, &http.Server{Handler: h})
}

// siteOn starts a web server on a listener.
func siteOn(t testing.TB, l net.Listener, server *http.Server) *website {
	t.Helper()
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close() })
	return &website{address: l.Addr().String(), server: server}
}

// dies takes the server out of the world: nobody listens, and its connections are closed.
func (w *website) dies() { _ = w.server.Close() }

// names answers everything with a name.
func names(name string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, name) }
}

// browser is a client that keeps one connection, or, used by several goroutines, a few.
type browser struct {
	t    testing.TB
	base string
	http *http.Client
}

// answer is an answer with all of its body.
type answer struct {
	*http.Response
	body string
}

// browser returns a client of port 1, with connections of its own.
func (p *proxy) browser() *browser {
	transport := &http.Transport{MaxIdleConnsPerHost: 1000, DisableCompression: true, ExpectContinueTimeout: patience}
	p.t.Cleanup(transport.CloseIdleConnections)
	return &browser{p.t, "http://" + p.addr(1), &http.Client{Transport: transport, Timeout: 2 * patience}}
}

// gets asks for a path and wants 200. The rest are fields, name and value by turns.
func (b *browser) gets(path string, fields ...string) answer {
	b.t.Helper()
	a, err := b.does("GET", path, nil, fields...)
	if err != nil || a.StatusCode != http.StatusOK {
		b.t.Fatalf("GET %s: %v, %+v", path, err, a)
	}
	return a
}

// does sends a request and waits for all of the answer. It may be called from any goroutine.
func (b *browser) does(method, path string, body io.Reader, fields ...string) (a answer, err error) {
	r, err := http.NewRequest(method, b.base+path, body)
	if err != nil {
		return a, err
	}
	for i := 0; i < len(fields); i += 2 {
		r.Header.Add(fields[i], fields[i+1])
	}
	if a.Response, err = b.http.Do(r); err != nil {
		return a, err
	}
	defer a.Body.Close()
	all, err := io.ReadAll(a.Body)
	a.body = string(all)
	return a, err
}

// leaves closes the client's idle connections.
func (b *browser) leaves() { b.http.CloseIdleConnections() }

// asksFor sends a GET on an end, by hand.
func (e *end) asksFor(path string) {
	e.t.Helper()
	e.says("GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n")
}

// hearsHead is the next head: the status line and the fields, a line each.
func (e *end) hearsHead() (status string, fields []string) {
	e.t.Helper()
	status = strings.TrimSuffix(e.hearsLine(), "\r")
	for {
		line := strings.TrimSuffix(e.hearsLine(), "\r")
		if line == "" {
			return status, fields
		}
		fields = append(fields, line)
	}
}

// hearsRequest is the next head, of a request.
func (e *end) hearsRequest(line string) (fields []string) {
	e.t.Helper()
	got, fields := e.hearsHead()
	assert.Equal(e.t, got, line)
	return fields
}

// A server that refuses, one that does not answer, ones that answer wrongly: the status tells the client, the reason
// tells the operator, and the page says that it is the proxy who speaks.
func TestHTTPServersThatDoNotAnswer(t *testing.T) {
	t.Parallel()
	const config = `
listeners: {front: {bind: "127.0.0.1:PORT1", protocol: http}}
routes: [{upstream: back, timeouts: {connect: 300ms, first_byte: 3s, idle: 3s}}]
upstreams: {back: {servers: ["%s"]}}
`
	for _, row := range []struct {
		name, server string
		status       int
		reason, side string
	}{
		{"dead", nobody(t), 502, "connect_refused", "back"},
		{"deaf", deaf(t), 504, "connect_timeout", "back"},
		{"silent", station(t).serves(func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }).address(), 504, "answer_timeout", "back"},
		{"speechless", station(t).serves(hearsAndThen("")).address(), 502, "answer_cut", "back"},
		{"babbling", station(t).serves(hearsAndThen("hello\r\n\r\n")).address(), 502, "answer_bad", "back"},
		{"short", station(t).serves(hearsAndThen("HTTP/1.1 200 OK\r\nContent-Le")).address(), 502, "answer_cut", "back"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			p := run(t, config, row.server)
			a, err := p.browser().does("GET", "/x", nil)
			assert.NoError(t, err)
			assert.Equal(t, a.StatusCode, row.status)
			assert.Equal(t, strings.Contains(a.body, "sluice"), true)
			line := p.ends(row.reason)
			assert.Equal(t, line.Side, row.side)
			assert.Equal(t, line.Status, row.status)
			assert.Equal(t, line.UpstreamStatus, 0)
			assert.Equal(t, line.Target, "/x")
			assert.Equal(t, line.Server, row.server)
		})
	}
}

// hearsAndThen reads a request's head, says something, and closes.
func hearsAndThen(say string) func(net.Conn) {
	return func(c net.Conn) {
		if hearsOne(c) {
			_, _ = io.WriteString(c, say)
		}
	}
}

// hearsOne reads a request's head and reports whether there was one.
func hearsOne(c net.Conn) bool {
	for {
		line, err := readLine(c)
		if err != nil || line == "\r" {
			return err == nil
		}
	}
}

// An answer that is cut on its way is cut for the client too: it cannot be taken for whole.
func TestHTTPCutAnswersLookCut(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]string{
		"length":  "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nbeginning",
		"chunked": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nbeginning\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := run(t, web, station(t).serves(hearsAndThen(start)).address())
			client := p.dial(1)
			client.asksFor("/")
			got, err := io.ReadAll(client)
			if !errors.Is(err, syscall.ECONNRESET) || strings.HasSuffix(string(got), "0\r\n\r\n") {
				t.Errorf("heard %q and %v, want a reset", got, err)
			}
			assert.Equal(t, p.ends("answer_cut").Status, 200)
		})
	}
}

// A chunked body that comes in one packet with its end, and with the next request, ends where it ends: what was data is
// never taken for a request, and what follows is.
func TestHTTPChunkedBodyInOnePacket(t *testing.T) {
	t.Parallel()
	p := run(t, web, site(t, curlSite).address)
	client := p.dial(1)
	const post = "POST /%d HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1e\r\nGET /admin HTTP/1.1\r\nHost: x\r\n\r\n0\r\n\r\n"
	client.says(fmt.Sprintf(post, 1) + fmt.Sprintf(post, 2) + "GET /3 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	has(t, client.hearsAll(), "POST /1 HTTP/1.1", "30 bytes", "POST /2 HTTP/1.1", "GET /3 HTTP/1.1")
	for n := 1; n <= 3; n++ {
		line := p.ends("done")
		assert.Equal(t, line.Target, fmt.Sprintf("/%d", n))
		assert.Equal(t, line.Reused, n > 1) // nothing is left on the server's side either
	}
}

// A client of HTTP/1.0 needs no Host, gets no chunks, and is closed unless it asks to stay.
func TestHTTPClientOfVersion10(t *testing.T) {
	t.Parallel()
	p := run(t, web, site(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/parts" {
			_, _ = io.WriteString(w, "part one, ")
			_ = http.NewResponseController(w).Flush()
			_, _ = io.WriteString(w, "part two")
			return
		}
		_, _ = io.WriteString(w, "whole")
	}).address)
	for path, body := range map[string]string{"/": "whole", "/parts": "part one, part two"} {
		client := p.dial(1)
		client.says("GET " + path + " HTTP/1.0\r\n\r\n")
		status, fields := client.hearsHead()
		assert.Equal(t, strings.HasSuffix(status, " 200 OK"), true)
		assert.Equal(t, strings.Contains(fmt.Sprint(fields), "chunked"), false)
		assert.Equal(t, client.hearsAll(), body)
		assert.Equal(t, p.ends("done").Version, "HTTP/1.0")
	}
	client := p.dial(1)
	for range 3 {
		client.says("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
		_, fields := client.hearsHead()
		assert.Equal(t, strings.Contains(strings.ToLower(fmt.Sprint(fields)), "connection: keep-alive"), true)
		client.hears("whole")
	}
	client.fin()
	client.hearsEnd()
	// A client that ends its direction after the request still gets the answer.
	half := p.dial(1)
	half.says("GET /parts HTTP/1.0\r\n\r\n")
	half.fin()
	_, _ = half.hearsHead()
	assert.Equal(t, half.hearsAll(), "part one, part two")
}

// Servers close idle connections when they like, just when a request is on its way too; no client gets to see it.
func TestHTTPServersCloseIdleConnections(t *testing.T) {
	t.Parallel()
	const clients, each = 8, 120
	hasty := station(t).serves(func(c net.Conn) {
		for patient := true; hearsOne(c) && patient; patient = rand.IntN(4) > 0 {
			if _, err := io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"); err != nil {
				return
			}
			var until time.Time // for ever: a busy machine would see every idle connection closed
			if rand.IntN(3) == 0 {
				until = time.Now().Add(time.Duration(rand.IntN(40)) * time.Millisecond)
			}
			_ = c.SetReadDeadline(until)
		}
	})
	p := run(t, web, hasty.address())
	failed := make(chan error, clients)
	for range clients {
		b := p.browser()
		go func() {
			for range each {
				if a, err := b.does("GET", "/", nil); err != nil || a.StatusCode != 200 || a.body != "ok" {
					failed <- fmt.Errorf("%v, %+v", err, a)
					return
				}
			}
			failed <- nil
		}()
	}
	for range clients {
		assert.NoError(t, <-failed)
	}
	reused := 0
	for range clients * each {
		if p.ends("done").Reused {
			reused++
		}
	}
	if reused < clients*each/3 {
		t.Errorf("%d of %d requests on connections that had been used: the pool is not", reused, clients*each)
	}
}

// One of two servers dies while requests are under way: every GET is answered, by the other one if need be.
func TestHTTPOneOfTwoServersDies(t *testing.T) {
	t.Parallel()
	one, two := site(t, names("one")), site(t, names("two"))
	p := run(t, strings.Replace(web, `"%s"`, `"%s", "%s"`, 1), one.address, two.address)
	const clients, before, after = 4, 50, 50
	var warm, all sync.WaitGroup
	warm.Add(clients)
	for range clients {
		b := p.browser()
		all.Go(func() {
			ready := sync.OnceFunc(warm.Done)
			defer ready()
			for n, seen := 0, 0; seen < after; n++ {
				a, err := b.does("GET", "/", nil)
				if err != nil || a.StatusCode != 200 {
					t.Errorf("GET %d: %v, %+v", n, err, a)
					return
				}
				switch {
				case n == before:
					ready()
				case n > before && a.body == "two":
					seen++
				}
			}
		})
	}
	warm.Wait()
	one.dies()
	all.Wait()
	b := p.browser()
	for range 50 {
		assert.Equal(t, b.gets("/").body, "two")
	}
}
