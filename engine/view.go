package engine

// What can be seen of an engine from outside, and told to it: observe.View and observe.Control.

import (
	"fmt"
	"sync"
	"time"

	"sluice/engine/certs"
	"sluice/engine/lease"
	"sluice/engine/observe"
	"sluice/engine/record"
	"sluice/engine/stat"
	"sluice/engine/steward"
)

var _ observe.Proxy = (*Engine)(nil)

// Build implements observe.View.
func (e *Engine) Build() string { return e.Version }

// Started implements observe.View.
func (e *Engine) Started() time.Time { return e.started }

// State implements observe.View.
func (e *Engine) State() string { return e.stage.Load().(string) }

// Reasons implements observe.View.
func (e *Engine) Reasons() (connections, exchanges stat.Vector) {
	connections, exchanges = stat.NewVector(record.ReasonCount), stat.NewVector(record.ReasonCount)
	var mu sync.Mutex
	e.onLoops(func(c *core) {
		mu.Lock()
		defer mu.Unlock()
		exchanges = stat.SumVectors(exchanges, c.reasons)
		connections = stat.SumVectors(connections, c.ended())
	})
	mu.Lock()
	defer mu.Unlock()
	return connections.Copy(), exchanges.Copy()
}

// Configuration implements observe.View.
func (e *Engine) Configuration() observe.Configuration {
	e.turn.RLock()
	defer e.turn.RUnlock()
	g := e.now.Load()
	c := e.reloads.seen()
	c.Generation, c.Since, c.Fixed = g.number, g.since, g.fixed
	return c
}

// Listeners implements observe.View. Those that are gone come last, as long as they have connections.
func (e *Engine) Listeners() []observe.Listener {
	e.turn.RLock()
	defer e.turn.RUnlock()
	var all []observe.Listener
	at := make(map[string]int)
	for _, st := range e.now.Load().stations {
		l := observe.Listener{Name: st.config.Name, Protocol: st.config.Protocol, Max: int(st.gate.Max())}
		for _, b := range st.config.Bind {
			l.Addresses = append(l.Addresses, b.V.String())
		}
		at[l.Name] = len(all)
		all = append(all, l)
	}
	var mu sync.Mutex
	e.onLoops(func(c *core) {
		mu.Lock()
		defer mu.Unlock()
		if c.now == nil {
			return
		}
		for i, s := range c.share().services {
			all[at[c.now.stations[i].config.Name]].Active += s.Active()
		}
		for _, r := range c.retired {
			if _, known := at[r.listener]; !known {
				at[r.listener] = len(all)
				all = append(all, observe.Listener{Name: r.listener, Protocol: r.protocol})
			}
			all[at[r.listener]].Active += r.Active()
		}
	})
	mu.Lock()
	defer mu.Unlock()
	return all
}

// TLS implements observe.View.
func (e *Engine) TLS() observe.TLS {
	e.turn.RLock()
	defer e.turn.RUnlock()
	g := e.now.Load()
	t := observe.TLS{}
	t.UnderWay, t.Waiting = e.shakes.load()
	for _, l := range g.config.Listeners {
		if s := g.vault.stores[l.Name]; s != nil {
			t.Credentials = append(t.Credentials, observe.Credentials{
				Listener: l.Name, Refused: s.Refused(), Certificates: certificatesOf(s.Certificates()),
			})
		}
	}
	for _, u := range g.config.Upstreams {
		if c := g.vault.credentialsOf(u.Name); c.Refused > 0 || len(c.Certificates) > 0 {
			t.Credentials = append(t.Credentials, c)
		}
	}
	return t
}

func certificatesOf(all []certs.Info) []observe.Certificate {
	var seen []observe.Certificate
	for _, c := range all {
		seen = append(seen, observe.Certificate{
			File: c.File, Names: c.Names, Key: c.KeyType, Issuer: c.Issuer, Fingerprint: c.Fingerprint, NotBefore: c.NotBefore, NotAfter: c.NotAfter,
		})
	}
	return seen
}

// Upstreams implements observe.View.
func (e *Engine) Upstreams() []observe.Upstream {
	e.turn.RLock()
	defer e.turn.RUnlock()
	upstreams := e.now.Load().upstreams
	all := make([]observe.Upstream, 0, len(upstreams))
	var servers [][]*lease.Backend
	for _, b := range upstreams {
		v, backends, ok := b.steward.View()
		if !ok {
			continue
		}
		v.Retries, v.RetriesRefused = b.budget.Granted(), b.budget.Refused()
		all, servers = append(all, v), append(servers, backends)
	}
	var mu sync.Mutex
	e.onLoops(func(c *core) {
		var idle []int // of its own, so that no loop waits for another
		for _, backends := range servers {
			for _, b := range backends {
				idle = append(idle, c.dialer.Idle(b))
			}
		}
		mu.Lock()
		defer mu.Unlock()
		for i, backends := range servers {
			for j := range backends {
				all[i].Servers[j].Idle += idle[j]
			}
			idle = idle[len(backends):]
		}
	})
	mu.Lock()
	defer mu.Unlock()
	return all
}

// SetWeight implements observe.Control.
func (e *Engine) SetWeight(upstream, server string, weight int) error {
	return e.steer(upstream, func(s *steward.Steward) error { return s.SetWeight(server, weight) })
}

// SetDraining implements observe.Control.
func (e *Engine) SetDraining(upstream, server string, on bool) error {
	return e.steer(upstream, func(s *steward.Steward) error { return s.SetDraining(server, on) })
}

// steer tells something to the steward of an upstream, and keeps it at its post meanwhile.
func (e *Engine) steer(upstream string, do func(*steward.Steward) error) error {
	e.turn.RLock()
	defer e.turn.RUnlock()
	b := e.now.Load().upstream(upstream)
	if b == nil {
		return fmt.Errorf("there is no upstream %s", upstream)
	}
	return do(b.steward)
}

// Attend has the engine be found by those who know its configuration's file, on its control socket. It belongs before
// Start. The error says that another proxy runs the same file.
func (e *Engine) Attend(configFile string) (err error) {
	e.control, err = observe.OpenControl(configFile, e, e.log)
	return err
}

// Abandon removes what others find the engine by, for a process that ends before Start has returned.
func (e *Engine) Abandon() {
	e.closeAdmins()
	e.now.Load().addresses.unlink(nil)
}

func (e *Engine) closeAdmins() {
	for _, a := range []*observe.Admin{e.now.Load().admin, e.control} {
		if a != nil {
			a.Close()
		}
	}
}
