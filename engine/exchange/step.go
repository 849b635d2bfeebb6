package exchange

// The steps of an exchange, one function each. A step says whether to go on at once or to wait; sleeping is a value, not
// a hidden goroutine. Whatever ends the waiting calls wake.

import (
	"bytes"

	"sluice/engine/flow"
	"sluice/engine/record"
	"sluice/engine/stat"
)

type step uint8

const (
	stepRoute step = iota
	stepGates
	stepHold
	stepServe
	stepAnswer
	steps
)

// verdict is what a step says of itself.
type verdict bool

const (
	park verdict = false
	more verdict = true
)

// The table is filled in by init because the steps, through what they call, lead back to it.
var table [steps]func(*Exchange) verdict

func init() {
	table = [steps]func(*Exchange) verdict{
		stepRoute: (*Exchange).findRoute, stepGates: (*Exchange).askGates, stepHold: (*Exchange).holdBody,
		stepServe: (*Exchange).serve, stepAnswer: (*Exchange).sendAnswer,
	}
}

// run takes steps until one of them waits, or the exchange is over.
func (x *Exchange) run() {
	x.running = true
	for x.state != Over && (table[x.step](x) == more || x.woken) {
		x.woken = false
	}
	x.running = false
	if x.state == Over {
		x.leave()
	}
}

// wake goes on from a step that waits. When a step itself calls what wakes, the dispatcher sees it on its return.
func (x *Exchange) wake() {
	if x.running {
		x.woken = true
		return
	}
	x.run()
}

func (x *Exchange) findRoute() verdict {
	route, why := x.service.Router.Route(x)
	if route == nil {
		x.Fail(why, "", nil)
		return park
	}
	x.Route = route
	x.Record.Names = route.Names
	x.step = stepGates
	switch {
	case route.MaxBody > 0 && x.RequestBody > route.MaxBody:
		x.Fail(record.BodyTooLarge, "", nil)
		return park
	case x.Connect && !route.Connect:
		x.Fail(record.NotImplemented, "the route does not allow CONNECT", nil)
		return park
	case x.Upgrade.Len > 0 && (x.RequestBody != 0 || !route.mayUpgrade(x.Request.Bytes(x.Upgrade))):
		x.Upgrade = Span{} // the server hears nothing of it, and answers in the protocol at hand
	}
	return more
}

// mayUpgrade reports whether every protocol of the list may be switched to.
func (r *Route) mayUpgrade(list []byte) bool {
	for len(list) > 0 {
		var token []byte
		token, list, _ = bytes.Cut(list, []byte(","))
		token = bytes.TrimSpace(token)
		allowed := false
		for _, name := range r.Upgrade {
			allowed = allowed || len(token) == len(name) && equalFold(token, name)
		}
		if !allowed {
			return false
		}
	}
	return len(r.Upgrade) > 0
}

func (x *Exchange) askGates() verdict {
	for x.gate < len(x.Route.Gates) {
		gate := x.Route.Gates[x.gate]
		x.gate++
		switch gate.Check(x) {
		case Parked:
			x.expect(x.loop.Now() + int64(x.timeouts().FirstByte))
			return park
		case Answered:
			return park
		case Next:
		}
		if x.state == Over || x.answer != unanswered {
			return park
		}
	}
	x.step = stepHold
	return more
}

// Resume goes on with an exchange that a gate has parked.
func (x *Exchange) Resume() {
	if x.state == Routing && x.answer == unanswered {
		x.wake()
	}
}

// holdBody keeps the request's body back, where the route says so.
func (x *Exchange) holdBody() verdict {
	x.step = stepServe
	if x.Route.Hold == 0 || x.RequestBody == 0 || x.Connect {
		return more
	}
	if x.Continue {
		x.proceed()
	}
	x.hold = flow.NewCollector(x.loop, x.Route.Hold, x.buffers, x)
	if x.Route.Retain {
		x.hold.Retain()
	}
	x.hold.Begin(x.front.Source(x))
	x.watchBody()
	return park
}

// proceed tells a client that waits for it to send the body, because the proxy itself wants it.
func (x *Exchange) proceed() {
	x.Response.Reset()
	x.Response.Status = 100
	x.front.Inform(x)
	x.Response.Reset()
	x.Continue = false
	x.Request.Drop(Expect)
}

// Collected implements flow.Keeper: enough of the request's body is there, or of the answer's.
func (x *Exchange) Collected(c *flow.Collector) {
	if x.state == Over {
		return
	}
	if c == x.hold {
		if err := c.Err(); err != nil {
			x.bodyFailed(err)
			return
		}
		x.wake()
		return
	}
	if err := c.Err(); err != nil {
		x.answerFailed(err)
		return
	}
	x.kept = true
	x.wake()
}

func (x *Exchange) serve() verdict {
	x.set(Working)
	x.step = stepAnswer
	x.loop.Stats().Inc(stat.HTTPRequests)
	x.waiting = x.loop.Now()
	x.Route.Handler.Serve(x)
	if x.answer == unanswered && x.state != Over {
		x.watchAnswer()
	}
	return park
}

// SendBody starts the request's body on its way to sink. The handler calls it at most once for each attempt, and again
// only if no byte has moved.
func (x *Exchange) SendBody(sink flow.Sink) {
	switch {
	case x.upSource != nil: // a second attempt
	case x.hold != nil:
		x.upSource = x.hold
	default:
		x.upSource = x.front.Source(x)
	}
	x.Up.Start(x.loop, x.upSource, sink, x)
	x.watchBody()
}

// RecallBody takes the request's body back from its sink: what has not come yet, and what has been kept, stays where it is
// and may be sent to another.
func (x *Exchange) RecallBody() {
	switch {
	case x.upSource == nil:
	case x.hold != nil:
		x.hold.Recall()
	case x.Up.Closing():
	default:
		x.upSource.Stop(&x.Up, nil)
	}
	x.Up.Cancel()
}

// Replayable reports whether the request could be sent once more: it has no body, or no byte of it has left its source,
// or the whole of it has been kept.
func (x *Exchange) Replayable() bool {
	return x.RequestBody == 0 || x.upSource == nil || !x.Up.Begun() || x.hold != nil && x.hold.Entire()
}
