package sim

// The checkers of the web: answers when they are whole, records when all is over.

import (
	"bytes"
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"time"

	"sluice/engine/record"
)

// clientAt is who has that address.
func (w *web) clientAt(addr netip.AddrPort) *client {
	for _, c := range w.clients {
		if c.addr == addr {
			return c
		}
	}
	return nil
}

// replyOf is the reply that an answer is, by its number; nil for the proxy's own.
func (w *web) replyOf(a *ask, m *message) *reply {
	for _, r := range a.replies {
		if m.value("X-Id") == fmt.Sprintf("%d.%d", a.id, r.try) {
			return r
		}
	}
	return nil
}

// verifyHead judges the head of an answer the moment it is there: what came before it, and whether it could be sent yet.
func (w *web) verifyHead(a *ask, m *message) {
	r := w.replyOf(a, m)
	if r == nil {
		return
	}
	a.answered = true
	if text := w.wrongInterims(a, r); text != "" {
		w.fault("the answer to ask %d has interim answers before it, %s", a.id, text)
	}
	if a.way == keepWay || a.way == bothWay {
		near, least := r.by.e.peer, r.from+len(r.head)
		if !r.bodiless() {
			least += min(w.keep, len(r.given()))
		}
		if int(near.received) < least {
			w.fault("the answer to ask %d has left before its body was kept back", a.id)
		}
	}
}

// wrongInterims says what is wrong with the interim answers before a reply. Some may be missing: clients who do not take
// what is there already are spared more.
func (w *web) wrongInterims(a *ask, r *reply) string {
	rest := r.interims
	for i := range a.interims {
		m := &a.interims[i]
		if m.status == 100 && m.value("X-Hint") == "" {
			if i > 0 || !a.expects || a.way != holdWay && a.way != bothWay {
				return "among them a 100 by nobody"
			}
			continue
		}
		for len(rest) > 0 && rest[0] != m.status {
			rest = rest[1:]
		}
		if len(rest) == 0 && r.try == 1 {
			return fmt.Sprintf("among them a %d that the server has not sent", m.status)
		}
		rest = rest[min(1, len(rest)):]
	}
	return ""
}

// verify judges a whole answer.
func (w *web) verify(a *ask) {
	m := a.final
	id := m.value("X-Id")
	if id == "" {
		a.page = true
		w.cover.hit(pageRead)
		if a.method != "HEAD" && !bytes.HasSuffix(m.body, []byte("(sluice)\n")) {
			w.fault("the answer to ask %d is of nobody: %q %q", a.id, m.first, m.body[:min(len(m.body), 40)])
		}
		return
	}
	if r := w.replyOf(a, m); r == nil {
		w.fault("the answer to ask %d has the number %s", a.id, id)
	} else if text := w.wrongAnswer(a, r); text != "" {
		w.fault("the answer to ask %d is whole, but %s", a.id, text)
	}
}

func (w *web) wrongAnswer(a *ask, r *reply) string {
	m := a.final
	got, want := lasting(m.fields), lasting(r.fields)
	a.switched = r.switches
	got, wrong := w.unstick(a, r, got)
	switch {
	case m.toEnd && a.of.e.unix && bytes.HasPrefix(r.given(), m.body):
		return "" // a cut looks the same
	case r.flawed():
		return "the server's was malformed"
	case !r.queued:
		return "the server has not sent it"
	case wrong != "":
		return wrong
	case m.status != r.status:
		return fmt.Sprintf("its status is %d instead of %d", m.status, r.status)
	case !reflect.DeepEqual(got, want):
		return fmt.Sprintf("it has the fields %q instead of %q", got, want)
	case r.switches:
		w.cover.hit(switched)
		return unless(r.status != 101 || m.value("Upgrade") == "websocket", "it does not name the protocol")
	case r.bodiless():
		return w.wrongLength(a, r)
	case !bytes.Equal(m.body, r.given()):
		return fmt.Sprintf("its body of %d bytes is not the server's of %d", len(m.body), len(r.given()))
	case m.chunked && r.framing == byChunks && !reflect.DeepEqual(m.trailers, r.trailers):
		return fmt.Sprintf("it has the trailers %q instead of %q", m.trailers, r.trailers)
	case r.framing == byEnd && !r.by.e.unix && (!r.by.sentEnd || r.by.e.hard):
		return "the server has not ended it"
	case r.by.sent < r.from+len(r.wire)-w.excess(r) && r.framing != byEnd:
		return "the server has not sent all of it"
	}
	w.cover.hit(answered)
	return w.wrongHops(m)
}

// excess is how many bytes of a reply are not part of the answer.
func (w *web) excess(r *reply) int {
	if r.bad == surplus {
		return len("<surplus>")
	}
	return 0
}

// wrongLength judges what an answer without a body says of one.
func (w *web) wrongLength(a *ask, r *reply) string {
	if r.status == 204 || r.old {
		return ""
	}
	want := (&message{fields: r.fields}).value("Content-Length")
	return unless(a.final.value("Content-Length") == want, "it speaks of %s bytes instead of %s", a.final.value("Content-Length"), want)
}

func (w *web) wrongHops(m *message) string {
	for _, f := range m.fields {
		if name := strings.ToLower(f.name); name == "keep-alive" || name == "x-hop" {
			return "it has the field " + f.name
		}
	}
	return ""
}

// recorded files the record of an exchange.
func (w *web) recorded(rec *record.Exchange) {
	w.cover.reasons[rec.Reason]++
	a := w.find(string(rec.Target))
	c := w.clientAt(rec.Client)
	if c != nil && int(rec.Requests) <= len(c.asks) {
		b := c.asks[rec.Requests-1]
		if a != nil && a != b && b.bad == flawless {
			w.fault("the record of ask %d says it was ask %d", b.id, a.id)
		}
		if a = b; !b.begun && c.asks[c.asked-1].early {
			return // what was meant for a tunnel was taken for a request
		}
	}
	switch {
	case a == nil && (w.plan.unix || c != nil && c.asks[c.asked-1].early):
		return // refused before it said which it was, or meant for a tunnel
	case a == nil:
		w.fault("a record is about %s of %v, request %d, whom nobody knows", rec.Target, rec.Client, rec.Requests)
		return
	}
	if a.records++; a.records > 1 {
		w.fault("ask %d is on record twice", a.id)
	}
	a.rec = *rec
	a.rec.Method, a.rec.Host, a.rec.Target = nil, nil, nil
}

// judge implements play.
func (w *web) judge() {
	for i := range w.rig.records {
		w.judgeTurned(&w.rig.records[i])
	}
	for _, c := range w.clients {
		near := c.e.peer
		if near.file != nil && near.closedAt == 0 {
			w.fault("%s was never closed by the proxy", c.name)
		}
		over := near.file == nil || c.e.peer.dead && near.file == nil
		for _, a := range c.asks {
			w.count(a)
			if text := w.wrongAsk(a, over); text != "" {
				w.fault("ask %d of %s: %s", a.id, c.name, text)
			}
			for _, r := range a.replies {
				over = over || r.early // the rest of the request was in the way
			}
			over = over || a.final == nil || a.final.closes || a.final.toEnd || a.switched || a.closes || a.bad != flawless
		}
	}
}

// count notes what has happened to an ask.
func (w *web) count(a *ask) {
	for _, r := range a.replies {
		if r.bad != rightReply && r.queued {
			w.cover.hit(badReplied)
		}
	}
	if a.seen > 1 {
		w.cover.hit(triedTwice)
	}
	if a.begun && a.bad != flawless {
		w.cover.hit(badAsked)
	}
	if a.cutShort {
		w.cover.hit(answerCut)
	}
}

// wrongAsk says what is wrong with the way of one ask; over says that its connection was not to be used any more.
func (w *web) wrongAsk(a *ask, over bool) string {
	r := &a.rec
	anonymous := w.plan.unix
	switch {
	case a.records == 0 && (a.seen > 0 || (a.final != nil || a.cutShort) && !anonymous):
		return "it is not on record"
	case a.records == 0:
		mine := a.to > 0 && a.of.sent >= a.to && a.of.attentive() && !over && !w.left && !a.of.turned
		return unless(!mine || anonymous || w.plan.maxPerIP > 0, "nobody has answered it")
	case a.final == nil && r.Reason == record.Done && a.of.attentive() && !w.left && (!a.closes || a.of.asked == a.nth) && !a.swept():
		return "it is said to be answered, and was not"
	case a.final == nil:
	case a.page && (r.Reason.Status() != a.final.status || int(r.Status) != a.final.status):
		return fmt.Sprintf("it was answered by a page with status %d, for %s", a.final.status, r.Reason)
	case a.page && r.Reason.Passes() != (a.final.value("Retry-After") != ""):
		return fmt.Sprintf("it is told %q when to come back, for %s", a.final.value("Retry-After"), r.Reason)
	case a.final.toEnd && a.of.e.unix: // a cut looks like an end
	case !a.page && !a.switched && r.Reason != record.Done:
		return fmt.Sprintf("it was answered, and ended in %s", r.Reason)
	case int(r.Status) != a.final.status:
		return fmt.Sprintf("its status was %d, not %d", a.final.status, r.Status)
	}
	if text := w.implausibleEnd(a); text != "" {
		return fmt.Sprintf("it ended in %s, but %s", r.Reason, text)
	}
	return ""
}

// cutSweeps excuses an answer that was whole for the proxy, but still waited for room in the kernel when the next answer
// on the connection had to be cut: the reset sweeps it away.
const cutSweeps = true

// swept reports whether that may have happened.
func (a *ask) swept() bool {
	for _, b := range a.of.asks[a.nth:] {
		if b.records > 0 && b.rec.Reason != record.Done {
			return cutSweeps
		}
	}
	return false
}

// implausibleEnd says why a record cannot be true, or "".
func (w *web) implausibleEnd(a *ask) string {
	r, c := &a.rec, a.of
	switch r.Reason {
	case record.Done:
		return w.notDone(a)
	case record.ClientGone:
		return unless(c.cut || c.early || c.last || c.broken, "the client stayed")
	case record.ClientReset:
		return unless(c.cut || c.broken || c.sawEnd || c.last, "the client never reset")
	case record.ClientLost:
		return unless(c.cut, "the client is still there")
	case record.ClientTruncated:
		return unless(c.e.veil != nil && (c.blunt || c.over) || c.e.veil.garbled(), "the client has said close_notify, or nothing")
	case record.ClientViolation:
		return unless(c.e.veil.garbled(), "the client kept to the rules")
	case record.BodyTooLarge:
		return unless(a.way == maxWay && len(a.body) > bodyMax, "its body is small")
	case record.NotFound:
		return unless(a.way == noWay, "it has a route")
	case record.HeaderTimeout:
		const blink = time.Millisecond // the clock goes on between two looks of one event
		return unless((r.Total >= timeoutHeader-blink || a.nth == 1) && !c.attentive(), "the client was in time")
	case record.BodyTimeout, record.BodyTooSlow:
		return unless(!c.attentive() || c.pauseFor > 0, "the client sent its body in time")
	case record.WriteTimeout:
		return unless(r.Total >= timeoutWrite && !c.attentive(), "the client took what came")
	case record.Stopped:
		return unless(w.left && !w.drains, "nobody said so")
	case record.FDExhausted:
		return unless(w.plan.shortage, "there were enough")
	case record.ClientEnd, record.ServerEnd, record.TunnelIdle, record.HalfClosedIdle:
		return w.wrongTunnel(a)
	case record.NoServer, record.MarkedDown, record.QueueTimeout:
		return w.notThere(r.Reason, r.Total)
	case record.UpstreamFull, record.ConnectRefused, record.ConnectTimeout, record.ConnectUnreachable:
		return w.within(r)
	case record.AnswerTimeout, record.AnswerIdle, record.AnswerBad, record.AnswerCut, record.ServerReset, record.ServerLost:
		return w.innocentServer(a)
	}
	return unless(a.bad != flawless && verdicts[a.bad] == r.Reason, "nothing it did explains that")
}

// notDone says why an answer cannot have been delivered whole.
func (w *web) notDone(a *ask) string {
	text := "no server has said so"
	for _, r := range a.replies {
		if r.status != int(a.rec.Status) || !r.queued || r.flawed() {
			continue
		}
		want := len(r.given())
		switch {
		case !r.bodiless() && int(a.rec.BytesDown) != want:
			text = fmt.Sprintf("%d of %d bytes went down", a.rec.BytesDown, want)
		case int(a.rec.BytesUp) > len(a.body):
			text = fmt.Sprintf("%d of %d bytes went up", a.rec.BytesUp, len(a.body))
		default:
			return ""
		}
	}
	return text
}

// wrongTunnel says why a tunnel cannot have ended so.
func (w *web) wrongTunnel(a *ask) string {
	r := &a.rec
	front, back := a.ends[0], a.ends[1]
	switch {
	case back == nil:
		return "no server has switched"
	case r.Reason == record.TunnelIdle:
		return unless(r.Total >= timeoutTunnel, "after %v", r.Total)
	case r.Reason == record.HalfClosedIdle:
		return unless(r.Total >= timeoutHalf, "after %v", r.Total)
	case front == nil || front.p.cut || back.p.cut || front.p.e.unix || back.p.e.unix:
		return ""
	case front.got != len(front.want) || back.got != len(back.want):
		return fmt.Sprintf("%d of %d and %d of %d bytes arrived", front.got, len(front.want), back.got, len(back.want))
	}
	w.cover.hit(tunnelWhole)
	return ""
}

// within says why a server could have been reached.
func (w *web) within(r *record.Exchange) string {
	limited, good := w.rig.care.limited, true
	for _, s := range w.servers {
		good = good && s.manner == accepts && !s.moody
	}
	for _, o := range w.origins {
		good = good && !o.cut
	}
	if r.Reason == record.UpstreamFull {
		return unless(limited, "no server has a limit")
	}
	return unless(!good, "every server accepts")
}

// innocentServer says that no server did what the record blames one for.
func (w *web) innocentServer(a *ask) string {
	r := &a.rec
	if text := w.gaveUp(a); text != "" {
		return text
	}
	gone, slow, far, spoiled := false, false, false, false
	suspects := w.origins
	if n := len(a.by); n > 0 && !r.Reused && len(a.tries) == 1 {
		suspects = a.by[n-1:] // it was alone with this one
	}
	for _, o := range suspects {
		gone = gone || o.cut || o.leaves || o.broken || o.reply != nil && o.reply.closes
		slow = slow || o.slow
		far = far || o.over && o.cut
		spoiled = spoiled || o.spoiled
	}
	bad := spoiled
	for _, p := range a.replies {
		bad = bad || p.bad != rightReply
	}
	switch r.Reason {
	case record.AnswerTimeout:
		slow = slow || a.expects && !a.of.attentive() // both have waited for each other
		return unless(slow && r.Total >= min(timeoutFirstByte, timeoutAnswer), "every server was in time (after %v)", r.Total)
	case record.AnswerIdle:
		return unless(slow && r.Total >= timeoutAnswer, "every server was in time (after %v)", r.Total)
	case record.AnswerBad:
		return unless(bad, "no server said anything wrong")
	case record.ServerLost:
		return unless(far, "no server vanished")
	}
	return unless(gone || bad, "no server went away")
}
