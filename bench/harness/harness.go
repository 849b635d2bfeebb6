// Package harness runs the scenarios: rounds of proxies taking turns, each run
// with an origin, a proxy and a generator of its own, started and ended here.
//
// Nothing outlives a run: a fresh proxy per run means that no state of an
// earlier round (connections in TIME_WAIT to one port, a grown heap, the luck of
// a memory layout) sticks to one of the contestants.
package harness

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"sluice/bench/report"
	"sluice/bench/rivals"
	"sluice/bench/scenarios"
)

// Harness holds what all runs have in common.
type Harness struct {
	// Self is the executable that plays origin and generator.
	Self string
	// Proxies take turns in this order.
	Proxies []*rivals.Proxy
	// Quick chooses the short timing of each scenario; Rounds, if positive,
	// overrides how many.
	Quick  bool
	Rounds int
	// ProxyCPU and ToolCPU are the cores to pin to; negative = do not.
	ProxyCPU int
	ToolCPU  int
	// Progress is told what is going on, one short line at a time.
	Progress func(line string)

	ports ports
	peak  *report.Peak // found once, when a scenario needs it
}

// Run measures the scenarios in turn. When the context ends it stops at once and
// returns what is complete.
func (h *Harness) Run(ctx context.Context, table []scenarios.Scenario) []report.Section {
	var sections []report.Section
	for _, sc := range table {
		if ctx.Err() != nil {
			break
		}
		sections = append(sections, h.scenario(ctx, sc))
	}
	return sections
}

// timing is how the scenario is to be run.
func (h *Harness) timing(sc scenarios.Scenario) scenarios.Timing {
	t := sc.Full
	if h.Quick {
		t = sc.Quick
	}
	if h.Rounds > 0 {
		t.Rounds = h.Rounds
	}
	return t
}

func (h *Harness) scenario(ctx context.Context, sc scenarios.Scenario) report.Section {
	section := report.Section{Name: sc.Name, What: sc.What, Scenario: sc}
	var present []*rivals.Proxy
	var index []int // of present's series
	for _, p := range h.Proxies {
		if !p.Measured(sc.Settings) {
			continue
		}
		missing := p.Missing(sc.Protocol)
		if missing == "" {
			present, index = append(present, p), append(index, len(section.Series))
		}
		section.Series = append(section.Series, report.Series{Proxy: p.Name, Setting: p.Setting, Version: p.Version, Missing: missing})
	}
	if sc.Share > 0 {
		peak, err := h.findPeak(ctx, sc, present)
		if err != nil {
			for _, i := range index {
				section.Series[i].Missing = "no peak rate to take a share of: " + err.Error()
			}
			return section
		}
		section.Peak, sc.Load.Rate = peak, peak.Rate*sc.Share
	}
	t := h.timing(sc)
	for round := range t.Rounds {
		for i, p := range present {
			got := h.round(ctx, sc, p)
			if ctx.Err() != nil {
				return section // cut short: not a number
			}
			s := &section.Series[index[i]]
			s.Rounds = append(s.Rounds, got)
			h.Progress(fmt.Sprintf("%s %d/%d %s: %s", sc.Name, round+1, t.Rounds, p.Title(), describe(sc, got)))
		}
	}
	return section
}

// describe is the progress line's account of a round.
func describe(sc scenarios.Scenario, r report.Round) string {
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
	if !r.Result.Valid() {
		parts = append(parts, "INVALID")
	}
	return strings.Join(parts, ", ")
}

// round runs one proxy once, in a directory that is removed afterwards.
func (h *Harness) round(ctx context.Context, sc scenarios.Scenario, p *rivals.Proxy) report.Round {
	dir, err := os.MkdirTemp("", "bench-")
	if err != nil {
		return report.Round{Failed: "no temporary directory: " + err.Error()}
	}
	defer os.RemoveAll(dir)
	// A proxy started by root may have a worker with fewer rights and files to write.
	if err := os.Chmod(dir, 0o711); err != nil {
		return report.Round{Failed: "no temporary directory: " + err.Error()}
	}
	t := h.timing(sc)
	// Setting up and ending take seconds, whatever is slower hangs.
	ctx, cancel := context.WithTimeout(ctx, t.Warm+t.Window+time.Minute)
	defer cancel()
	var got report.Round
	if err := h.measure(ctx, run{sc, p, dir}, &got); err != nil {
		// A path of this machine says nothing to a reader.
		got.Failed = strings.ReplaceAll(err.Error(), dir, "DIR")
	}
	return got
}
