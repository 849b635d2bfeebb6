package exchange

// What makes it possible to begin an exchange's work anew: a handler that is asked before the wait is over, and a body that
// is kept.

import (
	"testing"
	"time"

	"sluice/engine/record"
	"sluice/internal/assert"
)

// hopeful is a handler that begins anew as often as it has hope.
type hopeful struct {
	*handler
	hope  int
	asked int
}

func (h *hopeful) Overdue(x *Exchange) bool {
	h.asked++
	if h.asked > h.hope {
		return false
	}
	x.Await()
	return true
}

// hoping is a rig whose handler has hope.
func hoping(t *testing.T, hope int) (*rig, *hopeful) {
	r := newRig(t)
	h := &hopeful{handler: &r.server, hope: hope}
	r.server.serve = func(x *Exchange) { x.Serving = h }
	return r, h
}

// Each new try has the whole time; who has no hope any more fails as others do.
func TestAnOverdueAnswer(t *testing.T) {
	t.Parallel()
	r, h := hoping(t, 2)
	r.get()
	for try := range 2 {
		r.pass(patient.FirstByte - time.Second)
		assert.Equal(t, h.asked, try)
		r.pass(1100 * time.Millisecond)
		assert.Equal(t, h.asked, try+1)
		r.running()
	}
	r.ends(patient.FirstByte-200*time.Millisecond, record.AnswerTimeout) // it has been late by twice 100 ms
	assert.Equal(t, r.over(record.AnswerTimeout).Status, 504)
	assert.Equal(t, []int{h.asked, r.server.cancelled}, []int{3, 1})

	r, h = hoping(t, 1) // a try that succeeds
	r.get()
	r.pass(patient.FirstByte + time.Second)
	r.server.answers(200, 0)
	r.over(record.Done)
	assert.Equal(t, []int{h.asked, r.server.delivered}, []int{1, 1})
}

// A server that does not take the request is as overdue as one that does not answer it.
func TestAnOverdueServerThatTakesNothing(t *testing.T) {
	t.Parallel()
	r, h := hoping(t, 0)
	r.server.request.hold = true
	r.server.serve = func(x *Exchange) { x.Serving = h; x.SendBody(&r.server.request) }
	r.request("POST", 6)
	r.begin()
	r.body.say("012")
	r.ends(patient.Idle, record.AnswerTimeout)
	r.over(record.AnswerTimeout)
	assert.Equal(t, h.asked, 1)
}

// Nobody is asked for hope when it is the client who is late, or an answer that has begun.
func TestWhatIsNotOverdue(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		begin func(r *rig, h *hopeful)
		why   record.Reason
	}{
		"the client's body": {func(r *rig, h *hopeful) {
			r.server.serve = func(x *Exchange) { x.Serving = h; x.SendBody(&r.server.request) }
			r.request("POST", Unknown)
			r.begin()
		}, record.BodyTimeout},
		"the answer's body": {func(r *rig, _ *hopeful) { r.get(); r.server.answers(200, Unknown) }, record.AnswerIdle},
		"an answer that is kept back": {func(r *rig, _ *hopeful) {
			r.route.HoldAnswer = 100
			r.get()
			r.server.answers(200, Unknown)
			r.server.answer.say("some")
		}, record.AnswerIdle},
		"a gate": {func(r *rig, _ *hopeful) {
			r.route.Gates = []Gate{gate(func(*Exchange) Verdict { return Parked })}
			r.get()
		}, record.Busy},
	} {
		r, h := hoping(t, 9)
		c.begin(r, h)
		r.pass(2 * patient.FirstByte)
		if h.asked > 0 {
			t.Errorf("%s: asked", name)
		}
		r.over(c.why)
	}
}

// A body that the route retains can be sent again, as often as there is no answer.
func TestARetainedBody(t *testing.T) {
	t.Parallel()
	for _, retain := range []bool{false, true} {
		r := newRig(t)
		r.route.Hold, r.route.Retain = 8, retain
		r.server.serve = func(x *Exchange) { x.SendBody(&r.server.request) }
		r.request("PUT", 5)
		r.begin()
		r.body.say("abcde")
		r.body.end()
		assert.Equal(t, r.server.request.got, "abcde")
		assert.Equal(t, r.x.Replayable(), retain)
		if retain {
			for range 2 {
				next := new(sink)
				r.x.RecallBody()
				r.x.SendBody(next)
				r.settle()
				assert.Equal(t, []any{next.got, next.ends, r.x.Replayable(), r.x.Unfinished()}, []any{"abcde", 1, true, false})
			}
			assert.Equal(t, r.arena.InUse(), 1)
		}
		r.server.answers(200, Unknown) // from here on nobody wants it
		assert.Equal(t, []any{r.x.Replayable(), r.arena.InUse()}, []any{false, 0})
		r.server.answer.end()
		r.over(record.Done)
	}
}

// A body that is longer than what is kept goes on its way once, retained or not.
func TestABodyTooLongToRetain(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.route.Hold, r.route.Retain = 4, true
	r.server.serve = func(x *Exchange) { x.SendBody(&r.server.request) }
	r.request("PUT", Unknown)
	r.begin()
	r.body.say("abcde")
	assert.Equal(t, r.x.Replayable(), false)
	r.body.say("fgh")
	r.body.end()
	assert.Equal(t, []any{r.server.request.got, r.x.Replayable()}, []any{"abcdefgh", false})
	r.server.answers(200, 0)
	r.over(record.Done)
}

// Whatever ends the exchange gives a retained body back, be it sent, on its way, or recalled.
func TestARetainedBodyComesHome(t *testing.T) {
	t.Parallel()
	for _, hold := range []bool{false, true} {
		for _, recall := range []bool{false, true} {
			r := newRig(t)
			r.route.Hold, r.route.Retain = 8, true
			r.server.request.hold = hold
			r.server.serve = func(x *Exchange) { x.SendBody(&r.server.request) }
			r.request("PUT", 5)
			r.begin()
			r.body.say("abcde")
			r.body.end()
			if recall {
				r.x.RecallBody()
			}
			r.x.Fail(record.NoServer, "", nil)
			r.over(record.NoServer) // which looks at the buffers
		}
	}
}

// Who comes when everything is taken hears when to come back; who meets a fault does not.
func TestRetryAfter(t *testing.T) {
	t.Parallel()
	for why := range record.Reasons() {
		if why.Status() == 0 {
			continue
		}
		r := newRig(t)
		r.get()
		r.x.Fail(why, "", nil)
		r.settle()
		if got := r.fields()["Retry-After"]; (got == "1") != why.Passes() || (got == "") == why.Passes() {
			t.Errorf("%s: Retry-After %q", why, got)
		}
		r.over(why)
	}
}
