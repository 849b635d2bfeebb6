package health

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"sluice/configs"
	"sluice/internal/assert"
)

// text is a finding as an operator reads it.
func (f finding) text() string {
	if f.Err != nil {
		return f.Err.Error()
	}
	return f.Detail
}

func TestConnect(t *testing.T) {
	t.Parallel()
	check := &configs.Check{Timeout: 5 * time.Second}
	ends := make(chan error, 1)
	speaksFirst := func(conn net.Conn) {
		io.WriteString(conn, "220 mail.example ESMTP\r\n")
		ends <- endOf(conn)
	}
	waits := func(conn net.Conn) { ends <- endOf(conn) }
	saysGoodbye := func(conn net.Conn) {
		io.Copy(io.Discard, conn)
		io.WriteString(conn, "221 bye\r\n") // a closed connection answers this with a reset
		_, err := io.WriteString(conn, "\r\n")
		ends <- err
	}
	socket := filepath.Join(t.TempDir(), "s")
	for _, target := range []Target{local(t, waits), local(t, speaksFirst), local(t, saysGoodbye), serve(t, listen(t, "unix", socket), waits)} {
		for _, proxyProtocol := range []string{"off", "v1", "v2"} {
			found := once(t, check, proxyProtocol, target)
			assert.NoError(t, found.Err)
			assert.Equal(t, found.Detail, "connected")
			assert.NoError(t, <-ends) // an end, no reset
		}
	}
	assert.Equal(t, once(t, check, "", closed()).text(), "connection refused")
	gone := Target{Network: "unix", Address: socket + ".gone"}
	assert.Equal(t, once(t, check, "", gone).text(), "no such file or directory")
}

func TestConnectTimeout(t *testing.T) {
	t.Parallel()
	check := &configs.Check{Timeout: 200 * time.Millisecond}
	found := once(t, check, "", full(t))
	assert.Equal(t, found.text(), "no connection within 200ms")
	within(t, found.Took, 100*time.Millisecond, 5*time.Second)
}

// A server that ignores the end of a connection costs a moment and no more, and its answer counts from when it was there.
func TestFarewellIsShort(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	defer close(release)
	target := local(t, func(net.Conn) { <-release })
	began := time.Now()
	found := once(t, &configs.Check{Timeout: time.Minute}, "", target)
	total := time.Since(began)
	assert.NoError(t, found.Err)
	within(t, total, farewellMax, 10*time.Second)
	within(t, found.Took, 0, total-farewellMax)
}

func TestPort(t *testing.T) {
	t.Parallel()
	target := local(t, answering("HTTP/1.1 200 OK\r\n\r\n"))
	check := httpCheck()
	check.Port = uint16(netPort(t, target))
	target.Address = "127.0.0.1:1"
	assert.Equal(t, once(t, check, "", target).text(), "answered 200")
}

func netPort(t *testing.T, target Target) int {
	t.Helper()
	address, err := net.ResolveTCPAddr("tcp", target.Address)
	assert.NoError(t, err)
	return address.Port
}

func TestRequest(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		change func(*configs.Check)
		target Target
		want   string
	}{
		{"plain", func(*configs.Check) {}, tcp("app.internal:8080"),
			"GET /health HTTP/1.1|Host: app.internal:8080|User-Agent: sluice|Connection: close||"},
		{"address behind the name", func(*configs.Check) {}, tcp("app.internal:8080 (10.0.0.7)"),
			"GET /health HTTP/1.1|Host: app.internal:8080|User-Agent: sluice|Connection: close||"},
		{"unix", func(*configs.Check) {}, Target{Name: "unix:/s", Network: "unix", Address: "/s"},
			"GET /health HTTP/1.1|Host: localhost|User-Agent: sluice|Connection: close||"},
		{"another port", func(c *configs.Check) { c.Port = 9000 }, tcp("[::1]:8080"),
			"GET /health HTTP/1.1|Host: [::1]:9000|User-Agent: sluice|Connection: close||"},
		{"all of it", func(c *configs.Check) {
			c.HTTP, c.Method, c.Host = "/up?deep=1", "POST", "app.example"
			c.Headers = []configs.HeaderValue{{Name: "X-Probe", Value: "1"}, {Name: "user-agent", Value: "probe/2"}}
		}, tcp("10.0.0.1:80"),
			"POST /up?deep=1 HTTP/1.1|Host: app.example|X-Probe: 1|user-agent: probe/2|Content-Length: 0|Connection: close||"},
	} {
		check := httpCheck()
		c.change(check)
		p := newProber(check, Options{})
		if got := strings.ReplaceAll(p.request(c.target), "\r\n", "|"); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.name, got, c.want)
		}
	}
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	page := "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nall is ok"
	padding := func(n int) string { return "X: " + strings.Repeat("x", n-len("X: \r\n")) + "\r\n" }
	line := "HTTP/1.1 200 OK\r\n"
	for _, c := range []struct {
		name, answer string
		body         string
		want         string
	}{
		{"good", page, "", "answered 200"},
		{"redirect", "HTTP/1.1 301 Moved\r\nLocation: /\r\n\r\n", "", "answered 301"},
		{"HTTP/1.0", "HTTP/1.0 200 OK\r\n\r\n", "", "answered 200"},
		{"after 1xx", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + page, "", "answered 200"},
		{"switches", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", "", "answered 101"},
		{"error", "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", "", "answered 503"},
		{"body", page, "is o[kK]$", "answered 200"},
		{"chunked body", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nis o\r\n1\r\nk\r\n0\r\n\r\n", "is ok", "answered 200"},
		{"other body", page, "ready", "answered 200, but its body does not match"},
		{"body begins in time", line + "\r\n" + strings.Repeat("x", bodyMax-2) + "ok" + strings.Repeat("x", 1<<20), "ok", "answered 200"},
		{"body begins too late", line + "\r\n" + strings.Repeat("x", bodyMax-1) + "ok", "ok", "answered 200, but its body does not match"},
		{"torn body", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nok", "ok", "reading the body of the answer: the server closed the connection"},
		{"no answer", "", "", "waiting for an answer: the server closed the connection"},
		{"torn head", "HTTP/1.1 200 OK\r\nX: 1", "", "reading the head of the answer: the server closed the connection"},
		{"nonsense", "SSH-2.0-OpenSSH_9.2\r\n", "", `reading the head of the answer: malformed HTTP response "SSH-2.0-OpenSSH_9.2"`},
		{"largest head", line + padding(headMax-len(line)-2) + "\r\n", "", "answered 200"},
		{"too large a head", line + padding(headMax-len(line)-1) + "\r\n", "", "head of the answer is larger than 16 KiB"},
		{"endless 1xx", strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 700), "", "head of the answer is larger than 16 KiB"},
	} {
		check := httpCheck()
		if c.body != "" {
			check.Body = regexp.MustCompile(c.body)
		}
		found := once(t, check, "", local(t, answering(c.answer)))
		if found.text() != c.want || (found.Err == nil) != (c.want == "answered 200" || c.want == "answered 301") {
			t.Errorf("%s: got %q, want %q", c.name, found.text(), c.want)
		}
	}
}

func TestHead(t *testing.T) {
	t.Parallel()
	check := httpCheck()
	check.Method = "HEAD"
	check.Status = []configs.StatusRange{{From: 500, To: 500}, {From: 204, To: 204}}
	assert.Equal(t, once(t, check, "", local(t, answering("HTTP/1.1 204 No Content\r\nContent-Length: 9\r\n\r\n"))).text(), "answered 204")
	found := once(t, check, "", local(t, answering("HTTP/1.1 200 OK\r\n\r\n")))
	assert.Equal(t, found.Err.Error(), "answered 200")
}

func TestHTTPTimeouts(t *testing.T) {
	t.Parallel()
	slowly := func(conn net.Conn) {
		for _, b := range []byte("HTTP/1.1 200 OK\r\nX-Slow: " + strings.Repeat("x", 10_000)) {
			if _, err := conn.Write([]byte{b}); err != nil {
				return
			}
			<-time.After(5 * time.Millisecond)
		}
	}
	stalls := func(conn net.Conn) {
		answering("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nall")(conn)
		silent(conn)
	}
	for _, c := range []struct {
		name   string
		handle func(net.Conn)
		want   string
	}{
		{"accepts and hangs", silent, "no answer within 1s"},
		{"byte by byte", slowly, "no whole head of an answer within 1s"},
		{"stalls in the body", stalls, "no whole body of an answer within 1s"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			check := httpCheck()
			check.Timeout = time.Second // enough for all that is to come before
			check.Body = regexp.MustCompile("ok")
			began := time.Now()
			found := once(t, check, "", local(t, c.handle))
			assert.Equal(t, found.text(), c.want)
			within(t, time.Since(began), check.Timeout, 10*check.Timeout)
		})
	}
}

// A body that nobody asked about is not waited for, even if it never ends; a connection that has answered ends without a reset.
func TestBodyIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	check := httpCheck()
	check.Timeout = time.Minute
	ends := make(chan error, 1)
	found := once(t, check, "", local(t, func(conn net.Conn) {
		answering("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nevent: 1\n")(conn)
		ends <- endOf(conn)
	}))
	assert.Equal(t, found.text(), "answered 200")
	assert.NoError(t, <-ends)
	within(t, found.Took, 0, 10*time.Second)
	for _, status := range []string{"200 OK", "503 Busy"} {
		once(t, check, "", local(t, func(conn net.Conn) {
			answering("HTTP/1.1 " + status + "\r\nContent-Length: 60000\r\n\r\n" + strings.Repeat("x", 60000))(conn)
			conn.(*net.TCPConn).CloseWrite()
			ends <- endOf(conn)
		}))
		assert.NoError(t, <-ends)
	}
}

func TestProxyHeader(t *testing.T) {
	t.Parallel()
	for version, want := range map[string]string{
		"v1": "PROXY UNKNOWN\r\n",
		"v2": "\x0d\x0a\x0d\x0a\x00\x0d\x0a\x51\x55\x49\x54\x0a" + "\x20" + "\x00" + "\x00\x00", // the specification's figures
	} {
		got := make([]byte, len(want))
		target := local(t, func(conn net.Conn) {
			io.ReadFull(conn, got)
			answering("HTTP/1.1 200 OK\r\n\r\n")(conn)
		})
		assert.Equal(t, once(t, httpCheck(), version, target).text(), "answered 200")
		assert.Equal(t, string(got), want)
	}
}

func TestUnixHTTP(t *testing.T) {
	t.Parallel()
	socket := filepath.Join(t.TempDir(), "s")
	target := serve(t, listen(t, "unix", socket), answering("HTTP/1.1 200 OK\r\n\r\n"))
	assert.Equal(t, once(t, httpCheck(), "", target).text(), "answered 200")
}

func TestCancelledCheckReturnsAtOnce(t *testing.T) {
	t.Parallel()
	check := httpCheck()
	p := newProber(check, Options{})
	ctx, cancel := context.WithCancel(context.Background())
	began := time.Now()
	found := p.probe(ctx, local(t, func(conn net.Conn) {
		http.ReadRequest(bufio.NewReader(conn))
		cancel()
		silent(conn)
	}))
	assert.Equal(t, found.Err != nil, true)
	within(t, time.Since(began), 0, check.Timeout/2)
}

func TestOurFaults(t *testing.T) {
	t.Parallel()
	p := &prober{check: httpCheck()}
	for errno, want := range map[syscall.Errno]bool{
		syscall.EMFILE: true, syscall.ENFILE: true, syscall.ENOMEM: true, syscall.ENOBUFS: true, syscall.EADDRNOTAVAIL: true,
		syscall.ECONNREFUSED: false, syscall.ECONNRESET: false, syscall.ETIMEDOUT: false, syscall.EHOSTUNREACH: false,
		syscall.ENETUNREACH: false, syscall.EACCES: false, syscall.EPERM: false,
	} {
		err := &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("socket", errno)}
		explained := p.explain(context.Background(), connecting, err)
		assert.Equal(t, ours(explained), want)
		assert.Equal(t, explained.Error(), errno.Error())
	}
	assert.Equal(t, ours(nil), false)
	assert.Equal(t, ours(fmt.Errorf("answered %d", 503)), false)
}

func TestCausesAreBounded(t *testing.T) {
	t.Parallel()
	for n := range 4 {
		text := shorten(strings.Repeat("x", n) + strings.Repeat("é", causeMax))
		if len(text) > causeMax || len(text) < causeMax-2 || !utf8.ValidString(text) || !strings.HasSuffix(text, "é…") {
			t.Errorf("%d bytes: %q", len(text), text)
		}
	}
	assert.Equal(t, shorten(strings.Repeat("x", causeMax)), strings.Repeat("x", causeMax))
}

// The whole room on real sockets: a server goes away and comes back.
func TestMonitor(t *testing.T) {
	t.Parallel()
	address := own()
	listener := listen(t, "tcp", address)
	events := make(chan Event, 10)
	check := httpCheck()
	check.Every, check.Fast = 20*time.Millisecond, 10*time.Millisecond
	m := New(check, Options{Report: func(e Event) { events <- e }})
	defer m.Close()
	m.Watch([]Target{{Name: "app", Network: "tcp", Address: address, Down: true}})
	target := serve(t, listener, answering("HTTP/1.1 200 OK\r\n\r\n"))
	event := <-events
	assert.Equal(t, []any{event.ID, event.Name, event.Up, event.Cause, event.After}, []any{target.ID(), "app", true, "answered 200", 2})
	listener.Close()
	event = <-events
	assert.Equal(t, []any{event.Up, event.Cause, event.After}, []any{false, "connection refused", 3})
	serve(t, listen(t, "tcp", address), answering("HTTP/1.1 204 No Content\r\n\r\n"))
	assert.Equal(t, (<-events).Cause, "answered 204")
}
