package steward

import (
	"testing"
	"testing/synctest"
	"time"

	"sluice/configs"
	"sluice/internal/assert"
)

// What is known about servers outlives the configuration, for those that the next one lists as well; nothing of it is said
// again, and what was to come comes, once.
func TestASuccessor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		five := func(c *configs.Upstream) { c.Servers, c.SlowStart = servers(5), 20*time.Second }
		old := hire(t, five)
		old.check(server(1), false, "timeout")
		assert.NoError(t, old.s.SetDraining(server(2), true))
		assert.NoError(t, old.s.SetWeight(server(2), 7))
		old.fail(server(3), 3)
		old.check(server(4), false, "timeout")
		old.check(server(4), true, "connected")
		old.backend(server(5)).Acquire()
		began := time.Now()
		time.Sleep(4 * time.Second)
		synctest.Wait()

		r := succeed(t, old, func(c *configs.Upstream) { five(c); c.Servers = servers(6) })
		r.s.Start(t.Context())
		old.s.Close()
		old.log.take()
		assert.Equal(t, r.states(), "down draining ejected up up up")
		for i, cause := range []string{"check: timeout", "told to drain", refusals} {
			v := r.seen(server(i + 1))
			assert.Equal(t, []any{v.Cause, v.Since}, []any{cause, began})
		}
		assert.Equal(t, []int{r.seen(server(2)).Weight, r.seen(server(5)).InUse, int(r.seen(server(3)).Ejections)}, []int{7, 1, 1})
		assert.Equal(t, []int{r.backend(server(4)).Ramp(), r.backend(server(6)).Ramp()}, []int{240, 50}) // a new one starts slowly
		r.said()
		time.Sleep(6 * time.Second)
		synctest.Wait()
		r.said(back(server(3)))
		assert.Equal(t, r.states(), "down draining up up up up")
		old.said()
		assert.NoError(t, r.s.SetDraining(server(2), false))
		assert.Equal(t, r.states(), "down up up up up up")
		r.fail(server(3), 1) // it is on probation
		assert.Equal(t, r.seen(server(3)).Ejections, uint64(2))
		time.Sleep(10 * time.Second)
		synctest.Wait()
		assert.Equal(t, r.backend(server(4)).Ramp(), 1000)
	})
}

// Once all servers are known, the configuration before is forgotten: who comes back later begins anew.
func TestASuccessorForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old := discovering(t, nil, at(server(1), ""))
		old.check(server(1), false, "timeout")
		assert.NoError(t, old.s.SetWeight(server(1), 7))
		r := succeed(t, old, func(c *configs.Upstream) { c.Servers = servers(100)[99:] })
		r.s.Start(t.Context())
		assert.Equal(t, len(r.s.legacy), 0)
		old.s.Close()
		r.s.sources = old.s.sources
		r.find(at(server(1), ""))
		r.said("INFO server is new server=" + server(1))
		v := r.seen(server(1))
		assert.Equal(t, []any{v.State, v.Weight}, []any{"up", 1})
	})
}

// Servers that are gone and still have connections are seen until these are over.
func TestServersThatLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := discovering(t, nil, at(server(1), ""), at(server(2), ""))
		leaving := r.backend(server(1))
		leaving.Acquire()
		leaving.Upstream().Door.Enter()
		r.find()
		v := r.seen(server(1))
		assert.Equal(t, []any{v.State, v.InUse, v.Cause, v.Weight}, []any{"removed", 1, "not listed any more", 0})
		all, backends, _ := r.s.View()
		assert.Equal(t, []any{len(all.Servers), backends[1] == leaving, all.InUse}, []any{2, true, 1})
		leaving.Release()
		all, _, _ = r.s.View()
		assert.Equal(t, []any{len(all.Servers), all.InUse}, []any{1, 0})
	})
}

// What discovery has found last goes on, without waiting for an answer: there is no moment without servers. What was told
// about servers that are not listed at the moment goes on, too.
func TestASuccessorKnowsWhatWasFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		list := func(c *configs.Upstream) {
			c.Servers = append(servers(1), configs.Server{Discover: "file", Weight: 1, Address: configs.Address{Network: "file", Path: "/list"}})
		}
		old := discovering(t, list, at(server(7), ""), at(server(8), ""))
		assert.NoError(t, old.s.SetWeight(server(8), 5))
		old.find(at(server(7), ""))
		old.check(server(7), false, "timeout")
		old.log.take()
		r := succeed(t, old, func(c *configs.Upstream) { list(c); c.Servers = c.Servers[1:]; c.SlowStart = time.Minute })
		sources := r.s.sources
		assert.Equal(t, old.s.follows(sources[0]), true)
		assert.Equal(t, (*Steward)(nil).follows(sources[0]), false)
		r.s.sources = nil // nobody looks for anything
		r.s.Discover(t.Context())
		assert.Equal(t, len(r.u.Set().Backends()), 0)
		assert.NoError(t, old.s.SetDraining(server(7), true)) // the one before is still at work
		r.s.call(func() { r.s.sources = sources })
		r.s.Start(t.Context())
		assert.Equal(t, []any{r.states(), r.seen(server(7)).Cause}, []any{"down", "check: timeout"})
		r.find(at(server(7), ""), at(server(8), ""))
		assert.Equal(t, r.seen(server(8)).Weight, 5)
		_, _, alive := old.s.View()
		assert.Equal(t, alive, false)
		assert.Equal(t, old.s.SetWeight(server(7), 1) != nil, true)
		assert.NoError(t, r.s.SetDraining(server(7), false))
	})
}
