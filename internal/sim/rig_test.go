package sim

// The code under test, put together as the engine does it.

import (
	"sluice/configs"
	"sluice/engine/lease"
	"sluice/engine/record"
	"sluice/engine/sock"
	"sluice/pool"
)

// common is what every rig is built on.
type common struct {
	w       *World
	net     *sock.Net
	arena   *pool.Arena
	pipes   *pool.Pipes
	budget  *pool.PipeBudget
	dialer  *lease.Dialer
	gate    *sock.Gate
	ear     *sock.Listener
	records []record.Conn

	upstream *lease.Upstream // for those that choose among servers
	care     care            // of its servers
}

func (c *common) init(w *World) {
	c.w = w
	c.arena = pool.NewArena(0)
	c.budget = pool.NewPipeBudget(w.scale(1, 16))
	c.pipes = pool.NewPipes(w, c.budget, 0, 0)
	c.net = sock.NewNet(w.loop, w, c.arena, c.pipes)
	c.net.Handshakes = w.office.pool
	c.gate = sock.NewGate(w.plan.maxConns)
}

func (c *common) base() *common { return c }

// common is what the rig is built on.
func (w *World) common() *common { return w.rig.(interface{ base() *common }).base() }

func (c *common) listen(fd int, acceptor sock.Acceptor) {
	ear, err := sock.NewListener(c.net, sock.ListenerConfig{
		FD: fd, Unix: c.w.plan.unix, Gate: c.gate,
		Targets: []sock.Target{{Net: c.net, Acceptor: acceptor}},
	})
	if err != nil {
		c.w.fault("listening: %v", err)
	}
	c.ear = ear
}

func (c *common) close() {
	c.ear.Close()
	c.pipes.Close()
}

func (c *common) leftovers(report func(string, int)) {
	report("buffers in use", c.arena.InUse())
	report("pipes in use", c.pipes.InUse())
	report("pipes open", c.budget.Open())
	report("connections", c.net.Open())
	report("lingering descriptors", c.net.Lingering())
	report("places at the gate", int(c.gate.Used()))
	c.w.office.leftovers(report)
	c.care.leftovers(report)
}

// Conn implements relay.Recorder.
func (c *common) Conn(r *record.Conn) {
	c.w.trace("record: %v", *r)
	c.records = append(c.records, *r)
}

var policyNames = []string{"round_robin", "least_conn", "p2c", "random", "first", "hash", "maglev"}

// compileUpstream makes the servers, and what chooses among them; sign makes labels of them, or is nil.
func (c *common) compileUpstream(keep configs.Pool, sign func(address string) string) {
	w := c.w
	from := &configs.Upstream{
		Name: "pool", Balance: policyNames[w.plan.policy], ProxyProtocol: []string{"off", "v1", "v2"}[w.plan.proxyOut],
		HashOn: "client_ip", Timeouts: configs.UpstreamTimeouts{Connect: timeoutConnect}, Pool: keep,
		MaxConnections: w.plan.places, Queue: configs.Queue{Size: w.plan.queue, Timeout: w.plan.patience},
		Eject: configs.Eject{Panic: w.plan.panics},
	}
	for i := range max(w.scale(1, 4), w.plan.servers) {
		s := w.newServer()
		at := configs.Address{Network: "unix", Path: s.addr.Path}
		if at.Path == "" {
			at = configs.Address{Network: "tcp", Host: s.addr.Addr.Addr().String(), Port: s.addr.Addr.Port()}
		}
		server := configs.Server{Address: at, Weight: 1, Backup: i > 0 && w.chance(20)}
		if w.chance(w.plan.crowded) {
			server.MaxConnections = w.between(1, 2)
		}
		from.Servers = append(from.Servers, server)
	}
	deps := lease.Deps{Config: &configs.Config{}, Loops: 1, Seed: w.seed, Sign: sign}
	if w.plan.back {
		deps.TLS, from.Timeouts.TLS = &w.office, timeoutShake
	}
	upstream, specs, issues := lease.Compile(from, deps)
	if len(issues) > 0 {
		w.fault("the upstream does not compile: %v", issues)
	}
	c.upstream, c.dialer = upstream, lease.NewDialer(c.net)
	c.care.init(w, upstream, specs)
	c.care.dialer = c.dialer
}
