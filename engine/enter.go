package engine

// How one loop goes from one generation to the next, between two events. Nothing here can be refused any more.
//
//	addresses that are gone     their queues are emptied, then they are closed
//	services that go on         get the new routes
//	services that are replaced  retire: their connections finish under the rules that they were accepted with
//	addresses that stay         hand their connections to other services from now on
//	idle connections to servers are handed on, or closed

import (
	"errors"
	"slices"

	"sluice/engine/record"
	"sluice/engine/sock"
	"sluice/engine/stat"
)

// retiree is a service whose listener has got another one, or is gone. It is kept until its last connection is over.
type retiree struct {
	service
	listener, protocol string
}

// enter has every loop go by next, and waits for all of them. An error is a socket that one of them could not take: its
// address is served by the others.
func (e *Engine) enter(next *generation) (err error) {
	errs := make(chan error, len(e.cores))
	for _, c := range e.cores {
		c.loop.Post(func() {
			var failed error
			defer func() { errs <- failed }() // also in a panic, which the loop reports
			failed = c.enter(e, next)
		})
	}
	for _, c := range e.cores {
		select {
		case failed := <-errs:
			err = errors.Join(err, failed)
		case <-c.gone: // it will never answer; whoever has answered has been heard, or does not matter any more
			return errors.Join(err, e.failure())
		}
	}
	for _, a := range next.addresses {
		a.fds = nil // the loops have them all
	}
	// A loop that was later may have handed connections to services of others that had retired already; those letters lie
	// before this one.
	for _, c := range e.cores {
		c.loop.Post(c.buryRetired)
	}
	return err
}

// enter runs on the loop.
func (c *core) enter(e *Engine, next *generation) error {
	for at, l := range c.listeners {
		if next.addresses.find(at) == nil {
			l.Close()
			delete(c.listeners, at)
		}
	}
	before := c.now
	if before == nil {
		c.begin()
	}
	c.now = next
	e.shakes.serve(c.net)
	c.changeServices(before)
	err := c.changeListeners(e)
	if lines := c.share().lines; lines != c.lines {
		c.lines.Flush()
		c.lost += c.lines.Dropped()
		c.lines = lines
		c.flushSoon()
	}
	c.changeUpstreams(before)
	return err
}

// share is the loop's own of the generation that it goes by.
func (c *core) share() *share { return c.now.shares[c.loop.Index()] }

// changeServices retires what is replaced and has everything else go by the new routes.
func (c *core) changeServices(before *generation) {
	mine := c.share()
	kept := make(map[int]bool)
	for i, st := range c.now.stations {
		if st.goesOn {
			kept[st.after] = true
			mine.kits[i].refit(mine.services[i])
		}
	}
	if before != nil {
		for i, s := range before.shares[c.loop.Index()].services {
			if !kept[i] {
				c.retire(s, before.stations[i])
			}
		}
	}
	for _, r := range c.retired {
		for i, st := range c.now.stations {
			if st.config.Name == r.listener && st.config.Protocol == r.protocol {
				mine.kits[i].reroute(r.service) // else they would keep the routes of a generation each
			}
		}
	}
}

// retire has the connections of a service end by and by.
func (c *core) retire(s service, st *station) {
	r := &retiree{s, st.config.Name, st.config.Protocol}
	if s, ok := s.(retirer); ok {
		s.Retire()
	}
	c.retired = append(c.retired, r)
}

// buryRetired forgets services as soon as they have no connections, once none can come to them any more.
func (c *core) buryRetired() {
	for _, r := range slices.Clone(c.retired) {
		r.service.WhenEmpty(func() { c.bury(r) })
	}
}

// bury forgets a service that has no connections any more, and keeps its counts.
func (c *core) bury(r *retiree) {
	for i, one := range c.retired {
		if one == r {
			c.retired = append(c.retired[:i:i], c.retired[i+1:]...)
			c.past = stat.SumVectors(c.past, r.Reasons())
			if s, ok := r.service.(shedder); ok {
				s.Shed()
			}
			return
		}
	}
}

// changeListeners has the listeners that stay work for the new services, and opens the others.
func (c *core) changeListeners(e *Engine) (errs error) {
	index := c.loop.Index()
	for _, a := range c.now.addresses {
		st, isUnix := c.now.stations[a.station], a.at.Path != ""
		config := sock.ListenerConfig{
			Unix: isUnix, Gate: st.gate, Targets: e.targets(c, a), Report: e.shortage(st.config.Name), Full: e.full(c, st),
		}
		if l := c.listeners[a.at]; l != nil {
			l.Change(config)
			continue
		}
		if index >= len(a.fds) {
			continue // a unix socket is the first loop's
		}
		config.FD = a.fds[index]
		var l *sock.Listener
		var err error
		if a.closed {
			err = sock.Open(config.FD)
		}
		if err == nil {
			l, err = sock.NewListener(c.net, config)
		}
		if err != nil {
			c.net.Sys.Close(config.FD)
			errs = errors.Join(errs, err)
			continue
		}
		c.listeners[a.at] = l
	}
	return errs
}

// targets is who takes an address's connections: its own loop, or every loop in turn for a unix socket, which cannot be
// opened once per loop.
func (e *Engine) targets(c *core, a *address) (all []sock.Target) {
	if a.at.Path == "" {
		return []sock.Target{{Net: c.net, Acceptor: c.share().services[a.station]}}
	}
	for i, other := range e.cores {
		all = append(all, sock.Target{Net: other.net, Acceptor: c.now.shares[i].services[a.station]})
	}
	return all
}

// changeUpstreams hands on the idle connections to servers.
func (c *core) changeUpstreams(before *generation) {
	for _, b := range c.now.upstreams {
		b.budget.Begin(c.loop.Now())
	}
	if before == nil {
		return
	}
	for _, old := range before.upstreams {
		heir := c.now.upstream(old.config.Name)
		if heir == old {
			continue
		}
		for _, b := range old.Set().Backends() {
			if heir == nil {
				c.dialer.Move(b, nil)
			} else {
				c.dialer.Move(b, heir.Heir(b))
			}
		}
	}
}

// all are the services of the loop, those that have retired included.
func (c *core) all() (list []service) {
	if c.now != nil {
		list = append(list, c.share().services...)
	}
	for _, r := range c.retired {
		list = append(list, r.service)
	}
	return list
}

// ended counts connections that are over, by the reason of their end, whatever service has had them.
func (c *core) ended() stat.Vector {
	sum := stat.SumVectors(stat.NewVector(record.ReasonCount), c.past)
	for _, s := range c.all() {
		sum = stat.SumVectors(sum, s.Reasons())
	}
	return sum
}
