package upstream

// A Budget keeps an outage from being made worse by its own cure: when servers fail because there is too much to do,
// sending everything twice is the last thing they need. So retries are a fraction of what is going on.
//
// Two measures of that count, and either is enough. Live: as many retries at a time as the fraction of the requests under
// way, but never fewer than floor. Recent: the fraction of the requests of the last ten seconds; without it, a server
// that dies with a third of all requests would take most of them along, since they all come back at one moment.

import (
	"math"
	"sync"
	"sync/atomic"
	"time"

	"sluice/engine/lease"
)

const (
	// floor is how many retries there may always be at a time.
	floor = 3
	// memory is how far back "recent" goes. Older requests fade away exponentially.
	memory = 10 * time.Second
)

// Budget is what retries to one upstream may cost. All loops share it; while nothing fails, each only counts its requests,
// in a line of memory of its own.
type Budget struct {
	served  []tally // by loop
	running atomic.Int32
	refused atomic.Uint64
	granted atomic.Uint64

	mu       sync.Mutex // held for a few additions, when a retry is wanted
	at       int64      // when the following were true
	total    uint64     // requests since the beginning
	requests float64    // of late
	retries  float64    // of late
}

// tally is one loop's count of requests.
type tally struct {
	atomic.Uint64
	_ [56]byte
}

// NewBudget returns a budget for so many loops.
func NewBudget(loops int) *Budget { return &Budget{served: make([]tally, loops)} }

// Begin starts the budget's clock, which is the loops'; only the first call counts.
func (b *Budget) Begin(now int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.at == 0 {
		b.at = now
	}
}

// Serve counts a request of a loop.
func (b *Budget) Serve(loop int) { b.served[loop].Add(1) }

// Take asks for one more retry to u, at now on the loops' clock, when percent of the requests may be retried. Each one
// granted is owed a Done.
func (b *Budget) Take(u *lease.Upstream, now int64, percent int) bool {
	recent := b.recent(now, percent)
	for percent > 0 {
		n := b.running.Load()
		if n >= floor && !recent && int(n) >= (u.InUse()-int(n))*percent/100 {
			break
		}
		if b.running.CompareAndSwap(n, n+1) {
			b.granted.Add(1)
			b.mu.Lock()
			b.retries++
			b.mu.Unlock()
			return true
		}
	}
	b.refused.Add(1)
	return false
}

// recent reports whether one more retry is within the fraction of what was asked of late.
func (b *Budget) recent(now int64, percent int) bool {
	total := uint64(0)
	for i := range b.served {
		total += b.served[i].Load()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if dt := float64(now-b.at) / float64(memory); dt > 0 {
		left := math.Exp(-dt)
		// What came in evenly since the last look has faded by its own age.
		b.requests = b.requests*left + float64(total-min(total, b.total))*(1-left)/dt
		b.retries *= left
		b.at, b.total = now, total
	}
	return b.retries+1 <= b.requests*float64(percent)/100
}

// Done says that a retry is over: its answer has begun, or there will be none.
func (b *Budget) Done() { b.running.Add(-1) }

// Granted counts retries.
func (b *Budget) Granted() uint64 { return b.granted.Load() }

// Refused counts the retries that the budget did not allow.
func (b *Budget) Refused() uint64 { return b.refused.Load() }
