package upstream

// When a request is tried again, and where. One function decides (again); whatever has gone wrong comes to it as a cause.
// Nothing is tried again once a byte of an answer has left for the client.
//
//	cause         what it means                                       safe for
//	connect       no connection: nothing was sent                     every request, on the way in lease
//	unsent        a connection that took nothing of the request       every request
//	stale         an idle connection that was dead already            idempotent requests, once, on a new connection
//	reset         the connection ended before the answer began        idempotent requests
//	timeout       no answer within the route's first_byte             idempotent requests
//	marked_down   a check found the server dead meanwhile             idempotent requests
//	a status      an answer that another server might better          idempotent requests

import (
	"slices"

	"sluice/engine/exchange"
	"sluice/engine/lease"
	"sluice/engine/record"
	"sluice/engine/stat"
)

// Retry is what a route allows.
type Retry struct {
	Attempts   int  // after the first
	Connect    bool // servers that cannot be reached are replaced by others
	Reset      bool
	Timeout    bool
	MarkedDown bool
	Statuses   []int // of answers that are not passed on while another server may give a better one
	Percent    int   // of the requests
	Budget     *Budget
}

// allows reports whether the route wants another try after why.
func (r *Retry) allows(why record.Reason) bool {
	switch why {
	case record.ServerReset, record.ServerLost, record.AnswerCut, record.ServerTruncated, record.ServerViolation:
		return r.Reset
	case record.AnswerTimeout:
		return r.Timeout
	case record.MarkedDown:
		return r.MarkedDown
	}
	return false
}

// again tries the request on another server, because of why, if that is allowed, safe, and there is one.
func (a *attempt) again(why record.Reason) bool {
	return a.proxy.Retry.allows(why) && a.resendable() && a.elsewhere(false)
}

// better tries the request on another server instead of passing this status on.
func (a *attempt) better(status int) bool {
	return slices.Contains(a.proxy.Retry.Statuses, status) && a.resendable() && a.elsewhere(true)
}

// elsewhere drops the present server for good and looks for another, as far as attempts and budget go. With room it must
// be one that can be had at once: what is given up for it is an answer.
func (a *attempt) elsewhere(room bool) bool {
	if int(a.retries) >= a.proxy.Retry.Attempts || !a.proxy.Upstream.Spare(a.backend, a.failed, room) || !a.afford() {
		return false
	}
	a.retries++
	a.leaveFor()
	return true
}

// onward goes on from a server that has taken nothing of the request, as if it could not be reached.
func (a *attempt) onward() bool {
	if !a.proxy.Retry.Connect || !a.proxy.Upstream.Spare(a.backend, a.failed, false) {
		return false
	}
	a.proxy.Upstream.Failed(a.backend, record.ServerReset)
	a.leaveFor()
	return true
}

// leaveFor looks for another server than the present one.
func (a *attempt) leaveFor() {
	if a.failed == nil {
		a.failed = new(lease.Tried)
	}
	a.failed.Add(a.backend)
	a.restart()
	a.lease = a.proxy.Origins.dialer.Begin(a.ask(true))
}

// afford takes one retry of the upstream's budget, which the attempt keeps until an answer has begun, or it takes another.
func (a *attempt) afford() bool {
	r := &a.proxy.Retry
	a.settle()
	a.budgeted = r.Budget.Take(a.proxy.Upstream, a.x.Loop().Now(), r.Percent)
	return a.budgeted
}

// settle gives back what afford has taken.
func (a *attempt) settle() {
	if a.budgeted {
		a.budgeted = false
		a.proxy.Retry.Budget.Done()
	}
}

// afresh tries the request once more on a new connection, to whatever server: the old one cannot have taken it.
func (a *attempt) afresh() {
	a.retried = true
	a.proxy.Origins.net.Loop.Stats().Inc(stat.HTTPReuseRetries)
	a.restart()
	a.lease = a.proxy.Origins.dialer.Begin(a.ask(false))
}

// restart gives up the present connection and whatever came over it.
func (a *attempt) restart() {
	x := a.x
	x.Record.FirstByte += x.Phase() // else what comes next would get the time
	x.RecallBody()
	a.moveOn()
	x.Response.Reset()
	x.ResponseTrailers.Reset()
	x.ResponseBody, x.Bodiless, x.Switching, x.Protocol = 0, false, false, exchange.Span{}
	a.reused = false
	if a.named {
		a.named, x.Request.Authority = false, exchange.Span{}
	}
	x.Detour()
}

// resendable reports whether the request may be sent once more although a server may have seen it: its method says that
// twice is as good as once (RFC 9110, section 9.2.2), and its body is still complete.
func (a *attempt) resendable() bool {
	if a.informed || !a.x.Replayable() {
		return false
	}
	switch string(a.x.Request.Bytes(a.x.Request.Method)) {
	case "GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE":
		return true
	}
	return false
}
