package engine

// Compiling a configuration: everything that can be wrong with it is found here, before anything runs.

import (
	"math/rand/v2"

	"sluice/configs"
	"sluice/engine/lease"
	"sluice/engine/observe"
)

// snapshot is everything compiled from one configuration. It never changes.
type snapshot struct {
	config *configs.Config
	plans  []plan // by listener
}

// Check compiles cfg and looks at its files, without listening anywhere or creating anything. The error is
// configs.Issues with everything that was found.
func Check(cfg *configs.Config) error {
	_, issues := compile(cfg, loopCount(cfg))
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

func compile(cfg *configs.Config, loops int) (*snapshot, configs.Issues) {
	upstreams, issues := compileUpstreams(cfg, loops)
	s := &snapshot{config: cfg}
	for i := range cfg.Listeners {
		p, more := compilePlan(cfg, &cfg.Listeners[i], upstreams)
		issues = append(issues, more...)
		s.plans = append(s.plans, p)
	}
	return s, issues
}

func compileUpstreams(cfg *configs.Config, loops int) (map[string]*lease.Upstream, configs.Issues) {
	deps := lease.Deps{Config: cfg, Resolver: lookUpAll(cfg), Loops: loops, Seed: rand.Uint64()}
	made := make(map[string]*lease.Upstream, len(cfg.Upstreams))
	var issues configs.Issues
	for i := range cfg.Upstreams {
		u, more := lease.Compile(&cfg.Upstreams[i], deps)
		made[cfg.Upstreams[i].Name] = u
		issues = append(issues, more...)
	}
	return made, issues
}
