package sim

import (
	"flag"
	"fmt"
	"sync"
	"testing"

	"sluice/internal/assert"
)

var (
	oneSeed = flag.Uint64("seed", 0, "play this seed only, with a full trace")
	seeds   = flag.Uint64("seeds", 0, "how many seeds to play; 0 means the usual number")
)

// usualSeeds is how many seeds a test plays: the race detector makes each ten times as dear.
func usualSeeds() uint64 {
	switch {
	case *seeds > 0:
		return *seeds
	case assert.RaceEnabled:
		return 2_000
	}
	return 10_000
}

// players is how many worlds are played at once. Each is one goroutine; they share nothing.
const players = 2

// TestSeeds plays worlds until one goes wrong, and demands that all of them together were interesting.
func TestSeeds(t *testing.T) {
	if *oneSeed > 0 {
		report(t, *oneSeed, newWorld(*oneSeed, true).Run())
		return
	}
	var total Coverage
	var mu sync.Mutex
	playAll(usualSeeds(), func(seed uint64) {
		w := newWorld(seed, false)
		faults := w.Run()
		mu.Lock()
		defer mu.Unlock()
		report(t, seed, faults)
		total.add(&w.cover)
	})
	if testing.Verbose() {
		fmt.Print(&total)
	}
	for _, missing := range total.missing(3) {
		t.Errorf("the seeds test too little: %s", missing)
	}
}

// TestCheckers plants faults: the checkers must see each kind of them in some worlds.
func TestCheckers(t *testing.T) {
	for kind := plantNone + 1; kind < plants; kind++ {
		t.Run(plantNames[kind], func(t *testing.T) {
			caught, worlds := 0, 0
			for seed := uint64(1); caught < 3; seed++ {
				if worlds++; worlds > 3_000 {
					t.Fatalf("noticed in %d of %d worlds only", caught, worlds)
				}
				w := newWorld(seed, false)
				w.plant = plant{kind: kind, strike: 1 + int(seed)%10}
				if faults := w.Run(); len(faults) > 0 {
					caught++
					t.Logf("seed %d: %s", seed, faults[0])
				}
			}
		})
	}
}

// plantNames names the kinds in the test's output.
var plantNames = [plants]string{"none", "swallowed byte", "changed byte", "early end", "forgotten edge", "leaked descriptor", "hurried turn"}

// TestReplay plays a world twice: a seed that fails must fail again.
func TestReplay(t *testing.T) {
	for seed := range uint64(20) {
		a, b := newWorld(seed, false), newWorld(seed, false)
		a.Run()
		b.Run()
		assert.Equal(t, a.cover, b.cover)
		assert.Equal(t, a.now, b.now)
		assert.Equal(t, a.stats, b.stats)
	}
}

// newWorld is a world some seeds of which run without the relay.
func newWorld(seed uint64, traced bool) *World {
	w := New(seed, traced)
	w.pairRig = newPairRig
	return w
}

// report says what went wrong in a seed, and how to see it again.
func report(t *testing.T, seed uint64, faults []string) {
	for _, fault := range faults {
		t.Errorf("seed %d: %s", seed, fault)
	}
	if len(faults) > 0 {
		t.Errorf("replay: go test ./internal/sim -run TestSeeds -seed=%d -v", seed)
	}
}

// playAll runs do for seeds 1 to n.
func playAll(n uint64, do func(seed uint64)) {
	var wait sync.WaitGroup
	for player := range uint64(players) {
		wait.Go(func() {
			for seed := 1 + player; seed <= n; seed += players {
				do(seed)
			}
		})
	}
	wait.Wait()
}
