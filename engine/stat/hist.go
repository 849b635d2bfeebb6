package stat

// A Histogram counts durations in buckets whose width grows with the value: each power
// of two is cut into 32 equal parts, so a bucket is at most 1/32 of its lower bound
// wide and its middle is off by at most 1.6 %. The index is the position of the
// highest bit and the five bits below it:
//
//	1500 ns = 1 01110 11100b  →  octave 10, part 01110b = 14
//
// Recording is two shifts and an add, whatever the value.

import (
	"math"
	"math/bits"
	"time"
)

const (
	// DurationMin and DurationMax bound what a Histogram tells apart; what lies outside
	// counts as the bound. Below is noise of the clock, above nothing is fast or slow.
	DurationMin = time.Microsecond
	DurationMax = time.Hour

	partBits  = 5
	parts     = 1 << partBits
	octaveMin = 9  // 2^9 ns <= DurationMin
	octaveMax = 41 // DurationMax < 2^42 ns
	buckets   = (octaveMax - octaveMin + 1) * parts
)

// Histogram is a distribution of durations between DurationMin and DurationMax. The zero
// value is empty and ready. It belongs to one loop; assignment copies it (8.5 KiB).
type Histogram struct {
	counts   [buckets]uint64
	count    uint64
	sum      uint64 // nanoseconds, after clamping
	min, max int64  // nanoseconds, after clamping; meaningless while count is 0
}

// Record counts one duration.
func (h *Histogram) Record(d time.Duration) {
	ns := int64(min(max(d, DurationMin), DurationMax))
	if h.count == 0 || ns < h.min {
		h.min = ns
	}
	h.max = max(h.max, ns)
	h.counts[bucket(ns)]++
	h.count++
	h.sum += uint64(ns)
}

// Count returns the number of durations recorded.
func (h *Histogram) Count() uint64 { return h.count }

// Sum returns their total. It wraps after 584 years.
func (h *Histogram) Sum() time.Duration { return time.Duration(h.sum) }

// Max returns the longest, exactly; 0 if nothing was recorded.
func (h *Histogram) Max() time.Duration { return time.Duration(h.max) }

// Merge adds all that other has counted.
func (h *Histogram) Merge(other *Histogram) {
	if other.count == 0 {
		return
	}
	if h.count == 0 || other.min < h.min {
		h.min = other.min
	}
	h.max = max(h.max, other.max)
	for i, n := range &other.counts {
		h.counts[i] += n
	}
	h.count += other.count
	h.sum += other.sum
}

// Quantile returns the duration that a share q of all does not exceed: the one of rank
// ceil(q × Count), at least the first, to within 1.6 %. A q below 0 counts as 0, above
// 1 as 1. It returns 0 if nothing was recorded.
func (h *Histogram) Quantile(q float64) time.Duration {
	if h.count == 0 {
		return 0
	}
	q = min(max(q, 0), 1)
	rank := min(max(uint64(math.Ceil(q*float64(h.count))), 1), h.count)
	for i, n := range &h.counts {
		if n >= rank {
			// The first and the last bucket may hold little of their width.
			return time.Duration(min(max(middle(i), h.min), h.max))
		}
		rank -= n
	}
	return time.Duration(h.max)
}

// bucket returns the index for ns, which lies within the bounds.
func bucket(ns int64) int {
	octave := bits.Len64(uint64(ns)) - 1
	part := int(ns>>(octave-partBits)) & (parts - 1)
	return (octave-octaveMin)<<partBits | part
}

// middle returns the middle of bucket i in nanoseconds.
func middle(i int) int64 {
	octave := i>>partBits + octaveMin
	width := int64(1) << (octave - partBits)
	return (int64(parts|i&(parts-1)))*width + width/2
}
