package harness

import (
	"fmt"
	"strings"
	"time"

	"sluice/bench/report"
	"sluice/bench/scenarios"
)

// Step is something that has happened.
type Step struct {
	Scenario string
	// Round of Rounds; 0 for what is no round.
	Round, Rounds int
	Proxy         string
	Text          string
	// Trouble marks what should not scroll away: a row without numbers, an error.
	Trouble bool
	// Left is an estimate of the time until everything is done.
	Left time.Duration
}

// String is the step on one line, without the time.
func (s Step) String() string {
	at := s.Scenario
	if s.Rounds > 0 {
		at = fmt.Sprintf("%s %d/%d", s.Scenario, s.Round, s.Rounds)
	}
	return fmt.Sprintf("%s %s: %s", at, s.Proxy, s.Text)
}

func (h *Harness) tell(sc *scenarios.Scenario, s Step) {
	if h.Progress != nil {
		s.Scenario, s.Left = sc.Name, max(0, h.left)
		h.Progress(s)
	}
}

// Estimate says how long the scenarios will take together.
func (h *Harness) Estimate(table []scenarios.Scenario) (sum time.Duration) {
	sought := h.peak != nil
	for _, sc := range table {
		all := len(h.contestants(&sc, nil))
		sum += h.lasts(&sc, all)
		if sc.Share > 0 && !sought {
			sought = true
			sum += time.Duration(all*h.peakRounds()) * sc.Lasts(h.timing(&sc))
		}
	}
	return sum
}

// lasts estimates one scenario.
func (h *Harness) lasts(sc *scenarios.Scenario, contestants int) time.Duration {
	t := h.timing(sc)
	one := time.Duration(t.Rounds) * sc.Lasts(t)
	if !h.Quick {
		one += sc.Traced()
	}
	return time.Duration(contestants) * one
}

// describe is the progress line's account of a round.
func describe(sc *scenarios.Scenario, r *report.Round) string {
	if r.Failed != "" {
		return "FAILED, " + r.Failed
	}
	var parts []string
	for _, m := range sc.Metrics {
		parts = append(parts, fmt.Sprintf("%.4g %s", m.Of(r.Result), m.Unit))
	}
	if s := r.Result.Schedule; s != nil && s.Lag != nil {
		parts = append(parts, fmt.Sprintf("generator's p99.9 lag %.4g µs", float64(s.Lag.P999)/float64(time.Microsecond)))
	}
	if n := r.Result.Failures(); n > 0 {
		parts = append(parts, fmt.Sprintf("%d ERRORS %v", n, r.Result.Errors))
	}
	if !r.OK() {
		parts = append(parts, "INVALID")
	}
	return strings.Join(parts, ", ")
}
