package observe

// What the metrics show. Every family is one row of a table below, or of stat's; docs/observability.md is generated from the
// text they make. Names and labels are an interface: dashboards and alerts are built on them.
//
// The number of series is bounded by the configuration: upstreams, their servers and listeners have labels of their own,
// clients, paths and hosts never do.

import (
	"fmt"
	"runtime"
	"strconv"
	"sync"
	"time"

	"sluice/engine/record"
	"sluice/engine/stat"
)

// scraper makes the text of metrics. Scrapes take turns, so that a storm of them asks the loops for one copy at a time.
type scraper struct {
	view View
	mu   sync.Mutex
	size int // of the last text
}

// scrape returns the metrics of this moment.
func (s *scraper) scrape(open bool) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := &exposition{out: make([]byte, 0, s.size+s.size/8), open: open}
	e.proxy(s.view)
	e.configuration(s.view.Configuration())
	e.loops(s.view.Counters())
	connections, exchanges := s.view.Reasons()
	e.reasons("sluice_connections_ended_total", "TCP connections that are over, and HTTP ones that ended without a request to blame, by reason.", connections)
	e.reasons("sluice_http_exchanges_ended_total", "HTTP exchanges that are over, by reason.", exchanges)
	listeners := s.view.Listeners()
	emit(e, listenerFamilies, labelled(listeners, func(l *Listener) string { return label("listener", l.Name) }))
	e.tls(s.view.TLS())
	e.upstreams(s.view.Upstreams())
	e.process(readProcess())
	e.end()
	s.size = len(e.out)
	return e.out
}

// proxy adds what is true of the proxy as a whole.
func (e *exposition) proxy(v View) {
	e.family("sluice_build_info", stat.Gauge, "Always 1; the labels say which build runs.")
	e.count("sluice_build_info", label("version", v.Build())+","+label("go", runtime.Version()), 1)
	e.family("sluice_ready", stat.Gauge, "1 while new connections are welcome, 0 while the proxy starts or drains.")
	e.value("sluice_ready", "", truth(v.State() == ProxyRunning))
	e.family("process_start_time_seconds", stat.Gauge, "When the proxy started, in seconds since the epoch.")
	e.value("process_start_time_seconds", "", seconds(v.Started()))
}

// configuration adds what is known of the configuration that runs.
func (e *exposition) configuration(c Configuration) {
	e.family("sluice_config_generation", stat.Gauge, "Which configuration runs: 1 at the start, one more with each reload.")
	e.count("sluice_config_generation", "", uint64(c.Generation))
	e.family("sluice_config_since_seconds", stat.Gauge, "When the configuration that runs came into force, in seconds since the epoch.")
	e.value("sluice_config_since_seconds", "", seconds(c.Since))
	e.family("sluice_config_last_reload_ok", stat.Gauge, "1 unless the last reload was refused: the file is not what runs then.")
	e.value("sluice_config_last_reload_ok", "", truth(c.Refusal == nil))
	e.family("sluice_reloads_total", stat.Counter, "Reloads of the configuration, by what became of them.")
	e.count("sluice_reloads_total", `result="ok"`, c.Reloads)
	e.count("sluice_reloads_total", `result="refused"`, c.Refused)
}

// loops adds the sums of what loops count.
func (e *exposition) loops(blocks []stat.Block) {
	e.family("sluice_loops", stat.Gauge, "Event loops that run.")
	e.count("sluice_loops", "", uint64(len(blocks)))
	sum := stat.Sum(blocks...)
	last := ""
	for id := range stat.IDs() {
		row := id.Row()
		if row.Name != last {
			e.family(row.Name, row.Kind, row.Help)
			last = row.Name
		}
		e.count(row.Name, row.Label, sum.Get(id))
	}
}

// reasonLabels are those of each reason. Side and class follow from it and make sums over kinds of trouble short.
var reasonLabels = sync.OnceValue(func() []string {
	labels := make([]string, record.ReasonCount)
	for r := range record.Reasons() {
		labels[r] = fmt.Sprintf("reason=%q,side=%q,class=%q", r, r.Side(), r.Class())
	}
	return labels
})

func (e *exposition) reasons(name, help string, v stat.Vector) {
	e.family(name, stat.Counter, help)
	for r := range record.Reasons() {
		e.count(name, reasonLabels()[r], v.Get(int(r)))
	}
}

// A family is one metric of every T.
type family[T any] struct {
	name  string
	kind  stat.Kind
	help  string
	value func(*T) float64
}

// A series is one T and its labels.
type series[T any] struct {
	of     *T
	labels string
}

// emit adds each family with a sample of each series.
func emit[T any](e *exposition, families []family[T], all []series[T]) {
	for i := range families {
		f := &families[i]
		e.family(f.name, f.kind, f.help)
		for _, s := range all {
			e.value(f.name, s.labels, f.value(s.of))
		}
	}
}

// labelled makes a series of each T.
func labelled[T any](all []T, labels func(*T) string) []series[T] {
	made := make([]series[T], len(all))
	for i := range all {
		made[i] = series[T]{&all[i], labels(&all[i])}
	}
	return made
}

var listenerFamilies = []family[Listener]{
	{"sluice_listener_connections_active", stat.Gauge, "Client connections of a listener open now.", func(l *Listener) float64 { return float64(l.Active) }},
	{"sluice_listener_connections_max", stat.Gauge, "Most connections a listener accepts; listeners with the automatic limit share it.", func(l *Listener) float64 { return float64(l.Max) }},
}

var upstreamFamilies = []family[Upstream]{
	{"sluice_upstream_in_use", stat.Gauge, "Connections (tcp) or requests (http) that use an upstream now.", func(u *Upstream) float64 { return float64(u.InUse) }},
	{"sluice_upstream_max_connections", stat.Gauge, "The limit of sluice_upstream_in_use; 0 is none.", func(u *Upstream) float64 { return float64(u.Max) }},
	{"sluice_upstream_queue_waiting", stat.Gauge, "Who waits in the queue of an upstream now.", func(u *Upstream) float64 { return float64(u.Waiting) }},
	{"sluice_upstream_queue_size", stat.Gauge, "The places in that queue.", func(u *Upstream) float64 { return float64(u.QueueSize) }},
	{"sluice_upstream_queue_timeouts_total", stat.Counter, "Who waited in the queue in vain.", func(u *Upstream) float64 { return float64(u.QueueTimeouts) }},
	{"sluice_upstream_queue_full_total", stat.Counter, "Who found no place in the queue, or no queue.", func(u *Upstream) float64 { return float64(u.QueueFull) }},
	{"sluice_upstream_retries_total", stat.Counter, "Tries after the first one that the budget has granted.", func(u *Upstream) float64 { return float64(u.Retries) }},
	{"sluice_upstream_retries_refused_total", stat.Counter, "Tries that were not made because the retry budget was spent.", func(u *Upstream) float64 { return float64(u.RetriesRefused) }},
	{"sluice_upstream_panic", stat.Gauge, "1 while so few servers are usable that down and ejected are ignored.", func(u *Upstream) float64 { return truth(u.Panic) }},
	{"sluice_upstream_servers", stat.Gauge, "Servers of an upstream, in whatever state.", func(u *Upstream) float64 { return float64(len(u.Servers)) }},
}

var serverFamilies = []family[Server]{
	{"sluice_server_up", stat.Gauge, "1 if a server is up, 0 in any other state.", func(s *Server) float64 { return truth(s.State == ServerUp) }},
	{"sluice_server_state_since_seconds", stat.Gauge, "When a server came to its state, in seconds since the epoch.", func(s *Server) float64 { return seconds(s.Since) }},
	{"sluice_server_weight", stat.Gauge, "The weight of a server.", func(s *Server) float64 { return float64(s.Weight) }},
	{"sluice_server_slow_start_ratio", stat.Gauge, "The share of its weight a server is given; 1 once its slow start is over.", func(s *Server) float64 { return float64(s.SlowStart) / 1000 }},
	{"sluice_server_in_use", stat.Gauge, "Connections (tcp) or requests (http) that use a server now.", func(s *Server) float64 { return float64(s.InUse) }},
	{"sluice_server_max_connections", stat.Gauge, "The limit of sluice_server_in_use; 0 is none.", func(s *Server) float64 { return float64(s.Max) }},
	{"sluice_server_idle", stat.Gauge, "Pooled connections to a server that wait for a request now.", func(s *Server) float64 { return float64(s.Idle) }},
	{"sluice_server_picks_total", stat.Counter, "Times a server was chosen.", func(s *Server) float64 { return float64(s.Picks) }},
	{"sluice_server_failures_total", stat.Counter, "Times that came to nothing by the server's fault.", func(s *Server) float64 { return float64(s.Failures) }},
	{"sluice_server_ejections_total", stat.Counter, "Times a server was taken out for a while because of its failures.", func(s *Server) float64 { return float64(s.Ejections) }},
	{"sluice_server_latency_seconds", stat.Gauge, "Average time to the first byte of a server's answers, recent ones counting more; 0 if unknown.", func(s *Server) float64 { return s.Latency.Seconds() }},
}

var checkFamilies = []family[Server]{
	{"sluice_server_check_ok", stat.Gauge, "1 if the last check of a server went well; only servers that have been checked.", func(s *Server) float64 { return truth(s.Check.OK) }},
	{"sluice_server_check_duration_seconds", stat.Gauge, "How long the last check of a server took.", func(s *Server) float64 { return s.Check.Took.Seconds() }},
	{"sluice_server_check_time_seconds", stat.Gauge, "When a server was checked last, in seconds since the epoch.", func(s *Server) float64 { return seconds(s.Check.At) }},
}

// upstreams adds upstreams and their servers.
func (e *exposition) upstreams(all []Upstream) {
	upstreams := labelled(all, func(u *Upstream) string { return label("upstream", u.Name) })
	emit(e, upstreamFamilies, upstreams)
	var servers, checked []series[Server]
	for _, u := range upstreams {
		seen := make(map[string]int, len(u.of.Servers))
		for i := range u.of.Servers {
			s := &u.of.Servers[i]
			one := series[Server]{s, u.labels + "," + label("server", distinct(s.Name, seen))}
			servers = append(servers, one)
			if s.Check != nil {
				checked = append(checked, one)
			}
		}
	}
	emit(e, serverFamilies, servers)
	e.states(servers)
	emit(e, checkFamilies, checked)
}

// distinct numbers names that come again: a series that is there twice would cost the reader the whole scrape.
func distinct(name string, seen map[string]int) string {
	seen[name]++
	if n := seen[name]; n > 1 {
		return name + " #" + strconv.Itoa(n)
	}
	return name
}

// states adds one series for each server and state, as sums over states want it.
func (e *exposition) states(servers []series[Server]) {
	const name = "sluice_server_state"
	e.family(name, stat.Gauge, "1 for the state a server is in, 0 for the others.")
	var labels []string
	for _, state := range ServerStates {
		labels = append(labels, ","+label("state", state))
	}
	for _, s := range servers {
		for i, state := range ServerStates {
			e.value(name, s.labels+labels[i], truth(s.of.State == state))
		}
	}
}

func truth(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

// seconds is t since the epoch, to the millisecond; 0 if t is not set.
func seconds(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}
