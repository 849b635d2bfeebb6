package sim

// An origin is a server's end of one connection: it reads requests, which must be what clients have asked, and answers.

import (
	"bytes"
	"fmt"
	"reflect"
	"strings"
	"time"

	"sluice/engine/proxyproto"
)

type origin struct {
	peer
	web     *web
	reader  reader
	headed  bool // the PROXY header has come
	ask     *ask
	reply   *reply
	served  int
	spoiled bool   // it said more than it should
	extent  uint64 // how many bytes it will have sent with that
	idling  int    // requests it had served when it last thought of going
	leaves  bool   // it closed while it was idle, or between a question and its answer
	slow    bool
	tunnel  *tunnelEnd
}

func (w *web) origin(e *end) {
	o := &origin{web: w, headed: w.plan.proxyOut == 0}
	o.name = "origin of " + e.name
	w.origins = append(w.origins, o)
	o.begin(w.World, e, o)
	e.peer.written = o.writes
	if w.chance(w.plan.slow / 4) {
		o.slow = true
		o.stallAt, o.stallFor = w.scale(1, 64<<10)-1, time.Duration(w.scale(10, 30_000))*time.Millisecond
	}
}

// act implements part.
func (o *origin) act() {
	switch r := o.reply; {
	case o.tunnel != nil:
		o.tunnel.act()
	case r == nil || !r.queued || len(o.out) > 0:
	case r.closes || r.bad != rightReply && r.bad != surplus:
		if o.w.chance(50) && !o.sentEnd {
			o.cut = true
			o.finish()
			return
		}
		o.end()
	default:
		o.idle()
	}
}

// idle has the server think of going, now that it has answered.
func (o *origin) idle() {
	if o.idling == o.served {
		return
	}
	o.idling = o.served
	served := o.served
	w := o.w
	if !w.chance(w.plan.rude / 2) {
		return
	}
	w.after(w.delay(3*time.Second), func() {
		if o.over || o.sentEnd || o.served != served || o.reader.begun() {
			return
		}
		o.leaves = true
		o.w.cover.hit(idleLeft)
		switch w.rng.IntN(4) {
		case 0:
			o.leave(resets)
		case 1:
			o.end()
		case 2:
			o.leave(quits)
		default:
			o.spoil([]byte("HTTP/1.1 surprise\r\n"))
		}
	})
}

// race has a server reset an idle connection in the moment in which a client says something: the request that comes of it
// may be given to this connection before anybody knows.
func (w *web) race() {
	if !w.chance(w.plan.rude / 10) {
		return
	}
	for _, o := range w.origins {
		if o.idles() {
			o.leaves = true
			w.cover.hit(idleLeft)
			o.leave(resets)
			o.e.peer.hearReset()
			return
		}
	}
}

// idles reports whether the server waits for another request.
func (o *origin) idles() bool {
	return o.idling > 0 && o.idling == o.served && !o.over && !o.sentEnd && !o.e.unix && o.reader.whole() && len(o.in) == 0
}

// spoil says something that nobody asked for.
func (o *origin) spoil(b []byte) {
	o.out = append(o.out, b...)
	o.spoiled, o.extent = true, uint64(o.sent+len(o.out))
	o.later()
}

// came implements part.
func (o *origin) came() {
	if !o.headed && !o.introduced() {
		return
	}
	for len(o.in) > 0 && !o.over {
		if o.tunnel != nil {
			o.tunnel.take(o.in)
			o.in = nil
			return
		}
		if o.reader.whole() && !o.another() {
			o.in = nil
			return
		}
		before := len(o.in)
		known := o.reader.begun()
		o.in = o.reader.take(o.in)
		if o.reader.bad != "" {
			o.w.fault("%s cannot read a request: %s", o.name, o.reader.bad)
			return
		}
		if !known && o.reader.begun() && !o.head() {
			return
		}
		o.progress()
		if len(o.in) == before {
			return
		}
	}
}

func (o *origin) introduced() bool {
	h, n, status := proxyproto.Parse(o.in)
	switch {
	case status == proxyproto.Partial:
		return false
	case status != proxyproto.Complete:
		o.w.fault("%s received no PROXY header", o.name)
	case !o.w.plan.unix && o.web.clientAt(h.Source) == nil:
		o.w.fault("%s received a PROXY header for %v, who is no client", o.name, h.Source)
	}
	o.w.cover.hit(ProxySent)
	o.in = o.in[n:]
	o.headed = true
	return true
}

// another judges the use of the connection for one more request. It is false when the server does not listen any more.
func (o *origin) another() bool {
	if o.reply == nil || !o.reply.queued || o.sent < o.reply.from+len(o.reply.wire)-o.web.excess(o.reply) {
		o.w.fault("%s gets another request before it has answered ask %d", o.name, o.ask.id)
		return false
	}
	if o.reply.closes || o.reply.flawed() {
		o.w.fault("%s gets another request behind an answer that was its last", o.name)
		return false
	}
	if o.sentEnd {
		return false
	}
	o.w.cover.hit(reused)
	o.reader.next()
	o.ask, o.reply = nil, nil
	return true
}

// writes is called before the proxy writes to this connection: what it has read tells whether it may.
func (o *origin) writes() {
	near := o.e.peer
	if o.spoiled && near.received >= o.extent && near.in.len() == 0 && near.file != nil && o.reader.whole() {
		o.w.fault("the proxy uses %s again, although it has read surplus bytes from it", o.name)
	}
}

// head judges the head of a request, and plans the answer.
func (o *origin) head() bool {
	w, r := o.w, &o.reader
	parts := strings.Split(r.first, " ")
	if len(parts) != 3 || parts[2] != "HTTP/1.1" {
		w.fault("%s received the line %q", o.name, r.first)
		return false
	}
	a := o.web.find(parts[1])
	if a == nil {
		w.fault("%s received a request for %q, which nobody asked", o.name, parts[1])
		return false
	}
	o.ask = a
	w.trace("%s gets ask %d: %s", o.name, a.id, r.first)
	a.seen++
	a.by = append(a.by, o)
	if text := o.wrongHead(parts); text != "" {
		w.fault("%s received ask %d, %s", o.name, a.id, text)
		return false
	}
	o.reply = o.web.newReply(a, o)
	if o.served > 0 && w.chance(w.plan.rude/4) || w.chance(o.web.sick/4) {
		o.leaves = true // it was about to close when the request came
		o.w.cover.hit(idleLeft)
		o.leave([]ending{endsFirst, quits, resets}[w.rng.IntN(3)])
		return false
	}
	return true
}

// wrongHead says what is wrong with a head that has come.
func (o *origin) wrongHead(parts []string) string {
	a, r := o.ask, &o.reader
	got, want := lasting(r.fields), lasting(a.fields)
	switch {
	case a.bad != flawless && a.bad != badChunk:
		return "which should have been refused"
	case a.way == noWay:
		return "which has no route"
	case a.barred():
		return "which is behind one that was the last"
	case a.seen > 1 && !idempotent[a.method]:
		return "a second time"
	case a.seen > 2+o.web.retry.Attempts:
		return "once too often"
	case parts[0] != a.method || parts[1] != a.target:
		return fmt.Sprintf("but it was %s %s", a.method, a.target)
	case !reflect.DeepEqual(got, want):
		return fmt.Sprintf("with the fields %q instead of %q", got, want)
	case r.chunked != a.chunked, !a.chunked && max(r.length, 0) != len(a.body):
		return "framed otherwise"
	}
	if text := o.tooSoon(); text != "" {
		return text
	}
	return o.wrongHops()
}

// tooSoon says that the head has left although not enough of the body can have been kept back before.
func (o *origin) tooSoon() string {
	a := o.ask
	if a.way != holdWay && a.way != bothWay || len(a.body) == 0 {
		return ""
	}
	had := int(a.of.e.peer.received) - (a.to - len(a.wire))
	return unless(a.to > 0 && had >= min(o.web.hold, len(a.body)), "before its body was kept back")
}

func (o *origin) wrongHops() string {
	for _, f := range o.reader.fields {
		switch strings.ToLower(f.name) {
		case "keep-alive", "te", "proxy-connection", "x-hop":
			return "with the field " + f.name
		case "upgrade":
			if !o.ask.tunnels || f.value != "websocket" {
				return "with an Upgrade to " + f.value
			}
		case "connection":
			if f.value != "Upgrade" || !o.ask.tunnels {
				return "with Connection: " + f.value
			}
		}
	}
	return ""
}

// progress judges what has come of the body, and begins the answer when its time has come.
func (o *origin) progress() {
	a, r := o.ask, &o.reader
	if a == nil || r.state == readsHead {
		return
	}
	if !bytes.HasPrefix(a.body, r.body) {
		o.w.fault("%s received a wrong body for ask %d", o.name, a.id)
		return
	}
	if r.whole() {
		switch {
		case len(r.body) != len(a.body):
			o.w.fault("%s received %d of %d bytes of ask %d as if that were all", o.name, len(r.body), len(a.body), a.id)
		case a.bad == badChunk:
			o.w.fault("%s received ask %d whole, although its body was malformed", o.name, a.id)
		case !reflect.DeepEqual(r.trailers, a.trailers):
			o.w.fault("%s received ask %d with the trailers %q instead of %q", o.name, a.id, r.trailers, a.trailers)
		}
	}
	if p := o.reply; !p.planned && (r.whole() || len(r.body) >= p.at || a.expects && len(p.interims) > 0 && p.interims[0] == 100) {
		o.plan(p)
	}
}

// plan puts the answer on the agenda.
func (o *origin) plan(r *reply) {
	r.planned = true
	o.slow = o.slow || r.delay > timeoutFirstByte/2
	if r.early = !o.reader.whole(); r.early {
		o.w.cover.hit(earlyAnswer)
	}
	o.w.after(int64(r.delay)+1, func() {
		if o.over || o.sentEnd || o.reply != r || o.broken {
			return
		}
		o.say(r)
		o.later()
	})
}

// say puts the answer into the outbox, and draws what may go wrong with it.
func (o *origin) say(r *reply) {
	w := o.w
	r.queued, r.from = true, o.sent+len(o.out)
	o.served++
	o.out = append(o.out, r.wire...)
	if r.bad == surplus {
		o.spoiled, o.extent = true, uint64(r.from+len(r.wire))
	}
	if r.switches {
		o.tunnel = newTunnelEnd(&o.peer, r.to, 1)
		return
	}
	if w.chance(w.plan.rude / 3) {
		o.cutHow = []ending{endsFirst, quits, resets, vanishes, vanishesFar}[w.rng.IntN(5)]
		o.cutAt = r.from + w.between(0, len(r.wire))
		o.leaves = true
		o.slow = o.slow || o.cutHow >= vanishes
	}
	if w.chance(w.plan.slow / 4) {
		o.slow = true
		o.pauseAt, o.pauseFor = r.from+w.between(0, len(r.wire)), time.Duration(w.scale(10, 30_000))*time.Millisecond
	}
}

// ended implements part.
func (o *origin) ended(cut bool) {
	if o.tunnel != nil {
		o.tunnel.ended(cut)
		return
	}
	o.end()
	o.finish()
}
