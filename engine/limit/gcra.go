package limit

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// GCRA, the generic cell rate algorithm, is a leaky bucket that stores one instant instead of a level and a time: the theoretical arrival
// time (TAT), at which the bucket will be empty. With an interval T per event and a burst of B, an event at t is allowed if
//
//	max(TAT, t) + T − t ≤ B·T        and then        TAT = max(TAT, t) + T
//
// so a state fits into one atomic integer and needs neither a lock nor a timer that refills it. (ATM Forum TM 4.0; nginx's limit_req and
// the IETF's RateLimit fields describe the same policy.)

// maxTolerance keeps now + B·T within an int64 for any clock up to the year 2188 in Unix nanoseconds.
const maxTolerance = 1 << 61

// Rate is the policy of a Cell, shared by any number of them and replaceable at a reload without touching them. The zero Rate allows
// everything.
type Rate struct {
	interval  int64 // T, in nanoseconds per event
	tolerance int64 // B·T
}

// NewRate allows events per period in the long run, and burst of them at once after a pause. T is rounded up to whole nanoseconds: the rate
// is never exceeded and, up to a million per second, missed by less than 0.1 %. Arguments below one panic, as configuration refuses
// them earlier.
func NewRate(events int64, period time.Duration, burst int64) Rate {
	if events < 1 || period < 1 || burst < 1 {
		panic("limit: rate, period and burst must be positive")
	}
	interval := (int64(period)-1)/events + 1
	high, low := bits.Mul64(uint64(interval), uint64(burst))
	if high != 0 || low > maxTolerance {
		panic("limit: the burst takes longer than 73 years to earn")
	}
	return Rate{interval: interval, tolerance: int64(low)}
}

// Cell is the state of one rate limit: 8 bytes, shared by all loops. The zero value is a cell that never saw an event. It must not be
// copied after first use.
type Cell struct {
	tat atomic.Int64
}

// Allow takes one event at the instant now, in nanoseconds from any fixed origin but not negative, and tells whether rate allows it. If
// not, nothing is taken and retryAfter is the least time until an event will be, if none comes in between. An instant before one that
// another loop has used already is treated as it is: strictly, never in the client's favour.
func (c *Cell) Allow(rate Rate, now int64) (ok bool, retryAfter time.Duration) {
	for {
		tat := c.tat.Load()
		next := max(tat, now) + rate.interval
		if wait := next - now - rate.tolerance; wait > 0 {
			return false, time.Duration(wait)
		}
		if c.tat.CompareAndSwap(tat, next) {
			return true, 0
		}
	}
}

// Idle tells whether the cell is as good as new at the instant now, so that a store may forget it.
func (c *Cell) Idle(now int64) bool { return c.tat.Load() <= now }
