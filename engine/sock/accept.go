package sock

import (
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"

	"sluice/engine/loop"
	"sluice/engine/stat"
)

// Acceptor is what a listener hands its connections to: a protocol, on one loop.
type Acceptor interface {
	// Admit is asked about a peer before anything is spent on its connection; false closes it at once, with a reset.
	Admit(peer netip.AddrPort) bool
	// Accept owns the connection from now on, and one slot of the listener's gate, which it gives back by
	// Gate.Release when the connection is over. It has to set itself, or another, as the owner, which hears Connected
	// or Broken next.
	Accept(c *Conn, gate *Gate)
	// Dropped is told that an admitted connection could not be kept.
	Dropped(peer netip.AddrPort, err syscall.Errno)
}

// Target is a loop that takes connections of a listener.
type Target struct {
	Net      *Net
	Acceptor Acceptor
}

// Listener is one listening descriptor on one loop. It is level-triggered: what a bounded batch leaves in the queue
// is reported again, and a pause needs no edge to end.
type Listener struct {
	net     *Net
	gate    *Gate
	targets []Target // a TCP listener has its own loop; a unix one hands out to all, in turn
	turn    int
	fd      int
	batch   int // accepts of the next wake-up
	unix    bool
	paused  bool
	closed  bool
	retry   loop.Timer // ends a pause for lack of descriptors
	report  func(err syscall.Errno)
	full    func()
}

// ListenerConfig is what a Listener is made of.
type ListenerConfig struct {
	FD      int
	Unix    bool
	Gate    *Gate
	Targets []Target
	// Report is told when descriptors run out, once per shortage, and with 0 when accepting works again.
	Report func(err syscall.Errno)
	// Full is told each time accepting pauses because the gate is full; it may be nil.
	Full func()
}

// NewListener starts accepting on net's loop. It must run on that loop.
func NewListener(net *Net, c ListenerConfig) (*Listener, error) {
	l := &Listener{net: net, gate: c.Gate, targets: c.Targets, fd: c.FD, batch: 1, unix: c.Unix, report: c.Report, full: c.Full}
	l.retry.Bind(l)
	if err := net.Loop.AddListener(l.fd, l); err != nil {
		return nil, err
	}
	l.gate.join(l)
	return l, nil
}

// Change has the listener work for others from now on, and keeps its descriptor with everything in its queue: c.FD and
// c.Unix do not count. It runs on the listener's loop. Connections that are on their way to another loop still go to
// whom they were meant for.
func (l *Listener) Change(c ListenerConfig) {
	l.targets, l.turn, l.report, l.full = c.Targets, 0, c.Report, c.Full
	if l.gate == c.Gate {
		return
	}
	before := l.gate
	before.leave(l)
	l.gate = c.Gate
	l.gate.join(l)
	before.wake() // a chance that was on its way here is another one's
	if !l.retry.Running() {
		l.resume()
	}
}

// Ready accepts a batch. The batch grows while the queue is not emptied by it, so that a quiet listener spends no
// call on hearing that there is nothing more.
func (l *Listener) Ready(loop.Events) {
	if l.closed || l.paused {
		return
	}
	for range l.batch {
		if more := l.acceptOne(); !more {
			l.batch = max(l.batch/2, 1)
			return
		}
	}
	l.batch = min(l.batch*2, acceptMax)
}

// acceptOne reports whether the queue may hold more.
func (l *Listener) acceptOne() bool {
	if !l.gate.acquire() && !l.gate.acquireOrWait(l) {
		l.pause(stat.AcceptPausesLimit)
		if l.full != nil {
			l.full()
		}
		return false
	}
	fd, peer, err := l.net.Sys.Accept(l.fd)
	if err == 0 {
		l.recovered()
		l.take(fd, peer)
		return true
	}
	l.gate.Release()
	switch err {
	case unix.EAGAIN:
		return false
	case unix.EMFILE, unix.ENFILE, unix.ENOBUFS, unix.ENOMEM:
		l.exhausted(err)
		return false
	}
	// The connection died in the queue, or the network is in trouble: accept(2) reports both here.
	l.net.Loop.Stats().Inc(stat.AcceptErrors)
	return true
}

// take hands one accepted descriptor to its loop.
func (l *Listener) take(fd int, peer netip.AddrPort) {
	target := l.targets[l.turn]
	l.turn = (l.turn + 1) % len(l.targets)
	from := source{peer: peer, gate: l.gate, stream: l.unix}
	if target.Net == l.net {
		target.adopt(fd, from)
		return
	}
	if !target.Net.Loop.Post(func() { target.adopt(fd, from) }) {
		l.net.Sys.Close(fd)
		l.gate.Release()
	}
}

// source is where an accepted descriptor comes from.
type source struct {
	peer   netip.AddrPort
	gate   *Gate
	stream bool
}

// adopt makes a connection of an accepted descriptor, on the target's own loop.
func (t Target) adopt(fd int, from source) {
	stats := t.Net.Loop.Stats()
	stats.Inc(stat.Accepted)
	if !t.Acceptor.Admit(from.peer) {
		t.Net.Sys.ResetOnClose(fd)
		t.Net.Sys.Close(fd) // never registered, so no event can be waiting for it
		from.gate.Release()
		return
	}
	c, err := t.Net.adopt(fd, from)
	if err != 0 {
		from.gate.Release()
		t.Acceptor.Dropped(from.peer, err)
		return
	}
	t.Acceptor.Accept(c, from.gate)
}

// pause stops accepting. The descriptor leaves the poller, because a level-triggered one would be reported for ever.
func (l *Listener) pause(why stat.ID) {
	l.paused = true
	l.net.Loop.Stats().Inc(why)
	_ = l.net.Loop.Remove(l.fd)
}

// exhausted pauses until there may be descriptors again.
func (l *Listener) exhausted(err syscall.Errno) {
	if l.closed || l.paused {
		return
	}
	l.pause(stat.AcceptPausesFD)
	now := l.net.Loop.Now()
	if l.gate.short.Swap(max(now, 1)) == 0 && l.report != nil {
		l.report(err)
	}
	l.net.Loop.Start(&l.retry, now+int64(acceptRetry))
}

// recovered says once that a shortage is over. At the edge of one, accepting works every other moment, so it is over
// only after a while without a failure.
func (l *Listener) recovered() {
	last := l.gate.short.Load()
	if last == 0 || l.net.Loop.Now()-last < int64(shortageOver) {
		return
	}
	if l.gate.short.CompareAndSwap(last, 0) && l.report != nil {
		l.report(0)
	}
}

// Expired ends a pause for lack of descriptors.
func (l *Listener) Expired(*loop.Timer) { l.resume() }

// woken is the chance of a free slot. A listener that cannot use it passes it on.
func (l *Listener) woken() {
	if l.closed || !l.paused {
		l.gate.wake()
		return
	}
	l.resume()
}

// resume accepts again, without waiting for an edge. It runs on the listener's loop.
func (l *Listener) resume() {
	if l.closed || !l.paused {
		return
	}
	l.net.Loop.Cancel(&l.retry)
	if err := l.net.Loop.AddListener(l.fd, l); err != nil {
		l.net.Loop.Start(&l.retry, l.net.Loop.Now()+int64(acceptRetry))
		return
	}
	l.paused = false
	l.Ready(loop.Readable)
}

// Close takes what waits in the queue, as far as limits allow, and stops listening: closing a queue resets what is
// left in it.
func (l *Listener) Close() {
	if l.closed {
		return
	}
	for range drainMax {
		if l.paused || !l.acceptOne() {
			break
		}
	}
	l.closed = true
	l.gate.leave(l)
	l.net.Loop.Cancel(&l.retry)
	if !l.paused {
		_ = l.net.Loop.Remove(l.fd)
	}
	l.net.Sys.Close(l.fd)
}
