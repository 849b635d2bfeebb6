package steward

import (
	"testing"
	"testing/synctest"
	"time"

	"sluice/configs"
	"sluice/engine/record"
	"sluice/internal/assert"
)

const refusals = "3 failures in a row, the last: connect_refused"

// ejected and back are the lines of an ejection and of its end.
func ejected(address, lasts string) string {
	return "WARN server is ejected server=" + address + " cause=" + refusals + " for=" + lasts
}

func back(address string) string {
	return "INFO server is used again after an ejection server=" + address
}

// Failures count in a row: whatever succeeds in between begins a new one.
func TestEjection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := hire(t, nil)
		one := server(1)
		r.fail(one, 2)
		r.backend(one).Succeeded()
		r.fail(one, 2)
		r.said()
		assert.Equal(t, r.states(), "up up up")
		r.fail(one, 1)
		r.said(ejected(one, "10s"))
		assert.Equal(t, r.states(), "ejected up up")
		v, began := r.seen(one), time.Now()
		assert.Equal(t, []any{v.State, v.Cause, v.Since, v.Ejections, v.Failures}, []any{"ejected", refusals, began, uint64(1), uint64(5)})

		r.fail(one, 5) // requests that were under way
		r.backend(one).Observe(int64(time.Second))
		time.Sleep(10*time.Second - time.Millisecond)
		synctest.Wait()
		assert.Equal(t, r.states(), "ejected up up")
		r.said()
		time.Sleep(time.Millisecond)
		synctest.Wait()
		r.said(back(one))
		v = r.seen(one)
		assert.Equal(t, []any{v.State, v.Cause, v.Since.Sub(began), v.Ejections}, []any{"up", "", 10 * time.Second, uint64(1)})
		assert.Equal(t, v.Latency, 0) // it begins anew
		time.Sleep(time.Hour)
		r.said()
	})
}

// Who comes back is on probation: one failure is enough, unless something has succeeded before.
func TestProbation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := hire(t, nil)
		one := server(1)
		r.fail(one, 3)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		r.fail(one, 1)
		r.said(ejected(one, "10s"), back(one), ejected(one, "20s"))
		time.Sleep(20 * time.Second)
		synctest.Wait()
		r.backend(one).Succeeded()
		r.fail(one, 2)
		r.said(back(one))
		r.fail(one, 1)
		r.said(ejected(one, "30s"))
		assert.Equal(t, r.seen(one).Ejections, uint64(3))
	})
}

// An ejection soon after the last lasts longer, up to five minutes; time that goes well makes up for it.
func TestEjectionsGrowAndShrink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := hire(t, func(c *configs.Upstream) { c.Eject.For = time.Minute })
		one := server(1)
		next := func(well time.Duration, failures int) time.Duration {
			time.Sleep(well)
			r.fail(one, failures)
			began := time.Now()
			assert.Equal(t, r.states(), "ejected up up")
			for r.backend(one).Ejected() {
				time.Sleep(time.Second)
				synctest.Wait()
			}
			return time.Since(began)
		}
		lasts := []time.Duration{next(0, 3)}
		for range 8 {
			lasts = append(lasts, next(0, 1))
		}
		lasts = append(lasts, next(2*time.Minute, 1), next(time.Hour, 1))
		m := time.Minute
		assert.Equal(t, lasts, []time.Duration{m, 2 * m, 3 * m, 4 * m, 5 * m, 5 * m, 5 * m, 5 * m, 5 * m, 4 * m, m})
	})
}

func TestStreak(t *testing.T) {
	t.Parallel()
	const second, minute = time.Second, time.Minute
	for _, c := range []struct {
		before     int
		well, each time.Duration
		want       int
	}{
		{0, 0, minute, 1},
		{0, 1<<63 - 1, minute, 1}, // never before
		{1, 0, minute, 2},
		{1, 59 * second, minute, 2},
		{1, minute, minute, 1},
		{3, 2 * minute, minute, 2},
		{3, time.Hour, minute, 1},
		{5, 0, minute, 5}, // five minutes are the most
		{5, minute, minute, 5},
		{30, 0, 10 * second, 30},
		{7, 0, 45 * second, 7}, // 5 m 15 s
		{6, 0, 45 * second, 7},
		{1, 0, time.Hour, 1},
	} {
		if got := streak(c.before, c.well, c.each); got != c.want {
			t.Errorf("%d ejections and %v of %v without: got %d, want %d", c.before, c.well, c.each, got, c.want)
		}
	}
}

// What is configured lasts as long as is configured; only what is added has a bound.
func TestALongEjection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := hire(t, func(c *configs.Upstream) { c.Eject.For = time.Hour })
		r.fail(server(1), 3)
		time.Sleep(time.Hour)
		synctest.Wait()
		r.fail(server(1), 1)
		r.said(ejected(server(1), "1h0m0s"), back(server(1)), ejected(server(1), "1h0m0s"))
	})
}

// No more than max_percent of a tier go, and never the last that is usable.
func TestWhoIsNotEjected(t *testing.T) {
	for name, c := range map[string]struct {
		servers int
		percent int
		before  func(r *rig)
		change  func(c *configs.Upstream)
		want    string // after all have failed, in order
	}{
		"half":                 {4, 50, nil, nil, "ejected ejected up up"},
		"half of an odd crowd": {5, 50, nil, nil, "ejected ejected up up up"},
		"less than one":        {3, 10, nil, nil, "up up up"},
		"never the last":       {3, 100, nil, nil, "ejected ejected up"},
		"one alone":            {1, 100, nil, nil, "up"},
		"the last that is not down": {
			3, 100, func(r *rig) { r.check(server(2), false, "timeout") }, nil, "ejected down up"},
		"the last that does not drain": {
			3, 100, func(r *rig) { assert.NoError(r.T, r.s.SetDraining(server(2), true)) }, nil, "ejected draining up"},
		"a server without weight is no help, and may go": {2, 100, nil, func(c *configs.Upstream) { c.Servers[1].Weight = 0 }, "up ejected"},
		"backups have their own": {
			5, 50, nil, func(c *configs.Upstream) { c.Servers[3].Backup, c.Servers[4].Backup = true, true }, "ejected up up ejected up"},
		"off": {4, 100, nil, func(c *configs.Upstream) { c.Eject.Errors = 0 }, "up up up up"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := hire(t, func(u *configs.Upstream) {
					u.Servers, u.Eject.MaxPercent = servers(c.servers), c.percent
					if c.change != nil {
						c.change(u)
					}
				})
				if c.before != nil {
					c.before(r)
				}
				for i := range c.servers {
					if !r.backend(server(i+1)).Draining() && !r.backend(server(i+1)).Down() {
						r.fail(server(i+1), 10)
					}
				}
				assert.Equal(t, r.states(), c.want)
			})
		})
	}
}

// Who was spared because enough were out already is looked at again with its next failure.
func TestASparedServerMayGoLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := hire(t, func(c *configs.Upstream) { c.Servers = servers(2) })
		r.fail(server(1), 3)
		r.fail(server(2), 4)
		assert.Equal(t, r.states(), "ejected up")
		time.Sleep(10 * time.Second)
		synctest.Wait()
		assert.Equal(t, r.states(), "up up")
		r.fail(server(2), 1)
		assert.Equal(t, r.states(), "up ejected")
	})
}

// A loop that reports failures waits for nobody: not for a steward that is at work, and not for one that has ended.
func TestSuspectsDoNotWait(t *testing.T) {
	t.Parallel()
	r := hire(t, nil)
	entered, leave := make(chan struct{}), make(chan struct{})
	go r.s.call(func() { close(entered); <-leave })
	<-entered
	for range 2 * suspectsMax {
		r.u.Failed(r.backend(server(1)), record.AnswerUnfit)
	}
	close(leave)
	assert.Eventually(t, r.backend(server(1)).Ejected)
	r.s.Close()
	for range 2 * suspectsMax {
		r.u.Failed(r.backend(server(2)), record.AnswerUnfit)
	}
}
