package sim

// The play of passthrough, and the code under test, put together as the engine does it.

import (
	"net/netip"

	"sluice/configs"
	"sluice/engine/limit"
	"sluice/engine/proxyproto"
	"sluice/engine/record"
	"sluice/engine/relay"
	"sluice/engine/route"
	"sluice/internal/veil"
)

// tunnels is the play of passthrough: bytes go through as they are.
type tunnels struct{ *World }

func (t tunnels) build() rig {
	if t.plan.pair {
		t.cover.hit(PairRun)
		return newPairRig(t.World)
	}
	return newRelayRig(t.World)
}

func (t tunnels) client(i int) { t.newClient(i) }

func (t tunnels) origin(e *end) { t.newOrigin(e) }

func (t tunnels) judge() {
	t.checkRecords()
	for _, a := range t.actors {
		t.checkActor(a)
	}
}

// relayRig is the whole: listener, relay, lease.
type relayRig struct {
	common
	relay *relay.Relay
	perIP *limit.PerKey[netip.Addr]
}

func newRelayRig(w *World) *relayRig {
	r := &relayRig{}
	r.init(w)
	r.compileUpstream(configs.Pool{}, nil)
	r.relay = relay.New(r.compileService(), r.net, r.dialer, r)
	return r
}

func (r *relayRig) compileService() *relay.Service {
	w := r.w
	to := &relay.Route{Names: &record.Names{Listener: "sim"}, Upstream: r.upstream, Connect: timeoutConnect}
	rules := []route.Rule[*relay.Route]{{Name: "all", Value: to}}
	if w.plan.hello {
		rules = []route.Rule[*relay.Route]{{Name: "named", SNI: []string{"a.example", "*.b.example"}, Value: to}}
		if w.plan.catchAll {
			rules = append(rules, route.Rule[*relay.Route]{Name: "rest", Value: to})
		}
	}
	table, conflicts := route.Compile(rules)
	if len(conflicts) > 0 {
		w.fault("the routes do not compile: %v", conflicts)
	}
	service := &relay.Service{
		Names:  &record.Names{Listener: "sim"},
		Routes: table,
		Proxy:  proxyproto.Policy{Read: w.plan.proxyIn != proxyOff, Required: w.plan.proxyIn == proxyRequire},
		Timeouts: relay.Timeouts{
			ProxyHeader: timeoutProxy, Hello: timeoutHello, Handshake: timeoutShake, Tunnel: timeoutTunnel, HalfClosed: timeoutHalf,
		},
		MaxPerIP: w.plan.maxPerIP,
	}
	if w.secure {
		service.TLS = veil.ServerConfig()
	}
	if w.plan.maxPerIP > 0 {
		r.perIP = limit.NewPerKey[netip.Addr](0)
		service.PerIP = r.perIP
	}
	return service
}

func (r *relayRig) start(fd int) { r.listen(fd, r.relay) }

func (r *relayRig) active() int { return r.relay.Active() }

func (r *relayRig) leftovers(report func(string, int)) {
	r.common.leftovers(report)
	report("tunnels", r.relay.Active())
	if r.perIP != nil {
		report("clients counted", int(r.perIP.Keys()))
	}
}
