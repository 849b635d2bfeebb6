package load

import (
	"fmt"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"sluice/bench/meter"
)

// Result is what one run of the generator found. Times are nanoseconds in JSON.
type Result struct {
	// Units is the work done in the window: answers, or for large answers the
	// bytes received divided by the size of one, so that a window need not end
	// between two of them.
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
	// Latency is absent when nothing was answered.
	Latency *Latency `json:"latency,omitempty"`
	// Held is present for the mode Hold only, Schedule for Open only.
	Held     *Held     `json:"held,omitempty"`
	Schedule *Schedule `json:"schedule,omitempty"`
	// Errors counts by kind what went wrong, warm-up included.
	Errors map[string]int64 `json:"errors,omitempty"`
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
	// before the first connection and after the rest.
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
	kindStatus  kind = "status"  // an answer other than 200
	kindLength  kind = "length"  // another Content-Length than asked for, or bytes beyond it
	kindContent kind = "content" // bytes that differ from the origin's
)

// Histogram bounds: a microsecond is below any exchange over TCP, a minute above
// the timeout; three digits keep the percentiles within 0.1 %.
const (
	histMin    = int64(time.Microsecond)
	histMax    = int64(time.Minute)
	histDigits = 3
)

func newHistogram() *hdrhistogram.Histogram { return hdrhistogram.New(histMin, histMax, histDigits) }

func summarize(h *hdrhistogram.Histogram) *Latency {
	if h.TotalCount() == 0 {
		return nil
	}
	at := func(q float64) time.Duration { return time.Duration(h.ValueAtQuantile(q)) }
	return &Latency{P50: at(50), P90: at(90), P99: at(99), P999: at(99.9), Max: time.Duration(h.Max())}
}
