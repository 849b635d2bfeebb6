package sim

// A reply is one answer as a server means it.

import (
	"fmt"
	"net/http"
	"strings"
	"time"
)

type reply struct {
	to       *ask
	by       *origin
	try      int // which of the ask's
	status   int
	fields   []field
	body     []byte
	trailers []field
	interims []int
	framing  replyFraming
	bad      badReply
	old      bool // HTTP/1.0
	closes   bool
	switches bool
	at       int // begins once so many bytes of the request's body have come; −1 for at once
	delay    time.Duration
	head     []byte // interim answers included
	wire     []byte // all of it

	planned bool
	queued  bool
	early   bool // it began before the request had come whole
	from    int  // where in the server's stream it begins
}

type replyFraming uint8

const (
	byLength replyFraming = iota
	byChunks
	byEnd
	byNature // 204, 304
)

type badReply uint8

const (
	rightReply badReply = iota
	surplus             // bytes behind the answer
	badLine
	badFraming
	badCoding
	endlessInterims
	badSwitch // a 101 that nobody asked for
	badReplies
)

// newReply draws an answer to a.
func (w *web) newReply(a *ask, o *origin) *reply {
	r := &reply{to: a, by: o, try: len(a.replies) + 1}
	a.replies = append(a.replies, r)
	r.status = []int{200, 200, 200, 201, 204, 304, 404, 500, 302}[w.rng.IntN(9)]
	if w.chance(w.sick) {
		r.status = w.between(502, 504)
	}
	n := w.size()
	if a.of.slow && w.plan.bufferMin > 1024 && a.of.bite > 1024 && o.piece > 1024 && w.chance(50) {
		n = w.between(150<<10, 250<<10) // more than the kernels between us hold
	}
	r.body = mark(a.id, 10+r.try, n)
	r.framing = replyFraming(w.rng.IntN(3))
	if r.framing == byEnd && w.chance(60) {
		r.framing = byLength
	}
	r.old = r.framing != byChunks && w.chance(5)
	if r.status == 204 || r.status == 304 {
		r.framing = byNature
	}
	for w.chance(15) {
		r.interims = append(r.interims, []int{100, 102, 103}[w.rng.IntN(3)])
	}
	if a.expects && w.chance(70) {
		r.interims = append([]int{100}, r.interims...)
	}
	if w.chance(w.plan.rude / 4) {
		r.bad = badReply(w.between(1, int(badReplies)-1))
	}
	if a.tunnels && w.chance(75) && r.bad == rightReply {
		r.switches = true
		r.status, r.framing, r.old = 101, byNature, false
		if a.method == "CONNECT" {
			r.status = 200
		}
	}
	if r.framing == byChunks && w.chance(30) {
		r.trailers = []field{{"X-Check", fmt.Sprint(a.id)}}
	}
	if a.method == "CONNECT" && !r.switches && r.status < 300 {
		r.status, r.framing = 403, byLength
	}
	r.closes = !r.switches && (w.chance(15) || r.framing == byEnd || r.old)
	if r.bad == badFraming && r.framing != byLength || r.bad == badCoding && (r.framing != byChunks || r.bodiless()) {
		r.bad = rightReply
	}
	r.when(w)
	r.write(w)
	return r
}

// when draws the time of the answer.
func (r *reply) when(w *web) {
	r.at = len(r.to.body) + 1 // when the body has come
	if w.chance(20) {
		r.at = w.between(-1, len(r.to.body))
	}
	r.delay = time.Duration(w.delay(200 * time.Millisecond))
	if w.chance(w.plan.slow / 8) {
		r.delay = time.Duration(w.scale(1, 20)) * time.Second
	}
}

// bodiless reports whether the answer has no body, because of the question or its status.
func (r *reply) bodiless() bool { return r.to.method == "HEAD" || r.framing == byNature }

func (r *reply) write(w *web) {
	var b strings.Builder
	interims := r.interims
	if r.bad == endlessInterims {
		for range 40 {
			interims = append(interims, 102)
		}
	}
	for _, status := range interims {
		fmt.Fprintf(&b, "HTTP/1.1 %d %s\r\nX-Hint: %s\r\n\r\n", status, http.StatusText(status), strings.Repeat("h", w.scale(1, 200)))
	}
	version := "HTTP/1.1"
	if r.old {
		version = "HTTP/1.0"
	}
	switch r.bad {
	case badLine:
		version = "HTTP/9"
	case badSwitch:
		r.status = 101
		if r.to.tunnels {
			r.fields = append(r.fields, field{"Upgrade", "smtp"})
		}
	}
	r.drawFields(w)
	fmt.Fprintf(&b, "%s %d %s\r\n", version, r.status, http.StatusText(r.status))
	for _, f := range r.fields {
		fmt.Fprintf(&b, "%s: %s\r\n", f.name, f.value)
	}
	b.WriteString("\r\n")
	r.head = []byte(b.String())
	r.wire = append(r.wire, r.head...)
	if !r.bodiless() {
		r.writeBody(w)
	}
	if r.bad == surplus && r.framing == byEnd && !r.bodiless() {
		r.bad = rightReply // it would be part of the body
	}
	if r.bad == surplus {
		r.wire = append(r.wire, "<surplus>"...)
	}
}

func (r *reply) writeBody(w *web) {
	switch {
	case r.framing == byChunks:
		r.wire = append(r.wire, w.chunks(r.body, r.trailers, r.bad == badCoding)...)
	default:
		r.wire = append(r.wire, r.body...)
	}
}

func (r *reply) drawFields(w *web) {
	add := func(name, value string) { r.fields = append(r.fields, field{name, value}) }
	add("X-Id", fmt.Sprintf("%d.%d", r.to.id, r.try))
	if w.chance(40) {
		add("Set-Cookie", "a=1")
		add("server", "sim/1")
		add("SET-COOKIE", "b=2; Path=/")
	}
	switch {
	case r.framing == byLength:
		add("Content-Length", fmt.Sprint(len(r.body)))
		if r.bad == badFraming {
			add("Transfer-Encoding", "chunked")
		}
	case r.framing == byChunks:
		add("Transfer-Encoding", "chunked")
	case r.status == 304 && w.chance(50):
		add("Content-Length", "4321")
	}
	switch {
	case r.switches && r.status == 101:
		add("Upgrade", "websocket")
		add("Connection", "Upgrade")
	case r.closes && !r.old && (r.framing != byEnd || r.bodiless()):
		add("Connection", "close")
	case w.chance(20):
		add("Keep-Alive", "timeout=5")
		add("Connection", "Keep-Alive, X-Hop")
		add("X-Hop", "not for you")
		r.closes = r.closes && r.framing == byEnd && !r.bodiless()
	}
	if w.chance(2) && r.by.piece > 1024 && w.plan.bufferMin > 1024 {
		add("X-Big", strings.Repeat("b", w.between(1, 50<<10)))
	}
	if w.chance(30) {
		add("X-Last", "z")
	}
}

// flawed reports whether the answer must not be passed on as a whole one.
func (r *reply) flawed() bool {
	return r.bad != rightReply && r.bad != surplus
}

// given is the body as far as it was sent.
func (r *reply) given() []byte {
	if r.framing != byEnd {
		return r.body
	}
	return r.body[:max(0, min(len(r.body), r.by.sent-r.from-len(r.head)))]
}
