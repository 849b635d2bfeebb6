package steward

// What can be seen of an upstream, and changed at run time.

import (
	"fmt"
	"time"

	"sluice/engine/health"
	"sluice/engine/lease"
	"sluice/engine/observe"
)

// View is the upstream as it is now, with its servers in the order of the set. Retries and idle connections are left to
// the caller, who knows of loops. It is false when the steward has ended.
func (s *Steward) View() (v observe.Upstream, backends []*lease.Backend, ok bool) {
	ok = s.call(func() {
		u := s.upstream
		v = observe.Upstream{Name: u.Name, Policy: u.Policy().String(), Panic: s.panics}
		if d := u.Door; d != nil {
			v.Max, v.Waiting, v.QueueSize = d.Limit(), d.Waiting(), d.Size()
			v.QueueTimeouts, v.QueueFull = d.Timeouts(), d.Refused()
		}
		for _, w := range s.order {
			v.InUse += int(w.backend.InUse())
			v.Servers = append(v.Servers, s.server(w))
			backends = append(backends, w.backend)
		}
		for _, b := range u.Leaving() {
			v.InUse += int(b.InUse())
			v.Servers = append(v.Servers, observe.Server{
				Name: b.Name, Address: b.Addr.String(), State: lease.Removed.String(), InUse: int(b.InUse()), Max: int(b.MaxConnections),
				Cause: "not listed any more", Picks: b.Picks(), Failures: b.Failures(), SlowStart: rampFull,
			})
			backends = append(backends, b)
		}
	})
	return v, backends, ok
}

// server is one of them.
func (s *Steward) server(w *ward) observe.Server {
	b := w.backend
	v := observe.Server{
		Name: w.spec.Name, Address: w.spec.Addr.String(), State: b.State().String(), Since: w.since, Cause: w.cause(),
		Weight: w.spec.Weight, Backup: w.spec.Backup, InUse: int(b.InUse()), Max: w.spec.MaxConnections,
		Picks: b.Picks(), Failures: b.Failures(), Ejections: w.ejections, Latency: time.Duration(b.Latency()), SlowStart: b.Ramp(),
	}
	if s.monitor == nil {
		return v
	}
	if status, known := s.monitor.Status(w.id()); known && !status.Last.IsZero() {
		v.Check = checked(status)
	}
	return v
}

func checked(s health.Status) *observe.Checked {
	return &observe.Checked{At: s.Last, OK: s.OK, Took: s.Took, Detail: s.Detail, State: s.State}
}

// SetWeight gives a server another weight, for as long as it is listed, whatever its list says.
func (s *Steward) SetWeight(server string, weight int) error {
	return s.change(server, func(w *ward) {
		s.log.Info("weight is changed", "server", w.spec.Name, "from", w.spec.Weight, "to", weight)
		w.weight = weight
		s.relist()
	})
}

// SetDraining keeps new connections away from a server, or no longer. Clients whose cookie names it are new, too.
func (s *Steward) SetDraining(server string, on bool) error {
	return s.change(server, func(w *ward) {
		if w.drained == on {
			return
		}
		w.drained = on
		w.causes[lease.Draining] = "told to drain"
		w.backend.SetDraining(on)
		if on {
			s.log.Info("server is draining", "server", w.spec.Name, "in_use", w.backend.InUse())
		} else {
			s.log.Info("server is no longer draining", "server", w.spec.Name)
			s.ramp(w, time.Now())
		}
		s.turned(w, time.Now())
	})
}

// change finds a server by its name or address.
func (s *Steward) change(server string, fn func(*ward)) error {
	found := false
	alive := s.call(func() {
		for _, w := range s.order {
			if w.spec.Name == server || w.spec.Addr.String() == server {
				found = true
				fn(w)
				return
			}
		}
	})
	switch {
	case !alive:
		return fmt.Errorf("the proxy is ending")
	case !found:
		return fmt.Errorf("upstream %s has no server %s", s.upstream.Name, server)
	}
	return nil
}
