package engine

// Compiling a configuration: everything that can be wrong with it is found here, before anything runs.

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"

	"sluice/configs"
	"sluice/engine/lease"
	"sluice/engine/limit"
	"sluice/engine/observe"
	"sluice/engine/record"
	"sluice/engine/relay"
	"sluice/engine/route"
)

// snapshot is everything compiled from one configuration. It never changes.
type snapshot struct {
	config   *configs.Config
	services []*relay.Service // by listener
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
		service, more := compileService(cfg, &cfg.Listeners[i], upstreams)
		issues = append(issues, more...)
		s.services = append(s.services, service)
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

func compileService(cfg *configs.Config, l *configs.Listener, upstreams map[string]*lease.Upstream) (*relay.Service, configs.Issues) {
	var rules []route.Rule[*relay.Route]
	for i := range cfg.Routes {
		r := &cfg.Routes[i]
		if !slices.Contains(r.Listeners, l.Name) {
			continue
		}
		rules = append(rules, route.Rule[*relay.Route]{
			Name: r.Name, SNI: r.SNI, ALPN: r.ALPN, Value: compileRoute(l, r, upstreams[r.Upstream.V]),
		})
	}
	table, conflicts := route.Compile(rules)
	var issues configs.Issues
	for _, c := range conflicts {
		issues = append(issues, cfg.Issue(l.At, fmt.Sprintf("listener %s: %s", l.Name, c), "remove one of them, or make one more specific"))
	}
	service := &relay.Service{
		Names:  &record.Names{Listener: l.Name},
		Routes: table,
		Access: compileAccess(l.ClientIP),
		Proxy: relay.ProxyPolicy{
			Read:     l.ProxyProtocol.Mode != configs.ProxyOff,
			Required: l.ProxyProtocol.Mode == configs.ProxyRequired,
			From:     route.CompilePrefixes(l.ProxyProtocol.From),
		},
		Timeouts: relay.Timeouts(l.Timeouts),
		MaxPerIP: int64(l.MaxConnectionsPerIP),
	}
	if service.MaxPerIP > 0 {
		// A key lives as long as one of its connections, so max_connections bounds their number.
		service.PerIP = limit.NewPerKey[netip.Addr](0)
	}
	return service, issues
}

func compileRoute(l *configs.Listener, r *configs.Route, u *lease.Upstream) *relay.Route {
	made := &relay.Route{
		Names:    &record.Names{Listener: l.Name, Route: r.Name, Upstream: r.Upstream.V},
		Upstream: u,
		Access:   compileAccess(r.ClientIP),
		Connect:  r.Timeouts.Connect,
	}
	if made.Connect == 0 && u != nil {
		made.Connect = u.Connect
	}
	return made
}

func compileAccess(from configs.ClientIP) route.Access {
	return route.Access{Allow: route.CompilePrefixes(from.Allow), Deny: route.CompilePrefixes(from.Deny)}
}
