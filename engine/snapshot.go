package engine

// Compiling a configuration: everything that can be wrong with it is found here, before anything runs.

import (
	"context"
	"math/rand/v2"
	"net/netip"
	"slices"

	"sluice/configs"
	"sluice/engine/lease"
	"sluice/engine/machine"
	"sluice/engine/observe"
	"sluice/engine/steward"
	"sluice/engine/upstream"
)

// snapshot is everything compiled from one configuration. It never changes.
type snapshot struct {
	config    *configs.Config
	stations  []*station // in the order of the configuration
	upstreams []*backing // likewise
	vault     *vault     // nil in a snapshot that is only looked at
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
	servers   *believed // likewise of the TLS with its servers, and with those that are checked
	checks    *believed
}

// backings finds upstreams by name.
type backings map[string]*backing

// Check compiles cfg and looks at its files, without listening anywhere or creating anything. The error is
// configs.Issues with everything that was found.
func Check(cfg *configs.Config) error {
	_, issues := compile(context.Background(), cfg, basis{loops: machine.Loops(cfg)}) // the loader has read the certificates
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

// basis is what a snapshot is made on, besides its configuration.
type basis struct {
	loops  int
	before *snapshot // that it is to take over from, which is not changed; nil for the first
	vault  *vault    // nil where nothing will run
}

// compile makes a snapshot. The look-up of names ends with ctx.
func compile(ctx context.Context, cfg *configs.Config, on basis) (*snapshot, configs.Issues) {
	s := &snapshot{config: cfg, vault: on.vault}
	byName := make(backings, len(cfg.Upstreams))
	var issues configs.Issues
	deps := lease.Deps{Config: cfg, Resolver: lookUpAll(ctx, cfg), Loops: on.loops, Seed: rand.Uint64()}
	for i := range cfg.Upstreams {
		name := cfg.Upstreams[i].Name
		deps.TLS = on.vault.serversOf(name)
		b, more := compileUpstream(&cfg.Upstreams[i], deps, inheritance{on.before.upstream(name), on.vault})
		issues = append(issues, more...)
		s.upstreams = append(s.upstreams, b)
		byName[name] = b
	}
	for i := range cfg.Listeners {
		st := newStation(cfg, &cfg.Listeners[i], on.before)
		var more configs.Issues
		st.plan, more = compilePlan(cfg, st, byName, on.vault)
		issues = append(issues, more...)
		s.stations = append(s.stations, st)
	}
	return s, issues
}

// inheritance is what the backing of an upstream finds there.
type inheritance struct {
	before *backing // of the same name; nil if there is none
	vault  *vault
}

// compileUpstream makes the backing of an upstream, or returns that of the configuration before if it says the same.
func compileUpstream(from *configs.Upstream, deps lease.Deps, in inheritance) (*backing, configs.Issues) {
	config, before := *from, in.before
	b := &backing{config: &config, resolvers: deps.Config.Runtime.Resolvers}
	if in.vault != nil {
		b.servers, b.checks = in.vault.servers[config.Name], in.vault.checks[config.Name]
	}
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

// same reports whether o says what b says.
func (b *backing) same(o *backing) bool {
	return configs.Same(b.config, o.config) && slices.Equal(b.known, o.known) && b.servers == o.servers && b.checks == o.checks &&
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
