package loop

// A hierarchical timer wheel: four levels of 64 slots, 10 ms at the finest.
//
// A timer is an intrusive deadline. Starting and stopping are O(1); prolonging is a single store, because a timer
// that comes up early is just linked again:
//
//	t.Extend(now + 75*time.Second) // nothing else happens until the old deadline comes up
//
// A slot at level k covers 64^k ticks. When the hand reaches a slot of a higher level, its timers move down. A
// bitmap per level says which slots hold anything, so the next moment to wake up for is a few bit operations away,
// and an idle loop with thousands of hour-long timers sleeps for minutes.

import "math/bits"

const (
	// tick is the wheel's resolution in nanoseconds: no timeout of a proxy needs a finer one.
	tick       = int64(10e6)
	slotBits   = 6
	slots      = 1 << slotBits
	levels     = 4
	horizon    = int64(1) << (slotBits * levels) // in ticks, about 46 hours; later deadlines come up early and are linked again
	never      = int64(1<<63 - 1)
	expiredMax = 1024 // timers handled per tick event; the rest follows in the next turn
)

// Expirer is told when a timer comes up.
type Expirer interface {
	// Expired is called at or after the deadline, never early and never after Loop.Cancel. The timer is not running by then.
	Expired(t *Timer)
}

// Timer is one deadline of one object, embedded in it. The zero value is a stopped timer.
type Timer struct {
	next, prev *Timer
	owner      Expirer
	deadline   int64 // nanoseconds, Loop.Now's scale
	level      int8  // where it is linked, when running
	slot       int8
	running    bool
}

// Bind says whom the timer tells. It is called once, before the first use.
func (t *Timer) Bind(owner Expirer) { t.owner = owner }

// Running reports whether the timer will come up.
func (t *Timer) Running() bool { return t.running }

// Deadline is the moment the timer was last set for.
func (t *Timer) Deadline() int64 { return t.deadline }

// Extend moves the deadline of a running timer to a later moment. It costs one store. A moment earlier than the
// present deadline is not honoured before that deadline; use Loop.Start for that.
func (t *Timer) Extend(deadline int64) { t.deadline = deadline }

// wheel keeps timers by the tick at which they come up. It knows no clock: time is an argument.
type wheel struct {
	slot [levels][slots]Timer // list heads (next, prev only)
	used [levels]uint64       // bit i: slot i of that level holds a timer
	hand int64                // ticks up to this one have been handled
	live int
}

func (w *wheel) init(now int64) {
	w.hand = now / tick
	for level := range w.slot {
		for i := range w.slot[level] {
			head := &w.slot[level][i]
			head.next, head.prev = head, head
		}
	}
}

// link puts a running timer where its deadline belongs, seen from the hand.
func (w *wheel) link(t *Timer) {
	due := (t.deadline + tick - 1) / tick // rounded up: never early
	due = max(due, w.hand+1)
	due = min(due, w.hand+horizon-1)
	level := 0
	// The highest group of bits in which due and the hand differ is the level that will bring it down.
	if diff := uint64(due ^ w.hand); diff >= slots {
		level = min((bits.Len64(diff)-1)/slotBits, levels-1)
	}
	slot := int(due>>(slotBits*level)) & (slots - 1)
	t.level, t.slot = int8(level), int8(slot)
	head := &w.slot[level][slot]
	t.prev, t.next = head.prev, head
	head.prev.next = t
	head.prev = t
	w.used[level] |= 1 << slot
}

func (w *wheel) unlink(t *Timer) {
	t.prev.next, t.next.prev = t.next, t.prev
	t.next, t.prev = nil, nil
	head := &w.slot[t.level][t.slot]
	if head.next == head {
		w.used[t.level] &^= 1 << t.slot
	}
}

func (w *wheel) start(t *Timer) {
	t.running = true
	w.live++
	w.link(t)
}

func (w *wheel) stop(t *Timer) {
	t.running = false
	w.live--
	w.unlink(t)
}

// nextTick returns the tick at which the hand must move next, or never.
func (w *wheel) nextTick() int64 {
	next := never
	for level := range w.used {
		if w.used[level] == 0 {
			continue
		}
		shift := slotBits * level
		at := int(w.hand>>shift) & (slots - 1)
		// Slots are searched from the one after the hand, around the ring.
		ahead := bits.TrailingZeros64(bits.RotateLeft64(w.used[level], -(at+1))) + 1
		next = min(next, (w.hand>>shift+int64(ahead))<<shift)
	}
	return next
}

// advance moves the hand up to the tick of now, and returns one timer whose deadline has passed, or nil when there
// is none left. The timer is stopped. Timers whose deadline was extended are linked again on the way.
func (w *wheel) advance(now int64) *Timer {
	for target := now / tick; ; {
		if t := w.expired(now); t != nil {
			return t
		}
		next := w.nextTick()
		if next > target {
			w.hand = max(w.hand, target)
			return nil
		}
		w.hand = next
		w.cascade()
	}
}

// expired takes timers from the finest slot under the hand.
func (w *wheel) expired(now int64) *Timer {
	head := &w.slot[0][int(w.hand)&(slots-1)]
	for head.next != head {
		t := head.next
		if t.deadline > now {
			w.unlink(t)
			w.link(t)
			continue
		}
		w.stop(t)
		return t
	}
	return nil
}

// cascade moves the timers of each coarser slot that begins at the hand into finer ones.
func (w *wheel) cascade() {
	for level := 1; level < levels; level++ {
		shift := slotBits * level
		if w.hand&(1<<shift-1) != 0 {
			return
		}
		head := &w.slot[level][int(w.hand>>shift)&(slots-1)]
		for t := head.next; t != head; t = head.next {
			w.unlink(t)
			w.relink(t)
		}
	}
}

// relink links a timer that a cascade brought down; one that is due at the hand itself goes under the hand.
func (w *wheel) relink(t *Timer) {
	if (t.deadline+tick-1)/tick > w.hand {
		w.link(t)
		return
	}
	slot := int(w.hand) & (slots - 1)
	t.level, t.slot = 0, int8(slot)
	head := &w.slot[0][slot]
	t.prev, t.next = head.prev, head
	head.prev.next = t
	head.prev = t
	w.used[0] |= 1 << slot
}
