package h1

// Clients' connections: what is said on them, byte for byte, and when they end how.

import (
	"fmt"
	"io"
	"net/netip"
	"strings"
	"testing"
	"time"

	"sluice/engine/exchange"
	"sluice/engine/flow"
	"sluice/engine/limit"
	"sluice/engine/record"
	"sluice/engine/stat"
	"sluice/internal/assert"
)

const (
	get     = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
	okHello = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
)

func TestKeepAlive(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(r *rig) { r.serve = reply("hello") })
	c := r.connect()
	for range 3 {
		c.say(get).expect(okHello)
		r.pass(time.Minute)
	}
	r.recorded("done 200", "done 200", "done 200")
	assert.Equal(t, r.net.Buffers.InUse(), 0) // who waits holds none
	assert.Equal(t, r.server.streams.Live(), 0)
	r.home()
}

// A head may come in any two pieces: between them nothing is held but its bytes.
func TestAHeadInPieces(t *testing.T) {
	t.Parallel()
	for at := 1; at < len(get); at++ {
		r := newRig(t, func(r *rig) { r.serve = reply("hello") })
		c := r.connect().say(get[:at])
		assert.Equal(t, r.server.streams.Live(), 0)
		c.expect("")
		c.say(get[at:]).expect(okHello)
		r.recorded("done 200")
		r.home()
	}
}

// Requests that were sent ahead are answered in order, and what answers are ready leaves by one call.
func TestPipelining(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(r *rig) { r.serve = reply("hello") })
	c := r.connect().say(strings.Repeat(get, 20))
	c.expect(strings.Repeat(okHello, 20))
	assert.Equal(t, c.sends, 1)
	assert.Equal(t, len(r.records), 20)
	r.home()

	r = newRig(t, nil) // each of its own, and some with a body
	k := new(reader)
	r.serve = k.serve
	c = r.connect()
	c.say("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nonePOST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" +
		"2\r\ntw\r\n1\r\no\r\n0\r\n\r\n" + get + "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nthree")
	c.expect("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\none" + "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\ntwo" +
		"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" + "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nthree")
	r.home()
}

// A client that sends requests and does not read their answers is not read from any more, and has its time.
func TestAPipeliningClientThatDoesNotRead(t *testing.T) {
	t.Parallel()
	body := strings.Repeat("x", 2000)
	r := newRig(t, func(r *rig) { r.serve = reply(body) })
	c := r.connect().say(get)
	want := undated(c.got())
	r.pass(time.Minute) // the timer for its first request has come up meanwhile
	c.room = 0
	c.say(strings.Repeat(get, 200))
	if answered := len(r.records) - 1; answered > 4 {
		t.Errorf("%d answers wait for a client that takes none", answered)
	}
	for range 2000 {
		c.drink(500)
	}
	c.expect(strings.Repeat(want, 200))
	assert.Equal(t, len(r.records), 201)

	c.room = 0
	c.say(strings.Repeat(get, 200))
	r.pass(r.config.Timeouts.Idle + time.Minute)
	c.closed("reset")
	r.home()
}

// Its time counts whenever it begins, also when no timer has been left behind by what was before.
func TestAClientThatDoesNotReadAfterALongExchange(t *testing.T) {
	t.Parallel()
	answer := reply(strings.Repeat("x", 3400))
	var running *exchange.Exchange
	r := newRig(t, func(r *rig) {
		r.route.Timeouts.FirstByte = time.Hour
		r.serve = func(x *exchange.Exchange) {
			if running = x; len(r.records) == 0 {
				answer(x)
			}
		}
	})
	c := r.connect()
	c.room = 0
	c.say(strings.Repeat(get, 10))
	r.pass(10 * time.Minute)
	answer(running)
	r.settle()
	r.recorded("done 200", "done 200") // no further one is read
	r.pass(r.config.Timeouts.Idle + time.Minute)
	c.closed("reset")
	r.home()
}

func TestVersionsAndWhoCloses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		head, fields, ending string
	}{
		{"GET / HTTP/1.1\r\nHost: a\r\n", "", ""},
		{"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n", "Connection: close\r\n", "close"},
		{"GET / HTTP/1.0\r\n", "Connection: close\r\n", "close"},
		{"GET / HTTP/1.0\r\nConnection: keep-alive\r\n", "Connection: keep-alive\r\n", ""},
	} {
		r := newRig(t, func(r *rig) { r.serve = reply("hello") })
		k := r.connect().say(c.head + "\r\n")
		k.expect("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n" + c.fields + "\r\nhello")
		k.closed(c.ending)
		r.home()
	}
}

func TestAHandlerThatCloses(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(r *rig) {
		r.serve = func(x *exchange.Exchange) { x.Close(); reply("hello")(x) }
	})
	c := r.connect().say(get)
	c.expect("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello")
	c.closed("shut") // it may be sending its next request just now
	c.end()
	c.closed("shut close")
	r.home()
}

// A request that is refused gets its page, and what comes behind it is dropped for a while, or the page might not arrive.
func TestBadRequests(t *testing.T) {
	t.Parallel()
	for text, status := range map[string]int{
		"GET\r\n\r\n":                       400,
		"GET / HTTP/1.1\r\n\r\n":            400,
		"GET / HTTP/2.0\r\nHost: a\r\n\r\n": 505,
		"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n": 501,
		"GET /" + strings.Repeat("x", 9<<10) + " HTTP/1.1\r\n":          414,
		"GET / HTTP/1.1\r\nX: " + strings.Repeat("x", 17<<10):           431,
		"GET / HTTP/1.1\r\nHost: a\r\nExpect: tea\r\n\r\n":              417,
		"\x16\x03\x01\x02\x00\x01\x00":                                  400,
	} {
		r := newRig(t, func(r *rig) { r.serve = func(*exchange.Exchange) { t.Error("a bad request is served") } })
		c := r.connect().say(text)
		got := c.got()
		if !strings.HasPrefix(got, fmt.Sprintf("HTTP/1.1 %d ", status)) || !strings.Contains(got, "\r\nConnection: close\r\n") {
			t.Errorf("%.20q: got %.60q", text, got)
		}
		c.closed("shut")
		c.say("more", "and more")
		c.closed("shut")
		c.end()
		c.closed("shut close")
		assert.Equal(t, len(r.records), 1)
		assert.Equal(t, r.loop.Stats().Get(stat.HTTPRequestsBad), uint64(1))
		r.home()
	}
}

func TestFrontTimeouts(t *testing.T) {
	t.Parallel()
	late := func(r *rig, c *socket, after time.Duration) {
		t.Helper()
		r.pass(after - 100*time.Millisecond)
		c.closed("")
		r.pass(200 * time.Millisecond)
	}
	begin := func() (*rig, *socket) {
		r := newRig(t, func(r *rig) { r.serve = reply("hello") })
		return r, r.connect()
	}
	header, idle := 15*time.Second, 75*time.Second

	r, c := begin() // it says nothing at all
	late(r, c, header)
	c.expect("")
	c.closed("close")
	r.recorded()
	r.home()

	r, c = begin() // not all of its first head
	r.pass(10 * time.Second)
	c.say("GET / HTTP/1.1\r\n")
	late(r, c, header-10*time.Second)
	assert.Equal(t, strings.HasPrefix(c.got(), "HTTP/1.1 408 "), true)
	r.recorded("header_timeout 408")
	c.end()
	c.closed("shut close")
	r.home()

	r, c = begin() // nothing after its first request
	c.say(get).expect(okHello)
	late(r, c, idle)
	c.closed("close")
	r.recorded("done 200")
	r.home()

	r, c = begin() // not all of its second head, which has its time from its own first byte
	c.say(get).expect(okHello)
	r.pass(idle - time.Second)
	c.say("GET")
	r.pass(header - time.Second)
	c.say(" / HTTP/1.1\r\n") // bytes do not extend it
	late(r, c, time.Second)
	assert.Equal(t, strings.HasPrefix(c.got(), "HTTP/1.1 408 "), true)
	r.home()

	r, c = begin() // a timer that was set for the head does not touch a long exchange
	r.serve = func(*exchange.Exchange) {}
	c.say(get)
	r.pass(59 * time.Second)
	c.closed("")
	r.home()
	r.recorded("stopped 0")
}

func TestAClientThatEnds(t *testing.T) {
	t.Parallel()
	const post = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n"
	var running *exchange.Exchange
	wait := func(r *rig) { r.serve = func(x *exchange.Exchange) { running = x } }

	r := newRig(t, wait) // between requests
	c := r.connect()
	c.end()
	c.closed("close")
	r.recorded()
	r.home()

	r = newRig(t, wait) // within a head
	c = r.connect().say("GET / HT")
	c.end()
	c.closed("shut close")
	c.expect("")
	r.home()

	r = newRig(t, wait) // before its answer
	c = r.connect().say(get)
	c.end()
	c.closed("reset")
	r.recorded("client_gone 0")
	r.home()

	r = newRig(t, wait) // at once with its request
	c = r.connect()
	c.in, c.eof = get, true
	c.end()
	c.closed("reset")
	r.recorded("client_gone 0")
	r.home()

	for _, head := range []string{"GET / HTTP/1.0\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"} {
		r = newRig(t, wait) // which was to be expected
		c = r.connect()
		c.in, c.eof = head, true
		c.end()
		c.closed("")
		reply("hello")(running)
		r.settle()
		assert.Equal(t, strings.HasSuffix(c.got(), "hello"), true)
		r.recorded("done 200")
		c.closed("close")
		r.home()
	}

	r = newRig(t, wait) // while its answer is on the way
	c = r.connect().say(get)
	c.room = 0
	reply(strings.Repeat("x", 50_000))(running)
	r.settle()
	c.end()
	for range 60 {
		c.drink(1000)
	}
	assert.Equal(t, strings.HasSuffix(c.got(), "xxx"), true)
	r.recorded("done 200")
	c.closed("shut close") // its FIN has been seen, and not read
	r.home()

	k := new(reader) // before its body is whole
	r = newRig(t, func(r *rig) { r.serve = k.serve })
	c = r.connect().say(post + "some")
	c.end()
	c.closed("reset")
	r.recorded("client_gone 0")
	assert.Equal(t, []any{k.ended, k.gone}, []any{error(io.ErrUnexpectedEOF), true})
	r.home()

	r = newRig(t, func(r *rig) { r.serve = k.serve }) // behind its body
	c = r.connect()
	c.in, c.eof = post+"something", true
	c.end()
	assert.Equal(t, strings.HasSuffix(c.got(), "something"), true)
	r.recorded("done 200")
	c.closed("close")
	r.home()
}

func TestAClientThatResets(t *testing.T) {
	t.Parallel()
	k := new(reader)
	var running *exchange.Exchange
	wait := func(x *exchange.Exchange) { running = x }
	for name, c := range map[string]struct {
		serve func(x *exchange.Exchange)
		said  string
		then  func()
		want  []string
	}{
		"between requests":               {wait, "", nil, nil},
		"within a head":                  {wait, "GET /", nil, nil},
		"before its answer":              {wait, get, nil, []string{"client_reset 0"}},
		"within its body":                {k.serve, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nsome", nil, []string{"client_reset 0"}},
		"within a chunk":                 {k.serve, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", nil, []string{"client_reset 0"}},
		"while its answer is on the way": {wait, get, func() { reply(strings.Repeat("x", 50_000))(running) }, []string{"client_reset 200"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, func(r *rig) { r.serve = c.serve })
			s := r.connect()
			s.room = 0
			if c.said != "" {
				s.say(c.said)
			}
			if c.then != nil {
				c.then()
				r.settle()
			}
			s.reset()
			s.closed("reset")
			r.recorded(c.want...)
			r.home()
		})
	}
}

// An answer that comes before the end of its request: what is here is skipped, what is still to come ends the connection.
func TestARequestWhoseBodyNobodyWants(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		said  string
		close bool
	}{
		"the whole body is here":     {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody", false},
		"some of it is here":         {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 400\r\n\r\nbody", true},
		"it is chunked":              {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n", true},
		"the client waits for a 100": {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n", true},
		"there is none":              {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", false},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, func(r *rig) { r.serve = reply("hello") })
			s := r.connect().say(c.said)
			got := s.got()
			assert.Equal(t, strings.Contains(got, "Connection: close"), c.close)
			assert.Equal(t, strings.HasSuffix(got, "hello"), true)
			if c.close {
				s.closed("shut")
				s.say("the rest of it")
				s.closed("shut")
				s.end()
				s.closed("shut close")
			} else {
				s.say(get).expect(okHello)
			}
			r.home()
		})
	}
}

// A body that was asked for, and not finished when the answer was: what comes of it is dropped, and the answer arrives.
func TestAnAnswerThatOutrunsItsRequest(t *testing.T) {
	t.Parallel()
	for _, framing := range []string{"Content-Length: 1000", "Transfer-Encoding: chunked"} {
		r := newRig(t, nil)
		k := new(reader)
		r.serve = func(x *exchange.Exchange) { k.serve(x) }
		c := r.connect().say("POST / HTTP/1.1\r\nHost: a\r\n" + framing + "\r\n\r\n")
		k.x.Response.Status = 403
		k.x.Reply([]byte("no"))
		r.settle()
		assert.Equal(t, strings.HasSuffix(c.got(), "no"), true)
		r.recorded("done 403")
		for range 5 {
			c.say(strings.Repeat("x", 3000))
			assert.Equal(t, c.how, "")
		}
		c.end()
		c.closed("shut close")
		r.home()
	}
}

func TestContinue(t *testing.T) {
	t.Parallel()
	k := new(reader)
	r := newRig(t, func(r *rig) {
		r.serve = func(x *exchange.Exchange) {
			assert.Equal(t, x.Continue, true)
			x.Response.Status = 100
			x.Inform()
			x.Response.Reset()
			k.serve(x)
		}
	})
	c := r.connect().say("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n")
	c.expect("HTTP/1.1 100 Continue\r\n\r\n")
	c.say("body").expect("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody")
	r.home()

	r = newRig(t, func(r *rig) { // 1.0 knows no interim answers
		r.serve = func(x *exchange.Exchange) {
			x.Response.Status = 103
			x.Inform()
			x.Response.Reset()
			reply("hello")(x)
		}
	})
	c = r.connect().say("GET / HTTP/1.0\r\n\r\n")
	c.expect("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello")
	r.home()
}

// speaker is a source that gives what the test says.
type speaker struct {
	rig   *rig
	flow  *flow.Flow
	sent  []string
	ended bool
}

func (s *speaker) Proceed(f *flow.Flow)   { s.flow = f; s.give() }
func (s *speaker) Stop(*flow.Flow, error) {}

func (s *speaker) give() {
	if s.flow == nil || s.flow.State() != flow.Ready || len(s.sent) == 0 && !s.ended {
		return
	}
	chunk := flow.Chunk{}
	if len(s.sent) > 0 {
		chunk.Bytes, s.sent = []byte(s.sent[0]), s.sent[1:]
	}
	s.flow.Send(chunk, s.ended && len(s.sent) == 0)
}

func (s *speaker) say(text string) { s.sent = append(s.sent, text); s.give(); s.rig.settle() }
func (s *speaker) end()            { s.ended = true; s.give(); s.rig.settle() }

// streaming begins an answer of unknown length.
func streaming(r *rig, length int64) *speaker {
	s := &speaker{rig: r}
	r.serve = func(x *exchange.Exchange) {
		x.Response.Status, x.ResponseBody = 200, length
		x.ResponseTrailers.AddString("X-Sum", "42")
		x.Answer(s)
	}
	return s
}

func TestAnswersOfUnknownLength(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	s := streaming(r, exchange.Unknown)
	c := r.connect().say(get)
	c.expect("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
	s.say("hello")
	c.expect("5\r\nhello\r\n")
	large := strings.Repeat("x", 10_000)
	s.say(large)
	c.expect("2710\r\n" + large + "\r\n")
	s.end()
	c.expect("0\r\nX-Sum: 42\r\n\r\n")
	r.serve = reply("hello")
	c.say(get).expect(okHello)
	r.home()

	r = newRig(t, nil) // HTTP/1.0 knows no chunks: the end is the connection's
	s = streaming(r, exchange.Unknown)
	c = r.connect().say("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
	s.say("hello")
	s.end()
	c.expect("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello")
	c.closed("shut")
	c.end()
	r.home()

	r = newRig(t, nil) // the last chunk with the end
	s = streaming(r, exchange.Unknown)
	s.ended = true
	c = r.connect()
	s.sent = []string{"hello"}
	c.say(get).expect("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 42\r\n\r\n")
	assert.Equal(t, c.sends, 1)
	r.home()
}

// What fails on its way is cut by a reset, behind what had come: nobody may take it for whole.
func TestCutAnswers(t *testing.T) {
	t.Parallel()
	for _, length := range []int64{exchange.Unknown, 100} {
		r := newRig(t, nil)
		s := streaming(r, length)
		c := r.connect().say(get)
		s.say("half of")
		s.flow.Fail(io.ErrUnexpectedEOF)
		r.settle()
		assert.Equal(t, strings.Contains(c.got(), "half of"), true)
		c.closed("reset")
		r.recorded("answer_cut 200")
		r.home()
	}
}

func TestDrain(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(r *rig) { r.serve = reply("hello") })
	idler, fresh, heading, busy := r.connect(), r.connect(), r.connect(), r.connect()
	idler.say(get).expect(okHello)
	heading.say("GET / HT")
	var running *exchange.Exchange
	r.serve = func(x *exchange.Exchange) { running = x }
	busy.say(get)
	empty := 0
	r.server.Drain()
	r.server.WhenEmpty(func() { empty++ })
	idler.closed("close")
	fresh.closed("") // its first request may be on its way
	heading.closed("")
	busy.closed("")
	reply("hello")(running)
	r.settle()
	busy.expect("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello")
	busy.closed("close")
	r.serve = reply("hello")
	assert.Equal(t, empty, 0)
	heading.say("TP/1.1\r\nHost: a\r\n\r\n").expect("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello")
	heading.closed("close")
	assert.Equal(t, empty, 0)
	r.pass(drainGrace)
	fresh.closed("close")
	assert.Equal(t, empty, 1)
	r.server.WhenEmpty(func() { empty++ })
	assert.Equal(t, empty, 2)
	r.home()
}

// A server that retires closes nobody who may be about to ask: everybody goes with the next answer, or when idle for long.
func TestRetire(t *testing.T) {
	t.Parallel()
	const last = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello"
	r := newRig(t, func(r *rig) { r.serve = reply("hello") })
	idler, fresh, quiet, eager := r.connect(), r.connect(), r.connect(), r.connect()
	idler.say(get).expect(okHello)
	quiet.say(get).expect(okHello)
	empty := false
	r.server.Retire()
	r.server.WhenEmpty(func() { empty = true })
	for _, c := range []*socket{idler, fresh, quiet} {
		c.closed("")
	}
	idler.say(get).expect(last)
	idler.closed("shut") // it may be sending its next request just now
	fresh.say(get).expect(last)
	fresh.closed("shut")
	eager.say(get + get).expect(okHello + last) // what was sent ahead is answered
	eager.closed("shut")
	assert.Equal(t, empty, false)
	r.pass(r.config.Timeouts.Idle)
	idler.closed("shut close")
	quiet.closed("close")
	assert.Equal(t, empty, true)
	r.home()
	r.server.Shed()
}

func TestStopAll(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(r *rig) { r.serve = func(*exchange.Exchange) {} })
	waiting, busy := r.connect(), r.connect().say(get)
	r.server.StopAll(record.DrainTimeout)
	waiting.closed("close")
	busy.closed("reset")
	r.recorded("drain_timeout 0")
	r.home()
}

func TestPerIPLimit(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(r *rig) {
		r.config.PerIP, r.config.MaxPerIP = limit.NewPerKey[netip.Addr](0), 2
		r.serve = reply("hello")
	})
	first, second, third := r.connect(), r.connect(), r.connect()
	third.closed("reset")
	assert.Equal(t, r.server.Reasons().Get(int(record.PerIPLimit)), uint64(1))
	first.say(get).expect(okHello)
	second.end()
	r.connect().say(get).expect(okHello)
	r.home()
}

func TestProxyHeaders(t *testing.T) {
	t.Parallel()
	const v1 = "PROXY TCP4 198.51.100.7 198.51.100.8 4000 443\r\n"
	for name, c := range map[string]struct {
		said     []string
		required bool
		client   string // "" is none: turned away
		port     uint16
	}{
		"a header and a request": {[]string{v1 + get}, true, "198.51.100.7:4000", 443},
		"in pieces":              {[]string{v1[:10], v1[10:] + get[:5], get[5:]}, true, "198.51.100.7:4000", 443},
		"none":                   {[]string{get}, false, "192.0.2.1:1000", 80},
		"none, but required":     {[]string{get}, true, "", 0},
		"a local one":            {[]string{"\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00", get}, true, "192.0.2.1:1000", 80},
		"a bad one":              {[]string{"PROXY TCP4 nonsense\r\n" + get}, false, "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			client, port, peer := "", uint16(0), ""
			r := newRig(t, func(r *rig) {
				r.config.Proxy.Read, r.config.Proxy.Required = true, c.required
				r.serve = func(x *exchange.Exchange) {
					client, port, peer = x.Client.String(), x.Port, x.Peer.String()
					reply("hello")(x)
				}
			})
			s := r.connect().say(c.said...)
			assert.Equal(t, client, c.client)
			assert.Equal(t, port, c.port)
			assert.Equal(t, peer, c.client)
			if c.client == "" {
				s.closed("reset")
				r.recorded()
			} else {
				s.expect(okHello)
			}
			r.home()
		})
	}
	r := newRig(t, func(r *rig) { // too late
		r.config.Proxy.Read = true
		r.serve = reply("hello")
	})
	mute, half := r.connect(), r.connect().say("PROXY TCP4")
	r.pass(r.config.Timeouts.ProxyHeader + time.Second)
	half.closed("reset")
	mute.say(get).expect(okHello)
	r.home()
}

// The port is the one that was connected to: the listener's, if it has one, or the kernel knows it.
func TestPorts(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		peer netip.AddrPort
		port uint16 // of all the listener's addresses
		want uint16
	}{
		{netip.MustParseAddrPort("192.0.2.1:1000"), 80, 80},
		{netip.MustParseAddrPort("192.0.2.1:1000"), 0, 81},
		{netip.AddrPort{}, 0, 0}, // a unix socket has none, whatever its neighbours have
		{netip.AddrPort{}, 80, 0},
	} {
		got := uint16(1)
		r := newRig(t, func(r *rig) {
			r.peer, r.config.Port = c.peer, c.port
			r.serve = func(x *exchange.Exchange) { got = x.Port; reply("hello")(x) }
		})
		r.connect().say(get).expect(okHello)
		if got != c.want {
			t.Errorf("peer %v, port %d: got %d, want %d", c.peer, c.port, got, c.want)
		}
		r.home()
	}
}

// A fault in what handles a request costs one connection.
func TestAPanicCostsOneConnection(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(r *rig) { r.faults = true })
	r.serve = reply("hello")
	other := r.connect().say(get)
	other.expect(okHello)
	for name, serve := range map[string]func(x *exchange.Exchange){
		"at once": func(*exchange.Exchange) { panic("handler") },
		"within its answer": func(x *exchange.Exchange) {
			x.Response.Status, x.ResponseBody = 200, 100
			x.Answer(faulty{})
		},
	} {
		r.records = nil
		r.serve = serve
		c := r.connect().say(get)
		c.closed("reset")
		if len(r.records) != 1 || !strings.HasPrefix(r.records[0], "internal ") {
			t.Errorf("%s: %v", name, r.records)
		}
	}
	r.serve = reply("hello")
	other.say(get).expect(okHello)
	assert.Equal(t, r.loop.Stats().Get(stat.Panics), uint64(2))
	r.home()
}

// faulty is a source that panics.
type faulty struct{}

func (faulty) Proceed(*flow.Flow)     { panic("source") }
func (faulty) Stop(*flow.Flow, error) {}
