package relay

import (
	"net/netip"
	"syscall"

	"sluice/engine/flow"
	"sluice/engine/lease"
	"sluice/engine/limit"
	"sluice/engine/loop"
	"sluice/engine/record"
	"sluice/engine/roster"
	"sluice/engine/sock"
	"sluice/engine/stat"
)

// tunnel is one connection through the proxy. What is only needed on the way to its server is in the intro, which
// goes back to its list once the tunnel is set up, and so does the route: thousands of idle tunnels hold neither a
// buffer nor a generation of the configuration.
type tunnel struct {
	relay      *Relay
	gate       *sock.Gate
	place      roster.Place[*tunnel] // in the relay's list of live tunnels
	intro      *intro
	front      *sock.Conn
	back       *sock.Conn
	lease      *lease.Lease
	backend    *lease.Backend
	up, down   flow.Flow
	timer      loop.Timer
	task       loop.Task // frees the tunnel in a later turn
	rec        record.Conn
	phase      int64 // when the present phase began, on the loop's clock
	halfSince  int64 // when one direction ended, or 0
	dyingUntil int64
	gained     int64    // when the last bytes of a dying tunnel last came further
	mark       progress // how far they were then
	counted    netip.Addr
	perIP      *limit.PerKey[netip.Addr] // where it is counted
	verdict    record.Reason             // why it is dying
	cause      syscall.Errno
	state      tunnelState
	clientEnd  bool // the client ended first
	probed     bool // keepalive is on towards the server
	gaveUp     bool // the last bytes came no further
	alerted    bool // an alert may be on its way to the client
	heard      bool // the server has answered, and been given credit for it
}

// progress is how far bytes have come.
type progress struct {
	moved  uint64 // out of the flow
	unsent int    // not acknowledged by the peer's kernel
}

// begin takes over an accepted connection.
func (t *tunnel) begin(r *Relay, c *sock.Conn, gate *sock.Gate) {
	*t = tunnel{relay: r, gate: gate, front: c, phase: r.net.Loop.Now()}
	t.timer.Bind(t)
	t.task.Bind(t)
	t.rec = record.Conn{Client: c.Peer(), Names: r.service.Names, Start: r.net.Loop.Wall()}
	t.set(accepted)
	c.Own(t)
	r.live.Join(t)
	r.net.Loop.Stats().Inc(stat.Active)
}

// Seat implements roster.Placed.
func (t *tunnel) Seat() *roster.Place[*tunnel] { return &t.place }

// between closes a phase and begins the next.
func (t *tunnel) between() record.Micros {
	began := t.phase
	t.phase = t.relay.net.Loop.Now()
	return record.Between(began, t.phase)
}

// end is the one way out: it gives back everything, says why, and frees the tunnel in a later turn, because its
// flows may still wait in the ring.
func (t *tunnel) end(why record.Reason, cause syscall.Errno) {
	if t.state == ended {
		return
	}
	orderly := t.up.State() == flow.Ended && t.down.State() == flow.Ended
	t.set(ended)
	r := t.relay
	r.live.Leave(t) // first of all: whatever fails below, nobody meets this tunnel again
	r.net.Loop.Stats().Dec(stat.Active)
	r.net.Loop.Cancel(&t.timer)
	t.dropIntro()
	if t.lease != nil {
		t.lease.Cancel()
		t.lease = nil
	}
	t.up.Cancel()
	t.down.Cancel()
	if !t.alerted {
		t.hangUp(t.front, orderly)
	}
	t.hangUp(t.back, orderly)
	if t.backend != nil {
		t.judge(why)
		r.dialer.LetGo(t.backend)
	}
	t.tell(why, cause)
	if t.alerted {
		t.front.Farewell(true, t)
		return
	}
	t.gone()
}

// gone gives back the places of a connection that is closed.
func (t *tunnel) gone() {
	t.uncount()
	t.gate.Release()
	t.relay.net.Loop.Later(&t.task)
}

// judge tells what the end says of the server: it has answered, or lost the connection before.
func (t *tunnel) judge(why record.Reason) {
	switch {
	case t.heard:
	case t.down.Moved() > 0, why == record.ClientEnd, why == record.ServerEnd: // there are servers that never speak
		t.backend.Succeeded()
	case why == record.ServerReset, why == record.ServerLost, why == record.ServerTruncated, why == record.ServerViolation:
		t.backend.Upstream().Failed(t.backend, why)
	}
}

func (t *tunnel) hangUp(c *sock.Conn, orderly bool) {
	switch {
	case c == nil:
	case orderly:
		c.Close()
	case t.gaveUp:
		c.Drop()
	default:
		c.Reset()
	}
}

// tell completes the record and hands it on.
func (t *tunnel) tell(why record.Reason, cause syscall.Errno) {
	r := t.relay
	t.rec.BytesUp, t.rec.BytesDown = t.up.Moved(), t.down.Moved()
	t.rec.Spliced = t.up.Spliced() || t.down.Spliced()
	if first := t.down.FirstMove(); first != 0 {
		t.rec.FirstByte = record.Between(t.phase, first)
	}
	t.rec.End(r.net.Loop.Wall(), why, cause)
	stats := r.net.Loop.Stats()
	stats.Add(stat.BytesUp, t.rec.BytesUp)
	stats.Add(stat.BytesDown, t.rec.BytesDown)
	r.reasons.Inc(int(why))
	r.recorder.Conn(&t.rec)
}

// Run frees an ended tunnel.
func (t *tunnel) Run() {
	r := t.relay
	t.set(unused)
	t.backend, t.rec.Names = nil, nil // they would keep an upstream of long ago
	r.tunnels.Put(t)
	r.live.Freed()
}

// Panicked implements loop.Victim.
func (t *tunnel) Panicked() { t.end(record.Internal, 0) }

// count makes the tunnel one of its client's, and reports whether there is room.
func (t *tunnel) count() bool {
	service := t.relay.service
	if service.PerIP == nil || !t.rec.Client.IsValid() {
		return true
	}
	key := limit.ClientKey(t.rec.Client.Addr())
	if !service.PerIP.Acquire(key, service.MaxPerIP) {
		t.relay.net.Loop.Stats().Inc(stat.RefusedPerIP)
		return false
	}
	t.counted, t.perIP = key, service.PerIP
	return true
}

func (t *tunnel) uncount() {
	if t.counted.IsValid() {
		t.perIP.Release(t.counted)
		t.counted = netip.Addr{}
	}
}
