package report

import (
	"math"
	"slices"
	"strings"

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

// numbers are those of the rounds that count.
func (s *Series) numbers(of func(*load.Result) float64) (all []float64) {
	for i := range s.Rounds {
		if s.Rounds[i].OK() {
			all = append(all, of(s.Rounds[i].Result))
		}
	}
	return slices.DeleteFunc(all, math.IsNaN)
}

// reduce makes one of them.
func (s *Series) reduce(of func(*load.Result) float64) spread { return newSpread(s.numbers(of)) }

// values reduces a metric. One that needs processes to be watched has no values where
// there were none.
func (s *Series) values(m scenarios.Metric) spread {
	if m.Watched && !s.watched() {
		return spread{}
	}
	return s.reduce(m.Of)
}

// watched reports whether the proxy's processes were known.
func (s *Series) watched() bool {
	return slices.ContainsFunc(s.Rounds, func(r Round) bool {
		return r.Result != nil && (r.Result.Proxy.Total > 0 || r.Result.Memory != nil || r.Result.Held != nil && r.Result.Held.MemoryHeld > 0)
	})
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
		if s.Rounds[i].OK() {
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
		if !s.Rounds[i].OK() {
			n++
		}
	}
	return n
}

// ratios divides a metric of one series by that of another, round by round. A
// round that failed on either side has no ratio.
func ratios(a, b *Series, m scenarios.Metric) spread {
	var all []float64
	if m.Watched && !(a.watched() && b.watched()) {
		return spread{}
	}
	for i := range min(len(a.Rounds), len(b.Rounds)) {
		if !a.Rounds[i].OK() || !b.Rounds[i].OK() {
			continue
		}
		if below := m.Of(b.Rounds[i].Result); below > 0 {
			all = append(all, m.Of(a.Rounds[i].Result)/below)
		}
	}
	return newSpread(slices.DeleteFunc(all, math.IsNaN))
}

// standing is how sluice does beside a peer, in one word or a few: the range of the
// ratios decides whether all rounds agree, the median whether there is a difference
// worth the word.
func (c *comparison) standing() string {
	const even = 0.03
	middle, all, rounds := c.ratio.median, c.ratio.low > 1 || c.ratio.high < 1, c.ratio.n
	switch {
	case c.ours.n == 0 || c.theirs.n == 0:
		return none
	case rounds == 0 && c.ours.median == c.theirs.median:
		return "even" // both nothing
	case rounds == 0: // theirs is nothing: no ratio, but a difference
		middle, all, rounds = math.Inf(1), c.ours.low > c.theirs.high, min(c.ours.n, c.theirs.n)
	case middle > 1-even && middle < 1+even:
		return "even"
	}
	word := "ahead"
	if (middle > 1) != c.metric.More {
		word = "behind"
	}
	switch {
	case rounds == 1:
		return word + " (one round)"
	case !all:
		return word + ", not in every round"
	}
	return word
}

// behind reports whether that is a loss.
func (c *comparison) behind() bool { return strings.HasPrefix(c.standing(), "behind") }

// latency makes a time in microseconds of one field of a result's latency.
func latency(of func(*load.Latency) int64) func(*load.Result) float64 {
	return func(r *load.Result) float64 {
		if r.Latency == nil {
			return 0
		}
		return float64(of(r.Latency)) / 1000
	}
}
