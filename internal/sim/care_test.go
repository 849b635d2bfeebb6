package sim

// Care is what a steward does to the servers of an upstream while the world goes on: it marks them down and up, ejects
// them, lets them drain, and replaces the whole set. It stands beside the loop, so what it does happens between two
// batches or in the middle of one; what the loop has to do about it comes by letter, as in the engine.

import (
	"slices"
	"time"

	"sluice/engine/lease"
)

type care struct {
	w        *World
	upstream *lease.Upstream
	dialer   *lease.Dialer
	abandon  func(*lease.Backend) // ends the waits for answers; nil where nobody waits for one
	doorman  doorman

	specs    []lease.Spec // as they are listed now
	unlisted []lease.Spec // that were once
	known    []servant    // all that have ever been listed
	limits   map[lease.Endpoint]int
	downs    map[lease.Endpoint]int64 // when the loop last heard that it is down
	limited  bool                     // something has, or had, a limit
	tended   bool                     // something was done to a server
}

// serversMax bounds how many servers a world comes to know.
const serversMax = 7

func (c *care) init(w *World, u *lease.Upstream, specs []lease.Spec) {
	*c = care{w: w, upstream: u, specs: specs, limits: map[lease.Endpoint]int{}, downs: map[lease.Endpoint]int64{}}
	c.learn(u.Set().Backends())
	c.limited = w.plan.places > 0
	for i := range specs {
		c.note(&specs[i])
	}
	for range w.plan.tends {
		w.after(w.delay(4*time.Second), func() { c.meanwhile(c.tend) })
	}
}

// servant is a backend that has been listed.
type servant struct {
	*lease.Backend
	heir bool // its counts are those of an earlier one
}

// learn remembers backends that are new.
func (c *care) learn(all []*lease.Backend) {
	for _, b := range all {
		if !slices.ContainsFunc(c.known, func(s servant) bool { return s.Backend == b }) {
			heir := slices.ContainsFunc(c.known, func(k servant) bool { return k.Is(b) })
			c.known = append(c.known, servant{b, heir})
		}
	}
}

// note remembers the largest limit that a server ever had; 0 is none.
func (c *care) note(s *lease.Spec) {
	most, known := c.limits[s.Addr]
	if s.MaxConnections == 0 || known && most == 0 {
		c.limits[s.Addr] = 0
	} else {
		c.limits[s.Addr] = max(most, s.MaxConnections)
	}
	c.limited = c.limited || s.MaxConnections > 0
}

// meanwhile does something now, or in the middle of the next batch.
func (c *care) meanwhile(do func()) {
	if c.w.chance(50) {
		do()
		return
	}
	c.w.poller.beside = append(c.w.poller.beside, do)
}

// tend does one thing to the servers.
func (c *care) tend() {
	c.tended = true
	b := c.choose()
	if b == nil {
		c.relist(c.change)
		return
	}
	switch c.w.rng.IntN(8) {
	case 0, 1, 2:
		c.w.cover.hit(ServerDown)
		c.turn("is down", b, b.SetDown)
		c.w.loop.Post(func() { c.dead(b) })
	case 3:
		c.turn("is ejected", b, b.SetEjected)
	case 4:
		c.turn("is draining", b, b.SetDraining)
	default:
		c.relist(c.change)
	}
}

// choose draws a server, mostly one that is in use; nil if there is none at all.
func (c *care) choose() (b *lease.Backend) {
	backends := c.upstream.Set().Backends()
	for range 3 {
		if len(backends) == 0 || b != nil && b.InUse() > 0 {
			break
		}
		b = backends[c.w.rng.IntN(len(backends))]
	}
	return b
}

// turn sets one of a server's causes, and ends it after a while.
func (c *care) turn(what string, b *lease.Backend, set func(bool)) {
	c.w.trace("%s %s", b.Name, what)
	set(true)
	c.judge()
	c.w.after(c.w.delay(5*time.Second)+1, func() {
		c.meanwhile(func() {
			c.w.trace("%s %s no more", b.Name, what)
			set(false)
			c.judge()
		})
	})
}

// judge is owed after each change.
func (c *care) judge() {
	if _, _, panics := c.upstream.Set().Judge(); panics {
		c.w.cover.hit(SetPanics)
	}
	if c.upstream.Door != nil {
		c.upstream.Door.Kick()
	}
}

// dead is what a loop does about a server that is down.
func (c *care) dead(b *lease.Backend) {
	c.downs[b.Addr] = c.w.now
	c.dialer.Evict(b)
	c.dialer.Forsake(b)
	if c.abandon != nil {
		c.abandon(b)
	}
}

// relist makes another set.
func (c *care) relist(change func([]lease.Spec) []lease.Spec) {
	listed := make(map[lease.Endpoint]bool)
	for _, s := range c.specs {
		listed[s.Addr] = true
	}
	c.specs = change(slices.Clone(c.specs))
	for i := range c.specs {
		c.note(&c.specs[i])
	}
	added, removed := c.upstream.Replace(c.specs)
	c.w.trace("the servers are replaced: %+v", c.specs)
	c.learn(added)
	for _, b := range added {
		if !listed[b.Addr] { // it may have been here before, in another condition
			b.SetDown(false)
			b.SetEjected(false)
			b.SetDraining(false)
			if b.InUse() > 0 {
				c.w.cover.hit(ServerReturned)
			}
		}
	}
	for _, b := range removed {
		if b.InUse() > 0 {
			c.w.cover.hit(ServerLeftInUse)
		}
		c.w.loop.Post(func() { c.dialer.Evict(b) })
	}
	c.judge()
}

// change draws what is different about the list.
func (c *care) change(specs []lease.Spec) []lease.Spec {
	w := c.w
	at := 0
	if len(specs) > 0 {
		at = w.rng.IntN(len(specs))
	}
	switch draw := w.rng.IntN(8); {
	case (draw == 0 || len(specs) == 0) && len(c.unlisted) > 0:
		return c.bringBack(specs)
	case (draw <= 2 || len(specs) == 0) && len(w.servers) < serversMax:
		specs = append(specs, c.spec(w.newServer()))
	case len(specs) == 0:
	case draw == 3:
		specs[at].Weight = w.between(0, 3)
	case draw == 4:
		specs[at].MaxConnections = w.between(0, 2)
		if c.upstream.Door == nil {
			specs[at].MaxConnections = 0 // only who had limits from the beginning has a door
		}
		w.cover.hit(LimitChanged)
	case draw == 5:
		specs[at].Backup = !specs[at].Backup
	default:
		c.unlisted = append(c.unlisted, specs[at])
		specs = slices.Delete(specs, at, at+1)
		w.cover.hit(ServerRemoved)
		if w.chance(50) {
			w.after(w.delay(time.Second), func() { c.meanwhile(func() { c.relist(c.bringBack) }) })
		}
	}
	return specs
}

// bringBack lists the server again that was removed last.
func (c *care) bringBack(specs []lease.Spec) []lease.Spec {
	if last := len(c.unlisted) - 1; last >= 0 {
		specs = append(specs, c.unlisted[last])
		c.unlisted = c.unlisted[:last]
	}
	return specs
}

// spec lists a server.
func (c *care) spec(s *server) lease.Spec {
	made := lease.Spec{Name: s.name, Addr: lease.Endpoint(s.addr), Weight: 1, Backup: c.w.chance(20)}
	if c.upstream.Door != nil && c.w.chance(c.w.plan.crowded) {
		made.MaxConnections = c.w.between(1, 2)
	}
	return made
}

// downSince reports whether a server was marked down at or after a moment.
func (c *care) downSince(at lease.Endpoint, moment int64) bool {
	when, was := c.downs[at]
	return was && when >= moment
}

// leftovers says what servers have not got back.
func (c *care) leftovers(report func(string, int)) {
	if c.upstream == nil {
		return
	}
	report("leases", c.dialer.Pending())
	for _, b := range c.known {
		report("connections counted at "+b.Name, int(b.InUse()))
		report("connections idle at "+b.Name, c.dialer.Idle(b.Backend))
	}
	if d := c.upstream.Door; d != nil {
		report("places at the door", d.InUse())
		report("waiters at the door", d.Waiting())
	}
}
