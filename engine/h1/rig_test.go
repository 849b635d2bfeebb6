package h1

// Clients and servers without a network: fronts and backs on a loop whose clock the test moves, and a kernel whose sockets
// take and give exactly what the test says. When a test is over, the rig checks that everything came home.

import (
	"fmt"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"sluice/engine/exchange"
	"sluice/engine/flow"
	"sluice/engine/h1/wire"
	"sluice/engine/loop"
	"sluice/engine/record"
	"sluice/engine/sock"
	"sluice/engine/stat"
	"sluice/internal/assert"
	"sluice/pool"
)

// listening is the descriptor of the rig's listener.
const listening = 3

// socket is the far end of a connection, as its peer sees it.
type socket struct {
	rig    *rig
	fd     int
	in     string // what has arrived and was not read
	eof    bool
	err    syscall.Errno
	out    strings.Builder // what was written and the test has not looked at
	room   int             // bytes it still takes; below 0 there is no end
	sends  int
	unsent int
	shut   bool
	how    string // how it was closed, or ""
}

// rig is the world of one test: the loop's poller, its kernel, the router and the recorder.
type rig struct {
	t       *testing.T
	now     int64
	armed   int64
	roused  bool
	loop    *loop.Loop
	net     *sock.Net
	sockets map[int]*socket
	next    int
	waiting []*socket // for accept
	peer    netip.AddrPort

	config  Config
	service exchange.Service
	route   exchange.Route
	server  *Server
	gate    *sock.Gate
	backs   *Backs
	serve   func(x *exchange.Exchange)
	records []string
	faults  bool // panics are part of the test
}

func newRig(t *testing.T, change func(r *rig)) *rig {
	t.Helper()
	r := &rig{t: t, now: int64(time.Hour), sockets: make(map[int]*socket), next: 10, gate: sock.NewGate(0), backs: NewBacks()}
	r.peer = netip.MustParseAddrPort("192.0.2.1:1000")
	r.loop = loop.New(loop.Config{Poller: r, Stats: new(stat.Block), Report: func(value any, stack []byte) {
		if !r.faults {
			t.Errorf("panic: %v\n%s", value, stack)
		}
	}})
	r.net = sock.NewNet(r.loop, kernel{rig: r}, pool.NewArena(0), pool.NewPipes(pool.OSPipes{}, pool.NewPipeBudget(0), 0, 0))
	r.config = Config{
		Names: &record.Names{Listener: "web"}, Port: 80,
		Timeouts: Timeouts{Header: 15 * time.Second, Idle: 75 * time.Second, ProxyHeader: 3 * time.Second},
		Limits:   wire.Limits{Head: 16 << 10, Fields: 100, Target: 8 << 10},
	}
	patient := exchange.Timeouts{
		BodyIdle: 30 * time.Second, FirstByte: 60 * time.Second, Idle: 50 * time.Second, WriteIdle: 40 * time.Second,
		Tunnel: time.Hour, HalfClosed: 20 * time.Second,
	}
	r.route = exchange.Route{Handler: r, Timeouts: patient, Upgrade: []string{"websocket"}, Connect: true}
	r.service = exchange.Service{Router: r, Recorder: r, Timeouts: patient}
	if change != nil {
		change(r)
	}
	r.server = NewServer(&r.config, r.net, &r.service)
	_, err := sock.NewListener(r.net, sock.ListenerConfig{
		FD: listening, Gate: r.gate, Targets: []sock.Target{{Net: r.net, Acceptor: r.server}},
	})
	assert.NoError(t, err)
	return r
}

// home ends what is still open and checks that nothing is left.
func (r *rig) home() {
	r.t.Helper()
	r.server.StopAll(record.Stopped)
	for range 3 {
		r.settle()
		r.pass(time.Minute)
	}
	for _, s := range r.sockets {
		if s.how == "" && s.fd >= 0 {
			r.t.Errorf("descriptor %d is still open", s.fd)
		}
	}
	stats := r.loop.Stats()
	assert.Equal(r.t, r.gate.Used(), int64(0))
	assert.Equal(r.t, []int{r.net.Open(), r.net.Leaving(), r.net.Lingering(), r.net.Buffers.InUse()}, []int{0, 0, 0, 0})
	assert.Equal(r.t, []int{r.server.fronts.Live(), r.server.streams.Live(), r.backs.list.Live(), r.server.Active()}, []int{0, 0, 0, 0})
	assert.Equal(r.t, []uint64{stats.Get(stat.HTTPIdle), stats.Get(stat.HTTPActive), stats.Get(stat.Active)}, []uint64{0, 0, 0})
}

// settle lets the loop do everything that it can do now.
func (r *rig) settle() {
	r.loop.Event(9999, 0)
	for r.roused {
		r.roused = false
		r.loop.Turn()
	}
}

// pass lets time go by.
func (r *rig) pass(d time.Duration) {
	end := r.now + int64(d)
	for r.armed != 0 && r.armed <= end {
		r.now, r.armed = max(r.now, r.armed), 0
		r.loop.Tick()
		r.settle()
	}
	r.now = end
	r.settle()
}

// recorded takes the records that have come since the last look: reasons and statuses.
func (r *rig) recorded(want ...string) {
	r.t.Helper()
	got := r.records
	r.records = nil
	assert.Equal(r.t, strings.Join(got, ", "), strings.Join(want, ", "))
}

// connect accepts a client, up to its first event.
func (r *rig) connect() *socket {
	s := r.newSocket()
	r.waiting = append(r.waiting, s)
	r.loop.Event(listening, loop.Readable)
	s.event(loop.Writable)
	return s
}

// dial connects to a server.
func (r *rig) dial() (*sock.Conn, *socket) {
	c, err := r.net.Dial(&sock.Addr{Addr: netip.MustParseAddrPort("192.0.2.9:80")}, &idler{})
	assert.Equal(r.t, err, 0)
	s := r.sockets[r.next-1]
	s.event(loop.Writable)
	return c, s
}

// idler owns a connection that nobody uses yet.
type idler struct{}

func (*idler) Connected(*sock.Conn)             {}
func (*idler) Broken(*sock.Conn, syscall.Errno) {}

func (r *rig) newSocket() *socket {
	s := &socket{rig: r, fd: r.next, room: -1}
	r.sockets[r.next] = s
	r.next++
	return s
}

// event hands over hints, and lets the loop do all that follows.
func (s *socket) event(ev loop.Events) {
	s.rig.loop.Event(s.fd, ev)
	s.rig.settle()
}

// say has bytes arrive, one piece after the other.
func (s *socket) say(pieces ...string) *socket {
	for _, piece := range pieces {
		s.in += piece
		s.event(loop.Readable)
	}
	return s
}

// end is a FIN, reset an RST.
func (s *socket) end() { s.eof = true; s.event(loop.Readable | loop.ReadShut) }

func (s *socket) reset() {
	s.err = syscall.ECONNRESET
	s.event(loop.Readable | loop.ReadShut | loop.Failed | loop.Hangup)
}

// drink has it take n more bytes.
func (s *socket) drink(n int) {
	s.room += n
	s.event(loop.Writable)
}

// got takes what has arrived since the last look.
func (s *socket) got() string {
	text := s.out.String()
	s.out.Reset()
	return text
}

// expect compares what has arrived.
func (s *socket) expect(want string) {
	s.rig.t.Helper()
	assert.Equal(s.rig.t, undated(s.got()), want)
}

// undated leaves the Date out, which the proxy's own answers have.
func undated(text string) string {
	before, rest, found := strings.Cut(text, "Date: ")
	if !found {
		return text
	}
	_, rest, _ = strings.Cut(rest, "\r\n")
	return before + undated(rest)
}

// closed wants the connection to have ended so: "close" or "reset", behind "shut" where the FIN came first.
func (s *socket) closed(want string) {
	s.rig.t.Helper()
	s.rig.settle()
	got := s.how
	if s.shut {
		got = strings.TrimSpace("shut " + got)
	}
	assert.Equal(s.rig.t, got, want)
}

// kernel is the rig as a sock.Sys.
type kernel struct {
	sock.Sys
	rig *rig
}

func (k kernel) Accept(int) (int, netip.AddrPort, syscall.Errno) {
	if len(k.rig.waiting) == 0 {
		return -1, netip.AddrPort{}, syscall.EAGAIN
	}
	s := k.rig.waiting[0]
	k.rig.waiting = k.rig.waiting[1:]
	return s.fd, k.rig.peer, 0
}

func (k kernel) Dial(*sock.Addr) (int, syscall.Errno) { return k.rig.newSocket().fd, 0 }
func (k kernel) NoDelay(int)                          {}
func (k kernel) KeepAlive(int)                        {}
func (k kernel) Local(int) netip.AddrPort             { return netip.MustParseAddrPort("192.0.2.2:81") }
func (k kernel) Failure(fd int) syscall.Errno         { return k.rig.sockets[fd].err }
func (k kernel) Unsent(fd int) int                    { return k.rig.sockets[fd].unsent }
func (k kernel) ShutdownWrite(fd int) syscall.Errno   { k.rig.sockets[fd].shut = true; return 0 }
func (k kernel) ResetOnClose(fd int)                  { k.rig.sockets[fd].how = "resetting" }

func (k kernel) Close(fd int) {
	s := k.rig.sockets[fd]
	switch s.how {
	case "":
		s.how = "close"
	case "resetting":
		s.how = "reset"
	default:
		k.rig.t.Errorf("descriptor %d is closed twice", fd)
	}
}

func (k kernel) Read(fd int, p []byte) (int, syscall.Errno) {
	s := k.rig.sockets[fd]
	switch {
	case len(s.in) > 0:
		n := copy(p, s.in)
		s.in = s.in[n:]
		return n, 0
	case s.err != 0:
		return 0, s.err
	case s.eof:
		return 0, 0
	}
	return 0, syscall.EAGAIN
}

func (k kernel) Write(fd int, p []byte) (int, syscall.Errno) {
	return k.WriteParts(fd, &sock.Parts{p})
}

func (k kernel) WriteParts(fd int, p *sock.Parts) (int, syscall.Errno) {
	s := k.rig.sockets[fd]
	if s.err != 0 {
		return 0, syscall.EPIPE
	}
	s.sends++
	total := 0
	for _, part := range p {
		n := len(part)
		if s.room >= 0 {
			n = min(n, s.room)
			s.room -= n
		}
		s.out.Write(part[:n])
		total += n
	}
	if total == 0 && p.Len() > 0 {
		return 0, syscall.EAGAIN
	}
	return total, 0
}

// The poller.

func (r *rig) Add(int) error              { return nil }
func (r *rig) AddListener(int) error      { return nil }
func (r *rig) Delete(int) error           { return nil }
func (r *rig) Wake() error                { return nil }
func (r *rig) Rouse()                     { r.roused = true }
func (r *rig) Arm(at int64)               { r.armed = at }
func (r *rig) Now() int64                 { return r.now }
func (r *rig) Wall() int64                { return r.now }
func (r *rig) Poll(loop.Dispatcher) error { return nil }
func (r *rig) Close() error               { return nil }

// The router, the recorder and the handler.

func (r *rig) Route(*exchange.Exchange) (*exchange.Route, record.Reason) {
	return &r.route, record.None
}

func (r *rig) Exchange(x *exchange.Exchange) {
	r.records = append(r.records, fmt.Sprint(x.Record.Reason, " ", x.Record.Status))
}

func (r *rig) Serve(x *exchange.Exchange) { r.serve(x) }

// reply answers with a fixed body.
func reply(body string) func(x *exchange.Exchange) {
	return func(x *exchange.Exchange) {
		x.Response.Status = 200
		x.Reply([]byte(body))
	}
}

// reader is a handler at work that takes the request's body, and answers with it.
type reader struct {
	x        *exchange.Exchange
	got      []byte
	trailers string
	ended    error
	hold     bool
	flow     *flow.Flow
	chunk    *flow.Chunk
	end      bool
	gone     bool
	chunks   int
}

func (k *reader) serve(x *exchange.Exchange) {
	*k = reader{x: x, hold: k.hold}
	x.Serving = k
	if x.RequestBody == 0 {
		k.answer()
		return
	}
	x.SendBody(k)
}

func (k *reader) Write(f *flow.Flow, c *flow.Chunk, end bool) {
	k.flow, k.chunk, k.end = f, c, end
	k.chunks++
	if !k.hold {
		k.take()
	}
}

func (k *reader) take() {
	k.got = append(k.got, k.chunk.Bytes...)
	end := k.end
	k.flow.Advance(k.chunk.Len())
	k.flow.Done()
	if end {
		k.answer()
	}
}

func (k *reader) answer() {
	for i, f := range k.x.RequestTrailers.Fields() {
		if i > 0 {
			k.trailers += ", "
		}
		k.trailers += string(k.x.RequestTrailers.Bytes(f.Name)) + "=" + string(k.x.RequestTrailers.Bytes(f.Value))
	}
	k.x.Response.Status = 200
	k.x.Reply(k.got)
}

func (k *reader) Abort(_ *flow.Flow, err error) { k.ended = err }
func (k *reader) Delivered(*exchange.Exchange)  {}
func (k *reader) Cancel(*exchange.Exchange)     { k.gone = true }
