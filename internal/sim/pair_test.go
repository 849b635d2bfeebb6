package sim

// The smallest owner that two connections and two flows can have: what sock and flow promise must hold without the
// relay too.

import (
	"net/netip"
	"syscall"
	"time"

	"sluice/engine/flow"
	"sluice/engine/loop"
	"sluice/engine/record"
	"sluice/engine/sock"
)

// pairLife is how long a pair may last, since it does not know when it is idle.
const pairLife = 3 * time.Minute

type pairRig struct {
	common
	pairs int
}

func newPairRig(w *World) rig {
	r := &pairRig{}
	r.init(w)
	s := w.newServer()
	s.manner, s.moody = accepts, false
	return r
}

func (r *pairRig) start(fd int) { r.listen(fd, r) }

func (r *pairRig) active() int { return r.pairs }

func (r *pairRig) leftovers(report func(string, int)) {
	r.common.leftovers(report)
	report("pairs", r.pairs)
}

// Admit implements sock.Acceptor.
func (r *pairRig) Admit(netip.AddrPort) bool { return true }

// Dropped implements sock.Acceptor.
func (r *pairRig) Dropped(netip.AddrPort, syscall.Errno) {
	r.w.fault("an accepted connection was dropped")
}

// Accept implements sock.Acceptor.
func (r *pairRig) Accept(c *sock.Conn, gate *sock.Gate) {
	p := &pair{rig: r, front: c, gate: gate, client: c.Peer()}
	r.pairs++
	p.start = r.w.loop.Now()
	p.timer.Bind(p)
	r.w.loop.Start(&p.timer, p.start+int64(pairLife))
	c.Own(p)
	back, err := r.net.Dial(&r.w.servers[0].addr, p)
	if err != 0 {
		p.end(record.ConnectFailed)
		return
	}
	p.back = back
}

// pair is two connections, passing on to each other what they receive.
type pair struct {
	rig         *pairRig
	front, back *sock.Conn
	gate        *sock.Gate
	timer       loop.Timer
	start       int64
	client      netip.AddrPort
	up, down    flow.Flow
	ready       int // sides that are connected
	started     bool
	over        bool
	clientEnd   bool
}

// Expired implements loop.Expirer.
func (p *pair) Expired(*loop.Timer) { p.end(record.TunnelIdle) }

// Connected implements sock.Owner.
func (p *pair) Connected(c *sock.Conn) {
	if p.ready++; p.ready < 2 {
		return
	}
	p.started = true
	p.up.Start(p.rig.w.loop, p.front, p.back, p)
	p.down.Start(p.rig.w.loop, p.back, p.front, p)
}

// Broken implements sock.Owner. A pair does not wait for last words.
func (p *pair) Broken(c *sock.Conn, cause syscall.Errno) {
	side := record.Front
	if c == p.back {
		side = record.Back
	}
	if !p.started && side == record.Front {
		p.end(record.ClientGone)
		return
	}
	p.end(record.StreamReason(side, cause))
}

// Ended implements flow.Owner.
func (p *pair) Ended(f *flow.Flow, err error) {
	switch {
	case p.over || err != nil: // Broken is about to be called
	case p.up.Over() && p.down.Over() && p.clientEnd:
		p.end(record.ClientEnd)
	case p.up.Over() && p.down.Over():
		p.end(record.ServerEnd)
	default:
		p.clientEnd = f == &p.up
	}
}

func (p *pair) end(why record.Reason) {
	if p.over {
		return
	}
	p.over = true
	p.rig.w.loop.Cancel(&p.timer)
	p.up.Cancel()
	p.down.Cancel()
	for _, c := range []*sock.Conn{p.front, p.back} {
		switch {
		case c == nil:
		case why == record.ClientEnd || why == record.ServerEnd:
			c.Close()
		default:
			c.Reset()
		}
	}
	p.gate.Release()
	p.rig.pairs--
	rec := record.Conn{Client: p.client, Start: p.start, BytesUp: p.up.Moved(), BytesDown: p.down.Moved()}
	rec.End(p.rig.w.loop.Now(), why, nil)
	p.rig.Conn(&rec)
}
