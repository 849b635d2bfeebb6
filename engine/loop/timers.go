package loop

// Timers of a loop: the wheel, driven by one armed moment of the poller.

// ticker goes on with expired timers where the last round stopped at its bound.
type ticker struct{ loop *Loop }

func (t ticker) Run() { t.loop.expire() }

// Start sets t to come up at or after deadline (Now's scale, nanoseconds). A running timer is moved.
func (l *Loop) Start(t *Timer, deadline int64) {
	if t.running {
		l.wheel.stop(t)
	}
	t.deadline = deadline
	l.wheel.start(t)
	l.arm()
}

// Hasten sees to it that t comes up at deadline or before: a timer that runs for an earlier moment is left alone. It is
// for owners who find out what is due when the timer comes up, so that prolonging costs nothing at all.
func (l *Loop) Hasten(t *Timer, deadline int64) {
	if !t.running || deadline < t.deadline {
		l.Start(t, deadline)
	}
}

// Cancel stops t: it will not come up. Stopping a stopped timer does nothing.
func (l *Loop) Cancel(t *Timer) {
	if t.running {
		l.wheel.stop(t)
	}
}

// arm asks the poller for a Tick, unless it already gives one early enough. A moment that turned out needless (its
// timer was stopped) is not taken back: one spare tick is cheaper than a system call per timer.
func (l *Loop) arm() {
	next := l.wheel.nextTick()
	if next == never || next*tick >= l.armed {
		return
	}
	l.armed = next * tick
	l.poller.Arm(l.armed)
}

// Tick handles the armed moment.
func (l *Loop) Tick() {
	l.now = l.poller.Now()
	if l.now >= l.armed {
		l.armed = never
	}
	l.expire()
	l.settle()
}

func (l *Loop) expire() {
	for range expiredMax {
		t := l.wheel.advance(l.now)
		if t == nil {
			l.arm()
			return
		}
		l.expireOne(t)
	}
	l.Later(&l.ticking)
}

func (l *Loop) expireOne(t *Timer) {
	defer l.rescue(t.owner)
	t.owner.Expired(t)
}
