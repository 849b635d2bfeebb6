package limit

import (
	"math/rand/v2"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func mustPanic(t *testing.T, what string, f func()) {
	t.Helper()
	defer func() {
		if recover() == nil {
			t.Errorf("%s does not panic", what)
		}
	}()
	f()
}

// together runs f on n goroutines at once and waits for them.
func together(n int, f func(worker int)) {
	var wg sync.WaitGroup
	for worker := range n {
		wg.Go(func() { f(worker) })
	}
	wg.Wait()
}

func TestSlots(t *testing.T) {
	s := NewSlots(2)
	if !s.Acquire() || !s.Acquire() || s.Acquire() || s.Used() != 2 {
		t.Fatalf("used %d of 2", s.Used())
	}
	s.SetMax(1) // a reload below what is in use
	s.Release()
	if s.Acquire() || s.Used() != 1 || s.Max() != 1 {
		t.Fatalf("used %d of 1", s.Used())
	}
	s.SetMax(0)
	for range 1000 {
		if !s.Acquire() {
			t.Fatal("refused without a limit")
		}
	}
	for range 1001 {
		s.Release()
	}
	mustPanic(t, "Release of nothing", s.Release)
	mustPanic(t, "a negative maximum", func() { NewSlots(-1) })
}

// TestSlotsExact holds the number of holders at the limit: it must be reached and never passed.
func TestSlotsExact(t *testing.T) {
	const limit, rounds = 3, 5000
	s := NewSlots(limit)
	var holders, peak atomic.Int64
	together(8, func(int) {
		for range rounds {
			if !s.Acquire() {
				continue
			}
			now := holders.Add(1)
			for old := peak.Load(); now > old && !peak.CompareAndSwap(old, now); old = peak.Load() {
			}
			holders.Add(-1)
			s.Release()
		}
	})
	if peak.Load() > limit || s.Used() != 0 {
		t.Fatalf("peak %d of %d, %d left", peak.Load(), limit, s.Used())
	}

	// Without releases, exactly the limit gets through.
	var got atomic.Int64
	together(8, func(int) {
		for range rounds {
			if s.Acquire() {
				got.Add(1)
			}
		}
	})
	if got.Load() != limit || s.Used() != limit {
		t.Fatalf("%d acquired, %d used, want %d", got.Load(), s.Used(), limit)
	}
}

func TestPerKey(t *testing.T) {
	p := NewPerKey[string](2)
	if !p.Acquire("a", 2) || !p.Acquire("a", 2) || p.Acquire("a", 2) || p.Used("a") != 2 {
		t.Fatal("limit per key")
	}
	if !p.Acquire("b", 0) || p.Acquire("c", 0) || p.Keys() != 2 {
		t.Fatal("limit of keys")
	}
	if !p.Acquire("b", 0) {
		t.Fatal("a full store refuses a key it knows")
	}
	p.Release("a")
	p.Release("a")
	if p.Used("a") != 0 || p.Keys() != 1 || !p.Acquire("c", 1) {
		t.Fatal("a released key still takes room")
	}
	mustPanic(t, "Release of an unknown key", func() { p.Release("a") })
	p.Release("c") // the panic left no lock behind
	p.Release("b")
	p.Release("b")
	for i := range p.shards {
		if len(p.shards[i].counts) != 0 {
			t.Fatal("an entry stayed")
		}
	}
	mustPanic(t, "a negative number of keys", func() { NewPerKey[int](-1) })
}

// TestPerKeyExact lets goroutines fight for few keys; acquired must equal the limits and releases must empty the store.
func TestPerKeyExact(t *testing.T) {
	const keys, perKey, maxKeys = 40, 5, 30
	p := NewPerKey[netip.Addr](maxKeys)
	addr := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}) }
	var got [keys]atomic.Int64
	together(8, func(int) {
		for i := range keys * 50 {
			if p.Acquire(addr(i%keys), perKey) {
				got[i%keys].Add(1)
			}
		}
	})
	present := 0
	for i := range got {
		n := got[i].Load()
		if n != 0 && n != perKey || p.Used(addr(i)) != n {
			t.Fatalf("key %d: %d acquired, %d used", i, n, p.Used(addr(i)))
		}
		if n != 0 {
			present++
		}
	}
	if present != maxKeys || p.Keys() != maxKeys {
		t.Fatalf("%d keys, %d counted, want %d", present, p.Keys(), maxKeys)
	}
	together(keys, func(i int) {
		for range got[i].Load() {
			p.Release(addr(i))
		}
	})
	together(8, func(worker int) { // come and go: the count of keys must survive the churn
		random := rand.New(rand.NewPCG(1, uint64(worker)))
		for range 5000 {
			if key := addr(random.IntN(keys)); p.Acquire(key, 2) {
				p.Release(key)
			}
		}
	})
	if p.Keys() != 0 {
		t.Fatalf("%d keys left", p.Keys())
	}
}

func TestRate(t *testing.T) {
	rate := NewRate(10, time.Second, 3)
	const step = int64(100 * time.Millisecond)
	var c Cell
	allow := func(now int64, want bool, wantAfter int64) {
		t.Helper()
		if ok, after := c.Allow(rate, now); ok != want || int64(after) != wantAfter {
			t.Fatalf("at %d: %v, %d, want %v, %d", now, ok, after, want, wantAfter)
		}
	}
	for range 3 {
		allow(0, true, 0)
	}
	allow(0, false, step)
	allow(step-1, false, 1)
	allow(step, true, 0)
	allow(step, false, step)
	allow(step-10, false, step+10) // another loop's clock is a little behind
	if c.Idle(4*step-1) || !c.Idle(4*step) {
		t.Fatal("idle at the wrong instant")
	}
	for range 3 {
		allow(100*step, true, 0) // a pause earns the burst, and no more
	}
	allow(100*step, false, step)

	if ok, after := c.Allow(Rate{}, 0); ok && after != 0 {
		t.Fatal("retryAfter with ok")
	}
	for range 1000 {
		if ok, _ := new(Cell).Allow(Rate{}, 0); !ok {
			t.Fatal("the zero rate refuses")
		}
	}
	mustPanic(t, "a rate of 0", func() { NewRate(0, time.Second, 1) })
	mustPanic(t, "a burst of 0", func() { NewRate(1, time.Second, 0) })
	mustPanic(t, "an endless burst", func() { NewRate(1, time.Hour, 1<<40) })
}

// TestRateModel compares with an independent bucket of drops in plain arithmetic: one drop is worth one nanosecond.
func TestRateModel(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 7))
	for range 200 {
		events, burst := 1+random.Int64N(1000), 1+random.Int64N(20)
		rate := NewRate(events, time.Second, burst)
		interval := (int64(time.Second) + events - 1) / events
		full := interval * burst
		var c Cell
		level, last, now := full, int64(0), int64(0)
		for range 500 {
			now += random.Int64N(2 * interval)
			level = min(full, level+now-last)
			last = now
			want := level >= interval
			ok, after := c.Allow(rate, now)
			if ok != want || !ok && int64(after) != interval-level {
				t.Fatalf("%d/s burst %d at %d: %v after %d, the model says %v with level %d", events, burst, now, ok, after, want, level)
			}
			if ok {
				level -= interval
			}
		}
	}
}

// TestRateExact asks from many goroutines at the same instants: each instant must let through exactly what it earned.
func TestRateExact(t *testing.T) {
	const burst, workers, asks = 50, 8, 200
	rate := NewRate(1000, time.Second, burst)
	var c Cell
	for step, want := range []int64{burst, 10, 10} {
		now := int64(step) * int64(10*time.Millisecond)
		var got atomic.Int64
		together(workers, func(int) {
			for range asks {
				if ok, _ := c.Allow(rate, now); ok {
					got.Add(1)
				}
			}
		})
		if got.Load() != want {
			t.Fatalf("step %d: %d allowed, want %d", step, got.Load(), want)
		}
	}
}

func TestNoAllocations(t *testing.T) {
	s, p, c, rate := NewSlots(1), NewPerKey[netip.Addr](0), new(Cell), NewRate(1, time.Second, 1)
	first, second := netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("192.0.2.1")
	p.Acquire(second, 0)
	now := int64(0)
	if n := testing.AllocsPerRun(1000, func() {
		s.Acquire()
		s.Release()
		p.Acquire(first, 1)
		p.Release(first)
		c.Allow(rate, now)
		now++
	}); n != 0 {
		t.Fatalf("%v allocations", n)
	}
}

func BenchmarkSlots(b *testing.B) {
	s := NewSlots(1 << 20)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			s.Acquire()
			s.Release()
		}
	})
}

func BenchmarkPerKey(b *testing.B) {
	p := NewPerKey[netip.Addr](0)
	var worker atomic.Uint32
	b.RunParallel(func(pb *testing.PB) {
		key := netip.AddrFrom4([4]byte{10, 0, 0, byte(worker.Add(1))})
		for pb.Next() {
			p.Acquire(key, 10)
			p.Release(key)
		}
	})
}

func BenchmarkCell(b *testing.B) {
	var c Cell
	rate := NewRate(1e6, time.Second, 100)
	now := int64(0)
	for b.Loop() {
		c.Allow(rate, now)
		now += 1000
	}
}
