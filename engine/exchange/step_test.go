package exchange

// The steps before an answer: routes, gates, bodies that are kept back, and the handler.

import (
	"io"
	"syscall"
	"testing"

	"sluice/engine/record"
	"sluice/engine/stat"
	"sluice/internal/assert"
)

func TestWithoutARoute(t *testing.T) {
	t.Parallel()
	for why, status := range map[record.Reason]int16{record.NotFound: 404, record.Misdirected: 421, record.BadRequest: 400} {
		r := newRig(t)
		r.unfound = why
		r.get()
		assert.Equal(t, r.over(why).Status, status)
		assert.Equal(t, r.cut, false)
		assert.Equal(t, r.server.served, 0)
	}
}

func TestWhatARouteRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		method string
		body   int64
		change func(r *rig)
		why    record.Reason
		served int
	}{
		"a body that is too large":  {"POST", 11, func(r *rig) { r.route.MaxBody = 10 }, record.BodyTooLarge, 0},
		"a body as large as may be": {"POST", 10, func(r *rig) { r.route.MaxBody = 10 }, record.Done, 1},
		"a body of unknown length":  {"POST", Unknown, func(r *rig) { r.route.MaxBody = 10 }, record.Done, 1},
		"a tunnel":                  {"CONNECT", 0, func(r *rig) { r.x.Connect = true }, record.NotImplemented, 0},
		"a tunnel that it allows":   {"CONNECT", 0, func(r *rig) { r.x.Connect, r.route.Connect = true, true }, record.Done, 1},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.request(c.method, c.body)
			c.change(r)
			r.server.serve = func(x *Exchange) {
				x.Response.Status = 200
				x.Answer(nil)
			}
			r.begin()
			r.over(c.why)
			assert.Equal(t, r.server.served, c.served)
		})
	}
}

// An offer to switch goes on only if the route allows every protocol of it, and there is no body in its way.
func TestUpgradesThatGoOn(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		offer   string
		body    int64
		allowed []string
		on      bool
	}{
		{"websocket", 0, []string{"websocket"}, true},
		{"WebSocket", 0, []string{"websocket"}, true},
		{"websocket, foo/1 ", 0, []string{"websocket", "foo/1"}, true},
		{"websocket, foo/1", 0, []string{"websocket"}, false},
		{"websockets", 0, []string{"websocket"}, false},
		{"websocke", 0, []string{"websocket"}, false},
		{"websocket,", 0, []string{"websocket"}, true},
		{"websocket", 0, nil, false},
		{"websocket", 5, []string{"websocket"}, false},
		{"websocket", Unknown, []string{"websocket"}, false},
	} {
		r := newRig(t)
		r.request("GET", c.body)
		r.x.Upgrade = r.x.Request.StoreString(c.offer)
		r.route.Upgrade = c.allowed
		on := false
		r.server.serve = func(x *Exchange) {
			on = x.Upgrade.Len > 0
			x.Response.Status = 200
			x.Answer(nil)
		}
		r.begin()
		if on != c.on {
			t.Errorf("%q with %v: %v", c.offer, c.allowed, on)
		}
		r.over(record.Done)
	}
}

func TestGatesInOrder(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	var order []string
	say := func(name string) gate {
		return func(*Exchange) Verdict { order = append(order, name); return Next }
	}
	r.route.Gates = []Gate{say("one"), gate(func(x *Exchange) Verdict {
		order = append(order, "parked")
		x.Resume() // sooner than it has parked
		return Parked
	}), say("two")}
	r.server.serve = func(x *Exchange) {
		order = append(order, "handler")
		x.Response.Status = 204
		x.Answer(nil)
	}
	r.get()
	assert.Equal(t, order, []string{"one", "parked", "two", "handler"})
	r.over(record.Done)
}

func TestAParkedGate(t *testing.T) {
	t.Parallel()
	parked := func(r *rig) {
		r.route.Gates = []Gate{gate(func(*Exchange) Verdict { return Parked })}
		r.server.serve = func(x *Exchange) {
			x.Response.Status = 204
			x.Answer(nil)
		}
		r.get()
		r.running()
		assert.Equal(r.t, r.server.served, 0)
	}
	t.Run("goes on", func(t *testing.T) {
		r := newRig(t)
		parked(r)
		r.x.Resume()
		r.over(record.Done)
		assert.Equal(t, r.server.served, 1)
	})
	t.Run("answers", func(t *testing.T) {
		r := newRig(t)
		parked(r)
		r.x.Response.Status = 403
		r.x.Reply([]byte("no"))
		r.x.Resume() // too late
		r.over(record.Done)
		assert.Equal(t, r.server.served, 0)
		assert.Equal(t, r.client.got, "no")
	})
	t.Run("fails", func(t *testing.T) {
		r := newRig(t)
		parked(r)
		r.x.Fail(record.Denied, "a list", nil)
		record := r.over(record.Denied)
		assert.Equal(t, record.Status, 403)
		assert.Equal(t, record.Detail, "a list")
	})
	t.Run("is cancelled, and resumes what is over", func(t *testing.T) {
		r := newRig(t)
		parked(r)
		r.x.Abandon(record.ClientGone, nil)
		r.x.Resume()
		r.over(record.ClientGone)
		r.x.Resume()
		r.staysOver()
	})
	t.Run("has its time", func(t *testing.T) {
		r := newRig(t)
		parked(r)
		r.ends(patient.FirstByte, record.Busy)
		assert.Equal(t, r.over(record.Busy).Status, 503)
	})
}

// staysOver checks that an exchange that is over has stayed so.
func (r *rig) staysOver() {
	r.t.Helper()
	r.settle()
	assert.Equal(r.t, []int{len(r.records), r.overs}, []int{1, 1})
	assert.Equal(r.t, r.x.State(), Unused)
}

func TestAGateAnswers(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		check gate
		why   record.Reason
	}{
		"by a reply":                  {func(x *Exchange) Verdict { x.Response.Status = 301; x.Reply(nil); return Answered }, record.Done},
		"by failing":                  {func(x *Exchange) Verdict { x.Fail(record.Denied, "", nil); return Answered }, record.Denied},
		"by failing without a status": {func(x *Exchange) Verdict { x.Fail(record.ClientLost, "", nil); return Answered }, record.ClientLost},
		"and says next":               {func(x *Exchange) Verdict { x.Fail(record.Denied, "", nil); return Next }, record.Denied},
		"by abandoning":               {func(x *Exchange) Verdict { x.Abandon(record.ClientGone, nil); return Next }, record.ClientGone},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.route.Gates = []Gate{c.check, gate(func(*Exchange) Verdict { t.Error("the next gate is asked"); return Next })}
			r.get()
			r.over(c.why)
			assert.Equal(t, r.server.served, 0)
		})
	}
}

func TestAHandlerAnswers(t *testing.T) {
	t.Parallel()
	t.Run("at once, without a body", func(t *testing.T) {
		r := newRig(t)
		r.server.serve = func(x *Exchange) {
			x.Response.Status = 204
			x.Answer(nil)
		}
		r.get()
		got := r.over(record.Done)
		assert.Equal(t, got.Status, 204)
		r.heard("head 204, body 0")
		assert.Equal(t, r.server.delivered, 1)
		assert.Equal(t, r.cut, false)
		assert.Equal(t, r.loop.Stats().Get(stat.HTTPRequests), uint64(1))
	})
	t.Run("later, with a body", func(t *testing.T) {
		r := newRig(t)
		r.get()
		r.running()
		r.server.answers(200, 8)
		r.heard("head 200, body 8")
		r.server.answer.say("good")
		r.running()
		r.server.answer.say("morn")
		r.server.answer.end()
		got := r.over(record.Done)
		assert.Equal(t, r.client.got, "goodmorn")
		assert.Equal(t, r.client.ends, 1)
		assert.Equal(t, got.BytesDown, uint64(8))
		assert.Equal(t, got.BytesUp, uint64(0))
		assert.Equal(t, r.server.delivered, 1)
	})
	t.Run("after interim answers", func(t *testing.T) {
		r := newRig(t)
		r.request("POST", 1)
		r.x.Continue = true
		r.begin()
		for _, status := range []int{103, 100} {
			assert.Equal(t, r.x.Continue, true)
			r.x.Response.Status = status
			r.x.Inform()
			r.x.Response.Reset()
		}
		assert.Equal(t, r.x.Continue, false)
		r.server.answers(200, 0)
		r.over(record.Done)
		r.heard("inform 103", "inform 100", "head 200, body 0")
	})
	t.Run("twice", func(t *testing.T) {
		r := newRig(t)
		r.get()
		r.server.answers(200, 5)
		assert.Panics(t, "answered twice", func() { r.x.Answer(nil) })
		r.server.answer.say("whole")
		r.server.answer.end()
		r.over(record.Done)
	})
}

func TestAHandlerFails(t *testing.T) {
	t.Parallel()
	t.Run("at once", func(t *testing.T) {
		r := newRig(t)
		r.server.serve = func(x *Exchange) { x.Fail(record.NoServer, "", nil) }
		r.get()
		assert.Equal(t, r.over(record.NoServer).Status, 503)
		assert.Equal(t, r.server.cancelled, 1)
	})
	t.Run("at once, having let go", func(t *testing.T) {
		r := newRig(t)
		r.server.serve = func(x *Exchange) {
			x.Serving, r.server.owed = nil, false
			x.Fail(record.ConnectRefused, "", syscall.ECONNREFUSED)
		}
		r.get()
		got := r.over(record.ConnectRefused)
		assert.Equal(t, got.Status, 502)
		assert.Equal(t, got.Errno, syscall.ECONNREFUSED)
		assert.Equal(t, r.server.cancelled, 0)
	})
	t.Run("before its answer's head", func(t *testing.T) {
		r := newRig(t)
		r.get()
		r.x.Fail(record.AnswerBad, "no status line", nil)
		got := r.over(record.AnswerBad)
		assert.Equal(t, []any{got.Status, got.Detail}, []any{int16(502), "no status line"})
		assert.Equal(t, r.server.cancelled, 1)
		assert.Equal(t, r.cut, false)
	})
	t.Run("after it", func(t *testing.T) {
		r := newRig(t)
		r.get()
		r.server.answers(200, 10)
		r.server.answer.say("half")
		r.x.Fail(record.AnswerCut, "", nil)
		got := r.over(record.AnswerCut)
		assert.Equal(t, []any{got.Status, got.BytesDown}, []any{int16(200), uint64(4)})
		r.heard("head 200, body 10")
		assert.Equal(t, r.cut, true)
	})
	t.Run("without a status to answer", func(t *testing.T) {
		r := newRig(t)
		r.get()
		r.x.Fail(record.Stopped, "", nil)
		assert.Equal(t, r.over(record.Stopped).Status, 0)
		assert.Equal(t, r.cut, true)
	})
	t.Run("while its error page is on the way", func(t *testing.T) {
		r := newRig(t)
		r.client.hold = true
		r.get()
		r.x.Fail(record.AnswerBad, "the first", nil)
		r.settle()
		r.x.Fail(record.AnswerTimeout, "the second", nil)
		got := r.over(record.AnswerBad) // the first reason stays
		assert.Equal(t, got.Detail, "the first")
		assert.Equal(t, r.cut, true)
	})
}

func TestTheRequestsBody(t *testing.T) {
	t.Parallel()
	post := func(t *testing.T) *rig {
		r := newRig(t)
		r.server.serve = func(x *Exchange) { x.SendBody(&r.server.request) }
		r.request("POST", 6)
		r.begin()
		return r
	}
	t.Run("goes to the server", func(t *testing.T) {
		r := post(t)
		assert.Equal(t, r.x.Sending() && r.x.Unfinished() && r.x.Asked(), true)
		r.body.say("abc")
		r.body.say("def")
		r.body.end()
		assert.Equal(t, r.x.Sending() || r.x.Unfinished(), false)
		assert.Equal(t, r.server.request.got, "abcdef")
		assert.Equal(t, r.received, 1)
		r.server.answers(200, 0)
		assert.Equal(t, r.over(record.Done).BytesUp, uint64(6))
	})
	t.Run("is not asked for by an answer", func(t *testing.T) {
		r := newRig(t)
		r.server.serve = func(x *Exchange) { x.Response.Status = 401; x.Reply(nil) }
		r.request("POST", 6)
		r.begin()
		assert.Equal(t, r.x.Asked(), false)
		assert.Equal(t, r.x.Unfinished(), true)
		r.over(record.Done)
		r.heard("head 401, body 0")
	})
	t.Run("is outrun by the answer", func(t *testing.T) {
		r := post(t)
		r.body.say("abc")
		r.server.answers(413, 0)
		assert.Equal(t, r.over(record.Done).BytesUp, uint64(3))
	})
	t.Run("goes on while the answer does", func(t *testing.T) {
		r := post(t)
		r.server.answers(200, 2)
		r.body.say("abc")
		r.server.answer.say("ok")
		r.body.say("def")
		r.body.end()
		r.running()
		r.server.answer.end()
		r.over(record.Done)
	})
	t.Run("is whole although the answer came in the same moment", func(t *testing.T) {
		for _, answer := range []func(x *Exchange){
			func(x *Exchange) { x.Response.Status = 204; x.Reply(nil) },
			func(x *Exchange) { x.Fail(record.AnswerBad, "", nil) },
		} {
			r := post(t)
			r.server.request.hold = true
			r.body.ended = true
			r.body.say("abcdef")
			r.server.request.take()
			answer(&r.x) // before the flow's owner has been told
			assert.Equal(t, r.x.Unfinished(), false)
			r.settle()
			assert.Equal(t, r.x.Unfinished(), false)
			assert.Equal(t, len(r.records), 1)
			r.over(r.records[0].Reason)
		}
	})
	t.Run("can be sent again as long as nothing of it was", func(t *testing.T) {
		r := post(t)
		assert.Equal(t, r.x.Replayable(), true)
		r.x.Up.Cancel()
		r.x.SendBody(&r.server.request)
		r.settle()
		r.heard("source") // it was asked for once
		r.server.request.hold = true
		r.body.say("abc")
		assert.Equal(t, r.x.Replayable(), false) // with the sink, that may have written some
		r.server.request.take()
		r.settle()
		assert.Equal(t, r.x.Replayable(), false)
		r.server.request.hold = false
		r.body.end()
		r.server.answers(200, 0)
		r.over(record.Done)
		assert.Equal(t, r.server.request.got, "abc")
	})
	for name, c := range map[string]struct {
		err error
		why record.Reason
		cut bool
	}{
		"too large":  {&record.Error{Kind: record.BodyTooLarge, Detail: "d"}, record.BodyTooLarge, false},
		"ill framed": {&record.Error{Kind: record.BadRequest}, record.BadRequest, false},
		"ended":      {io.ErrUnexpectedEOF, record.ClientGone, true},
	} {
		t.Run(name, func(t *testing.T) {
			r := post(t)
			r.body.cut(c.err)
			assert.Equal(t, r.over(c.why).Status, int16(c.why.Status()))
			assert.Equal(t, r.cut, c.cut)
			assert.Equal(t, r.server.cancelled, 1)
		})
	}
	t.Run("broken by the system", func(t *testing.T) {
		r := post(t)
		r.body.cut(syscall.ECONNRESET)
		r.running() // the connection's owner knows more
		r.x.Abandon(record.ClientReset, syscall.ECONNRESET)
		assert.Equal(t, r.over(record.ClientReset).Errno, syscall.ECONNRESET)
	})
	t.Run("not wanted by the server any more", func(t *testing.T) {
		r := post(t)
		r.server.request.hold = true
		r.body.say("abc")
		r.x.Up.Refuse(syscall.EPIPE)
		r.running() // its answer may be here
		assert.Equal(t, r.body.stopped, 1)
		r.server.answers(403, 0)
		r.over(record.Done)
	})
}

// A body that is kept back is asked for before the handler is, and a client that waits for a 100 hears it at once.
func TestHoldingARequest(t *testing.T) {
	t.Parallel()
	hold := func(t *testing.T, body int64) *rig {
		r := newRig(t)
		r.route.Hold = 8
		r.x.Continue = true
		r.request("POST", body, "Expect", "100-continue")
		r.begin()
		assert.Equal(t, r.server.served, 0)
		r.heard("inform 100", "source")
		assert.Equal(t, r.x.Continue || r.x.Request.Has(Expect), false)
		return r
	}
	send := func(x *Exchange) { x.SendBody(&x.Serving.(*handler).request) }
	t.Run("whole", func(t *testing.T) {
		r := hold(t, 5)
		r.server.serve = send
		r.body.say("abc")
		r.running()
		assert.Equal(t, r.server.served, 0)
		r.body.say("de")
		r.body.end()
		assert.Equal(t, r.server.served, 1)
		assert.Equal(t, r.server.request.got, "abcde")
		assert.Equal(t, r.server.request.ends, 1)
		assert.Equal(t, r.x.Unfinished(), false)
		r.server.answers(200, 0)
		assert.Equal(t, r.over(record.Done).BytesUp, uint64(5))
	})
	t.Run("more than is kept", func(t *testing.T) {
		r := hold(t, Unknown)
		r.server.serve = send
		r.body.say("0123456789ab")
		assert.Equal(t, r.server.served, 1)
		assert.Equal(t, r.server.request.got, "0123456789ab")
		r.body.say("cd")
		r.body.end()
		assert.Equal(t, r.server.request.got, "0123456789abcd")
		r.server.answers(200, 0)
		r.over(record.Done)
	})
	t.Run("refused meanwhile", func(t *testing.T) {
		r := hold(t, Unknown)
		r.body.say("abc")
		r.body.cut(&record.Error{Kind: record.BodyTooLarge})
		assert.Equal(t, r.over(record.BodyTooLarge).Status, 413)
		assert.Equal(t, r.server.served, 0)
	})
	t.Run("the client leaves", func(t *testing.T) {
		r := hold(t, 5)
		r.body.say("abc")
		r.body.cut(io.ErrUnexpectedEOF)
		r.over(record.ClientGone)
		assert.Equal(t, r.server.served, 0)
	})
	t.Run("refused after the handler was asked", func(t *testing.T) {
		r := hold(t, Unknown)
		r.server.serve = send
		r.body.say("0123456789ab")
		r.body.cut(&record.Error{Kind: record.BodyTooLarge})
		assert.Equal(t, r.over(record.BodyTooLarge).Status, 413)
		assert.Equal(t, r.server.cancelled, 1)
		assert.Equal(t, r.server.request.abort != nil, true)
	})
	t.Run("answered without it", func(t *testing.T) {
		r := hold(t, Unknown)
		r.server.serve = func(x *Exchange) { x.Response.Status = 401; x.Reply(nil) }
		r.body.say("0123456789ab")
		assert.Equal(t, r.over(record.Done).BytesUp, uint64(0))
	})
	t.Run("nothing to hold", func(t *testing.T) {
		r := newRig(t)
		r.route.Hold = 8
		r.server.serve = func(x *Exchange) { x.Response.Status = 200; x.Reply(nil) }
		r.get()
		r.over(record.Done)
	})
}
