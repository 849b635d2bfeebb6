package scenarios

import (
	"fmt"
	"time"

	"sluice/bench/load"
	"sluice/bench/rivals"
)

// httpRates: how long requests take that come on their own schedule, at shares of
// what the better peer can do at most. Those with a target are measured more often;
// the others show where the curve bends.
func httpRates() []Scenario {
	var all []Scenario
	for _, percent := range []int{30, 50, 70, 90} {
		// A stall of the machine makes a round invalid, so there are many short ones.
		full := Timing{Rounds: 4, Warm: 300 * time.Millisecond, Window: 1200 * time.Millisecond}
		var limits []Limit
		if percent == 50 || percent == 70 {
			full.Rounds, limits = 9, both(1.00)
		}
		all = append(all, Scenario{
			Name:     fmt.Sprintf("http-rate-%d", percent),
			What:     fmt.Sprintf("GET requests with 60-byte answers, open loop at %d %% of the better peer's peak rate", percent),
			Protocol: rivals.HTTP, Origins: 1,
			Load:     small(func(o *load.Options) { o.Mode, o.Connections = load.Open, PeakConnections }),
			Settings: asShipped,
			Share:    float64(percent) / 100,
			Metrics:  percentiles(limits),
			Full:     full, Quick: quickTiming,
		})
	}
	return all
}

// percentiles are those of an open loop, with targets for the last.
func percentiles(limits []Limit) []Metric {
	return []Metric{
		latency("p50", func(l *load.Latency) time.Duration { return l.P50 }, nil),
		latency("p99", func(l *load.Latency) time.Duration { return l.P99 }, nil),
		latency("p99.9", func(l *load.Latency) time.Duration { return l.P999 }, limits),
	}
}

// ForURL returns the scenarios for proxies that are set up by somebody else, with
// origins of their own: one host and path is asked for.
func ForURL(host, path string) []Scenario {
	ask := func(change func(*load.Options)) load.Options {
		opt := load.Options{Mode: load.Keep, Connections: PeakConnections, Host: host, Path: path, Expect: load.Any}
		if change != nil {
			change(&opt)
		}
		return opt
	}
	open := func(percent int) Scenario {
		return Scenario{
			Name:    fmt.Sprintf("url-rate-%d", percent),
			What:    fmt.Sprintf("GET requests for the URL, open loop at %d %% of the best peak rate", percent),
			Load:    ask(func(o *load.Options) { o.Mode = load.Open }),
			Share:   float64(percent) / 100,
			Metrics: percentiles(nil),
		}
	}
	rate := Metric{Name: "throughput", Unit: "requests per second", Of: unitsPerSecond, More: true}
	all := []Scenario{
		{
			Name: "url-keep", What: "keep-alive GET requests for the URL over 64 connections",
			Load: ask(nil), Metrics: []Metric{rate, cpu("µs per request", nil)},
		},
		{
			Name: "url-connect", What: "connect, one GET request for the URL, close by the client; 32 at a time",
			Load:    ask(func(o *load.Options) { o.Mode, o.Connections = load.Churn, 32 }),
			Metrics: []Metric{rate, cpu("µs per request", nil)},
		},
		open(50), open(70),
	}
	for i := range all {
		all[i].Protocol, all[i].Settings = rivals.HTTP, asShipped
		all[i].Full, all[i].Quick = fullTiming, quickTiming
	}
	return all
}
