// The average latency of a server, for policies that go by it: a moving average
// that believes bad news at once and good news slowly, because a server that has
// become slow costs more than one that has recovered and is not yet asked.
//
//	samples  10  10  90  10  10  ms
//	average  10  10  30  29  28  ms
//
// One word holds the average and its age, so a sample is a load and a store.
// Loops that do so at the same moment lose one of the samples, which is no harm:
// there will be others.

package stat

import "sync/atomic"

const (
	// riseShift: a sample above the average raises it by a quarter of the
	// difference, so that four of them carry most of a change but one outlier
	// does not make an outcast of a good server.
	riseShift = 2
	// fallShift: one below lowers it by a sixteenth. Where times vary the average
	// settles above their mean: at 1.6 times, if they vary exponentially.
	fallShift = 4
	// ageBits hold how many Decays the last sample stays fresh. Were it one, all
	// servers would be stale for a moment after each.
	ageBits  = 2
	freshAge = 2
	ageMask  = 1<<ageBits - 1
)

// Latency is such an average; the zero value has none. It may be used by several loops.
//
// The word is nanoseconds << ageBits | age, 0 without samples.
type Latency struct{ word atomic.Uint64 }

// Observe takes in one sample; one below 1 ns counts as 1.
func (l *Latency) Observe(nanoseconds int64) {
	sample := max(nanoseconds, 1)
	average := int64(l.word.Load() >> ageBits)
	switch {
	case average == 0:
		average = sample
	case sample > average:
		average += (sample - average) >> riseShift
	default:
		average -= (average - sample) >> fallShift
	}
	l.word.Store(uint64(average)<<ageBits | freshAge)
}

// Load returns the average in nanoseconds, and whether it is a recent one.
func (l *Latency) Load() (nanoseconds int64, fresh bool) {
	word := l.word.Load()
	return int64(word >> ageBits), word&ageMask != 0
}

// Decay ages the average. A stale one is halved; should a sample arrive in
// between, it counts instead.
func (l *Latency) Decay() {
	word := l.word.Load()
	if word&ageMask != 0 {
		l.word.CompareAndSwap(word, word-1)
	} else if word != 0 {
		l.word.CompareAndSwap(word, word>>(ageBits+1)<<ageBits)
	}
}

// Forget drops the average.
func (l *Latency) Forget() { l.word.Store(0) }
