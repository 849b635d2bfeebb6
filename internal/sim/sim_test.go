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
	oneKind = flag.String("kind", "", "play this kind of seeds only: tcp, http, tcp+tls or http+tls")
	seeds   = flag.Uint64("seeds", 0, "how many seeds of each kind to play; 0 means the usual number")
)

// usualSeeds is how many seeds of a kind a test plays: the race detector makes each ten times as dear.
func (k *kind) usualSeeds() uint64 {
	switch {
	case *seeds > 0:
		return *seeds
	case k.fewer && assert.RaceEnabled:
		return 100
	case k.fewer:
		return 450
	case assert.RaceEnabled:
		return 1_500
	}
	return 8_000
}

// coverSeeds is how many seeds must have been about everything.
const coverSeeds = 400

// players is how many worlds are played at once. Each is one goroutine; they share nothing.
const players = 2

// kind is what the seeds of a kind have in common: which worlds they make, and what these must have been about.
type kind struct {
	name    string
	fewer   bool // handshakes are dear
	world   func(seed uint64, traced bool) *World
	missing func(c *Coverage, least int) []string
	plants  []plantKind // what can go wrong in them; hurry needs connections that come and go fast, as tunnels do
}

var kinds = []kind{
	{"tcp", false, newWorld, (*Coverage).missing,
		[]plantKind{plantSwallow, plantCorrupt, plantEarlyEnd, plantForgetful, plantLeak, plantHurried, plantHoard}},
	{"http", false, newWebWorld, (*Coverage).missingOfWeb,
		[]plantKind{plantSwallow, plantCorrupt, plantEarlyEnd, plantForgetful, plantLeak, plantLostField, plantReuse, plantGentle, plantResend, plantHoard}},
	{"tcp+tls", true, newSecureWorld, (*Coverage).missingOfSecure, []plantKind{plantSwallow, plantEarlyEnd, plantForgetful, plantLeak}},
	{"http+tls", true, newSecureWebWorld, (*Coverage).missingOfSecure, []plantKind{plantSwallow, plantForgetful, plantLeak}},
}

// TestSeeds plays worlds of every kind until one goes wrong, and demands that all of them together were interesting.
func TestSeeds(t *testing.T) {
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			switch {
			case *oneKind != "" && *oneKind != k.name:
				t.Skipf("only -kind=%s is asked for", *oneKind)
			case *oneSeed > 0:
				k.report(t, *oneSeed, k.world(*oneSeed, true).Run())
			default:
				k.playAll(t)
			}
		})
	}
}

// playAll plays the usual seeds of a kind.
func (k *kind) playAll(t *testing.T) {
	var total Coverage
	var mu sync.Mutex
	spread(k.usualSeeds(), func(seed uint64) {
		w := k.world(seed, false)
		faults := w.Run()
		mu.Lock()
		defer mu.Unlock()
		k.report(t, seed, faults)
		total.add(&w.cover)
	})
	if testing.Verbose() {
		fmt.Print(&total)
	}
	if k.usualSeeds() < coverSeeds {
		return
	}
	least := 3
	if k.usualSeeds() < 8_000 {
		least = 1 // the rarest endings come about in one seed of some hundreds
	}
	for _, missing := range k.missing(&total, least) {
		t.Errorf("the seeds test too little: %s", missing)
	}
}

// TestCheckers plants faults: the checkers must see each kind of them in some worlds of each kind that it can strike.
func TestCheckers(t *testing.T) {
	for _, k := range kinds {
		for _, fault := range k.plants {
			t.Run(k.name+"/"+plantNames[fault], func(t *testing.T) { k.mustNotice(t, fault) })
		}
	}
}

// mustNotice plays worlds with a planted fault until some have noticed it.
func (k *kind) mustNotice(t *testing.T, fault plantKind) {
	caught, worlds := 0, 0
	for seed := uint64(1); caught < 3; seed++ {
		if worlds++; worlds > 3_000 {
			t.Fatalf("noticed in %d of %d worlds only", caught, worlds)
		}
		w := k.world(seed, false)
		w.plant = plant{kind: fault, strike: 1 + int(seed)%10}
		if faults := w.Run(); len(faults) > 0 {
			caught++
			t.Logf("seed %d: %s", seed, faults[0])
		}
	}
}

// plantNames names the kinds in the test's output.
var plantNames = [plants]string{
	"none", "swallowed byte", "changed byte", "early end", "forgotten edge", "leaked descriptor", "hurried turn",
	"lost field", "reuse in any case", "end instead of a reset", "sent again in any case", "place taken past the door",
}

// TestReplay plays worlds twice: a seed that fails must fail again.
func TestReplay(t *testing.T) {
	for _, k := range kinds {
		for seed := range uint64(20) {
			a, b := k.world(seed, false), k.world(seed, false)
			a.Run()
			b.Run()
			assert.Equal(t, a.cover, b.cover)
			assert.Equal(t, a.now, b.now)
			assert.Equal(t, a.stats, b.stats)
		}
	}
}

// newWorld is a world of tunnels.
func newWorld(seed uint64, traced bool) *World {
	w := New(seed, traced)
	w.play = tunnels{w}
	return w
}

// report says what went wrong in a seed, and how to see it again.
func (k *kind) report(t *testing.T, seed uint64, faults []string) {
	for _, fault := range faults {
		t.Errorf("seed %d: %s", seed, fault)
	}
	if len(faults) > 0 {
		t.Errorf("replay: go test ./internal/sim -run TestSeeds -kind=%s -seed=%d -v", k.name, seed)
	}
}

// spread runs do for seeds 1 to n.
func spread(n uint64, do func(seed uint64)) {
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
