package configs

// The settings, one row each. What is not here is an unknown key. The order of rows is the order in docs/configuration.md,
// and the texts are sentences of it.

import (
	"net/netip"
	"slices"
	"time"

	"sluice/configs/foreign"
	"sluice/configs/kinds"
	"sluice/configs/literal"
	"sluice/configs/reference"
	"sluice/configs/table"
)

// Limits on how much there may be. Each address costs a socket for each loop; a route is entered under each of its
// SNI × ALPN or host × path × method, see matchesMax.
const (
	listenersMax = 256
	bindMax      = 64
	alpnMax      = 16
	methodsMax   = 32
	upgradeMax   = 16
	statusesMax  = 64
	resolversMax = 8
)

// prefixFileMax bounds a deny_file: about a million lines.
const prefixFileMax = 16 << 20

// proxyMode is how a ProxyMode is written.
var proxyMode = literal.Hinted(literal.Numbered[ProxyMode](proxyModes), "did you mean accept or require?", "on", "true", "yes", "v1", "v2")

// Reference returns docs/configuration.md.
func Reference() string { return reference.Page(file.Describe()) }

var file = &table.Of[Config]{Rows: []table.Row[Config]{
	{Key: "listeners", To: table.Named(listeners, func(c *Config) *[]Listener { return &c.Listeners }), Need: true, Some: true, Most: listenersMax, Apply: table.NewConnections,
		Doc: "Where connections come in."},
	{Key: "routes", To: table.Items(routes, func(c *Config) *[]Route { return &c.Routes }), None: "none", Apply: table.NewRequests,
		Doc: "What happens to which connections or requests. The order does not matter. On `tcp` listeners the most specific `sni` wins, then the route with `alpn`; on `http` listeners the most specific host, then path, then the route with `methods`. Two routes that match the same on one listener are an error."},
	{Key: "upstreams", To: table.Named(upstreams, func(c *Config) *[]Upstream { return &c.Upstreams }), None: "none", Apply: table.NewRequests,
		Doc: "Sets of servers."},
	{Key: "admin", To: table.Group(admin, func(c *Config) *Admin { return &c.Admin }), None: "off", Apply: table.AtOnce,
		Doc: "Where the proxy tells how it is: metrics, and the state of listeners and servers. The short form is just the address. Without it nothing listens."},
	{Key: "log", To: table.Group(logs, func(c *Config) *Log { return &c.Log }), Apply: table.AtOnce,
		Doc: "What is written about the proxy and its connections."},
	{Key: "runtime", To: table.Group(runtimes, func(c *Config) *Runtime { return &c.Runtime }), Apply: table.Restart,
		Doc: "What the process takes from the machine."},
}, Foreign: foreign.File}

var listeners = &table.Of[Listener]{
	At:      func(l *Listener) *Position { return &l.At },
	Name:    func(l *Listener) *string { return &l.Name },
	Foreign: foreign.Listener,
	Rows: []table.Row[Listener]{
		{Key: "bind", To: table.List(table.Placed(kinds.BindAddress), func(l *Listener) *[]Value[Address] { return &l.Bind }), Need: true, Some: true, Most: bindMax, Apply: table.NewSocket,
			Doc: "Addresses to listen on. `:8080` is every IPv4 and IPv6 address of the machine, `0.0.0.0:8080` every IPv4 address, `[::]:8080` every IPv6 address and no IPv4 one. Addresses must not overlap, within a listener or between two. A relative path of a unix socket starts at the folder of this file."},
		{Key: "protocol", To: table.One(kinds.Protocol, func(l *Listener) *string { return &l.Protocol }), Default: "http", Apply: table.NewConnections,
			Doc: "What is spoken here. `http` is HTTP/1.1 and 1.0; `tcp` passes bytes through untouched, TLS included, unless `tls` is written."},
		{Key: "tls", To: table.Optional(listenerTLS, func(l *Listener) **TLS { return &l.TLS }), None: "none", Apply: table.NewConnections,
			Doc: "Terminate TLS here: TLS 1.2 and 1.3, and clients are told of `http/1.1` (ALPN) if the protocol is `http`. Without it, what comes is plain. It goes with `http` and with `tcp`. Routes with `passthrough` take their connections before. nginx calls it `listen ... ssl`, HAProxy `bind ... ssl`."},
		{Key: "proxy_protocol", To: table.Group(proxyAccept, func(l *Listener) *ProxyAccept { return &l.ProxyProtocol }), Apply: table.NewConnections,
			Doc: "Whether clients may, or must, begin with a PROXY protocol header (version 1 or 2). The short form is just the mode."},
		{Key: "trusted_proxies", To: table.List(kinds.Prefix, func(l *Listener) *[]netip.Prefix { return &l.TrustedProxies }), None: "nobody", Apply: table.NewConnections, Only: "http",
			Doc: "The peers whose `X-Forwarded-*` and `Forwarded` are believed. The client is then the last address, from the right, that is none of them. From everybody else these fields are overwritten."},
		{Key: "max_connections", To: table.One(literal.Auto(kinds.Count.Between("1", "10000000")), func(l *Listener) *int { return &l.MaxConnections }), Default: "auto", Apply: table.NewConnections,
			Doc: "Connections open at once. `auto` derives it from the limit of open files and the memory budget; all listeners with `auto` share that one count. Beyond it, new connections wait in the kernel's backlog."},
		{Key: "max_connections_per_ip", To: table.One(kinds.Count.Between("0", "10000000"), func(l *Listener) *int { return &l.MaxConnectionsPerIP }), Default: "0", Apply: table.NewConnections,
			Doc: "Connections open at once from one client: an IPv4 address, or an IPv6 /64. With a PROXY header, its address counts. 0 is no limit."},
		{Key: "client_ip", To: table.Group(clientIP, func(l *Listener) *ClientIP { return &l.ClientIP }), Apply: table.NewConnections,
			Doc: "Who may connect, judged at accept by the address of the socket's peer, before any byte is read."},
		{Key: "timeouts", To: table.Group(listenerTimeouts, func(l *Listener) *ListenerTimeouts { return &l.Timeouts }), Apply: table.NewConnections,
			Doc: "How long each phase of a connection may take."},
		{Key: "limits", To: table.Group(listenerLimits, func(l *Listener) *ListenerLimits { return &l.Limits }), Apply: table.NewConnections, Only: "http",
			Doc: "How large the head of a request may be."},
		{Key: "upstream", To: table.One(table.Placed(kinds.Name), func(l *Listener) *Value[string] { return &l.Upstream }), None: "see `routes`", Apply: table.NewConnections,
			Doc: "The name of an upstream for everything that no route takes: short for a route that matches everything. Logs call that route `@` and the listener's name."},
	},
}

var proxyAccept = &table.Of[ProxyAccept]{
	At:    func(p *ProxyAccept) *Position { return &p.At },
	Short: "mode",
	Rows: []table.Row[ProxyAccept]{
		{Key: "mode", To: table.One(proxyMode, func(p *ProxyAccept) *ProxyMode { return &p.Mode }), Default: "off", Apply: table.NewConnections,
			Doc: "`accept` honours a header that comes first and passes everything else on; a client that sends nothing at all is passed on after `timeouts.proxy_header`. `require` closes connections without one."},
		{Key: "from", To: table.List(kinds.Prefix, func(p *ProxyAccept) *[]netip.Prefix { return &p.From }), None: "everyone", Apply: table.NewConnections,
			Doc: "The peers whose headers are believed. Other peers are treated as with `off`."},
	},
}

var clientIPRows = []table.Row[ClientIP]{
	{Key: "allow", To: table.List(kinds.Prefix, func(c *ClientIP) *[]netip.Prefix { return &c.Allow }), None: "everyone", Apply: table.NewConnections,
		Doc: "If not empty, only these clients are served."},
	{Key: "deny", To: table.List(kinds.Prefix, func(c *ClientIP) *[]netip.Prefix { return &c.Deny }), None: "nobody", Apply: table.NewConnections,
		Doc: "These clients are refused, even if `allow` names them. IPv4-mapped addresses count as IPv4."},
}

var clientIP = &table.Of[ClientIP]{
	At:   func(c *ClientIP) *Position { return &c.At },
	Rows: clientIPRows,
}

var routeClientIP = &table.Of[ClientIP]{
	At: func(c *ClientIP) *Position { return &c.At },
	Rows: append(clientIPRows[:len(clientIPRows):len(clientIPRows)],
		table.Row[ClientIP]{Key: "deny_file", To: table.Lines(prefixFileMax, literal.Prefixes, func(c *ClientIP) *[]netip.Prefix { return &c.Deny }), None: "none", Apply: table.NewRequests,
			Doc: "A file with more of `deny`: one CIDR or address a line, `#` begins a comment."}),
}

var listenerTimeouts = &table.Of[ListenerTimeouts]{Rows: []table.Row[ListenerTimeouts]{
	{Key: "header", To: table.One(kinds.Duration.Between("10ms", "1h"), func(t *ListenerTimeouts) *time.Duration { return &t.Header }), Default: "15s", Apply: table.NewConnections, Only: "http",
		Doc: "For the whole head of a request, from its first byte; for the first one, from accept; then 408."},
	{Key: "idle", To: table.One(kinds.Duration.Between("10ms", "24h"), func(t *ListenerTimeouts) *time.Duration { return &t.Idle }), Default: "75s", Apply: table.NewConnections, Only: "http",
		Doc: "Between an answer and the next request."},
	{Key: "body_idle", To: table.One(kinds.Duration.Between("10ms", "24h"), func(t *ListenerTimeouts) *time.Duration { return &t.BodyIdle }), Default: "30s", Apply: table.NewConnections, Only: "http",
		Doc: "Without a byte of a request's body. There is no deadline for a whole body."},
	{Key: "write_idle", To: table.One(kinds.Duration.Between("10ms", "24h"), func(t *ListenerTimeouts) *time.Duration { return &t.WriteIdle }), Default: "30s", Apply: table.NewConnections, Only: "http",
		Doc: "While an answer waits for the client to take a byte of it."},
	{Key: "min_rate", To: table.One(kinds.Rate.Between("0", "1GiB/s"), func(t *ListenerTimeouts) *int64 { return &t.MinRate }), Default: "1KiB/s", Apply: table.NewConnections, Only: "http",
		Doc: "The slowest that a client may send or take a body, after the first seconds. Time in which the server is slow does not count. 0 is no limit."},
	{Key: "hello", To: table.One(kinds.Duration.Between("10ms", "1h"), func(t *ListenerTimeouts) *time.Duration { return &t.Hello }), Default: "5s", Apply: table.NewConnections,
		Doc: "For the whole TLS ClientHello, on listeners with `tls` or with routes by `sni` or `alpn`."},
	{Key: "handshake", To: table.One(kinds.Duration.Between("10ms", "1h"), func(t *ListenerTimeouts) *time.Duration { return &t.Handshake }), Default: "10s", Apply: table.NewConnections,
		Doc: "For the rest of the TLS handshake, on listeners with `tls`. nginx calls it `ssl_handshake_timeout`."},
	{Key: "proxy_header", To: table.One(kinds.Duration.Between("10ms", "1h"), func(t *ListenerTimeouts) *time.Duration { return &t.ProxyHeader }), Default: "3s", Apply: table.NewConnections,
		Doc: "For the whole PROXY protocol header."},
	{Key: "tunnel", To: table.One(kinds.Duration.Between("10ms", "8760h"), func(t *ListenerTimeouts) *time.Duration { return &t.Tunnel }), Default: "1h", Apply: table.NewConnections,
		Doc: "Without a byte in either direction: of a `tcp` connection, or of what an Upgrade or CONNECT has opened."},
	{Key: "half_closed", To: table.One(kinds.Duration.Between("10ms", "8760h"), func(t *ListenerTimeouts) *time.Duration { return &t.HalfClosed }), Default: "30s", Apply: table.NewConnections,
		Doc: "Without a byte, after one side has ended. It runs only once the answer has begun, so that a client may send everything, end, and wait for a slow answer."},
}}

var routes = &table.Of[Route]{
	At:      func(r *Route) *Position { return &r.At },
	OneOf:   []string{"upstream", "respond", "redirect"},
	Foreign: foreign.Route,
	Rows: slices.Concat([]table.Row[Route]{
		{Key: "name", To: table.One(kinds.Name, func(r *Route) *string { return &r.Name }), None: "`route-N`", Apply: table.NewRequests,
			Doc: "Shown in logs and metrics. Without it, the route is called `route-N` by its place in the list, from 1, or `route-N-2` if another route is named so."},
		{Key: "listeners", To: table.List(kinds.Name, func(r *Route) *[]string { return &r.Listeners }), Some: true, None: "all that fit", Apply: table.NewRequests,
			Doc: "Names of the listeners whose connections or requests are matched. By default, a route with `sni` or `alpn` is for every `tcp` listener, one with `passthrough` also for every listener with `tls`, and any other one for every `http` listener, or for every `tcp` listener in a file without an `http` one."},
	}, httpMatches, []table.Row[Route]{
		{Key: "sni", To: table.List(kinds.SniName, func(r *Route) *[]string { return &r.SNI }), Some: true, None: "everything", Apply: table.NewRequests, Only: "tcp",
			Doc: "Server names of the TLS ClientHello, which is read but not changed. On `http` listeners with `tls`, only a route with `passthrough` can have it. `*` is any TLS hello, the empty string a hello without a name. A route with neither `sni` nor `alpn` takes everything else, also protocols in which the server speaks first."},
		{Key: "alpn", To: table.List(kinds.ALPN, func(r *Route) *[]string { return &r.ALPN }), Some: true, Most: alpnMax, None: "any", Apply: table.NewRequests, Only: "tcp",
			Doc: "Protocols offered in the ClientHello; one of them must match."},
		{Key: "passthrough", To: table.One(kinds.Boolean, func(r *Route) *bool { return &r.Passthrough }), Default: "false", Apply: table.NewRequests, Only: "tcp",
			Doc: "Pass TLS on without terminating it. Without `tls` at a `tcp` listener this is always so. On listeners with `tls`, also `http` ones, such a route needs `sni` or `alpn`: it takes its connections untouched, and the others are terminated."},
		{Key: "upstream", To: table.One(table.Placed(kinds.Name), func(r *Route) *Value[string] { return &r.Upstream }), None: "one of the three", Apply: table.NewRequests,
			Doc: "The name of an upstream. A route has exactly one of `upstream`, `respond` and `redirect`."},
	}, httpAnswers, []table.Row[Route]{
		{Key: "client_ip", To: table.Group(routeClientIP, func(r *Route) *ClientIP { return &r.ClientIP }), Apply: table.NewRequests,
			Doc: "Who may use this route, judged by the client's address: of the socket, or from the PROXY header, or from `trusted_proxies`. A request that may not is answered 403, a connection is closed."},
		{Key: "timeouts", To: table.Group(routeTimeouts, func(r *Route) *RouteTimeouts { return &r.Timeouts }), Apply: table.NewRequests,
			Doc: "How long reaching a server, and waiting for it, may take."},
	}, httpTreatments),
}

var routeTimeouts = &table.Of[RouteTimeouts]{Rows: []table.Row[RouteTimeouts]{
	{Key: "connect", To: table.One(kinds.Duration.Between("10ms", "1h"), func(t *RouteTimeouts) *time.Duration { return &t.Connect }), None: "the upstream's", Apply: table.NewRequests,
		Doc: "For one attempt to connect to one server."},
	{Key: "first_byte", To: table.One(kinds.Duration.Between("10ms", "24h"), func(t *RouteTimeouts) *time.Duration { return &t.FirstByte }), Default: "60s", Apply: table.NewRequests, Only: "http",
		Doc: "From the end of the request to the first byte of the answer; then 504."},
	{Key: "idle", To: table.One(kinds.Duration.Between("10ms", "24h"), func(t *RouteTimeouts) *time.Duration { return &t.Idle }), Default: "60s", Apply: table.NewRequests, Only: "http",
		Doc: "Without a byte of the answer, once it has begun; then the answer is cut."},
}}

var admin = &table.Of[Admin]{
	At:    func(a *Admin) *Position { return &a.At },
	Short: "bind",
	Rows: []table.Row[Admin]{
		{Key: "bind", To: table.Maybe(table.Placed(kinds.BindAddress), func(a *Admin) **Value[Address] { return &a.Bind }), Need: true, Apply: table.AtOnce,
			Doc: "The address to listen on, which no listener may have."},
		{Key: "token", To: table.One(kinds.BearerToken, func(a *Admin) *string { return &a.Token }), None: "none", Apply: table.AtOnce,
			Doc: "A secret that every request must bring, as `Authorization: Bearer TOKEN`. It is required unless `bind` is a loopback address or a unix socket. Write it as a variable: `\"${ADMIN_TOKEN}\"`. Messages never show it."},
	},
}

var logs = &table.Of[Log]{Rows: []table.Row[Log]{
	{Key: "level", To: table.One(literal.Choice("debug", "info", "warn", "error"), func(l *Log) *string { return &l.Level }), Default: "info", Apply: table.AtOnce,
		Doc: "The least important event that is written to stderr."},
	{Key: "access", To: table.Group(access, func(l *Log) *Access { return &l.Access }), Apply: table.AtOnce,
		Doc: "The access log: one record for each connection of a `tcp` listener, and for each request of an `http` one."},
}}

var access = &table.Of[Access]{At: func(a *Access) *Position { return &a.At }, Rows: []table.Row[Access]{
	{Key: "to", To: table.One(kinds.LogPath, func(a *Access) *string { return &a.To }), Default: "stdout", Apply: table.AtOnce,
		Doc: "Where records go. A relative path starts at the folder of this file."},
	{Key: "format", To: table.One(kinds.LogFormat, func(a *Access) *string { return &a.Format }), Default: "json", Apply: table.AtOnce,
		Doc: "One JSON object a line; this version writes no other format."},
}}

var runtimes = &table.Of[Runtime]{At: func(r *Runtime) *Position { return &r.At }, Foreign: foreign.Runtime, Rows: []table.Row[Runtime]{
	{Key: "loops", To: table.One(literal.Auto(kinds.Count.Between("1", "1024")), func(r *Runtime) *int { return &r.Loops }), Default: "auto", Apply: table.Restart,
		Doc: "Event loops, each on one core. `auto` is one for each core that the process may use."},
	{Key: "workers", To: table.One(literal.Auto(kinds.Count.Between("1", "1024")), func(r *Runtime) *int { return &r.Workers }), Default: "auto", Apply: table.Restart,
		Doc: "Threads for TLS handshakes, beside the loops. `auto` is as many as there are loops; without TLS there are none."},
	{Key: "memory", To: table.One(literal.Auto(kinds.Size.Between("16MiB", "64TiB")), func(r *Runtime) *Size { return &r.Memory }), Default: "auto", Apply: table.Restart,
		Doc: "The memory budget. `auto` takes it from the control group, or else from the machine."},
	{Key: "drain", To: table.One(kinds.Duration.Between("0s", "24h"), func(r *Runtime) *time.Duration { return &r.Drain }), Default: "30s", Apply: table.AtOnce,
		Doc: "How long a graceful stop (SIGTERM) waits for connections to finish."},
	{Key: "key_log", To: table.One(kinds.KeyLog, func(r *Runtime) *string { return &r.KeyLog }), None: "off", Apply: table.Restart,
		Doc: "A file to which the secrets of every TLS connection are added, on both sides, in the format of `SSLKEYLOGFILE`: Wireshark reads with it what was encrypted, and so can anybody else. For finding mistakes, never for good; a warning says so at every start."},
	{Key: "resolvers", To: table.List(kinds.Resolver, func(r *Runtime) *[]netip.AddrPort { return &r.Resolvers }), Some: true, Most: resolversMax, None: "those of `/etc/resolv.conf`", Apply: table.AtOnce,
		Doc: "DNS servers that are asked for `dns://` and `srv://` names, one after the other until one answers. The port is 53 if none is written."},
}}
