package load

import (
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
	// Held is present for the scenario of idle tunnels only.
	Held *Held `json:"held,omitempty"`
	// Errors counts by kind what went wrong, warm-up included.
	Errors map[string]int64 `json:"errors,omitempty"`
}

// Latency is a closed loop's: from the moment a request is written (or its
// connection begun) to the last byte of its answer.
type Latency struct {
	P50  time.Duration `json:"p50_ns"`
	P90  time.Duration `json:"p90_ns"`
	P99  time.Duration `json:"p99_ns"`
	P999 time.Duration `json:"p999_ns"`
	Max  time.Duration `json:"max_ns"`
}

// Held is what a number of idle tunnels costs the proxy.
type Held struct {
	Tunnels int `json:"tunnels"`
	// MemoryBefore and MemoryHeld are proportional resident bytes of the proxy
	// before the first tunnel and after the rest.
	MemoryBefore int64 `json:"memory_before"`
	MemoryHeld   int64 `json:"memory_held"`
	// Wakes counts the proxy's wake-ups in the idle window.
	Wakes int64 `json:"wakes"`
	// Alive counts the tunnels that still answered at the end.
	Alive int `json:"alive"`
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
	kindShort   kind = "write"   // the request did not fit into the socket
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
