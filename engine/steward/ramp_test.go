package steward

import (
	"testing"
	"testing/synctest"
	"time"

	"sluice/configs"
	"sluice/engine/discover"
	"sluice/internal/assert"
)

// A slow start goes from a twentieth to the whole in even steps, and is over in time.
func TestSlowStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := hire(t, func(c *configs.Upstream) { c.SlowStart = 10 * time.Second })
		one := r.backend(server(1))
		assert.Equal(t, one.Ramp(), 1000) // those of the beginning share the load at once
		r.check(server(1), false, "timeout")
		r.check(server(1), true, "connected")
		var steps []int
		for range 52 {
			steps = append(steps, one.Ramp())
			time.Sleep(200 * time.Millisecond)
			synctest.Wait()
		}
		assert.Equal(t, []int{steps[0], steps[1], steps[25], steps[49], steps[50], steps[51]}, []int{50, 69, 525, 981, 1000, 1000})
		for i := range steps[:50] {
			if step := steps[i+1] - steps[i]; step != 19 {
				t.Fatalf("step %d is one of %d: %v", i, step, steps)
			}
		}
		assert.Equal(t, r.seen(server(1)).SlowStart, 1000)
		assert.Equal(t, r.backend(server(2)).Ramp(), 1000)
	})
}

// Short ones have few steps: an alarm for each thousandth would be no use to anybody.
func TestAShortSlowStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := hire(t, func(c *configs.Upstream) { c.SlowStart = 250 * time.Millisecond })
		r.check(server(1), false, "timeout")
		r.check(server(1), true, "connected")
		var steps []int
		for range 6 {
			steps = append(steps, r.backend(server(1)).Ramp())
			time.Sleep(50 * time.Millisecond)
			synctest.Wait()
		}
		assert.Equal(t, steps, []int{50, 50, 430, 430, 810, 810})
		time.Sleep(50 * time.Millisecond)
		synctest.Wait()
		assert.Equal(t, r.backend(server(1)).Ramp(), 1000)
	})
}

// Whoever has been away, for whatever reason, begins slowly; a start that is cut short begins again.
func TestWhoStartsSlowly(t *testing.T) {
	for name, back := range map[string]func(r *rig){
		"up again": func(r *rig) {
			r.check(server(1), false, "timeout")
			r.check(server(1), true, "connected")
		},
		"after an ejection": func(r *rig) {
			r.fail(server(1), 3)
			time.Sleep(10 * time.Second)
			synctest.Wait()
		},
		"no longer draining": func(r *rig) {
			assert.NoError(r.T, r.s.SetDraining(server(1), true))
			assert.NoError(r.T, r.s.SetDraining(server(1), false))
		},
		"new": func(r *rig) {
			r.find()
			r.find(at(server(1), ""))
		},
		"in the middle of another": func(r *rig) {
			r.check(server(1), false, "timeout")
			r.check(server(1), true, "connected")
			time.Sleep(30 * time.Second)
			synctest.Wait()
			r.check(server(1), false, "timeout")
			r.check(server(1), true, "connected")
		},
	} {
		for _, slow := range []time.Duration{0, time.Minute} {
			synctest.Test(t, func(t *testing.T) {
				r := discovering(t, func(c *configs.Upstream) { c.SlowStart = slow }, at(server(1), ""))
				back(r)
				want := 1000
				if slow > 0 {
					want = rampFirst
				}
				if got := r.backend(server(1)).Ramp(); got != want {
					t.Errorf("%s, with a slow start of %v: %d", name, slow, got)
				}
			})
		}
	}
}

// What a server took long ago fades, so that it is asked again; where nobody goes by it, it stays.
func TestAveragesFade(t *testing.T) {
	for policy, want := range map[string]int64{"least_time": 250, "p2c": 1000} {
		synctest.Test(t, func(t *testing.T) {
			r := hire(t, func(c *configs.Upstream) { c.Balance = policy })
			r.backend(server(1)).Observe(1000)
			time.Sleep(4*time.Second + time.Millisecond)
			synctest.Wait()
			assert.Equal(t, r.backend(server(1)).Latency(), want)
		})
	}
}

// Nothing is waited for where nothing is to come.
func TestTheAlarm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := hire(t, func(c *configs.Upstream) { c.SlowStart = time.Second })
		running := func() (yes bool) {
			r.s.call(func() {
				if yes = r.s.alarm.Stop(); yes {
					r.s.plan(time.Now())
				}
			})
			return yes
		}
		assert.Equal(t, running(), false)
		r.fail(server(1), 3)
		assert.Equal(t, running(), true)
		time.Sleep(11 * time.Second) // and a slow start
		synctest.Wait()
		assert.Equal(t, running(), false)
	})
}

// discovering is hire for an upstream of a server that never changes, 192.0.2.100:80, and a source, which has found a list.
func discovering(t *testing.T, change func(c *configs.Upstream), list ...discover.Found) *rig {
	t.Helper()
	r := prepare(t, func(c *configs.Upstream) {
		c.Servers = servers(100)[99:]
		from := configs.Server{Discover: "file", Weight: 1, Address: configs.Address{Network: "file", Path: "/list"}}
		c.Servers = append(c.Servers, from)
		if change != nil {
			change(c)
		}
	})
	sources := r.s.sources
	r.s.sources = nil // nobody looks for anything
	r.s.Start(t.Context())
	r.s.call(func() { r.s.sources, r.s.started = sources, false })
	r.find(list...)
	r.s.call(func() { r.s.started = true })
	r.log.take()
	return r
}
