package upstream

import (
	"net/netip"
	"strings"
	"syscall"
	"testing"

	"sluice/configs"
	"sluice/engine/exchange"
	"sluice/engine/key"
	"sluice/engine/record"
	"sluice/engine/sock"
	"sluice/engine/stat"
	"sluice/internal/assert"
)

func TestConnectionsAreUsedAgain(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.ask("GET", "")
	c := r.connect()
	assert.Equal(t, c.wrote, "request")
	r.back().answers(200, "hello")
	assert.Equal(t, r.got, "hello")
	got := r.over(record.Done, 200)
	assert.Equal(t, []any{got.Server, got.Attempts, got.Reused, got.UpstreamStatus}, []any{"192.0.2.9:80", uint8(1), false, int16(200)})
	assert.Equal(t, r.count(stat.HTTPBackIdle), 1)

	r.ask("GET", "")
	assert.Equal(t, c.wrote, "requestrequest") // without a dial
	r.back().reusable = false
	r.back().answers(204, "")
	got = r.over(record.Done, 204)
	assert.Equal(t, []any{got.Attempts, got.Reused}, []any{uint8(1), true})
	assert.Equal(t, []int{r.count(stat.HTTPBackOpened), r.count(stat.HTTPBackReused), r.count(stat.HTTPBackIdle)}, []int{1, 1, 0})
	assert.Equal(t, c.how, "close")

	r.ask("GET", "")
	d := r.connect()
	r.back().answers(200, "hello")
	r.over(record.Done, 200)
	d.end() // while it waits
	assert.Equal(t, d.how, "close")
	r.ask("GET", "")
	r.connect()
	r.back().answers(200, "")
	assert.Equal(t, r.over(record.Done, 200).Reused, false)
	r.home()
}

// A connection that was idle may have been closed before the request came to its server: what is safe to say twice is said
// once more, on a new one, once.
func TestTheOneRetry(t *testing.T) {
	t.Parallel()
	dead := record.Error{Kind: record.AnswerCut, Retry: record.RetryIfReused}
	for name, c := range map[string]struct {
		method string
		body   string
		hold   bool // the connection has taken nothing of the body
		fresh  bool // it was not idle before
		err    record.Error
		again  bool
	}{
		"GET":                       {method: "GET", err: dead, again: true},
		"HEAD":                      {method: "HEAD", err: dead, again: true},
		"OPTIONS":                   {method: "OPTIONS", err: dead, again: true},
		"TRACE":                     {method: "TRACE", err: dead, again: true},
		"DELETE":                    {method: "DELETE", err: dead, again: true},
		"PUT":                       {method: "PUT", err: dead, again: true},
		"POST":                      {method: "POST", err: dead},
		"PATCH":                     {method: "PATCH", err: dead},
		"another case":              {method: "get", err: dead},
		"a method of one's own":     {method: "PURGE", err: dead},
		"on a new connection":       {method: "GET", err: dead, fresh: true},
		"half an answer was there":  {method: "GET", err: record.Error{Kind: record.AnswerCut}},
		"a bad answer":              {method: "GET", err: record.Error{Kind: record.AnswerBad}},
		"a body that has been sent": {method: "PUT", body: "text", err: dead},
		"a body that is being sent": {method: "PUT", body: "text", hold: true, err: dead},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, nil)
			if !c.fresh {
				r.ask("GET", "")
				r.connect()
				r.back().answers(200, "")
				r.over(record.Done, 200)
			}
			r.onBegin = func(b *back) { b.hold = c.hold }
			r.ask(c.method, c.body)
			if c.fresh {
				r.connect()
			}
			dials := r.next
			r.back().fails(c.err)
			if !c.again {
				assert.Equal(t, r.next, dials)
				got := r.over(c.err.Kind, 502)
				assert.Equal(t, got.Attempts, 1)
				blamed := uint64(1)
				if !c.fresh && c.err.Retry == record.RetryIfReused { // it may have ended before the request came
					blamed = 0
				}
				assert.Equal(t, r.proxy.Upstream.Set().Backends()[0].Failures(), blamed)
				r.home()
				return
			}
			assert.Equal(t, r.next, dials+1) // by a new connection, even if another was idle
			r.connect()
			assert.Equal(t, r.count(stat.HTTPReuseRetries), 1)
			r.back().fails(dead)
			assert.Equal(t, r.next, dials+1) // but only once
			got := r.over(record.AnswerCut, 502)
			assert.Equal(t, []any{got.Attempts, got.Reused}, []any{uint8(2), false})
			r.home()
		})
	}
}

// A body of which nothing has been taken goes to the second server whole.
func TestARetryWithItsBody(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.ask("GET", "")
	r.connect()
	r.back().answers(200, "")
	r.over(record.Done, 200)
	died := false
	r.onBegin = func(b *back) { // what the connection remembered ends the attempt before it has begun
		if !died {
			died = true
			b.to.Failed(&record.Error{Kind: record.ServerReset, Retry: record.RetryIfReused, Cause: syscall.ECONNRESET})
		}
	}
	r.ask("PUT", "the body")
	assert.Equal(t, r.body.asked, 0)
	r.connect()
	assert.Equal(t, r.back().got, "the body")
	r.back().answers(201, "")
	got := r.over(record.Done, 201)
	assert.Equal(t, []any{got.Attempts, got.BytesUp}, []any{uint8(2), uint64(8)})
	r.home()
}

func TestServersThatCannotBeReached(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.ask("GET", "")
	r.refused()
	got := r.over(record.ConnectRefused, 502)
	assert.Equal(t, []any{got.Errno, got.Attempts}, []any{syscall.ECONNREFUSED, uint8(1)})
	assert.Equal(t, r.shortage, nil)

	r.proxy.Upstream.Set().Backends()[0].SetDown(true)
	r.ask("GET", "")
	got = r.over(record.NoServer, 503)
	assert.Equal(t, []any{got.Server, got.Errno}, []any{"", syscall.Errno(0)})
	r.proxy.Upstream.Set().Backends()[0].SetDown(false)

	r.dialing = syscall.EMFILE
	r.ask("GET", "")
	r.over(record.FDExhausted, 503)
	assert.Equal(t, r.shortage, error(syscall.EMFILE))
	r.home()
}

func TestFailover(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(u *configs.Upstream) {
		second := u.Servers[0]
		second.Address.Host = "192.0.2.10"
		u.Servers = append(u.Servers, second)
	})
	r.ask("POST", "text")
	r.refused()
	r.connect()
	assert.Equal(t, r.back().got, "text")
	r.back().answers(200, "")
	got := r.over(record.Done, 200)
	assert.Equal(t, []any{got.Server, got.Attempts}, []any{"192.0.2.10:80", uint8(2)})
	r.home()
}

func TestARequestThatDoesNotFit(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.refuse = true
	r.ask("POST", "text")
	c := r.connect()
	r.over(record.HeaderTooLarge, 431)
	assert.Equal(t, c.how, "reset")
	assert.Equal(t, r.body.asked, 0)
	r.home()
}

func TestInterimAnswers(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.ask("GET", "")
	r.connect()
	for range 2 {
		r.x.Response.Status = 103
		r.x.Response.AddString("Link", "x")
		r.back().to.Informed()
		assert.Equal(t, r.x.Response.Size(), 0)
	}
	assert.Equal(t, r.informed, 2)
	r.back().answers(200, "")
	r.over(record.Done, 200)
	r.home()
}

// Whenever the client leaves, or the proxy gives up, everything is given back at once.
func TestCancelAtEveryPoint(t *testing.T) {
	t.Parallel()
	steps := []func(r *rig){
		func(r *rig) { r.ask("POST", "text") },
		func(r *rig) { r.connect() },
		func(r *rig) { r.x.Response.Status = 103; r.back().to.Informed() },
		func(r *rig) {
			r.back().answer = "-"
			r.route.HoldAnswer = 100
			r.x.ResponseBody = 5
			r.x.Response.Status = 200
			r.back().to.Answered()
		},
	}
	for at := range steps {
		for _, end := range []func(r *rig){
			func(r *rig) { r.x.Abandon(record.ClientReset, syscall.ECONNRESET) },
			func(r *rig) { r.x.Fail(record.Busy, "", nil) },
			func(r *rig) { r.x.Panicked() },
		} {
			r := newRig(t, nil)
			for _, step := range steps[:at+1] {
				step(r)
			}
			end(r)
			r.settle()
			if len(r.records) != 1 {
				t.Fatalf("at %d: %d records", at, len(r.records))
			}
			r.over(r.records[0].Reason, int(r.records[0].Status))
			for _, c := range r.conns {
				assert.Equal(t, c.how, "reset")
			}
			r.home()
		}
	}
}

// A PROXY header speaks for one client: it is the first thing on a connection, which is never used for another.
func TestProxyHeadersToServers(t *testing.T) {
	t.Parallel()
	for version, begins := range map[string]string{
		"v1": "PROXY TCP4 198.51.100.1 ", "v2": "\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\xc6\x33\x64\x01",
	} {
		r := newRig(t, func(u *configs.Upstream) { u.ProxyProtocol = version })
		for range 2 {
			r.ask("GET", "")
			c := r.connect()
			if !strings.HasPrefix(c.wrote, begins) || !strings.HasSuffix(c.wrote, "request") {
				t.Errorf("%s: the server got %q", version, c.wrote)
			}
			r.back().answers(200, "hello")
			assert.Equal(t, r.over(record.Done, 200).Reused, false)
			assert.Equal(t, c.how, "close")
		}
		assert.Equal(t, r.count(stat.HTTPBackIdle), 0)
		r.home()
	}
}

// What policies go by; a request that does not have it goes by its client.
func TestKeys(t *testing.T) {
	t.Parallel()
	client := key.Addr(netip.MustParseAddr("198.51.100.1"))
	name := func(s string) uint64 { return key.Name([]byte(s)) }
	for _, c := range []struct {
		on, called string
		fields     []string
		want       uint64
	}{
		{"client_ip", "", nil, client},
		{"sni", "", nil, client},
		{"path", "", nil, name("/p")},
		{"uri", "", nil, name("/p?q")},
		{"host", "", nil, name("a.example")},
		{"header", "X-User", []string{"x-user", "tom", "X-User", "other"}, name("tom")},
		{"header", "X-User", nil, client},
		{"header", "X-User", []string{"X-User", ""}, client},
		{"cookie", "id", []string{"Cookie", "a=b; id=7"}, name("7")},
		{"cookie", "id", []string{"Cookie", "a=b"}, client},
	} {
		r := newRig(t, func(u *configs.Upstream) { u.Balance, u.HashOn, u.HashName = "hash", c.on, c.called })
		r.ask("GET", "", c.fields...)
		if got := r.proxy.key(&r.x); got != c.want {
			t.Errorf("%s %s: got %x, want %x", c.on, c.called, got, c.want)
		}
		r.connect()
		r.back().answers(200, "")
		r.over(record.Done, 200)
		r.home()
	}
	r := newRig(t, nil) // a policy without keys
	assert.Equal(t, r.proxy.key(&r.x), uint64(0))
}

func TestAllocAnAttempt(t *testing.T) {
	r := newRig(t, nil)
	r.ask("GET", "")
	r.connect()
	r.back().answers(200, "")
	r.over(record.Done, 200)
	b := &still{back{rig: r, reusable: true}}
	r.proxy.Origins = NewOrigins(r.net, r.dialer, b.again)
	method := []byte("GET")
	r.records = make([]record.Exchange, 0, 8)
	round := func() {
		h := &r.x.Request
		h.Method = h.Store(method)
		r.x.Begin(r, &r.service)
		b.x.Response.Status = 204
		b.to.Answered()
		r.settle()
		if len(r.records) != 1 || !r.records[0].Reused {
			t.Fatal("it was not answered, or not by the idle connection")
		}
		r.records = r.records[:0]
		r.x.Clear()
	}
	round()
	assert.Allocs(t, 0, round)
	b.cancelled = 0
	r.home()
}

// still is a back that is used again and again.
type still struct{ back }

func (b *still) again(c *sock.Conn) exchange.Back {
	b.conn = c
	return b
}

func (b *still) Begin(x *exchange.Exchange, to exchange.Attempt) bool {
	b.x, b.to = x, to
	b.conn.Own(b)
	return true
}
