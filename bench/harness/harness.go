// Package harness runs the scenarios: rounds of proxies taking turns, each run
// with an origin, a proxy and a generator of its own, started and ended here.
//
// Nothing outlives a run: a fresh proxy per run means that no state of an
// earlier round (connections in TIME_WAIT to one port, a grown heap, the luck of
// a memory layout) sticks to one of the contestants. Only a proxy that somebody
// else has started is taken as it is.
package harness

import (
	"context"
	"time"

	"sluice/bench/report"
	"sluice/bench/rivals"
	"sluice/bench/scenarios"
)

// Harness holds what all runs have in common.
type Harness struct {
	// Self is the command line of the program that plays origin and generator, to
	// which the role and its options are added.
	Self []string
	// Proxies take turns in this order.
	Proxies []*rivals.Proxy
	// Quick chooses the short timing of each scenario; Rounds, if positive,
	// overrides how many.
	Quick  bool
	Rounds int
	// ProxyCPU and ToolCPU are the cores to pin to; negative = do not.
	ProxyCPU int
	ToolCPU  int
	// Origin is where the stub listens, for proxies that somebody else has set up;
	// empty = at a port that is free.
	Origin string
	// Progress is told what is going on.
	Progress func(Step)

	ports ports
	peak  *report.Peak  // found once, when a scenario needs it
	left  time.Duration // estimate of what is still to be done
}

// contestant is a proxy as it takes part in a scenario.
type contestant struct {
	proxy   *rivals.Proxy
	variant scenarios.Variant
	series  *report.Series
}

// Run measures the scenarios in turn. When the context ends it stops at once and
// returns what is complete.
func (h *Harness) Run(ctx context.Context, table []scenarios.Scenario) []report.Section {
	h.left = h.Estimate(table)
	var sections []report.Section
	for _, sc := range table {
		if ctx.Err() != nil {
			break
		}
		before := h.left
		sections = append(sections, h.scenario(ctx, sc))
		h.left = before - h.lasts(&sc, len(h.contestants(&sc, nil)))
	}
	return sections
}

// timing is how the scenario is to be run.
func (h *Harness) timing(sc *scenarios.Scenario) scenarios.Timing {
	t := sc.In(h.Quick)
	if h.Rounds > 0 {
		t.Rounds = h.Rounds
	}
	return t
}

// contestants lists who takes part, each with a series of its own in the section, if
// there is one.
func (h *Harness) contestants(sc *scenarios.Scenario, section *report.Section) []contestant {
	settings := sc.Settings
	if h.Quick {
		settings = settings[:1]
	}
	var all []contestant
	for _, p := range h.Proxies {
		if !p.Measured(settings) {
			continue
		}
		variants := sc.Variants[p.Name]
		if len(variants) == 0 {
			variants = []scenarios.Variant{{}}
		}
		for _, v := range variants {
			all = append(all, contestant{proxy: p, variant: v})
		}
	}
	if section == nil {
		return all
	}
	section.Series = make([]report.Series, len(all))
	for i, c := range all {
		all[i].series = &section.Series[i]
		section.Series[i] = report.Series{
			Proxy: c.proxy.Name, Setting: c.proxy.Setting, Balance: c.variant.Balance, Variant: c.variant.Name, Version: c.proxy.Version,
		}
	}
	return all
}

// scenario measures one row of the table.
func (h *Harness) scenario(ctx context.Context, sc scenarios.Scenario) report.Section {
	section := report.Section{Name: sc.Name, What: sc.What, Scenario: sc}
	var present []contestant
	for _, c := range h.contestants(&sc, &section) {
		if c.series.Missing = h.missing(ctx, &sc, c); c.series.Missing == "" {
			present = append(present, c)
			continue
		}
		h.tell(&sc, Step{Proxy: c.series.Title(), Text: c.series.Missing, Trouble: true})
	}
	if sc.Share > 0 && len(present) > 0 {
		peak, err := h.findPeak(ctx, sc, present)
		if err != nil {
			for _, c := range present {
				c.series.Missing = "no peak rate to take a share of: " + err.Error()
			}
			return section
		}
		section.Peak, sc.Load.Rate = peak, peak.Rate*sc.Share
	}
	h.rounds(ctx, &sc, present)
	h.trace(ctx, sc, present)
	return section
}

// rounds lets the contestants take turns.
func (h *Harness) rounds(ctx context.Context, sc *scenarios.Scenario, present []contestant) {
	t := h.timing(sc)
	for round := range t.Rounds {
		for _, c := range present {
			got := h.round(ctx, run{sc: sc, contestant: c, timing: t})
			if ctx.Err() != nil {
				return // cut short: not a number
			}
			c.series.Rounds = append(c.series.Rounds, got)
			h.left -= sc.Lasts(t)
			h.tell(sc, Step{
				Round: round + 1, Rounds: t.Rounds, Proxy: c.series.Title(),
				Text: describe(sc, &got), Trouble: !got.OK(),
			})
		}
	}
}

// trace counts system calls, in runs that are good for nothing else. A quick run does
// without.
func (h *Harness) trace(ctx context.Context, sc scenarios.Scenario, present []contestant) {
	if !sc.Trace || h.Quick {
		return
	}
	for _, c := range present {
		if !c.proxy.Started() || ctx.Err() != nil {
			continue
		}
		sc.Load.Syscalls = true
		got := h.round(ctx, run{sc: &sc, contestant: c, timing: scenarios.TraceTiming})
		h.left -= sc.Traced()
		switch {
		case ctx.Err() != nil:
			return
		case got.Failed != "":
			c.series.Untraced = got.Failed
		case got.Result.Syscalls != nil:
			c.series.Calls = report.NewCalls(got.Result)
			h.tell(&sc, Step{Proxy: c.series.Title(), Text: c.series.Calls.String()})
		}
	}
}
