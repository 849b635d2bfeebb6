package machine

import (
	"runtime"
	"runtime/debug"
	"testing"

	"sluice/configs"
	"sluice/internal/assert"
)

func TestGrowthOfSmallHeaps(t *testing.T) {
	const floor = 64 << 20
	for _, c := range []struct {
		live int64
		want int
	}{
		{0, 3100}, // nothing is taken for as little as it is: the next collection may be of another heap
		{floor / 32, 3100},
		{floor / 8, 700}, // to the floor
		{floor / 4, 300}, // likewise
		{floor / 2, 100}, // from here on as usual
		{floor * 16, 100},
	} {
		assert.Equal(t, growth(c.live, floor), c.want)
	}
	assert.Equal(t, growth(0, 0), usualGrowth)
}

// TestCollectorIsEased makes garbage of half the floor, which is a dozen collections without it.
func TestCollectorIsEased(t *testing.T) {
	collections := func() uint32 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		before := m.NumGC
		for range heapFloor / 2 / 4096 {
			garbage = make([]byte, 4096)
		}
		runtime.ReadMemStats(&m)
		return m.NumGC - before
	}
	usual := debug.SetGCPercent(usualGrowth)
	defer debug.SetGCPercent(usual)
	stop := EaseCollector(&configs.Config{Runtime: configs.Runtime{Memory: 1 << 30}})
	defer stop()
	if eased := collections(); eased > 1 {
		t.Errorf("%d collections below the floor", eased)
	}
	debug.SetGCPercent(50)
	defer EaseCollector(&configs.Config{})()
	assert.Equal(t, debug.SetGCPercent(50), 50) // who has asked for something else keeps it
}

var garbage []byte
