package report

import (
	"fmt"
	"time"

	"sluice/bench/load"
	"sluice/bench/scenarios"
)

// section shows the details of a scenario: absolute numbers of everybody.
func (p *page) section(s *Section) {
	p.line("## %s\n", s.Name)
	p.line("%s.\n", s.What)
	p.metrics(s)
	if s.Scenario.Load.Mode == load.Hold {
		p.held(s)
	} else {
		p.schedule(s)
		p.pace(s)
		p.cost(s)
	}
	p.show(s.Name)
	for i := range s.Series {
		one := &s.Series[i]
		for j, r := range one.Rounds {
			if r.Failed != "" {
				p.line("Round %d of %s failed: %s\n", j+1, one.Title(), r.Failed)
			}
		}
		if one.Untraced != "" {
			p.line("System calls of %s were not counted: %s\n", one.Title(), one.Untraced)
		}
	}
}

func (p *page) metrics(s *Section) {
	p.head("Proxy", "Measure", "Median", "Range", "Valid rounds", "Errors")
	for _, m := range s.Scenario.Metrics {
		for i := range s.Series {
			one := &s.Series[i]
			v := one.values(m)
			if one.Missing != "" {
				p.row(one.Title(), m.Name, none, none, "0", one.Missing)
				continue
			}
			text := errorText(one.errors())
			if text == "" {
				text = "none"
			}
			p.row(one.Title(), m.Name+", "+m.Unit, number(v.median, v.n), rangeText(v),
				countText(len(one.Rounds)-one.invalid(), len(one.Rounds)), text)
		}
	}
	p.line("")
}

// countText is how many of all; "7" for all of 7.
func countText(n, all int) string {
	if n == all {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%d of %d", n, all)
}

// schedule shows what was asked for in an open loop, and how late the generator
// was itself.
func (p *page) schedule(s *Section) {
	if s.Peak == nil {
		return
	}
	p.line("%s reached %s requests per second in a closed loop over %d connections; %s were scheduled.\n",
		s.Peak.Proxy, number(s.Peak.Rate, 1), scenarios.PeakConnections, number(s.Peak.Rate*s.Scenario.Share, 1))
	p.head("Proxy", "Sent/s", "Generator's lag, p50 µs", "p99 µs", "p99.9 µs", "max µs", "Kept its schedule")
	for one := range s.present() {
		lag := func(of func(*load.Latency) time.Duration) string {
			v := one.all(func(r *load.Result) float64 {
				if r.Schedule == nil || r.Schedule.Lag == nil {
					return 0
				}
				return microseconds(of(r.Schedule.Lag))
			})
			return number(v.median, v.n)
		}
		rate := one.reduce(func(r *load.Result) float64 { return r.Units / r.Wall.Seconds() })
		p.row(one.Title(), number(rate.median, rate.n),
			lag(func(l *load.Latency) time.Duration { return l.P50 }),
			lag(func(l *load.Latency) time.Duration { return l.P99 }),
			lag(func(l *load.Latency) time.Duration { return l.P999 }),
			lag(func(l *load.Latency) time.Duration { return l.Max }),
			fmt.Sprintf("%d of %d", len(one.Rounds)-one.late(), len(one.Rounds)))
	}
	p.line("")
}

// pace shows rate and latency, and whether the tools kept up: what they cost, and how
// many connections the proxy has made to the origin.
func (p *page) pace(s *Section) {
	rate := "Units/s"
	if s.Scenario.Load.Mode == load.Churn {
		rate = "Connections/s"
	}
	p.head("Proxy", rate, "p50 µs", "p90 µs", "p99 µs", "p99.9 µs", "max µs", "Proxy core busy %",
		"Generator µs/unit", "Origin µs/unit", "Origin connections")
	for one := range s.present() {
		show := func(of func(*load.Result) float64) string { v := one.reduce(of); return number(v.median, v.n) }
		generator, busy := show(func(r *load.Result) float64 { return microseconds(r.Self.Total) / r.Units }), none
		if s.Scenario.Load.Mode == load.Open {
			generator = none // it does not sleep
		}
		if one.watched() {
			busy = show(func(r *load.Result) float64 { return 100 * float64(r.Proxy.Total) / float64(r.Wall) })
		}
		p.row(one.Title(),
			show(func(r *load.Result) float64 { return r.Units / r.Wall.Seconds() }),
			show(latency(func(l *load.Latency) int64 { return int64(l.P50) })),
			show(latency(func(l *load.Latency) int64 { return int64(l.P90) })),
			show(latency(func(l *load.Latency) int64 { return int64(l.P99) })),
			show(latency(func(l *load.Latency) int64 { return int64(l.P999) })),
			show(latency(func(l *load.Latency) int64 { return int64(l.Max) })),
			busy, generator,
			show(func(r *load.Result) float64 { return microseconds(r.Origin.Total) / r.Units }),
			one.connections())
	}
	p.line("")
}

// held shows what stands behind the numbers of idle connections.
func (p *page) held(s *Section) {
	p.head("Proxy", "Connections held", "Alive at the end", "MiB at rest", "MiB while held", "MiB per 1,000", "Wake-ups per second idle")
	for one := range s.present() {
		show := func(of func(*load.Held) float64) string {
			v := one.reduce(func(r *load.Result) float64 { return of(r.Held) })
			return number(v.median, v.n)
		}
		wakes := one.reduce(func(r *load.Result) float64 { return float64(r.Held.Wakes) / r.Wall.Seconds() })
		p.row(one.Title(),
			show(func(h *load.Held) float64 { return float64(h.Connections) }),
			show(func(h *load.Held) float64 { return float64(h.Alive) }),
			show(func(h *load.Held) float64 { return mebibytes(h.MemoryBefore) }),
			show(func(h *load.Held) float64 { return mebibytes(h.MemoryHeld) }),
			show(func(h *load.Held) float64 {
				return 1000 * mebibytes(h.MemoryHeld-h.MemoryBefore) / float64(h.Connections)
			}),
			number(wakes.median, wakes.n))
	}
	p.line("")
}
