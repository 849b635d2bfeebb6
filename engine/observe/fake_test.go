package observe

import (
	"errors"
	"slices"
	"sync"
	"time"

	"sluice/engine/record"
	"sluice/engine/stat"
)

// fakeProxy is a proxy that is looked at and told, without one.
type fakeProxy struct {
	mu        sync.Mutex
	state     string
	upstreams []Upstream
	refusal   error // of commands
}

// noon is when the fake proxy started; a time zone of its own shows whether answers are in UTC.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.FixedZone("elsewhere", 3600))

func newFakeProxy() *fakeProxy {
	later := noon.Add(90 * time.Second)
	return &fakeProxy{state: ProxyRunning, upstreams: []Upstream{
		{
			Name: "app", Policy: "p2c", InUse: 12, Max: 100, Waiting: 3, QueueSize: 64, QueueTimeouts: 2, QueueFull: 5, Retries: 7, RetriesRefused: 1,
			Servers: []Server{
				{
					Name: "10.0.0.1:80", Address: "10.0.0.1:80", State: ServerUp, Since: noon, Weight: 2, InUse: 9, Max: 50, Idle: 4,
					Picks: 1 << 40, Failures: 3, Ejections: 1, Latency: 1834 * time.Microsecond, SlowStart: 1000,
					Check: &Checked{At: later, OK: true, Took: 412 * time.Microsecond, Detail: "200", State: "up"},
				},
				{
					Name: "app.internal:80 (10.0.0.2)", Address: "10.0.0.2:80", State: ServerDown, Since: later, Cause: "check: connection refused",
					Weight: 1, InUse: 3, SlowStart: 250,
					Check: &Checked{At: later, Took: 2 * time.Second, Detail: "connection refused", State: "down"},
				},
			},
		},
		{Name: `odd "name"` + "\n\\", Policy: "first", Panic: true, Servers: []Server{
			{Name: "unix:/run/a b.sock", Address: "unix:/run/a b.sock", State: ServerDraining, Backup: true, SlowStart: 1000},
			{Name: "unix:/run/a b.sock", Address: "unix:/run/a b.sock", State: ServerRemoved, SlowStart: 1000},
		}},
		{Name: "empty", Policy: "random"},
	}}
}

func (p *fakeProxy) Build() string      { return "1.2.3" }
func (p *fakeProxy) Started() time.Time { return noon }

func (p *fakeProxy) State() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.state
}

func (p *fakeProxy) setState(state string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.state = state
}

// Counters are different numbers for each ID on the first loop; the second loop lowers a gauge that the first has raised.
func (p *fakeProxy) Counters() []stat.Block {
	blocks := make([]stat.Block, 2)
	for id := range stat.IDs() {
		blocks[0].Set(id, 100+uint64(id))
	}
	blocks[1].Dec(stat.Active)
	return blocks
}

func (p *fakeProxy) Reasons() (connections, exchanges stat.Vector) {
	connections, exchanges = stat.NewVector(record.ReasonCount), stat.NewVector(record.ReasonCount)
	connections.Add(int(record.ClientEnd), 3)
	exchanges.Add(int(record.Done), 5)
	exchanges.Add(int(record.ConnectRefused), 1)
	return connections, exchanges
}

func (p *fakeProxy) Listeners() []Listener {
	return []Listener{{Name: "web", Protocol: "http", Addresses: []string{":8080", "[::1]:8081"}, Active: 17, Max: 9000}}
}

func (p *fakeProxy) TLS() TLS {
	return TLS{UnderWay: 3, Waiting: 1, Credentials: []Credentials{{
		Listener: "web", Refused: 1, Certificates: []Certificate{{
			File: "site.pem", Names: []string{"example.com", "*.example.com"}, Key: "ECDSA P-256", Issuer: "CN=Example CA", Fingerprint: "9b0e",
			NotBefore: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC),
		}},
	}}}
}

func (p *fakeProxy) Upstreams() []Upstream {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := slices.Clone(p.upstreams)
	for i := range all {
		all[i].Servers = slices.Clone(all[i].Servers)
	}
	return all
}

func (p *fakeProxy) SetWeight(upstream, server string, weight int) error {
	return p.tell(upstream, server, func(s *Server) { s.Weight = weight })
}

func (p *fakeProxy) SetDraining(upstream, server string, on bool) error {
	return p.tell(upstream, server, func(s *Server) {
		s.State, s.Cause = ServerUp, ""
		if on {
			s.State, s.Cause = ServerDraining, "told so"
		}
	})
}

func (p *fakeProxy) Configuration() Configuration {
	return Configuration{
		Generation: 4, Since: noon.Add(time.Minute), Reloads: 3, Refused: 2, Fixed: []string{"runtime.loops"},
		Refusal: &Refusal{At: noon.Add(time.Hour), Why: "sluice.yaml:3:5: unknown key \"protcol\""},
	}
}

func (p *fakeProxy) Reload() (Reloaded, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.refusal != nil {
		return Reloaded{}, p.refusal
	}
	return Reloaded{Generation: 5, Changes: []string{"routes: 1 new"}, Fixed: []string{"runtime.loops"}}, nil
}

func (p *fakeProxy) tell(upstream, server string, do func(*Server)) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.refusal != nil {
		return p.refusal
	}
	for i := range p.upstreams {
		for j := range p.upstreams[i].Servers {
			if s := &p.upstreams[i].Servers[j]; p.upstreams[i].Name == upstream && s.Name == server {
				do(s)
				return nil
			}
		}
	}
	return errors.New("the fake was told of a server it does not have")
}
