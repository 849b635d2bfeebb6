package lease

// The queue, on several real loops: exact counts, first come first served, and nobody forgotten.

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"sluice/engine/door"
	"sluice/engine/record"
	"sluice/engine/sock"
	"sluice/internal/assert"
)

// gated makes an upstream with a door, for as many loops.
func gated(loops, limit, size int, patience time.Duration, specs ...Spec) *Upstream {
	u := &Upstream{Name: "app", Connect: time.Second, options: SetOptions{Policy: P2C}, loops: loops, Door: door.New(limit, size, patience)}
	u.Replace(specs)
	return u
}

// specOf describes a server as alive and mute make it.
func specOf(b *Backend, most int) Spec {
	return Spec{Name: b.Name, Addr: b.Addr, Weight: 1, MaxConnections: most}
}

func TestTurnsComeInOrder(t *testing.T) {
	t.Parallel()
	one, two := newBench(t, 0), newBench(t, 1)
	u := gated(2, 0, 3, time.Minute, specOf(alive(t, "a"), 1))
	first := one.take(u)
	waiting := []struct {
		on *bench
		k  *taker
	}{}
	for _, on := range []*bench{two, one, two} {
		k, _ := on.seek(u, time.Second)
		waiting = append(waiting, struct {
			on *bench
			k  *taker
		}{on, k})
		assert.Eventually(t, func() bool { return u.Door.Waiting() == len(waiting) })
	}
	full, _ := one.seek(u, time.Second)
	assert.Equal(t, <-full.told, outcome{why: record.UpstreamFull})
	assert.Equal(t, u.Door.Refused(), uint64(1))
	on, held := one, first
	for _, w := range waiting {
		for _, other := range waiting {
			assert.Equal(t, len(other.k.told), 0)
		}
		on.give(held)
		on, held = w.on, <-w.k.told
		assert.Equal(t, held.from != nil, true)
	}
	on.give(held)
	assert.Equal(t, []int{u.Door.InUse(), u.Door.Waiting()}, []int{0, 0})
}

func TestNobodyWaitsForEver(t *testing.T) {
	t.Parallel()
	b := newBench(t, 0)
	u := gated(1, 1, 3, 30*time.Millisecond, specOf(alive(t, "a"), 0))
	held := b.take(u)
	k, _ := b.seek(u, time.Second)
	assert.Equal(t, <-k.told, outcome{why: record.QueueTimeout})
	assert.Equal(t, []int{u.Door.Waiting(), int(u.Door.Timeouts())}, []int{0, 1})
	b.give(held)
	b.give(b.take(u))
}

// A waiter that gives up passes its turn on, also when it has it already.
func TestTurnsArePassedOn(t *testing.T) {
	t.Parallel()
	b := newBench(t, 0)
	u := gated(1, 1, 3, time.Minute, specOf(alive(t, "a"), 0))
	held := b.take(u)
	gone, l := b.seek(u, time.Second)
	stays, _ := b.seek(u, time.Second)
	assert.Eventually(t, func() bool { return u.Door.Waiting() == 2 })
	b.call(func() {
		held.conn.Close()
		b.dialer.LetGo(held.from) // the letter with the turn is on its way
		l.Cancel()
	})
	o := <-stays.told
	assert.Equal(t, o.why, record.None)
	assert.Equal(t, len(gone.told), 0)
	b.give(o)
	assert.Equal(t, u.Door.Waiting(), 0)
}

// When the last server goes, those who wait for room are told, and when one comes, they get it.
func TestWaitersHearOfServers(t *testing.T) {
	t.Parallel()
	b := newBench(t, 0)
	a, other := specOf(alive(t, "a"), 1), specOf(alive(t, "b"), 1)
	u := gated(1, 0, 3, time.Minute, a)
	held := b.take(u)
	k, _ := b.seek(u, time.Second)
	assert.Eventually(t, func() bool { return u.Door.Waiting() == 1 })
	added, _ := u.Replace([]Spec{a, other})
	assert.Equal(t, len(added), 1)
	u.Door.Kick()
	o := <-k.told
	assert.Equal(t, o.from, added[0])

	k, _ = b.seek(u, time.Second)
	assert.Eventually(t, func() bool { return u.Door.Waiting() == 1 })
	for _, one := range u.Set().Backends() {
		one.SetDown(true)
	}
	u.Door.Kick()
	assert.Equal(t, (<-k.told).why, record.NoServer)
	b.give(o)
	b.give(held)
}

// A new connection together with the idle ones never exceeds its server's limit: an idle one of whatever loop makes room.
func TestIdleConnectionsMakeRoom(t *testing.T) {
	t.Parallel()
	one, two := newBench(t, 0), newBench(t, 1)
	o := newOrigin(t, "a")
	u := gated(2, 0, 0, 0, specOf(o.Backend, 2))
	u.MaxIdle, u.Idle = 8, time.Minute
	first, second := one.take(u), one.take(u)
	oldest := <-o.ends
	<-o.ends
	one.park(first)
	one.park(second)
	assert.Equal(t, one.idle(), 2)
	third := two.take(u)
	assert.Equal(t, third.why, record.None)
	<-o.ends
	assert.Equal(t, one.idle(), 1)
	buf := make([]byte, 1)
	n, err := oldest.Read(buf)
	assert.Equal(t, []any{n, err != nil}, []any{0, true})
	two.give(third)
	one.call(one.dialer.CloseIdle)
}

// A loop that wants room may find the idle connections of another loop's server just as these are given up.
func TestMakingRoomWhileOthersEvict(t *testing.T) {
	t.Parallel()
	one, two := newBench(t, 0), newBench(t, 1)
	u := gated(2, 0, 9, time.Minute, specOf(alive(t, "a"), 1))
	u.MaxIdle, u.Idle = 8, time.Minute
	b := u.Set().Backends()[0]
	for range 300 {
		one.park(one.take(u))
		k := newTaker()
		evicted := make(chan struct{})
		two.loop.Post(func() { two.dialer.Begin(Ask{From: u, Connect: time.Second, Taker: k}) })
		one.loop.Post(func() { one.dialer.Evict(b); close(evicted) })
		o := <-k.told
		<-evicted
		assert.Equal(t, o.why, record.None)
		two.give(o)
	}
	one.call(one.dialer.CloseIdle)
}

// TestAdmissionIsExact has several loops want more than there is, some giving up on the way: the limits hold at every
// moment, everybody is told exactly once, and in the end nothing is left.
func TestAdmissionIsExact(t *testing.T) {
	t.Parallel()
	const loops, asks, whole, each = 3, 400, 5, 3
	var benches []*bench
	for i := range loops {
		benches = append(benches, newBench(t, i))
	}
	u := gated(loops, whole, asks*loops, time.Minute, specOf(alive(t, "a"), each), specOf(alive(t, "b"), each))
	var all, most atomic.Int32
	var wait sync.WaitGroup
	for i, b := range benches {
		wait.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(i), 1))
			var burst sync.WaitGroup
			for range asks {
				k := newTaker()
				var l *Lease
				over := false
				b.call(func() {
					l = b.dialer.Begin(Ask{From: u, Connect: time.Minute, Taker: &once{k, func() { over = true }}})
				})
				if rng.IntN(4) == 0 {
					b.call(func() {
						if !over {
							l.Cancel()
							k.told <- outcome{why: record.ClientGone}
						}
					})
				}
				burst.Go(func() {
					o := <-k.told
					if o.from == nil {
						return
					}
					n := all.Add(1)
					for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
					}
					if in := o.from.InUse(); in > each {
						t.Errorf("%d connections to %s", in, o.from.Name)
					}
					all.Add(-1)
					b.give(o)
				})
			}
			burst.Wait()
		})
	}
	wait.Wait()
	assert.Eventually(t, func() bool { return u.Door.InUse() == 0 }) // places are given back when connections are closed
	assert.Equal(t, []int{u.Door.Waiting(), int(u.Door.Timeouts()), int(u.Door.Refused())}, []int{0, 0, 0})
	if m := most.Load(); m > whole {
		t.Errorf("%d connections at once, %d are allowed", m, whole)
	}
	for _, one := range u.Set().Backends() {
		assert.Equal(t, one.InUse(), 0)
	}
}

// once notes, on the loop, that its taker has been told.
type once struct {
	*taker
	then func()
}

func (o *once) Leased(c *sock.Conn, b *Backend) { o.then(); o.taker.Leased(c, b) }
func (o *once) Unleased(why record.Reason, cause syscall.Errno, detail string) {
	o.then()
	o.taker.Unleased(why, cause, detail)
}
