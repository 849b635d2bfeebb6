package engine

// A generation is one configuration at work: what was compiled from it, and what is open for it. The next one takes over
// what both have; see enter.go for how a loop goes from one to the other.
//
//	prepare   everything that can fail; the generation before notices nothing
//	equip     what each loop will need, made where it costs the loop no time
//	discard   prepare taken back

import (
	"context"
	"time"

	"sluice/configs"
	"sluice/engine/machine"
	"sluice/engine/observe"
	"sluice/engine/sock"
	"sluice/engine/steward"
)

// generation never changes once it is at work.
type generation struct {
	*snapshot
	number    int // from 1
	since     time.Time
	fixed     []string // keys of its file that are not in force before a restart
	before    *generation
	access    *observe.AccessLog
	addresses addresses
	admin     *observe.Admin // nil without an address
	shares    []*share       // by loop
}

// share is what one loop has of a generation.
type share struct {
	kits     []kit     // by station
	services []service // likewise
	lines    *observe.Lines
}

// prepare compiles a configuration and opens what it names and before, which may be nil, has not. The issues are
// everything that is wrong with either; nothing is left open then.
func (e *Engine) prepare(ctx context.Context, cfg *configs.Config, before *generation) (*generation, configs.Issues) {
	g := &generation{number: 1, before: before}
	on := basis{loops: e.loopsMax}
	var open addresses
	var older *vault
	if before != nil {
		g.number, on.before, open, older = before.number+1, before.snapshot, before.addresses, before.vault
	}
	var issues, more configs.Issues
	on.vault, issues = e.openVault(cfg, older)
	g.snapshot, more = compile(ctx, cfg, on)
	issues = append(issues, more...)
	if err := g.openLog(e); err != nil {
		issues = append(issues, explainLog(cfg, err))
	}
	g.addresses, more = openSockets(cfg, e.loopsMax, open)
	if issues = append(issues, more...); len(issues) == 0 {
		e.hireStewards(g)
		issues = g.openAdmin(e)
	}
	if len(issues) > 0 {
		g.discard()
		return nil, issues
	}
	e.assignGates(g)
	return g, nil
}

// openLog opens the access log, or goes on with the one before if it is the same.
func (g *generation) openLog(e *Engine) (err error) {
	if to := g.config.Log.Access; g.before != nil && configs.Same(to, g.before.config.Log.Access) {
		g.access = g.before.access
		return nil
	}
	g.access, err = observe.Open(g.config.Log.Access.To, e.log)
	return err
}

// openAdmin opens the admin address, if the configuration names one, or goes on with the one before.
func (g *generation) openAdmin(e *Engine) configs.Issues {
	cfg := g.config
	bind := cfg.Admin.Bind
	switch {
	case bind == nil:
		return nil
	case g.before != nil && g.before.admin != nil && g.before.config.Admin.Bind.V == bind.V:
		g.admin = g.before.admin // the token has to wait until everything else stands
		return nil
	}
	var err error
	if g.admin, err = observe.OpenAdmin(bind.V, cfg.Admin.Token, e, e.log); err != nil {
		message, hint := explainBind(bind.V, err)
		return configs.Issues{cfg.Issue(bind.At, message, hint)}
	}
	return nil
}

// assignGates finds the gate of each station.
func (e *Engine) assignGates(g *generation) {
	most := machine.Connections(g.config)
	if most < machine.FewConnections {
		e.log.Warn("only few connections fit the limit of open files or runtime.memory", "max_connections", most, "hint", descriptorHint)
	}
	for _, st := range g.stations {
		if own := int64(st.config.MaxConnections); own > most {
			e.log.Warn("max_connections is more than the limit of open files or runtime.memory allows", "listener", st.config.Name,
				"max_connections", own, "room", most, "hint", descriptorHint)
		}
		switch {
		case st.gate != nil:
		case st.config.MaxConnections == 0:
			st.gate = e.auto
		default:
			st.gate = sock.NewGate(int64(st.config.MaxConnections))
		}
	}
}

// openGates sets the limits of all gates.
func (g *generation) openGates(auto *sock.Gate) {
	auto.SetMax(machine.Connections(g.config))
	for _, st := range g.stations {
		if st.gate != auto {
			st.gate.SetMax(int64(st.config.MaxConnections))
		}
	}
}

// equip makes what each loop will need.
func (g *generation) equip(cores []*core) {
	for i, c := range cores {
		s := &share{}
		if g.before == nil || g.before.access != g.access {
			s.lines = g.access.Lines()
		} else {
			s.lines = g.before.shares[i].lines
		}
		for _, st := range g.stations {
			k := st.plan.on(c, st.gate)
			s.kits = append(s.kits, k)
			if st.goesOn {
				s.services = append(s.services, g.before.shares[i].services[st.after])
				continue
			}
			s.services = append(s.services, k.serve())
		}
		g.shares = append(g.shares, s)
	}
}

// discard takes back what prepare has opened, and the generation before has not.
func (g *generation) discard() {
	if g.access != nil && (g.before == nil || g.access != g.before.access) {
		g.access.Close()
	}
	g.addresses.close()
	if g.admin != nil && (g.before == nil || g.admin != g.before.admin) {
		g.admin.Close()
	}
	for _, s := range g.newStewards() {
		s.Close()
	}
	g.vault.close(g.inheritedVault())
}

// inheritedVault is the one of the generation before; nil for the first.
func (g *generation) inheritedVault() *vault {
	if g.before == nil {
		return nil
	}
	return g.before.vault
}

// newStewards are those that the generation before has not.
func (g *generation) newStewards() (all []*steward.Steward) {
	for _, b := range g.upstreams {
		if b != nil && b.steward != nil && !g.inherited(b) {
			all = append(all, b.steward)
		}
	}
	return all
}

// inherited reports whether the generation before has the same backing.
func (g *generation) inherited(b *backing) bool {
	return g.before != nil && g.before.upstream(b.config.Name) == b
}
