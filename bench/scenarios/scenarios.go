// Package scenarios is the table of what is measured. A row says what the
// clients do, how long, what is made of the numbers and what they should be; the
// harness and the report know no scenario by name.
package scenarios

import (
	"slices"
	"strings"
	"time"

	"sluice/bench/load"
	"sluice/bench/origin"
	"sluice/bench/rivals"
)

// Limit is a target: sluice's number may be at most so many times a rival's in the
// setting, or in every one if none is named; with no rival, at most so much.
type Limit struct {
	Rival   string
	Setting string
	// Row and Beside name two of sluice's rows instead (see Variant.Row): the number of
	// the first is taken beside that of the second.
	Row    string
	Beside string
	AtMost float64
	// AtLeast, if positive, is a lower bound in place of AtMost.
	AtLeast float64
	// Contrast says that the row is not meant to keep the limit: it shows what the others
	// are good for, and gets no verdict.
	Contrast bool
}

// Keeps reports whether a number, or a ratio, is within the limit.
func (l Limit) Keeps(v float64) bool {
	if l.AtLeast > 0 {
		return v >= l.AtLeast
	}
	return v <= l.AtMost
}

// For reports whether the limit is about a proxy in a setting.
func (l Limit) For(proxy, setting string) bool {
	if proxy == rivals.Sluice {
		proxy = ""
	}
	return l.Row == "" && l.Rival == proxy && (l.Setting == "" || l.Setting == setting)
}

// Variant is one of several rows that a proxy has in a scenario.
type Variant struct {
	// Balance is the proxy's own word for how it chooses a server; empty = its default.
	Balance string
	// Name tells the row from others with the same balance; it may be empty.
	Name string
	// Behaviours are those of the origins behind this row; none = the scenario's.
	Behaviours []origin.Behaviour
	// Check lets the proxy look after its servers, where by default it does not.
	Check bool
}

// Row is what the variant adds to the name of its proxy.
func (v Variant) Row() string { return strings.TrimSpace(v.Balance + " " + v.Name) }

// Fault is what is done to the proxy or behind it while the clients are at work.
type Fault string

const (
	// Reload gives the proxy another configuration, twice.
	Reload Fault = "reload"
	// Kill ends one of the origins, and starts it again later.
	Kill Fault = "kill"
)

// When the faults happen, in parts of the window.
var (
	ReloadAt = []float64{0.25, 0.6}
	KillAt   = 1.0 / 3
	BackAt   = 2.0 / 3
)

// Scenario is one row of the table.
type Scenario struct {
	Name string
	What string
	// Protocol is what the proxies are set up for.
	Protocol string
	// Load is what the generator does; target, processes and times are filled in
	// by the harness.
	Load load.Options
	// Origins is how many addresses the stub has; 0 = no stub, the proxies have
	// origins of their own.
	Origins int
	// Behaviours are those of the addresses, in turn; none = prompt and faultless.
	Behaviours []origin.Behaviour
	// Fault happens in the middle of the window. With one, errors and latency are what
	// is measured: rounds with errors count.
	Fault Fault
	// Settings are those of the rivals that matter here; a quick run has the first.
	Settings []string
	// Variants are the rows of each proxy by its name; the first is the one that is
	// compared with others. A proxy that is not named is one row with its defaults.
	Variants map[string][]Variant
	// Share of the better peer's peak rate is what the mode Open sends. The peak is
	// that of a closed loop over PeakConnections.
	Share float64
	// Trace asks for the system calls per unit, which are counted in a run of their own.
	Trace   bool
	Metrics []Metric
	Full    Timing
	Quick   Timing
}

// TraceTiming is the run in which system calls are counted: only whole numbers
// matter, and a few thousand requests settle those.
var TraceTiming = Timing{Rounds: 1, Warm: 200 * time.Millisecond, Window: 600 * time.Millisecond}

// PeakConnections are those of the closed loop that finds a peak rate, and those
// of the open loop that sends a share of it: with more, a proxy that has fallen
// behind once is slower and never catches up.
const PeakConnections = 64

const (
	kib         = 1 << 10
	smallAnswer = 60
	largeAnswer = 10 << 20
	// message is what one end of an echo sends at a time.
	message = 128
	// idleCount fits twice into a limit of 20,000 descriptors per process.
	idleCount = 9000
	// manyConnections are kept busy at a time.
	manyConnections = 1000
	// churnSources and churnOrigins multiply the port pairs: one pair of
	// addresses has 28,000, each unusable for up to a minute after its use.
	churnSources = 200
	churnOrigins = 16
)

// All returns the scenarios in the order in which they run.
func All() []Scenario {
	return slices.Concat(tcp(), httpLoads(), []Scenario{httpIdle()}, tls(), httpRates(), []Scenario{httpSlow(), httpReload(), httpKill()})
}

// ByName finds a scenario, also one of those for a URL.
func ByName(name string) (Scenario, bool) {
	for _, sc := range slices.Concat(All(), ForURL("", "")) {
		if sc.Name == name {
			return sc, true
		}
	}
	return Scenario{}, false
}

// small is the load that the others are variations of.
func small(change func(*load.Options)) load.Options {
	opt := load.Options{Mode: load.Keep, Connections: 64, Size: smallAnswer}
	if change != nil {
		change(&opt)
	}
	return opt
}

var (
	asShipped  = []string{rivals.Default}
	bothWays   = []string{rivals.Default, rivals.Tuned}
	echoOrigin = []origin.Behaviour{{Echo: true}}
)
