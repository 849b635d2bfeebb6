package steward

// What happens in time: ejections end, slow starts proceed, averages of servers that nobody asks fade. One alarm is set to
// whatever comes next; without anything to come there is none.

import (
	"time"
)

const (
	// rampFull is the whole share of a server, in thousandths, and rampFirst what a slow start begins with.
	rampFull  = 1000
	rampFirst = 50
	// rampSteps is in how many steps a slow start proceeds, and rampEvery the shortest of them.
	rampSteps = 50
	rampEvery = 100 * time.Millisecond
	// decayEvery is how often averages age.
	decayEvery = time.Second
)

// ramp begins a slow start.
func (s *Steward) ramp(w *ward, now time.Time) {
	if s.config.SlowStart > 0 {
		w.ramped = now
		w.backend.SetRamp(rampFirst)
	}
}

// tick does what is due.
func (s *Steward) tick(now time.Time) {
	for _, w := range s.order {
		if !w.until.IsZero() && !now.Before(w.until) {
			s.pardon(w, now)
		}
		if !w.ramped.IsZero() {
			s.rampOn(w, now)
		}
		if s.upstream.Timed() {
			w.backend.Decay()
		}
	}
	s.plan(now)
}

// rampOn goes on with a slow start.
func (s *Steward) rampOn(w *ward, now time.Time) {
	if s.config.SlowStart == 0 { // it was begun by another configuration
		w.ramped = time.Time{}
		w.backend.SetRamp(rampFull)
		return
	}
	share := rampFirst + int((rampFull-rampFirst)*now.Sub(w.ramped)/s.config.SlowStart)
	if share >= rampFull {
		share, w.ramped = rampFull, time.Time{}
	}
	w.backend.SetRamp(share)
}

// plan sets the alarm.
func (s *Steward) plan(now time.Time) {
	const never = time.Duration(1<<63 - 1)
	next := never
	for _, w := range s.order {
		if !w.until.IsZero() {
			next = min(next, w.until.Sub(now))
		}
		if !w.ramped.IsZero() {
			next = min(next, max(s.config.SlowStart/rampSteps, rampEvery))
		}
	}
	if s.upstream.Timed() {
		next = min(next, decayEvery)
	}
	if next == never {
		s.alarm.Stop()
		return
	}
	s.alarm.Reset(max(next, time.Millisecond))
}
