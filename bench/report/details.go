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
	switch s.Scenario.Load.Mode {
	case load.Hold:
		p.held(s)
	case load.Open:
		p.schedule(s)
		p.pace(s)
	default:
		p.pace(s)
	}
	for i := range s.Series {
		for j, r := range s.Series[i].Rounds {
			if r.Failed != "" {
				p.line("Round %d of %s failed: %s\n", j+1, s.Series[i].title(), r.Failed)
			}
		}
	}
}

func (p *page) metrics(s *Section) {
	p.head("Proxy", "Measure", "Median", "Range", "User / system", "Valid rounds", "Errors")
	for _, m := range s.Scenario.Metrics {
		for i := range s.Series {
			one := &s.Series[i]
			v := one.values(m.Of)
			if one.Missing != "" {
				p.row(one.title(), m.Name, none, none, none, "0", one.Missing)
				continue
			}
			text := errorText(one.errors())
			if text == "" {
				text = "none"
			}
			p.row(one.title(), m.Name+", "+m.Unit, number(v.median, v.n), rangeText(v),
				one.shares(), countText(v.n, len(one.Rounds)), text)
		}
	}
	p.line("")
}

// shares is how the proxy's time divides into user and system, in percent; too
// few clock ticks do not say.
func (s *Series) shares() string {
	const enough = 100 * time.Millisecond
	var user, all time.Duration
	for i := range s.Rounds {
		if r := &s.Rounds[i]; r.ok() {
			user += r.Result.Proxy.User
			all += r.Result.Proxy.User + r.Result.Proxy.System
		}
	}
	if all < enough {
		return none
	}
	share := 100 * float64(user) / float64(all)
	return fmt.Sprintf("%.0f / %.0f %%", share, 100-share)
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
	for i := range s.Series {
		one := &s.Series[i]
		if one.Missing != "" {
			continue
		}
		lag := func(of func(*load.Latency) time.Duration) string {
			v := one.all(func(r *load.Result) float64 {
				if r.Schedule == nil || r.Schedule.Lag == nil {
					return 0
				}
				return microseconds(of(r.Schedule.Lag))
			})
			return number(v.median, v.n)
		}
		rate := one.values(func(r *load.Result) float64 { return r.Units / r.Wall.Seconds() })
		p.row(one.title(), number(rate.median, rate.n),
			lag(func(l *load.Latency) time.Duration { return l.P50 }),
			lag(func(l *load.Latency) time.Duration { return l.P99 }),
			lag(func(l *load.Latency) time.Duration { return l.P999 }),
			lag(func(l *load.Latency) time.Duration { return l.Max }),
			fmt.Sprintf("%d of %d", len(one.Rounds)-one.late(), len(one.Rounds)))
	}
	p.line("")
}

// pace shows rate and latency, what the tools cost, and how many connections the
// proxy has made to the origin.
func (p *page) pace(s *Section) {
	p.head("Proxy", "Units/s", "Proxy core busy %", "p50 µs", "p90 µs", "p99 µs", "p99.9 µs", "Generator µs/unit", "Origin µs/unit", "Origin connections")
	for i := range s.Series {
		one := &s.Series[i]
		if one.Missing != "" {
			continue
		}
		show := func(of func(*load.Result) float64) string { v := one.values(of); return number(v.median, v.n) }
		generator := show(func(r *load.Result) float64 { return microseconds(r.Self.Total) / r.Units })
		if s.Scenario.Load.Mode == load.Open {
			generator = none // it does not sleep
		}
		p.row(one.title(),
			show(func(r *load.Result) float64 { return r.Units / r.Wall.Seconds() }),
			show(func(r *load.Result) float64 { return 100 * float64(r.Proxy.Total) / float64(r.Wall) }),
			show(latency(func(l *load.Latency) int64 { return int64(l.P50) })),
			show(latency(func(l *load.Latency) int64 { return int64(l.P90) })),
			show(latency(func(l *load.Latency) int64 { return int64(l.P99) })),
			show(latency(func(l *load.Latency) int64 { return int64(l.P999) })),
			generator,
			show(func(r *load.Result) float64 { return microseconds(r.Origin.Total) / r.Units }),
			one.connections())
	}
	p.line("")
}

// held shows what stands behind the numbers of idle connections.
func (p *page) held(s *Section) {
	p.head("Proxy", "Connections held", "Alive at the end", "MiB before", "MiB while held", "Wake-ups per second idle")
	for i := range s.Series {
		one := &s.Series[i]
		if one.Missing != "" {
			continue
		}
		show := func(of func(*load.Held) float64) string {
			v := one.values(func(r *load.Result) float64 { return of(r.Held) })
			return number(v.median, v.n)
		}
		wakes := one.values(func(r *load.Result) float64 { return float64(r.Held.Wakes) / r.Wall.Seconds() })
		p.row(one.title(),
			show(func(h *load.Held) float64 { return float64(h.Connections) }),
			show(func(h *load.Held) float64 { return float64(h.Alive) }),
			show(func(h *load.Held) float64 { return float64(h.MemoryBefore) / (1 << 20) }),
			show(func(h *load.Held) float64 { return float64(h.MemoryHeld) / (1 << 20) }),
			number(wakes.median, wakes.n))
	}
	p.line("")
}
