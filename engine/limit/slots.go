// Package limit holds the cells in which limits are counted: slots shared by all loops, counts per key, and a rate cell.
//
// A cell knows numbers, not connections: who asks, when to ask again and what to answer a refused client is the caller's business. All of
// them are exact, also when several loops ask at the same instant, because a limit that is nearly kept cannot be relied upon:
//
//	if !slots.Acquire() {
//		return // full: leave the connection in the backlog
//	}
//	defer slots.Release()
//
// Time is an argument. Nothing here blocks, except that PerKey's shards have a mutex for a map operation.
package limit

import (
	"sync/atomic"

	"golang.org/x/sys/cpu"
)

// Slots counts how many of something are in use at once over all loops, up to a maximum that may change while it is in use. The zero value
// has no maximum and still counts. It must not be copied after first use.
type Slots struct {
	_    cpu.CacheLinePad // a neighbour's writes must not slow down this counter, nor this one's its neighbours
	used atomic.Int64
	max  atomic.Int64 // 0 = no limit; shares used's line, since both are read together
	_    cpu.CacheLinePad
}

// NewSlots returns a counter of at most limit slots in use; 0 means no limit. A negative limit panics.
func NewSlots(limit int64) *Slots {
	s := new(Slots)
	s.SetMax(limit)
	return s
}

// SetMax changes the maximum, as a reload does. Slots above a lower maximum stay in use until they are released; new ones are refused
// meanwhile. A negative limit panics.
func (s *Slots) SetMax(limit int64) {
	if limit < 0 {
		panic("limit: negative maximum of slots")
	}
	s.max.Store(limit)
}

// Acquire takes a slot and tells whether there was one. It compares and swaps, because adding first and taking back on overflow would let
// two callers refuse each other at the last free slot.
func (s *Slots) Acquire() bool {
	for {
		used, limit := s.used.Load(), s.max.Load()
		if limit != 0 && used >= limit {
			return false
		}
		if s.used.CompareAndSwap(used, used+1) {
			return true
		}
	}
}

// Release gives a slot back. Each Acquire that returned true is followed by exactly one Release, on any loop; one too many panics, because
// a counter that drifted would admit more than the limit for ever.
func (s *Slots) Release() {
	if s.used.Add(-1) < 0 {
		panic("limit: more slots released than acquired")
	}
}

// Used returns the number of slots in use at this moment.
func (s *Slots) Used() int64 { return s.used.Load() }

// Max returns the maximum; 0 means no limit.
func (s *Slots) Max() int64 { return s.max.Load() }
