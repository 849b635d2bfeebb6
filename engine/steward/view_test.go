package steward

import (
	"testing"
	"testing/synctest"
	"time"

	"sluice/configs"
	"sluice/internal/assert"
)

func TestView(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := hire(t, func(c *configs.Upstream) {
			c.Balance, c.MaxConnections, c.Queue = "least_time", 7, configs.Queue{Size: 5, Timeout: time.Minute}
			c.Servers[1].MaxConnections, c.Servers[2].Backup, c.Servers[2].Weight = 4, true, 9
		})
		for range 3 {
			r.backend(server(2)).Acquire()
		}
		r.backend(server(1)).Acquire()
		r.backend(server(1)).Observe(int64(time.Millisecond))
		r.fail(server(1), 2)
		v, backends, ok := r.s.View()
		assert.Equal(t, []any{ok, v.Name, v.Policy, v.Panic}, []any{true, "app", "least_time", false})
		assert.Equal(t, []int{v.InUse, v.Max, v.Waiting, v.QueueSize, int(v.QueueFull), int(v.QueueTimeouts)}, []int{4, 7, 0, 5, 0, 0})
		assert.Equal(t, len(v.Servers), 3)
		for i, one := range v.Servers {
			assert.Equal(t, []any{one.Name, one.Address, one.State, one.Check == nil}, []any{server(i + 1), server(i + 1), "up", true})
			assert.Equal(t, backends[i].Name, one.Name)
		}
		one, two, three := v.Servers[0], v.Servers[1], v.Servers[2]
		assert.Equal(t, []any{one.InUse, one.Picks, one.Failures, one.Latency}, []any{1, uint64(1), uint64(2), time.Millisecond})
		assert.Equal(t, []any{two.InUse, two.Max, two.Picks, two.Weight}, []any{3, 4, uint64(3), 1})
		assert.Equal(t, []any{three.Backup, three.Weight, three.SlowStart}, []any{true, 9, 1000})
	})
}

// Draining keeps new connections away, says so once, and lasts until it is taken back, whatever is relisted meanwhile.
func TestDraining(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := discovering(t, nil, at(server(1), ""))
		r.backend(server(1)).Acquire()
		drain := func(on bool) { t.Helper(); assert.NoError(t, r.s.SetDraining(server(1), on)) }
		drain(false)
		drain(true)
		drain(true)
		r.said("INFO server is draining server=" + server(1) + " in_use=1")
		v := r.seen(server(1))
		assert.Equal(t, []any{v.State, v.Cause, v.InUse}, []any{"draining", "told to drain", 1})
		assert.Equal(t, r.u.Set().Admits(r.backend(server(1))), false)
		r.find(at(server(1), "max_connections=5"), at(server(2), ""))
		r.log.take()
		assert.Equal(t, r.states(), "up draining up")
		drain(false)
		drain(false)
		r.said("INFO server is no longer draining server=" + server(1))
		v = r.seen(server(1))
		assert.Equal(t, []any{v.State, v.Cause}, []any{"up", ""})
	})
}

func TestWeights(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := hire(t, nil)
		before := r.backend(server(2))
		for _, weight := range []int{0, 256, 1} {
			assert.NoError(t, r.s.SetWeight(server(2), weight))
			assert.Equal(t, r.seen(server(2)).Weight, weight)
			assert.Equal(t, r.u.Set().Members()[1].Weight, weight)
		}
		assert.Equal(t, r.backend(server(2)) == before, true)
		r.said("INFO weight is changed server="+server(2)+" from=1 to=0", "INFO weight is changed server="+server(2)+" from=0 to=256",
			"INFO weight is changed server="+server(2)+" from=256 to=1")
	})
}

func TestWhatCannotBeTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := hire(t, nil)
		tell := func(server, want string) {
			t.Helper()
			for _, err := range []error{r.s.SetWeight(server, 2), r.s.SetDraining(server, true)} {
				if err == nil || err.Error() != want {
					t.Errorf("got %v, want %s", err, want)
				}
			}
		}
		tell("192.0.2.9:80", "upstream app has no server 192.0.2.9:80")
		r.s.Close()
		r.s.Close()
		tell(server(1), "the proxy is ending")
		_, _, ok := r.s.View()
		assert.Equal(t, ok, false)
		assert.Equal(t, r.states(), "up up up")
		r.said()
	})
}

func TestCloseWithoutStart(t *testing.T) {
	t.Parallel()
	r := prepare(t, nil)
	r.s.Close()
	assert.Equal(t, r.states(), "up up up")
}
