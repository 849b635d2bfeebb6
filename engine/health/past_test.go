package health

import (
	"testing"
	"testing/synctest"
	"time"

	"sluice/internal/assert"
)

// Monitors that follow one another, each for less than one interval, come to the verdict that one would have come to.
func TestMonitorsThatFollowOneAnother(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.set("a", refuses)
		target := tcp("a")
		for range 20 {
			m := w.monitor(defaults())
			m.Watch([]Target{target})
			time.Sleep(700 * time.Millisecond)
			synctest.Wait()
			past, known := m.Status(target.ID())
			assert.Equal(t, known, true)
			m.Close()
			target.Past, target.Down = &past, !past.Up
		}
		event, told := w.event(0)
		assert.Equal(t, told, true)
		assert.Equal(t, []any{event.Up, event.After}, []any{false, defaults().Fall})
		_, again := w.event(1)
		assert.Equal(t, again, false)
		for i, starts := 1, w.checks("a"); i < len(starts); i++ { // nor are there more checks
			within(t, starts[i].Sub(starts[i-1]), 900*time.Millisecond, 6*time.Second)
		}
	})
}

// What was known of a server that has been told to be elsewhere since is of no use.
func TestAPastThatIsNotTrueAnyMore(t *testing.T) {
	t.Parallel()
	spec := tcp("a")
	spec.Down = true
	spec.Past = &Status{State: "falling", Up: true, InARow: 2, Last: time.Now()}
	m := newTarget(spec)
	assert.Equal(t, []any{m.health.state, m.health.against, m.began.IsZero()}, []any{down, 0, true})
}
