package scenarios

import (
	"fmt"
	"slices"
	"time"

	"sluice/bench/load"
	"sluice/bench/rivals"
)

const (
	kib = 1 << 10
	// postBody is larger than nginx's buffer for one.
	postBody = 64 * kib
)

// httpLoads are closed loops of requests and answers of several sizes, kept
// connections to the origin everywhere.
func httpLoads() []Scenario {
	small := load.Options{Mode: load.Keep, Connections: 64, Size: smallAnswer}
	with := func(change func(*load.Options)) load.Options {
		opt := small
		change(&opt)
		return opt
	}
	return []Scenario{
		httpLoad("http-small", "keep-alive GET requests with 60-byte answers over 64 connections", small, both(0.95)),
		httpLoad("http-many", "keep-alive GET requests with 60-byte answers over 1,000 connections",
			with(func(o *load.Options) { o.Connections = manyConnections }), both(0.95)),
		httpLoad("http-10k", "keep-alive GET requests with 10 KiB answers over 64 connections",
			with(func(o *load.Options) { o.Size = 10 * kib }), both(0.95)),
		httpLoad("http-100k", "keep-alive GET requests with 100 KiB answers over 64 connections",
			with(func(o *load.Options) { o.Size = 100 * kib }), both(0.75)),
		httpLoad("http-10m", "10 MiB answers over 4 connections",
			with(func(o *load.Options) { o.Size, o.Connections = largeAnswer, 4 }),
			slices.Concat(in(rivals.Default, both(0.50)), in(rivals.Tuned, both(0.90)))),
		httpLoad("http-post", "keep-alive POST requests of 64 KiB with 60-byte answers over 64 connections",
			with(func(o *load.Options) { o.Post = postBody }), in(rivals.Default, both(0.85))),
		httpLoad("http-connect", "connect, one GET request with a 60-byte answer, close by the client; 32 at a time",
			with(func(o *load.Options) { o.Mode, o.Connections, o.Sources = load.Churn, 32, churnSources }), both(0.97)),
	}
}

// httpLoad is a scenario that counts processor time per request. Where a target
// names a setting, the rivals are measured tuned too.
func httpLoad(name, what string, opt load.Options, limits []Limit) Scenario {
	sc := Scenario{
		Name: name, What: what, Protocol: rivals.HTTP, Load: opt, Origins: 1,
		Settings: []string{rivals.Default},
		Metrics:  []Metric{{Name: "CPU", Unit: "µs per request", Of: cpuPerUnit, Limits: limits}},
		Full:     fullTiming, Quick: quickTiming,
	}
	if limits[0].Setting != "" {
		sc.Settings = append(sc.Settings, rivals.Tuned)
	}
	return sc
}

// both is the same target against either rival: against the better, that is.
func both(atMost float64) []Limit {
	return []Limit{{Rival: rivals.Nginx, AtMost: atMost}, {Rival: rivals.HAProxy, AtMost: atMost}}
}

// in restricts targets to a setting.
func in(setting string, limits []Limit) []Limit {
	for i := range limits {
		limits[i].Setting = setting
	}
	return limits
}

// httpIdle: what a client costs that has asked once and may ask again.
func httpIdle() Scenario {
	return Scenario{
		Name:     "http-idle",
		What:     "9,000 keep-alive connections, each used for one request, then idle",
		Protocol: rivals.HTTP,
		Load:     load.Options{Mode: load.Hold, Connections: idleCount, Size: smallAnswer},
		Origins:  1,
		Settings: []string{rivals.Default},
		Metrics: []Metric{{
			Name: "memory", Unit: "bytes per connection", Of: memoryPerConnection, Limits: []Limit{{AtMost: keptBudget}},
		}},
		Full:  Timing{Rounds: 3, Warm: 5 * time.Second, Window: 2 * time.Second},
		Quick: quickIdle,
	}
}

// httpRates: how long requests take that come on their own schedule, at two shares
// of what the better peer can do at most.
func httpRates() []Scenario {
	var all []Scenario
	for _, percent := range []int{50, 70} {
		all = append(all, Scenario{
			Name:     fmt.Sprintf("http-rate-%d", percent),
			What:     fmt.Sprintf("GET requests with 60-byte answers, open loop at %d %% of the better peer's peak rate", percent),
			Protocol: rivals.HTTP,
			Load:     load.Options{Mode: load.Open, Connections: PeakConnections, Size: smallAnswer},
			Origins:  1,
			Settings: []string{rivals.Default},
			Share:    float64(percent) / 100,
			Metrics: []Metric{
				latency("p50", func(l *load.Latency) time.Duration { return l.P50 }, nil),
				latency("p99", func(l *load.Latency) time.Duration { return l.P99 }, nil),
				latency("p99.9", func(l *load.Latency) time.Duration { return l.P999 }, both(1.00)),
			},
			// A stall of the machine makes a round invalid, so there are many short ones.
			Full:  Timing{Rounds: 10, Warm: 400 * time.Millisecond, Window: 1200 * time.Millisecond},
			Quick: quickTiming,
		})
	}
	return all
}

// latency is a percentile in microseconds.
func latency(name string, of func(*load.Latency) time.Duration, limits []Limit) Metric {
	return Metric{Name: name, Unit: "µs", Limits: limits, Of: func(r *load.Result) float64 {
		if r.Latency == nil {
			return 0
		}
		return float64(of(r.Latency)) / float64(time.Microsecond)
	}}
}
