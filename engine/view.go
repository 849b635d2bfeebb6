package engine

// What can be seen of an engine from outside, and told to it: observe.View and observe.Control.

import (
	"fmt"
	"sync"
	"time"

	"sluice/configs"
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
		for _, s := range c.services {
			connections = stat.SumVectors(connections, s.Reasons())
		}
	})
	mu.Lock()
	defer mu.Unlock()
	return connections.Copy(), exchanges.Copy()
}

// Listeners implements observe.View.
func (e *Engine) Listeners() []observe.Listener {
	cfg := e.snapshot.config
	all := make([]observe.Listener, len(cfg.Listeners))
	active := make([]int, len(all))
	var mu sync.Mutex
	e.onLoops(func(c *core) {
		mu.Lock()
		defer mu.Unlock()
		for i, s := range c.services {
			active[i] += s.Active()
		}
	})
	mu.Lock()
	defer mu.Unlock()
	for i := range all {
		l := &cfg.Listeners[i]
		all[i] = observe.Listener{Name: l.Name, Protocol: l.Protocol, Active: active[i], Max: int(e.gates[i].Max())}
		for _, b := range l.Bind {
			all[i].Addresses = append(all[i].Addresses, b.V.String())
		}
	}
	return all
}

// TLS implements observe.View.
func (e *Engine) TLS() observe.TLS {
	t := observe.TLS{}
	t.UnderWay, t.Waiting = e.shakes.load()
	for _, l := range e.snapshot.config.Listeners {
		if s := e.vault.stores[l.Name]; s != nil {
			t.Credentials = append(t.Credentials, observe.Credentials{
				Listener: l.Name, Refused: s.Refused(), Certificates: certificatesOf(s.Certificates()),
			})
		}
	}
	for _, u := range e.snapshot.config.Upstreams {
		if c := e.vault.credentialsOf(u.Name); c.Refused > 0 || len(c.Certificates) > 0 {
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
	all := make([]observe.Upstream, 0, len(e.stewards))
	var servers [][]*lease.Backend
	for i, s := range e.stewards {
		v, backends, ok := s.View()
		if !ok {
			continue
		}
		budget := e.snapshot.upstreams[i].budget
		v.Retries, v.RetriesRefused = budget.Granted(), budget.Refused()
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
	s, err := e.steward(upstream)
	if err != nil {
		return err
	}
	return s.SetWeight(server, weight)
}

// SetDraining implements observe.Control.
func (e *Engine) SetDraining(upstream, server string, on bool) error {
	s, err := e.steward(upstream)
	if err != nil {
		return err
	}
	return s.SetDraining(server, on)
}

func (e *Engine) steward(upstream string) (*steward.Steward, error) {
	for i, b := range e.snapshot.upstreams {
		if b.Name == upstream {
			return e.stewards[i], nil
		}
	}
	return nil, fmt.Errorf("there is no upstream %s", upstream)
}

// openAdmin opens the admin address, if the configuration names one.
func (e *Engine) openAdmin(cfg *configs.Config) configs.Issues {
	bind := cfg.Admin.Bind
	if bind == nil {
		return nil
	}
	a, err := observe.OpenAdmin(bind.V, cfg.Admin.Token, e, e.log)
	if err != nil {
		message, hint := explainBind(bind.V, err)
		return configs.Issues{cfg.Issue(bind.At, message, hint)}
	}
	e.admins = append(e.admins, a)
	return nil
}

// Attend has the engine be found by those who know its configuration's file, on its control socket. It belongs before
// Start. The error says that another proxy runs the same file.
func (e *Engine) Attend(configFile string) error {
	a, err := observe.OpenControl(configFile, e, e.log)
	if err != nil {
		return err
	}
	e.admins = append(e.admins, a)
	return nil
}

// Abandon removes what others find the engine by, for a process that ends before Start has returned.
func (e *Engine) Abandon() {
	e.closeAdmins()
	e.sockets.unlink()
}

func (e *Engine) serveAdmins() {
	for _, a := range e.admins {
		a.Serve()
	}
}

func (e *Engine) closeAdmins() {
	for _, a := range e.admins {
		a.Close()
	}
}
