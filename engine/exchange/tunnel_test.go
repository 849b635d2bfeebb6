package exchange

// Tunnels: two directions that end one by one, and a side that is lost without its last words being so.

import (
	"syscall"
	"testing"
	"time"

	"sluice/engine/record"
	"sluice/internal/assert"
)

// tunnelled begins a tunnel.
func tunnelled(t *testing.T) *rig {
	r := newRig(t)
	r.route.Connect = true
	r.x.Connect = true
	r.request("CONNECT", 0)
	r.begin()
	r.x.Switching = true
	r.server.answers(200, 0)
	assert.Equal(t, r.x.State(), Tunneling)
	r.heard("head 200, body 0", "switch", "server switches", "source")
	return r
}

func TestATunnelEndsInOrder(t *testing.T) {
	t.Parallel()
	for _, clientFirst := range []bool{true, false} {
		r := tunnelled(t)
		r.body.say("to the server")
		r.server.answer.say("to the client")
		first, second, why := &r.body, &r.server.answer, record.ClientEnd
		if !clientFirst {
			first, second, why = second, first, record.ServerEnd
		}
		first.end()
		r.running()
		second.say(", and more")
		second.end()
		got := r.over(why)
		assert.Equal(t, []uint64{got.BytesUp + got.BytesDown}, []uint64{uint64(13 + 13 + 10)})
		assert.Equal(t, r.server.request.ends+r.client.ends, 2)
		assert.Equal(t, r.server.delivered, 1)
		assert.Equal(t, r.cut, false)
	}
}

func TestATunnelsClocks(t *testing.T) {
	t.Parallel()
	r := tunnelled(t)
	r.pass(patient.Tunnel - time.Minute)
	r.server.answer.say("x")
	r.pass(patient.Tunnel - time.Minute)
	r.body.say("x")
	r.ends(patient.Tunnel, record.TunnelIdle)
	r.over(record.TunnelIdle)
	assert.Equal(t, r.cut, true)

	for _, clientFirst := range []bool{true, false} {
		r = tunnelled(t)
		first, second := &r.body, &r.server.answer
		if !clientFirst {
			first, second = second, first
		}
		r.pass(time.Minute)
		first.end()
		for range 5 {
			r.pass(patient.HalfClosed - time.Second)
			second.say("x")
		}
		r.ends(patient.HalfClosed, record.HalfClosedIdle)
		r.over(record.HalfClosedIdle)
	}
}

// What a side had sent before it was lost still reaches the other, as long as that goes on taking it, whatever the timer was
// set for before.
func TestLastWords(t *testing.T) {
	t.Parallel()
	type side struct {
		lose  func(r *rig)
		src   func(r *rig) *source
		dst   func(r *rig) *sink
		why   record.Reason
		cause syscall.Errno
	}
	for name, s := range map[string]side{
		"the server's": {
			func(r *rig) { r.x.Fail(record.ServerReset, "", syscall.ECONNRESET) },
			func(r *rig) *source { return &r.server.answer }, func(r *rig) *sink { return &r.client },
			record.ServerReset, syscall.ECONNRESET},
		"the client's": {
			func(r *rig) { r.x.Abandon(record.ClientReset, syscall.ECONNRESET) },
			func(r *rig) *source { return &r.body }, func(r *rig) *sink { return &r.server.request },
			record.ClientReset, syscall.ECONNRESET},
	} {
		t.Run(name, func(t *testing.T) {
			for _, before := range []time.Duration{0, 5 * time.Second, patient.Tunnel - 2*time.Second} {
				r := tunnelled(t)
				src, dst := s.src(r), s.dst(r)
				r.pass(before)
				dst.hold = true
				src.say("last words")
				s.lose(r)
				r.running()
				s.lose(r) // it is told once more, and that changes nothing
				for range 10 {
					r.pass(lastWords - 100*time.Millisecond)
					r.running()
					dst.flow.Advance(1)
				}
				dst.got = "last words"[:10-dst.chunk.Len()] // what was taken one by one
				r.pass(lastWords - 100*time.Millisecond)
				r.running()
				dst.release()
				r.settle()
				r.running()
				src.cut(s.cause)
				got := r.over(s.why)
				assert.Equal(t, got.Errno, s.cause)
				assert.Equal(t, dst.got, "last words")
				assert.Equal(t, r.cut, true)

				r = tunnelled(t) // nobody takes them
				r.pass(before)
				s.dst(r).hold = true
				s.src(r).say("last words")
				s.lose(r)
				r.ends(lastWords, s.why)
				r.over(s.why)

				r = tunnelled(t) // it had none
				r.pass(before)
				s.src(r).end()
				s.lose(r)
				r.over(s.why)
			}
		})
	}
}

func TestWhatCutsATunnelAtOnce(t *testing.T) {
	t.Parallel()
	r := tunnelled(t)
	r.x.Abandon(record.Stopped, nil)
	r.over(record.Stopped)
	assert.Equal(t, r.cut, true)

	r = tunnelled(t)
	r.x.Fail(record.Busy, "", nil) // a status, but nobody to tell
	assert.Equal(t, r.over(record.Busy).Status, 200)
	assert.Equal(t, r.cut, true)

	r = tunnelled(t)
	r.x.Panicked()
	r.over(record.Internal)
}
