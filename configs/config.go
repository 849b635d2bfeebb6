// Package configs is the schema of the one file a user writes, and the strict loader for it.
//
// The idea: every setting is one row of a table (tables.go, tables_http.go) that gives its key, kind, default, limits and text. The loader,
// the defaults, the suggestions and docs/configuration.md all read those rows, so a setting that is undocumented, unchecked or
// silently ignored cannot exist. This file and config_upstream.go hold what comes out: plain data for the other rooms, resolved and
// validated, with the positions that later stages (name lookup, binding) need to complain in the same voice. Rooms below help: table
// is what makes rows work, and tells how to add one; tree reads YAML, literal reads single values, kinds are the ways to write them,
// credential reads certificates and keys, reference writes the documentation, foreign knows words of others.
//
//	cfg, err := configs.Load("sluice.yaml")   // err is Issues: everything wrong, at once, in file order
package configs

import (
	"net/netip"
	"time"

	"sluice/configs/literal"
	"sluice/configs/table"
	"sluice/configs/tree"
)

// A Position is where something was written, 1-based, columns in characters. The zero Position means "not from a file".
type Position = tree.Position

// An Address is a TCP or unix socket address. Host is a canonical IP address without brackets, a lower-case name (servers only)
// or "" (listeners only: every address of the machine).
type Address = literal.Address

// An Issue is one thing wrong with a configuration, ready to print.
type Issue = tree.Issue

// Issues is everything wrong with a configuration, sorted by position. It is the error of Load, Parse and Quick.
type Issues = tree.Issues

// A Size is a number of bytes. Its String is how a user would write it.
type Size = literal.Size

// A Part of a template is a literal Text, or the Name of a placeholder; the other field is "".
type Part = literal.Part

// Template splits a text with placeholders into its parts, in order; an empty text has none. The texts of a Config that are
// called templates have the placeholders host, path, uri, query, client_ip and scheme only.
func Template(text string) []Part { return literal.Template(text) }

// A Value is a scalar and where it was written.
type Value[T any] = table.Value[T]

// Config is a whole valid configuration. It is never modified after Load returns and may be read from any goroutine.
// Listeners and Upstreams are in file order; Routes are in file order, followed by one for each listener's own upstream.
// What is not set has the default that docs/configuration.md names.
type Config struct {
	File      string // as given to Load; Quick leaves a description
	Listeners []Listener
	Routes    []Route
	Upstreams []Upstream
	Admin     Admin
	Log       Log
	Runtime   Runtime
	Warnings  Issues // what is suspicious but harmless: unused names, settings without effect

	source *tree.Source
}

// Issue returns a complaint about the configuration that looks like the loader's own: file, line, column, source line, hint.
func (c *Config) Issue(at Position, message, hint string) Issue {
	return c.source.Issue(at, message, hint)
}

// A Listener is a set of addresses that accept connections under the same rules.
type Listener struct {
	Name                string
	At                  Position // of its name
	Bind                []Value[Address]
	Protocol            string // "http" | "tcp"
	TLS                 *TLS   // nil = what comes is plain
	ProxyProtocol       ProxyAccept
	TrustedProxies      []netip.Prefix // masked; http: peers whose X-Forwarded-* and Forwarded fields are believed
	MaxConnections      int            // 0 = auto: from the fd limit and the memory budget
	MaxConnectionsPerIP int            // 0 = no limit
	ClientIP            ClientIP       // judged at accept, on the socket's peer
	Timeouts            ListenerTimeouts
	Limits              ListenerLimits // http
	Upstream            Value[string]  // shorthand; the loader has already made a Route of it
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

// ListenerTimeouts bound the phases of a connection. Header, Idle, BodyIdle, WriteIdle and MinRate are those of http, Hello and
// HalfClosed those of tcp. Tunnel bounds tcp connections and, on http listeners, what an Upgrade or CONNECT has opened.
type ListenerTimeouts struct {
	Header      time.Duration // for a whole request head, from its first byte
	Idle        time.Duration // between two requests, and before the first
	BodyIdle    time.Duration // without a byte of a request body
	WriteIdle   time.Duration // without a byte of the answer taken by the client
	MinRate     int64         // bytes per second, of bodies in either direction; 0 = off
	Hello       time.Duration // for the whole TLS ClientHello
	Handshake   time.Duration // for the rest of the TLS handshake, once the ClientHello is there
	ProxyHeader time.Duration // for the whole PROXY protocol header
	Tunnel      time.Duration // without a byte in either direction
	HalfClosed  time.Duration // after one side ended, once the answer has begun
}

// ListenerLimits bound the head of a request on an http listener. URIBytes is never above HeaderBytes.
type ListenerLimits struct {
	HeaderBytes Size // the whole head: request line and fields
	HeaderCount int  // fields
	URIBytes    Size // the request target
	At          Position
}

// ClientIP admits or refuses clients by address: Deny wins, and a non-empty Allow refuses everyone else.
type ClientIP struct {
	Allow, Deny []netip.Prefix // masked; IPv4-mapped ones unmapped; Deny includes the lines of deny_file
	At          Position
}

// A Route says what happens to some of what comes in: on tcp listeners to connections, by SNI and ALPN; on http listeners to
// requests, by host, path and method. All its Listeners speak the same protocol, but for those of a route with Passthrough: that one
// is about connections, and has SNI, also on http listeners, which then have TLS. Exactly one of Upstream, Respond and Redirect
// is set, and about connections it is Upstream, without TLS if nobody has terminated the client's. From Hosts to Retry, everything is about requests only.
type Route struct {
	Name        string   // given, or "route-N" (1-based; "route-N-2" if that is taken), or "@listener" for a listener's own upstream
	At          Position // of its first key, or of the listener's upstream
	Listeners   []string // resolved: never empty
	SNI         []string // lower case: a name, "*.suffix", "*" (any TLS hello) or "" (a hello without a name)
	ALPN        []string // nil = any
	HasSNI      bool     // sni or alpn was written: the ClientHello must be read; SNI is then never empty
	Passthrough bool     // take the connection before its TLS is terminated; without TLS at a tcp listener it means nothing
	Hosts       []string // lower case, without port: a name, "*.suffix" (at least one label before it), or an IP address, IPv6 in brackets; nil = any
	Paths       []string // "/exact", or "/prefix*": everything that begins with it; nil = any
	Methods     []string // as written: methods are case-sensitive (RFC 9110, section 9.1); nil = any
	Upstream    Value[string]
	Respond     *Respond
	Redirect    *Redirect
	MaxBody     Size     // of a request; 0 = unlimited
	Upgrade     []string // lower case: protocols that may be switched to; nil = none
	Connect     bool     // CONNECT may pass
	Via         bool     // write Via, both ways
	Forwarded   bool     // write Forwarded (RFC 7239) beside X-Forwarded-*
	Headers     HeaderRules
	Rewrite     Rewrite
	Buffer      Buffer
	Retry       Retry
	ClientIP    ClientIP // judged after the PROXY header and the hello, or after the head of a request
	Timeouts    RouteTimeouts
}

// RouteTimeouts override the upstream's, and bound the wait for its answers.
type RouteTimeouts struct {
	Connect   time.Duration // 0 = the upstream's
	FirstByte time.Duration // http: from the end of the request to the first byte of the answer's head
	Idle      time.Duration // http: without a byte of the answer, once it has begun
}

// Respond is an answer that the proxy gives itself.
type Respond struct {
	Status  int           // 200-599
	Body    string        // a Template; "" if Status allows no body
	Headers []HeaderValue // in file order
	At      Position
}

// Redirect sends the client elsewhere. To is a Template for the Location field: a path, or an absolute http or https URI whose
// beginning no client can choose.
type Redirect struct {
	To     string
	Status int // 301 | 302 | 303 | 307 | 308
	At     Position
}

// HeaderRules are the edits of both heads of an exchange.
type HeaderRules struct {
	Request, Response HeaderEdits
}

// HeaderEdits change the fields of one head: Remove first, then Set, then Add, each in file order. None of them is a framing or
// hop-by-hop field, nor Host in a request; Set names no field twice. Names are compared without regard to case.
type HeaderEdits struct {
	Set    []HeaderValue // replaces every field of that name, or adds it
	Add    []HeaderValue
	Remove []string
}

// HeaderValue is a field: a token as written, and a Template without control characters or blanks at its ends.
type HeaderValue struct{ Name, Value string }

// Rewrite changes a request before it goes to the upstream.
type Rewrite struct {
	StripPrefix string // begins with a slash and does not end with one; "" = nothing
	Host        string // a Template, in which only {host} occurs; "" = as the client sent it
}

// Buffer says how much of a body is collected before it is passed on; 0 = it is streamed.
type Buffer struct {
	Request, Response Size
}

// Log is what is written about the proxy and its connections.
type Log struct {
	Level  string // debug | info | warn | error
	Access Access
}

// Access is the access log: one record per connection of a tcp listener and per request of an http one.
type Access struct {
	To     string // "stdout", "stderr", "off", or a file path, which always contains a slash
	Format string // "json"
	At     Position
}

// Runtime is what the process takes from the machine.
type Runtime struct {
	Loops   int           // 0 = auto: one per usable core
	Workers int           // 0 = auto: as many as loops; there are none where nothing speaks TLS
	Memory  Size          // 0 = auto: from the cgroup or the machine
	Drain   time.Duration // how long SIGTERM waits for connections to finish
	KeyLog  string        // a file to append the secrets of all TLS connections to (SSLKEYLOGFILE); "" = off

	Resolvers []netip.AddrPort // asked for names of servers; empty = those of /etc/resolv.conf
	At        Position
}

// Admin is where the proxy answers questions about itself.
type Admin struct {
	Bind  *Value[Address] // nil = nowhere
	Token string          `json:"-"` // a secret of visible ASCII, at least 16 bytes; "" = none, which only loopback and unix sockets may do
	At    Position
}

// String returns a without its secret.
func (a Admin) String() string {
	if a.Bind == nil {
		return "off"
	}
	return a.Bind.V.String()
}

// GoString is String: %#v keeps secrets too.
func (a Admin) GoString() string { return a.String() }
