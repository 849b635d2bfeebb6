package upstream

import (
	"syscall"

	"sluice/engine/exchange"
	"sluice/engine/flow"
	"sluice/engine/lease"
	"sluice/engine/loop"
	"sluice/engine/proxyproto"
	"sluice/engine/record"
	"sluice/engine/roster"
	"sluice/engine/sock"
	"sluice/engine/stat"
)

// attempt is the work on one exchange's answer: one try after the other, never two at once.
type attempt struct {
	proxy    *Proxy
	x        *exchange.Exchange
	place    roster.Place[*attempt] // among those of the loop
	lease    *lease.Lease
	conn     *sock.Conn
	backend  *lease.Backend
	back     exchange.Back
	failed   *lease.Tried // servers that this request has been taken away from; nil as long as there is none
	sent     int64        // when the request was handed to its connection
	retries  int8
	reused   bool // the connection was idle before
	retried  bool // a stale connection has been made good for
	budgeted bool // a retry of the upstream's budget is ours
	inside   bool // its last server is left, but not the upstream's door
	named    bool // the request names the server as its host, because the client named none
	informed bool // an interim answer has been passed on
	answered bool // the answer has been handed over, though it may be kept back still
}

// Seat implements roster.Placed.
func (a *attempt) Seat() *roster.Place[*attempt] { return &a.place }

// ask says what connection is wanted; where another request has failed before, an idle one will do as well.
func (a *attempt) ask(pooled bool) lease.Ask {
	return lease.Ask{
		Again: a.retried || a.failed != nil, Inside: a.inside,
		From: a.proxy.Upstream, Key: a.proxy.key(a.x), Prefer: a.proxy.preferred(a.x), Avoid: a.failed,
		Connect: a.proxy.Connect, Pooled: pooled, Once: !a.proxy.Retry.Connect, Taker: a,
	}
}

// seek finds a connection, an idle one if there is one.
func (a *attempt) seek() {
	c, b, l := a.proxy.Origins.dialer.Seek(a.ask(true))
	if c == nil {
		a.lease = l
		a.x.Detour()
		return
	}
	a.reused = true
	a.x.Record.Tried(b.Name, true)
	a.send(c, b)
}

// Trying implements lease.Taker.
func (a *attempt) Trying(b *lease.Backend) {
	if a.lease.Waited() && a.x.Record.Queue == 0 {
		a.x.Record.Queue = a.x.Phase()
	}
	a.x.Record.Tried(b.Name, false)
}

// Leased implements lease.Taker.
func (a *attempt) Leased(c *sock.Conn, b *lease.Backend) {
	a.reused = a.lease.Idle()
	a.lease, a.conn, a.backend = nil, c, b
	a.x.Record.Connect += a.x.Phase()
	a.x.Await()
	if !a.reused {
		a.proxy.Origins.net.Loop.Stats().Inc(stat.HTTPBackOpened)
		a.introduce(c)
	}
	a.x.Record.Reused = a.reused
	a.send(c, b)
}

// introduce sends the PROXY header, where the upstream wants one and the lease has not sent it.
func (a *attempt) introduce(c *sock.Conn) {
	if a.proxy.Upstream.Proxy == 0 || a.backend.Secure != nil {
		return
	}
	var room [proxyRoom]byte
	c.Queue(a.Introduce(room[:0]))
}

// Introduce implements lease.Introducer.
func (a *attempt) Introduce(dst []byte) []byte {
	if a.proxy.Upstream.Proxy == 1 {
		return proxyproto.AppendV1(dst, a.x.Client, a.x.Local())
	}
	return proxyproto.AppendV2(dst, a.x.Client, a.x.Local())
}

// proxyRoom holds the longest header we send: version 1 with two IPv6 addresses.
const proxyRoom = 107

// Unleased implements lease.Taker.
func (a *attempt) Unleased(why record.Reason, cause syscall.Errno, detail string) {
	a.lease = nil
	x := a.x
	if why == record.QueueTimeout {
		x.Record.Queue += x.Phase()
	} else {
		x.Record.Connect += x.Phase()
	}
	if why == record.FDExhausted && a.proxy.Shortage != nil {
		a.proxy.Shortage.ShortOfDescriptors(cause)
	}
	a.quit(why, detail, errorOf(cause))
}

// send puts the request on its way.
func (a *attempt) send(c *sock.Conn, b *lease.Backend) {
	a.conn, a.backend = c, b
	a.sent = a.x.Loop().Now()
	if a.reused {
		a.proxy.Origins.net.Loop.Stats().Inc(stat.HTTPBackReused)
	}
	if h := &a.x.Request; h.Authority.Len == 0 && !h.Has(exchange.Host) {
		a.named = true
		a.x.Record.Host = noHost
		h.Authority = h.StoreString(b.HostName()) // an HTTP/1.0 client need not name a host; HTTP/1.1 servers want one
	}
	a.back = a.proxy.Origins.backs(c)
	if !a.back.Begin(a.x, a) {
		a.quit(record.HeaderTooLarge, "the request's head does not fit once the proxy's fields are added", nil)
		return
	}
	// What the connection remembered may have ended the attempt already.
	if a.back != nil && a.x.RequestBody != 0 && !a.x.Switching {
		a.x.SendBody(a.back.Sink())
	}
}

// noHost is what the log says of a client that named none.
var noHost = []byte{}

// Informed implements exchange.Attempt.
func (a *attempt) Informed() {
	a.informed = true
	a.x.Inform()
	a.x.Response.Reset()
}

// Answered implements exchange.Attempt.
func (a *attempt) Answered() {
	x := a.x
	status := x.Response.Status
	x.Record.FirstByte += x.Phase()
	x.Record.UpstreamStatus = int16(status)
	a.judge(status)
	if a.better(status) {
		return
	}
	a.answered = true
	a.settle()
	a.proxy.stick(x, a.backend)
	if x.Switching || x.Bodiless || x.ResponseBody == 0 {
		x.Answer(nil)
		return
	}
	x.Answer(a.back.Source())
}

// judge tells what an answer says of its server.
func (a *attempt) judge(status int) {
	if unfit(status) {
		a.proxy.Upstream.Failed(a.backend, record.AnswerUnfit)
	} else {
		a.backend.Succeeded()
	}
	if a.proxy.Upstream.Timed() && a.x.RequestBody == 0 { // else it would be the client's time, too
		a.backend.Observe(a.x.Loop().Now() - a.sent)
	}
}

// unfit reports whether a status says that its server cannot serve now.
func unfit(status int) bool { return status >= 502 && status <= 504 }

// Failed implements exchange.Attempt.
func (a *attempt) Failed(err *record.Error) {
	x := a.x
	if x.State() == exchange.Tunneling {
		x.Fail(err.Kind, err.Detail, err.Cause)
		return
	}
	unsent := err.Retry == record.RetryYes && x.Replayable()
	stale := err.Retry == record.RetryIfReused && a.reused
	if !a.retried && (unsent && a.reused || stale && a.resendable()) {
		a.afresh()
		return
	}
	if unsent && a.onward() {
		return
	}
	if !stale { // else it may have ended before the request came, which is nobody's fault
		a.proxy.Upstream.Failed(a.backend, err.Kind)
	}
	if err.Retry == record.RetryIfReused && a.again(err.Kind) {
		return
	}
	detail := err.Detail
	if detail == "" && err.Kind == record.ServerViolation { // in TLS 1.3 a server refuses our certificate as late as this
		detail = a.backend.Explain(a.conn.TLSFailure())
	}
	a.quit(err.Kind, detail, err.Cause)
}

// Overdue implements exchange.Hopeful.
func (a *attempt) Overdue(x *exchange.Exchange) bool {
	if a.backend == nil {
		return false
	}
	a.proxy.Upstream.Failed(a.backend, record.AnswerTimeout)
	return a.again(record.AnswerTimeout)
}

// markedDown ends the wait for a server that a check has found dead.
func (a *attempt) markedDown() {
	if a.answered || a.back == nil || a.x.State() != exchange.Working {
		return
	}
	if !a.again(record.MarkedDown) {
		a.quit(record.MarkedDown, "", nil)
	}
}

// Delivered implements exchange.Serving.
func (a *attempt) Delivered(*exchange.Exchange) {
	reusable := a.back.Finish()
	a.back = nil
	c, b := a.conn, a.backend
	a.conn, a.backend = nil, nil
	d := a.proxy.Origins.dialer
	a.free()
	if reusable {
		d.Park(c, b) // first, so that nobody who gets the place overlooks it
		b.Release()
		return
	}
	c.Close()
	d.LetGo(b)
}

// Cancel implements exchange.Serving.
func (a *attempt) Cancel(*exchange.Exchange) {
	if a.lease != nil {
		if a.lease.Waiting() {
			a.x.Record.Queue += a.x.Phase()
		}
		a.lease.Cancel()
		a.lease = nil
	}
	a.drop()
	a.free()
}

// Switch implements exchange.Switcher.
func (a *attempt) Switch(*exchange.Exchange) (flow.Source, flow.Sink) {
	a.back.Switch()
	return a.back.Source(), a.back.Sink()
}

// quit gives up, for why.
func (a *attempt) quit(why record.Reason, detail string, cause error) {
	x := a.x
	x.Serving = nil
	a.drop()
	a.free()
	x.Fail(why, detail, cause)
}

// drop resets the present connection, after what has been sent.
func (a *attempt) drop() { a.cut((*sock.Conn).Reset) }

// moveOn drops the present connection for another one, and keeps the place at the upstream's door: what has not arrived
// shall not, because another server gets it.
func (a *attempt) moveOn() {
	b := a.backend
	a.backend = nil
	a.cut((*sock.Conn).Drop)
	a.inside = a.proxy.Origins.dialer.MoveOn(b)
}

// cut ends the present connection.
func (a *attempt) cut(how func(*sock.Conn)) {
	if a.back != nil {
		a.back.Cancel()
		a.back = nil
	}
	if a.conn != nil {
		how(a.conn)
		a.conn = nil
	}
	if a.backend != nil {
		a.proxy.Origins.dialer.LetGo(a.backend)
		a.backend = nil
	}
}

func (a *attempt) free() {
	o := a.proxy.Origins
	a.settle()
	o.live.Leave(a)
	a.proxy, a.x, a.failed = nil, nil, nil
	o.attempts.Put(a)
}

// Panicked implements loop.Victim.
func (a *attempt) Panicked() {
	if a.x != nil {
		a.x.Panicked()
	}
}

// errorOf keeps the absence of an error number from becoming an error.
func errorOf(e syscall.Errno) error {
	if e == 0 {
		return nil
	}
	return e
}

var _ loop.Victim = (*attempt)(nil)
