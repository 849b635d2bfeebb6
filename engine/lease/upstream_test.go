package lease

// Servers that come, go and change while an upstream runs, and who is asked for when not everybody will do.

import (
	"net/netip"
	"testing"
	"time"

	"sluice/engine/record"
	"sluice/internal/assert"
)

// spec is a server at 192.0.2.n.
func spec(n byte) Spec {
	at := netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, n}), 80)
	return Spec{Name: at.String(), Addr: Endpoint{Addr: at}, Weight: 1}
}

// running makes an upstream of servers that nobody dials.
func running(specs ...Spec) *Upstream {
	u := &Upstream{Name: "app", options: SetOptions{Policy: First}, loops: 2, Sign: func(address string) string { return "<" + address + ">" }}
	u.Replace(specs)
	return u
}

// pick is what take finds for an ask, with its place given back.
func (u *Upstream) pick(ask Ask, tried *Tried) *Backend {
	b, _ := u.take(&ask, 0, tried, false)
	if b != nil {
		b.Release()
	}
	return b
}

// A server is its address. Whoever stays is the same, whatever else is said of it, and whoever else comes or goes.
func TestReplaceKeepsWhoStays(t *testing.T) {
	t.Parallel()
	u := running(spec(1), spec(2))
	before := u.Set().Backends()
	before[0].Acquire()
	before[1].SetDown(true)
	heavier := spec(2)
	heavier.Weight, heavier.Backup = 9, true
	added, removed := u.Replace([]Spec{spec(3), heavier, spec(1)})
	now := u.Set().Members()
	assert.Equal(t, []bool{now[1].Backend == before[1], now[2].Backend == before[0]}, []bool{true, true})
	assert.Equal(t, []any{now[1].Weight, now[1].Backup, now[1].Down(), now[2].InUse()}, []any{9, true, true, int32(1)})
	assert.Equal(t, []any{len(added), added[0] == now[0].Backend, len(removed)}, []any{1, true, 0})
	assert.Equal(t, u.pick(Ask{}, nil) == now[0].Backend, true) // each loop sees it from now on
	b, _ := u.take(new(Ask), 1, nil, false)
	assert.Equal(t, b == now[0].Backend, true)
}

func TestReplaceTellsWhoIsGone(t *testing.T) {
	t.Parallel()
	u := running(spec(1), spec(2))
	first, second := u.Set().Backends()[0], u.Set().Backends()[1]
	added, removed := u.Replace([]Spec{spec(2), spec(2)}) // of several the first counts
	assert.Equal(t, []any{len(added), len(removed), len(u.Set().Backends())}, []any{0, 1, 1})
	assert.Equal(t, []bool{removed[0] == first, first.Removed(), second.Removed()}, []bool{true, true, false})
	assert.Equal(t, first.Usable(), false)
	_, removed = u.Replace(nil)
	assert.Equal(t, []any{len(removed), len(u.Set().Backends())}, []any{1, 0})
	assert.Equal(t, u.pick(Ask{}, nil) == nil, true)
	assert.Equal(t, u.whyNobody(nil), record.NoServer)
}

// Who has left and still has connections is the same when it comes back: what is in use counts against its limit.
func TestServersThatComeBack(t *testing.T) {
	t.Parallel()
	u := running(spec(1), spec(2))
	busy, idle := u.Set().Backends()[0], u.Set().Backends()[1]
	busy.Acquire()
	u.Replace(nil)
	u.Replace([]Spec{spec(3)}) // generations may lie in between
	added, _ := u.Replace([]Spec{spec(1), spec(2)})
	assert.Equal(t, len(added), 2)
	assert.Equal(t, []bool{added[0] == busy, added[1] == idle}, []bool{true, false})
	assert.Equal(t, []any{busy.Removed(), busy.InUse(), u.ByLabel([]byte("<192.0.2.1:80>")) == busy}, []any{false, int32(1), true})

	u.Replace(nil)
	busy.Release()
	u.Replace(nil)
	assert.Equal(t, len(u.retired), 0) // who has finished is forgotten
	added, _ = u.Replace([]Spec{spec(1)})
	assert.Equal(t, added[0] == busy, false)
}

// Another limit, or another name, makes another backend. Both count together, and what happens to one happens to both.
func TestAChangedLimitSharesWhatHappens(t *testing.T) {
	t.Parallel()
	u := running(spec(1))
	old := u.Set().Backends()[0]
	old.Acquire()
	old.SetEjected(true)
	limited := spec(1)
	limited.MaxConnections = 2
	added, removed := u.Replace([]Spec{limited})
	now := u.Set().Backends()[0]
	assert.Equal(t, []bool{len(added) == 1 && added[0] == now, len(removed) == 1 && removed[0] == old, now == old}, []bool{true, true, false})
	assert.Equal(t, []any{now.Removed(), now.Ejected(), now.InUse(), now.Label}, []any{false, true, int32(1), old.Label})
	assert.Equal(t, len(u.retired), 0)
	now.SetEjected(false)
	assert.Equal(t, []bool{old.Ejected(), now.Acquire(), now.Acquire()}, []bool{false, true, false})
	old.Release()
	assert.Equal(t, now.Acquire(), true)

	u.Replace(nil) // it leaves and comes back with another one
	limited.MaxConnections = 3
	u.Replace([]Spec{limited})
	third := u.Set().Backends()[0]
	assert.Equal(t, []any{third.InUse(), third.Removed(), now.Removed(), third.Acquire(), third.Acquire()}, []any{int32(2), false, false, true, false})

	renamed := limited
	renamed.Name = "app.internal:80 (192.0.2.1)"
	u.Replace([]Spec{renamed})
	assert.Equal(t, []any{u.Set().Backends()[0].Name, u.Set().Backends()[0].InUse()}, []any{renamed.Name, int32(3)})
}

func TestLabelsAllocNothing(t *testing.T) {
	u := running(spec(1), spec(2))
	first := u.Set().Backends()[0]
	label := []byte(first.Label)
	assert.Equal(t, first.Label, "<192.0.2.1:80>")
	for _, unknown := range []string{"", "<192.0.2.3:80>", "<192.0.2.1:80"} {
		assert.Equal(t, u.ByLabel([]byte(unknown)) == nil, true)
	}
	assert.Equal(t, u.ByLabel(label) == first, true)
	u.Replace([]Spec{spec(2)})
	assert.Equal(t, u.ByLabel(label) == nil, true)
	unsigned := gated(1, 0, 0, 0, spec(1))
	assert.Equal(t, []bool{unsigned.ByLabel(nil) == nil, unsigned.Set().Backends()[0].Label == ""}, []bool{true, true})
	assert.Allocs(t, 0, func() { u.ByLabel(label) })
}

func TestTheOneThatIsPreferred(t *testing.T) {
	t.Parallel()
	u := running(spec(1), spec(2), spec(3))
	all := u.Set().Backends()
	ask := Ask{Prefer: all[2]}
	first := func(what string, want *Backend, tried *Tried) {
		t.Helper()
		if got := u.pick(ask, tried); got != want {
			t.Errorf("%s: got %s", what, got.Name)
		}
	}
	first("it is there", all[2], nil)
	var tried Tried
	tried.Add(all[2])
	first("it has failed this one", all[0], &tried)
	all[2].SetDraining(true)
	first("it drains", all[0], nil)
	all[2].SetDraining(false)
	weightless := spec(3)
	weightless.Weight = 0
	u.Replace([]Spec{spec(1), spec(2), weightless})
	first("it gets nobody new, but keeps its own", all[2], nil)
	u.Replace([]Spec{spec(1)})
	first("it is gone", all[0], nil)
	full := spec(3)
	full.MaxConnections = 1
	u.Replace([]Spec{spec(1), full})
	ask.Prefer = u.Set().Backends()[1]
	ask.Prefer.Acquire()
	first("it is full", all[0], nil)
}

// Without a place, take tells whether waiting for one makes sense.
func TestTakeTellsWhetherThereIsHope(t *testing.T) {
	t.Parallel()
	limited := spec(1)
	limited.MaxConnections = 1
	u := running(limited, spec(2))
	one, two := u.Set().Backends()[0], u.Set().Backends()[1]
	two.SetDown(true)
	var tried Tried
	take := func() (b *Backend, full bool) { return u.take(new(Ask), 0, &tried, false) }
	b, full := take()
	assert.Equal(t, []bool{b == one, full}, []bool{true, false})
	b, full = take()
	assert.Equal(t, []bool{b == nil, full, u.whyNobody(nil) == record.UpstreamFull}, []bool{true, true, true})
	one.SetEjected(true)
	b, full = take()
	assert.Equal(t, []bool{b == nil, full, u.whyNobody(nil) == record.NoServer}, []bool{true, false, true})
	one.SetEjected(false)
	tried.Add(one) // its place would be of no use
	b, full = take()
	assert.Equal(t, []bool{b == nil, full}, []bool{true, false})
}

// The door counts what it lets in, and nothing else.
func TestTakeAtTheDoor(t *testing.T) {
	t.Parallel()
	u := gated(1, 2, 5, time.Minute, spec(1))
	one := u.Set().Backends()[0]
	one.SetDown(true)
	b, full := u.take(new(Ask), 0, nil, false)
	assert.Equal(t, []any{b == nil, full, u.Door.InUse()}, []any{true, false, 0})
	one.SetDown(false)
	for range 2 {
		b, _ = u.take(new(Ask), 0, nil, false)
		assert.Equal(t, b == one, true)
	}
	b, full = u.take(new(Ask), 0, nil, false)
	assert.Equal(t, []any{b == nil, full, u.Door.InUse(), one.InUse()}, []any{true, true, 2, int32(2)})
	assert.Equal(t, u.InUse(), 2)
	one.Release()
	assert.Equal(t, []int{u.Door.InUse(), u.Door.Limit(), u.Door.Size(), gated(1, 0, 1, 0).Door.Limit()}, []int{1, 2, 5, 0})
}

func TestSpare(t *testing.T) {
	t.Parallel()
	weightless := spec(3)
	weightless.Weight = 0
	u := running(spec(1), spec(2), weightless)
	one, two := u.Set().Backends()[0], u.Set().Backends()[1]
	var tried Tried
	assert.Equal(t, u.Spare(one, nil, false), true)
	two.SetEjected(true)
	assert.Equal(t, u.Spare(one, &tried, false), false) // nor is there one without weight
	two.SetEjected(false)
	tried.Add(two)
	assert.Equal(t, u.Spare(one, &tried, false), false)
	assert.Equal(t, u.Spare(two, &tried, false), true)
}

// A policy may be asked to look away from servers, of whom it knows nothing; what has been tried stays tried when a list of
// servers that is replaced meanwhile has them again.
func TestServersToAvoid(t *testing.T) {
	t.Parallel()
	b := newBench(t, 0)
	u := gated(1, 0, 0, 0, specOf(alive(t, "a"), 0), specOf(alive(t, "b"), 0))
	u.options.Policy = First
	u.Replace([]Spec{specOf(u.Set().Backends()[0], 0), specOf(u.Set().Backends()[1], 0)})
	var avoid Tried
	avoid.Add(u.Set().Backends()[0])
	k := newTaker()
	b.call(func() {
		b.dialer.Begin(Ask{From: u, Connect: time.Second, Avoid: &avoid, Taker: k})
		avoid.Reset() // it was copied
	})
	o := <-k.told
	assert.Equal(t, k.tried, []string{"b"})
	b.give(o)

	avoid.Add(u.Set().Backends()[0])
	avoid.Add(u.Set().Backends()[1])
	k = newTaker()
	b.call(func() { b.dialer.Seek(Ask{From: u, Connect: time.Second, Avoid: &avoid, Taker: k}) })
	o = <-k.told
	assert.Equal(t, []any{o.conn == nil, o.why, len(k.tried)}, []any{true, record.NoServer, 0})
}

// Who wants one try gets one, however it fails.
func TestOnce(t *testing.T) {
	t.Parallel()
	b := newBench(t, 0)
	for want, first := range map[record.Reason]*Backend{
		record.ConnectRefused: refusing("refused"), record.ConnectTimeout: mute("mute"),
	} {
		k := newTaker()
		u := upstreamOf(First, 1, first, alive(t, "alive"))
		b.call(func() { b.dialer.Begin(Ask{From: u, Connect: 20 * time.Millisecond, Once: true, Taker: k}) })
		o := <-k.told
		assert.Equal(t, []any{o.conn == nil, o.why, len(k.tried), first.InUse()}, []any{true, want, 1, int32(0)})
	}
	k := newTaker() // one that fails in the call itself
	u := upstreamOf(First, 1, absent(t, "absent"), alive(t, "alive"))
	b.call(func() { b.dialer.Begin(Ask{From: u, Connect: time.Second, Once: true, Taker: k}) })
	assert.Equal(t, (<-k.told).why, record.ConnectRefused)
	assert.Equal(t, len(k.tried), 1)
}

// Searches that wait for a dead server go on to the next; others are left alone.
func TestForsake(t *testing.T) {
	t.Parallel()
	b := newBench(t, 0)
	dead, other, next := mute("dead"), mute("other"), alive(t, "next")
	u := upstreamOf(First, 1, dead, next)
	first, _ := b.seek(u, time.Minute)
	second, _ := b.seek(u, time.Minute)
	stays, l := b.seek(upstreamOf(First, 1, other), time.Minute)
	last, _ := b.seek(upstreamOf(First, 1, dead), time.Minute)
	b.call(func() { b.dialer.Forsake(dead) })
	for _, k := range []*taker{first, second} {
		o := <-k.told
		assert.Equal(t, []any{o.from == next, len(k.tried)}, []any{true, 2})
		b.give(o)
	}
	o := <-last.told
	assert.Equal(t, []any{o.conn == nil, o.why}, []any{true, record.MarkedDown})
	assert.Equal(t, dead.InUse(), 0)
	b.call(func() {
		assert.Equal(t, []any{len(stays.told), l.state}, []any{0, dialing})
		l.Cancel()
	})
}

// Who wants one server only is told that it is down.
func TestForsakeOnce(t *testing.T) {
	t.Parallel()
	b, k := newBench(t, 0), newTaker()
	dead := mute("dead")
	u := upstreamOf(First, 1, dead, alive(t, "next"))
	b.call(func() { b.dialer.Begin(Ask{From: u, Connect: time.Minute, Once: true, Taker: k}) })
	b.call(func() { b.dialer.Forsake(dead) })
	assert.Equal(t, (<-k.told).why, record.MarkedDown)
}

// Evicted connections are closed, and new ones may be kept again, if the server is still listed.
func TestEvict(t *testing.T) {
	t.Parallel()
	b, one, two := newBench(t, 0), newOrigin(t, "one"), newOrigin(t, "two")
	u := pooled(8, time.Minute, one.Backend, two.Backend)
	first, second := b.take(u), b.take(u)
	one.SetDraining(true)
	other := b.take(u)
	one.SetDraining(false)
	b.park(first)
	b.park(second)
	b.park(other)
	b.call(func() {
		assert.Equal(t, []int{b.dialer.Idle(one.Backend), b.dialer.Idle(two.Backend)}, []int{2, 1})
		b.dialer.Evict(one.Backend)
		b.dialer.Evict(one.Backend)
		assert.Equal(t, []int{b.dialer.Idle(one.Backend), b.dialer.Idle(two.Backend)}, []int{0, 1})
	})
	closed(t, <-one.ends)
	closed(t, <-one.ends)
	assert.Equal(t, b.idle(), 1)
	third := b.take(u)
	b.park(third)
	b.call(func() { assert.Equal(t, b.dialer.Idle(one.Backend), 1) })
	one.SetRemoved(true)
	two.SetDraining(true)
	b.call(func() { b.dialer.Evict(one.Backend) })
	closed(t, <-one.ends)
	one.SetRemoved(false)
	fourth := b.take(u)
	one.gone.Store(true) // while it is in use
	b.park(fourth)
	closed(t, <-one.ends)
	assert.Equal(t, b.idle(), 1)
	b.call(b.dialer.CloseIdle)
	assert.Equal(t, b.idle(), 0)
}

// Failures go to whoever judges, with how many there were in a row.
func TestFailuresAreTold(t *testing.T) {
	t.Parallel()
	b := newBench(t, 0)
	bad, good := refusing("bad"), alive(t, "good")
	u := upstreamOf(First, 1, bad, good)
	type told struct {
		b     *Backend
		why   record.Reason
		times int
	}
	var all []told
	u.Suspect = func(b *Backend, why record.Reason, times int) { all = append(all, told{b, why, times}) }
	for range 2 {
		b.give(b.take(u))
	}
	b.call(func() {
		assert.Equal(t, all, []told{{bad, record.ConnectRefused, 1}, {bad, record.ConnectRefused, 2}})
		all = nil
		b.sys.short = true // our own shortage is nobody's fault
	})
	k, _ := b.seek(u, time.Second)
	assert.Equal(t, (<-k.told).why, record.FDExhausted)
	b.call(func() { assert.Equal(t, len(all), 0) })
}
