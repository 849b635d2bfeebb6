package engine

// Loops beside each other: they share the connections, and what goes wrong in one connection stays in it.

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"sluice/configs"
	"sluice/engine/exchange"
	"sluice/engine/flow"
	"sluice/engine/record"
	"sluice/engine/relay"
	"sluice/engine/sock"
	"sluice/engine/stat"
	"sluice/internal/assert"
)

// webOrigin is an HTTP server that sends a request's body back.
func webOrigin(t *testing.T) (addr string) {
	t.Helper()
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	assert.NoError(t, err)
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		_, _ = w.Write(body)
	})}
	go func() { _ = server.Serve(ln) }()
	t.Cleanup(func() { _ = server.Close() })
	return ln.Addr().String()
}

// parseHTTP is parse for HTTP.
func parseHTTP(t *testing.T, server, bind string) *configs.Config {
	t.Helper()
	cfg, err := configs.Parse("test.yaml", []byte(`
listeners: {web: {bind: "`+bind+`", upstream: app}}
upstreams: {app: {servers: ["`+server+`"]}}
runtime: {loops: 2}
log: {access: {to: "off"}}
`))
	assert.NoError(t, err)
	return cfg
}

// posts sends a request with a body, on a connection that stays, and wants the body back.
func posts(t *testing.T, c net.Conn, body string) {
	t.Helper()
	request, err := http.NewRequest("POST", "http://x/", strings.NewReader(body))
	assert.NoError(t, err)
	assert.NoError(t, request.Write(c))
	answer, err := http.ReadResponse(bufio.NewReader(c), request)
	assert.NoError(t, err)
	got, err := io.ReadAll(answer.Body)
	assert.NoError(t, err)
	assert.Equal(t, answer.StatusCode, 200)
	assert.Equal(t, string(got), body)
}

// The kernel deals connections out to both loops, and each carries the bytes of its own.
func TestLoopsShareConnections(t *testing.T) {
	t.Parallel()
	const connections, size = 64, 1600
	for _, row := range []struct {
		name  string
		parse func(at string) *configs.Config
		use   func(c net.Conn)
	}{
		{"tcp", func(at string) *configs.Config { return parse(t, origin(t), at) }, func(c net.Conn) { echo(t, c, size) }},
		{"http", func(at string) *configs.Config { return parseHTTP(t, webOrigin(t), at) },
			func(c net.Conn) { posts(t, c, strings.Repeat("x", size)) }},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			at := freePort()
			e := start(t, row.parse(at))
			var all []net.Conn
			for range connections {
				all = append(all, dial(t, "tcp4", at))
			}
			for _, c := range all {
				row.use(c)
				_ = c.Close()
			}
			assert.Eventually(t, func() bool { return e.Active() == 0 })
			loops := e.Counters()
			assert.Equal(t, len(loops), 2)
			for i := range loops {
				accepted := loops[i].Get(stat.Accepted)
				if accepted == 0 {
					t.Errorf("loop %d has had none of %d connections", i, connections)
				}
				assert.Equal(t, loops[i].Get(stat.BytesUp), accepted*size)
				assert.Equal(t, loops[i].Get(stat.BytesDown), accepted*size)
			}
			total := stat.Sum(loops...)
			assert.Equal(t, total.Get(stat.Accepted), uint64(connections))
			e.Stop()
		})
	}
}

// trap is a service whose first connections fall into another one.
type trap struct {
	service
	pit  sock.Acceptor
	room *atomic.Int32 // how many fall, over all loops
}

// Accept implements sock.Acceptor.
func (s trap) Accept(c *sock.Conn, gate *sock.Gate) {
	if s.room.Add(-1) >= 0 {
		s.pit.Accept(c, gate)
		return
	}
	s.service.Accept(c, gate)
}

// clumsy is a recorder that panics.
type clumsy struct{}

func (clumsy) Conn(*record.Conn) { panic("planted in the recorder") }

// logbook is what operators are told.
type logbook struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logbook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// newPlanted is New, with plant called for each loop before it runs.
func newPlanted(t *testing.T, cfg *configs.Config, plant func(*Engine, *core)) (*Engine, *logbook) {
	t.Helper()
	book := &logbook{}
	e, err := New(cfg, slog.New(slog.NewTextHandler(book, nil)))
	assert.NoError(t, err)
	for _, c := range e.cores {
		plant(e, c)
	}
	assert.NoError(t, e.Start())
	return e, book
}

// reset waits for a connection's reset, after any bytes.
func reset(t *testing.T, c net.Conn) {
	t.Helper()
	if got, err := io.ReadAll(c); !errors.Is(err, unix.ECONNRESET) {
		t.Errorf("heard %q and %v, want a reset", got, err)
	}
}

// unharmed checks that an engine with n panics behind it has lost nothing else.
func unharmed(t *testing.T, e *Engine, book *logbook, n int) {
	t.Helper()
	assert.Eventually(t, func() bool {
		total := stat.Sum(e.Counters()...)
		return total.Get(stat.Active) == 0 && total.Get(stat.BuffersInUse) == 0
	})
	total := stat.Sum(e.Counters()...)
	assert.Equal(t, total.Get(stat.Panics), uint64(n))
	assert.Equal(t, e.Drain(context.Background()), 0)
	assert.NoError(t, e.Wait())
	assert.Equal(t, strings.Count(book.text.String(), "a fault in the proxy"), n)
	assert.Equal(t, strings.Contains(book.text.String(), "planted") || strings.Contains(book.text.String(), "nil pointer"), true)
}

// A panic in what handles one connection costs that connection; its neighbours on both loops do not notice.
func TestAPanicCostsOneConnection(t *testing.T) {
	t.Parallel()
	for name, pit := range map[string]func(e *Engine, c *core) sock.Acceptor{
		"at its beginning": func(_ *Engine, c *core) sock.Acceptor { // it has no routes, not even an empty table
			return relay.New(&relay.Service{Names: &record.Names{}}, c.net, c.dialer, c)
		},
		"at its end": func(e *Engine, c *core) sock.Acceptor {
			return relay.New(e.now.Load().stations[0].plan.(tcpPlan).service, c.net, c.dialer, clumsy{})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var room atomic.Int32
			at := freePort()
			e, book := newPlanted(t, parse(t, origin(t), at), func(e *Engine, c *core) {
				services := e.now.Load().shares[c.loop.Index()].services
				services[0] = trap{services[0], pit(e, c), &room}
			})
			var neighbours []net.Conn
			for range 16 {
				c := dial(t, "tcp4", at)
				greet(t, c)
				neighbours = append(neighbours, c)
			}
			room.Store(1)
			victim, err := net.Dial("tcp4", at)
			switch { // a reset may overtake the news that the connection stands
			case name == "at its end":
				assert.NoError(t, err)
				greet(t, victim)
				echo(t, victim, 1600)
			case !errors.Is(err, unix.ECONNRESET):
				assert.NoError(t, err)
				reset(t, victim)
				_ = victim.Close()
			}
			for _, c := range neighbours {
				greet(t, c)
				echo(t, c, 1600)
			}
			for range 16 {
				echo(t, dial(t, "tcp4", at), 160)
			}
			unharmed(t, e, book, 1)
		})
	}
}

// mine panics in the gate, the stage or the body that a request asks for.
type mine struct{}

// Check implements exchange.Gate.
func (mine) Check(x *exchange.Exchange) exchange.Verdict {
	if string(x.Request.Path()) == "/gate" {
		panic("planted in a gate")
	}
	return exchange.Next
}

// Join implements exchange.Stage.
func (mine) Join(x *exchange.Exchange, src flow.Source) flow.Source {
	switch string(x.Request.Path()) {
	case "/stage":
		panic("planted in a stage")
	case "/body":
		return bomb{src}
	}
	return src
}

// bomb is a body that panics when it is asked for.
type bomb struct{ flow.Source }

// Proceed implements flow.Source.
func (bomb) Proceed(*flow.Flow) { panic("planted in a body") }

// A panic in what handles one request costs its connection; the other clients' requests are answered.
func TestAPanicCostsOneRequest(t *testing.T) {
	t.Parallel()
	at := freePort()
	e, book := newPlanted(t, parseHTTP(t, webOrigin(t), at), func(e *Engine, c *core) {
		st := e.now.Load().stations[0]
		mined := *st.plan.(*httpPlan)
		mined.routes = append([]httpRoute(nil), mined.routes...)
		r := &mined.routes[0].route
		r.Gates, r.Stages = append(r.Gates[:len(r.Gates):len(r.Gates)], mine{}), append(r.Stages[:len(r.Stages):len(r.Stages)], mine{})
		e.now.Load().shares[c.loop.Index()].services[0] = mined.on(c, st.gate).serve()
	})
	var neighbours []net.Conn
	for range 16 {
		c := dial(t, "tcp4", at)
		posts(t, c, "hello")
		neighbours = append(neighbours, c)
	}
	paths := []string{"/gate", "/stage", "/body"}
	for _, path := range paths {
		victim := dial(t, "tcp4", at)
		posts(t, victim, "hello")
		_, err := io.WriteString(victim, "POST "+path+" HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello")
		assert.NoError(t, err)
		reset(t, victim)
		for _, c := range neighbours {
			posts(t, c, path)
		}
	}
	for _, c := range neighbours {
		posts(t, c, "goodbye")
		_ = c.Close()
	}
	unharmed(t, e, book, len(paths))
	totals := e.Totals()
	for i, what := range totals {
		if what == record.Internal.String() {
			assert.Equal(t, totals[i+1], any(uint64(len(paths))))
			return
		}
	}
	t.Errorf("the totals do not mention what happened: %v", totals)
}
