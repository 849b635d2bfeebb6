package engine

// What a listener does with its connections, compiled once for all loops, and made into a service on each.

import (
	"fmt"
	"slices"
	"time"

	"sluice/configs"
	"sluice/engine/h1"
	"sluice/engine/proxyproto"
	"sluice/engine/record"
	"sluice/engine/relay"
	"sluice/engine/route"
	"sluice/engine/sock"
	"sluice/engine/stat"
)

// service is one listener's connections on one loop.
type service interface {
	sock.Acceptor
	// Active is the number of connections that are not over; Reasons counts how they ended.
	Active() int
	Reasons() stat.Vector
	// StopAll ends every connection, for why. WhenEmpty calls fn once none is left.
	StopAll(why record.Reason)
	WhenEmpty(fn func())
}

// drainer is a service that can let go of connections that do nothing.
type drainer interface{ Drain() }

var (
	_ service = (*relay.Relay)(nil)
	_ service = (*httpService)(nil)
	_ drainer = (*h1.Server)(nil)
	_ retirer = (*h1.Server)(nil)
	_ shedder = (*h1.Server)(nil)
)

// retirer is a service that can have its connections end by and by, because new ones are another one's.
type retirer interface{ Retire() }

// shedder is a service that keeps something beyond its last connection.
type shedder interface{ Shed() }

// plan is what one listener does, for any loop.
type plan interface {
	// on makes what a loop needs of it; gate is the listener's. It touches nothing that belongs to the loop.
	on(c *core, gate *sock.Gate) kit
}

// kit is a plan for one loop.
type kit interface {
	// serve makes a service.
	serve() service
	// reroute has a service that was made by another plan of the same protocol go by the routes of this one. It runs on
	// the loop.
	reroute(service)
	// refit is reroute for a service of a listener that is alike.
	refit(service)
}

// tcpPlan is a listener that passes connections through.
type tcpPlan struct{ service *relay.Service }

func (p tcpPlan) on(c *core, _ *sock.Gate) kit { return tcpKit{p.service, c} }

// tcpKit is a tcpPlan on one loop.
type tcpKit struct {
	service *relay.Service
	core    *core
}

func (k tcpKit) serve() service { return relay.New(k.service, k.core.net, k.core.dialer, k.core) }

func (k tcpKit) reroute(s service) {
	if r, ok := s.(*relay.Relay); ok {
		r.Reroute(k.service.Routes)
	}
}

func (k tcpKit) refit(s service) { k.reroute(s) }

func compilePlan(cfg *configs.Config, st *station, upstreams backings, v *vault) (plan, configs.Issues) {
	if st.config.Protocol == "http" {
		return compileHTTP(cfg, st, upstreams, v)
	}
	service, issues := compileTCP(cfg, st, upstreams)
	service.TLS = v.of(st.config.Name)
	return tcpPlan{service}, issues
}

// compileTCP makes the service of a tcp listener, or of the routes of an http listener that see connections.
func compileTCP(cfg *configs.Config, st *station, upstreams backings) (*relay.Service, configs.Issues) {
	l := st.config
	var rules []route.Rule[*relay.Route]
	for r := range routesOf(cfg, l) {
		if l.Protocol == "tcp" || r.Passthrough {
			rules = append(rules, route.Rule[*relay.Route]{
				Name: r.Name, SNI: r.SNI, ALPN: r.ALPN, Value: compileTCPRoute(l, r, upstreams[r.Upstream.V]),
			})
		}
	}
	table, conflicts := route.Compile(rules)
	var issues configs.Issues
	for _, c := range conflicts {
		issues = append(issues, cfg.Issue(l.At, fmt.Sprintf("listener %s: %s", l.Name, c), conflictHint))
	}
	return &relay.Service{
		Names:  &record.Names{Listener: l.Name},
		Routes: table,
		Access: compileAccess(l.ClientIP),
		Proxy:  compileProxyPolicy(l),
		Timeouts: relay.Timeouts{
			Hello: l.Timeouts.Hello, Handshake: l.Timeouts.Handshake, ProxyHeader: l.Timeouts.ProxyHeader, Tunnel: l.Timeouts.Tunnel, HalfClosed: l.Timeouts.HalfClosed,
		},
		PerIP: st.perIP, MaxPerIP: st.most,
	}, issues
}

const conflictHint = "remove one of them, or make one more specific"

// routesOf yields the routes of a listener.
func routesOf(cfg *configs.Config, l *configs.Listener) func(yield func(*configs.Route) bool) {
	return func(yield func(*configs.Route) bool) {
		for i := range cfg.Routes {
			if slices.Contains(cfg.Routes[i].Listeners, l.Name) && !yield(&cfg.Routes[i]) {
				return
			}
		}
	}
}

func compileTCPRoute(l *configs.Listener, r *configs.Route, u *backing) *relay.Route {
	made := &relay.Route{
		Names:   &record.Names{Listener: l.Name, Route: r.Name, Upstream: r.Upstream.V},
		Access:  compileAccess(r.ClientIP),
		Connect: connectTimeout(r, u), Passthrough: r.Passthrough,
	}
	if u != nil { // else it is wrong, and nothing will run
		made.Upstream = u.Upstream
	}
	return made
}

// connectTimeout is the route's, or else the upstream's.
func connectTimeout(r *configs.Route, u *backing) time.Duration {
	if r.Timeouts.Connect == 0 && u != nil {
		return u.Connect
	}
	return r.Timeouts.Connect
}

func compileAccess(from configs.ClientIP) route.Access {
	return route.Access{Allow: route.CompilePrefixes(from.Allow), Deny: route.CompilePrefixes(from.Deny)}
}

func compileProxyPolicy(l *configs.Listener) proxyproto.Policy {
	return proxyproto.Policy{
		Read:     l.ProxyProtocol.Mode != configs.ProxyOff,
		Required: l.ProxyProtocol.Mode == configs.ProxyRequired,
		From:     route.CompilePrefixes(l.ProxyProtocol.From),
	}
}
