package scenarios

import (
	"time"

	"sluice/bench/load"
	"sluice/bench/origin"
	"sluice/bench/rivals"
)

// The load of http-slow. A balancer that counts requests in flight keeps as many at a
// slow server as at a prompt one, so of C clients up to C/2 wait at the slow ones. Then
//
//   - the slow half answers up to C/2 ÷ 400 ms = 1,200 requests a second. If the 95th
//     percentile is not to be theirs, all do more than 20 times that: 24,000;
//   - the prompt half answers up to C/2 ÷ 8 ms = 60,000 a second. If that is to be 80 %
//     of what four prompt ones do, they do less than 75,000: it must be proxy and tools
//     that hold them back, not the delays, which allow C ÷ 8 ms = 120,000.
//
// The factor of three between the bounds follows from 50 times, 5 % and 80 %; C moves
// both. Delays and C grow together without changing them, but a proxy does more requests
// at a time with many clients than with few: with 240 clients and 2 ms, p2c keeps only
// 0.7 of the rate, because the half of the clients that is not kept waiting is too few to
// fill its turns. So C is large. Two cores like those of BENCHMARKS.md do some 27,000 while others use half of
// them, and 67,000 at most: that is http-small, without delays and with fewer clients.
const (
	promptDelay = 8 * time.Millisecond
	slowDelay   = 50 * promptDelay
	slowClients = 960
)

// Rows of http-slow that limits speak of. The healthy one is the default policy with
// prompt origins only, in the same rounds: it says what the others could be.
const (
	inTurn    = "round_robin"
	byCount   = "least_conn"
	byTime    = "least_time"
	byDefault = "p2c"
	healthy   = byDefault + " healthy"
)

// httpSlow: whether a balancer notices which servers are slow.
func httpSlow() Scenario {
	// keeps promises it for one row, and shows that taking turns does not.
	keeps := func(row string, l Limit) []Limit {
		l.Row, l.Beside = row, healthy
		contrast := l
		contrast.Row, contrast.Contrast = inTurn, true
		return []Limit{l, contrast}
	}
	return Scenario{
		Name: "http-slow", Protocol: rivals.HTTP, Origins: 4,
		What: "keep-alive GET requests over 960 connections to 4 origins, two of which take 8 ms and two 400 ms for an answer; " +
			"where healthy, all take 8 ms",
		Load:       small(func(o *load.Options) { o.Connections = slowClients }),
		Behaviours: []origin.Behaviour{{Delay: promptDelay}, {Delay: slowDelay}},
		Settings:   asShipped,
		Variants: map[string][]Variant{
			rivals.Sluice: {
				{Balance: byDefault},
				{Balance: byDefault, Name: "healthy", Behaviours: []origin.Behaviour{{Delay: promptDelay}}},
				{Balance: byCount}, {Balance: byTime}, {Balance: inTurn},
			},
			rivals.Nginx:   {{Balance: "least_conn"}},
			rivals.HAProxy: {{Balance: "leastconn"}},
		},
		Metrics: []Metric{
			{Name: "throughput", Unit: "requests per second", Of: unitsPerSecond, More: true, Limits: keeps(byDefault, Limit{AtLeast: 0.80})},
			percentile("p50", 50, nil),
			percentile("p95", 95, keeps(byCount, Limit{AtMost: 3.00})),
			percentile("p99", 99, keeps(byTime, Limit{AtMost: 3.00})),
		},
		Full:  Timing{Rounds: 5, Warm: 400 * time.Millisecond, Window: 1500 * time.Millisecond},
		Quick: Timing{Rounds: 1, Warm: 200 * time.Millisecond, Window: 500 * time.Millisecond},
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
		Variants: map[string][]Variant{rivals.Sluice: {{}, {Name: "checked", Check: true}}},
		Metrics: []Metric{
			{Name: "failed", Unit: "requests", Of: failed},
			{Name: "longest answer", Unit: "ms", Of: longest},
		},
		Full:  Timing{Rounds: 3, Warm: 300 * time.Millisecond, Window: 4500 * time.Millisecond},
		Quick: Timing{Rounds: 1, Warm: 150 * time.Millisecond, Window: 1800 * time.Millisecond},
	}
}
