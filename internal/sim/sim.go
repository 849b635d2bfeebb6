// Package sim runs the real loop, flow, sock, lease and what stands on them in one goroutine, on a simulated kernel that
// is as unkind as a real one may be.
//
// Everything comes from one seed: who connects, what they send, how the network tears it, when time passes. Clients
// and origins are played by the world itself; between them stands the code under test, behind its three seams:
//
//	client ── end ══ end ──┐ loop.Poller (poller.go)         ┌── end ══ end ── origin
//	  (actor.go)           ├ sock.Sys    (kernel.go) ── rig ─┤            (actor.go)
//	                       └ pool.Opener (pipe.go)           └
//
// The kernel keeps the promises of Linux and no more: edge-triggered events are hints, merged, repeated and
// reordered; descriptors are reused lowest first; a reset destroys what was not sent. When the world has come to
// rest, checkers compare what arrived with what was sent, and look for anything left behind (check.go, *_judge_test.go).
package sim

import (
	"fmt"
	"math/rand/v2"
	"syscall"
	"time"

	"sluice/engine/loop"
	"sluice/engine/stat"
	"sluice/internal/sim/agenda"
)

// Bounds of one run. They are far above what any seed needs: whoever meets one is stuck or spinning.
const (
	virtualMax  = int64(30 * time.Minute)
	batchesMax  = 200_000
	fruitless   = 40 // batches in a row in which nothing moved, nothing was learnt and no time passed
	faultsShown = 8
)

// World is one run: a kernel, a network, actors, and the code under test among them.
type World struct {
	seed  uint64
	rng   *rand.Rand
	plan  plan
	plant plant // a planted fault, for the test of the checkers

	secure bool // clients come by TLS
	backs  bool // and some servers have it
	office office

	now    int64
	start  int64
	agenda agenda.Agenda
	poller poller
	files  files
	loop   *loop.Loop
	stats  stat.Block
	rig    rig

	play play // what the world is about

	listener *listener
	servers  []*server
	actors   []*actor
	streams  []*stream

	cover    Coverage
	progress bool // something moved since the last batch
	stuck    int  // batches since
	batches  int
	stopping bool
	faults   []string
	tracing  bool
	scratch  [readMax]byte // what actors read into
}

// New returns the world of a seed, which is ready to run once it has a play. Traced worlds print what happens.
func New(seed uint64, traced bool) *World {
	w := &World{seed: seed, rng: rand.New(rand.NewPCG(seed, 0x5EED)), tracing: traced}
	w.now = int64(time.Hour) + w.rng.Int64N(int64(time.Hour)) // zero is no time to start at: code may take it for "never"
	return w
}

// Run plays the world to its end and returns what was found wrong.
func (w *World) Run() []string {
	w.start = w.now
	w.plan = w.play.draw()
	if w.secure {
		w.drawTLS()
	}
	w.trace("plan %+v", w.plan)
	w.poller.init(w)
	w.files.init(w)
	w.loop = loop.New(loop.Config{Poller: &w.poller, Stats: &w.stats, Report: w.panicked})
	w.office.init(w)
	w.rig = w.play.build()
	w.begin()
	if err := w.loop.Run(); err != nil {
		w.fault("the loop ended in an error: %v", err)
	}
	w.office.close()
	w.check()
	return w.faults
}

func (w *World) panicked(value any, stack []byte) {
	w.fault("panic: %v\n%s", value, stack)
}

// fault notes something wrong. The run goes on, but ends soon.
func (w *World) fault(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	w.trace("FAULT %s", text)
	if len(w.faults) < faultsShown {
		w.faults = append(w.faults, text)
	}
}

func (w *World) trace(format string, args ...any) {
	if w.tracing {
		fmt.Printf("%12.6f  %s\n", float64(w.now)/1e9, fmt.Sprintf(format, args...))
	}
}

// chance is true in percent of the cases.
func (w *World) chance(percent int) bool { return w.rng.IntN(100) < percent }

// between returns a number from low to high, both included.
func (w *World) between(low, high int) int { return low + w.rng.IntN(high-low+1) }

// scale returns a number from low to high, small ones as likely as large ones.
func (w *World) scale(low, high int) int {
	n := low
	for n < high && w.chance(70) {
		n = min(2*n+w.rng.IntN(low+1), high)
	}
	return n
}

// delay draws a duration up to most, mostly far below.
func (w *World) delay(most time.Duration) int64 {
	switch w.rng.IntN(4) {
	case 0:
		return w.rng.Int64N(int64(most) + 1)
	case 1:
		return w.rng.Int64N(int64(most)/10 + 1)
	}
	return w.rng.Int64N(int64(most)/200 + 1)
}

// errName prints an error number in traces.
func errName(err syscall.Errno) string {
	if err == 0 {
		return "ok"
	}
	return err.Error()
}
