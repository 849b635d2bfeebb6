package engine

// Compiling a configuration: everything that can be wrong with it is found here, before anything runs.

import (
	"math/rand/v2"

	"sluice/configs"
	"sluice/engine/lease"
	"sluice/engine/observe"
	"sluice/engine/upstream"
)

// snapshot is everything compiled from one configuration. It never changes.
type snapshot struct {
	config    *configs.Config
	plans     []plan     // by listener
	upstreams []*backing // in the order of the configuration
}

// backing is a compiled upstream and what requests to it share.
type backing struct {
	*lease.Upstream
	config *configs.Upstream
	known  []lease.Spec // servers that need not be discovered
	budget *upstream.Budget
	sticky *upstream.Sticky
}

// backings finds upstreams by name.
type backings map[string]*backing

// Check compiles cfg and looks at its files, without listening anywhere or creating anything. The error is
// configs.Issues with everything that was found.
func Check(cfg *configs.Config) error {
	_, issues := compile(cfg, loopCount(cfg), nil) // the loader has read the certificates
	if err := observe.Check(cfg.Log.Access.To); err != nil {
		issues = append(issues, explainLog(cfg, err))
	}
	if len(issues) > 0 {
		return issues
	}
	return nil
}

// explainLog says where an access log that cannot be opened was named.
func explainLog(cfg *configs.Config, err error) configs.Issue {
	return cfg.Issue(cfg.Log.Access.At, err.Error(), "")
}

func compile(cfg *configs.Config, loops int, v *vault) (*snapshot, configs.Issues) {
	s := &snapshot{config: cfg}
	byName := make(backings, len(cfg.Upstreams))
	var issues configs.Issues
	deps := lease.Deps{Config: cfg, Resolver: lookUpAll(cfg), Loops: loops, Seed: rand.Uint64()}
	for i := range cfg.Upstreams {
		deps.TLS = v.serversOf(cfg.Upstreams[i].Name)
		b, more := compileUpstream(&cfg.Upstreams[i], deps)
		issues = append(issues, more...)
		s.upstreams = append(s.upstreams, b)
		byName[cfg.Upstreams[i].Name] = b
	}
	for i := range cfg.Listeners {
		p, more := compilePlan(cfg, &cfg.Listeners[i], byName, v)
		issues = append(issues, more...)
		s.plans = append(s.plans, p)
	}
	return s, issues
}

func compileUpstream(from *configs.Upstream, deps lease.Deps) (*backing, configs.Issues) {
	b := &backing{config: from, budget: upstream.NewBudget(deps.Loops), sticky: upstream.NewSticky(from.Sticky)}
	if b.sticky != nil {
		deps.Sign = func(address string) string { return b.sticky.Label(from.Name, address) }
	}
	var issues configs.Issues
	if b.Upstream, b.known, issues = lease.Compile(from, deps); len(issues) > 0 {
		return nil, issues
	}
	return b, nil
}
