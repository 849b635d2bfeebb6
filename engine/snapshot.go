package engine

// Compiling a configuration: everything that can be wrong with it is found here, before anything runs.

import (
	"context"
	"math/rand/v2"
	"net/netip"
	"slices"

	"sluice/configs"
	"sluice/engine/lease"
	"sluice/engine/observe"
	"sluice/engine/steward"
	"sluice/engine/upstream"
)

// snapshot is everything compiled from one configuration. It never changes.
type snapshot struct {
	config    *configs.Config
	stations  []*station // in the order of the configuration
	upstreams []*backing // likewise
}

// backing is a compiled upstream and what requests to it share. One that a reload does not change goes on as it is.
type backing struct {
	*lease.Upstream
	config    *configs.Upstream // of its own, so that nothing else of the file is kept
	resolvers []netip.AddrPort
	known     []lease.Spec // servers that need not be discovered
	budget    *upstream.Budget
	sticky    *upstream.Sticky
	steward   *steward.Steward
}

// backings finds upstreams by name.
type backings map[string]*backing

// Check compiles cfg and looks at its files, without listening anywhere or creating anything. The error is
// configs.Issues with everything that was found.
func Check(cfg *configs.Config) error {
	_, issues := compile(context.Background(), cfg, loopCount(cfg), nil)
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

// compile makes a snapshot that can take over from before, which may be nil and is not changed. The look-up of names ends
// with ctx.
func compile(ctx context.Context, cfg *configs.Config, loops int, before *snapshot) (*snapshot, configs.Issues) {
	s := &snapshot{config: cfg}
	byName := make(backings, len(cfg.Upstreams))
	var issues configs.Issues
	deps := lease.Deps{Config: cfg, Resolver: lookUpAll(ctx, cfg), Loops: loops, Seed: rand.Uint64()}
	for i := range cfg.Upstreams {
		b, more := compileUpstream(&cfg.Upstreams[i], deps, before.upstream(cfg.Upstreams[i].Name))
		issues = append(issues, more...)
		s.upstreams = append(s.upstreams, b)
		byName[cfg.Upstreams[i].Name] = b
	}
	for i := range cfg.Listeners {
		st := newStation(cfg, &cfg.Listeners[i], before)
		var more configs.Issues
		st.plan, more = compilePlan(cfg, st, byName)
		issues = append(issues, more...)
		s.stations = append(s.stations, st)
	}
	return s, issues
}

// compileUpstream makes the backing of an upstream, or returns that of the configuration before if it says the same.
func compileUpstream(from *configs.Upstream, deps lease.Deps, before *backing) (*backing, configs.Issues) {
	config := *from
	b := &backing{config: &config, resolvers: deps.Config.Runtime.Resolvers}
	if before != nil {
		deps.Before, b.budget, b.sticky = before.Upstream, before.budget, upstream.NewSticky(config.Sticky, before.sticky)
	} else {
		b.budget, b.sticky = upstream.NewBudget(deps.Loops), upstream.NewSticky(config.Sticky, nil)
	}
	if b.sticky != nil {
		deps.Sign = func(address string) string { return b.sticky.Label(config.Name, address) }
	}
	var issues configs.Issues
	if b.Upstream, b.known, issues = lease.Compile(b.config, deps); len(issues) > 0 {
		return nil, issues
	}
	if before != nil && before.same(b) {
		return before, nil
	}
	return b, nil
}

// same reports whether o says what b says. The file behind a check's ca may have changed, whatever its name.
func (b *backing) same(o *backing) bool {
	check := o.config.Check
	return configs.Same(b.config, o.config) && slices.Equal(b.known, o.known) && (check == nil || check.TLS == nil || check.TLS.CA == "") &&
		(slices.Equal(b.resolvers, o.resolvers) || !slices.ContainsFunc(b.config.Servers, func(s configs.Server) bool { return s.Discover != "" }))
}

// upstream finds an upstream by its name; nil if there is none, or no snapshot.
func (s *snapshot) upstream(name string) *backing {
	if s == nil {
		return nil
	}
	if at := slices.IndexFunc(s.upstreams, func(b *backing) bool { return b.config.Name == name }); at >= 0 {
		return s.upstreams[at]
	}
	return nil
}
