package sim

// The poller: edge-triggered epoll, at its worst.
//
// A socket that changed is in the ready list once, however often it changed; what it reports is its state when the
// batch is taken, not when it is handled. Batches come in any order and size; closing a descriptor does not take
// back what a batch already says about its number. Hints are sometimes repeated for no reason.

import (
	"slices"

	"sluice/engine/loop"
)

const unarmed = int64(1<<63 - 1)

type poller struct {
	w      *World
	ready  []*file
	levels []*file
	roused bool
	posted bool
	armed  int64
	batch  []occurrence
	beside []func() // what others do while the loop is at work
	events int      // since the world began, for the limits
}

// occurrence is one entry of a batch.
type occurrence struct {
	kind occurrenceKind
	fd   int
	ev   loop.Events
}

type occurrenceKind uint8

const (
	hint occurrenceKind = iota
	turn
	ticked
	letter
)

var _ loop.Poller = (*poller)(nil)

func (p *poller) init(w *World) { p.w, p.armed = w, unarmed }

// Add implements loop.Poller: what is true already is reported.
func (p *poller) Add(fd int) error {
	x := p.w.files.get(fd, "epoll_ctl")
	if x == nil {
		return errBadFile
	}
	if x.registered {
		p.w.fault("descriptor %d is added to the poller twice", fd)
	}
	x.registered = true
	if x.socket != nil && x.socket.mask() != 0 {
		p.wakeFile(x)
	}
	return nil
}

// AddListener implements loop.Poller.
func (p *poller) AddListener(fd int) error {
	x := p.w.files.get(fd, "epoll_ctl")
	if x == nil {
		return errBadFile
	}
	x.registered, x.level = true, true
	p.levels = append(p.levels, x)
	return nil
}

// Delete implements loop.Poller.
func (p *poller) Delete(fd int) error {
	if x := p.w.files.get(fd, "epoll_ctl"); x != nil {
		x.registered = false
		p.unlevel(x)
	}
	return nil
}

func (p *poller) unlevel(x *file) {
	for i, l := range p.levels {
		if l == x {
			p.levels = append(p.levels[:i], p.levels[i+1:]...)
			return
		}
	}
}

// Wake implements loop.Poller.
func (p *poller) Wake() error { p.posted = true; return nil }

// Rouse implements loop.Poller.
func (p *poller) Rouse() { p.roused = true }

// Arm implements loop.Poller.
func (p *poller) Arm(at int64) { p.armed = at }

// Now implements loop.Poller. Each look at the clock takes a moment.
func (p *poller) Now() int64 {
	p.w.now += p.w.rng.Int64N(2000)
	return p.w.now
}

// Wall implements loop.Poller.
func (p *poller) Wall() int64 { return p.Now() + 1_700_000_000e9 }

// Close implements loop.Poller.
func (p *poller) Close() error { return nil }

// wakeFile is the callback of the kernel: something about the file has changed.
func (p *poller) wakeFile(x *file) {
	if !x.registered || x.ready || p.w.plant.forgets() {
		return
	}
	x.ready = true
	p.ready = append(p.ready, x)
}

// Poll implements loop.Poller: it is the world's own loop.
func (p *poller) Poll(d loop.Dispatcher) error {
	for !d.Stopped() {
		if !p.w.pass() {
			return nil
		}
		p.harvest()
		p.deliver(d)
		p.w.office.employ()
		p.w.play.inspect()
	}
	return nil
}

// pending reports whether a batch could be taken now.
func (p *poller) pending() bool {
	return len(p.ready) > 0 || p.roused || p.posted || p.w.now >= p.armed || p.queued()
}

func (p *poller) queued() bool {
	for _, x := range p.levels {
		if len(x.listener.queue) > 0 {
			return true
		}
	}
	return false
}

// harvest is epoll_wait: it takes a batch, in an order of its own.
func (p *poller) harvest() {
	w := p.w
	p.batch = p.batch[:0]
	most := len(p.ready)
	if w.chance(20) {
		most = w.between(0, most)
	}
	w.rng.Shuffle(len(p.ready), func(i, j int) { p.ready[i], p.ready[j] = p.ready[j], p.ready[i] })
	for _, x := range p.ready[:most] {
		x.ready = false
		if ev := p.maskOf(x); ev != 0 {
			p.batch = append(p.batch, occurrence{kind: hint, fd: x.fd, ev: ev})
		}
	}
	p.ready = p.ready[:copy(p.ready, p.ready[most:])]
	for _, x := range p.levels {
		if len(x.listener.queue) > 0 {
			p.batch = append(p.batch, occurrence{kind: hint, fd: x.fd, ev: loop.Readable})
		}
	}
	p.harvestOwn()
	p.repeat()
	w.rng.Shuffle(len(p.batch), func(i, j int) { p.batch[i], p.batch[j] = p.batch[j], p.batch[i] })
	if w.chance(25) || w.plant.hurries() {
		slices.SortStableFunc(p.batch, func(a, b occurrence) int { return p.rank(a) - p.rank(b) })
	}
}

// rank is the order in which a stale hint does most harm: first the turn that closes, then the accept that gets a
// number again, then what was said about the number before.
func (p *poller) rank(o occurrence) int {
	switch {
	case o.kind != hint:
		return 0
	case p.w.listener != nil && o.fd == p.w.listener.file.fd:
		return 1
	}
	return 2
}

func (p *poller) maskOf(x *file) loop.Events {
	if !x.registered || x.socket == nil {
		return 0
	}
	return x.socket.mask()
}

// harvestOwn takes what the poller's own descriptors report. A turn within a batch is a planted fault: it comes after
// it, as the tick does.
func (p *poller) harvestOwn() {
	if p.roused && p.w.plant.hurries() {
		p.roused = false
		p.batch = append(p.batch, occurrence{kind: turn})
	}
	if p.posted {
		p.posted = false
		p.batch = append(p.batch, occurrence{kind: letter})
	}
}

// repeat adds hints for no reason: a socket reports its state once more.
func (p *poller) repeat() {
	w := p.w
	if w.plant.hurries() {
		for fd := firstFD; fd < len(w.files.table); fd++ {
			p.repeatOne(fd)
		}
		return
	}
	if len(p.batch) > 0 && w.chance(w.plan.spurious) {
		p.repeatOne(w.between(firstFD, len(w.files.table)))
	}
}

func (p *poller) repeatOne(fd int) {
	if fd >= len(p.w.files.table) || p.w.files.table[fd] == nil {
		return
	}
	if ev := p.maskOf(p.w.files.table[fd]); ev != 0 {
		p.w.cover.hit(SpuriousHint)
		p.batch = append(p.batch, occurrence{kind: hint, fd: fd, ev: ev})
	}
}

// deliver hands the batch over, one by one.
func (p *poller) deliver(d loop.Dispatcher) {
	for _, o := range p.batch {
		p.events++
		switch o.kind {
		case hint:
			p.deliverHint(d, o)
		case turn:
			d.Turn()
		case letter:
			p.w.trace("-- letters")
			d.Posted()
		}
		if d.Stopped() {
			return
		}
		p.passTime()
	}
	if p.roused {
		p.roused = false
		p.w.trace("-- turn")
		d.Turn()
	}
	if p.w.now >= p.armed {
		p.armed = unarmed
		p.w.trace("-- tick")
		d.Tick()
	}
}

// passTime does what others do meanwhile.
func (p *poller) passTime() {
	all := p.beside
	p.beside = nil
	for _, do := range all {
		do()
	}
}

func (p *poller) deliverHint(d loop.Dispatcher, o occurrence) {
	p.w.trace("-- fd %d: %s", o.fd, eventNames(o.ev))
	d.Event(o.fd, o.ev)
}

// eventNames prints hints in traces.
func eventNames(ev loop.Events) (s string) {
	for _, n := range []struct {
		bit  loop.Events
		name string
	}{{loop.Readable, "IN"}, {loop.Urgent, "PRI"}, {loop.Writable, "OUT"}, {loop.Failed, "ERR"}, {loop.Hangup, "HUP"}, {loop.ReadShut, "RDHUP"}} {
		if ev&n.bit != 0 {
			s += " " + n.name
		}
	}
	return s
}
