// Package load is the load generator, cheap enough that the proxy under test and
// not the generator sets the pace. One goroutine, one epoll instance, one read
// and one write per request (or per batch of pipelined ones), nothing allocated
// while it runs but by TLS handshakes. It is a closed loop, but for the mode Open,
// which sends on a schedule, whatever becomes of earlier requests.
//
// It reads the proxy's processor clock itself, at the very edges of the window
// in which it counts, so that time and work are those of the same interval.
//
//	dial → (TLS) → (upgrade) → send → receive, check ─┬─ Keep:  send again
//	                                                  ├─ Churn: close, dial again
//	                                                  ├─ Hold:  keep it open and dial the next
//	                                                  └─ Open:  wait for the next request that is due
//
// conn.go is the life of a connection, traffic.go what goes through it, secure.go
// TLS; http.go, message.go and websocket.go know what is said.
package load

import (
	"crypto/tls"
	"errors"
	"fmt"
	"math"
	"os"
	"runtime/debug"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"sluice/bench/epoll"
	"sluice/bench/meter"
)

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
	opt    Options
	poller *epoll.Poller
	dialer epoll.Dialer
	shield *shield // TLS; nil = plain
	speech speech
	conns  []conn
	again  []epoll.Token // connections that have more to do than a turn allows
	buf    []byte
	base   time.Time
	now    int64 // nanoseconds since base, read once per batch of answers

	sweepAt int64
	pending int // exchanges under way
	idle    int // Hold: connections that have had their answer

	hist     *hdrhistogram.Histogram
	n        counters
	errors   map[kind]int64
	statuses map[int]int64
	buckets  timeline
	tls      tls.ConnectionState // of the last handshake
	alarm    error               // of the first that failed
	rest     meter.Sample        // before the first connection
	loaded   int64               // memory at the end of the window
	trace    *meter.Trace        // while system calls are counted
	syscalls *meter.Syscalls
	untraced string // why they are not
	// from and until bound the exchanges whose latency counts, by their beginning.
	from, until int64
	plan        schedule // Open
	free        ring     // Open: connections without an exchange
}

// counters begin anew with the window.
type counters struct {
	answers, connects int64
	in, out           int64 // bytes through the sockets
	work              int64 // of which speech.unit make a unit
	full, resumed     int64 // TLS handshakes
}

// Run generates the load and returns what it found. It turns the collector off
// while it runs, so it belongs in a process of its own or in a short test.
func Run(opt Options) (*Result, error) {
	g, err := newGenerator(opt)
	if err != nil {
		return nil, err
	}
	defer g.close()
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	if g.shield != nil {
		defer debug.SetMemoryLimit(debug.SetMemoryLimit(g.shield.memory(opt.Connections)))
	}
	if g.rest, err = g.remember(); err != nil {
		return nil, err
	}
	switch opt.Mode {
	case Hold:
		return g.hold()
	case Open:
		return g.open()
	}
	return g.steady()
}

func newGenerator(opt Options) (*generator, error) {
	if err := opt.validate(); err != nil {
		return nil, err
	}
	target, err := parseTarget(opt.Target)
	if err != nil {
		return nil, err
	}
	shield, err := newShield(&opt)
	if err != nil {
		return nil, err
	}
	poller, err := epoll.New()
	if err != nil {
		return nil, fmt.Errorf("epoll: %w", err)
	}
	size := smallRead
	if max(opt.Size, opt.Message) > smallRead/2 || opt.Expect == Any {
		size = readSize
	}
	g := &generator{
		opt: opt, poller: poller, dialer: epoll.Dialer{To: target, Sources: opt.Sources},
		shield: shield, speech: newSpeech(&opt), conns: make([]conn, opt.Connections), buf: make([]byte, size),
		base: time.Now(), hist: newHistogram(), errors: map[kind]int64{}, statuses: map[int]int64{},
		from: math.MinInt64, until: math.MaxInt64, plan: schedule{next: never},
	}
	began := make([]int64, opt.Connections*opt.Pipeline)
	for i := range g.conns {
		g.conns[i] = conn{fd: -1, slot: int32(i), began: began[i*opt.Pipeline : (i+1)*opt.Pipeline]}
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
		g.dial(&g.conns[i])
	}
	if err := g.runFor(g.opt.Warm); err != nil {
		return nil, err
	}
	first, err := g.openWindow(meter.Quick)
	if err != nil {
		return nil, err
	}
	g.hist.Reset()
	if err := g.runWindow(g.opt.Window); err != nil {
		return nil, err
	}
	last, err := g.closeWindow(meter.Quick)
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
	for patience := g.now + int64(answerTimeout); err == nil && g.n.work == 0 && len(g.errors) == 0 && g.now < patience; {
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
	g.resume()
	return nil
}

// wait sleeps until an event or the next sweep. In an open loop it does not sleep
// but hands the core over and comes back: to the origin, if that has something to
// do. A sleep to the microsecond costs a virtual machine 20 µs of processor time,
// more than twice a request, and more again to be woken from.
func (g *generator) wait() ([]epoll.Event, error) {
	if len(g.again) > 0 {
		return g.poller.Wait(0)
	}
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

// openWindow begins to count: the system calls, if they are asked for, while the
// generator stands still and so does the proxy.
func (g *generator) openWindow(proxy func([]int) (meter.Sample, error)) (s samples, err error) {
	if g.opt.Syscalls {
		g.trace, err = meter.StartTrace(g.opt.Watch)
		if errors.Is(err, meter.ErrNoTrace) {
			g.untraced = err.Error()
		} else if err != nil {
			return s, err
		}
	}
	s, err = g.sample(proxy)
	g.n = counters{}
	g.buckets = newTimeline(g.clock(), g.opt.Window)
	return s, err
}

// closeWindow ends what openWindow began.
func (g *generator) closeWindow(proxy func([]int) (meter.Sample, error)) (samples, error) {
	s, err := g.sample(proxy)
	if g.trace != nil && err == nil {
		g.syscalls, err = g.trace.Stop()
		g.trace = nil
	}
	if err == nil && len(g.opt.Watch) > 0 {
		g.loaded, _, err = meter.ReadMemory(g.opt.Watch)
	}
	return s, err
}

// remember looks at the memory of the watched processes, if there are any.
func (g *generator) remember() (meter.Sample, error) {
	if len(g.opt.Watch) == 0 {
		return meter.Sample{}, nil
	}
	return meter.Full(g.opt.Watch)
}
