package observe

// What is watched and what can be told to it, as two small interfaces that the engine implements. Metrics, the admin
// API and `sluice status` know of the proxy what stands here, and nothing else:
//
//	View     counters, reasons, listeners, upstreams, the configuration: copies, made when asked
//	Control  a server's weight, whether it drains, and that the configuration is read again
//
// The loops pay for a look only with the copies they make; whatever is done with those happens on goroutines of the
// admin server.

import (
	"encoding/json"
	"time"

	"sluice/engine/stat"
)

// The states of a proxy, in the order of its life.
const (
	ProxyStarting = "starting" // nothing is accepted yet
	ProxyRunning  = "running"
	ProxyDraining = "draining" // nothing new should come; what is open finishes
)

// The states of a server. Only one that is up is given new connections, but for a panic of its upstream.
const (
	ServerUp       = "up"
	ServerDown     = "down"     // by its checks
	ServerEjected  = "ejected"  // for a while, by what became of connections and requests
	ServerDraining = "draining" // told so
	ServerRemoved  = "removed"  // no longer listed; its connections finish
)

// ServerStates are all of them.
var ServerStates = []string{ServerUp, ServerDown, ServerEjected, ServerDraining, ServerRemoved}

// View is what can be seen of a proxy. Its methods may be called from any goroutine at any time, also while the proxy
// ends. What they return belongs to the caller.
type View interface {
	// Build is the version of the program.
	Build() string
	// Started is when the proxy began.
	Started() time.Time
	// State is one of ProxyStarting, ProxyRunning and ProxyDraining.
	State() string
	// Counters are one block for each loop that has not ended.
	Counters() []stat.Block
	// Reasons counts what is over, by record.Reason: connections that are blamed as such, and HTTP exchanges.
	Reasons() (connections, exchanges stat.Vector)
	// Listeners are in the order of the configuration.
	Listeners() []Listener
	// TLS is about handshakes and certificates.
	TLS() TLS
	// Upstreams are in the order of the configuration. Names of upstreams are unique.
	Upstreams() []Upstream
	// Configuration is the one that runs.
	Configuration() Configuration
}

// Control is what a proxy can be told. The upstream and the server have just been seen in the View; an error is a
// sentence for whoever asked, and nothing has changed then.
type Control interface {
	// SetWeight gives a server a weight of 0 to WeightMax.
	SetWeight(upstream, server string, weight int) error
	// SetDraining keeps new connections away from a server, or no longer.
	SetDraining(upstream, server string, on bool) error
	// Reload reads the configuration again and puts it in force. The error has everything that is wrong with it.
	Reload() (Reloaded, error)
}

// Proxy is a proxy that is watched and told.
type Proxy interface {
	View
	Control
}

// WeightMax is the largest weight of a server, as in the configuration.
const WeightMax = 256

// Configuration is what can be seen of the configuration that runs, and of one that was to replace it.
type Configuration struct {
	Generation int       `json:"generation"` // 1 at the start, one more with each reload
	Since      time.Time `json:"since"`      // when it came into force
	Reloads    uint64    `json:"reloads"`
	Refused    uint64    `json:"reloads_refused"`
	Refusal    *Refusal  `json:"last_refused,omitempty"`  // of the last reload; nil if that was not refused
	Fixed      []string  `json:"needs_restart,omitempty"` // keys whose values in the file are not in force before a restart
}

// Refusal is a reload that changed nothing.
type Refusal struct {
	At  time.Time `json:"at"`
	Why string    `json:"why"` // everything that was wrong
}

// Reloaded is what a reload has done.
type Reloaded struct {
	Generation int      `json:"generation"`
	Changes    []string `json:"changes"`       // one for each kind of thing, as text
	Warnings   []string `json:"warnings"`      // as those of a start
	Fixed      []string `json:"needs_restart"` // as in Configuration
}

// Listener is what can be seen of one listener.
type Listener struct {
	Name      string   `json:"name"`
	Protocol  string   `json:"protocol"`        // as configured: http or tcp
	Addresses []string `json:"addresses"`       // none for one that is gone, and whose connections finish
	Active    int      `json:"active"`          // connections open now
	Max       int      `json:"max_connections"` // listeners with the automatic limit share it, and each shows all of it
}

// Upstream is what can be seen of one upstream. Counts are since the start of the process.
type Upstream struct {
	Name           string   `json:"name"`
	Policy         string   `json:"policy"` // as configured: p2c, round_robin …
	Panic          bool     `json:"panic"`  // too few servers are usable, so states are ignored
	InUse          int      `json:"in_use"` // connections (tcp) or requests (http) now
	Max            int      `json:"max_connections"`
	Waiting        int      `json:"waiting"` // in the queue now
	QueueSize      int      `json:"queue_size"`
	QueueTimeouts  uint64   `json:"queue_timeouts"`  // waited in vain
	QueueFull      uint64   `json:"queue_full"`      // found no place in the queue
	Retries        uint64   `json:"retries"`         // tries after the first one
	RetriesRefused uint64   `json:"retries_refused"` // not made because the budget was spent
	Servers        []Server `json:"servers"`
}

// Server is what can be seen of one server of an upstream. In JSON, latency is in milliseconds.
type Server struct {
	Name      string        `json:"name"`    // as the user wrote it; unique within its upstream
	Address   string        `json:"address"` // where connections go
	State     string        `json:"state"`   // one of ServerStates
	Since     time.Time     `json:"since,omitzero"`
	Cause     string        `json:"cause,omitempty"` // of a state other than up, as text
	Weight    int           `json:"weight"`
	Backup    bool          `json:"backup"`
	InUse     int           `json:"in_use"`
	Max       int           `json:"max_connections"` // 0 = no limit
	Idle      int           `json:"idle"`            // pooled connections, over all loops
	Picks     uint64        `json:"picks"`
	Failures  uint64        `json:"failures"`
	Ejections uint64        `json:"ejections"`
	Latency   time.Duration `json:"-"`                   // average to the first byte of an answer; 0 = unknown
	SlowStart int           `json:"slow_start_permille"` // share of its weight it is given; 1000 = all of it
	Check     *Checked      `json:"check,omitempty"`     // the last one; nil without checks
}

// Checked is the last look of an active check at a server. In JSON, what it took is in milliseconds.
type Checked struct {
	At     time.Time     `json:"at"`
	OK     bool          `json:"ok"`
	Took   time.Duration `json:"-"`
	Detail string        `json:"detail,omitempty"` // what failed, or what was found
	State  string        `json:"state"`            // what the checks so far have come to, for example up or down
}

// The bodies of Server and Checked without their methods, and beside them the durations as the access log writes them.
type (
	plainServer Server
	plainCheck  Checked
	jsonServer  struct {
		*plainServer
		Latency float64 `json:"latency_ms"`
	}
	jsonCheck struct {
		*plainCheck
		Took float64 `json:"took_ms"`
	}
)

// MarshalJSON implements json.Marshaler. Times are in UTC.
func (s Server) MarshalJSON() ([]byte, error) {
	s.Since = s.Since.UTC()
	return json.Marshal(jsonServer{(*plainServer)(&s), milliseconds(s.Latency)})
}

// UnmarshalJSON implements json.Unmarshaler.
func (s *Server) UnmarshalJSON(text []byte) error {
	from := jsonServer{plainServer: (*plainServer)(s)}
	err := json.Unmarshal(text, &from)
	s.Latency = duration(from.Latency)
	return err
}

// MarshalJSON implements json.Marshaler.
func (c Checked) MarshalJSON() ([]byte, error) {
	c.At = c.At.UTC()
	return json.Marshal(jsonCheck{(*plainCheck)(&c), milliseconds(c.Took)})
}

// UnmarshalJSON implements json.Unmarshaler.
func (c *Checked) UnmarshalJSON(text []byte) error {
	from := jsonCheck{plainCheck: (*plainCheck)(c)}
	err := json.Unmarshal(text, &from)
	c.Took = duration(from.Took)
	return err
}

// milliseconds is d with three decimals.
func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// duration is the inverse of milliseconds, to the microsecond.
func duration(ms float64) time.Duration {
	return time.Duration(ms * float64(time.Millisecond)).Round(time.Microsecond)
}
