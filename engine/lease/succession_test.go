package lease

// One configuration of an upstream after the other: what the second one takes over, and when.

import (
	"fmt"
	"testing"
	"time"

	"sluice/engine/record"
	"sluice/internal/assert"
)

// succeeding compiles text as the configuration after before, on one loop.
func succeeding(t *testing.T, text string, before *Upstream) *Upstream {
	t.Helper()
	cfg := parse(t, text)
	u, _, issues := Compile(&cfg.Upstreams[0], Deps{Config: cfg, Loops: 1, Before: before})
	assert.Equal(t, len(issues), 0)
	return u
}

// Compiling touches nothing; TakeOver is the moment.
func TestTakeOver(t *testing.T) {
	t.Parallel()
	old := succeeding(t, `
    servers: ["192.0.2.1:80", "192.0.2.2:80"]
    max_connections: 2
    queue: {size: 3, timeout: 1s}
`, nil)
	one, two := old.Set().Backends()[0], old.Set().Backends()[1]
	for _, b := range []*Backend{one, two} {
		b.Acquire()
		old.Door.Enter()
	}
	one.SetDown(true)
	u := succeeding(t, `
    servers: ["192.0.2.1:80", "192.0.2.3:80"]
    max_connections: 5
    queue: {size: 7, timeout: 2s}
`, old)
	assert.Equal(t, []any{u.Door == old.Door, u.Door.Limit(), u.Door.Size(), two.Removed(), len(u.Leaving())}, []any{true, 2, 3, false, 0})
	u.TakeOver()
	assert.Equal(t, []any{u.Door.InUse(), u.Door.Limit(), u.Door.Size(), u.Door.Patience()}, []any{2, 5, 7, 2 * time.Second})
	heir := u.Heir(one)
	assert.Equal(t, []any{heir != one, heir.Is(one), heir.Down(), heir.InUse(), heir.Picks()}, []any{true, true, true, int32(1), uint64(1)})
	assert.Equal(t, []any{u.Heir(two) == nil, two.Usable(), len(u.Leaving())}, []any{true, true, 1}) // who has begun there finishes there
	assert.Equal(t, u.Leaving()[0] == two, true)

	one.Release()
	assert.Equal(t, []any{heir.InUse(), u.Door.InUse()}, []any{int32(0), 1})
	third := succeeding(t, `
    servers: ["192.0.2.2:80"]
`, u) // it comes back before it has finished, and nothing is limited any more
	third.TakeOver()
	assert.Equal(t, []any{third.Door == nil, u.Door.Limit(), third.Heir(two).Is(two), third.Heir(two).InUse(), len(third.Leaving())},
		[]any{true, 0, true, int32(1), 0})
	two.Release()
	assert.Equal(t, third.Heir(two).InUse(), int32(0))
	assert.Equal(t, (*Upstream)(nil).Heir(two) == nil, true)
}

// Idle connections go to the server's heir, oldest first; those in use follow when they are parked. Where there is no
// heir, or one that talks otherwise, they are closed.
func TestMove(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		change func(u *Upstream, b *Backend)
		kept   bool
	}{
		"the same":                {nil, true},
		"another policy":          {func(u *Upstream, _ *Backend) { u.options.Policy = P2C }, true},
		"another PROXY header":    {func(u *Upstream, _ *Backend) { u.Proxy = 1 }, false},
		"none are kept any more":  {func(u *Upstream, _ *Backend) { u.MaxIdle = 0 }, false},
		"they are counted by now": {func(u *Upstream, b *Backend) { b.MaxConnections, u.Door = 9, (bounds{}).door(true, nil) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, o := newBench(t, 0), newOrigin(t, "one")
			old := pooled(8, time.Minute, o.Backend)
			first, second, third := b.take(old), b.take(old), b.take(old)
			b.park(first)
			b.park(second)
			heir := &Backend{Name: "one", Addr: o.Addr}
			u := pooled(8, time.Minute, heir)
			heir.Inherit(o.Backend)
			if row.change != nil {
				row.change(u, heir)
			}
			u.before = old
			u.TakeOver()
			b.call(func() { b.dialer.Move(o.Backend, heir) })
			b.park(third)
			want := []int{0, 0}
			if row.kept {
				want = []int{0, 3}
			}
			var got []int
			b.call(func() { got = []int{b.dialer.Idle(o.Backend), b.dialer.Idle(heir)} })
			assert.Equal(t, got, want)
			assert.Equal(t, b.idle(), want[1])
			if !row.kept {
				return
			}
			for _, o := range []outcome{third, second, first} {
				c, from := b.reuse(u)
				assert.Equal(t, []bool{c == o.conn, from == heir}, []bool{true, true})
				b.call(c.Reset)
			}
		})
	}
}

// A server that nobody lists any more keeps nothing, whatever is still parked for it later.
func TestMoveToNobody(t *testing.T) {
	t.Parallel()
	b, o := newBench(t, 0), newOrigin(t, "one")
	u := pooled(8, time.Minute, o.Backend)
	o.state().present.Store(o.Backend)
	idle, busy := b.take(u), b.take(u)
	b.park(idle)
	b.call(func() { b.dialer.Move(o.Backend, nil) })
	b.park(busy)
	assert.Equal(t, b.idle(), 0)
}

// Who waits finds the servers and the limits of the configuration that has come meanwhile.
func TestWaitersGoByWhatTakesOver(t *testing.T) {
	t.Parallel()
	b := newBench(t, 0)
	one, two := alive(t, "one").Addr.String(), alive(t, "two").Addr.String()
	text := func(servers string) string {
		return "\n    servers: [" + servers + "]\n    queue: {size: 3, timeout: 1m}\n"
	}
	old := succeeding(t, text(fmt.Sprintf("{address: %q, max_connections: 1}", one)), nil)
	held := b.take(old)
	k, _ := b.seek(old, time.Second)
	assert.Eventually(t, func() bool { return old.Door.Waiting() == 1 })
	u := succeeding(t, text(fmt.Sprintf("{address: %q, max_connections: 1}, {address: %q, max_connections: 1}", one, two)), old)
	u.TakeOver()
	o := <-k.told
	assert.Equal(t, o.from == u.Set().Backends()[1], true)
	assert.Equal(t, u.Door.InUse(), 2)
	b.give(o)
	b.give(held)
	assert.Equal(t, u.Door.InUse(), 0)
}

// A connection that is parked after its upstream has been replaced is found by who waits for that server.
func TestParkedConnectionsAreFoundAfterTakingOver(t *testing.T) {
	t.Parallel()
	b := newBench(t, 0)
	server := alive(t, "one").Addr.String()
	text := func(idle string) string {
		return fmt.Sprintf("\n    servers: [{address: %q, max_connections: 1}]\n    queue: {size: 3, timeout: 1m}\n    pool: {idle_timeout: %s}\n", server, idle)
	}
	old := succeeding(t, text("50s"), nil)
	held := b.take(old)
	k, _ := b.seek(old, time.Second)
	assert.Eventually(t, func() bool { return old.Door.Waiting() == 1 })
	u := succeeding(t, text("40s"), old)
	u.TakeOver()
	b.call(func() {
		b.dialer.Move(held.from, u.Heir(held.from))
		b.dialer.Park(held.conn, held.from)
		held.from.Release()
	})
	o := <-k.told
	assert.Equal(t, o.why, record.None)
	b.give(o)
	assert.Equal(t, []int{u.Door.InUse(), int(u.Heir(held.from).InUse())}, []int{0, 0})
}
