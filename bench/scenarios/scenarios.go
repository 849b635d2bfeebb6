// Package scenarios is the table of what is measured. A row says what the
// clients do, how long, what is made of the numbers and what they should be; the
// harness and the report know no scenario by name.
package scenarios

import (
	"slices"
	"time"

	"sluice/bench/load"
	"sluice/bench/rivals"
)

// Timing is how often and how long a scenario is measured. For the mode Hold,
// Warm is the rest before the window.
type Timing struct {
	Rounds int
	Warm   time.Duration
	Window time.Duration
}

// Limit is a target: sluice's number may be at most so many times a rival's in the
// setting, or in every one if none is named; with no rival, at most so much.
type Limit struct {
	Rival   string
	Setting string
	AtMost  float64
}

// For reports whether the limit is about a proxy in a setting.
func (l Limit) For(proxy, setting string) bool {
	if proxy == rivals.Sluice {
		proxy = ""
	}
	return l.Rival == proxy && (l.Setting == "" || l.Setting == setting)
}

// Metric is one number made of a run.
type Metric struct {
	Name   string
	Unit   string
	Of     func(*load.Result) float64
	Limits []Limit
}

// Scenario is one row of the table.
type Scenario struct {
	Name string
	What string
	// Protocol is what the proxies are set up for; the bytes are HTTP/1.1 anyway.
	Protocol string
	// Load is what the generator does; target, processes and times are filled in
	// by the harness.
	Load load.Options
	// Origins is how many addresses the stub has.
	Origins int
	// Settings are those of the rivals that matter here.
	Settings []string
	// Share of the better peer's peak rate is what the mode Open sends. The peak is
	// that of a closed loop over PeakConnections.
	Share   float64
	Metrics []Metric
	Full    Timing
	Quick   Timing
}

// Request and connection rates make rounds of a few seconds comfortable: tens of
// thousands of units are counted in each, and many short rounds see more of a
// machine's moods than few long ones.
var (
	fullTiming  = Timing{Rounds: 7, Warm: 500 * time.Millisecond, Window: 2200 * time.Millisecond}
	quickTiming = Timing{Rounds: 2, Warm: 300 * time.Millisecond, Window: 900 * time.Millisecond}
	// The rest of idle connections outlasts the connect timeout of 3 s: HAProxy
	// looks at every stream once more when it passes.
	quickIdle = Timing{Rounds: 1, Warm: 5 * time.Second, Window: 2 * time.Second}
)

// PeakConnections are those of the closed loop that finds a peak rate, and those
// of the open loop that sends a share of it: with more, a proxy that has fallen
// behind once is slower and never catches up.
const PeakConnections = 64

const (
	smallAnswer = 60
	largeAnswer = 10 << 20
	// idleCount fits twice into a limit of 20,000 descriptors per process.
	idleCount = 9000
	// manyConnections are kept busy at a time.
	manyConnections = 1000
	// churnSources and churnOrigins multiply the port pairs: one pair of
	// addresses has 28,000, each unusable for up to a minute after its use.
	churnSources = 200
	churnOrigins = 16
	// idleBudget is the processor time, in ms per second, that one timer tick per
	// second with its wake-up may cost: a generous 100 µs.
	idleBudget = 0.1
	// tunnelBudget is 2 KiB of the proxy's memory per idle tunnel, both sides.
	tunnelBudget = 2 << 10
	// keptBudget is 1 KiB of it per idle connection of a client, which has no other
	// side.
	keptBudget = 1 << 10
)

// All returns the scenarios in the order in which they run.
func All() []Scenario {
	tcp := []Scenario{tcpSmall(), tcpBulk(), tcpConnect(), tcpIdle()}
	return slices.Concat(tcp, httpLoads(), []Scenario{httpIdle()}, httpRates())
}

// tcpSmall: the cost of a request whose bytes are negligible.
func tcpSmall() Scenario {
	return Scenario{
		Name:     "tcp-small",
		Protocol: rivals.TCP,
		What:     "HTTP/1.1 keep-alive requests with 60-byte answers over 64 connections, relayed as TCP",
		Load:     load.Options{Mode: load.Keep, Connections: 64, Size: smallAnswer},
		Origins:  1,
		Settings: []string{rivals.Default},
		Metrics:  []Metric{cpu("µs per request", 1.00, 1.00)},
		Full:     fullTiming, Quick: quickTiming,
	}
}

// tcpBulk: the cost of bytes, where buffer size and copies decide.
func tcpBulk() Scenario {
	return Scenario{
		Name:     "tcp-bulk",
		Protocol: rivals.TCP,
		What:     "10 MiB answers over 4 connections, relayed as TCP",
		Load:     load.Options{Mode: load.Keep, Connections: 4, Size: largeAnswer},
		Origins:  1,
		Settings: []string{rivals.Default, rivals.Tuned},
		Metrics:  []Metric{cpu("µs per answer", 0.50, 0.65)},
		Full:     fullTiming, Quick: quickTiming,
	}
}

// tcpConnect: the cost of a connection on both sides, made and unmade.
func tcpConnect() Scenario {
	return Scenario{
		Name:     "tcp-connect",
		Protocol: rivals.TCP,
		What:     "connect, one request with a 60-byte answer, close by the client; 32 at a time",
		Load:     load.Options{Mode: load.Churn, Connections: 32, Size: smallAnswer, Sources: churnSources},
		Origins:  churnOrigins,
		Settings: []string{rivals.Default},
		Metrics:  []Metric{cpu("µs per connection", 0.95, 0.95)},
		Full:     fullTiming, Quick: quickTiming,
	}
}

// tcpIdle: the cost of doing nothing, many times over.
func tcpIdle() Scenario {
	return Scenario{
		Name:     "tcp-idle",
		Protocol: rivals.TCP,
		What:     "9,000 tunnels, each used once in both directions, then idle",
		Load:     load.Options{Mode: load.Hold, Connections: idleCount, Size: smallAnswer},
		Origins:  1,
		Settings: []string{rivals.Default},
		Metrics: []Metric{
			{Name: "memory", Unit: "bytes per tunnel", Of: memoryPerConnection, Limits: []Limit{{AtMost: tunnelBudget}}},
			{Name: "idle CPU", Unit: "ms per second", Of: idleCPU, Limits: []Limit{{AtMost: idleBudget}}},
		},
		Full:  Timing{Rounds: 3, Warm: 5 * time.Second, Window: 6 * time.Second},
		Quick: quickIdle,
	}
}

// cpu is the processor time of the proxy per unit, in microseconds, with a limit
// for each of the rivals.
func cpu(unit string, nginx, haproxy float64) Metric {
	return Metric{
		Name: "CPU", Unit: unit, Of: cpuPerUnit,
		Limits: []Limit{{Rival: rivals.Nginx, AtMost: nginx}, {Rival: rivals.HAProxy, AtMost: haproxy}},
	}
}

func cpuPerUnit(r *load.Result) float64 {
	return float64(r.Proxy.Total) / float64(time.Microsecond) / r.Units
}

func memoryPerConnection(r *load.Result) float64 {
	return float64(r.Held.MemoryHeld-r.Held.MemoryBefore) / r.Units
}

func idleCPU(r *load.Result) float64 {
	return float64(r.Proxy.Total) / float64(time.Millisecond) / r.Wall.Seconds()
}
