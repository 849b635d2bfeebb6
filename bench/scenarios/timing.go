package scenarios

import (
	"time"

	"sluice/bench/load"
)

// Timing is how often and how long a scenario is measured. For the mode Hold,
// Warm is the rest before the window.
type Timing struct {
	Rounds int
	Warm   time.Duration
	Window time.Duration
	// Connections, if positive, are opened instead of the scenario's.
	Connections int
}

// Request and connection rates make rounds of a second or two comfortable: tens of
// thousands of units are counted in each, and many short rounds see more of a
// machine's moods than few long ones.
var (
	fullTiming  = Timing{Rounds: 7, Warm: 400 * time.Millisecond, Window: 1300 * time.Millisecond}
	quickTiming = Timing{Rounds: 1, Warm: 150 * time.Millisecond, Window: 500 * time.Millisecond}
	// The rest of idle connections outlasts the connect timeout of 3 s: HAProxy
	// looks at every stream once more when it passes. A quick look does without.
	fullIdle  = Timing{Rounds: 3, Warm: 5 * time.Second, Window: 2 * time.Second}
	quickIdle = Timing{Rounds: 1, Warm: time.Second, Window: time.Second, Connections: 2000}
)

const (
	// startAndStop is what origin, proxy and generator take to come and go.
	startAndStop = 300 * time.Millisecond
	// fillAndAsk is how long idleCount connections take to be opened and asked.
	fillAndAsk = 2 * time.Second
	// attach is how long strace takes to come and go.
	attach = 500 * time.Millisecond
)

// In is the timing of a full or a quick run.
func (s *Scenario) In(quick bool) Timing {
	if quick {
		return s.Quick
	}
	return s.Full
}

// Lasts estimates how long one round of one proxy takes.
func (s *Scenario) Lasts(t Timing) time.Duration {
	run := t.Warm + t.Window + startAndStop
	if s.Load.Mode == load.Hold {
		fill := fillAndAsk
		if t.Connections > 0 {
			fill = fill * time.Duration(t.Connections) / idleCount
		}
		run += fill
	}
	return run
}

// Traced estimates how long counting the system calls of one proxy takes.
func (s *Scenario) Traced() time.Duration {
	if !s.Trace {
		return 0
	}
	return s.Lasts(TraceTiming) + attach
}
