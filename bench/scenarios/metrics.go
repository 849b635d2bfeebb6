package scenarios

import (
	"math"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"sluice/bench/load"
	"sluice/bench/rivals"
)

// Metric is one number made of a run.
type Metric struct {
	Name string
	Unit string
	Of   func(*load.Result) float64
	// More says that more is better; for most, less is.
	More bool
	// Watched says that the proxy's processes must be known.
	Watched bool
	Limits  []Limit
}

const (
	// idleBudget is the processor time, in ms per second, that one timer tick per
	// second with its wake-up may cost: a generous 100 µs.
	idleBudget = 0.1
	// tunnelBudget is 2 KiB of the proxy's memory per idle tunnel, both sides.
	tunnelBudget = 2 * kib
	// keptBudget is 1 KiB of it per idle connection of a client, which has no other
	// side.
	keptBudget = 1 * kib
	// secureBudget is 11 KiB of it where that has TLS: crypto/tls itself keeps 8.6.
	secureBudget = 11 * kib
)

// cpu is the processor time of the proxy per unit, in microseconds.
func cpu(unit string, limits []Limit) Metric {
	return Metric{Name: "CPU", Unit: unit, Of: cpuPerUnit, Watched: true, Limits: limits}
}

// against sets a target for each of the rivals.
func against(nginx, haproxy float64) []Limit {
	return []Limit{{Rival: rivals.Nginx, AtMost: nginx}, {Rival: rivals.HAProxy, AtMost: haproxy}}
}

// both is the same target against either rival: against the better, that is.
func both(atMost float64) []Limit { return against(atMost, atMost) }

// in restricts targets to a setting.
func in(setting string, limits []Limit) []Limit {
	for i := range limits {
		limits[i].Setting = setting
	}
	return limits
}

// cpuPerUnit is no number where no time was read: nothing is done for nothing.
func cpuPerUnit(r *load.Result) float64 {
	if r.Proxy.Total == 0 {
		return math.NaN()
	}
	return float64(r.Proxy.Total) / float64(time.Microsecond) / r.Units
}

func memoryPerConnection(r *load.Result) float64 {
	if r.Held == nil {
		return 0
	}
	return float64(r.Held.MemoryHeld-r.Held.MemoryBefore) / r.Units
}

func idleCPU(r *load.Result) float64 {
	return float64(r.Proxy.Total) / float64(time.Millisecond) / r.Wall.Seconds()
}

// unitsPerSecond is the throughput.
func unitsPerSecond(r *load.Result) float64 { return r.Units / r.Wall.Seconds() }

// failed counts the requests that came to nothing.
func failed(r *load.Result) float64 { return float64(r.Failures()) }

// longest is the worst latency, in milliseconds.
func longest(r *load.Result) float64 {
	if r.Latency == nil {
		return 0
	}
	return float64(r.Latency.Max) / float64(time.Millisecond)
}

// latency is a percentile in microseconds.
func latency(name string, of func(*load.Latency) time.Duration, limits []Limit) Metric {
	return Metric{Name: name, Unit: "µs", Limits: limits, Of: func(r *load.Result) float64 {
		if r.Latency == nil {
			return 0
		}
		return float64(of(r.Latency)) / float64(time.Microsecond)
	}}
}

// percentile reads any percentile, in milliseconds, from the whole histogram.
func percentile(name string, q float64, limits []Limit) Metric {
	return Metric{Name: name, Unit: "ms", Limits: limits, Of: func(r *load.Result) float64 {
		h := Histogram(r)
		if h == nil {
			return 0
		}
		return float64(h.ValueAtQuantile(q)) / float64(time.Millisecond)
	}}
}

// Histogram decodes the latencies of a result, in nanoseconds; nil if it has none.
func Histogram(r *load.Result) *hdrhistogram.Histogram {
	if r.Histogram == "" {
		return nil
	}
	h, err := hdrhistogram.Decode([]byte(r.Histogram))
	if err != nil {
		return nil
	}
	return h
}
