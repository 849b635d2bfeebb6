package steward

import (
	"net"
	"testing"
	"testing/synctest"
	"time"

	"sluice/configs"
	"sluice/engine/health"
	"sluice/engine/record"
	"sluice/internal/assert"
)

func TestChecksTakeOutAndBringBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := hire(t, nil)
		one := server(1)
		time.Sleep(time.Minute)
		r.check(one, false, "timeout")
		r.check(one, false, "connection refused") // it is down already
		r.said("WARN server is down server=" + one + " cause=check: timeout after=2")
		gone, dead := r.hooked()
		assert.Equal(t, [][]string{gone, dead}, [][]string{nil, {one}})
		v := r.seen(one)
		assert.Equal(t, []any{r.states(), v.Cause, v.Since}, []any{"down up up", "check: timeout", time.Now()})

		r.fail(one, 10) // they were under way
		r.said()
		time.Sleep(1500 * time.Millisecond)
		r.backend(one).Observe(int64(time.Second))
		r.check(one, true, "answered 200")
		r.check(one, true, "answered 200")
		r.check("192.0.2.99:80", false, "timeout") // nobody
		r.said("INFO server is up server=" + one + " cause=check: answered 200 after=2 down_for=1.5s")
		assert.Equal(t, r.states(), "up up up")
		gone, dead = r.hooked()
		assert.Equal(t, [][]string{gone, dead}, [][]string{nil, nil})
		assert.Equal(t, r.backend(one).Latency(), int64(0)) // how long it took before says nothing
	})
}

// Causes do not know of each other: a server is used again when none of them holds, and its state is that of the worst.
func TestCausesAreIndependent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := hire(t, nil)
		one := server(1)
		began := time.Now()
		state := func(state, cause string, since time.Duration) {
			t.Helper()
			v := r.seen(one)
			assert.Equal(t, []any{v.State, v.Cause, v.Since.Sub(began)}, []any{state, cause, since})
		}
		assert.NoError(t, r.s.SetDraining(one, true))
		state("draining", "told to drain", 0)
		time.Sleep(time.Second)
		r.fail(one, 3)
		state("ejected", refusals, time.Second)
		time.Sleep(time.Second)
		r.check(one, false, "timeout")
		state("down", "check: timeout", 2*time.Second)
		time.Sleep(time.Second)
		assert.NoError(t, r.s.SetDraining(one, false))
		state("down", "check: timeout", 2*time.Second)
		assert.NoError(t, r.s.SetDraining(one, true))
		time.Sleep(time.Minute) // the ejection is over
		synctest.Wait()
		state("down", "check: timeout", 2*time.Second)
		r.log.take()
		r.check(one, true, "connected")
		state("draining", "told to drain", 63*time.Second)
		r.said("INFO server is up server=" + one + " cause=check: connected after=2 down_for=1m1s")
		assert.NoError(t, r.s.SetDraining(one, false))
		state("up", "", 63*time.Second)
	})
}

// When most servers are out, all are used, because it is more likely that the judgement is wrong; operators hear of it
// once, and once of its end.
func TestPanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := hire(t, func(c *configs.Upstream) { c.Servers, c.Eject.Panic = servers(5), 50 })
		panics := func(want bool) {
			t.Helper()
			v, _, _ := r.s.View()
			assert.Equal(t, []bool{v.Panic, r.u.Set().Panicking()}, []bool{want, want})
		}
		down := func(i int) string { return "WARN server is down server=" + server(i) + " cause=check: timeout after=2" }
		up := func(i int) string {
			return "INFO server is up server=" + server(i) + " cause=check: connected after=2 down_for=0s"
		}
		r.check(server(1), false, "timeout")
		r.check(server(2), false, "timeout")
		panics(false)
		r.check(server(3), false, "timeout")
		panics(true)
		r.check(server(4), false, "timeout")
		panics(true)
		r.said(down(1), down(2), down(3),
			"WARN too few servers are usable: all of them are used, whatever is known about them usable=2 servers=5", down(4))
		assert.NoError(t, r.s.SetWeight(server(5), 2)) // a new set panics as the old one did
		panics(true)
		r.said("INFO weight is changed server=" + server(5) + " from=1 to=2")
		r.check(server(1), true, "connected")
		panics(true)
		r.check(server(2), true, "connected")
		panics(false)
		r.said(up(1), up(2), "INFO enough servers are usable again usable=3 servers=5")
	})
}

// A list may begin and end a panic, too.
func TestListsAndPanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := discovering(t, func(c *configs.Upstream) { c.Eject.Panic = 50 }, at(server(1), ""), at(server(2), ""))
		r.check(server(1), false, "timeout")
		r.log.take()
		r.find(at(server(1), ""))
		r.said("INFO server is gone server=" + server(2) + " in_use=0") // half of two is enough
		r.check(fixed, false, "timeout")
		r.log.take()
		r.find(at(server(1), ""), at(server(2), ""), at(server(3), ""))
		r.said("INFO server is new server="+server(2), "INFO server is new server="+server(3),
			"INFO enough servers are usable again usable=2 servers=4")
		r.find(at(server(1), ""), at(server(2), ""))
		r.said("INFO server is gone server="+server(3)+" in_use=0",
			"WARN too few servers are usable: all of them are used, whatever is known about them usable=1 servers=3")
	})
}

func TestNoPanic(t *testing.T) {
	for name, change := range map[string]func(c *configs.Upstream){
		"off":      func(c *configs.Upstream) { c.Eject.Panic = 0 },
		"a backup": func(c *configs.Upstream) { c.Servers[2].Backup = true },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := hire(t, func(c *configs.Upstream) { c.Eject.Panic = 50; change(c) })
				r.check(server(1), false, "timeout")
				r.check(server(2), false, "timeout")
				v, _, _ := r.s.View()
				assert.Equal(t, []bool{v.Panic, r.u.Set().Panicking()}, []bool{false, false})
			})
		})
	}
}

// checkedAt makes an upstream of one server that is checked, and quickly so once there is a doubt.
func checkedAt(address string, every time.Duration) func(c *configs.Upstream) {
	host, port, _ := net.SplitHostPort(address)
	number, _ := net.LookupPort("tcp", port)
	return func(c *configs.Upstream) {
		c.Servers = []configs.Server{{Address: configs.Address{Network: "tcp", Host: host, Port: uint16(number)}, Weight: 1}}
		c.Check = &configs.Check{Every: every, Fast: 5 * time.Millisecond, Timeout: time.Second, Fall: 2, Rise: 2}
	}
}

// Real checks of a real server: it goes, and comes back.
func TestRealChecks(t *testing.T) {
	t.Parallel()
	address := own()
	ln, err := net.Listen("tcp4", address)
	assert.NoError(t, err)
	r := hire(t, checkedAt(address, 20*time.Millisecond))
	assert.Eventually(t, func() bool { c := r.seen(address).Check; return c != nil && c.OK })
	r.said()
	assert.NoError(t, ln.Close())
	assert.Eventually(t, r.backend(address).Down)
	assert.Eventually(t, func() bool { _, dead := r.hooked(); return len(dead) == 1 })
	assert.Equal(t, r.seen(address).Cause, "check: connection refused")
	r.said("WARN server is down server=" + address + " cause=check: connection refused after=2")
	ln, err = net.Listen("tcp4", address)
	assert.NoError(t, err)
	defer ln.Close()
	assert.Eventually(t, func() bool { return r.seen(address).State == "up" })
	r.hears("INFO server is up server=" + address + " cause=check: connected")
	r.said()
}

// A failure of traffic brings the next check forward: nobody waits for an hour to know.
func TestTrafficHurriesChecks(t *testing.T) {
	t.Parallel()
	address := own()
	ln, err := net.Listen("tcp4", address)
	assert.NoError(t, err)
	r := hire(t, checkedAt(address, time.Hour))
	assert.Eventually(t, func() bool { return r.seen(address).Check != nil })
	assert.NoError(t, ln.Close())
	assert.Equal(t, r.backend(address).Down(), false)
	r.u.Failed(r.backend(address), record.ConnectRefused)
	assert.Eventually(t, r.backend(address).Down)
}

// A server without weight is not asked, and one that was down is so when it gets weight again.
func TestServersWithoutWeightAreNotChecked(t *testing.T) {
	t.Parallel()
	address := own()
	r := hire(t, checkedAt(address, 20*time.Millisecond))
	assert.Eventually(t, r.backend(address).Down)
	id := health.ID{Network: "tcp", Address: address}
	assert.NoError(t, r.s.SetWeight(address, 0))
	_, watched := r.s.monitor.Status(id)
	assert.Equal(t, watched, false)
	assert.NoError(t, r.s.SetWeight(address, 1))
	status, watched := r.s.monitor.Status(id)
	assert.Equal(t, []bool{watched, status.Up, r.backend(address).Down()}, []bool{true, false, true})
}
