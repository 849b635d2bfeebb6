package health

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sluice/configs"
	"sluice/internal/assert"
)

// more stretches an interval by its greatest jitter.
func more(d time.Duration) time.Duration { return time.Duration(float64(d) * (1 + jitter)) }

// The promise of the package, from many points of the schedule: what hangs is out within every + fall × (fast + timeout), what is back is
// in within rise × every.
func TestBounds(t *testing.T) {
	t.Parallel()
	second := time.Second
	for _, check := range []*configs.Check{
		defaults(),
		{Every: second, Fast: second / 5, Timeout: second * 9 / 10, Fall: 1, Rise: 1},
		{Every: 2 * second, Fast: 2 * second, Timeout: second, Fall: 2, Rise: 3},
		{Every: 10 * second, Fast: second / 2, Timeout: 3 * second, Fall: 5, Rise: 2},
	} {
		for _, chance := range []func() float64{rand.Float64, func() float64 { return 0 }, func() float64 { return 0.999 }} {
			for trial := range 40 {
				synctest.Test(t, func(t *testing.T) { boundsHold(t, check, chance, float64(trial)/40) })
			}
		}
	}
}

// boundsHold breaks and mends a server a part of an interval after its checks have begun.
func boundsHold(t *testing.T, check *configs.Check, chance func() float64, part float64) {
	w := newWorld()
	m := w.monitor(check)
	m.random = chance
	defer m.Close()
	m.Watch([]Target{tcp("a")})
	time.Sleep(check.Every + time.Duration(part*float64(check.Every)))
	broken := time.Now()
	w.set("a", hangs)
	out := w.awaitEvent(t, 0)
	bound := more(check.Every) + time.Duration(check.Fall)*(more(check.Fast)+check.Timeout)
	if took := out.at.Sub(broken); took > bound || out.Up || out.After != check.Fall {
		t.Errorf("%+v: %+v after %v, at most %v", check, out.Event, took, bound)
	}
	time.Sleep(check.Every + time.Duration(part*float64(check.Every)))
	mended := time.Now()
	w.set("a", well)
	back := w.awaitEvent(t, 1)
	bound = time.Duration(check.Rise) * more(check.Every)
	if took := back.at.Sub(mended); took > bound || !back.Up || back.After != check.Rise {
		t.Errorf("%+v: %+v after %v, at most %v", check, back.Event, took, bound)
	}
	_, most := w.load()
	assert.Equal(t, most, 1)
}

func TestIntervals(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		m := w.monitor(defaults())
		defer m.Close()
		m.Watch([]Target{tcp("a")})
		time.Sleep(time.Hour)
		w.set("a", refuses)
		w.awaitEvent(t, 0)
		synctest.Wait()
		starts := w.checks("a")
		last := len(starts) - 1
		var shortest, longest time.Duration = time.Hour, 0
		for i := range last - 2 { // the last two were made while falling
			gap := starts[i+1].Sub(starts[i])
			shortest, longest = min(shortest, gap), max(longest, gap)
		}
		within(t, shortest, 4500*time.Millisecond, 4600*time.Millisecond)
		within(t, longest, 5400*time.Millisecond, 5500*time.Millisecond)
		within(t, starts[last].Sub(starts[last-1]), 900*time.Millisecond, 1100*time.Millisecond)
		within(t, starts[last-1].Sub(starts[last-2]), 900*time.Millisecond, 1100*time.Millisecond)
	})
}

func within(t *testing.T, got, from, to time.Duration) {
	t.Helper()
	if got < from || got > to {
		t.Errorf("got %v, want %v to %v", got, from, to)
	}
}

func TestFirstChecksAreSpread(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		m := w.monitor(defaults())
		defer m.Close()
		var targets []Target
		for i := range 1000 {
			targets = append(targets, tcp(fmt.Sprint(i)))
		}
		m.Watch(targets)
		began := time.Now()
		time.Sleep(spreadMax)
		var tenths [10]int
		for i := range targets {
			starts := w.checks(fmt.Sprint(i))
			assert.Equal(t, len(starts), 1)
			tenths[starts[0].Sub(began)*10/spreadMax]++
		}
		for i, n := range tenths {
			if n < 40 || n > 160 {
				t.Errorf("%d of 1,000 first checks in tenth %d", n, i)
			}
		}
	})
}

func TestHangingServersDoNotPileUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		shared := &gate{free: 10}
		crowd := newMonitor(defaults(), w.options(), w.probe, shared)
		alone := newMonitor(defaults(), w.options(), w.probe, shared)
		var targets []Target
		for i := range 200 {
			targets = append(targets, tcp(fmt.Sprint(i)))
			w.set(fmt.Sprint(i), hangs)
		}
		crowd.Watch(targets)
		time.Sleep(time.Minute)
		w.set("b", refuses)
		began := time.Now()
		alone.Watch([]Target{tcp("b")})
		event := waitFor(t, w, "b")
		// Each of its checks waits for one of the ten slots at most.
		within(t, event.at.Sub(began), 0, spreadMax+3*(more(time.Second)+2*time.Second))
		_, most := w.load()
		assert.Equal(t, most, 10)
		crowd.Close()
		alone.Close()
		assert.Equal(t, shared.free, 10)
		assert.Equal(t, len(shared.line), 0)
	})
}

// A server that leaves while it waits for a slot neither keeps its place in line nor the slot that was kept for it.
func TestLeavingTheGate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		shared := &gate{free: 1}
		busy := newMonitor(defaults(), w.options(), w.probe, shared)
		waits := newMonitor(defaults(), w.options(), w.probe, shared)
		w.set("a", hangs)
		busy.Watch([]Target{tcp("a")})
		time.Sleep(spreadMax)
		waits.Watch([]Target{tcp("b")})
		time.Sleep(spreadMax)
		assert.Equal(t, len(w.checks("b")), 0)
		waits.Watch(nil)
		synctest.Wait()
		assert.Equal(t, len(shared.line), 0)
		busy.Close()
		assert.Equal(t, shared.free, 1)
		waits.Close()
	})
}

// waitFor returns the first event about a server.
func waitFor(t *testing.T, w *world, address string) timedEvent {
	t.Helper()
	for n := 0; ; n++ {
		if e := w.awaitEvent(t, n); e.ID.Address == address {
			return e
		}
	}
}

func TestHurry(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		check := defaults()
		check.Every = time.Minute
		m := w.monitor(check)
		defer m.Close()
		m.Watch([]Target{tcp("a")})
		time.Sleep(30 * time.Second)
		m.Hurry(tcp("a").ID())
		synctest.Wait()
		assert.Equal(t, len(w.checks("a")), 2) // at once
		for range 100 {
			m.Hurry(tcp("a").ID())
			m.Hurry(tcp("nobody").ID())
			time.Sleep(50 * time.Millisecond)
		}
		synctest.Wait()
		assert.Equal(t, len(w.checks("a")), 2+5) // in five seconds
		w.set("a", hangs)
		m.Hurry(tcp("a").ID())
		broken := time.Now()
		event := w.awaitEvent(t, 0)
		within(t, event.at.Sub(broken), 0, 3*(more(time.Second)+2*time.Second))
		before := len(w.checks("a"))
		m.Hurry(tcp("a").ID()) // is no news of a server that is down
		time.Sleep(30 * time.Second)
		assert.Equal(t, len(w.checks("a")), before)
	})
}

// An error that traffic sees while a check is under way, which may pass yet, has another one follow.
func TestHurryDuringACheck(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var starts []time.Time
		m := newMonitor(defaults(), Options{}, func(context.Context, Target) finding {
			starts = append(starts, time.Now())
			time.Sleep(500 * time.Millisecond)
			return finding{}
		}, &gate{free: 1})
		m.random = func() float64 { return 0.5 }
		m.Watch([]Target{tcp("a")})
		time.Sleep(600 * time.Millisecond)
		m.Hurry(tcp("a").ID())
		time.Sleep(3 * time.Second)
		m.Close()
		assert.Equal(t, len(starts), 2)
		assert.Equal(t, starts[1].Sub(starts[0]), time.Second)
	})
}

func TestFaultsOfOurOwnAreSkipped(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		m := w.monitor(defaults())
		defer m.Close()
		w.set("a", noDescriptor)
		w.set("b", noDescriptor)
		m.Watch([]Target{tcp("a"), tcp("b")})
		time.Sleep(50 * time.Second)
		synctest.Wait()
		assert.Equal(t, w.count(), 0)
		assert.Equal(t, len(w.troubles()), 1)
		assert.Equal(t, ours(w.troubles()[0]), true)
		status, _ := m.Status(tcp("a").ID())
		assert.Equal(t, status.Skipped, uint64(len(w.checks("a"))))
		assert.Equal(t, []any{status.State, status.Checks, status.Last.IsZero()}, []any{"up", uint64(0), true})
		time.Sleep(30 * time.Second)
		synctest.Wait()
		assert.Equal(t, len(w.troubles()), 2)
	})
}

func TestStatus(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		m := w.monitor(defaults())
		m.random = func() float64 { return 0.5 } // no jitter
		defer m.Close()
		spec := tcp("a")
		spec.Down = true
		began := time.Now()
		m.Watch([]Target{spec})
		status, known := m.Status(spec.ID())
		assert.Equal(t, known, true)
		assert.Equal(t, status, Status{State: "down", Since: began})
		event := w.awaitEvent(t, 0)
		status, _ = m.Status(spec.ID())
		assert.Equal(t, status, Status{State: "up", Up: true, Since: event.at, Last: event.at, OK: true, Detail: "connected", Checks: 2})
		w.set("a", hangs)
		time.Sleep(8500 * time.Millisecond) // one check has failed, after 5 s and the timeout; the next is under way
		synctest.Wait()
		status = m.Statuses()[spec.ID()]
		assert.Equal(t, []any{status.State, status.Up, status.InARow, status.Failures}, []any{"falling", true, 1, uint64(1)})
		assert.Equal(t, []any{status.OK, status.Took, status.Detail}, []any{false, 2 * time.Second, "no answer"})
		_, known = m.Status(ID{"unix", "a"})
		assert.Equal(t, known, false)
	})
}

func TestWatchKeepsWhatStays(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		m := w.monitor(defaults())
		w.set("gone", hangs)
		w.set("stays", refuses)
		m.Watch([]Target{tcp("gone"), tcp("stays"), tcp("stays")})
		waitFor(t, w, "stays")
		renamed := tcp("stays") // up, says whoever lists it; we know better
		renamed.Name = "other"
		m.Watch([]Target{renamed, tcp("new")})
		current, _ := w.load()
		assert.Equal(t, current, 0) // the check of the one that left was cancelled
		events := w.count()
		calls := len(w.checks("gone"))
		time.Sleep(2 * spreadMax)
		synctest.Wait()
		assert.Equal(t, len(w.checks("gone")), calls)
		assert.Equal(t, len(w.checks("new")), 1)
		status, _ := m.Status(renamed.ID())
		assert.Equal(t, status.State, "down")
		_, known := m.Status(tcp("gone").ID())
		assert.Equal(t, known, false)
		w.set("stays", well)
		assert.Equal(t, w.awaitEvent(t, events).Name, "other")
		m.Watch(nil)
		time.Sleep(time.Hour)
		m.Close()
		m.Watch([]Target{renamed}) // too late
		assert.Equal(t, m.Statuses(), map[ID]Status{})
	})
}

// An idle monitor costs nothing: nothing in its bubble would wake up for a day.
func TestNothingToWatch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		never := w.monitor(defaults())
		m := w.monitor(defaults())
		m.Watch([]Target{tcp("a")})
		time.Sleep(time.Minute)
		m.Watch(nil)
		synctest.Wait()
		assert.Equal(t, len(m.queue), 0)
		calls := len(w.checks("a"))
		time.Sleep(24 * time.Hour)
		assert.Equal(t, len(w.checks("a")), calls)
		m.Close()
		m.Close()
		never.Close()
	})
}

// Close comes back with nothing running and nothing said after it; a goroutine that stayed would keep the bubble from ending.
func TestCloseDuringChecks(t *testing.T) {
	t.Parallel()
	for wait := range 40 {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld()
			m := w.monitor(defaults())
			var targets []Target
			for i := range 50 {
				address := fmt.Sprint(i)
				targets = append(targets, tcp(address))
				w.set(address, mood(i%3))
			}
			m.Watch(targets)
			time.Sleep(time.Duration(wait) * 300 * time.Millisecond)
			m.Close()
			events := w.count()
			current, _ := w.load()
			assert.Equal(t, current, 0)
			time.Sleep(time.Minute)
			assert.Equal(t, w.count(), events)
			for _, e := range w.events {
				if e.Cause == "no answer" && e.Took != 2*time.Second {
					t.Errorf("a cancelled check was counted: %+v", e.Event)
				}
			}
		})
	}
}

// Everything at once, from many goroutines, for the race detector.
func TestManyHands(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		check := &configs.Check{Every: 5 * time.Millisecond, Fast: time.Millisecond, Timeout: 3 * time.Millisecond, Fall: 2, Rise: 2}
		m := newMonitor(check, w.options(), w.probe, &gate{free: 4})
		var hands sync.WaitGroup
		for hand := range 4 {
			hands.Go(func() {
				for i := range 200 {
					var targets []Target
					for n := range 20 {
						if rand.IntN(10) > 0 {
							targets = append(targets, tcp(fmt.Sprint(n)))
						}
					}
					w.set(fmt.Sprint(rand.IntN(20)), mood(rand.IntN(4)))
					m.Hurry(tcp(fmt.Sprint(i % 20)).ID())
					m.Status(tcp(fmt.Sprint(hand)).ID())
					m.Watch(targets)
					time.Sleep(time.Millisecond)
				}
			})
		}
		hands.Wait()
		m.Close()
		assert.Equal(t, m.gate.free, 4)
		if _, most := w.load(); w.count() == 0 || most < 2 || most > 4 {
			t.Errorf("%d events, %d checks at once", w.count(), most)
		}
	})
}
