package exchange

// The way of an answer: stages, pages of the proxy's own, failures on the way, and the one way out.

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"sluice/engine/flow"
	"sluice/engine/record"
	"sluice/engine/stat"
	"sluice/internal/assert"
)

// fields are those of the answer, as the front would write them.
func (r *rig) fields() map[string]string {
	all := make(map[string]string)
	for _, p := range listed(&r.x.Response) {
		all[p.name] = p.value
	}
	return all
}

func TestErrorPages(t *testing.T) {
	t.Parallel()
	const html, json, text = "text/html; charset=utf-8", "application/json", "text/plain; charset=utf-8"
	for _, c := range []struct{ accept, kind, begin string }{
		{"", text, "404 Not Found\n"},
		{"*/*", text, "404 Not Found\n"},
		{"text/html,application/xhtml+xml,*/*;q=0.8", html, "<!doctype html>"},
		{"application/json", json, `{"status":404,"error":"Not Found",`},
		{"application/problem+json", json, `{"status":404,`},
		{"application/json, text/html", html, "<!doctype html>"},
		{"text/plain", text, "404 "},
	} {
		for _, method := range []string{"GET", "HEAD"} {
			r := newRig(t)
			r.unfound = record.NotFound
			fields := []string{"Accept", c.accept}
			if c.accept == "" {
				fields = nil
			}
			r.request(method, 0, fields...)
			r.begin()
			got := r.fields()
			assert.Equal(t, got["Content-Type"], c.kind)
			assert.Equal(t, got["Cache-Control"], "no-store")
			assert.Equal(t, string(r.x.Response.Bytes(r.x.Response.Reason)), "Not Found")
			if method == "HEAD" {
				assert.Equal(t, r.client.got, "")
				assert.Equal(t, got["Content-Length"], strconv.FormatInt(r.x.ResponseBody, 10))
				assert.Equal(t, r.x.ResponseBody > 20, true)
				assert.Equal(t, r.x.Bodiless, true)
			} else {
				assert.Equal(t, strings.HasPrefix(r.client.got, c.begin), true)
				assert.Equal(t, int64(len(r.client.got)), r.x.ResponseBody)
			}
			r.over(record.NotFound)
		}
	}
}

// Every reason with a status has a page that names it, and says why.
func TestEveryStatusHasAPage(t *testing.T) {
	t.Parallel()
	for why := range record.Reasons() {
		status := why.Status()
		if status == 0 {
			continue
		}
		if phrases[status] == "" || causes[status] == "" {
			t.Errorf("%s: %d has no phrase or no cause", why, status)
		}
		r := newRig(t)
		r.unfound = why
		r.get()
		assert.Equal(t, strings.HasPrefix(r.client.got, fmt.Sprint(status, " ", phrases[status], "\n")), true)
		assert.Equal(t, r.loop.Stats().Get(stat.HTTPAnswers(status)), uint64(1))
		r.over(why)
	}
}

// Nothing of a failed answer is left in the page, and nothing of the request is in it.
func TestAnErrorPageIsItsOwn(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.request("GET", 0, "Accept", "text/html", "X-Secret", "<script>")
	r.begin()
	r.x.Response.AddString("Set-Cookie", "a=b")
	r.x.Response.Status = 200
	r.x.Fail(record.AnswerBad, "", nil)
	r.settle()
	got := r.fields()
	delete(got, "Date")
	assert.Equal(t, got, map[string]string{"Content-Type": "text/html; charset=utf-8", "Cache-Control": "no-store"})
	assert.Equal(t, strings.Contains(r.client.got, "script"), false)
	assert.Equal(t, strings.Contains(r.client.got, "a.example"), false)
	r.over(record.AnswerBad)
}

func TestReplies(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		method string
		status int
		body   string
		length int64
		got    string
		none   bool
		field  string
	}{
		{"GET", 200, "hello", 5, "hello", false, ""},
		{"GET", 200, "", 0, "", false, ""},
		{"HEAD", 200, "hello", 5, "", true, "5"},
		{"HEAD", 200, "", 0, "", true, "0"},
		{"GET", 204, "hello", 0, "", true, ""},
		{"GET", 304, "hello", 0, "", true, ""},
		{"HEAD", 304, "hello", 0, "", true, ""},
		{"head", 200, "hello", 5, "hello", false, ""}, // methods have a case
	} {
		r := newRig(t)
		r.server.serve = func(x *Exchange) {
			x.Response.Status = c.status
			x.Switching = true // left over from an attempt
			x.Reply([]byte(c.body))
		}
		r.request(c.method, 0)
		r.begin()
		assert.Equal(t, r.x.ResponseBody, c.length)
		assert.Equal(t, r.x.Bodiless, c.none)
		assert.Equal(t, r.fields()["Content-Length"], c.field)
		assert.Equal(t, r.client.got, c.got)
		assert.Equal(t, r.x.Switching, false)
		assert.Equal(t, r.over(record.Done).BytesDown, uint64(len(c.got)))
	}
}

// A front that cannot begin with a request has it refused: no route, no gate, and no second request.
func TestRefuse(t *testing.T) {
	t.Parallel()
	for _, why := range []record.Reason{record.BadRequest, record.HeaderTimeout, record.URITooLong} {
		r := newRig(t)
		r.x.Refuse(r, &r.service, why, "bad name")
		assert.Equal(t, r.x.Closing(), true)
		got := r.over(why)
		assert.Equal(t, got.Detail, "bad name")
		assert.Equal(t, got.Status, int16(why.Status()))
		assert.Equal(t, len(got.Method)+len(got.Target), 0)
	}
}

func TestForgo(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.request("GET", 0)
	r.x.Forgo(r, &r.service, record.ClientGone)
	got := r.over(record.ClientGone)
	assert.Equal(t, len(r.log), 0)
	assert.Equal(t, r.cut, true)
	assert.Equal(t, got.Status, 0)
}

func TestAnAnswersHeadThatDoesNotFit(t *testing.T) {
	t.Parallel()
	t.Run("is replaced", func(t *testing.T) {
		r := newRig(t)
		r.refuse = 1
		r.get()
		r.server.answers(200, 5)
		got := r.over(record.AnswerTooLarge)
		r.heard("no head 200", "head 502, body "+strconv.Itoa(len(r.client.got)))
		assert.Equal(t, got.Status, 502)
		assert.Equal(t, r.server.cancelled, 1)
	})
	t.Run("and the one instead of it neither", func(t *testing.T) {
		r := newRig(t)
		r.refuse = 1000
		r.get()
		r.server.answers(200, 5)
		got := r.over(record.AnswerTooLarge)
		assert.Equal(t, got.Status, 0)
		assert.Equal(t, r.cut, true)
		assert.Equal(t, len(r.log), 2)
	})
}

func TestAnAnswersBodyFails(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err error
		why record.Reason
	}{
		{io.ErrUnexpectedEOF, record.AnswerCut},
		{syscall.ECONNRESET, record.ServerReset},
		{syscall.ETIMEDOUT, record.ServerLost},
		{&record.Error{Kind: record.AnswerBad, Detail: "chunk"}, record.AnswerBad},
		{fmt.Errorf("wrapped: %w", &record.Error{Kind: record.AnswerBad, Detail: "chunk"}), record.AnswerBad},
	} {
		for _, held := range []int{0, 100} {
			r := newRig(t)
			r.route.HoldAnswer = held
			r.get()
			r.server.answers(200, Unknown)
			r.server.answer.say("half")
			r.server.answer.cut(c.err)
			got := r.over(c.why)
			if held > 0 { // nothing of it had left
				assert.Equal(t, got.Status, int16(c.why.Status()))
				assert.Equal(t, r.cut, false)
				continue
			}
			assert.Equal(t, []any{got.Status, got.BytesDown}, []any{int16(200), uint64(4)})
			assert.Equal(t, r.cut, true)
			assert.Equal(t, r.client.abort, c.err)
		}
	}
}

// An answer that is kept back has its head sent when enough of it, or all, is there.
func TestHoldingAnAnswer(t *testing.T) {
	t.Parallel()
	t.Run("whole", func(t *testing.T) {
		r := newRig(t)
		r.route.HoldAnswer = 8
		r.get()
		r.server.answers(200, 5)
		r.server.answer.say("abc")
		assert.Equal(t, len(r.log), 0)
		r.server.answer.say("de")
		r.server.answer.end()
		assert.Equal(t, r.over(record.Done).BytesDown, uint64(5))
		assert.Equal(t, r.client.got, "abcde")
		assert.Equal(t, r.server.delivered, 1)
	})
	t.Run("in part", func(t *testing.T) {
		r := newRig(t)
		r.route.HoldAnswer = 8
		r.get()
		r.server.answers(200, Unknown)
		r.server.answer.say("01234567")
		r.heard("head 200, body -1")
		r.server.answer.say("89")
		assert.Equal(t, r.client.got, "0123456789")
		r.server.answer.cut(io.ErrUnexpectedEOF)
		r.over(record.AnswerCut)
		assert.Equal(t, r.cut, true)
	})
	t.Run("nothing to keep", func(t *testing.T) {
		r := newRig(t)
		r.route.HoldAnswer = 8
		r.get()
		r.server.answers(304, 0)
		r.over(record.Done)
	})
	t.Run("not the proxy's own", func(t *testing.T) {
		r := newRig(t)
		r.route.HoldAnswer = 8
		r.server.serve = func(x *Exchange) { x.Response.Status = 200; x.Reply([]byte("hello, this is the proxy")) }
		r.get()
		r.over(record.Done)
	})
}

// shout is a Stage: it may put itself between.
type shout struct {
	name  string
	log   *[]string
	joins bool
	inner flow.Flow
	to    *flow.Flow
	stops int
}

func (s *shout) Join(x *Exchange, src flow.Source) flow.Source {
	*s.log = append(*s.log, s.name)
	x.Response.AddString("X-Stage", s.name)
	if !s.joins {
		return src
	}
	if src != nil {
		s.inner.Start(x.Loop(), src, s, s)
	}
	return s
}

func (s *shout) Write(f *flow.Flow, c *flow.Chunk, end bool) {
	text := strings.ToUpper(string(c.Bytes)) + "!"
	f.Advance(c.Len())
	f.Done()
	s.to.Send(flow.Chunk{Bytes: []byte(text)}, end)
}

func (s *shout) Abort(_ *flow.Flow, err error) { s.to.Fail(err) }
func (s *shout) Ended(*flow.Flow, error)       {}
func (s *shout) Proceed(f *flow.Flow)          { s.to = f }
func (s *shout) Stop(*flow.Flow, error) {
	s.stops++
	s.inner.Cancel()
}

func TestStages(t *testing.T) {
	t.Parallel()
	var order []string
	one, two := &shout{name: "one", log: &order}, &shout{name: "two", log: &order, joins: true}
	stages := []Stage{one, two}
	t.Run("in order", func(t *testing.T) {
		r := newRig(t)
		r.route.Stages = stages
		r.get()
		r.server.answers(200, Unknown)
		r.server.answer.say("hello")
		r.server.answer.end()
		r.over(record.Done)
		assert.Equal(t, r.client.got, "HELLO!!")
		assert.Equal(t, order, []string{"one", "two"})
		assert.Equal(t, two.stops, 0)
	})
	t.Run("without a body they see the head only", func(t *testing.T) {
		r := newRig(t)
		r.route.Stages = stages
		r.get()
		r.server.answers(204, 0)
		assert.Equal(t, len(listed(&r.x.Response)), 2)
		r.over(record.Done)
		r.heard("head 204, body 0")
	})
	t.Run("are stopped by what ends the exchange", func(t *testing.T) {
		r := newRig(t)
		r.route.Stages = stages
		r.get()
		r.server.answers(200, Unknown)
		r.server.answer.say("hello")
		r.x.Abandon(record.ClientReset, syscall.ECONNRESET)
		r.over(record.ClientReset)
		assert.Equal(t, two.stops, 1)
	})
	t.Run("see error pages too", func(t *testing.T) {
		r := newRig(t)
		r.route.Stages = stages[:1]
		r.get()
		r.x.Fail(record.NoServer, "", nil)
		r.settle()
		assert.Equal(t, r.fields()["X-Stage"], "one")
		r.over(record.NoServer)
	})
}

// scenario is one way through the house, cut into steps; it ends by itself after the last.
type scenario struct {
	why   record.Reason
	setUp func(r *rig)
	steps []func(r *rig)
}

var scenarios = map[string]scenario{
	"a plain answer": {record.Done, nil, []func(r *rig){
		(*rig).get,
		func(r *rig) { r.server.answers(200, Unknown) },
		func(r *rig) { r.server.answer.say("hello") },
		func(r *rig) { r.client.hold = true; r.server.answer.say("again") },
		func(r *rig) { r.client.release(); r.settle() },
		func(r *rig) { r.server.answer.end() },
	}},
	"a body and an answer at once": {record.Done, func(r *rig) {
		r.server.serve = func(x *Exchange) { x.SendBody(&r.server.request) }
	}, []func(r *rig){
		func(r *rig) { r.request("POST", 6); r.begin() },
		func(r *rig) { r.body.say("abc") },
		func(r *rig) { r.server.answers(200, 5) },
		func(r *rig) { r.server.request.hold = true; r.body.say("def") },
		func(r *rig) { r.server.answer.say("early") },
		func(r *rig) { r.server.request.release(); r.settle() },
		func(r *rig) { r.body.end() },
		func(r *rig) { r.server.answer.end() },
	}},
	"everything kept back": {record.Done, func(r *rig) {
		r.route.Hold, r.route.HoldAnswer = 4, 4
		r.server.serve = func(x *Exchange) { x.SendBody(&r.server.request) }
	}, []func(r *rig){
		func(r *rig) { r.request("POST", 6); r.begin() },
		func(r *rig) { r.body.say("abc") },
		func(r *rig) { r.server.request.hold = true; r.body.say("def") },
		func(r *rig) { r.body.end() },
		func(r *rig) { r.server.request.release(); r.settle() },
		func(r *rig) { r.server.answers(200, 8) },
		func(r *rig) { r.server.answer.say("abcdef") },
		func(r *rig) { r.server.answer.say("gh") },
		func(r *rig) { r.server.answer.end() },
	}},
	"a parked gate": {record.Done, func(r *rig) {
		r.route.Gates = []Gate{gate(func(*Exchange) Verdict { return Parked })}
	}, []func(r *rig){
		(*rig).get,
		func(r *rig) { r.x.Resume(); r.settle() },
		func(r *rig) { r.server.answers(204, 0) },
	}},
	"an error page": {record.NoServer, func(r *rig) { r.client.hold = true }, []func(r *rig){
		(*rig).get,
		func(r *rig) { r.x.Fail(record.NoServer, "", nil); r.settle() },
		func(r *rig) { r.client.release(); r.settle() },
	}},
	"a tunnel": {record.ClientEnd, func(r *rig) { r.route.Connect = true }, []func(r *rig){
		func(r *rig) { r.x.Connect = true; r.request("CONNECT", 0); r.begin() },
		func(r *rig) { r.x.Switching = true; r.server.answers(200, 0) },
		func(r *rig) { r.body.say("up"); r.server.answer.say("down") },
		func(r *rig) { r.body.end() },
		func(r *rig) { r.server.answer.end() },
	}},
}

// Whatever ends an exchange, at whatever point: it is over at once, or after an error page.
func TestEndsAtEveryPoint(t *testing.T) {
	t.Parallel()
	causes := map[string]func(r *rig){
		"the client resets": func(r *rig) { r.x.Abandon(record.ClientReset, syscall.ECONNRESET) },
		"the client leaves": func(r *rig) { r.x.Abandon(record.ClientGone, nil) },
		"the server resets": func(r *rig) { r.x.Fail(record.ServerReset, "", syscall.ECONNRESET) },
		"the proxy stops":   func(r *rig) { r.x.Abandon(record.Stopped, nil) },
		"a fault":           func(r *rig) { r.x.Panicked() },
		"several things": func(r *rig) {
			r.x.Fail(record.AnswerBad, "", nil)
			r.x.Fail(record.Busy, "", nil)
			r.x.Abandon(record.ClientGone, nil)
		},
		"an hour's silence":   func(r *rig) { r.pass(2 * patient.Tunnel) },
		"the request's body":  func(r *rig) { r.body.cut(io.ErrUnexpectedEOF) },
		"the answer's body":   func(r *rig) { r.server.answer.cut(errors.New("disk")) },
		"the client's kernel": func(r *rig) { r.refuseDown() },
	}
	for name, s := range scenarios {
		for cause, end := range causes {
			for at := range len(s.steps) + 1 {
				r := newRig(t)
				if s.setUp != nil {
					s.setUp(r)
				}
				for _, step := range s.steps[:at] {
					step(r)
				}
				switch {
				case at == 0:
					continue
				case at == len(s.steps):
					r.over(s.why)
					continue
				}
				r.running()
				end(r)
				r.settle()
				if len(r.records) == 0 { // it did not matter, or there are last words or a page to be taken
					r.client.release()
					r.settle()
				}
				if len(r.records) == 0 {
					r.x.Abandon(record.Stopped, nil)
					r.settle()
					if len(r.records) == 0 { // a tunnel that is dying dies in its own time
						r.pass(lastWordsMax)
					}
				}
				if len(r.records) != 1 {
					t.Fatalf("%s, %s at %d: recorded %d times", name, cause, at, len(r.records))
				}
				r.over(r.records[0].Reason)
			}
		}
	}
}

// refuseDown has the sink of the answer fail, as a socket does, which tells its owner before.
func (r *rig) refuseDown() {
	if !r.x.Down.Stalled() {
		return
	}
	r.x.Abandon(record.ClientReset, syscall.EPIPE)
	if !r.x.Down.Closing() {
		r.x.Down.Refuse(syscall.EPIPE)
	}
}

// An exchange is used many times, and knows nothing of the time before.
func TestUsedAgain(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for range 3 {
		for name, s := range scenarios {
			r.route = Route{Handler: &r.server, Names: &record.Names{Route: name}, Timeouts: patient}
			r.server.serve = nil
			if s.setUp != nil {
				s.setUp(r)
			}
			for _, step := range s.steps {
				step(r)
			}
			got := r.over(s.why)
			assert.Equal(t, got.Names.Route, name)
			r.again()
		}
	}
	for name, x := range map[string]*Exchange{"used": &r.x, "new": &newRig(t).x} {
		head := Exchange{}
		assert.Equal(t, x.Request.Size()+x.Response.Size()+x.RequestTrailers.Size()+x.ResponseTrailers.Size(), 0)
		got := []any{x.RequestBody, x.ResponseBody, x.Upgrade, x.Protocol, x.Connect, x.Continue, x.Bodiless, x.Switching, x.Record, x.upPace, x.downPace,
			x.halved, x.gate, x.answer, x.failed, x.first, x.lost, x.cause, x.closing, x.kept, x.served, x.cut, x.hold, x.keep}
		want := []any{head.RequestBody, head.ResponseBody, head.Upgrade, head.Protocol, false, false, false, false, head.Record, head.upPace, head.downPace,
			head.halved, 0, head.answer, head.failed, head.first, head.lost, head.cause, false, false, false, false, head.hold, head.keep}
		for i := range got {
			if fmt.Sprint(got[i]) != fmt.Sprint(want[i]) {
				t.Errorf("%s: place %d is %v, want %v", name, i, got[i], want[i])
			}
		}
	}
}

func TestAllocAnExchange(t *testing.T) {
	r := newRig(t)
	body := []byte("hello")
	r.server.serve = func(x *Exchange) {
		x.Response.Status = 200
		x.ResponseBody = 5
		x.Answer((*fixed)(&body))
	}
	q := &quiet{rig: r}
	service := Service{Router: q, Recorder: q, Timeouts: patient}
	method, target := []byte("GET"), []byte("/")
	assert.Allocs(t, 0, func() {
		h := &r.x.Request
		h.Method, h.Target = h.Store(method), h.Store(target)
		r.x.Begin(q, &service)
		r.settle()
		if q.overs == 0 || r.x.State() != Over {
			t.Fatal(r.x.State())
		}
		r.x.Clear()
	})
}

// fixed is a source that always gives the same.
type fixed []byte

func (b *fixed) Proceed(f *flow.Flow)   { f.Send(flow.Chunk{Bytes: *b}, true) }
func (b *fixed) Stop(*flow.Flow, error) {}

// quiet is a front that keeps nothing.
type quiet struct {
	*rig
	overs int
}

func (q *quiet) Exchange(*Exchange)       {}
func (q *quiet) WriteHead(*Exchange) bool { return true }
func (q *quiet) Sink(*Exchange) flow.Sink { return q }
func (q *quiet) Over(*Exchange, bool)     { q.overs++ }
func (q *quiet) Abort(*flow.Flow, error)  {}
func (q *quiet) Write(f *flow.Flow, c *flow.Chunk, _ bool) {
	f.Advance(c.Len())
	f.Done()
}
