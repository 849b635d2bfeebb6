package e2e

// Signals while HTTP is spoken.

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"sluice/internal/assert"
)

// idles sends a request on a new connection, hears the answer, and keeps the connection.
func (p *proxy) idles(body string) *end {
	p.t.Helper()
	e := p.dial(1)
	e.asksFor("/idle")
	status, _ := e.hearsHead()
	assert.Equal(p.t, status, "HTTP/1.1 200 OK")
	e.hears(body)
	return e
}

// TERM closes connections that are between requests and lets answers finish, which then say that they are the last.
func TestHTTPTermFinishesAnswers(t *testing.T) {
	t.Parallel()
	for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGQUIT} {
		t.Run(s.String(), func(t *testing.T) {
			t.Parallel()
			o := station(t)
			p := run(t, web, o.address())
			fresh, waiting, reading, idle := p.dial(1), p.dial(1), p.dial(1), p.dial(1)
			idle.asksFor("/idle")
			server := o.accept()
			server.hearsRequest("GET /idle HTTP/1.1")
			server.says("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
			idle.hearsHead()
			idle.hears("ok")
			p.ends("done")

			reading.asksFor("/begun") // perhaps on the connection that idle's answer came from
			second := o.next(server)
			second.hearsRequest("GET /begun HTTP/1.1")
			second.says("HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nbeginning,")
			_, fields := reading.hearsHead()
			assert.Equal(t, strings.Contains(fmt.Sprint(fields), "close"), false)
			reading.hears("beginning,")

			waiting.asksFor("/asked")
			third := o.next(server, second)
			third.hearsRequest("GET /asked HTTP/1.1")

			p.signal(s)
			idle.hearsEnd()
			fresh.hearsEnd()
			assert.Eventually(t, func() bool { return listening(t, p.port(1)) == 0 }) // the other loop's port, too
			_, err := net.Dial("tcp", p.addr(1))
			assert.Equal(t, errors.Is(err, syscall.ECONNREFUSED), true)
			assert.Equal(t, p.over(), false)
			third.says("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nanswer")
			_, fields = waiting.hearsHead()
			has(t, strings.Join(fields, "\n"), "Connection: close")
			assert.Equal(t, waiting.hearsAll(), "answer")
			p.ends("done")
			second.says(" the end...")
			assert.Equal(t, reading.hearsAll(), " the end..")
			p.exits(0)
		})
	}
}

// next is the connection on which the proxy's next request comes: one of those that it has, or a new one.
func (o *origin) next(have ...*end) *end {
	o.t.Helper()
	var found *end
	assert.Eventually(o.t, func() bool {
		for _, e := range have {
			if e.hasBytes() {
				found = e
				return true
			}
		}
		assert.NoError(o.t, o.Listener.(*net.TCPListener).SetDeadline(time.Now().Add(5*time.Millisecond)))
		if c, err := o.Accept(); err == nil {
			found = newEnd(o.t, c)
			return true
		}
		return false
	})
	return found
}

// TERM is bounded: an answer that does not come to its end is cut when runtime.drain is over.
func TestHTTPTermIsBoundedByDrain(t *testing.T) {
	t.Parallel()
	o := station(t)
	p := run(t, strings.Replace(web, "loops: 2", "loops: 2, drain: 300ms", 1), o.address())
	client := p.dial(1)
	client.asksFor("/")
	server := o.accept()
	server.hearsRequest("GET / HTTP/1.1")
	p.signal(syscall.SIGTERM)
	client.hearsReset()
	server.hearsReset()
	p.exits(0)
	assert.Equal(t, p.ends("drain_timeout").Status, 0)
}

// INT is fast, and so is a second signal, whatever is under way: idle ones, answers, bodies, tunnels.
func TestHTTPFastEnd(t *testing.T) {
	t.Parallel()
	for name, signals := range map[string][]syscall.Signal{
		"INT": {syscall.SIGINT}, "TERM TERM": {syscall.SIGTERM, syscall.SIGTERM}, "TERM INT": {syscall.SIGTERM, syscall.SIGINT},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			arrived := make(chan struct{}, 1)
			o := site(t, func(w http.ResponseWriter, r *http.Request) {
				switch r.URL.Path {
				case "/body":
					arrived <- struct{}{}
					_, _ = io.Copy(io.Discard, r.Body)
				case "/idle":
					_, _ = io.WriteString(w, "ok")
				case "/chat":
					wsEcho(w, r)
				default:
					_, _ = io.WriteString(w, "begun")
					_ = http.NewResponseController(w).Flush()
					<-r.Context().Done()
				}
			})
			p := run(t, web, o.address)
			idle, reading, talking, sending := p.idles("ok"), p.dial(1), p.dial(1), p.dial(1)
			reading.asksFor("/endless")
			reading.hearsHead()
			talking.says(upgrade)
			talking.hearsHead()
			sending.says("POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nbegun")
			<-arrived
			began := time.Now()
			for i, s := range signals {
				p.signal(s)
				if i == 0 && len(signals) > 1 {
					idle.hearsEnd()
				}
			}
			p.exits(0)
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("took %v, with a drain of 30s to wait for", took)
			}
			for _, e := range []*end{reading, talking, sending} {
				if got, err := io.ReadAll(e); !errors.Is(err, syscall.ECONNRESET) {
					t.Errorf("heard %q and %v, want a reset", got, err)
				}
			}
			assert.Equal(t, p.reasons(4), map[string]int{"done": 1, "stopped": 3})
		})
	}
}

// A disk that is full costs log lines and nothing else.
func TestHTTPShortageOfDisk(t *testing.T) {
	t.Parallel()
	p := run(t, web+"log: {access: {to: /dev/full}}", site(t, names("one")).address)
	b := p.browser()
	for range 20 {
		assert.Equal(t, b.gets("/").body, "one")
	}
	assert.Eventually(t, func() bool { return p.stderr.has(syscall.ENOSPC.Error()) })
	for range 20 {
		assert.Equal(t, b.gets("/").body, "one")
	}
	assert.Equal(t, p.stderr.count("access log cannot be written"), 1)
	b.leaves()
	p.signal(syscall.SIGTERM)
	p.exits(0)
}

// Descriptors run out: those who are in are answered, one way or the other, and when there are some again everybody is.
func TestHTTPShortageOfDescriptors(t *testing.T) {
	t.Parallel()
	p := command{
		plain: true, shell: "ulimit -n 64",
		config: fmt.Sprintf(strings.Replace(web, "upstream: back}", "upstream: back, max_connections: 1000}", 1), site(t, names("one")).address),
	}.run(t)
	var clients []*end
	for range 120 {
		e := p.dial(1)
		e.asksFor("/")
		clients = append(clients, e)
	}
	assert.Eventually(t, func() bool { return p.stderr.has("out of descriptors") })
	used := p.cpu()
	p.quiet(500 * time.Millisecond)
	if used = p.cpu() - used; used > 100*time.Millisecond {
		t.Errorf("the proxy used the processor for %v of half a second in which it could do nothing", used)
	}
	for _, e := range clients {
		_ = e.Close()
	}
	served := 0
	assert.Eventually(t, func() bool {
		b := p.browser() // a connection of its own, on either loop
		defer b.leaves()
		if a, err := b.does("GET", "/", nil); err == nil && a.StatusCode == 200 {
			served++
		} else {
			served = 0
		}
		return served == 40
	})
	for len(p.entries) > 0 {
		switch e := p.next(); e.Reason {
		case "done", "client_gone", "client_reset":
		case "fd_exhausted":
			assert.Equal(t, e.Status, 503)
		default:
			t.Errorf("an exchange ended as %+v", e)
		}
	}
}
