package scenarios

import (
	"time"

	"sluice/bench/origin"
	"sluice/bench/rivals"
)

const (
	// promptDelay and slowDelay are those of the two kinds of origin in http-slow.
	promptDelay = time.Millisecond
	slowDelay   = 50 * promptDelay
)

// httpSlow: whether a balancer notices which servers are slow.
func httpSlow() Scenario {
	return Scenario{
		Name: "http-slow", Protocol: rivals.HTTP, Origins: 4,
		What:       "keep-alive GET requests over 64 connections to 4 origins, two of which take 1 ms and two 50 ms for an answer",
		Load:       small(nil),
		Behaviours: []origin.Behaviour{{Delay: promptDelay}, {Delay: slowDelay}},
		Settings:   asShipped,
		Balances: map[string][]string{
			rivals.Sluice:  {"p2c", "round_robin", "least_conn", "least_time"},
			rivals.Nginx:   {"least_conn"},
			rivals.HAProxy: {"leastconn"},
		},
		Metrics: []Metric{
			{Name: "throughput", Unit: "requests per second", Of: unitsPerSecond, More: true},
			percentile("p50", 50), percentile("p95", 95), percentile("p99", 99),
		},
		Full:  Timing{Rounds: 5, Warm: 400 * time.Millisecond, Window: 1500 * time.Millisecond},
		Quick: Timing{Rounds: 1, Warm: 200 * time.Millisecond, Window: 600 * time.Millisecond},
	}
}

// httpReload: whether anybody notices a new configuration.
func httpReload() Scenario {
	return Scenario{
		Name: "http-reload", Protocol: rivals.HTTP, Origins: 1, Fault: Reload,
		What:     "keep-alive GET requests with 60-byte answers over 64 connections, while the proxy gets another configuration twice",
		Load:     small(nil),
		Settings: asShipped,
		Metrics: []Metric{
			{Name: "failed", Unit: "requests", Of: failed, Limits: []Limit{{AtMost: 0}}},
			{Name: "longest answer", Unit: "ms", Of: longest},
		},
		Full:  Timing{Rounds: 3, Warm: 300 * time.Millisecond, Window: 3 * time.Second},
		Quick: Timing{Rounds: 1, Warm: 150 * time.Millisecond, Window: 1500 * time.Millisecond},
	}
}

// httpKill: what clients notice of a server that dies and comes back.
func httpKill() Scenario {
	return Scenario{
		Name: "http-kill", Protocol: rivals.HTTP, Origins: 3, Fault: Kill,
		What: "keep-alive GET requests with 60-byte answers over 64 connections to 3 origins, one of which is killed after a third of the time " +
			"and started again after two",
		Load:     small(nil),
		Settings: bothWays,
		Metrics: []Metric{
			{Name: "failed", Unit: "requests", Of: failed},
			{Name: "longest answer", Unit: "ms", Of: longest},
		},
		Full:  Timing{Rounds: 3, Warm: 300 * time.Millisecond, Window: 4500 * time.Millisecond},
		Quick: Timing{Rounds: 1, Warm: 150 * time.Millisecond, Window: 1800 * time.Millisecond},
	}
}
