package scenarios

import (
	"time"

	"sluice/bench/load"
	"sluice/bench/rivals"
)

// tcp relays bytes without looking at them; those of most scenarios are HTTP/1.1.
func tcp() []Scenario {
	return []Scenario{
		{
			// The cost of a request whose bytes are negligible.
			Name: "tcp-small", Protocol: rivals.TCP, Origins: 1, Trace: true,
			What:     "HTTP/1.1 keep-alive requests with 60-byte answers over 64 connections, relayed as TCP",
			Load:     small(nil),
			Settings: bothWays,
			Metrics:  []Metric{cpu("µs per request", in(rivals.Default, against(1.00, 1.00)))},
			Full:     fullTiming, Quick: quickTiming,
		},
		{
			Name: "tcp-echo", Protocol: rivals.TCP, Origins: 1, Behaviours: echoOrigin,
			What:     "128-byte messages that come back, one at a time on each of 64 connections, relayed as TCP",
			Load:     load.Options{Mode: load.Keep, Protocol: load.TCP, Connections: 64, Message: message},
			Settings: asShipped,
			Metrics:  []Metric{cpu("µs per message", nil)},
			Full:     fullTiming, Quick: quickTiming,
		},
		{
			// The cost of bytes, where buffer size and copies decide.
			Name: "tcp-bulk", Protocol: rivals.TCP, Origins: 1, Trace: true,
			What:     "10 MiB answers over 4 connections, relayed as TCP",
			Load:     small(func(o *load.Options) { o.Size, o.Connections = largeAnswer, 4 }),
			Settings: bothWays,
			Metrics:  []Metric{cpu("µs per answer", against(0.50, 0.65))},
			Full:     fullTiming, Quick: quickTiming,
		},
		{
			// The cost of a connection on both sides, made and unmade.
			Name: "tcp-connect", Protocol: rivals.TCP, Origins: churnOrigins, Trace: true,
			What:     "connect, one request with a 60-byte answer, close by the client; 32 at a time, relayed as TCP",
			Load:     churn(),
			Settings: asShipped,
			Metrics:  []Metric{cpu("µs per connection", both(0.95))},
			Full:     fullTiming, Quick: quickTiming,
		},
		tcpIdle(),
	}
}

// churn opens a connection for each request.
func churn() load.Options {
	return small(func(o *load.Options) { o.Mode, o.Connections, o.Sources = load.Churn, 32, churnSources })
}

// tcpIdle: the cost of doing nothing, many times over.
func tcpIdle() Scenario {
	full := fullIdle
	full.Window = 6 * time.Second
	return Scenario{
		Name: "tcp-idle", Protocol: rivals.TCP, Origins: 1,
		What:     "9,000 tunnels, each used once in both directions, then idle",
		Load:     small(func(o *load.Options) { o.Mode, o.Connections = load.Hold, idleCount }),
		Settings: asShipped,
		Metrics: []Metric{
			{Name: "memory", Unit: "bytes per tunnel", Of: memoryPerConnection, Watched: true, Limits: []Limit{{AtMost: tunnelBudget}}},
			{Name: "idle CPU", Unit: "ms per second", Of: idleCPU, Watched: true, Limits: []Limit{{AtMost: idleBudget}}},
		},
		Full: full, Quick: quickIdle,
	}
}
