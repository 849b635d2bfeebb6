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

// Budget is what retries to one upstream may cost. All loops share it; nothing is counted for it while nothing fails.
type Budget struct {
	running atomic.Int32
	refused atomic.Uint64
	granted atomic.Uint64

	mu       sync.Mutex // held for a few additions, when a retry is wanted
	at       int64      // when the following were true
	picks    uint64     // of the upstream, since the beginning
	requests float64    // of late
	retries  float64    // of late
}

// Begin starts the budget's clock, which is the loops'; only the first call counts.
func (b *Budget) Begin(now int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.at == 0 {
		b.at = now
	}
}

// Take asks for one more retry to u, at now on the loops' clock, when percent of the requests may be retried. Each one
// granted is owed a Done.
func (b *Budget) Take(u *lease.Upstream, now int64, percent int) bool {
	live, picks := u.Load()
	recent := b.recent(now, picks, percent)
	most := max(floor, (live-int(b.running.Load()))*percent/100)
	for percent > 0 {
		n := b.running.Load()
		if int(n) >= most && !recent {
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
func (b *Budget) recent(now int64, picks uint64, percent int) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if dt := float64(now-b.at) / float64(memory); dt > 0 {
		left := math.Exp(-dt)
		fresh := float64(picks - min(picks, b.picks))
		// What came in evenly since the last look has faded by its own age.
		b.requests = b.requests*left + fresh*(1-left)/dt
		b.retries *= left
		b.at, b.picks = now, picks
	}
	// The picks that are retries are not what they are measured by.
	return b.retries+1 <= (b.requests-b.retries)*float64(percent)/100
}

// Done says that a retry is over.
func (b *Budget) Done() { b.running.Add(-1) }

// Granted counts retries, Refused those that were wanted and not granted.
func (b *Budget) Granted() uint64 { return b.granted.Load() }

// Refused counts the retries that the budget did not allow.
func (b *Budget) Refused() uint64 { return b.refused.Load() }
