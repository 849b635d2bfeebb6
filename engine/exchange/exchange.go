// Package exchange is the waist of the proxy: one request and its answer, with no protocol and no socket in it.
//
// A front (the codec on the client's side) fills in the request and begins; then the exchange takes its steps:
//
//	route ─► gates ─► serve ─► answer ─► finish
//
// What comes before the answer are Gates, what answers is a Handler, what changes the answer on its way are Stages, and
// what is told afterwards is a Recorder. All of them see the Exchange and its two Flows only, so each is written once and
// works for every protocol:
//
//	         ┌───────── up: the request's body ─────────►┐
//	Front ───┤                Exchange                   ├─── Handler (proxy: a Back)
//	         └◄──────── down: the answer's body ─────────┘
//
// Ends, cuts and stops are told apart all the way: a body that ends has arrived whole; one that was cut looks cut to the
// other side, too; and an exchange that nobody wants any more stops whatever still works for it.
package exchange

import (
	"net/netip"

	"sluice/engine/flow"
	"sluice/engine/loop"
	"sluice/engine/record"
	"sluice/pool"
)

// Unknown is the length of a body whose end only its protocol marks.
const Unknown = -1

// Exchange is one request and its answer. It belongs to its loop, and to its front, which embeds it in a stream object
// of its own, leased for one request. Bind comes once in its life, Begin for each request.
type Exchange struct {
	// The request, filled in by the front. Gates and handlers may change it before it is sent on.
	Request         Head
	RequestTrailers Head   // complete once the up flow has ended
	RequestBody     int64  // bytes, or Unknown
	Scheme          string // "http" or "https"
	Upgrade         Span   // in Request: the protocols the client would switch to; empty for none
	Connect         bool   // the client asks for a tunnel: method CONNECT
	Continue        bool   // the client waits for a 100 before it sends the body

	// Client is who asks: the peer, or whom a trusted proxy speaks for.
	Client netip.AddrPort
	// Peer is who has connected, after a PROXY header. It is the zero AddrPort for a unix socket.
	Peer netip.AddrPort
	// Port is the port that was connected to; 0 for a unix socket.
	Port uint16

	// The answer, filled in by the handler before Answer.
	Response         Head
	ResponseTrailers Head  // complete once the down flow has ended
	ResponseBody     int64 // bytes, or Unknown
	// Bodiless says that the answer has no body by its nature (HEAD, 204, 304): fields that speak of one, speak of
	// what another request would get.
	Bodiless bool
	// Switching says that the answer turns the connection into a tunnel: 101, or 2xx to CONNECT.
	Switching bool
	// Protocol is what a 101 switches to, in Response.
	Protocol Span

	Up, Down flow.Flow

	// Record is filled in on the way; the recorder gets it at the end.
	Record record.Exchange
	// Route is set by the first step and kept to the end.
	Route *Route
	// Serving is who works on the answer; its handler sets it.
	Serving Serving

	loop     *loop.Loop
	buffers  *pool.Arena
	front    Front
	service  *Service
	upSource flow.Source     // of the request's body, once the front was asked for it
	source   flow.Source     // of the answer's body, as the handler gave it
	outer    flow.Source     // the same behind all stages
	reply    memory          // the source of answers that the proxy gives itself
	hold     *flow.Collector // keeps the request's body back, when the route says so
	keep     *flow.Collector // likewise the answer's

	timer    loop.Timer
	phase    int64 // when the present phase of the record began
	waiting  int64 // since when the handler has had everything it needs to answer
	cause    error // behind failed or lost
	halved   int64 // when one direction of a tunnel ended, or 0
	upPace   pace  // of the request's body
	downPace pace  // of the answer's, or of a dying tunnel's last words

	gate    int // the next of the route's gates
	step    step
	state   State
	answer  answerState
	failed  record.Reason // why the answer is an error page; the exchange ends for that
	first   record.Reason // which side of a tunnel has ended first
	lost    record.Reason // why a tunnel is dying: one side is gone, and its last bytes are on their way
	running bool          // the dispatcher is at work
	woken   bool          // go on although the present step has parked
	closing bool          // the client's connection is not used after this
	kept    bool          // enough of the answer's body has been kept back
	served  bool          // the handler has been told that its answer was taken whole
	cut     bool          // the client must be able to tell that the answer is not whole
}

// Bind is called once for the memory that the exchange lives in, before its first use.
func (x *Exchange) Bind(l *loop.Loop, buffers *pool.Arena) {
	x.loop, x.buffers = l, buffers
	x.timer.Bind(x)
}

// Begin starts the exchange: the front has filled in the request and the fields about the client. Everything may
// happen before it returns, up to front.Over.
func (x *Exchange) Begin(front Front, service *Service) {
	x.front, x.service = front, service
	x.Record.Names = service.Names
	x.set(Routing)
	x.step = stepRoute
	x.phase = x.loop.Now()
	x.waiting = x.phase
	x.run()
}

// Refuse answers a request that its front cannot accept, without any further step: with the status of why, and a
// connection that closes. The request may be incomplete.
func (x *Exchange) Refuse(front Front, service *Service, why record.Reason, detail string) {
	x.front, x.service = front, service
	x.Record.Names = service.Names
	x.set(Routing)
	x.closing = true
	x.phase = x.loop.Now()
	x.Fail(why, detail, nil)
}

// Forgo ends an exchange before it has begun, for why: its client does not wait for an answer.
func (x *Exchange) Forgo(front Front, service *Service, why record.Reason) {
	x.front, x.service = front, service
	x.Record.Names = service.Names
	x.set(Routing)
	x.phase = x.loop.Now()
	x.Abandon(why, nil)
}

// Clear makes the exchange ready for its next use. The timer is left alone: it comes up at most once for nothing, which
// is cheaper than stopping it for every request.
func (x *Exchange) Clear() {
	x.Request.Reset()
	x.Response.Reset()
	if x.RequestTrailers.Size() > 0 || x.ResponseTrailers.Size() > 0 {
		x.RequestTrailers.Reset()
		x.ResponseTrailers.Reset()
	}
	x.RequestBody, x.ResponseBody = 0, 0
	x.Upgrade, x.Protocol = Span{}, Span{}
	x.Connect, x.Continue, x.Bodiless, x.Switching = false, false, false, false
	x.Record = record.Exchange{}
	x.Route, x.Serving, x.front, x.service = nil, nil, nil, nil
	x.upSource, x.source, x.outer, x.hold, x.keep = nil, nil, nil, nil, nil
	x.reply = memory{}
	x.halved, x.gate, x.answer = 0, 0, unanswered
	x.upPace, x.downPace = pace{}, pace{}
	x.failed, x.first, x.lost, x.cause = record.None, record.None, record.None, nil
	x.running, x.woken, x.closing, x.kept, x.served, x.cut = false, false, false, false, false, false
	x.set(Unused)
}

// Rest stops the timer, for an exchange that is not used again.
func (x *Exchange) Rest() { x.loop.Cancel(&x.timer) }

// Loop is the loop the exchange lives on.
func (x *Exchange) Loop() *loop.Loop { return x.loop }

// Busy reports whether the exchange's flows still wait in the loop's ring: it may not be cleared then.
func (x *Exchange) Busy() bool { return x.Up.Queued() || x.Down.Queued() }

// Closing reports whether the client's connection must not be used after this exchange.
func (x *Exchange) Closing() bool { return x.closing }

// Close asks for the client's connection not to be used after this exchange. It must come before Answer.
func (x *Exchange) Close() { x.closing = true }

// Answered reports whether the head of the answer has been handed to the front.
func (x *Exchange) Answered() bool { return x.answer >= headSent }

// Unfinished reports whether some of the request's body has not been taken.
func (x *Exchange) Unfinished() bool {
	return x.RequestBody != 0 && !x.bodyRead()
}

// Asked reports whether the front has been asked for the request's body.
func (x *Exchange) Asked() bool { return x.upSource != nil || x.hold != nil }

// Sending reports whether the request's body is on its way.
func (x *Exchange) Sending() bool { return x.upSource != nil && !x.Up.Closing() }

// bodyRead reports whether the front's source has come to its end.
func (x *Exchange) bodyRead() bool {
	if x.hold != nil {
		return x.hold.Complete()
	}
	return x.upSource != nil && x.Up.Delivered()
}

// Local is the address that the client has connected to; the zero AddrPort for a unix socket.
func (x *Exchange) Local() netip.AddrPort { return x.front.Local(x) }

// Phase ends a phase of the record and returns how long it took.
func (x *Exchange) Phase() record.Micros {
	began := x.phase
	x.phase = x.loop.Now()
	return record.Between(began, x.phase)
}
