package upstream

// What is tried again on another server, and what is not.

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"sluice/configs"
	"sluice/engine/exchange"
	"sluice/engine/lease"
	"sluice/engine/record"
	"sluice/internal/assert"
)

// among makes n servers, of which the first that will do is taken: server(1) and so on.
func among(n int) func(u *configs.Upstream) {
	return func(u *configs.Upstream) {
		for i := range n - 1 {
			next := u.Servers[0]
			next.Address.Host = fmt.Sprintf("192.0.2.%d", 10+i)
			u.Servers = append(u.Servers, next)
		}
	}
}

func server(i int) string { return fmt.Sprintf("192.0.2.%d:80", 8+i) }

// retrying is a rig with n servers and a route that retries whatever it may.
func retrying(t *testing.T, n int) *rig {
	t.Helper()
	r := newRig(t, among(n))
	r.proxy.Retry = Retry{
		Attempts: 2, Connect: true, Reset: true, Timeout: true, MarkedDown: true, Statuses: []int{500, 503}, Percent: 100, Budget: NewBudget(1),
	}
	r.proxy.Retry.Budget.Begin(r.now)
	return r
}

func (r *rig) backend(i int) *lease.Backend { return r.proxy.Upstream.Set().Backends()[i-1] }

// wait lets time pass.
func (r *rig) wait(d time.Duration) {
	r.now += int64(d)
	r.loop.Tick()
	r.settle()
}

// failures is what each server is blamed for.
func (r *rig) failures() (all []int) {
	for _, b := range r.proxy.Upstream.Set().Backends() {
		all = append(all, int(b.Failures()))
	}
	return all
}

// ways are all the ways in which a server may fail a request that it has been sent, and how a client hears of it.
var ways = map[string]struct {
	fail   func(r *rig)
	allows func(allowed *Retry) *bool
	why    record.Reason
	status int
	blamed int
}{
	"reset": {func(r *rig) { r.back().fails(record.Error{Kind: record.ServerReset, Retry: record.RetryIfReused}) },
		func(allowed *Retry) *bool { return &allowed.Reset }, record.ServerReset, 502, 1},
	"truncated": {func(r *rig) { r.back().fails(record.Error{Kind: record.ServerTruncated, Retry: record.RetryIfReused}) },
		func(allowed *Retry) *bool { return &allowed.Reset }, record.ServerTruncated, 502, 1},
	"violated": {func(r *rig) { r.back().fails(record.Error{Kind: record.ServerViolation, Retry: record.RetryIfReused}) },
		func(allowed *Retry) *bool { return &allowed.Reset }, record.ServerViolation, 502, 1},
	"lost": {func(r *rig) { r.back().fails(record.Error{Kind: record.ServerLost, Retry: record.RetryIfReused}) },
		func(allowed *Retry) *bool { return &allowed.Reset }, record.ServerLost, 502, 1},
	"cut": {func(r *rig) { r.back().fails(record.Error{Kind: record.AnswerCut, Retry: record.RetryIfReused}) },
		func(allowed *Retry) *bool { return &allowed.Reset }, record.AnswerCut, 502, 1},
	"timeout": {func(r *rig) { r.wait(time.Minute) },
		func(allowed *Retry) *bool { return &allowed.Timeout }, record.AnswerTimeout, 504, 1},
	"marked down": {func(r *rig) { r.proxy.Origins.Abandon(r.backend(1)); r.settle() },
		func(allowed *Retry) *bool { return &allowed.MarkedDown }, record.MarkedDown, 504, 0},
}

// A request that may be sent twice goes to the next server, as if it had been the first.
func TestAnotherServer(t *testing.T) {
	t.Parallel()
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			r := retrying(t, 2)
			r.ask("GET", "")
			first := r.connect()
			way.fail(r)
			assert.Equal(t, []any{first.how, len(r.records), r.backend(1).InUse(), r.backend(2).InUse()}, []any{"reset", 0, int32(0), int32(1)})
			second := r.connect()
			assert.Equal(t, second.wrote, "request")
			r.back().answers(200, "hello")
			assert.Equal(t, r.got, "hello")
			got := r.over(record.Done, 200)
			assert.Equal(t, []any{got.Server, got.Attempts, got.UpstreamStatus}, []any{server(2), uint8(2), int16(200)})
			assert.Equal(t, r.failures(), []int{way.blamed, 0})
			assert.Equal(t, []int{int(r.proxy.Retry.Budget.Granted()), int(r.proxy.Retry.Budget.running.Load())}, []int{1, 0})
			r.home()
		})
	}
}

// Every one of the conditions has to hold.
func TestNoOtherServer(t *testing.T) {
	t.Parallel()
	for what, change := range map[string]func(r *rig, allowed *bool) (method string){
		"not allowed":      func(_ *rig, allowed *bool) string { *allowed = false; return "GET" },
		"not safe":         func(*rig, *bool) string { return "POST" },
		"no attempts left": func(r *rig, _ *bool) string { r.proxy.Retry.Attempts = 0; return "GET" },
		"no budget":        func(r *rig, _ *bool) string { r.proxy.Retry.Percent = 0; return "GET" },
		"nobody else":      func(r *rig, _ *bool) string { r.backend(2).SetDown(true); return "GET" },
		"nobody else has weight": func(r *rig, _ *bool) string {
			specs := []lease.Spec{{Name: server(1), Addr: r.backend(1).Addr, Weight: 1}, {Name: server(2), Addr: r.backend(2).Addr}}
			r.proxy.Upstream.Replace(specs)
			return "GET"
		},
	} {
		for name, way := range ways {
			r := retrying(t, 2)
			r.ask(change(r, way.allows(&r.proxy.Retry)), "")
			c := r.connect()
			way.fail(r)
			if len(r.records) != 1 || r.records[0].Reason != way.why {
				t.Fatalf("%s, %s: %v", what, name, r.records)
			}
			got := r.over(way.why, way.status)
			assert.Equal(t, []any{got.Attempts, got.Server, c.how}, []any{uint8(1), server(1), "reset"})
			assert.Equal(t, r.failures(), []int{way.blamed, 0})
			r.home()
		}
	}
}

// Once the client has heard something, there is no way back.
func TestNoWayBack(t *testing.T) {
	t.Parallel()
	r := retrying(t, 2)
	r.ask("GET", "")
	r.connect()
	r.x.Response.Status = 103
	r.back().to.Informed()
	r.back().fails(record.Error{Kind: record.ServerReset, Retry: record.RetryIfReused})
	r.over(record.ServerReset, 502)
	r.home()

	for _, held := range []int{0, 100} { // an answer that has begun, kept back or not, is not taken from its server by a check
		r = retrying(t, 2)
		r.route.HoldAnswer = held
		r.ask("GET", "")
		r.connect()
		r.x.Response.Status, r.x.ResponseBody, r.back().answer = 200, 5, "hello"
		r.back().to.Answered()
		r.proxy.Origins.Abandon(r.backend(1))
		r.settle()
		assert.Equal(t, r.got, "hello")
		r.over(record.Done, 200)
		r.home()
	}
}

// Servers that fail one after the other: as many as the route allows, and none of them twice.
func TestAsManyAttemptsAsAllowed(t *testing.T) {
	t.Parallel()
	r := retrying(t, 5)
	r.ask("GET", "")
	for range 3 {
		r.connect()
		r.back().fails(record.Error{Kind: record.ServerReset, Retry: record.RetryIfReused})
	}
	got := r.over(record.ServerReset, 502)
	assert.Equal(t, []any{got.Attempts, got.Server}, []any{uint8(3), server(3)})
	assert.Equal(t, r.failures(), []int{1, 1, 1, 0, 0})
	assert.Equal(t, int(r.proxy.Retry.Budget.Granted()), 2) // each of them is paid for
	r.home()
}

// What cannot be reached is passed over on the way of a retry, too, and those that have failed are not asked again.
func TestARetryThatMeetsDeadServers(t *testing.T) {
	t.Parallel()
	r := retrying(t, 3)
	r.ask("GET", "")
	r.connect()
	r.back().fails(record.Error{Kind: record.ServerReset, Retry: record.RetryIfReused})
	r.refused() // the second
	r.refused() // the third; the first might be reached
	got := r.over(record.ConnectRefused, 502)
	assert.Equal(t, []any{got.Attempts, got.Server}, []any{uint8(3), server(3)})
	assert.Equal(t, r.failures(), []int{1, 1, 1})
	r.home()
}

func TestConnectFailuresThatAreNotToBeRetried(t *testing.T) {
	t.Parallel()
	r := retrying(t, 2)
	r.proxy.Retry.Connect = false
	r.ask("GET", "")
	r.refused()
	got := r.over(record.ConnectRefused, 502)
	assert.Equal(t, got.Attempts, 1)
	r.home()
}

// A retry takes an idle connection as anybody does, and a retry on one that is dead has its own remedy.
func TestARetryOnAnIdleConnection(t *testing.T) {
	t.Parallel()
	r := retrying(t, 2)
	r.backend(1).SetDraining(true)
	r.ask("GET", "")
	r.connect()
	r.back().answers(200, "")
	r.over(record.Done, 200)
	r.backend(1).SetDraining(false)
	r.ask("GET", "")
	r.connect()
	dials := r.next
	r.back().fails(record.Error{Kind: record.ServerReset, Retry: record.RetryIfReused})
	assert.Equal(t, r.next, dials)
	r.back().answers(200, "")
	got := r.over(record.Done, 200)
	assert.Equal(t, []any{got.Server, got.Attempts, got.Reused}, []any{server(2), uint8(2), true})
	r.home()
}

// An answer that another server might better is not passed on; the last one is, whatever it says.
func TestABetterAnswer(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		method   string
		statuses []int
		last     int // that the client gets, from the server of that number
	}{
		{"GET", []int{503, 200}, 2},
		{"GET", []int{500, 500, 404}, 3},
		{"GET", []int{503, 503, 503}, 3}, // two attempts after the first
		{"GET", []int{502}, 1},           // not in the list
		{"POST", []int{503}, 1},
	} {
		r := retrying(t, 4)
		r.ask(c.method, "")
		for i, status := range c.statuses {
			conn := r.connect()
			r.x.Response.AddString("X-From", server(i+1))
			r.back().answers(status, "body")
			if i+1 < c.last {
				assert.Equal(t, []any{len(r.records), conn.how, r.got}, []any{0, "reset", ""})
			}
		}
		var from []string
		for _, f := range r.x.Response.Fields() {
			from = append(from, string(r.x.Response.Bytes(f.Value)))
		}
		assert.Equal(t, []any{r.got, from}, []any{"body", []string{server(c.last)}}) // nothing of the others
		got := r.over(record.Done, c.statuses[c.last-1])
		assert.Equal(t, []any{got.Server, int(got.Attempts)}, []any{server(c.last), c.last})
		r.home()
	}
	r := retrying(t, 1) // nobody else
	r.ask("GET", "")
	r.connect()
	r.back().answers(503, "sorry")
	assert.Equal(t, r.got, "sorry")
	r.over(record.Done, 503)
	r.home()
}

// An answer that was not passed on has left nothing behind that would change the next one.
func TestABetterAnswerOfAnotherKind(t *testing.T) {
	t.Parallel()
	r := retrying(t, 2)
	r.ask("GET", "")
	r.connect()
	r.x.Response.Status, r.x.Bodiless, r.x.ResponseBody = 503, true, 17
	r.x.ResponseTrailers.AddString("X-Trailer", "1")
	r.back().to.Answered()
	r.settle()
	assert.Equal(t, []any{r.x.Bodiless, r.x.ResponseBody, r.x.ResponseTrailers.Size()}, []any{false, int64(0), 0})
	r.connect()
	r.back().answers(200, "hello")
	assert.Equal(t, r.got, "hello")
	r.over(record.Done, 200)
	r.home()
}

// A body that is kept goes to the second server whole; one that is not kept, or not all of it, cannot.
func TestARetryWithAKeptBody(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		hold   int
		retain bool
		again  bool
	}{
		"kept":                     {100, true, true},
		"just kept":                {8, true, true},
		"passed on":                {0, true, false},
		"not kept":                 {100, false, false},
		"longer than what is kept": {5, true, false},
	} {
		r := retrying(t, 3)
		r.route.Hold, r.route.Retain = c.hold, c.retain
		r.ask("PUT", "the body")
		r.connect()
		assert.Equal(t, r.back().got, "the body")
		r.back().fails(record.Error{Kind: record.ServerReset, Retry: record.RetryIfReused})
		if !c.again {
			if len(r.records) != 1 {
				t.Fatalf("%s: it is not over", name)
			}
			r.over(record.ServerReset, 502)
			r.home()
			continue
		}
		if len(r.records) > 0 {
			t.Fatalf("%s: over", name)
		}
		r.onBegin = func(b *back) { b.hold = true } // the second takes it, and dies over it
		r.connect()
		r.back().fails(record.Error{Kind: record.ServerReset, Retry: record.RetryIfReused})
		r.onBegin = nil
		r.connect()
		assert.Equal(t, r.back().got, "the body")
		r.back().answers(201, "")
		got := r.over(record.Done, 201)
		assert.Equal(t, []any{got.Server, got.Attempts, r.body.asked}, []any{server(3), uint8(3), 1})
		r.home()
	}
}

// Which answers say that their server cannot serve.
func TestWhatAnswersSayOfServers(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	row := 0
	r.proxy.Upstream.Suspect = func(_ *lease.Backend, _ record.Reason, inARow int) { row = inARow }
	for _, c := range []struct{ status, row int }{
		{503, 1}, {502, 2}, {504, 3}, {501, 0}, {504, 1}, {505, 0}, {502, 1}, {500, 0}, {503, 1}, {404, 0}, {503, 1}, {200, 0},
	} {
		row = 0
		r.ask("GET", "")
		if len(r.backs) == 0 {
			r.connect()
		}
		r.back().answers(c.status, "")
		r.over(record.Done, c.status)
		if row != c.row {
			t.Errorf("%d: %d in a row, want %d", c.status, row, c.row)
		}
	}
	r.home()
}

// Latency is what the server takes, and not what connecting does.
func TestLatencyOfServers(t *testing.T) {
	t.Parallel()
	for policy, want := range map[string]time.Duration{"least_time": 20 * time.Millisecond, "first": 0} {
		r := newRig(t, func(u *configs.Upstream) { u.Balance = policy })
		r.ask("GET", "")
		r.wait(100 * time.Millisecond)
		r.connect()
		r.wait(20 * time.Millisecond)
		r.back().answers(200, "")
		r.over(record.Done, 200)
		assert.Equal(t, time.Duration(r.backend(1).Latency()), want)
		r.home()
	}
}

// Connecting anew is not the time that the server has for its answer, and each try has all of that.
func TestTheClockOfARetry(t *testing.T) {
	t.Parallel()
	r := retrying(t, 2)
	r.proxy.Connect = time.Hour
	r.ask("GET", "")
	r.connect()
	r.wait(50 * time.Second)
	r.back().fails(record.Error{Kind: record.ServerReset, Retry: record.RetryIfReused})
	r.wait(2 * time.Minute)
	assert.Equal(t, len(r.records), 0)
	r.connect()
	r.wait(50 * time.Second)
	r.back().answers(200, "")
	got := r.over(record.Done, 200)
	assert.Equal(t, []any{got.Attempts, got.Server}, []any{uint8(2), server(2)})
	assert.Equal(t, []record.Micros{got.Connect, got.FirstByte}, []record.Micros{120e6, 100e6})
	r.home()
}

// The client may leave at any point of a retry: everything is given back, the place in the budget too.
func TestTheClientLeavesDuringARetry(t *testing.T) {
	t.Parallel()
	for _, connected := range []bool{false, true} {
		r := retrying(t, 2)
		r.ask("GET", "")
		r.connect()
		r.back().fails(record.Error{Kind: record.ServerReset, Retry: record.RetryIfReused})
		if connected {
			r.connect()
		}
		r.x.Abandon(record.ClientReset, nil)
		r.over(record.ClientReset, 0)
		assert.Equal(t, int(r.proxy.Retry.Budget.running.Load()), 0)
		assert.Equal(t, r.backend(2).InUse(), 0)
		r.home()
	}
}

// A check that finds a server dead ends the wait for it; who is still connecting, or asks somebody else, is left alone.
func TestAbandon(t *testing.T) {
	t.Parallel()
	r := retrying(t, 2)
	r.ask("GET", "")
	r.proxy.Origins.Abandon(r.backend(1)) // it dials; that is the dialer's
	r.settle()
	r.connect()
	r.proxy.Origins.Abandon(r.backend(2))
	r.settle()
	assert.Equal(t, len(r.records), 0)
	r.back().answers(200, "")
	got := r.over(record.Done, 200)
	assert.Equal(t, []any{got.Server, got.Attempts}, []any{server(1), uint8(1)})
	r.proxy.Origins.Abandon(r.backend(1)) // nobody waits
	r.home()
}

// Each method on its own: what is safe to say twice (RFC 9110, section 9.2.2), and in this case only.
func TestMethodsThatMayBeSentAgain(t *testing.T) {
	t.Parallel()
	safe := []string{"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"}
	for _, method := range append([]string{"POST", "PATCH", "CONNECT", "PURGE", "get", "Put"}, safe...) {
		var x exchange.Exchange
		x.Request.Method = x.Request.StoreString(method)
		if got := (&attempt{x: &x}).resendable(); got != slices.Contains(safe, method) {
			t.Errorf("%s: %v", method, got)
		}
	}
}
