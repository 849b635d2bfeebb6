package lease

// Idle connections: kept per server and loop, the last one in the first one out, until they are needed, too old, too many,
// or touched by the server. Whatever a server says on an idle connection, be it a FIN or bytes nobody asked for, ends it:
// its edge is noticed when it comes, so that nothing has to be looked at before a connection is used again.

import (
	"math"
	"slices"
	"sync/atomic"
	"syscall"

	"sluice/engine/loop"
	"sluice/engine/sock"
	"sluice/engine/stat"
	"sluice/pool"
)

// lot holds the idle connections of one server on one loop.
type lot struct {
	idle     pool.Idle[*parked]
	timer    loop.Timer
	dialer   *Dialer // set once, before kept says for the first time that there is something: other loops read it
	upstream *Upstream
	backend  *Backend
	listed   bool         // among its dialer's lots
	moved    bool         // another configuration's lot has taken over; see Dialer.Move
	kept     atomic.Int32 // how many there are, for other loops; only where the server has a limit
}

// count tells other loops how many connections are idle here.
func (at *lot) count() {
	if at.backend.MaxConnections > 0 {
		at.kept.Store(int32(at.idle.Len()))
	}
}

// parked is one idle connection. It is the connection's owner and peeker.
type parked struct {
	link pool.IdleLink[*parked]
	conn *sock.Conn
	lot  *lot
}

// Park keeps a connection to b for later, or closes it. Nothing of an earlier message may be on its way. Its place at the
// server is to be released right after, and not before: whoever gets it must not overlook the connection.
func (d *Dialer) Park(c *sock.Conn, b *Backend) {
	at := d.lotFor(b)
	if at == nil {
		d.hangUp(c, b)
		return
	}
	p := d.parked.Get()
	*p = parked{conn: c}
	d.net.Loop.Stats().Inc(stat.HTTPBackIdle)
	at.put(d, p, d.net.Loop.Now())
	c.Own(p)
	c.Peek(p)
}

// lotFor is where a connection to b is kept; nil for nowhere. A configuration that has come meanwhile keeps it.
func (d *Dialer) lotFor(b *Backend) *lot {
	if b.lots == nil {
		return nil
	}
	if b.lots[d.net.Loop.Index()].moved {
		now := b.state().present.Load()
		if now == nil || now.lots[d.net.Loop.Index()].moved || !now.takes(b) {
			return nil
		}
		b = now
	}
	if b.lots[0].upstream.MaxIdle == 0 || b.gone.Load() {
		return nil
	}
	return &b.lots[d.net.Loop.Index()]
}

// put keeps p, which has been idle since then.
func (at *lot) put(d *Dialer, p *parked, since int64) {
	if at.dialer == nil {
		at.dialer = d
		at.idle.MaxIdle = at.upstream.MaxIdle
		at.timer.Bind(at)
	}
	if !at.listed {
		at.listed = true
		d.lots = append(d.lots, at)
	}
	p.lot = at
	if oldest, was := at.idle.Put(p, &p.link, since); was {
		oldest.close()
	}
	at.count()
	if !at.timer.Running() {
		d.net.Loop.Start(&at.timer, since+int64(at.upstream.Idle))
	}
}

// unpark takes the connection to b that was parked last; nil if there is none.
func (d *Dialer) unpark(b *Backend) *sock.Conn {
	if b.lots == nil {
		return nil
	}
	at := b.lot(d.net.Loop.Index())
	p, ok := at.idle.Take()
	if !ok {
		return nil
	}
	at.count()
	d.net.Loop.Stats().Dec(stat.HTTPBackIdle)
	c := p.conn
	c.EndPeek()
	p.free()
	return c
}

// CloseIdle closes every idle connection of the loop.
func (d *Dialer) CloseIdle() {
	for _, at := range d.lots {
		at.clear()
	}
}

// Evict closes the idle connections to b, which is gone, and forgets it.
func (d *Dialer) Evict(b *Backend) {
	at := &b.lots[d.net.Loop.Index()]
	if !at.listed {
		return
	}
	at.clear()
	at.listed = false
	d.lots = slices.DeleteFunc(d.lots, func(one *lot) bool { return one == at })
}

// Idle is the number of idle connections to b on this loop.
func (d *Dialer) Idle(b *Backend) int { return b.lots[d.net.Loop.Index()].idle.Len() }

// forever is later than any moment.
const forever = math.MaxInt64

func (at *lot) clear() {
	at.dialer.net.Loop.Cancel(&at.timer)
	for p, ok := at.idle.Take(); ok; p, ok = at.idle.Take() {
		p.close()
	}
	at.count()
}

// evict closes the connection that has been idle for longest, if there is still one.
func (at *lot) evict() {
	if p, ok := at.idle.Expire(forever); ok {
		p.close()
		at.count()
	}
}

// Expired implements loop.Expirer: closes what is too old.
func (at *lot) Expired(*loop.Timer) {
	l := at.dialer.net.Loop
	kept := int64(at.upstream.Idle)
	for p, ok := at.idle.Expire(l.Now() - kept); ok; p, ok = at.idle.Expire(l.Now() - kept) {
		p.close()
	}
	at.count()
	if since, some := at.idle.Oldest(); some {
		l.Start(&at.timer, since+kept)
	}
}

// Connected implements sock.Owner. The connection has been connected for long.
func (p *parked) Connected(*sock.Conn) {}

// Peeked implements sock.Peeker: the server has closed the connection, or says what nobody asked for.
func (p *parked) Peeked(_ *sock.Conn, b []byte, eof bool) {
	if len(b) > 0 || eof {
		p.touched()
	}
}

// Broken implements sock.Owner.
func (p *parked) Broken(*sock.Conn, syscall.Errno) { p.touched() }

// touched ends a connection that is not fit for use any more.
func (p *parked) touched() {
	p.lot.idle.Remove(&p.link)
	p.lot.count()
	p.lot.dialer.net.Loop.Stats().Inc(stat.HTTPBackIdleClosed)
	p.close()
}

// close closes a connection that is in no lot any more.
func (p *parked) close() {
	d, b := p.lot.dialer, p.lot.backend
	d.net.Loop.Stats().Dec(stat.HTTPBackIdle)
	d.hangUp(p.conn, b)
	p.free()
}

// hangUp closes a connection to b that has no place there any more.
func (d *Dialer) hangUp(c *sock.Conn, b *Backend) {
	c.Close()
	if b.capped() {
		d.part(parting{closed: b})
	}
}

func (p *parked) free() {
	d := p.lot.dialer
	p.conn, p.lot = nil, nil
	d.parked.Put(p)
}
