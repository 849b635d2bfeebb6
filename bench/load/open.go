package load

import (
	"cmp"
	"math"
	"math/rand/v2"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"sluice/bench/meter"
)

// The open loop: when a request is due does not depend on the answers before it,
// as it does not for users who know nothing of each other. Latency counts from
// the time at which the request was due, so a proxy that stalls pays for all that
// should have been sent meanwhile ("coordinated omission" is leaving that out).
//
// The intervals are exponentially distributed, the arrivals a Poisson process,
// from a fixed seed: all proxies get the same sequence. Or they are all the same.

const (
	// never is later than any request.
	never = math.MaxInt64
	// gapCount is after how many requests the sequence repeats: seconds.
	gapCount = 1 << 16
	// afterWindow keeps the schedule going beyond the window, so that the requests
	// at its end do not suffer from the sampling of the clocks.
	afterWindow = 20 * time.Millisecond
)

// schedule is when requests are due.
type schedule struct {
	gaps []int64
	i    int
	next int64 // when the next request is due; never before the start and after the end
	end  int64 // no request is due from here on
	lag  *hdrhistogram.Histogram
	sent int64
}

func newSchedule(rate float64, arrivals Arrivals, now int64) schedule {
	s := schedule{gaps: make([]int64, gapCount), next: now, end: never, lag: newHistogram()}
	random := rand.New(rand.NewPCG(1, 2))
	// Rounded times, not rounded gaps: a rate of 300,000 leaves a third of a
	// nanosecond, which would add up.
	at, last := 0.0, int64(0)
	for i := range s.gaps {
		gap := 1 / rate
		if arrivals != Constant {
			gap *= random.ExpFloat64()
		}
		at += gap * float64(time.Second)
		s.gaps[i] = int64(at) - last
		last = int64(at)
	}
	return s
}

// advance moves on to the next request.
func (s *schedule) advance() {
	s.next += s.gaps[s.i]
	s.i = (s.i + 1) % len(s.gaps)
	if s.next >= s.end {
		s.next = never
	}
}

// stop lets nothing be due from a time on; what was due before stays so.
func (s *schedule) stop(end int64) {
	s.end = end
	if s.next >= end {
		s.next = never
	}
}

// sendDue sends what is due as long as there are connections for it. What stays
// behind for want of one is not the generator's delay but the proxy's: the lag
// counts from when a connection was there.
func (g *generator) sendDue() {
	for g.now >= g.plan.next {
		slot, ok := g.free.take()
		if !ok {
			return
		}
		c := &g.conns[slot]
		c.listed = false
		if c.fd < 0 || c.pending > 0 {
			continue // it failed while it was free
		}
		due := g.plan.next
		g.clock()
		if due >= g.from && due < g.until {
			g.plan.sent++
			_ = g.plan.lag.RecordValue(max(g.now-max(due, c.freed), histMin))
		}
		g.plan.advance()
		g.send(c, 1, due)
	}
}

// lend lists a connection as free. One that failed and was dialed again may be
// on the list still.
func (g *generator) lend(slot int32) {
	c := &g.conns[slot]
	c.freed = g.now
	if !c.listed {
		c.listed = true
		g.free.put(slot)
	}
}

// open runs the schedule: warm-up, window, and until all are answered that were
// due in the window.
func (g *generator) open() (*Result, error) {
	g.free = newRing(len(g.conns))
	g.from, g.until = never, never
	if err := g.fill(); err != nil {
		return nil, err
	}
	g.plan = newSchedule(g.opt.Rate, g.opt.Arrivals, g.clock())
	if err := g.runFor(g.opt.Warm); err != nil {
		return nil, err
	}
	first, err := g.openWindow(meter.Quick)
	if err != nil {
		return nil, err
	}
	g.from = g.clock()
	g.until = g.from + int64(g.opt.Window)
	if err := g.runWindow(g.opt.Window + afterWindow); err != nil {
		return nil, err
	}
	last, err := g.closeWindow(meter.Quick)
	if err != nil {
		return nil, err
	}
	r := g.result(first, last)
	if err := g.drain(); err != nil {
		return nil, err
	}
	g.describe(r)
	r.Schedule = &Schedule{Rate: g.opt.Rate, Arrivals: cmp.Or(g.opt.Arrivals, Poisson), Sent: g.plan.sent, Lag: summarize(g.plan.lag)}
	return r, r.empty()
}

// drain sends and awaits what was due in the window, for as long as an answer may
// take; what is left then is an error each.
func (g *generator) drain() error {
	g.plan.stop(g.until)
	for patience := g.clock() + int64(answerTimeout); g.plan.next != never || g.pending > 0; {
		if g.now >= patience {
			break
		}
		if err := g.turn(); err != nil {
			return err
		}
	}
	for ; g.plan.next != never; g.plan.advance() {
		g.blame(kindUnsent, 1)
	}
	return nil
}

// ring is a queue of connections, first in, first out, so that all take turns.
type ring struct {
	slots       []int32
	first, size int
}

func newRing(size int) ring { return ring{slots: make([]int32, size)} }

func (r *ring) empty() bool { return r.size == 0 }

func (r *ring) put(slot int32) {
	if r.size == len(r.slots) {
		panic("load: more free connections than connections")
	}
	r.slots[(r.first+r.size)%len(r.slots)] = slot
	r.size++
}

func (r *ring) take() (slot int32, ok bool) {
	if r.size == 0 {
		return 0, false
	}
	slot = r.slots[r.first]
	r.first = (r.first + 1) % len(r.slots)
	r.size--
	return slot, true
}
