// Package configs is the schema of the one file a user writes, and the strict loader for it.
//
// The idea: every setting is one row of a table (tables.go) that gives its key, kind, default, limits and text. The loader,
// the defaults, the suggestions and docs/configuration.md all read those rows, so a setting that is undocumented, unchecked or
// silently ignored cannot exist. This file holds what comes out: plain data for the other rooms, resolved and validated, with
// the positions that later stages (name lookup, binding) need to complain in the same voice.
//
//	cfg, err := configs.Load("sluice.yaml")   // err is Issues: everything wrong, at once, in file order
package configs

import (
	"net/netip"
	"time"
)

// A Position is where something was written, 1-based, columns in characters. The zero Position means "not from a file".
type Position struct{ Line, Column int }

// A Value is a scalar and where it was written.
type Value[T any] struct {
	V  T
	At Position
}

// Config is a whole valid configuration. It is never modified after Load returns and may be read from any goroutine.
// Listeners and Upstreams are in file order; Routes are in file order, followed by one for each listener's own upstream.
type Config struct {
	File      string // as given to Load; Quick leaves a description
	Listeners []Listener
	Routes    []Route
	Upstreams []Upstream
	Log       Log
	Runtime   Runtime
	Warnings  Issues // what is suspicious but harmless: unused names, settings without effect

	source *source
}

// Issue returns a complaint about the configuration that looks like the loader's own: file, line, column, source line, hint.
func (c *Config) Issue(at Position, message, hint string) Issue {
	return c.source.issue(at, message, hint)
}

// A Listener is a set of addresses that accept connections under the same rules.
type Listener struct {
	Name                string
	At                  Position // of its name
	Bind                []Value[Address]
	Protocol            string // "tcp"
	ProxyProtocol       ProxyAccept
	MaxConnections      int      // 0 = auto: from the fd limit and the memory budget
	MaxConnectionsPerIP int      // 0 = no limit
	ClientIP            ClientIP // judged at accept, on the socket's peer
	Timeouts            ListenerTimeouts
	Upstream            Value[string] // shorthand; the loader has already made a Route of it
}

// ProxyMode says what a listener does with a PROXY protocol header.
type ProxyMode uint8

// The modes of proxy_protocol on a listener.
const (
	ProxyOff      ProxyMode = iota // no header is looked for; its bytes would be data
	ProxyAccepted                  // "accept": a header is honoured if it comes first
	ProxyRequired                  // "require": a connection without a header is closed
)

// String returns the word a user writes for m.
func (m ProxyMode) String() string { return proxyModes[m] }

var proxyModes = []string{ProxyOff: "off", ProxyAccepted: "accept", ProxyRequired: "require"}

// ProxyAccept is who may say, in a PROXY protocol header, for whom they speak. Headers from other peers are not looked for.
type ProxyAccept struct {
	Mode ProxyMode
	From []netip.Prefix // empty = every peer
	At   Position
}

// ListenerTimeouts bound the phases of a connection.
type ListenerTimeouts struct {
	Hello       time.Duration // for the whole TLS ClientHello
	ProxyHeader time.Duration // for the whole PROXY protocol header
	Tunnel      time.Duration // without a byte in either direction
	HalfClosed  time.Duration // after one side ended, once the answer has begun
}

// ClientIP admits or refuses clients by address: Deny wins, and a non-empty Allow refuses everyone else.
type ClientIP struct {
	Allow, Deny []netip.Prefix // masked; IPv4-mapped ones unmapped; Deny includes the lines of deny_file
	At          Position
}

// A Route sends the connections of some listeners that match its SNI and ALPN to an upstream.
type Route struct {
	Name        string   // given, or "route-N" (1-based; "route-N-2" if that is taken), or "@listener" for a listener's own upstream
	At          Position // of its first key, or of the listener's upstream
	Listeners   []string // resolved: never empty
	SNI         []string // lower case: a name, "*.suffix", "*" (any TLS hello) or "" (a hello without a name)
	ALPN        []string // nil = any
	HasSNI      bool     // sni or alpn was written: the ClientHello must be read; SNI is then never empty
	Passthrough bool
	Upstream    Value[string]
	ClientIP    ClientIP // judged after the PROXY header and the hello
	Timeouts    RouteTimeouts
}

// RouteTimeouts override the upstream's.
type RouteTimeouts struct {
	Connect time.Duration // 0 = the upstream's
}

// An Upstream is a set of servers and the way to choose among them.
type Upstream struct {
	Name          string
	At            Position // of its name
	Servers       []Server // never empty; at least one has a weight above 0
	Balance       string   // round_robin | least_conn | p2c | random | first | hash | maglev
	HashOn        string   // client_ip | sni; used by hash and maglev
	ProxyProtocol string   // off | v1 | v2: the header sent to the servers
	Timeouts      UpstreamTimeouts
}

// A Server is one backend address.
type Server struct {
	Address        Address
	At             Position
	Weight         int // 0-256; 0 takes no new connections
	Backup         bool
	MaxConnections int // over all loops; 0 = no limit
}

// UpstreamTimeouts bound the work of reaching a server.
type UpstreamTimeouts struct {
	Connect time.Duration // for one attempt at one server
}

// Log is what is written about the proxy and its connections.
type Log struct {
	Level  string // debug | info | warn | error
	Access Access
}

// Access is the access log: one record per connection.
type Access struct {
	To     string // "stdout", "stderr", "off", or a file path, which always contains a slash
	Format string // "json"
	At     Position
}

// Runtime is what the process takes from the machine.
type Runtime struct {
	Loops  int           // 0 = auto: one per usable core
	Memory Size          // 0 = auto: from the cgroup or the machine
	Drain  time.Duration // how long SIGTERM waits for connections to finish
}
