package engine

// HTTP listeners: routes, and the one table of what happens to a request in which order.

import (
	"fmt"
	"time"

	"sluice/configs"
	"sluice/engine/exchange"
	"sluice/engine/h1"
	"sluice/engine/h1/wire"
	"sluice/engine/record"
	"sluice/engine/relay"
	"sluice/engine/route"
	"sluice/engine/sock"
	"sluice/engine/upstream"
)

// httpPlan is a listener that speaks HTTP.
type httpPlan struct {
	config   *h1.Config
	tree     *route.Tree[int]
	routes   []httpRoute // what the tree's values count
	timeouts exchange.Timeouts
	passed   *relay.Service // connections that are passed on before their TLS is terminated; often no route has any
}

// httpRoute is a route, for any loop.
type httpRoute struct {
	route    exchange.Route // without a handler, if it has an upstream
	upstream *backing
	retry    upstream.Retry
	connect  time.Duration
}

func compileHTTP(cfg *configs.Config, st *station, upstreams backings, v *vault) (plan, configs.Issues) {
	l := st.config
	p := &httpPlan{timeouts: exchangeTimeouts(l, nil)}
	var rules []route.HTTPRule[int]
	var sources []*configs.Route
	trusted := route.CompilePrefixes(l.TrustedProxies)
	for r := range routesOf(cfg, l) {
		if r.Passthrough {
			continue
		}
		made := compileHTTPRoute(l, r, &trusted)
		made.upstream = upstreams[r.Upstream.V]
		made.connect = connectTimeout(r, made.upstream)
		made.retry = compileRetry(r, made.upstream)
		rules = append(rules, route.HTTPRule[int]{Name: r.Name, Hosts: r.Hosts, Paths: r.Paths, Methods: r.Methods, Value: len(p.routes)})
		p.routes = append(p.routes, made)
		sources = append(sources, r)
	}
	tree, conflicts := route.CompileHTTP(rules)
	var issues configs.Issues
	for _, c := range conflicts {
		first := sources[c.First]
		issues = append(issues, cfg.Issue(sources[c.Second].At, fmt.Sprintf("listener %s: %s (the other one is at line %d)", l.Name, c, first.At.Line),
			conflictHint))
	}
	p.tree = tree
	passed, more := compileTCP(cfg, st, upstreams)
	issues = append(issues, more...)
	p.passed = passed
	p.config = &h1.Config{
		Names: &record.Names{Listener: l.Name}, Access: compileAccess(l.ClientIP), Proxy: compileProxyPolicy(l),
		PerIP: st.perIP, MaxPerIP: st.most, Port: commonPort(l), TLS: v.of(l.Name),
		Timeouts: h1.Timeouts{
			Header: l.Timeouts.Header, Idle: l.Timeouts.Idle, ProxyHeader: l.Timeouts.ProxyHeader,
			Hello: l.Timeouts.Hello, Handshake: l.Timeouts.Handshake,
		},
		Limits: wire.Limits{Head: int(l.Limits.HeaderBytes), Fields: l.Limits.HeaderCount, Target: int(l.Limits.URIBytes)},
	}
	return p, issues
}

// compileRetry makes a route's rules for its upstream.
func compileRetry(r *configs.Route, u *backing) upstream.Retry {
	if u == nil {
		return upstream.Retry{}
	}
	return upstream.Retry{
		Attempts: r.Retry.Attempts, Connect: r.Retry.Connect, Reset: r.Retry.Reset, Timeout: r.Retry.Timeout,
		MarkedDown: r.Retry.MarkedDown, Statuses: r.Retry.Statuses, Percent: r.Retry.Budget, Budget: u.budget,
	}
}

// commonPort is the port of all the listener's TCP addresses; 0 if they differ.
func commonPort(l *configs.Listener) uint16 {
	var port uint16
	for _, b := range l.Bind {
		switch {
		case b.V.Network == "unix":
		case port == 0:
			port = b.V.Port
		case port != b.V.Port:
			return 0
		}
	}
	return port
}

func exchangeTimeouts(l *configs.Listener, r *configs.Route) exchange.Timeouts {
	t := exchange.Timeouts{
		BodyIdle: l.Timeouts.BodyIdle, WriteIdle: l.Timeouts.WriteIdle, MinRate: l.Timeouts.MinRate,
		Tunnel: l.Timeouts.Tunnel, HalfClosed: l.Timeouts.HalfClosed,
		FirstByte: l.Timeouts.BodyIdle, Idle: l.Timeouts.BodyIdle, // without a route nobody is asked
	}
	if r != nil {
		t.FirstByte, t.Idle = r.Timeouts.FirstByte, r.Timeouts.Idle
	}
	return t
}

// on implements plan.
func (p *httpPlan) on(c *core, gate *sock.Gate) kit {
	routes := make([]*exchange.Route, len(p.routes))
	for i := range p.routes {
		from := &p.routes[i]
		made := from.route
		if from.upstream != nil {
			made.Handler = &upstream.Proxy{
				Origins: c.origins, Upstream: from.upstream.Upstream, Connect: from.connect, Retry: from.retry,
				Sticky: from.upstream.sticky, Shortage: shortage{c, gate},
			}
		}
		routes[i] = &made
	}
	return &httpKit{p, c, routes}
}

// httpKit is an httpPlan on one loop.
type httpKit struct {
	*httpPlan
	core   *core
	routes []*exchange.Route
}

func (k *httpKit) serve() service {
	r := &router{
		tree: k.tree, routes: k.routes, host: make([]byte, 0, hostRoom), path: make([]byte, 0, k.config.Limits.Target),
	}
	server := h1.NewServer(k.config, k.core.net, &exchange.Service{
		Names: k.config.Names, Router: r, Recorder: k.core, Timeouts: k.timeouts,
	})
	server.Turned = k.core
	s := &httpService{Server: server, router: r}
	k.divert(s)
	return s
}

// divert has s pass on what routes want untouched.
func (k *httpKit) divert(s *httpService) {
	switch {
	case s.passed != nil:
		s.passed.Reroute(k.passed.Routes)
	case k.passed.Routes.NeedsHello():
		s.passed = relay.New(k.passed, k.core.net, k.core.dialer, k.core)
		s.Before(diverter{s.passed})
	}
}

func (k *httpKit) reroute(s service) {
	if s, ok := s.(*httpService); ok {
		s.router.tree, s.router.routes = k.tree, k.routes
		k.divert(s)
	}
}

func (k *httpKit) refit(s service) {
	k.reroute(s)
	if s, ok := s.(*httpService); ok {
		s.Use(k.config)
	}
}

// shortage has a listener pause when a connection to a server found no descriptor.
type shortage struct {
	core *core
	gate *sock.Gate
}

// ShortOfDescriptors implements upstream.Shortage.
func (s shortage) ShortOfDescriptors(cause error) { s.gate.Shortage(s.core.net, record.Errno(cause)) }

// router finds routes on one loop.
type router struct {
	tree       *route.Tree[int]
	routes     []*exchange.Route
	host, path []byte // empty, with room for a normal form
}

// hostRoom holds every host that is valid.
const hostRoom = 255

// Route implements exchange.Router. Matching is on the normal forms, so that no rule is evaded by another spelling; what
// goes to the server is what was sent.
func (r *router) Route(x *exchange.Exchange) (*exchange.Route, record.Reason) {
	h := &x.Request
	host, path, ok := h.Bytes(h.Authority), h.Path(), true
	if len(host) > 0 {
		if host, ok = route.NormalHost(r.host, host); !ok {
			x.Record.Detail = "the host is no valid name or address"
			return nil, record.BadRequest
		}
	}
	if len(path) > 0 && path[0] == '/' {
		if path, ok = route.NormalPath(r.path, path); !ok {
			x.Record.Detail = "the path has more than one reading"
			return nil, record.BadRequest
		}
	}
	if t := x.Record.TLS; t != nil && !x.Connect && t.ServerName != "" && len(host) > 0 && t.ServerName != string(host) {
		x.Record.Detail = "the host is not the name that the TLS handshake asked for"
		return nil, record.Misdirected
	}
	at, found := r.tree.Match(host, path, h.Bytes(h.Method))
	switch found {
	case route.NoHost:
		return nil, record.Misdirected
	case route.NoPath:
		return nil, record.NotFound
	}
	return r.routes[at], record.None
}
