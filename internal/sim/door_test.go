package sim

// The checkers of limits and of the queue. They look into the queue itself: who waits, in which order, and for whom.

import (
	"reflect"
	"slices"
	"time"

	"sluice/engine/door"
	"sluice/engine/lease"
	"sluice/engine/stat"
)

// doorman remembers what was true after the last batch.
type doorman struct {
	first   uint64 // the ticket that was first in the queue, if it could have taken any place; else 0
	again   bool   // somebody who has had a place may want another, and passes the queue
	picks   uint64
	waiting int
	vain    uint64 // who had given up by then
	arrived map[uint64]int64
}

// waiting is one in the queue.
type waiting struct {
	ticket uint64
	tried  []uintptr // servers that are no use to it
}

// queueOf reads the door's queue, in its order. Those who have had a place before come first.
func queueOf(d *door.Door) (list []waiting) {
	for v := reflect.ValueOf(d).Elem().FieldByName("queue").FieldByName("first"); !v.IsNil(); v = v.Elem().FieldByName("next") {
		w := waiting{ticket: v.Elem().FieldByName("number").Uint()}
		tried := v.Elem().FieldByName("who").Elem().Elem().FieldByName("tried")
		for i := range int(tried.FieldByName("n").Int()) {
			w.tried = append(w.tried, tried.FieldByName("who").Index(i).Pointer())
		}
		list = append(list, w)
	}
	return list
}

// identity is where a backend's counts are: with others, if it has inherited them.
func identity(b *lease.Backend) (at uintptr) {
	v := reflect.ValueOf(b).Elem()
	if shared := v.FieldByName("shared"); !shared.IsNil() {
		return shared.Pointer()
	}
	return v.FieldByName("own").UnsafeAddr()
}

// inspect checks the counts after each batch. Without a door nothing has a limit.
func (c *care) inspect() {
	if c.upstream == nil || c.upstream.Door == nil {
		return
	}
	if c.w.plant.strikes(plantHoard) && len(c.known) > 0 {
		c.known[0].Acquire()
	}
	picks := uint64(0)
	for _, b := range c.known {
		if !b.heir {
			picks += b.Picks()
		}
		if most := c.limits[b.Addr]; most > 0 && int(b.InUse()) > most {
			c.w.fault("%s has %d connections in use, with a limit of %d", b.Name, b.InUse(), most)
		}
	}
	d := c.upstream.Door
	switch {
	case d.Limit() > 0 && d.InUse() > d.Limit():
		c.w.fault("the upstream has %d connections in use, with a limit of %d", d.InUse(), d.Limit())
	case d.Waiting() > d.Size() && !c.doorman.again || d.Waiting() < 0:
		c.w.fault("%d wait in a queue for %d", d.Waiting(), d.Size())
	}
	c.watchQueue(d, picks)
}

// countOpen counts open connections, idle ones included: together they keep within the limit.
func (c *care) countOpen() {
	for _, s := range c.w.servers {
		most := c.limits[lease.Endpoint(s.addr)]
		if s.nears = pruned(s.nears); most == 0 || len(s.nears) <= most {
			continue
		}
		if open := len(s.nears) - c.lingering(s.nears); open > most {
			c.w.fault("%s has %d connections, with a limit of %d", s.name, open, most)
		}
	}
}

// lingering counts those that belong to nobody any more and wait for their last bytes to arrive.
func (c *care) lingering(nears []*end) (n int) {
	all := reflect.ValueOf(c.w.common().net).Elem().FieldByName("lingering").MapKeys()
	for _, e := range nears {
		if slices.ContainsFunc(all, func(g reflect.Value) bool { return int(g.Elem().FieldByName("fd").Int()) == e.file.fd }) {
			n++
		}
	}
	return n
}

// pruned leaves out connections that the proxy has ended.
func pruned(nears []*end) []*end {
	kept := nears[:0]
	for _, e := range nears {
		if e.closedAt == 0 && !e.finQueued {
			kept = append(kept, e)
		}
	}
	return kept
}

// watchQueue sees to it that nobody is overtaken: while somebody is first who could take any place, nobody takes one.
func (c *care) watchQueue(d *door.Door, picks uint64) {
	m := &c.doorman
	var list []waiting
	if d.Waiting() > 0 {
		c.w.cover.hit(Waits)
		list = queueOf(d)
	}
	for i := 1; i < len(list); i++ {
		if list[i].ticket <= list[i-1].ticket {
			c.w.fault("the queue is out of order")
		}
	}
	still := len(list) > 0 && list[0].ticket == m.first
	switch {
	case picks == m.picks:
	case m.first != 0 && still && !m.again && c.w.loop.Stats().Get(stat.ConnectFailures) == 0: // who goes on does not queue
		c.w.fault("somebody has taken a place before the first in the queue")
	case d.Waiting() < m.waiting && d.Timeouts() == m.vain:
		c.w.cover.hit(TurnTaken)
	}
	m.first, m.picks, m.waiting, m.vain = 0, picks, d.Waiting(), d.Timeouts()
	if len(list) > 0 && len(list) == d.Waiting() && len(list[0].tried) == 0 {
		m.first = list[0].ticket
	}
	c.watchPatience(d, list)
}

// watchPatience sees to it that nobody waits for longer than allowed.
func (c *care) watchPatience(d *door.Door, list []waiting) {
	m := &c.doorman
	if m.arrived == nil {
		m.arrived = make(map[uint64]int64)
	}
	for _, w := range list {
		since, known := m.arrived[w.ticket]
		if !known {
			m.arrived[w.ticket] = c.w.now
		} else if waited := c.w.now - since; waited > int64(d.Patience()+time.Second/2) {
			c.w.fault("somebody waits for %v, and should for %v", time.Duration(waited), d.Patience())
		}
	}
}

// sameCounts compares the door's count with the servers'.
func (c *care) sameCounts(d *door.Door) {
	inUse := 0
	for _, b := range c.known {
		if !b.heir {
			inUse += int(b.InUse())
		}
	}
	if d.InUse() != inUse {
		c.w.fault("at rest, the door counts %d connections in use, the servers %d", d.InUse(), inUse)
	}
}

// atRest sees to it that nobody waits for what is there.
func (c *care) atRest() {
	if c.upstream == nil {
		return
	}
	for _, b := range c.known {
		if c.dialer.Idle(b.Backend) > 0 && !slices.Contains(c.upstream.Set().Backends(), b.Backend) {
			c.w.fault("at rest, a connection to %s is kept, which nobody will use", b.Name)
		}
	}
	if c.upstream.Door == nil {
		return
	}
	c.countOpen()
	d := c.upstream.Door
	if d.Waiting() == 0 { // else some may have left a server and not the door
		c.sameCounts(d)
		return
	}
	list := queueOf(d)
	if len(list) != d.Waiting() {
		c.w.fault("at rest, %d wait and %d are in the queue: a turn was lost", d.Waiting(), len(list))
	}
	if d.Limit() > 0 && d.InUse() >= d.Limit() {
		return
	}
	set := c.upstream.Set()
	for _, m := range set.Members() {
		if m.Weight == 0 || !set.Admits(m.Backend) || m.MaxConnections > 0 && m.InUse() >= m.MaxConnections {
			continue
		}
		at := identity(m.Backend)
		for _, w := range list {
			if !slices.Contains(w.tried, at) {
				c.w.fault("at rest, somebody waits although %s has room", m.Name)
			}
		}
	}
}
