package steward

// What is known about each server, and how the list of them changes.

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"sluice/configs"
	"sluice/engine/discover"
	"sluice/engine/health"
	"sluice/engine/lease"
)

// ward is one server.
type ward struct {
	backend   *lease.Backend
	spec      lease.Spec
	stood     lease.State // at the last look
	since     time.Time   // of that state
	causes    [lease.Removed + 1]string
	ejections uint64    // since the first
	streak    int       // ejections that followed each other closely
	until     time.Time // the end of its ejection; zero while it is not ejected
	returned  time.Time // when the last one ended
	ramped    time.Time // when its slow start began; zero while it has none
	weight    int       // set at run time, or unset
	left      time.Time // when it was listed for the last time, of one that is not
	drained   bool      // told to drain
}

// unset says that a weight is the one of the list.
const unset = -1

func (w *ward) state() lease.State { return w.backend.State() }

// cause is what its state came from; "" for up.
func (w *ward) cause() string { return w.causes[w.state()] }

// id is the server's name for the checks.
func (w *ward) id() health.ID {
	if w.spec.Addr.Path != "" {
		return health.ID{Network: "unix", Address: w.spec.Addr.Path}
	}
	return health.ID{Network: "tcp", Address: w.spec.Addr.String()}
}

// adopt takes over the servers that the upstream was compiled with.
func (s *Steward) adopt() {
	s.adopted = true
	s.relist()
}

// found takes over what a source has found.
func (s *Steward) found(from *source, list []discover.Found) {
	from.found, from.asked = list, true
	if s.adopted {
		s.relist()
	}
}

// relist makes the set anew from everything that lists servers.
func (s *Steward) relist() {
	added, removed := s.upstream.Replace(s.specs())
	now := time.Now()
	wards, order := make(map[lease.Endpoint]*ward), make([]*ward, 0, len(s.order))
	for _, m := range s.upstream.Set().Members() {
		w := s.known(m.Addr)
		if w == nil {
			w = &ward{since: now, weight: unset}
			s.welcome(w, m.Backend, now)
		} else if s.wards[m.Addr] == nil {
			s.welcomeBack(w, m.Backend, now)
		}
		w.backend = m.Backend
		w.spec = lease.Spec{Name: m.Name, Addr: m.Addr, Weight: m.Weight, Backup: m.Backup, MaxConnections: int(m.MaxConnections)}
		wards[m.Addr] = w
		order = append(order, w)
	}
	before := s.wards
	s.wards, s.order = wards, order
	s.announce(before, added, removed)
	s.remember(before, now)
	for _, b := range removed {
		s.hooks.Gone(b)
	}
	s.watch()
	s.judge()
	s.plan(now)
}

// linesMax is how many servers that have come or gone at once are told of one by one. Names whose answers go round would
// fill the log.
const linesMax = 5

// announce tells which servers have come and gone, once everything has begun.
func (s *Steward) announce(before map[lease.Endpoint]*ward, added, removed []*lease.Backend) {
	added = slices.DeleteFunc(added, func(b *lease.Backend) bool { return before[b.Addr] != nil })
	removed = slices.DeleteFunc(slices.Clone(removed), func(b *lease.Backend) bool { return s.wards[b.Addr] != nil })
	switch {
	case !s.started:
	case len(added)+len(removed) > linesMax:
		s.log.Info("servers have changed", "new", len(added), "gone", len(removed), "servers", len(s.order))
	default:
		for _, b := range added {
			s.log.Info("server is new", "server", b.Name)
		}
		for _, b := range removed {
			s.log.Info("server is gone", "server", b.Name, "in_use", b.InUse())
		}
	}
}

const (
	// absentFor is how long what somebody has told about a server is remembered after it was listed for the last time:
	// answers of name servers leave servers out for a moment.
	absentFor = 10 * time.Minute
	absentMax = 1000
)

// remember keeps what was told about servers that are gone, for the case that they come back.
func (s *Steward) remember(before map[lease.Endpoint]*ward, now time.Time) {
	maps.DeleteFunc(s.absent, func(at lease.Endpoint, w *ward) bool { return s.wards[at] != nil || now.Sub(w.left) > absentFor })
	for at, w := range before {
		if s.wards[at] == nil && (w.drained || w.weight != unset) && len(s.absent) < absentMax {
			w.left = now
			s.absent[at] = w
		}
	}
}

// specs is everything that is listed, with the weights that were set at run time.
func (s *Steward) specs() []lease.Spec {
	specs := append([]lease.Spec(nil), s.fixed...)
	for _, from := range s.sources {
		for _, f := range from.found {
			specs = append(specs, from.spec(f))
		}
	}
	for i := range specs {
		if w := s.known(specs[i].Addr); w != nil && w.weight != unset {
			specs[i].Weight = w.weight
		}
	}
	return specs
}

// known is what is known about the server of an address; nil for nothing.
func (s *Steward) known(at lease.Endpoint) *ward {
	return cmp.Or(s.wards[at], s.absent[at], s.legacy[at])
}

// welcome begins with a server that has not been listed before.
func (s *Steward) welcome(w *ward, b *lease.Backend, now time.Time) {
	b.SetDown(false) // it may have been here before, in another condition
	b.SetEjected(false)
	b.SetDraining(false)
	if s.started || s.legacy != nil { // those of the beginning share the load from the first moment
		w.backend = b
		s.ramp(w, now)
	}
}

// welcomeBack goes on with a server that has been listed before, here or by the configuration before, as far as there is
// still somebody who would take back what was found.
func (s *Steward) welcomeBack(w *ward, b *lease.Backend, now time.Time) {
	if s.legacy[b.Addr] == nil {
		w.until, w.since = time.Time{}, now
		s.welcome(w, b, now)
	}
	if !s.checks {
		b.SetDown(false)
	}
	if s.config.Eject.Errors == 0 {
		w.until = time.Time{}
		b.SetEjected(false)
	}
	b.SetDraining(w.drained)
	w.stood = b.State()
}

// watch tells the checks whom to look at.
func (s *Steward) watch() {
	if s.monitor == nil {
		return
	}
	targets := make([]health.Target, 0, len(s.order))
	for _, w := range s.order {
		if w.spec.Weight == 0 {
			continue
		}
		id := w.id()
		target := health.Target{Name: w.spec.Name, Network: id.Network, Address: id.Address, Down: w.backend.Down()}
		if past, known := s.evidence[id]; known {
			target.Past = &past
			delete(s.evidence, id)
		}
		targets = append(targets, target)
	}
	s.monitor.Watch(targets)
}

// checked takes over a verdict of the checks.
func (s *Steward) checked(e health.Event) {
	w := s.byID(e.ID)
	if w == nil || w.backend.Down() == !e.Up {
		return
	}
	now := time.Now()
	w.backend.SetDown(!e.Up)
	if e.Up {
		w.backend.Forget()
		w.backend.Doubt(0)
		w.until = time.Time{} // an ejection of before it was down is over as well
		w.backend.SetEjected(false)
		s.log.Info("server is up", "server", w.spec.Name, "cause", "check: "+e.Cause, "after", e.After, "down_for", now.Sub(w.since).Round(time.Millisecond))
		s.ramp(w, now)
	} else {
		w.causes[lease.Down] = "check: " + e.Cause
		s.log.Warn("server is down", "server", w.spec.Name, "cause", w.cause(), "after", e.After)
	}
	s.turned(w, now)
	if !e.Up && !s.panics { // while it panics, nothing is believed of checks
		s.hooks.Dead(w.backend)
	}
}

// turned notes that something which keeps a server from being used has come or gone, and has everybody know. Its state
// changes only if nothing worse holds.
func (s *Steward) turned(w *ward, now time.Time) {
	if state := w.state(); state != w.stood {
		w.stood, w.since = state, now
	}
	s.judge()
	s.plan(now)
}

// judge finds out whether there are enough servers, and tells those who wait for one.
func (s *Steward) judge() {
	usable, total, panics := s.upstream.Set().Judge()
	if panics != s.panics {
		s.panics = panics
		if panics {
			s.log.Warn("too few servers are usable: all of them are used, whatever is known about them", "usable", usable, "servers", total)
		} else {
			s.log.Info("enough servers are usable again", "usable", usable, "servers", total)
			s.forsake()
		}
	}
	if s.upstream.Door != nil {
		s.upstream.Door.Kick()
	}
}

// forsake has nobody wait for servers that are down, now that this is believed again.
func (s *Steward) forsake() {
	for _, w := range s.order {
		if w.backend.Down() {
			s.hooks.Dead(w.backend)
		}
	}
}

func (s *Steward) byID(id health.ID) *ward {
	for _, w := range s.order {
		if w.id() == id {
			return w
		}
	}
	return nil
}

// spec makes a server of what a source has found.
func (from *source) spec(f discover.Found) lease.Spec {
	c := f.Server(*from.config)
	spec := lease.Spec{Name: f.String(), Host: f.Host(), Weight: c.Weight, Backup: c.Backup, MaxConnections: c.MaxConnections}
	if f.Path != "" {
		spec.Addr.Path = f.Path
	} else {
		spec.Addr.Addr = f.Addr
	}
	if f.Name != "" {
		spec.Name = fmt.Sprintf("%s:%d (%s)", f.Name, f.Addr.Port(), f.Addr.Addr())
	}
	return spec
}

// discoverSpec is what a source is to follow.
func discoverSpec(c *configs.Server) discover.Spec {
	return discover.Spec{Kind: c.Discover, Name: c.Address.Host, Port: c.Address.Port, Path: c.Address.Path}
}
