package health

import (
	"container/heap"
	"context"
	"time"
)

// The schedule is one goroutine per monitor that sleeps until the next check is due, a check is over, or somebody rouses it. Servers
// wait in a heap by the time they are due; one whose check is under way is not in it, so that it cannot have a second one. Intervals
// count from the beginning of a check to the beginning of the next: a timeout does not stretch the time to recovery.

// schedule is what belongs to that goroutine alone.
type schedule struct {
	seen    roster // the servers in the queue or under check
	queue   queue
	seat    seat
	waiting bool      // a check is due, and the gate is closed
	toldAt  time.Time // of the last trouble
}

// finding is what one check found out. Detail is set where Err is nil.
type finding struct {
	Detail string        // "answered 200"
	Err    error         // why the server does not serve, or a fault of our own
	Took   time.Duration // until that was known
}

// result is a finding on its way to the schedule.
type result struct {
	t *target
	finding
}

// run is the goroutine.
func (m *Monitor) run() {
	defer m.gate.leave(&m.seat)
	alarm := time.NewTimer(0)
	defer alarm.Stop()
	for m.stopped.Err() == nil {
		m.launch(time.Now())
		m.arm(alarm)
		select {
		case <-alarm.C:
		case <-m.wake:
			m.adopt()
			m.hasten()
		case r := <-m.results:
			m.finish(r)
		case <-m.stopped.Done():
		}
	}
}

// arm sets the alarm for the first check that is not due yet. Without one, and while the gate is closed, there is nothing to wake up for.
func (m *Monitor) arm(alarm *time.Timer) {
	if m.waiting || len(m.queue) == 0 {
		alarm.Stop()
		return
	}
	alarm.Reset(time.Until(m.queue[0].due))
}

// adopt moves from the servers that were watched to those that are.
func (m *Monitor) adopt() {
	next := *m.watched.Load()
	for id, t := range m.seen {
		if next[id] != t {
			m.drop(t)
		}
	}
	now, spread := time.Now(), min(m.check.Every, spreadMax)
	for id, t := range next {
		if m.seen[id] != t {
			if t.due = now.Add(time.Duration(m.random() * float64(spread))); !t.began.IsZero() {
				t.due = later(now, t.began.Add(m.interval(t)))
			}
			heap.Push(&m.queue, t)
		}
	}
	m.seen = next
}

// drop forgets a server that has left.
func (m *Monitor) drop(t *target) {
	if t.place != notQueued {
		heap.Remove(&m.queue, t.place)
		return
	}
	t.cancel()
}

// hasten brings the checks forward that traffic asked for. It looks at all servers, but a server has it called at most once per check.
func (m *Monitor) hasten() {
	for _, t := range m.seen {
		if t.place == notQueued || !m.urgent(t) {
			continue
		}
		if soon := t.began.Add(m.check.Fast); soon.Before(t.due) {
			t.due = soon
			heap.Fix(&m.queue, t.place)
		}
	}
}

// urgent reports whether traffic has raised a suspicion that the checks do not have.
func (m *Monitor) urgent(t *target) bool { return t.health.state == up && t.hurried.Load() }

// launch begins the checks that are due, as far as the gate lets them.
func (m *Monitor) launch(now time.Time) {
	for len(m.queue) > 0 && !m.queue[0].due.After(now) {
		if m.waiting = !m.gate.take(&m.seat); m.waiting {
			return
		}
		m.begin(heap.Pop(&m.queue).(*target), now)
	}
	if m.waiting { // for a server that has left
		m.waiting = false
		m.gate.leave(&m.seat)
	}
}

// begin starts the check of one server. It has a slot of the gate.
func (m *Monitor) begin(t *target, now time.Time) {
	t.began = now
	t.hurried.Store(false)
	var ctx context.Context
	ctx, t.cancel = context.WithTimeout(m.stopped, m.check.Timeout)
	m.running.Go(func() {
		found := m.probe(ctx, *t.spec.Load())
		m.gate.put()
		select {
		case m.results <- result{t, found}:
		case <-m.stopped.Done():
		}
	})
}

// finish draws the conclusion from one check and plans the next.
func (m *Monitor) finish(r result) {
	t := r.t
	t.cancel()
	if (*m.watched.Load())[t.id] != t || m.stopped.Err() != nil {
		return // it is, or will be, cancelled: its failure means nothing
	}
	now := time.Now()
	status := *t.status.Load()
	if ours(r.Err) {
		status.Skipped++
		t.status.Store(&status)
		m.plan(t, now)
		m.tell(r.Err, now)
		return
	}
	turned := t.health.note(r.Err == nil, m.check.Fall, m.check.Rise)
	status.add(r.finding, &t.health, now)
	if turned > 0 {
		status.Since = now
	}
	t.status.Store(&status)
	m.plan(t, now)
	if turned > 0 && m.options.Report != nil {
		m.options.Report(Event{ID: t.id, Name: t.spec.Load().Name, Up: status.Up, Cause: status.Detail, After: turned, Took: r.Took})
	}
}

// add puts one finding and the verdict that followed into s.
func (s *Status) add(found finding, verdict *health, now time.Time) {
	s.State, s.Up, s.InARow = verdict.state.String(), verdict.serves(), verdict.against
	s.Last, s.OK, s.Took, s.Detail = now, found.Err == nil, found.Took, found.Detail
	s.Checks++
	if found.Err != nil {
		s.Failures++
		s.Detail = found.Err.Error()
	}
}

// plan puts a server back into the queue.
func (m *Monitor) plan(t *target, now time.Time) {
	interval := m.interval(t)
	if m.urgent(t) {
		interval = min(interval, m.check.Fast)
	}
	t.due = later(now, t.began.Add(interval))
	heap.Push(&m.queue, t)
}

// interval is how long after the beginning of a check the next one is due.
func (m *Monitor) interval(t *target) time.Duration {
	interval := m.check.Every
	if t.health.wavers() {
		interval = m.check.Fast
	}
	return interval + time.Duration((2*m.random()-1)*jitter*float64(interval))
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// tell speaks of a fault of our own, unless it did so a short while ago.
func (m *Monitor) tell(err error, now time.Time) {
	if m.options.Trouble == nil || !m.toldAt.IsZero() && now.Sub(m.toldAt) < troubleEvery {
		return
	}
	m.toldAt = now
	m.options.Trouble(err)
}

// notQueued is the place of a server that is not in the queue.
const notQueued = -1

// queue is a heap of servers, the next one first. Its methods are those of heap.Interface.
type queue []*target

func (q queue) Len() int           { return len(q) }
func (q queue) Less(i, j int) bool { return q[i].due.Before(q[j].due) }
func (q queue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].place, q[j].place = i, j
}

func (q *queue) Push(x any) {
	t := x.(*target)
	t.place = len(*q)
	*q = append(*q, t)
}

func (q *queue) Pop() any {
	last := len(*q) - 1
	t := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	t.place = notQueued
	return t
}
