package sim

// An ask is one request as its client means it: what is sent, and what a server must therefore see.

import (
	"fmt"
	"strings"

	"sluice/engine/lease"
	"sluice/engine/record"
)

type ask struct {
	id       int
	of       *client
	nth      int // on its connection, from 1
	method   string
	way      way
	target   string // as a server must see it
	fields   []field
	body     []byte
	trailers []field
	old      bool // HTTP/1.0
	chunked  bool
	expects  bool // 100-continue
	closes   bool
	tunnels  bool // it asks for an upgrade, or is a CONNECT
	early    bool // bytes of the tunnel are sent before the answer
	bad      badAsk
	head     []byte
	wire     []byte // of the body

	up, down []byte // what goes through the tunnel, if it comes to one
	ends     [2]*tunnelEnd

	begun    bool
	to       int              // where in the client's stream it ends, once it is queued whole; else 0
	seen     int              // times a server has read its head
	by       []*origin        // which read it
	tries    []*try           // what the proxy has made of it
	retries  int              // tries on other servers
	failed   []lease.Endpoint // servers it was taken away from
	afresh   bool             // it was tried again because its connection was dead
	answered bool             // a server's answer has begun to come
	cookie   string           // of its server, as the client sends it
	replies  []*reply
	interims []message // the interim answers that came
	final    *message  // the answer, once the client has it whole
	page     bool      // it is the proxy's own
	cutShort bool      // a final answer began, and did not become whole
	switched bool
	records  int
	rec      record.Exchange
}

// way is the route an ask takes, which is the first part of its path.
type way uint8

const (
	plainWay way = iota
	holdWay      // the body is kept back
	keepWay      // the answer is
	bothWay
	maxWay  // the body is bounded
	parkWay // a gate parks it for a while
	upWay   // protocols may be switched
	noWay   // there is no route
	ways
)

var wayNames = [ways]string{"plain", "hold", "keep", "both", "max", "park", "up", "none"}

// badAsk is what is wrong with an ask.
type badAsk uint8

const (
	flawless   badAsk = iota
	twoLengths        // Content-Length and Transfer-Encoding
	bareLine          // a line that ends in a bare LF
	noHost
	longHead
	longTarget
	codedTwice
	strangeHope // another expectation
	badChunk    // in the body
	badAsks
)

// verdicts are the reasons that flaws are refused for.
var verdicts = [badAsks]record.Reason{
	record.None, record.BadRequest, record.BadRequest, record.BadRequest, record.HeaderTooLarge, record.URITooLong,
	record.NotImplemented, record.BadExpectation, record.BadRequest,
}

// The limits of the listener and of the routes.
const (
	headMax   = 4 << 10
	targetMax = 1 << 10
	bodyMax   = 3000
)

// idempotent are the methods a request of which may reach servers twice.
var idempotent = map[string]bool{"GET": true, "HEAD": true, "OPTIONS": true, "PUT": true, "DELETE": true, "TRACE": true}

// mark is a piece of noise that belongs to one message alone.
func mark(id, salt, n int) []byte {
	at := (id*40_009 + salt*7_919) % (1 << 19)
	return noise[at : at+n : at+n]
}

func (w *web) newAsk(c *client, nth int) *ask {
	a := &ask{id: len(w.asks) + 1, of: c, nth: nth}
	w.asks = append(w.asks, a)
	a.method = []string{"GET", "GET", "HEAD", "POST", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"}[w.rng.IntN(9)]
	a.way = way(w.rng.IntN(int(ways)))
	if a.way == upWay && w.chance(60) || a.way == noWay && w.chance(80) {
		a.way = plainWay
	}
	if w.retry.Attempts > 0 && w.chance(20) {
		a.way = []way{holdWay, bothWay}[w.rng.IntN(2)]
	}
	a.old = w.chance(10)
	w.askBody(a)
	if w.chance(4) {
		a.bad = badAsk(w.between(1, int(badAsks)-1))
		a.old = false
	}
	if a.way == upWay && a.bad == flawless {
		w.askTunnel(a)
	}
	a.target = fmt.Sprintf("/%s/%d", wayNames[a.way], a.id)
	if w.chance(30) {
		a.target += fmt.Sprintf("?q=%%20a+b&x=/%d", w.rng.IntN(100))
	}
	if a.method == "CONNECT" {
		a.target = fmt.Sprintf("id%d.example:443", a.id)
	}
	w.askFields(a)
	w.askWire(a)
	return a
}

// askBody draws the body, for methods that have one.
func (w *web) askBody(a *ask) {
	switch a.method {
	case "POST", "PUT", "PATCH", "DELETE":
	default:
		return
	}
	n := w.size()
	if a.way == maxWay {
		n = w.between(0, 2*bodyMax)
	}
	a.body = mark(a.id, 0, n)
	a.chunked = !a.old && w.chance(40)
	a.expects = !a.old && (n > 0 || a.chunked) && w.chance(25)
	if a.chunked && w.chance(30) {
		a.trailers = []field{{"X-Sum", fmt.Sprint(a.id)}, {"X-Sum", "again"}}
	}
}

// size draws the length of a body.
func (w *web) size() int {
	switch {
	case w.chance(15):
		return 0
	case w.plan.bulk && w.chance(50):
		return w.between(300<<10, 1200<<10)
	case w.plan.crowd:
		return w.scale(1, 100)
	}
	return w.scale(1, 40<<10)
}

func (w *web) askTunnel(a *ask) {
	a.tunnels, a.old, a.expects, a.chunked = true, false, false, false
	a.method, a.body, a.trailers = "GET", nil, nil
	if w.chance(40) {
		a.method = "CONNECT"
	}
	a.up, a.down = mark(a.id, 1, w.size()), mark(a.id, 2, w.size())
	a.early = w.chance(20)
}

// askFields draws the fields.
func (w *web) askFields(a *ask) {
	add := func(name, value string) { a.fields = append(a.fields, field{name, value}) }
	host := "web.example"
	if a.method == "CONNECT" {
		host = a.target
	}
	if a.bad != noHost {
		add("Host", host)
	}
	if w.chance(50) {
		add("User-Agent", "sim")
	}
	add("X-Mark", fmt.Sprint(a.id))
	if w.chance(30) {
		add("cookie", "a=1; b=2")
		add("X-MARK", "twice")
		add("x-empty", "")
	}
	if w.chance(15) {
		add([]string{"TE", "Keep-Alive", "Proxy-Connection"}[w.rng.IntN(3)], "trailers")
	}
	var options []string
	if w.chance(20) {
		options = append(options, "X-Hop")
		add("X-Hop", "not for you")
	}
	switch {
	case a.tunnels && a.method != "CONNECT":
		options = append(options, "Upgrade")
		add("Upgrade", "websocket")
	case a.old && w.chance(50):
		options = append(options, "keep-alive")
	case a.old:
		a.closes = true
	case a.closes:
		options = append(options, "close")
	}
	if len(options) > 0 {
		add("Connection", strings.Join(options, ", "))
	}
	if a.expects {
		add("Expect", "100-continue")
	}
	w.askFraming(a, add)
	if w.chance(30) {
		add("X-Last", "z")
	}
}

func (w *web) askFraming(a *ask, add func(name, value string)) {
	switch {
	case a.chunked:
		add("Transfer-Encoding", "chunked")
	case len(a.body) > 0 || a.method == "POST":
		add("Content-Length", fmt.Sprint(len(a.body)))
	}
	switch a.bad {
	case twoLengths:
		add("Content-Length", "5")
		add("Transfer-Encoding", "chunked")
	case codedTwice:
		if a.chunked || len(a.body) > 0 || a.method == "POST" {
			a.bad = twoLengths
			add("Content-Length", "7")
			add("Transfer-Encoding", "chunked")
			return
		}
		add("Transfer-Encoding", "gzip, chunked")
	case strangeHope:
		add("Expect", "the-best")
	case longHead:
		add("X-Long", strings.Repeat("l", headMax))
	}
}

// askWire writes it down.
func (w *web) askWire(a *ask) {
	version, end, target := "HTTP/1.1", "\r\n", a.target
	if a.old {
		version = "HTTP/1.0"
	}
	if a.bad == bareLine {
		end = "\n"
	}
	if a.bad == longTarget {
		target += strings.Repeat("t", targetMax)
	}
	if a.method != "CONNECT" && w.chance(10) && a.bad != noHost {
		target = "http://web.example" + target
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s %s%s", a.method, target, version, end)
	for _, f := range a.fields {
		fmt.Fprintf(&b, "%s: %s\r\n", f.name, f.value)
	}
	b.WriteString("\r\n")
	a.head = []byte(b.String())
	if a.wire = a.body; a.chunked {
		a.wire = w.chunks(a.body, a.trailers, a.bad == badChunk)
	} else if a.bad == badChunk {
		a.bad = flawless
	}
}

// chunks writes a body in chunks, with extensions now and then; spoil makes one of them wrong.
func (w *web) chunks(body []byte, trailers []field, spoil bool) []byte {
	b := make([]byte, 0, len(body)+100)
	most := 1 + len(body)/w.scale(1, 20)
	spoiled := w.rng.IntN(len(body) + 1)
	for at := 0; at < len(body); {
		n := w.between(1, min(most, len(body)-at))
		b = fmt.Appendf(b, "%x", n)
		if w.chance(10) {
			b = append(b, `;x="y"`...)
		}
		b = append(b, "\r\n"...)
		b = append(b, body[at:at+n]...)
		if at += n; spoil && at >= spoiled {
			b = append(b, '?')
			spoil = false
		}
		b = append(b, "\r\n"...)
	}
	if spoil {
		return append(b, "-0\r\n\r\n"...)
	}
	b = append(b, "0\r\n"...)
	for _, f := range trailers {
		b = fmt.Appendf(b, "%s: %s\r\n", f.name, f.value)
	}
	return append(b, "\r\n"...)
}

// find is the ask that a request is about, by its target.
func (w *web) find(target string) *ask {
	id := 0
	if _, err := fmt.Sscanf(target, "id%d.example", &id); err != nil {
		parts := strings.SplitN(target, "/", 3)
		if len(parts) == 3 {
			_, _ = fmt.Sscanf(parts[2], "%d", &id)
		}
	}
	if id < 1 || id > len(w.asks) {
		return nil
	}
	return w.asks[id-1]
}

// barred reports whether an ask before this one on its connection was the last that may be answered.
func (a *ask) barred() bool {
	for _, b := range a.of.asks[:a.nth-1] {
		if b.closes || b.bad != flawless || b.switched {
			return true
		}
	}
	return false
}
