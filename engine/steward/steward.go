// Package steward looks after the servers of one upstream: who they are, and whether they get traffic.
//
//	discover ──┐ who there is                     ┌──► lease.Upstream.Replace   (the set)
//	health ────┼──► Steward, one goroutine ───────┼──► lease.Backend flags      (down, ejected, draining)
//	loops ─────┘ failures of real traffic         └──► Hooks: what loops have to do about it
//
// It stands beside the loops. What it decides reaches them through atomics and an immutable set; they never wait for it. A
// server is up or down once, for all loops; each change is logged once, with its cause.
//
// A server's causes are independent of each other: a check may find it down while it is ejected, and it is used again when
// neither holds. See ward.go for what is known about one server, eject.go for ejection, ramp.go for what goes on in time.
package steward

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"sluice/configs"
	"sluice/engine/discover"
	"sluice/engine/health"
	"sluice/engine/lease"
	"sluice/engine/record"
)

// Hooks are what loops have to do when something has happened to a server. They are called by the steward's goroutine.
type Hooks interface {
	// Gone says that b is not listed any more: nothing new comes to it, its idle connections are to be closed.
	Gone(b *lease.Backend)
	// Dead says that a check has found b dead: who waits for it waits in vain, and its idle connections are worth nothing.
	Dead(b *lease.Backend)
}

// suspectsMax is how many failures may wait for the steward's attention. More say nothing new, and are dropped.
const suspectsMax = 256

// Steward is made by New, works from Start to Close, or until a successor starts. Its methods may be called from any
// goroutine.
type Steward struct {
	upstream *lease.Upstream
	config   *configs.Upstream
	hooks    Hooks
	log      *slog.Logger

	resolvers []netip.AddrPort
	before    *Steward // whose work it goes on with; nil after Start

	checks   bool            // servers are checked
	monitor  *health.Monitor // nil without checks
	sources  []*source
	calls    chan func()
	suspects chan suspect
	quit     chan struct{}
	done     chan struct{}
	closing  sync.Once

	// Of the goroutine alone.
	fixed  []lease.Spec // what the configuration lists itself
	wards  map[lease.Endpoint]*ward
	absent map[lease.Endpoint]*ward // of servers that are not listed now, and somebody has said something about
	legacy map[lease.Endpoint]*ward // of the configuration before, until all servers are known
	order  []*ward                  // as in the set

	evidence map[health.ID]health.Status // what checks of the configuration before have found, for each server's first watch

	alarm   *time.Timer
	panics  bool
	adopted bool // its servers are its own by now
	started bool
	over    bool // a successor has everything
}

// suspect is a failure that a loop has seen.
type suspect struct {
	backend *lease.Backend
	why     record.Reason
	inARow  int
}

// source is one entry of the configuration that stands for servers to be discovered.
type source struct {
	config  *configs.Server
	watcher *discover.Watcher
	found   []discover.Found // of the steward's goroutine, as the next
	asked   bool             // found is its own, and not that of a steward before
}

// Options are what a steward needs besides its upstream.
type Options struct {
	Hooks     Hooks
	Log       *slog.Logger
	Resolvers []netip.AddrPort // asked for names of servers; none means those of the system
	// Secure is what checks with TLS are made with, as health.Options has it.
	Secure func(host string) *tls.Config
	// Before is the steward of the same upstream in the configuration before; nil without one. It works until Start, which
	// ends it; what it knows about servers goes on.
	Before *Steward
}

// New returns the steward of u, which has been compiled from config, with the servers that are known already.
func New(config *configs.Upstream, u *lease.Upstream, known []lease.Spec, options Options) *Steward {
	s := &Steward{
		upstream: u, config: config, hooks: options.Hooks, log: options.Log.With("upstream", config.Name), fixed: known,
		resolvers: options.Resolvers, before: options.Before,
		calls: make(chan func()), suspects: make(chan suspect, suspectsMax),
		quit: make(chan struct{}), done: make(chan struct{}), wards: make(map[lease.Endpoint]*ward), absent: make(map[lease.Endpoint]*ward),
	}
	for i := range config.Servers {
		if c := &config.Servers[i]; c.Discover != "" {
			s.sources = append(s.sources, &source{config: c})
		}
	}
	if s.checks = config.Check != nil; s.checks {
		s.monitor = health.New(config.Check, health.Options{
			ProxyProtocol: config.ProxyProtocol,
			Secure:        options.Secure,
			Report:        func(e health.Event) { s.call(func() { s.checked(e) }) },
			Trouble: func(err error) {
				s.log.Warn("a check could not be made, and says nothing about its server", "error", err)
			},
		})
	}
	return s
}

// Start begins the work, and waits until everything that has to be discovered has been, or ctx is done. Servers that are
// not known by then come later.
func (s *Steward) Start(ctx context.Context) {
	if s.alarm == nil {
		s.Discover(ctx)
	}
	s.succeed()
	s.call(func() {
		s.adopt()
		s.upstream.TakeOver()
		s.started = true
		s.legacy = nil
	})
}

// Discover is the part of Start that may take its time, for those who want to have it behind them: nothing is done about
// any server yet, and a steward before goes on working. What that one follows as well is not waited for.
func (s *Steward) Discover(ctx context.Context) {
	s.alarm = time.NewTimer(time.Hour)
	s.upstream.Suspect = s.suspect
	go s.run()
	for _, from := range s.sources {
		from.watcher = discover.New(discoverSpec(from.config), discover.Options{
			Resolvers: s.resolvers,
			Refuses:   s.config.Refuses,
			Update:    func(found []discover.Found) { s.call(func() { s.found(from, found) }) },
			Trouble:   func(err error) { s.log.Warn("discovering servers failed; what is known is kept", "error", err) },
			Recovered: func() { s.log.Info("discovering servers works again", "from", discoverSpec(from.config).String()) },
		})
	}
	for _, from := range s.sources {
		if s.before.follows(from) {
			continue
		}
		if err := from.watcher.First(ctx); err != nil {
			s.log.Warn("starting without servers that could not be discovered in time", "error", err)
		}
	}
}

// Close ends the work and waits until it has ended. Servers stay as they are.
func (s *Steward) Close() {
	s.closing.Do(func() {
		close(s.quit)
		for _, from := range s.sources {
			if from.watcher != nil {
				from.watcher.Close()
			}
		}
		if s.monitor != nil {
			s.monitor.Close()
		}
		if s.alarm != nil {
			<-s.done
		}
	})
}

// run is the goroutine.
func (s *Steward) run() {
	defer close(s.done)
	defer s.alarm.Stop()
	for {
		select {
		case fn := <-s.calls:
			fn()
		case sus := <-s.suspects:
			s.consider(sus)
		case <-s.alarm.C:
			s.tick(time.Now())
		case <-s.quit:
			return
		}
		if s.over {
			return
		}
	}
}

// call has fn run by the goroutine, and waits until it has been. It is false when the steward has ended.
func (s *Steward) call(fn func()) bool {
	over := make(chan struct{})
	select {
	case s.calls <- func() { defer close(over); fn() }:
	case <-s.quit:
		return false
	}
	select {
	case <-over:
		return true
	case <-s.done:
		return false
	}
}

// suspect implements lease.Upstream.Suspect: it is called by loops, and waits for nobody.
func (s *Steward) suspect(b *lease.Backend, why record.Reason, inARow int) {
	select {
	case s.suspects <- suspect{b, why, inARow}:
	default:
	}
}
