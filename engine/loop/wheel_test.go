package loop

// The wheel beside a model that is too simple to be wrong: a list of deadlines.

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"sluice/internal/assert"
)

// modelTimer is a timer together with what the model knows of it.
type modelTimer struct {
	Timer
	at    int64 // the deadline last asked for
	floor int64 // the tick before which it cannot come up: the hand moves on from where it stood at the start
	on    bool
}

// due is the tick at which the timer must come up.
func (m *modelTimer) due() int64 { return max((m.at+tick-1)/tick, m.floor) }

// wheelModel drives both.
type wheelModel struct {
	t      *testing.T
	rng    *rand.Rand
	wheel  wheel
	now    int64
	timers []*modelTimer
	fired  int
}

func (m *wheelModel) Expired(*Timer) {}

func newWheelModel(t *testing.T, seed uint64, timers int) *wheelModel {
	m := &wheelModel{t: t, rng: rand.New(rand.NewPCG(seed, 1))}
	m.now = m.rng.Int64N(int64(1) << m.rng.IntN(60))
	m.wheel.init(m.now)
	for range timers {
		one := new(modelTimer)
		one.Bind(m)
		m.timers = append(m.timers, one)
	}
	return m
}

// span is a random distance in time: any scale from nanoseconds to far beyond the horizon, often a round number of
// ticks, so that slot boundaries are met.
func (m *wheelModel) span() int64 {
	ticks := int64(1) << m.rng.IntN(slotBits*levels+2)
	switch m.rng.IntN(4) {
	case 0:
		return m.rng.Int64N(2 * tick)
	case 1:
		return ticks * tick
	case 2:
		return (ticks + m.rng.Int64N(3) - 1) * tick
	}
	return m.rng.Int64N(ticks * tick)
}

func (m *wheelModel) step() {
	one := m.timers[m.rng.IntN(len(m.timers))]
	switch m.rng.IntN(8) {
	case 0, 1, 2:
		m.start(one)
	case 3:
		if one.on {
			m.wheel.stop(&one.Timer)
			one.on = false
		}
	case 4:
		if one.on {
			one.at += m.span()
			one.Extend(one.at)
		}
	case 5:
		m.advance(m.now + m.span())
	case 6:
		if next := m.wheel.nextTick(); next != never {
			m.advance(max(next*tick, m.now)) // to the moment that the poller is armed for
		}
	case 7:
		m.advance(m.now + m.rng.Int64N(3*tick))
	}
	m.check()
}

func (m *wheelModel) start(one *modelTimer) {
	if one.on {
		m.wheel.stop(&one.Timer)
	}
	one.at, one.on, one.floor = m.now+m.span()-m.rng.Int64N(2*tick), true, m.wheel.hand+1
	one.deadline = one.at
	m.wheel.start(&one.Timer)
}

func (m *wheelModel) advance(to int64) {
	m.now = to
	for {
		t := m.wheel.advance(to)
		if t == nil {
			break
		}
		m.fire(t)
	}
	for _, one := range m.timers {
		if one.on && one.due() <= to/tick {
			m.t.Fatalf("a timer due at tick %d has not come up at %d", one.due(), to/tick)
		}
	}
}

func (m *wheelModel) fire(t *Timer) {
	for _, one := range m.timers {
		if &one.Timer != t {
			continue
		}
		if !one.on {
			m.t.Fatal("a stopped timer came up, or one came up twice")
		}
		if one.at > m.now {
			m.t.Fatalf("a timer came up %d ns early", one.at-m.now)
		}
		one.on = false
		m.fired++
		return
	}
	m.t.Fatal("the wheel returned a timer that is not ours")
}

// check looks at what must hold between any two operations.
func (m *wheelModel) check() {
	next, live := m.wheel.nextTick(), 0
	for _, one := range m.timers {
		if one.on != one.Running() {
			m.t.Fatalf("Running says %v", one.Running())
		}
		if !one.on {
			continue
		}
		live++
		if next > one.due() {
			m.t.Fatalf("the next tick is %d, but a timer is due at %d", next, one.due())
		}
	}
	if (live == 0) != (next == never) {
		m.t.Fatalf("next tick %d with %d timers", next, live)
	}
	if next <= m.wheel.hand {
		m.t.Fatalf("the next tick %d is not after the hand %d", next, m.wheel.hand)
	}
	assert.Equal(m.t, m.wheel.live, live)
	assert.Equal(m.t, validate(&m.wheel), "")
}

// validate says what is inconsistent in the wheel's lists and bitmaps.
func validate(w *wheel) string {
	linked := 0
	for level := range w.slot {
		for i := range w.slot[level] {
			head := &w.slot[level][i]
			if used := w.used[level]>>i&1 == 1; used != (head.next != head) {
				return fmt.Sprintf("bit %d of level %d is %v", i, level, used)
			}
			for t := head.next; t != head; t = t.next {
				if int(t.level) != level || int(t.slot) != i || t.next.prev != t || !t.running {
					return fmt.Sprintf("a timer in slot %d of level %d is linked wrongly", i, level)
				}
				linked++
			}
		}
	}
	if linked != w.live {
		return fmt.Sprintf("%d timers are linked, %d live", linked, w.live)
	}
	return ""
}

func TestWheelAgreesWithTheModel(t *testing.T) {
	t.Parallel()
	seeds, fired := 150, 0
	for seed := range uint64(seeds) {
		m := newWheelModel(t, seed, 1+int(seed%40))
		for range 300 {
			m.step()
			if t.Failed() {
				t.Fatalf("seed %d", seed)
			}
		}
		fired += m.fired
	}
	if fired < 10*seeds {
		t.Fatalf("only %d timers came up: the test tests nothing", fired)
	}
}

func TestWheelManyTimersInOneSlot(t *testing.T) {
	t.Parallel()
	var w wheel
	w.init(0)
	timers := make([]Timer, 5000)
	for i := range timers {
		timers[i].deadline = 7*tick*slots + int64(i%10) // one slot of level 1, then one of level 0
		w.start(&timers[i])
	}
	for i := 0; i < len(timers); i += 3 {
		w.stop(&timers[i])
	}
	assert.Equal(t, validate(&w), "")
	assert.Equal(t, w.nextTick(), int64(7*slots))
	assert.Equal(t, w.advance(7*tick*slots-1), (*Timer)(nil))
	seen := make(map[*Timer]bool)
	for one := w.advance(8 * tick * slots); one != nil; one = w.advance(8 * tick * slots) {
		seen[one] = true
	}
	assert.Equal(t, len(seen), len(timers)-(len(timers)+2)/3)
	assert.Equal(t, w.nextTick(), never)
}

// A deadline beyond the horizon comes round until it is reached, and never early.
func TestWheelBeyondTheHorizon(t *testing.T) {
	t.Parallel()
	var w wheel
	w.init(3 * tick)
	deadline := (5*horizon+17)*tick + 1
	one := Timer{deadline: deadline}
	w.start(&one)
	rounds := 0
	for one.running {
		now := w.nextTick() * tick
		if got := w.advance(now); got != nil && now < deadline {
			t.Fatalf("came up at %d, due at %d", now, deadline)
		}
		if rounds++; rounds > 64 {
			t.Fatal("the timer never comes up")
		}
	}
	assert.Equal(t, w.hand, (deadline+tick-1)/tick)
}

func TestWheelExtendToAnEarlierMomentWaitsForTheOldOne(t *testing.T) {
	t.Parallel()
	var w wheel
	w.init(0)
	one := Timer{deadline: 50 * tick}
	w.start(&one)
	one.Extend(10 * tick)
	assert.Equal(t, w.advance(49*tick), (*Timer)(nil))
	assert.Equal(t, w.advance(50*tick), &one)
}

// expirer notes when its timer came up.
type expirer struct {
	Timer
	fn func()
}

func (e *expirer) Expired(*Timer) { e.fn() }

func newExpirer(fn func()) *expirer {
	e := &expirer{fn: fn}
	e.Bind(e)
	return e
}

// The loop arms the poller for nothing but what its timers need, and needs no other wake-ups than these.
func TestTimersComeUpAtTheArmedMoments(t *testing.T) {
	t.Parallel()
	for seed := range uint64(30) {
		rng := rand.New(rand.NewPCG(seed, 2))
		l, p := newFake(rng.Int64N(1 << 50))
		left := 0
		for range 50 {
			l.now = p.now
			deadline := p.now + rng.Int64N(int64(1)<<(20+rng.IntN(25)))
			due := max((deadline+tick-1)/tick, l.wheel.hand+1) * tick
			left++
			l.Start(&newExpirer(func() {
				left--
				if l.Now() < deadline || l.Now() > due {
					t.Errorf("seed %d: deadline %d, due %d, came up at %d", seed, deadline, due, l.Now())
				}
			}).Timer, deadline)
			if rng.IntN(3) == 0 {
				tickOnce(l, p)
			}
		}
		for ticks := 0; left > 0 && ticks < 2000; ticks++ {
			tickOnce(l, p)
		}
		assert.Equal(t, left, 0)
		assert.Equal(t, l.armed, never)
	}
}

// tickOnce lets time pass to the armed moment.
func tickOnce(l *Loop, p *fakePoller) {
	if l.armed == never {
		return
	}
	p.now = max(p.now, p.armed)
	l.Tick()
}

func TestStartMovesARunningTimerAndCancelStopsIt(t *testing.T) {
	t.Parallel()
	l, p := newFake(0)
	var at []int64
	one := newExpirer(func() { at = append(at, l.Now()) })
	l.Start(&one.Timer, 100*tick)
	l.Start(&one.Timer, 20*tick) // nearer: armed again
	assert.Equal(t, p.armed, 20*tick)
	tickOnce(l, p)
	assert.Equal(t, at, []int64{20 * tick})
	assert.Equal(t, one.Running(), false)

	l.Start(&one.Timer, 40*tick)
	l.Cancel(&one.Timer)
	l.Cancel(&one.Timer) // a stopped timer: nothing
	tickOnce(l, p)
	p.now = 500 * tick
	l.Tick()
	assert.Equal(t, len(at), 1)
}

func TestNearerDeadlinesOnlyArmThePoller(t *testing.T) {
	t.Parallel()
	l, p := newFake(0)
	for i := range 20 {
		l.Start(&newExpirer(func() {}).Timer, int64(10+i)*tick)
	}
	assert.Equal(t, p.arms, 1)
	extended := newExpirer(func() { t.Error("came up although it was extended") })
	l.Start(&extended.Timer, 10*tick)
	extended.Extend(1000 * tick)
	assert.Equal(t, p.arms, 1)
	tickOnce(l, p)
}

// A herd of timers is handled over several turns, and each of them exactly once.
func TestExpiredTimersAreBoundedPerTurn(t *testing.T) {
	t.Parallel()
	l, p := newFake(0)
	fired := 0
	for range 3*expiredMax + 5 {
		l.Start(&newExpirer(func() { fired++ }).Timer, 10*tick)
	}
	p.now = 10 * tick
	l.Tick()
	assert.Equal(t, fired, expiredMax)
	p.now += tick
	l.Tick() // a second tick before the turn must not do the work twice
	turns := p.drain(t, l)
	assert.Equal(t, fired, 3*expiredMax+5)
	if turns < 1 {
		t.Fatal("no turn was asked for")
	}
	assert.Equal(t, l.wheel.nextTick(), never)
}

// An owner may start its own and other timers, and cancel others that are due in the same round.
func TestExpiredMayStartAndCancel(t *testing.T) {
	t.Parallel()
	l, p := newFake(0)
	again := 0
	var one, victim *expirer
	one = newExpirer(func() {
		l.Cancel(&victim.Timer)
		if again++; again < 5 {
			l.Start(&one.Timer, l.Now()) // already over: comes up in the next tick, not in this round
		}
	})
	victim = newExpirer(func() { t.Error("a cancelled timer came up") })
	l.Start(&one.Timer, tick)
	l.Start(&victim.Timer, tick)
	for range 10 {
		p.now += tick
		l.Tick()
	}
	assert.Equal(t, again, 5)
}
