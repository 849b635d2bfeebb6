package load

import (
	"crypto/tls"
	"fmt"
	"maps"
	"time"

	"sluice/bench/meter"
)

// Result is what one run of the generator found. Times are nanoseconds in JSON.
type Result struct {
	// Units is the work done in the window: answers, or for large answers and streams
	// the bytes divided by the size of one, so that a window need not end between
	// two of them.
	Units float64 `json:"units"`
	// Wall is the length of the window.
	Wall time.Duration `json:"wall_ns"`
	// Proxy is the processor time of the watched processes in the window.
	Proxy meter.CPU `json:"proxy_cpu"`
	// Self and Origin are the same for the generator and the stub behind the
	// proxy: they show whether the tools were cheap.
	Self   meter.CPU `json:"load_cpu"`
	Origin meter.CPU `json:"origin_cpu"`
	// Others is the part of the machine, in percent, that was busy with something
	// else: above a few percent the numbers are not worth much.
	Others float64 `json:"others_percent"`
	// Answers counts the complete ones, Connects the connections begun in the window.
	Answers  int64 `json:"answers"`
	Connects int64 `json:"connects"`
	// BytesIn and BytesOut went through the generator's sockets, TLS and all.
	BytesIn  int64 `json:"bytes_in"`
	BytesOut int64 `json:"bytes_out"`
	// Waiting counts the exchanges that were under way when the window ended, and
	// Oldest is how long the oldest of them had been: what hangs shows here before it
	// is an error.
	Waiting int           `json:"waiting"`
	Oldest  time.Duration `json:"oldest_ns"`
	// Memory is what the watched processes held; absent if there were none.
	Memory *Memory `json:"memory,omitempty"`
	// Latency is absent when nothing was answered, and for streams.
	Latency *Latency `json:"latency,omitempty"`
	// Curve has the latency at growing quantiles, the last at 1.
	Curve []Point `json:"curve,omitempty"`
	// Histogram is the whole of it: HdrHistogram's V2 compressed form, base64, in
	// nanoseconds.
	Histogram string `json:"histogram,omitempty"`
	// Buckets cut the window into tenths of a second, so that an event in the middle
	// of it shows when it happened.
	Buckets []Bucket `json:"buckets,omitempty"`
	// Held is present for the mode Hold only, Schedule for Open only, Handshakes with
	// TLS only.
	Held       *Held       `json:"held,omitempty"`
	Schedule   *Schedule   `json:"schedule,omitempty"`
	Handshakes *Handshakes `json:"handshakes,omitempty"`
	// Syscalls is present if it was asked for, or Untraced says why not.
	Syscalls *meter.Syscalls `json:"syscalls,omitempty"`
	Untraced string          `json:"untraced,omitempty"`
	// Errors counts by kind what went wrong, warm-up included; Statuses the errors of
	// the kind "status" by their status.
	Errors   map[string]int64 `json:"errors,omitempty"`
	Statuses map[int]int64    `json:"statuses,omitempty"`
}

// Memory is proportional resident memory of the watched processes, in bytes.
type Memory struct {
	// Rest is before the first connection, Load at the end of the window with all
	// connections open.
	Rest int64 `json:"rest"`
	Load int64 `json:"load"`
}

// Point is one of a latency curve: the part Quantile of the exchanges, Count in
// number, took at most Value.
type Point struct {
	Quantile float64       `json:"q"`
	Value    time.Duration `json:"ns"`
	Count    int64         `json:"n"`
}

// BucketWidth is how much of the window a bucket has.
const BucketWidth = 100 * time.Millisecond

// Bucket is what happened in one part of the window: answers and errors by when
// they came, and the longest latency among those answers.
type Bucket struct {
	Answers int64         `json:"answers"`
	Errors  int64         `json:"errors,omitempty"`
	Max     time.Duration `json:"max_ns"`
}

// Handshakes counts the TLS handshakes finished in the window. A resumed one skips
// the certificate.
type Handshakes struct {
	Full    int64 `json:"full"`
	Resumed int64 `json:"resumed"`
	// Version and Cipher are those of the last one.
	Version string `json:"version"`
	Cipher  string `json:"cipher"`
	// Failure is what the first error of the kind "tls" was about.
	Failure string `json:"failure,omitempty"`
}

// Latency goes from the moment a request is written (or its connection begun) to
// the last byte of its answer; in the mode Open, from the moment it is due.
type Latency struct {
	P50  time.Duration `json:"p50_ns"`
	P90  time.Duration `json:"p90_ns"`
	P99  time.Duration `json:"p99_ns"`
	P999 time.Duration `json:"p999_ns"`
	Max  time.Duration `json:"max_ns"`
}

// Held is what a number of idle connections costs the proxy.
type Held struct {
	Connections int `json:"connections"`
	// MemoryBefore and MemoryHeld are proportional resident bytes of the proxy
	// before the first connection and after the rest, without pages of files: which
	// of its program are resident says nothing about connections.
	MemoryBefore int64 `json:"memory_before"`
	MemoryHeld   int64 `json:"memory_held"`
	// Wakes counts the proxy's wake-ups in the idle window.
	Wakes int64 `json:"wakes"`
	// Alive counts the connections that still answered at the end.
	Alive int `json:"alive"`
}

// Schedule is how well the generator itself did in the mode Open.
type Schedule struct {
	// Rate is the average asked for, in requests per second.
	Rate float64 `json:"rate"`
	// Arrivals is how they were spread.
	Arrivals Arrivals `json:"arrivals"`
	// Sent counts the requests that were due in the window and sent.
	Sent int64 `json:"sent"`
	// Lag is how late the generator sent them: from when a request was due and a
	// connection free for it. It is part of the latency, though no fault of the
	// proxy's.
	Lag *Latency `json:"lag,omitempty"`
}

const (
	// MaxLag is by how much the generator may be late with one request in a
	// thousand. The latencies it is part of are several times longer.
	MaxLag = 250 * time.Microsecond
	// MaxOthers is how much of the machine, in percent, others may use beside an
	// open loop. What they take from the cores of proxy or origin is not processor
	// time of the proxy, but it is latency.
	MaxOthers = 5.0
)

// result is made at the end of the window; what the open loop still waits for is
// added by describe.
func (g *generator) result(first, last samples) *Result {
	r := &Result{
		Units:   float64(g.n.work) / float64(g.speech.unit),
		Wall:    last.proxy.At.Sub(first.proxy.At),
		Proxy:   last.proxy.CPU.Sub(first.proxy.CPU),
		Self:    last.self.CPU.Sub(first.self.CPU),
		Origin:  last.origin.CPU.Sub(first.origin.CPU),
		Answers: g.n.answers, Connects: g.n.connects, BytesIn: g.n.in, BytesOut: g.n.out,
		Buckets: g.buckets.buckets, Syscalls: g.syscalls, Untraced: g.untraced,
	}
	for i := range g.conns {
		if c := &g.conns[i]; c.pending > 0 && g.opt.Stream == "" {
			r.Waiting += c.pending
			r.Oldest = max(r.Oldest, time.Duration(g.now-c.began[c.head]))
		}
	}
	if len(g.opt.Watch) > 0 {
		r.Memory = &Memory{Rest: g.rest.Memory, Load: g.loaded}
	}
	if g.shield != nil {
		r.Handshakes = &Handshakes{Full: g.n.full, Resumed: g.n.resumed}
		if g.tls.Version != 0 {
			r.Handshakes.Version, r.Handshakes.Cipher = tls.VersionName(g.tls.Version), tls.CipherSuiteName(g.tls.CipherSuite)
		}
	}
	if g.alarm != nil {
		r.Handshakes.Failure = g.alarm.Error()
	}
	ours := r.Proxy.Total + r.Self.Total + r.Origin.Total
	r.Others = meter.OthersShare(first.machine, last.machine, ours, r.Wall)
	g.describe(r)
	return r
}

// describe fills in latencies and errors.
func (g *generator) describe(r *Result) {
	r.Latency, r.Curve, r.Histogram = summarize(g.hist), curve(g.hist), encode(g.hist)
	r.Errors, r.Statuses = nil, nil
	if len(g.errors) > 0 {
		r.Errors = make(map[string]int64, len(g.errors))
		for k, n := range g.errors {
			r.Errors[string(k)] = n
		}
	}
	if len(g.statuses) > 0 {
		r.Statuses = maps.Clone(g.statuses)
	}
}

// OnSchedule reports whether the generator kept to the schedule, if there was one,
// and was undisturbed, without which the latencies mean nothing.
func (r *Result) OnSchedule() bool {
	s := r.Schedule
	return s == nil || s.Lag != nil && s.Lag.P999 <= MaxLag && r.Others <= MaxOthers
}

// Valid reports whether the numbers count: something was done, nothing failed, and
// a schedule was kept.
func (r *Result) Valid() bool {
	return r.Units > 0 && r.Failures() == 0 && r.OnSchedule()
}

// empty is an error if nothing at all was answered.
func (r *Result) empty() error {
	if r.Units > 0 {
		return nil
	}
	return fmt.Errorf("no answers at all (errors: %v)", r.Errors)
}

// Failures sums the errors of all kinds.
func (r *Result) Failures() int64 {
	var sum int64
	for _, n := range r.Errors {
		sum += n
	}
	return sum
}

// kind names an error in the result.
type kind string

const (
	kindNone    kind = ""
	kindConnect kind = "connect" // refused, unreachable or out of ports
	kindReset   kind = "reset"   // RST, or a failed read or write
	kindEOF     kind = "eof"     // end of stream before the answer was complete
	kindTimeout kind = "timeout" // no complete answer in time
	kindEarly   kind = "early"   // an answer before the request was written
	kindUnsent  kind = "unsent"  // no connection became free for it in time
	kindHead    kind = "head"    // no understandable answer head
	kindStatus  kind = "status"  // an answer with a status that is not accepted
	kindLength  kind = "length"  // another length than asked for, or bytes nobody asked for
	kindTLS     kind = "tls"     // a failed handshake or a damaged record
	kindFrame   kind = "frame"   // not the frame of WebSocket that was due
	kindContent kind = "content" // bytes that differ from the origin's
)
