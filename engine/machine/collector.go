package machine

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync/atomic"

	"sluice/configs"
)

const (
	// heapFloor is how large the heap may become before the collector cares, in bytes. A proxy with little to remember
	// would otherwise collect at every few megabytes, which is a dozen times a second while handshakes leave their
	// garbage; and the collector's helpers take the loops' cores.
	heapFloor = 64 << 20
	// floorShare is the part of the memory budget that the floor takes at the most, in percent.
	floorShare = 12
	// usualGrowth is by how much the heap grows between two collections once it is above half the floor, in percent.
	usualGrowth = 100
)

// EaseCollector has the collector leave small heaps alone, from now on and until stop is called. It adjusts itself after each
// collection, before the heap has doubled again. Who has set GOGC to something else keeps that.
func EaseCollector(cfg *configs.Config) (stop func()) {
	if before := debug.SetGCPercent(usualGrowth); before != usualGrowth {
		debug.SetGCPercent(before)
		return func() {}
	}
	e := &easing{floor: min(heapFloor, memoryBudget(cfg)/100*floorShare), growth: usualGrowth}
	e.adjust()
	e.again()
	return func() { e.stopped.Store(true) }
}

// easing is what goes on from one collection to the next. Only the collector's own goroutine for such calls touches it.
type easing struct {
	floor   int64 // bytes
	growth  int   // percent, as it is set
	stopped atomic.Bool
}

// again has adjust called after the next collection: an object that nobody holds is found by it.
func (e *easing) again() {
	runtime.AddCleanup(new([16]byte), func(e *easing) {
		if !e.stopped.Load() {
			e.adjust()
			e.again()
		}
	}, e)
}

// adjust goes by what has survived the last collection. Setting the growth stops the world for a moment, so small
// differences are let be.
func (e *easing) adjust() {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	want := growth(int64(sample[0].Value.Uint64()), e.floor)
	if want == e.growth || want > usualGrowth && want > e.growth*3/4 && want < e.growth*4/3 {
		return
	}
	e.growth = want
	debug.SetGCPercent(want)
}

// growth is by how many percent a heap of which so much is live may grow.
func growth(live, floor int64) int {
	if live >= floor/2 {
		return usualGrowth
	}
	live = max(live, floor/32, 1)
	return int((floor - live) * 100 / live)
}
