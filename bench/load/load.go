// Package load is the load generator, cheap enough that the proxy under test and
// not the generator sets the pace. One goroutine, one epoll instance, one read
// and one write per request, one request at a time on a connection, nothing
// allocated while it runs. It is a closed loop, but for the mode Open, which
// sends on a schedule, whatever becomes of earlier requests.
//
// It reads the proxy's processor clock itself, at the very edges of the window
// in which it counts, so that time and work are those of the same interval.
//
//	dial → send → receive, check ─┬─ Keep:  send again
//	                              ├─ Churn: close, dial again
//	                              ├─ Hold:  keep it open and dial the next
//	                              └─ Open:  wait for the next request that is due
package load

import (
	"fmt"
	"math"
	"os"
	"runtime/debug"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"sluice/bench/epoll"
	"sluice/bench/meter"
	"sluice/bench/wire"
)

// Mode is what happens to a connection after an answer.
type Mode string

const (
	// Keep sends the next request on the same connection.
	Keep Mode = "keep"
	// Churn closes the connection, the client first, and opens another.
	Churn Mode = "churn"
	// Hold keeps all connections open and idle after one answer each.
	Hold Mode = "hold"
	// Open sends requests when they are due, each over a connection that is free.
	Open Mode = "open"
)

// Options describe one run. Durations are nanoseconds in JSON.
type Options struct {
	Target string `json:"target"` // IPv4 address and port
	Mode   Mode   `json:"mode"`
	// Connections are open at a time; for the mode Hold, in all.
	Connections int `json:"connections"`
	// Size is the body each request asks for, in bytes.
	Size int `json:"size"`
	// Post is the body each request sends, in bytes; 0 = GET, without one.
	Post int `json:"post,omitempty"`
	// Rate is how many requests per second are due in the mode Open, on average.
	Rate float64 `json:"rate,omitempty"`
	// Sources is over how many loopback source addresses to spread; 0 = one.
	Sources int `json:"sources,omitempty"`
	// Warm precedes the window or is the rest before it (Hold).
	Warm time.Duration `json:"warm"`
	// Window is how long to count.
	Window time.Duration `json:"window"`
	// Watch are the proxy's processes, Origin the stub's.
	Watch  []int `json:"watch,omitempty"`
	Origin []int `json:"origin,omitempty"`
}

const (
	// answerTimeout makes a request an error; no healthy one takes a tenth of it.
	answerTimeout = 5 * time.Second
	// retryDelay keeps failing connections from spinning.
	retryDelay = 50 * time.Millisecond
	// sweepEvery is how often deadlines are looked at, and the longest wait.
	sweepEvery = 20 * time.Millisecond
	// holdAtOnce bounds the connections being set up at a time in the mode Hold,
	// far below any accept backlog.
	holdAtOnce = 64
	// readSize lets a large answer come in few reads and stays in the L2 cache.
	readSize = 256 << 10
	// smallRead suffices where answers are small: the buffer stays in L1.
	smallRead = 16 << 10
)

// generator is the state of a run. It belongs to one goroutine.
type generator struct {
	opt     Options
	poller  *epoll.Poller
	dialer  epoll.Dialer
	conns   []conn
	buf     []byte
	request []byte
	check   checker
	base    time.Time
	now     int64 // nanoseconds since base, read once per answer
	sweepAt int64
	hist    *hdrhistogram.Histogram
	answers int64
	bytes   int64 // of answer bodies
	pending int   // exchanges under way
	idle    int   // Hold: connections that have had their answer
	errors  map[kind]int64
	// from and until bound the exchanges whose latency counts, by their beginning.
	from, until int64
	plan        schedule // Open
	free        ring     // Open: connections without an exchange
}

// Run generates the load and returns what it found. It turns the collector off
// while it runs, so it belongs in a process of its own or in a short test.
func Run(opt Options) (*Result, error) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	g, err := newGenerator(opt)
	if err != nil {
		return nil, err
	}
	defer g.close()
	switch opt.Mode {
	case Hold:
		return g.hold()
	case Open:
		return g.open()
	}
	return g.steady()
}

func newGenerator(opt Options) (*generator, error) {
	target, err := parseTarget(opt.Target)
	if err != nil {
		return nil, err
	}
	if opt.Connections <= 0 || opt.Size <= 0 || opt.Size > wire.MaxBody {
		return nil, fmt.Errorf("%d connections and %d bytes: both must be positive, the size at most %d", opt.Connections, opt.Size, wire.MaxBody)
	}
	if opt.Post < 0 || opt.Post > wire.MaxBody || (opt.Mode == Open) != (opt.Rate > 0) {
		return nil, fmt.Errorf("a body of %d bytes, %v requests per second in the mode %s", opt.Post, opt.Rate, opt.Mode)
	}
	poller, err := epoll.New()
	if err != nil {
		return nil, fmt.Errorf("epoll: %w", err)
	}
	size := smallRead
	if opt.Size > smallRead/2 {
		size = readSize
	}
	g := &generator{
		opt: opt, poller: poller, dialer: epoll.Dialer{To: target, Sources: opt.Sources},
		conns: make([]conn, opt.Connections), buf: make([]byte, size),
		request: wire.Request(opt.Size), check: checker{size: int64(opt.Size)},
		base: time.Now(), hist: newHistogram(), errors: map[kind]int64{},
		from: math.MinInt64, until: math.MaxInt64, plan: schedule{next: never},
	}
	if opt.Post > 0 {
		g.request = wire.Post(opt.Post, opt.Size)
	}
	for i := range g.conns {
		g.conns[i].fd = -1
	}
	return g, nil
}

func (g *generator) close() {
	for i := range g.conns {
		g.release(&g.conns[i])
	}
	_ = g.poller.Close()
}

// steady runs the closed loop of the modes Keep and Churn: warm-up, window.
func (g *generator) steady() (*Result, error) {
	for i := range g.conns {
		g.dial(i)
	}
	if err := g.runFor(g.opt.Warm); err != nil {
		return nil, err
	}
	g.hist.Reset()
	g.answers, g.bytes = 0, 0
	first, err := g.sample(meter.Quick)
	if err != nil {
		return nil, err
	}
	if err := g.runWindow(g.opt.Window); err != nil {
		return nil, err
	}
	last, err := g.sample(meter.Quick)
	if err != nil {
		return nil, err
	}
	r := g.result(first, last)
	return r, r.empty()
}

// runFor turns the loop for a while.
func (g *generator) runFor(d time.Duration) error {
	for until := g.clock() + int64(d); g.now < until; {
		if err := g.turn(); err != nil {
			return err
		}
	}
	return nil
}

// runWindow turns the loop for a while, and on a machine that stood still meanwhile
// until there is an answer or an error: without any, nothing can be said.
func (g *generator) runWindow(d time.Duration) error {
	err := g.runFor(d)
	for patience := g.now + int64(answerTimeout); err == nil && g.bytes == 0 && len(g.errors) == 0 && g.now < patience; {
		err = g.turn()
	}
	return err
}

// turn waits once and handles what is ready.
func (g *generator) turn() error {
	events, err := g.wait()
	if err != nil {
		return fmt.Errorf("epoll_wait: %w", err)
	}
	if g.clock(); g.now >= g.sweepAt {
		g.sweep()
	}
	g.sendDue()
	for _, e := range events {
		g.event(e)
		g.sendDue()
	}
	return nil
}

// wait sleeps until an event or the next sweep. In an open loop it does not sleep
// but hands the core over and comes back: to the origin, if that has something to
// do. A sleep to the microsecond costs a virtual machine 20 µs of processor time,
// more than twice a request, and more again to be woken from.
func (g *generator) wait() ([]epoll.Event, error) {
	if g.plan.next == never {
		return g.poller.Wait(int(sweepEvery / time.Millisecond))
	}
	epoll.Yield()
	return g.poller.Wait(0)
}

// clock reads the time once and keeps it.
func (g *generator) clock() int64 {
	g.now = int64(time.Since(g.base))
	return g.now
}

// samples are one look at all three processes and at the machine.
type samples struct {
	proxy, self, origin meter.Sample
	machine             meter.Machine
}

func (g *generator) sample(proxy func([]int) (meter.Sample, error)) (s samples, err error) {
	if s.self, err = meter.Quick([]int{os.Getpid()}); err != nil {
		return s, err
	}
	if s.origin, err = meter.Quick(g.opt.Origin); err != nil {
		return s, err
	}
	if s.machine, err = meter.ReadMachine(); err != nil {
		return s, err
	}
	s.proxy, err = proxy(g.opt.Watch)
	return s, err
}

func (g *generator) result(first, last samples) *Result {
	r := &Result{
		Units:   float64(g.bytes) / float64(g.opt.Size),
		Wall:    last.proxy.At.Sub(first.proxy.At),
		Proxy:   last.proxy.CPU.Sub(first.proxy.CPU),
		Self:    last.self.CPU.Sub(first.self.CPU),
		Origin:  last.origin.CPU.Sub(first.origin.CPU),
		Latency: summarize(g.hist), Errors: g.errorCounts(),
	}
	ours := r.Proxy.Total + r.Self.Total + r.Origin.Total
	r.Others = meter.OthersShare(first.machine, last.machine, ours, r.Wall)
	return r
}

// errorCounts is for the result; nil if there were none.
func (g *generator) errorCounts() map[string]int64 {
	if len(g.errors) == 0 {
		return nil
	}
	counts := make(map[string]int64, len(g.errors))
	for k, n := range g.errors {
		counts[string(k)] = n
	}
	return counts
}
