package upstream

// Attempts with real leases, on a kernel whose connections the test makes and breaks, and backs that do what it says: no
// protocol is spoken here.

import (
	"fmt"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"sluice/configs"
	"sluice/engine/exchange"
	"sluice/engine/flow"
	"sluice/engine/lease"
	"sluice/engine/loop"
	"sluice/engine/record"
	"sluice/engine/sock"
	"sluice/engine/stat"
	"sluice/internal/assert"
	"sluice/pool"
)

// rig is one exchange after the other, through one proxy. It is the loop's poller, the front, the router, the recorder
// and what hears of shortages.
type rig struct {
	t       *testing.T
	now     int64
	roused  bool
	loop    *loop.Loop
	net     *sock.Net
	conns   map[int]*far
	next    int
	dialing syscall.Errno // what Dial answers

	proxy   *Proxy
	dialer  *lease.Dialer
	backs   []*back
	refuse  bool // backs do not begin
	onBegin func(b *back)

	x        exchange.Exchange
	service  exchange.Service
	route    exchange.Route
	body     body
	got      string
	informed int
	records  []record.Exchange
	cut      bool
	shortage error
}

// far is the far end of a connection.
type far struct {
	rig   *rig
	fd    int
	wrote string
	eof   bool
	err   syscall.Errno
	how   string
}

// newRig makes a proxy for servers as a configuration describes them.
func newRig(t *testing.T, change func(u *configs.Upstream)) *rig {
	t.Helper()
	r := &rig{t: t, now: int64(time.Hour), conns: make(map[int]*far), next: 10}
	r.loop = loop.New(loop.Config{Poller: r, Stats: new(stat.Block), Report: func(value any, stack []byte) {
		t.Errorf("panic: %v\n%s", value, stack)
	}})
	r.net = sock.NewNet(r.loop, kernel{rig: r}, pool.NewArena(0), pool.NewPipes(pool.OSPipes{}, pool.NewPipeBudget(0), 0, 0))
	r.dialer = lease.NewDialer(r.net)
	u := &configs.Upstream{
		Name: "app", Balance: "first", ProxyProtocol: "off", HashOn: "client_ip",
		Servers: []configs.Server{{Address: configs.Address{Network: "tcp", Host: "192.0.2.9", Port: 80}, Weight: 1}},
		Pool:    configs.Pool{MaxIdle: 8, IdleTimeout: time.Minute}, Timeouts: configs.UpstreamTimeouts{Connect: 3 * time.Second},
	}
	if change != nil {
		change(u)
	}
	up, _, issues := lease.Compile(u, lease.Deps{Config: new(configs.Config), Loops: 1})
	assert.Equal(t, len(issues), 0)
	r.proxy = &Proxy{Origins: NewOrigins(r.net, r.dialer, r.newBack), Upstream: up, Connect: time.Second, Shortage: r,
		Retry: Retry{Connect: true, Percent: 20, Budget: NewBudget(1)}}
	patient := exchange.Timeouts{BodyIdle: time.Minute, FirstByte: time.Minute, Idle: time.Minute, WriteIdle: time.Minute, Tunnel: time.Hour}
	r.route = exchange.Route{Handler: r.proxy, Timeouts: patient}
	r.service = exchange.Service{Router: r, Recorder: r, Timeouts: patient}
	r.x.Bind(r.loop, r.net.Buffers)
	return r
}

// ask sends a request, with a body if text is not empty.
func (r *rig) ask(method, text string, fields ...string) {
	h := &r.x.Request
	h.Method, h.Target = h.StoreString(method), h.StoreString("/p?q")
	h.AddString("Host", "a.example")
	h.Authority = h.Fields()[0].Value
	for i := 0; i < len(fields); i += 2 {
		h.AddString(fields[i], fields[i+1])
	}
	r.body = body{rest: text}
	r.x.RequestBody = int64(len(text))
	r.x.Client = netip.MustParseAddrPort("198.51.100.1:1000")
	r.x.Peer, r.x.Port = r.x.Client, 80
	r.x.Begin(r, &r.service)
	r.settle()
}

// connect lets the last dial succeed, refuse lets it fail.
func (r *rig) connect() *far {
	c := r.conns[r.next-1]
	c.event(loop.Writable)
	return c
}

func (r *rig) refused() {
	c := r.conns[r.next-1]
	c.err = syscall.ECONNREFUSED
	c.event(loop.Failed | loop.Hangup)
}

// back is the last back that was made.
func (r *rig) back() *back { return r.backs[len(r.backs)-1] }

// over wants the exchange to be over, for why, and makes room for the next.
func (r *rig) over(why record.Reason, status int) record.Exchange {
	r.t.Helper()
	r.settle()
	if len(r.records) != 1 {
		r.t.Fatalf("%d records", len(r.records))
	}
	got := r.records[0]
	assert.Equal(r.t, fmt.Sprint(got.Reason, " ", got.Status), fmt.Sprint(why, " ", status))
	r.records, r.got, r.cut, r.informed = nil, "", false, 0
	assert.Equal(r.t, r.proxy.Origins.attempts.Live(), 0)
	assert.Equal(r.t, r.dialer.Pending(), 0)
	assert.Equal(r.t, r.proxy.Upstream.Set().Backends()[0].InUse(), 0)
	r.x.Clear()
	return got
}

// home closes what is idle and checks that nothing is left.
func (r *rig) home() {
	r.t.Helper()
	r.dialer.CloseIdle()
	r.settle()
	assert.Equal(r.t, []int{r.net.Open(), r.net.Buffers.InUse(), int(r.loop.Stats().Get(stat.HTTPBackIdle))}, []int{0, 0, 0})
	for _, c := range r.conns {
		if c.how == "" {
			r.t.Errorf("descriptor %d is still open", c.fd)
		}
	}
	for i, b := range r.backs {
		if b.finished+b.cancelled != 1 {
			r.t.Errorf("back %d was finished %d and cancelled %d times", i, b.finished, b.cancelled)
		}
	}
}

func (r *rig) count(id stat.ID) int { return int(r.loop.Stats().Get(id)) }

func (r *rig) settle() {
	r.loop.Event(9999, 0)
	for r.roused {
		r.roused = false
		r.loop.Turn()
	}
}

func (c *far) event(ev loop.Events) {
	c.rig.loop.Event(c.fd, ev)
	c.rig.settle()
}

// end has the server close.
func (c *far) end() { c.eof = true; c.event(loop.Readable | loop.ReadShut) }

// The front.

func (r *rig) Source(*exchange.Exchange) flow.Source { return &r.body }
func (r *rig) Inform(*exchange.Exchange)             { r.informed++ }
func (r *rig) WriteHead(*exchange.Exchange) bool     { return true }
func (r *rig) Sink(*exchange.Exchange) flow.Sink     { return r }
func (r *rig) Switch(*exchange.Exchange)             {}
func (r *rig) Received(*exchange.Exchange)           {}
func (r *rig) Local(*exchange.Exchange) netip.AddrPort {
	return netip.MustParseAddrPort("192.0.2.2:80")
}
func (r *rig) Backlog(*exchange.Exchange) int      { return 0 }
func (r *rig) Over(_ *exchange.Exchange, cut bool) { r.cut = cut }
func (r *rig) Exchange(x *exchange.Exchange)       { r.records = append(r.records, x.Record) }
func (r *rig) ShortOfDescriptors(cause error)      { r.shortage = cause }
func (r *rig) Abort(*flow.Flow, error)             {}
func (r *rig) Route(*exchange.Exchange) (*exchange.Route, record.Reason) {
	return &r.route, record.None
}

func (r *rig) Write(f *flow.Flow, c *flow.Chunk, _ bool) {
	r.got += string(c.Bytes)
	f.Advance(c.Len())
	f.Done()
}

// body is a request's body in one piece.
type body struct {
	rest    string
	asked   int
	stopped int
}

func (b *body) Proceed(f *flow.Flow) {
	b.asked++
	f.Send(flow.Chunk{Bytes: []byte(b.rest)}, true)
}
func (b *body) Stop(*flow.Flow, error) { b.stopped++ }

// back is a Back that the test speaks for. It is the sink of the request's body and the source of the answer's.
type back struct {
	rig       *rig
	conn      *sock.Conn
	x         *exchange.Exchange
	to        exchange.Attempt
	got       string
	hold      bool // takes nothing of the body
	reusable  bool
	answer    string
	flow      *flow.Flow
	finished  int
	cancelled int
	switched  bool
}

func (r *rig) newBack(c *sock.Conn) exchange.Back {
	b := &back{rig: r, conn: c, reusable: true}
	r.backs = append(r.backs, b)
	return b
}

func (b *back) Begin(x *exchange.Exchange, to exchange.Attempt) bool {
	b.x, b.to = x, to
	if b.rig.refuse {
		return false
	}
	b.conn.Own(b)
	b.conn.Queue([]byte("request"))
	if b.rig.onBegin != nil {
		b.rig.onBegin(b)
	}
	return true
}

func (b *back) Sink() flow.Sink                  { return b }
func (b *back) Source() flow.Source              { return b }
func (b *back) Switch()                          { b.switched = true }
func (b *back) Finish() bool                     { b.finished++; return b.reusable }
func (b *back) Cancel()                          { b.cancelled++ }
func (b *back) Connected(*sock.Conn)             {}
func (b *back) Broken(*sock.Conn, syscall.Errno) {}
func (b *back) Abort(*flow.Flow, error)          {}
func (b *back) Stop(*flow.Flow, error)           {}

func (b *back) Write(f *flow.Flow, c *flow.Chunk, _ bool) {
	b.flow = f
	if b.hold {
		return
	}
	b.got += string(c.Bytes)
	f.Advance(c.Len())
	f.Done()
}

func (b *back) Proceed(f *flow.Flow) { f.Send(flow.Chunk{Bytes: []byte(b.answer)}, true) }

// answers tells of an answer with that body.
func (b *back) answers(status int, text string) {
	b.x.Response.Status, b.x.ResponseBody, b.answer = status, int64(len(text)), text
	b.to.Answered()
	b.rig.settle()
}

// fails tells that there will be none.
func (b *back) fails(err record.Error) {
	b.to.Failed(&err)
	b.rig.settle()
}

// kernel is the rig as a sock.Sys.
type kernel struct {
	sock.Sys
	rig *rig
}

func (k kernel) Dial(*sock.Addr) (int, syscall.Errno) {
	if k.rig.dialing != 0 {
		return -1, k.rig.dialing
	}
	c := &far{rig: k.rig, fd: k.rig.next}
	k.rig.conns[c.fd] = c
	k.rig.next++
	return c.fd, 0
}

func (k kernel) NoDelay(int)                  {}
func (k kernel) KeepAlive(int)                {}
func (k kernel) Local(int) netip.AddrPort     { return netip.AddrPort{} }
func (k kernel) Failure(fd int) syscall.Errno { return k.rig.conns[fd].err }
func (k kernel) Unsent(int) int               { return 0 }
func (k kernel) ResetOnClose(fd int)          { k.rig.conns[fd].how = "reset" }

func (k kernel) Close(fd int) {
	if k.rig.conns[fd].how == "" {
		k.rig.conns[fd].how = "close"
	}
}

func (k kernel) Read(fd int, _ []byte) (int, syscall.Errno) {
	if k.rig.conns[fd].eof {
		return 0, 0
	}
	return 0, syscall.EAGAIN
}

func (k kernel) Write(fd int, p []byte) (int, syscall.Errno) {
	k.rig.conns[fd].wrote += string(p)
	return len(p), 0
}

// The poller.

func (r *rig) Add(int) error              { return nil }
func (r *rig) AddListener(int) error      { return nil }
func (r *rig) Delete(int) error           { return nil }
func (r *rig) Wake() error                { return nil }
func (r *rig) Rouse()                     { r.roused = true }
func (r *rig) Arm(int64)                  {}
func (r *rig) Now() int64                 { return r.now }
func (r *rig) Wall() int64                { return r.now }
func (r *rig) Poll(loop.Dispatcher) error { return nil }
func (r *rig) Close() error               { return nil }
