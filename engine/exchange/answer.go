package exchange

// The way of an answer: from the handler, through the stages, to the front; and the one way out.

import (
	"errors"
	"io"

	"sluice/engine/flow"
	"sluice/engine/record"
	"sluice/engine/stat"
)

// Answer hands over the answer: x.Response is its head, x.ResponseBody its length, src the source of its body, nil when
// there is none.
func (x *Exchange) Answer(src flow.Source) {
	if x.answer != unanswered {
		panic("exchange: answered twice")
	}
	x.answer = ready
	x.source = src
	if x.hold != nil {
		x.hold.Forget() // it is not sent again
	}
	x.step = stepAnswer
	x.wake()
}

// Inform passes on x.Response as an interim answer (1xx).
func (x *Exchange) Inform() {
	if x.Response.Status == 100 && x.Continue {
		x.Continue = false
		x.watchBody() // its clock begins now: the client has waited
	}
	x.loop.Stats().Inc(stat.HTTPAnswers1xx)
	x.front.Inform(x)
}

// sendAnswer joins the stages and sends the head. It is entered again when enough of a body has been kept back.
func (x *Exchange) sendAnswer() verdict {
	if x.answer != ready {
		return park
	}
	if !x.kept {
		if x.join(); x.keep != nil {
			return park
		}
	}
	if !x.front.WriteHead(x) {
		x.answer = unanswered
		if x.failed != record.None { // not even the page about that: stages have made too much of it
			x.cut = true
			x.finish(x.failed, x.cause)
			return park
		}
		x.Fail(record.AnswerTooLarge, "the answer's head does not fit", nil)
		return park
	}
	x.set(Answering)
	x.answer = headSent
	x.Record.Status = int16(x.Response.Status)
	x.loop.Stats().Inc(stat.HTTPAnswers(x.Response.Status))
	switch {
	case x.Switching:
		x.tunnel()
	case x.outer == nil:
		x.delivered()
		x.finish(record.Done, nil)
	default:
		x.Down.Start(x.loop, x.outer, x.front.Sink(x), x)
		x.watchAnswer()
	}
	return park
}

// join lets the stages in, and keeps the beginning of the body back where the route says so.
func (x *Exchange) join() {
	src := x.source
	if x.Route != nil && !x.Switching {
		for _, stage := range x.Route.Stages {
			if next := stage.Join(x, src); src != nil {
				src = next
			}
		}
		if n := x.Route.HoldAnswer; n > 0 && src != nil && src != flow.Source(&x.reply) {
			x.keep = flow.NewCollector(x.loop, n, x.buffers, x)
			x.keep.Begin(src)
			x.watchAnswer()
			src = x.keep
		}
	}
	x.outer = src
}

// delivered tells the handler that its answer has been taken.
func (x *Exchange) delivered() {
	if s := x.Serving; s != nil && !x.served {
		x.served = true
		s.Delivered(x)
		x.Serving = nil
	}
}

// Ended implements flow.Owner.
func (x *Exchange) Ended(f *flow.Flow, err error) {
	switch {
	case x.state == Over:
	case x.state == Tunneling:
		x.tunnelEnded(f, err)
	case f == &x.Up && err == nil:
		if x.Answered() {
			return
		}
		x.waiting = x.loop.Now()
		x.watchAnswer()
		x.front.Received(x)
	case f == &x.Up:
		x.bodyFailed(err)
	case err == nil:
		x.answer = whole
		x.delivered()
		x.finish(record.Done, nil)
	default:
		x.answerFailed(err)
	}
}

// bodyFailed handles a request's body that did not come to its end. An error of the system is left to whoever owns the
// connection it came from, and hears of it too: a server that has stopped reading may have answered before.
func (x *Exchange) bodyFailed(err error) {
	if known, ok := errors.AsType[*record.Error](err); ok {
		x.Fail(known.Kind, known.Detail, known.Cause)
		return
	}
	if err == io.ErrUnexpectedEOF && !x.Answered() { // else it may have stopped because of the answer, which it gets
		x.Abandon(record.ClientGone, nil)
	}
}

// answerFailed handles an answer's body that did not come to its end.
func (x *Exchange) answerFailed(err error) {
	if known, ok := errors.AsType[*record.Error](err); ok {
		x.Fail(known.Kind, known.Detail, known.Cause)
		return
	}
	if err == io.ErrUnexpectedEOF {
		x.Fail(record.AnswerCut, "", nil)
		return
	}
	x.Fail(record.StreamReason(record.Back, err), "", err)
}

// Fail ends the exchange for why, a failure: with an answer of the proxy's own as long as none has begun, and by cutting
// the one that has. detail is a short text for the record, or empty.
func (x *Exchange) Fail(why record.Reason, detail string, cause error) {
	if x.state == Over || x.lost != record.None {
		return
	}
	if x.Record.Detail == "" {
		x.Record.Detail = detail
	}
	switch {
	case x.state == Tunneling && why.Side() == record.Back:
		x.lose(why, cause)
	case x.answer >= headSent || why.Status() == 0:
		x.cut = true
		x.finish(why, cause)
	default:
		if x.failed == record.None {
			x.failed, x.cause = why, cause
		}
		x.charge()
		x.takeBack()
		x.errorPage(why.Status())
	}
}

// charge ends the phase of an answer that has not begun: what was waited for gets the time.
func (x *Exchange) charge() {
	switch {
	case x.state != Working && x.state != Over || x.answer != unanswered:
	case x.waiting == 0:
		x.Record.Connect += x.Phase()
	default:
		x.Record.FirstByte += x.Phase()
	}
}

// takeBack stops whatever works on an answer, because the proxy gives another.
func (x *Exchange) takeBack() {
	if s := x.Serving; s != nil {
		x.Serving = nil
		s.Cancel(x)
	}
	if x.keep != nil {
		x.keep.Cancel()
		x.keep = nil
	}
	if x.hold != nil {
		x.hold.Cancel()
	}
	if !x.Up.Delivered() { // else it has been taken whole, and stays so
		x.RecallBody()
	}
	x.answer, x.source, x.outer, x.kept = unanswered, nil, nil, false
}

// Abandon ends the exchange because its client is gone, or must go. Nothing more is sent.
func (x *Exchange) Abandon(why record.Reason, cause error) {
	switch {
	case x.state == Over:
		return
	case x.lost != record.None && cause != nil:
		return // the other side is gone as well; the last words find out
	case x.state == Tunneling && x.lost == record.None && cause != nil:
		x.lose(why, cause)
		return
	case x.lost != record.None:
		why, cause = x.lost, x.cause
	}
	x.cut = true
	x.finish(why, cause)
}

// finish is the one way out: it gives back everything and says why. The front is told by leave, when the dispatcher has
// returned.
func (x *Exchange) finish(why record.Reason, cause error) {
	x.set(Over)
	if x.failed != record.None {
		why, cause = x.failed, x.cause
	}
	if s := x.Serving; s != nil {
		x.Serving = nil
		s.Cancel(x)
	}
	x.stopSources()
	if x.upSource != nil { // else the flow still tells of another exchange
		x.Record.BytesUp, x.Record.Spliced = x.Up.Moved(), x.Up.Spliced()
	}
	if x.outer != nil {
		x.Record.BytesDown, x.Record.Spliced = x.Down.Moved(), x.Record.Spliced || x.Down.Spliced()
	}
	x.charge()
	x.Record.Answer = x.Phase()
	x.Record.Client = x.Client
	if x.Peer != x.Client && !x.Record.Peer.IsValid() {
		x.Record.Peer = x.Peer
	}
	h := &x.Request
	x.Record.Method = h.Bytes(h.Method)
	if x.Record.Host == nil { // else somebody has changed it, and kept what was sent
		x.Record.Host = h.Bytes(h.Authority)
	}
	if x.Record.Target == nil { // likewise
		x.Record.Target = h.Bytes(h.Target)
	}
	x.Record.End(x.loop.Wall(), why, cause)
	if !x.running {
		x.leave()
	}
}

// stopSources ends what still moves.
func (x *Exchange) stopSources() {
	if x.hold != nil {
		x.hold.Cancel()
	}
	if x.keep != nil {
		x.keep.Cancel()
	}
	if x.outer != nil && x.outer != x.source && !x.Down.Over() {
		x.outer.Stop(&x.Down, nil)
	}
	if !x.Up.Delivered() { // likewise
		x.Up.Cancel()
	}
	x.Down.Cancel()
}

// leave records the exchange and gives it back to its front.
func (x *Exchange) leave() {
	defer x.front.Over(x, x.cut) // even if the recorder panics: it is the only way on for the client's connection
	x.service.Recorder.Exchange(x)
}
