package h1

// Servers' connections: what is asked on them, byte for byte, and what becomes of every kind of answer.

import (
	"fmt"
	"strings"
	"testing"

	"sluice/engine/exchange"
	"sluice/engine/flow"
	"sluice/engine/record"
	"sluice/engine/sock"
	"sluice/internal/assert"
)

// origin is a handler that asks a server, as an attempt would, on a connection that is there already.
type origin struct {
	rig      *rig
	x        *exchange.Exchange
	conn     *sock.Conn
	back     exchange.Back
	far      *socket // the server
	failed   string
	informed []int
	kept     bool // the connection could be used again
}

// asked makes a rig whose requests go to a server.
func asked(t *testing.T, change func(r *rig)) (*rig, *origin) {
	r := newRig(t, change)
	o := &origin{rig: r}
	r.serve = o.serve
	o.conn, o.far = r.dial()
	return r, o
}

func (o *origin) serve(x *exchange.Exchange) {
	o.x, o.kept, o.failed = x, false, ""
	x.Serving = o
	o.back = o.rig.backs.New(o.conn)
	if !o.back.Begin(x, o) {
		o.Failed(&record.Error{Kind: record.HeaderTooLarge})
		return
	}
	if o.back != nil && x.RequestBody != 0 {
		x.SendBody(o.back.Sink())
	}
}

func (o *origin) Informed() {
	o.informed = append(o.informed, o.x.Response.Status)
	o.x.Inform()
	o.x.Response.Reset()
}

func (o *origin) Answered() {
	if x := o.x; x.Switching || x.Bodiless || x.ResponseBody == 0 {
		x.Answer(nil)
	} else {
		x.Answer(o.back.Source())
	}
}

func (o *origin) Failed(err *record.Error) {
	o.failed = err.Kind.String()
	if err.Retry == record.RetryIfReused {
		o.failed += ", retry"
	}
	if o.x.State() == exchange.Tunneling {
		o.x.Fail(err.Kind, err.Detail, err.Cause)
		return
	}
	o.x.Serving = nil
	o.Cancel(nil)
	o.x.Fail(err.Kind, err.Detail, err.Cause)
}

func (o *origin) Delivered(*exchange.Exchange) {
	o.kept = o.back.Finish()
	o.back = nil
	if !o.kept {
		o.conn.Close()
		return
	}
	o.conn.Own(&idler{})
}

func (o *origin) Cancel(*exchange.Exchange) {
	o.back.Cancel()
	o.back = nil
	o.conn.Reset()
}

func (o *origin) Switch(*exchange.Exchange) (flow.Source, flow.Sink) {
	o.back.Switch()
	return o.back.Source(), o.back.Sink()
}

// gone ends the rig; a connection that was kept is closed first.
func (o *origin) gone() {
	o.rig.t.Helper()
	if o.kept {
		o.conn.Close()
	}
	o.rig.home()
}

func TestAnswersOfAServer(t *testing.T) {
	t.Parallel()
	const ok = "HTTP/1.1 200 OK\r\n"
	chunked := ok + "Transfer-Encoding: chunked\r\n\r\n"
	for name, c := range map[string]struct {
		ask    string // the request's beginning; GET without
		answer string
		end    bool   // and then a FIN
		want   string // at the client; "" is the answer itself
		kept   bool
		close  bool // the client's connection ends
	}{
		"a length":                   {answer: ok + "Content-Length: 5\r\n\r\nhello", kept: true},
		"a length of nothing":        {answer: ok + "Content-Length: 0\r\n\r\n", kept: true},
		"fields as they came":        {answer: "HTTP/1.1 200 Fine\r\nset-cookie: a\r\nX-A:  b\r\nSet-Cookie: c\r\nContent-Length: 0\r\n\r\n", kept: true, want: "HTTP/1.1 200 Fine\r\nset-cookie: a\r\nX-A: b\r\nSet-Cookie: c\r\nContent-Length: 0\r\n\r\n"},
		"chunks":                     {answer: chunked + "5\r\nhello\r\n0\r\n\r\n", kept: true},
		"chunks of another size":     {answer: chunked + "2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\nX-Sum: 1\r\n\r\n", kept: true, want: chunked + "5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n"},
		"chunks of nothing":          {answer: chunked + "0\r\n\r\n", kept: true},
		"until the end":              {answer: ok + "\r\nhello", end: true, want: chunked + "5\r\nhello\r\n0\r\n\r\n"},
		"it closes":                  {answer: ok + "Connection: close\r\nContent-Length: 5\r\n\r\nhello", want: okHello},
		"it speaks 1.0":              {answer: "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", want: okHello},
		"it has ended behind it":     {answer: ok + "Content-Length: 5\r\n\r\nhello", end: true},
		"bytes behind it":            {answer: ok + "Content-Length: 5\r\n\r\nhelloHTTP/1.1 200 OK\r\n", want: okHello},
		"bytes behind chunks":        {answer: chunked + "5\r\nhello\r\n0\r\n\r\nHTTP/1.1", want: chunked + "5\r\nhello\r\n0\r\n\r\n"},
		"bytes behind nothing":       {answer: ok + "Content-Length: 0\r\n\r\nx", want: ok + "Content-Length: 0\r\n\r\n"},
		"no content":                 {answer: "HTTP/1.1 204 No Content\r\n\r\n", kept: true},
		"not modified":               {answer: "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", kept: true},
		"to HEAD":                    {ask: "HEAD", answer: ok + "Content-Length: 5\r\n\r\n", kept: true},
		"to HEAD, chunked":           {ask: "HEAD", answer: chunked, kept: true},
		"to HEAD, with a body":       {ask: "HEAD", answer: ok + "Content-Length: 5\r\n\r\nhello", want: ok + "Content-Length: 5\r\n\r\n"},
		"behind interim ones":        {answer: "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n" + ok + "Content-Length: 5\r\n\r\nhello", kept: true},
		"a body from HEAD's brother": {ask: "OPTIONS", answer: ok + "Content-Length: 5\r\n\r\nhello", kept: true},
	} {
		t.Run(name, func(t *testing.T) {
			ask := c.ask
			if ask == "" {
				ask = "GET"
			}
			for _, pieces := range [][]string{{c.answer}, {c.answer[:len(c.answer)/2], c.answer[len(c.answer)/2:]}} {
				r, o := asked(t, nil)
				client := r.connect().say(ask + " /p HTTP/1.1\r\nHost: a\r\nX-B: c\r\n\r\n")
				o.far.expect(ask + " /p HTTP/1.1\r\nHost: a\r\nX-B: c\r\n\r\n")
				if c.end {
					last := len(pieces) - 1
					o.far.say(pieces[:last]...)
					o.far.in = pieces[last]
					o.far.end()
				} else {
					o.far.say(pieces...)
				}
				want := c.want
				if want == "" {
					want = c.answer
				}
				got := client.got()
				if len(pieces) == 2 && strings.Contains(want, "chunked") {
					got, want = dechunked(got), dechunked(want) // the pieces are the client's chunks
				}
				if len(pieces) == 1 || !strings.Contains(name, "bytes behind") { // later bytes find another owner
					assert.Equal(t, o.kept, c.kept)
				}
				assert.Equal(t, got, want)
				assert.Equal(t, len(r.records), 1)
				assert.Equal(t, client.how, "")
				o.gone()
			}
		})
	}
}

// dechunked takes the framing off a chunked message, for comparing.
func dechunked(text string) string {
	head, body, _ := strings.Cut(text, "\r\n\r\n")
	data := ""
	for {
		line, rest, found := strings.Cut(body, "\r\n")
		n := 0
		_, _ = fmt.Sscanf(line, "%x", &n)
		if !found || n == 0 {
			return head + "|" + data + "|" + rest
		}
		data, body = data+rest[:n], rest[n+2:]
	}
}

func TestASecondRequestOnTheSameConnection(t *testing.T) {
	t.Parallel()
	r, o := asked(t, nil)
	client := r.connect()
	for range 3 {
		client.say(get)
		o.far.expect(get)
		o.far.say("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
		client.expect(okHello)
		assert.Equal(t, o.kept, true)
		assert.Equal(t, r.net.Buffers.InUse(), 0)
	}
	assert.Equal(t, o.far.sends, 3)
	assert.Equal(t, client.sends, 3)
	o.gone()
}

func TestRequestsBodies(t *testing.T) {
	t.Parallel()
	const head = "POST / HTTP/1.1\r\nHost: a\r\n"
	for name, c := range map[string]struct {
		said []string
		want string // at the server
	}{
		"a length":            {[]string{head + "Content-Length: 5\r\n\r\nhello"}, head + "Content-Length: 5\r\n\r\nhello"},
		"a length of nothing": {[]string{head + "Content-Length: 0\r\n\r\n"}, head + "Content-Length: 0\r\n\r\n"},
		"in pieces":           {[]string{head + "Content-Length: 5\r\n\r\n", "he", "llo"}, head + "Content-Length: 5\r\n\r\nhello"},
		"chunks":              {[]string{head + "Transfer-Encoding: chunked\r\n\r\n", "5\r\nhello\r\n", "0\r\n\r\n"}, head + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"},
		"trailers":            {[]string{head + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n"}, head + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			r, o := asked(t, nil)
			client := r.connect().say(c.said...)
			o.far.expect(c.want)
			o.far.say("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
			client.expect(okHello)
			assert.Equal(t, o.kept, true)
			client.say(get)
			o.far.expect(get)
			o.far.say("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
			client.expect(okHello)
			o.gone()
		})
	}
	t.Run("an answer before the end of it", func(t *testing.T) {
		r, o := asked(t, nil)
		client := r.connect().say(head + "Content-Length: 500\r\n\r\nhello")
		o.far.say("HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
		assert.Equal(t, o.kept, false)
		assert.Equal(t, strings.Contains(client.got(), "413"), true)
		o.gone()
	})
}

// What is not one answer makes an error page, as long as nothing of it has gone on.
func TestAnswersThatAreNone(t *testing.T) {
	t.Parallel()
	interim := "HTTP/1.1 103 Early Hints\r\n\r\n"
	for name, c := range map[string]struct {
		said   string
		how    func(s *socket) // and then
		status int
		failed string
	}{
		"another protocol":           {"SSH-2.0-OpenSSH\r\n", nil, 502, "answer_bad"},
		"two lengths":                {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", nil, 502, "answer_bad"},
		"a head without end":         {"HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 61<<10), nil, 502, "answer_too_large"},
		"an end":                     {"", (*socket).end, 502, "answer_cut, retry"},
		"a reset":                    {"", (*socket).reset, 502, "server_reset, retry"},
		"half a head and an end":     {"HTTP/1.1 200 OK\r\nConte", (*socket).end, 502, "answer_cut"},
		"half a head and a reset":    {"HTTP/1.1 200 OK\r\nConte", (*socket).reset, 502, "server_reset"},
		"an interim one and an end":  {interim, (*socket).end, 502, "answer_cut"},
		"an interim one and a reset": {interim, (*socket).reset, 502, "server_reset"},
		"interim ones without end":   {strings.Repeat(interim, maxInterims+1), nil, 502, "answer_bad"},
		"a switch nobody asked for":  {"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n", nil, 502, "answer_bad"},
		"as many as are allowed":     {strings.Repeat(interim, maxInterims) + "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", nil, 200, ""},
	} {
		t.Run(name, func(t *testing.T) {
			r, o := asked(t, nil)
			client := r.connect().say(get)
			if c.said != "" {
				for rest := c.said; rest != "" && o.failed == ""; {
					n := min(len(rest), 4000)
					o.far.say(rest[:n])
					rest = rest[n:]
				}
			}
			if c.how != nil {
				c.how(o.far)
			}
			assert.Equal(t, o.failed, c.failed)
			got := strings.ReplaceAll(client.got(), interim, "")
			if !strings.HasPrefix(got, fmt.Sprintf("HTTP/1.1 %d ", c.status)) {
				t.Errorf("got %.60q", got)
			}
			client.closed("") // the client has done nothing wrong
			o.gone()
		})
	}
}

// An answer that is cut on its way is cut for the client, too.
func TestAnswersThatAreCut(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		said string
		how  func(s *socket)
		why  string
	}{
		"within its length":        {"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\nhello", (*socket).end, "answer_cut 200"},
		"by a reset":               {"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\nhello", (*socket).reset, "server_reset 200"},
		"between its chunks":       {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", (*socket).end, "answer_cut 200"},
		"a reset of chunks":        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", (*socket).reset, "server_reset 200"},
		"within a chunk":           {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhello", (*socket).end, "answer_cut 200"},
		"before its trailer's end": {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-", (*socket).end, "answer_cut 200"},
		"until a reset":            {"HTTP/1.1 200 OK\r\n\r\nhello", (*socket).reset, "server_reset 200"},
		"by a bad chunk":           {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", func(s *socket) { s.say("nonsense\r\n") }, "answer_bad 200"},
	} {
		t.Run(name, func(t *testing.T) {
			r, o := asked(t, nil)
			client := r.connect().say(get)
			o.far.say(c.said)
			c.how(o.far)
			assert.Equal(t, strings.Contains(client.got(), "hello"), true)
			client.closed("reset")
			r.recorded(c.why)
			o.gone()
		})
	}
}

func TestUpgrades(t *testing.T) {
	t.Parallel()
	const ask = "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
	const switching = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
	t.Run("a tunnel", func(t *testing.T) {
		r, o := asked(t, nil)
		client := r.connect().say(ask)
		o.far.expect(ask)
		o.far.say(switching + "first words")
		client.expect(switching + "first words")
		client.say("up", "and up")
		o.far.say("down")
		o.far.expect("upand up")
		client.expect("down")
		client.end()
		assert.Equal(t, o.far.shut, true)
		o.far.say("still here")
		client.expect("still here")
		o.far.end()
		client.closed("close")
		r.recorded("client_end 101")
		o.gone()
	})
	t.Run("refused by the server", func(t *testing.T) {
		r, o := asked(t, nil)
		client := r.connect().say(ask)
		o.far.say("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
		client.expect(okHello)
		client.closed("")
		assert.Equal(t, o.kept, true)
		o.gone()
	})
	t.Run("to something else", func(t *testing.T) {
		r, o := asked(t, nil)
		client := r.connect().say(ask)
		o.far.say("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h9\r\n\r\n")
		assert.Equal(t, strings.HasPrefix(client.got(), "HTTP/1.1 502"), true)
		o.gone()
	})
	t.Run("the server is lost", func(t *testing.T) {
		r, o := asked(t, nil)
		client := r.connect().say(ask)
		o.far.say(switching)
		client.expect(switching)
		client.room = 3
		o.far.say("last words")
		o.far.reset()
		r.recorded()
		client.drink(100)
		client.expect("last words")
		client.closed("reset")
		r.recorded("server_reset 101")
		o.gone()
	})
	t.Run("CONNECT", func(t *testing.T) {
		r, o := asked(t, nil)
		client := r.connect().say("CONNECT b:443 HTTP/1.1\r\nHost: b:443\r\n\r\n")
		o.far.expect("CONNECT b:443 HTTP/1.1\r\nHost: b:443\r\n\r\n")
		o.far.say("HTTP/1.1 200 Connected\r\n\r\nhi")
		client.expect("HTTP/1.1 200 Connected\r\n\r\nhi")
		client.reset()
		r.recorded("client_reset 200")
		o.far.closed("reset")
		o.gone()
	})
}

// A request that was accepted can be too large to be sent on, once the proxy's fields are in it.
func TestARequestThatDoesNotFit(t *testing.T) {
	t.Parallel()
	r, o := asked(t, func(r *rig) { r.config.Limits.Head, r.config.Limits.Fields = 60<<10, 100 })
	client := r.connect()
	big := "GET / HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("x", maxWrittenHead) + "\r\n\r\n"
	for rest := big; rest != ""; {
		n := min(4000, len(rest))
		client.say(rest[:n])
		rest = rest[n:]
	}
	assert.Equal(t, strings.HasPrefix(client.got(), "HTTP/1.1 431 "), true)
	o.far.expect("")
	o.gone()
}

// Whenever the client leaves, the server's connection goes with it.
func TestTheClientLeavesAtEveryPoint(t *testing.T) {
	t.Parallel()
	steps := []func(c, far *socket){
		func(c, _ *socket) { c.say("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n") },
		func(c, _ *socket) { c.say("5\r\nhel") },
		func(c, far *socket) { far.room = 0; c.say("lo\r\n") },
		func(_, far *socket) { far.room = -1; far.say("HTTP/1.1 103 Early Hints\r\n\r\n") },
		func(_, far *socket) { far.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n") },
		func(c, far *socket) { c.room = 0; far.say("5\r\nhello\r\n") },
	}
	for at := range len(steps) + 1 {
		for _, leave := range []func(s *socket){(*socket).reset, func(s *socket) { s.rig.server.StopAll(record.Stopped) }} {
			r, o := asked(t, nil)
			client := r.connect()
			for _, step := range steps[:at] {
				step(client, o.far)
			}
			leave(client)
			r.settle()
			if at > 0 {
				o.far.closed("reset")
			} else {
				o.conn.Close()
			}
			o.gone()
		}
	}
}
