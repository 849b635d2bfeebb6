package exchange

// An exchange between a scripted front and a scripted handler, on a loop whose clock the test moves. When it is over, the
// rig checks what must hold however it came out: it was recorded once, given back once, its handler told once, its
// buffers are home, and nothing of it comes up later.

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"sluice/engine/flow"
	"sluice/engine/loop"
	"sluice/engine/record"
	"sluice/engine/stat"
	"sluice/internal/assert"
	"sluice/pool"
)

var errBroken = errors.New("broken")

// rig is one exchange and everything around it. It is the loop's poller, the exchange's front, router and recorder.
type rig struct {
	t      *testing.T
	now    int64
	armed  int64 // 0 when nothing is
	roused bool
	loop   *loop.Loop
	arena  *pool.Arena

	x       Exchange
	route   Route
	unfound record.Reason // why there is no route
	service Service

	body     source // of the request
	client   sink   // of the answer
	server   handler
	log      []string // what the front was told
	refuse   int      // heads that do not fit
	backlog  int
	received int // bodies
	records  []record.Exchange
	overs    int
	cut      bool
}

func newRig(t *testing.T) *rig {
	r := &rig{t: t, now: int64(time.Hour), arena: pool.NewArena(0)}
	r.loop = loop.New(loop.Config{Poller: r, Stats: new(stat.Block), Report: func(value any, stack []byte) {
		t.Errorf("panic: %v\n%s", value, stack)
	}})
	r.body.rig, r.server.answer.rig, r.server.rig = r, r, r
	r.route = Route{Handler: &r.server, Names: &record.Names{Route: "r"}, Timeouts: patient}
	r.service = Service{Router: r, Recorder: r, Timeouts: patient}
	r.x.Bind(r.loop, r.arena)
	return r
}

// patient are timeouts as a listener has them.
var patient = Timeouts{
	BodyIdle: 30 * time.Second, FirstByte: 60 * time.Second, Idle: 50 * time.Second, WriteIdle: 40 * time.Second,
	Tunnel: time.Hour, HalfClosed: 20 * time.Second,
}

// request fills in a request with a body of that length.
func (r *rig) request(method string, body int64, fields ...string) {
	h := &r.x.Request
	h.Method, h.Target = h.StoreString(method), h.StoreString("/")
	h.AddString("Host", "a.example")
	h.Authority = h.Fields()[0].Value
	for i := 0; i < len(fields); i += 2 {
		h.AddString(fields[i], fields[i+1])
	}
	r.x.RequestBody = body
	r.x.Peer = netip.MustParseAddrPort("192.0.2.1:1")
	r.x.Client = r.x.Peer
}

// begin lets the exchange run as far as it gets by itself.
func (r *rig) begin() {
	r.x.Begin(r, &r.service)
	r.settle()
}

// get is the shortest request.
func (r *rig) get() {
	r.request("GET", 0)
	r.begin()
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

// over checks the end.
func (r *rig) over(why record.Reason) record.Exchange {
	r.t.Helper()
	r.settle()
	if len(r.records) != 1 || r.overs != 1 {
		r.t.Fatalf("recorded %d times, given back %d times, %s", len(r.records), r.overs, r.x.State())
	}
	assert.Equal(r.t, r.records[0].Reason, why)
	assert.Equal(r.t, r.x.State(), Over)
	if told := r.server.delivered + r.server.cancelled; told > r.server.served || r.server.owed && told != 1 {
		r.t.Fatalf("the handler was told %d times of its end", told)
	}
	assert.Equal(r.t, r.x.Busy(), false)
	heard := len(r.log)
	r.x.Clear()
	r.pass(3 * time.Hour)
	assert.Equal(r.t, []int{len(r.records), r.overs, len(r.log)}, []int{1, 1, heard})
	assert.Equal(r.t, r.arena.InUse(), 0)
	assert.Equal(r.t, r.x.State(), Unused)
	return r.records[0]
}

// again makes the rig ready for another request.
func (r *rig) again() {
	r.records, r.log, r.overs, r.cut = nil, nil, 0, false
	r.body, r.client = source{rig: r}, sink{}
	r.server = handler{rig: r, serve: r.server.serve}
	r.server.answer.rig = r
}

// running checks that the exchange is not over.
func (r *rig) running() {
	r.t.Helper()
	r.settle()
	if len(r.records) > 0 {
		r.t.Fatalf("over: %s", r.records[0].Reason)
	}
}

// ends lets time pass up to the moment when the exchange must end, and not before.
func (r *rig) ends(after time.Duration, why record.Reason) {
	r.t.Helper()
	r.pass(after - 100*time.Millisecond)
	r.running()
	r.pass(200 * time.Millisecond)
	assert.Equal(r.t, len(r.records), 1)
	assert.Equal(r.t, r.records[0].Reason, why)
}

// heard compares what the front was told.
func (r *rig) heard(want ...string) {
	r.t.Helper()
	assert.Equal(r.t, r.log, want)
}

func (r *rig) note(format string, args ...any) { r.log = append(r.log, fmt.Sprintf(format, args...)) }

// The router and the recorder.

func (r *rig) Route(*Exchange) (*Route, record.Reason) {
	if r.unfound != record.None {
		return nil, r.unfound
	}
	return &r.route, record.None
}

func (r *rig) Exchange(x *Exchange) {
	if x.State() != Over {
		r.t.Errorf("recorded while %s", x.State())
	}
	r.records = append(r.records, x.Record)
}

// The front.

func (r *rig) Source(*Exchange) flow.Source {
	r.note("source")
	return &r.body
}

// Received comes when the body has been passed on, and nothing has been answered.
func (r *rig) Received(x *Exchange) {
	r.received++
	if x.Unfinished() || x.Answered() {
		r.t.Error("a body was received that is not whole, or whose answer has begun")
	}
}

func (r *rig) Local(*Exchange) netip.AddrPort { return netip.MustParseAddrPort("192.0.2.2:80") }

func (r *rig) Inform(x *Exchange) { r.note("inform %d", x.Response.Status) }

func (r *rig) WriteHead(x *Exchange) bool {
	if r.refuse > 0 {
		r.refuse--
		r.note("no head %d", x.Response.Status)
		return false
	}
	r.note("head %d, body %d", x.Response.Status, x.ResponseBody)
	return true
}

func (r *rig) Sink(*Exchange) flow.Sink { return &r.client }
func (r *rig) Switch(*Exchange)         { r.note("switch") }

// Backlog is asked for a running answer only: it costs a system call.
func (r *rig) Backlog(*Exchange) int { return r.backlog }

func (r *rig) Over(_ *Exchange, cut bool) {
	r.overs++
	r.cut = cut
}

// The poller: without descriptors.

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

// source gives what the test says, each piece in a buffer of its own.
type source struct {
	rig     *rig
	asked   *flow.Flow // it waits for a piece
	pieces  []string
	ended   bool
	fail    error
	stopped int
}

func (s *source) Proceed(f *flow.Flow) {
	s.asked = f
	s.give()
}

func (s *source) Stop(*flow.Flow, error) {
	s.asked = nil
	s.stopped++
}

func (s *source) give() {
	f := s.asked
	if f == nil || f.State() != flow.Ready {
		return
	}
	switch {
	case len(s.pieces) > 0:
		b := s.rig.arena.Get(pool.Large)
		n := copy(b.Bytes(), s.pieces[0])
		s.pieces = s.pieces[1:]
		s.asked = nil
		f.Send(flow.Chunk{Bytes: b.Bytes()[:n], Owner: b}, s.ended && len(s.pieces) == 0)
	case s.fail != nil:
		s.asked = nil
		f.Fail(s.fail)
	case s.ended:
		s.asked = nil
		f.Send(flow.Chunk{}, true)
	}
}

// say adds a piece, end the end, and cut a failure.
func (s *source) say(text string) { s.pieces = append(s.pieces, text); s.give(); s.rig.settle() }
func (s *source) end()            { s.ended = true; s.give(); s.rig.settle() }
func (s *source) cut(err error)   { s.fail = err; s.give(); s.rig.settle() }

// sink collects. With hold it takes a chunk only when it is told to.
type sink struct {
	got   string
	ends  int
	abort error
	hold  bool
	flow  *flow.Flow
	chunk *flow.Chunk
}

func (k *sink) Write(f *flow.Flow, c *flow.Chunk, end bool) {
	if end {
		k.ends++
	}
	k.flow, k.chunk = f, c
	if !k.hold {
		k.take()
	}
}

func (k *sink) take() {
	k.got += string(k.chunk.Bytes)
	k.flow.Advance(k.chunk.Len())
	k.flow.Done()
}

// release takes what is held, and from now on everything at once.
func (k *sink) release() {
	k.hold = false
	if k.flow != nil && k.flow.Stalled() {
		k.take()
	}
}

func (k *sink) Abort(_ *flow.Flow, err error) { k.abort = err }

// handler is a Handler and what it sets as Serving, which can become a tunnel.
type handler struct {
	rig       *rig
	serve     func(x *Exchange) // nil: the test goes on
	answer    source
	request   sink
	served    int
	owed      bool // it has set itself as Serving
	delivered int
	cancelled int
}

func (h *handler) Serve(x *Exchange) {
	h.served++
	h.owed = true
	x.Serving = h
	if h.serve != nil {
		h.serve(x)
	}
}

func (h *handler) Delivered(*Exchange) { h.delivered++ }
func (h *handler) Cancel(*Exchange)    { h.cancelled++ }

func (h *handler) Switch(*Exchange) (flow.Source, flow.Sink) {
	h.rig.note("server switches")
	return &h.answer, &h.request
}

// answers begins an answer with a body of that length.
func (h *handler) answers(status int, body int64) {
	x := &h.rig.x
	x.Response.Status, x.ResponseBody = status, body
	if body == 0 {
		x.Answer(nil)
	} else {
		x.Answer(&h.answer)
	}
	h.rig.settle()
}

// gate is a Gate made of a function.
type gate func(x *Exchange) Verdict

func (g gate) Check(x *Exchange) Verdict { return g(x) }
