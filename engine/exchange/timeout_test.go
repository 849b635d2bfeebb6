package exchange

// Every clock of an exchange, in virtual time: when it ends what, and that it does not while things move.

import (
	"strings"
	"testing"
	"time"

	"sluice/engine/record"
	"sluice/internal/assert"
)

// upload begins a request with a body that goes to the server.
func upload(t *testing.T) *rig {
	r := newRig(t)
	r.server.serve = func(x *Exchange) { x.SendBody(&r.server.request) }
	r.request("POST", Unknown)
	r.begin()
	return r
}

// download begins an answer with a body.
func download(t *testing.T, change func(r *rig)) *rig {
	r := newRig(t)
	if change != nil {
		change(r)
	}
	r.get()
	r.server.answers(200, Unknown)
	return r
}

func TestTheRequestsBodyStandsStill(t *testing.T) {
	t.Parallel()
	r := upload(t)
	r.ends(patient.BodyIdle, record.BodyTimeout)
	assert.Equal(t, r.over(record.BodyTimeout).Status, 408)

	r = upload(t)
	for range 10 {
		r.pass(patient.BodyIdle - time.Second)
		r.body.say("x")
	}
	r.ends(patient.BodyIdle, record.BodyTimeout)
	r.over(record.BodyTimeout)

	r = upload(t) // it counts beside the answer's own clock, and an answer that has begun can only be cut
	r.server.answers(200, Unknown)
	r.server.answer.say("early")
	r.ends(patient.BodyIdle, record.BodyTimeout)
	assert.Equal(t, r.over(record.BodyTimeout).Status, 200)
	assert.Equal(t, r.cut, true)
}

func TestABodyThatIsKeptBackStandsStill(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.route.Hold = 100
	r.request("POST", Unknown)
	r.begin()
	r.pass(patient.BodyIdle - time.Second)
	r.body.say("x")
	r.ends(patient.BodyIdle, record.BodyTimeout)
	assert.Equal(t, r.over(record.BodyTimeout).Status, 408)

	r = newRig(t) // what does not fit waits for the server, not for the client
	r.route.Hold = 4
	r.request("POST", Unknown)
	r.begin()
	r.body.say("0123456789")
	assert.Equal(t, r.server.served, 1)
	r.ends(patient.FirstByte, record.AnswerTimeout)
	r.over(record.AnswerTimeout)
}

// The minimum rate counts after a grace, over windows as long: slow beginnings are forgiven, slow middles are not.
func TestTheRequestsBodyIsTooSlow(t *testing.T) {
	t.Parallel()
	trickle := func(r *rig, bytes int, seconds int) {
		for range seconds {
			if len(r.records) == 0 {
				r.body.say(strings.Repeat("x", bytes))
			}
			r.pass(time.Second)
		}
	}
	slow := func(t *testing.T) *rig {
		r := newRig(t)
		r.route.Timeouts.MinRate = 1000
		r.server.serve = func(x *Exchange) { x.SendBody(&r.server.request) }
		r.request("POST", Unknown)
		r.begin()
		return r
	}
	r := slow(t)
	trickle(r, 900, 9)
	r.running()
	trickle(r, 900, 2)
	assert.Equal(t, r.over(record.BodyTooSlow).Status, 408)

	r = slow(t)
	trickle(r, 1100, 60)
	r.running()
	trickle(r, 900, 25) // the good time before does not count
	r.over(record.BodyTooSlow)

	r = slow(t) // a server that does not take it is not the client's fault
	r.server.request.hold = true
	r.body.say("x")
	r.pass(patient.Idle - time.Second)
	r.running()
	r.server.request.release()
	r.settle()
	trickle(r, 1100, 30)
	r.running()
	r.pass(patient.BodyIdle + time.Second)
	r.over(record.BodyTooSlow) // of the two clocks the rate's is nearer

	r = slow(t) // nor is a server that takes it slowly
	r.server.request.hold = true
	for range 20 {
		r.body.say("x")
		r.pass(patient.Idle - time.Second)
		r.running()
		r.server.request.take()
		r.settle()
	}
	r.x.Abandon(record.ClientGone, nil)
	r.over(record.ClientGone)
}

// A client that waits for a 100 has its whole time after it.
func TestAWaitForA100(t *testing.T) {
	t.Parallel()
	begin := func(t *testing.T) *rig {
		r := newRig(t)
		r.server.serve = func(x *Exchange) { x.SendBody(&r.server.request) }
		r.x.Continue = true
		r.request("POST", 5)
		r.begin()
		return r
	}
	r := begin(t)
	r.ends(patient.FirstByte, record.AnswerTimeout)
	assert.Equal(t, r.over(record.AnswerTimeout).Status, 504)

	r = begin(t)
	r.pass(patient.FirstByte - time.Second)
	r.x.Response.Status = 100
	r.x.Inform()
	r.x.Response.Reset()
	r.ends(patient.BodyIdle, record.BodyTimeout)
	r.over(record.BodyTimeout)
}

func TestNoAnswer(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.get()
	r.ends(patient.FirstByte, record.AnswerTimeout)
	assert.Equal(t, r.over(record.AnswerTimeout).Status, 504)
	assert.Equal(t, r.server.cancelled, 1)

	r = upload(t) // it counts from the whole request
	for range 10 {
		r.pass(patient.BodyIdle / 2)
		r.body.say("x")
	}
	r.body.end()
	r.ends(patient.FirstByte, record.AnswerTimeout)
	r.over(record.AnswerTimeout)

	r = upload(t) // a server that does not take the request
	r.server.request.hold = true
	r.body.say("x")
	r.ends(patient.Idle, record.AnswerTimeout)
	assert.Equal(t, r.over(record.AnswerTimeout).Status, 504)

	r = newRig(t) // what a gate has taken does not count
	r.route.Gates = []Gate{gate(func(*Exchange) Verdict { return Parked })}
	r.get()
	r.pass(patient.FirstByte - time.Second)
	r.x.Resume()
	r.ends(patient.FirstByte, record.AnswerTimeout)
	r.over(record.AnswerTimeout)
}

// What has a clock of its own, as connecting does, is not the server's time to answer.
func TestDetours(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.server.serve = (*Exchange).Detour
	r.get()
	r.pass(10 * patient.FirstByte)
	r.running()
	r.x.Await()
	r.ends(patient.FirstByte, record.AnswerTimeout)
	r.over(record.AnswerTimeout)
}

// A client that waits for a 100 sends no body while a final answer comes instead, however long that takes.
func TestAFinalAnswerInsteadOfA100(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.server.serve = func(x *Exchange) { x.SendBody(&r.server.request) }
	r.x.Continue = true
	r.request("POST", 5)
	r.begin()
	r.server.answers(200, Unknown)
	for range 20 {
		r.pass(patient.FirstByte / 2)
		r.running()
		r.server.answer.say("x")
	}
	r.server.answer.end()
	r.over(record.Done)
}

func TestTheAnswerStandsStill(t *testing.T) {
	t.Parallel()
	r := download(t, nil)
	r.ends(patient.Idle, record.AnswerIdle)
	assert.Equal(t, r.over(record.AnswerIdle).Status, 200)
	assert.Equal(t, r.cut, true)

	r = download(t, nil)
	for range 10 {
		r.pass(patient.Idle - time.Second)
		r.server.answer.say("x")
	}
	r.ends(patient.Idle, record.AnswerIdle)
	r.over(record.AnswerIdle)

	r = download(t, func(r *rig) { r.route.HoldAnswer = 100 }) // nothing of it has left: there can be a page
	r.server.answer.say("half")
	r.ends(patient.Idle, record.AnswerIdle)
	assert.Equal(t, r.over(record.AnswerIdle).Status, 504)
	assert.Equal(t, r.cut, false)
}

// What counts is what the client's kernel has acknowledged. The first look is taken after ten seconds, so a client may
// have as much longer.
func TestTheClientTakesNothing(t *testing.T) {
	t.Parallel()
	late := func(r *rig) {
		t.Helper()
		r.pass(patient.WriteIdle - time.Second)
		r.running()
		r.pass(rateGrace + 2*time.Second)
		r.over(record.WriteTimeout)
		assert.Equal(t, r.cut, true)
	}
	r := download(t, nil)
	r.client.hold = true
	r.server.answer.say("x")
	late(r)

	r = download(t, nil) // its kernel takes nothing: what ours takes is no progress
	r.client.hold = true
	r.server.answer.say(strings.Repeat("x", 1000))
	for range 100 {
		r.client.flow.Advance(1)
		r.backlog++
		r.pass(time.Second)
		if len(r.records) > 0 {
			break
		}
	}
	took := time.Duration(r.now) - time.Hour
	assert.Equal(t, took >= patient.WriteIdle && took <= patient.WriteIdle+rateGrace+2*time.Second, true)
	r.over(record.WriteTimeout)

	r = download(t, nil) // the other way round: ours is full, and empties slowly
	r.server.answer.say(strings.Repeat("x", 10_000))
	r.client.hold = true
	r.server.answer.say("more")
	for r.backlog = 9000; r.backlog > 0; r.backlog -= 100 {
		r.pass(patient.WriteIdle / 2)
		r.running()
	}
	late(r)
}

// A client is slow only while somebody waits for it: an answer that comes in drops, and then all at once, is taken as
// fast as anybody could.
func TestTheClientIsTooSlow(t *testing.T) {
	t.Parallel()
	rate := func(r *rig) { r.route.Timeouts.MinRate = 1000 }
	r := download(t, rate)
	r.client.hold = true
	r.server.answer.say(strings.Repeat("x", 60_000))
	for range 30 {
		r.client.flow.Advance(500)
		r.pass(time.Second)
		if len(r.records) > 0 {
			break
		}
	}
	took := time.Duration(r.now) - time.Hour
	assert.Equal(t, took >= rateGrace && took <= 2*rateGrace+2*time.Second, true)
	r.over(record.WriteTimeout)

	r = download(t, rate)
	r.client.hold = true
	r.server.answer.say(strings.Repeat("x", 60_000))
	for range 45 {
		r.client.flow.Advance(1200)
		r.pass(time.Second)
	}
	r.running()
	r.x.Abandon(record.ClientReset, nil)
	r.over(record.ClientReset)

	r = download(t, rate)
	for range 60 {
		r.server.answer.say("drop by drop")
		r.pass(patient.Idle / 2)
	}
	r.client.hold = true
	r.server.answer.say(strings.Repeat("x", 60_000))
	for range 45 {
		r.client.flow.Advance(1200)
		r.pass(time.Second)
	}
	r.running()
	r.client.release()
	r.server.answer.end()
	r.over(record.Done)
}

// The timer is lazy. Whatever it was set for, by this exchange or the one before, it ends nothing early, and it is seldom
// set: once in ten seconds, however many requests are answered in that time.
func TestTheTimerIsLazy(t *testing.T) {
	t.Parallel()
	for name, later := range map[string]bool{"answers at once": false, "answers later": true} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			set, last := 0, int64(0)
			look := func() {
				if r.x.timer.Running() && r.x.timer.Deadline() != last {
					set, last = set+1, r.x.timer.Deadline()
				}
			}
			const lasting = time.Minute
			for r.now < int64(time.Hour+lasting) {
				r.request("GET", 0)
				if !later {
					r.server.serve = func(x *Exchange) { r.server.quick(x) }
				}
				r.begin()
				look()
				if later {
					r.pass(time.Millisecond)
					r.server.answers(200, 5)
					look()
					r.server.answer.ended = true
					r.server.answer.say("hello")
				}
				look()
				assert.Equal(t, len(r.records), 1)
				r.x.Clear()
				r.again()
				r.pass(50 * time.Millisecond)
				look()
			}
			if most := int(lasting/rateGrace) + 1; set > most {
				t.Errorf("the timer was set %d times in %v, want at most %d", set, lasting, most)
			}
		})
	}
}

// quick answers at once.
func (h *handler) quick(x *Exchange) {
	h.answer.pieces, h.answer.ended = []string{"hello"}, true
	x.Response.Status, x.ResponseBody = 200, 5
	x.Answer(&h.answer)
}

// A timer that an earlier exchange has left behind changes nothing for a later one.
func TestATimerOfAnEarlierExchange(t *testing.T) {
	t.Parallel()
	for _, gap := range []time.Duration{0, time.Second, 9 * time.Second, 10 * time.Second, 59 * time.Second} {
		r := newRig(t)
		r.get()
		r.server.answers(200, 5)
		r.server.answer.say("hello")
		r.server.answer.end()
		assert.Equal(t, len(r.records), 1)
		r.x.Clear()
		r.again()
		r.pass(gap)
		r.get()
		r.ends(patient.FirstByte, record.AnswerTimeout)
		r.over(record.AnswerTimeout)
	}
}
