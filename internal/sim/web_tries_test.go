package sim

// A spy between attempts and backs writes down every try of every ask: where it went, what came of it, and whether
// another try was due. What the code under test then does is judged by rules of the spy's own.

import (
	"reflect"
	"slices"
	"time"

	"sluice/engine/exchange"
	"sluice/engine/lease"
	"sluice/engine/record"
	"sluice/engine/sock"
)

// try is one try of an ask.
type try struct {
	of       *ask
	near     *end // of the connection
	reused   bool
	at       int64
	wrote    uint64 // on the connection, when it began
	status   int    // of its answer, if one has come
	err      *record.Error
	informed bool // an interim answer of it was passed on
	dropped  bool
	due      bool // another try was due when it failed
}

func (t *try) server() lease.Endpoint { return lease.Endpoint(t.near.server.addr) }

// spy is a back that is looked at.
type spy struct {
	exchange.Back
	web  *web
	near *end
	try  *try
}

// spied is the attempt behind it.
type spied struct {
	exchange.Attempt
	spy *spy
}

func (w *web) newSpy(c *sock.Conn, b exchange.Back) exchange.Back {
	fd := int(reflect.ValueOf(c).Elem().FieldByName("fd").Int())
	return &spy{Back: b, web: w, near: w.files.get(fd, "a look").socket}
}

// Begin implements exchange.Back.
func (s *spy) Begin(x *exchange.Exchange, to exchange.Attempt) bool {
	w := s.web
	if a := w.find(string(x.Request.Bytes(x.Request.Target))); a != nil && !a.barred() {
		s.try = &try{of: a, near: s.near, reused: s.near.requests > 0, at: w.now, wrote: s.near.wrote}
		if text := w.wrongTry(s.try); text != "" {
			w.fault("ask %d goes to %s, %s", a.id, s.near.name, text)
		}
		a.tries = append(a.tries, s.try)
		to = spied{to, s}
	}
	s.near.requests++
	return s.Back.Begin(x, to)
}

// Cancel implements exchange.Back.
func (s *spy) Cancel() {
	if s.try != nil {
		s.try.dropped = true
		s.web.common().care.doorman.again = true // perhaps
	}
	s.Back.Cancel()
}

// Informed implements exchange.Attempt.
func (s spied) Informed() {
	s.spy.try.informed = true
	s.Attempt.Informed()
}

// Answered implements exchange.Attempt.
func (s spied) Answered() {
	t, w, x := s.spy.try, s.spy.web, s.find()
	t.status = x.Response.Status
	wanted := slices.Contains(w.retry.Statuses, t.status)
	must, may := w.again(t, wanted)
	must = must && w.room(t)
	s.Attempt.Answered()
	switch {
	case t.dropped && !may:
		w.fault("the %d of ask %d was thrown away, and nothing better could come", t.status, t.of.id)
	case !t.dropped && must:
		w.fault("the %d of ask %d is passed on, although another server might do better", t.status, t.of.id)
	case !t.dropped && wanted:
		w.cover.hit(statusPassed)
	}
}

// find is the exchange behind the attempt.
func (s spied) find() *exchange.Exchange {
	x := reflect.ValueOf(s.Attempt).Elem().FieldByName("x")
	return (*exchange.Exchange)(x.UnsafePointer())
}

// Failed implements exchange.Attempt.
func (s spied) Failed(err *record.Error) {
	t, w := s.spy.try, s.spy.web
	known := *err
	t.err = &known
	t.due, _ = w.again(t, w.retry.Reset && err.Retry == record.RetryIfReused && cutShort(err.Kind))
	if w.plant.kind == plantResend {
		err.Retry = record.RetryYes
	}
	s.Attempt.Failed(err)
}

func cutShort(why record.Reason) bool {
	return why == record.ServerReset || why == record.ServerLost || why == record.AnswerCut
}

// again tells whether the ask must be tried again elsewhere after t, and whether it may. In between are those of whose
// body, or of the budget, too little is known from here.
func (w *web) again(t *try, wanted bool) (must, may bool) {
	a := t.of
	switch {
	case !wanted, !idempotent[a.method], a.retries >= w.retry.Attempts, t.informed, !w.spare(t):
		return false, false
	}
	bodiless := len(a.body) == 0 && !a.chunked
	held := (a.way == holdWay || a.way == bothWay) && len(a.body) < w.hold
	running := reflect.ValueOf(w.retry.Budget).Elem().FieldByName("running").FieldByName("v").Int()
	paid := w.retry.Percent > 0 && running < 3
	return (bodiless || held) && paid, true
}

// room reports whether every other server has room at once: an answer in hand is not given up for a place in a queue.
func (w *web) room(t *try) bool {
	for _, m := range w.rig.upstream.Set().Members() {
		if m.Addr != t.server() && m.MaxConnections > 0 && m.InUse() >= m.MaxConnections {
			return false
		}
	}
	return true
}

// spare reports whether there is a server that the ask has not failed at.
func (w *web) spare(t *try) bool {
	set := w.rig.upstream.Set()
	for _, m := range set.Members() {
		if m.Weight > 0 && set.Admits(m.Backend) && m.Addr != t.server() && !slices.Contains(t.of.failed, m.Addr) {
			return true
		}
	}
	return false
}

// wrongTry says why there should not be such a try.
func (w *web) wrongTry(t *try) string {
	a := t.of
	if len(a.tries) == 0 {
		return w.astray(t)
	}
	last := a.tries[len(a.tries)-1]
	switch {
	case !last.dropped:
		return "before the last try was over"
	case a.final != nil && !a.page, a.answered:
		return "although the client has an answer"
	case last.informed:
		return "although the client has heard of the last try"
	case w.afresh(last, t):
		return ""
	case !idempotent[a.method]:
		return "a second time"
	}
	if text := w.elsewhere(last, t); text != "" {
		return text
	}
	a.retries++
	a.failed = append(a.failed, last.server())
	switch {
	case slices.Contains(a.failed, t.server()):
		return "where it has failed before"
	case a.retries > w.retry.Attempts:
		return "once too often"
	}
	if len(a.body) > 0 {
		w.cover.hit(bodyReplayed)
	}
	return ""
}

// afresh judges a second try that does not count: the first cannot have been taken, or the connection was dead already.
func (w *web) afresh(last, t *try) bool {
	a, err := last.of, last.err
	if err == nil || a.afresh || t.reused {
		return false
	}
	unsent := err.Retry == record.RetryYes && (w.plan.proxyOut != 0 || last.near.wrote == last.wrote)
	stale := err.Retry == record.RetryIfReused && last.reused && idempotent[a.method]
	switch {
	case unsent:
		w.cover.hit(retriedUnsent)
	case stale:
		w.cover.hit(retriedStale)
	default:
		return false
	}
	a.afresh = true
	return true
}

// elsewhere says why the end of the last try is no cause for another.
func (w *web) elsewhere(last, t *try) string {
	r := &w.retry
	switch {
	case last.status != 0:
		w.cover.hit(retriedStatus)
		return unless(slices.Contains(r.Statuses, last.status), "although a %d is an answer", last.status)
	case last.err != nil:
		w.cover.hit(retriedReset)
		return unless(r.Reset && cutShort(last.err.Kind) && last.err.Retry == record.RetryIfReused, "although the last try ended in %s", last.err.Kind)
	case r.MarkedDown && w.rig.care.downSince(last.server(), last.at):
		w.cover.hit(retriedDown)
		return ""
	}
	w.cover.hit(retriedLate)
	return unless(r.Timeout && t.at-last.at >= int64(min(timeoutFirstByte, timeoutAnswer)), "%v after the last try, whose answer was not overdue",
		time.Duration(t.at-last.at))
}

// gaveUp says that an ask ended although another try was due.
func (w *web) gaveUp(a *ask) string {
	if len(a.tries) == 0 {
		return ""
	}
	last := a.tries[len(a.tries)-1]
	return unless(!last.due || last.err.Kind != a.rec.Reason, "another server was not tried")
}
