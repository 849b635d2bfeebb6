package observe

// The state of the whole proxy at one moment, as GET /api/status answers it and `sluice status` prints it.

import (
	"os"
	"time"

	"sluice/engine/record"
	"sluice/engine/stat"
)

// Status is everything that fits one screen.
type Status struct {
	Version     string        `json:"version"`
	PID         int           `json:"pid"`
	State       string        `json:"state"` // of the proxy
	Time        time.Time     `json:"time"`  // of this status
	Started     time.Time     `json:"started"`
	Uptime      float64       `json:"uptime_s"`
	Loops       int           `json:"loops"`
	Config      Configuration `json:"config"`
	Connections Connections   `json:"connections"`
	Requests    Requests      `json:"requests"`
	Bytes       Bytes         `json:"bytes"`
	Ended       Ended         `json:"ended"`
	Listeners   []Listener    `json:"listeners"`
	TLS         TLS           `json:"tls"`
	Upstreams   []Upstream    `json:"upstreams"`
}

// Connections are those of clients, on all listeners.
type Connections struct {
	Active   uint64 `json:"active"`
	Accepted uint64 `json:"accepted"`
	Refused  uint64 `json:"refused"` // closed right after accept
}

// Requests are those of HTTP.
type Requests struct {
	Active  uint64            `json:"active"`
	Total   uint64            `json:"total"`
	Bad     uint64            `json:"bad"`     // refused as such
	Answers map[string]uint64 `json:"answers"` // by class of status: 1xx to 5xx
}

// Bytes are those of payload that were delivered.
type Bytes struct {
	Up   uint64 `json:"up"`   // to servers
	Down uint64 `json:"down"` // to clients
}

// Ended counts what is over by the token of its record.Reason. Reasons that never were are left out.
type Ended struct {
	Connections map[string]uint64 `json:"connections"`
	Exchanges   map[string]uint64 `json:"exchanges"`
}

// statusOf asks v for everything.
func statusOf(v View) Status {
	blocks := v.Counters()
	sum := stat.Sum(blocks...)
	now, started := time.Now(), v.Started()
	connections, exchanges := v.Reasons()
	config := v.Configuration()
	config.Since = config.Since.UTC()
	return Status{
		Config:  config,
		Version: v.Build(), PID: os.Getpid(), State: v.State(), Time: now.UTC(), Started: started.UTC(),
		Uptime: milliseconds(now.Sub(started).Round(time.Second)) / 1000, Loops: len(blocks),
		Connections: Connections{
			Active: sum.Get(stat.Active), Accepted: sum.Get(stat.Accepted),
			Refused: sum.Get(stat.RefusedDenied) + sum.Get(stat.RefusedPerIP),
		},
		Requests: Requests{
			Active: sum.Get(stat.HTTPActive), Total: sum.Get(stat.HTTPRequests), Bad: sum.Get(stat.HTTPRequestsBad),
			Answers: map[string]uint64{
				"1xx": sum.Get(stat.HTTPAnswers1xx), "2xx": sum.Get(stat.HTTPAnswers2xx), "3xx": sum.Get(stat.HTTPAnswers3xx),
				"4xx": sum.Get(stat.HTTPAnswers4xx), "5xx": sum.Get(stat.HTTPAnswers5xx),
			},
		},
		Bytes:     Bytes{Up: sum.Get(stat.BytesUp), Down: sum.Get(stat.BytesDown)},
		Ended:     Ended{Connections: byToken(connections), Exchanges: byToken(exchanges)},
		Listeners: append([]Listener{}, v.Listeners()...),
		TLS:       tlsOf(v),
		Upstreams: upstreamsOf(v),
	}
}

// tlsOf returns v's TLS as JSON shows it: without null.
func tlsOf(v View) TLS {
	t := v.TLS()
	t.Credentials = append([]Credentials{}, t.Credentials...)
	for i := range t.Credentials {
		if t.Credentials[i].Certificates == nil {
			t.Credentials[i].Certificates = []Certificate{}
		}
	}
	return t
}

// byToken names the reasons that were.
func byToken(v stat.Vector) map[string]uint64 {
	named := make(map[string]uint64)
	for r := range record.Reasons() {
		if n := v.Get(int(r)); n > 0 {
			named[r.String()] = n
		}
	}
	return named
}

// upstreamsOf returns v's upstreams as JSON shows them: what is empty is a list without members, not null.
func upstreamsOf(v View) []Upstream {
	all := append([]Upstream{}, v.Upstreams()...)
	for i := range all {
		if all[i].Servers == nil {
			all[i].Servers = []Server{}
		}
	}
	return all
}
