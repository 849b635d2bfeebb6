package report

import (
	"slices"

	"sluice/bench/load"
	"sluice/bench/scenarios"
)

// noisyAbove is the spread (range over median) of per-round ratios above which a
// row says that it is noisy.
const noisyAbove = 0.15

// othersAbove is the share of the machine, in percent, that other programs may
// take before a row says that it was disturbed. Two per cent is what a quiet
// system's own services use.
const othersAbove = 2.0

// spread is a median with the range it came from.
type spread struct {
	median, low, high float64
	n                 int
}

// newSpread reduces values; n is 0 if there are none.
func newSpread(values []float64) spread {
	if len(values) == 0 {
		return spread{}
	}
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	median := sorted[middle]
	if len(sorted)%2 == 0 {
		median = (sorted[middle-1] + sorted[middle]) / 2
	}
	return spread{median, sorted[0], sorted[len(sorted)-1], len(sorted)}
}

// noisy reports whether the range is too wide for the median to be trusted.
func (s spread) noisy() bool {
	return s.n > 0 && s.median > 0 && (s.high-s.low)/s.median > noisyAbove
}

// values reduces a number over the rounds that count.
func (s *Series) values(of func(*load.Result) float64) spread {
	var all []float64
	for i := range s.Rounds {
		if s.Rounds[i].ok() {
			all = append(all, of(s.Rounds[i].Result))
		}
	}
	return newSpread(all)
}

// all reduces a number over all rounds that have one, valid or not.
func (s *Series) all(of func(*load.Result) float64) spread {
	var all []float64
	for i := range s.Rounds {
		if r := s.Rounds[i].Result; r != nil {
			all = append(all, of(r))
		}
	}
	return newSpread(all)
}

// connections is the median of those made to the origin, warm-up included.
func (s *Series) connections() string {
	var all []float64
	for i := range s.Rounds {
		if s.Rounds[i].ok() {
			all = append(all, float64(s.Rounds[i].Origin.Connections))
		}
	}
	v := newSpread(all)
	return number(v.median, v.n)
}

// late counts the rounds whose schedule was not kept.
func (s *Series) late() (n int) {
	for _, r := range s.Rounds {
		if r.Result != nil && !r.Result.OnSchedule() {
			n++
		}
	}
	return n
}

// invalid counts the rounds that do not count.
func (s *Series) invalid() (n int) {
	for i := range s.Rounds {
		if !s.Rounds[i].ok() {
			n++
		}
	}
	return n
}

// ratios divides a metric of one series by that of another, round by round. A
// round that failed on either side has no ratio.
func ratios(a, b *Series, m scenarios.Metric) spread {
	var all []float64
	for i := range min(len(a.Rounds), len(b.Rounds)) {
		if !a.Rounds[i].ok() || !b.Rounds[i].ok() {
			continue
		}
		if below := m.Of(b.Rounds[i].Result); below > 0 {
			all = append(all, m.Of(a.Rounds[i].Result)/below)
		}
	}
	return newSpread(all)
}

// latency makes a time in microseconds of one field of a result's latency.
func latency(of func(*load.Latency) int64) func(*load.Result) float64 {
	return func(r *load.Result) float64 {
		if r.Latency == nil {
			return 0
		}
		return float64(of(r.Latency)) / 1000
	}
}
