// Package lease gets connections to servers, without knowing what they are for: sets of servers, the policies that
// choose among them, dialing, and failover.
//
// A Lease is one connection's way to a server: pick, dial, and when that fails, the next one. Whoever asked hears of
// the outcome only; a server that refuses or does not answer in time is replaced before the client notices.
//
//	   ┌─► queued          (everything is at its limit)
//	   ▼     │ a turn
//	picking ◄┘──► dialing ──► (securing) ──► leased
//	   ▲             │ refused, timed out, not who it should be
//	   └─────────────┘          (no server left, or waited in vain ──► failed)
package lease

import (
	"syscall"
	"time"

	"sluice/engine/door"
	"sluice/engine/loop"
	"sluice/engine/record"
	"sluice/engine/roster"
	"sluice/engine/sock"
	"sluice/engine/stat"
	"sluice/pool"
)

// Taker is who asked for a connection.
type Taker interface {
	// Trying tells which server is about to be dialed. It must not cancel the lease.
	Trying(b *Backend)
	// Leased hands over a connected connection, with TLS where its server is reached over it, and the place it takes at its server; the taker owns both, sets itself as
	// the connection's owner, and gives the place back by Dialer.LetGo or MoveOn when the connection is over, or by
	// b.Release after Dialer.Park when it is idle. The lease is gone.
	Leased(c *sock.Conn, b *Backend)
	// Unleased says that no server could be reached: why the last one could not. detail is about its certificate, or
	// what else went wrong in its handshake; else it is empty. The lease is gone.
	Unleased(why record.Reason, cause syscall.Errno, detail string)
}

// Ask is what a taker wants.
type Ask struct {
	From    *Upstream
	Key     uint64        // for policies that go by a key
	Prefer  *Backend      // the server to take if it is usable, whatever the policy says; may be nil
	Avoid   *Tried        // servers not to take, because they have failed before; may be nil, and may change after Begin
	Connect time.Duration // for each attempt
	Pooled  bool          // a connection that was idle will do; Seek says so by itself
	Again   bool          // it has had a place before: it does not queue behind those who have not
	Inside  bool          // it holds a place at the upstream's door, which is the lease's from now on
	Once    bool          // one server only: a failure is not made good by another
	Taker   Taker
}

// Dialer makes leases on one loop, and keeps the connections that are idle.
type Dialer struct {
	net      *sock.Net
	leases   pool.FreeList[Lease]
	parked   pool.FreeList[parked]
	partings pool.FreeList[parting]
	lots     []*lot                // those that have ever held a connection
	live     roster.Roster[*Lease] // searches under way
}

// NewDialer returns the dialer of net's loop.
func NewDialer(net *sock.Net) *Dialer { return &Dialer{net: net} }

// Pending is the number of leases that are being sought.
func (d *Dialer) Pending() int { return d.leases.Live() }

// Lease is a search under way. It belongs to its dialer and is gone when the taker has been told, or after Cancel.
type Lease struct {
	dialer   *Dialer
	ask      Ask
	task     loop.Task
	timer    loop.Timer
	conn     *sock.Conn
	backend  *Backend
	place    roster.Place[*Lease] // among the dialer's
	ticket   *door.Ticket         // in the upstream's queue
	errand   *errand              // somebody else makes room
	tried    Tried
	before   int // how many of tried had failed before this search
	addr     sock.Addr
	why      record.Reason
	cause    syscall.Errno
	detail   string
	until    int64 // when it gives up waiting for a turn, once it has begun; all its waits together count
	dear     int8  // attempts that timed out, or came as far as a handshake
	idle     bool  // the connection was idle before
	reserved bool  // the connection, or the one to be dialed, is counted among its server's
	waited   bool  // it has waited for its turn
	state    leaseState
}

// Seat implements roster.Placed.
func (l *Lease) Seat() *roster.Place[*Lease] { return &l.place }

// Begin starts a search. The taker hears nothing before the present callback has returned.
func (d *Dialer) Begin(ask Ask) *Lease {
	ask.From = ask.From.latest()
	l := d.leases.Get()
	*l = Lease{dialer: d, ask: ask}
	if ask.Avoid != nil {
		l.tried = *ask.Avoid
		l.before = l.tried.Len()
	}
	l.task.Bind(l)
	l.timer.Bind(l)
	l.set(picking)
	d.live.Join(l)
	d.net.Loop.Settle(&l.task)
	return l
}

// Seek is Begin for connections that can be used again: when the server that is picked has an idle one on this loop, it
// is returned at once, with its place at the server, and there is no lease. The caller owns both as in Taker.Leased.
func (d *Dialer) Seek(ask Ask) (*sock.Conn, *Backend, *Lease) {
	ask.From = ask.From.latest()
	b, _ := ask.From.take(&ask, d.net.Loop.Index(), ask.Avoid, false)
	if b != nil {
		if c := d.unpark(b); c != nil {
			return c, b, nil
		}
	}
	ask.Pooled = true // should this one refuse, the next one may have an idle connection
	l := d.Begin(ask)
	l.backend = b
	return nil, nil, l
}

// Cancel ends the search; the taker hears nothing more.
func (l *Lease) Cancel() {
	l.drop()
	l.finish()
}

// Run begins the first attempt, or frees a lease that was cancelled before it.
func (l *Lease) Run() {
	if l.state == over {
		l.dialer.leases.Put(l)
		return
	}
	l.next()
}

// next tries servers until a dial is under way, a turn has to be waited for, or there is no server left.
func (l *Lease) next() {
	for {
		if l.backend == nil && !l.pick() {
			return
		}
		b := l.backend
		l.tried.Add(b)
		l.dialer.net.Loop.Stats().Inc(stat.ConnectAttempts)
		if l.tried.Len()-l.before > 1 {
			l.dialer.net.Loop.Stats().Inc(stat.Retries)
		}
		l.ask.Taker.Trying(b)
		if l.ask.Pooled && l.reuse() || l.makeRoom() || l.connect() {
			return
		}
	}
}

// connect dials the server that was picked. It is false when another is to be tried.
func (l *Lease) connect() (done bool) {
	cause := l.dial()
	if cause == 0 {
		return true
	}
	l.missed(record.ConnectReason(cause), cause, "")
	if l.why == record.FDExhausted || l.ask.Once {
		l.fail() // the next server would meet the same shortage
		return true
	}
	return false
}

// pick takes a place at a server. Without one it joins the queue, or fails, and is false.
func (l *Lease) pick() bool {
	l.ask.From = l.ask.From.latest()
	b, full := l.ask.From.take(&l.ask, l.dialer.net.Loop.Index(), &l.tried, false)
	if b == nil && full && l.queue() {
		return l.backend != nil
	}
	if l.backend = b; b == nil {
		l.fail()
		return false
	}
	l.ask.Inside = false // the place at the door is that of the server's now
	return true
}

// reuse hands over an idle connection to the server, if there is one.
func (l *Lease) reuse() bool {
	c := l.dialer.unpark(l.backend)
	if c == nil {
		return false
	}
	c.Own(l)
	l.idle = true
	l.hand(c)
	return true
}

// Idle reports, to the taker that is being given a connection, whether it was idle before.
func (l *Lease) Idle() bool { return l.idle }

func (l *Lease) dial() syscall.Errno {
	l.addr = sock.Addr(l.backend.Addr)
	c, err := l.dialer.net.Dial(&l.addr, l)
	if err != 0 {
		return err
	}
	l.conn = c
	l.set(dialing)
	now := l.dialer.net.Loop.Now()
	l.dialer.net.Loop.Start(&l.timer, now+int64(l.ask.Connect))
	return 0
}

// missed notes a failed attempt and gives the place back.
func (l *Lease) missed(why record.Reason, cause syscall.Errno, detail string) {
	l.why, l.cause, l.detail = why, cause, detail
	if why.Side() == record.Back && why != record.MarkedDown { // that has been judged already
		l.ask.From.Failed(l.backend, why)
	}
	l.dialer.net.Loop.Stats().Inc(stat.ConnectFailures)
	l.drop()
}

// drop lets go of the present attempt.
func (l *Lease) drop() {
	l.dialer.net.Loop.Cancel(&l.timer)
	if l.conn != nil {
		l.conn.Reset()
		l.conn = nil
	}
	if l.backend != nil {
		l.ask.Inside = l.dialer.moveOn(l.backend, l.reserved)
		l.backend, l.reserved = nil, false
	}
	l.unqueue()
}

// Connected implements sock.Owner: the attempt succeeded.
func (l *Lease) Connected(c *sock.Conn) {
	l.dialer.net.Loop.Cancel(&l.timer)
	if l.backend.Secure != nil {
		l.secure(c)
		return
	}
	l.hand(c)
}

// hand gives the taker its connection.
func (l *Lease) hand(c *sock.Conn) {
	b := l.backend
	l.conn, l.backend, l.reserved = nil, nil, false
	l.set(handing) // it is still the connection's owner: a panic of the taker must find its way
	l.ask.Taker.Leased(c, b)
	l.finish()
}

// Broken implements sock.Owner: the attempt failed.
func (l *Lease) Broken(_ *sock.Conn, cause syscall.Errno) {
	if l.state == securing {
		l.unsecured(record.ServerHandshake, cause, l.backend.Secure.Explain(cause))
		return
	}
	l.again(record.ConnectReason(cause), cause, "")
}

// again goes on after a failed attempt, unless it was a fault of our own that the next server would meet, too.
func (l *Lease) again(why record.Reason, cause syscall.Errno, detail string) {
	l.missed(why, cause, detail)
	l.set(picking)
	if l.ask.Once || l.dear >= maxDear || why.Side() == record.Self && why != record.ConnectFailed {
		l.fail()
		return
	}
	l.next()
}

// maxDear is how many servers may let a connection wait for the whole of its connect timeout, or have a handshake made for
// nothing: nobody waits for a ninth, or has us work for it.
const maxDear = 8

// Expired ends an attempt that takes too long.
func (l *Lease) Expired(*loop.Timer) {
	switch l.state {
	case queued:
		l.waitedInVain()
		return
	case clearing:
		l.roomMade()
		return
	}
	l.dear++
	l.again(record.ConnectTimeout, syscall.ETIMEDOUT, "")
}

// fail tells the taker that there is no server.
func (l *Lease) fail() {
	taker, why, cause, detail := l.ask.Taker, l.why, l.cause, l.detail
	if why == record.None {
		why = l.ask.From.whyNobody(&l.tried)
	}
	l.finish()
	taker.Unleased(why, cause, detail)
}

// finish frees the lease, unless its task still waits in the ring, which frees it then.
func (l *Lease) finish() {
	l.set(over)
	if l.ask.Inside {
		l.ask.Inside = false
		l.ask.From.Door.Leave()
	}
	l.dialer.live.Leave(l)
	l.ask = Ask{} // it would keep an upstream of long ago
	if !l.task.Queued() {
		l.dialer.leases.Put(l)
	}
}

// Panicked implements loop.Victim: the taker has to end what the lease was for.
func (l *Lease) Panicked() {
	taker := l.ask.Taker
	if l.state == handing {
		l.finish()
	}
	if victim, ok := taker.(loop.Victim); ok {
		victim.Panicked()
	}
}
