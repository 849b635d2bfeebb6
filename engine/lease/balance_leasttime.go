// least_time picks the member that should answer first: the lowest product of
// average latency and connections in use, this one included. It looks at all
// members if they are few, else at eight drawn by weight, of which one will be
// among the fastest third in 96 % of the picks.
//
// Only the connections in use are divided by weight, not the new one: a heavier
// server takes more at once but answers a single request no sooner. So while
// nothing is in use latency alone decides, and where that is equal, the weights.
//
// An average that is stale is a guess, and one that was never made is another;
// a guess counts no less than the fastest measured one. A newcomer, or a server
// that was slow a while ago, is thus tried as if it were the best, and not as if
// it were a thousand times better, until its first answer.

package lease

import (
	"math"
	"math/rand/v2"

	"sluice/engine/key"
)

const (
	// looks is how many members a pick compares.
	looks = 8
	// latencyFloor, in nanoseconds: below it the kernel's and the network's
	// moods are larger than the differences between servers.
	latencyFloor = 100_000
)

type leastTime struct {
	random
	meanWeight float64
}

func planLeastTime(t tier, _ SetOptions) plan {
	sum := 0
	for _, w := range t.weights() {
		sum += w
	}
	l := &leastTime{newRandom(t), float64(sum) / float64(len(t))}
	return func(*rand.PCG) Balancer { return l }
}

func (l *leastTime) Pick(q *Query) *Backend {
	var room [looks]*member
	among := l.look(room[:0], q)
	if len(among) == 0 {
		return nil
	}
	guess := fastest(among)
	best, least, tied := among[0], math.Inf(1), 0
	for _, m := range among {
		switch t := l.expected(m, guess); {
		case t < least:
			best, least, tied = m, t, int(m.weight)
		case t == least && len(l.tier) <= looks: // the first of drawn ones has come by weight
			if tied += int(m.weight); key.Below(q.rng.Uint64(), tied) < int(m.weight) {
				best = m
			}
		}
	}
	return best.backend
}

// look collects usable members to compare.
func (l *leastTime) look(among []*member, q *Query) []*member {
	if len(l.tier) <= looks {
		for i := range l.tier {
			if m := &l.tier[i]; m.usable(q) {
				among = append(among, m)
			}
		}
		return among
	}
	for range looks {
		i := l.draw(-1, q)
		if i < 0 {
			break
		}
		among = append(among, &l.tier[i])
	}
	return among
}

// expected is how long m's answer will take, in nanoseconds, were it to serve
// its connections one after the other.
func (l *leastTime) expected(m *member, guess int64) float64 {
	average, fresh := m.live.latency.Load()
	if !fresh {
		average = max(average, guess)
	}
	inUse, share := m.load()
	return float64(max(average, latencyFloor)) * (float64(inUse)/float64(share)*l.meanWeight + 1)
}

// fastest returns the lowest average of those measured lately, or else of those
// ever measured; 0 if there are none.
func fastest(among []*member) int64 {
	measured, ever := int64(math.MaxInt64), int64(math.MaxInt64)
	for _, m := range among {
		average, fresh := m.live.latency.Load()
		if fresh {
			measured = min(measured, average)
		} else if average > 0 {
			ever = min(ever, average)
		}
	}
	switch {
	case measured < math.MaxInt64:
		return measured
	case ever < math.MaxInt64:
		return ever
	default:
		return 0
	}
}
