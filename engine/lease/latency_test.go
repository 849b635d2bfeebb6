package lease

import (
	"sync"
	"testing"
)

func TestLatency(t *testing.T) {
	b := &Backend{}
	for i, step := range []struct {
		sample, want int64
		why          string
	}{
		{1600, 1600, "the first sample is the average"},
		{1600, 1600, "more of the same"},
		{5600, 2600, "up by a quarter of the difference"},
		{1000, 2500, "down by a sixteenth"},
		{2500, 2500, "the average itself"},
	} {
		if b.Observe(step.sample); b.Latency() != step.want {
			t.Errorf("sample %d: average %d, want %d: %s", i, b.Latency(), step.want, step.why)
		}
	}
	if b.Forget(); b.Latency() != 0 {
		t.Errorf("after Forget: %d", b.Latency())
	}
	for _, odd := range []int64{0, -5} {
		if b.Forget(); b.Latency() != 0 {
			t.Error("Forget forgets nothing")
		}
		if b.Observe(odd); b.Latency() != 1 {
			t.Errorf("a sample of %d counts as %d, want 1", odd, b.Latency())
		}
	}
}

// TestLatencyPeak: four bad samples carry most of a change for the worse; the
// way back takes some dozens.
func TestLatencyPeak(t *testing.T) {
	b := &Backend{}
	count := func(sample int64, done func() bool) (n int) {
		for !done() {
			b.Observe(sample)
			n++
		}
		return n
	}
	b.Observe(1e6)
	if n := count(50e6, func() bool { return b.Latency() > 30e6 }); n > 4 {
		t.Errorf("%d samples until a slow server is known", n)
	}
	if n := count(1e6, func() bool { return b.Latency() < 2e6 }); n < 30 || n > 80 {
		t.Errorf("%d samples until a recovered one is", n)
	}
}

func TestLatencyDecay(t *testing.T) {
	b := &Backend{}
	b.Decay()
	if b.Latency() != 0 {
		t.Error("nothing decays to something")
	}
	b.Observe(8000)
	for i, want := range []int64{8000, 8000, 4000, 2000} {
		if b.Decay(); b.Latency() != want {
			t.Errorf("Decay %d: %d, want %d", i, b.Latency(), want)
		}
	}
	b.Observe(2000)
	if b.Decay(); b.Latency() != 2000 {
		t.Error("an average with a recent sample decays")
	}
	for range 20 {
		b.Decay()
	}
	if b.Latency() != 0 {
		t.Errorf("an average of long ago is still %d", b.Latency())
	}
}

// TestLatencyRaces: loops and the decay may lose each other's words, but what
// they leave is an average of what was there.
func TestLatencyRaces(t *testing.T) {
	b := &Backend{}
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for i := range int64(20_000) {
				b.Observe(1000 + i%2*1000)
			}
		})
	}
	wg.Go(func() {
		for range 1000 {
			b.Decay()
		}
	})
	wg.Wait()
	for range int64(20) {
		b.Observe(2000)
	}
	if n := b.Latency(); n < 1000 || n > 2000 {
		t.Errorf("average %d of samples between 1000 and 2000", n)
	}
}
