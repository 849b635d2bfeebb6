package configs

// The settings, one row each. What is not here is an unknown key. The order of rows is the order in docs/configuration.md,
// and the texts are sentences of it.

import (
	"net/netip"
	"slices"
	"time"

	"sluice/configs/foreign"
	"sluice/configs/literal"
	"sluice/configs/reference"
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

// Reference returns docs/configuration.md.
func Reference() string { return reference.Page(file.info()) }

var file = &table[Config]{rows: []row[Config]{
	{key: "listeners", to: named(listeners, func(c *Config) *[]Listener { return &c.Listeners }), need: true, some: true, most: listenersMax, apply: newSocket,
		doc: "Where connections come in."},
	{key: "routes", to: items(routes, func(c *Config) *[]Route { return &c.Routes }), none: "none", apply: newConnections,
		doc: "What happens to which connections or requests. The order does not matter. On `tcp` listeners the most specific `sni` wins, then the route with `alpn`; on `http` listeners the most specific host, then path, then the route with `methods`. Two routes that match the same on one listener are an error."},
	{key: "upstreams", to: named(upstreams, func(c *Config) *[]Upstream { return &c.Upstreams }), none: "none", apply: newConnections,
		doc: "Sets of servers."},
	{key: "admin", to: group(admin, func(c *Config) *Admin { return &c.Admin }), none: "off", apply: restart,
		doc: "Where the proxy tells how it is: metrics, and the state of listeners and servers. The short form is just the address. Without it nothing listens."},
	{key: "log", to: group(logs, func(c *Config) *Log { return &c.Log }), apply: restart,
		doc: "What is written about the proxy and its connections."},
	{key: "runtime", to: group(runtimes, func(c *Config) *Runtime { return &c.Runtime }), apply: restart,
		doc: "What the process takes from the machine."},
}, foreign: foreign.File}

var listeners = &table[Listener]{
	at:      func(l *Listener) *Position { return &l.At },
	name:    func(l *Listener) *string { return &l.Name },
	foreign: foreign.Listener,
	rows: []row[Listener]{
		{key: "bind", to: list(placed(bindAddress), func(l *Listener) *[]Value[Address] { return &l.Bind }), need: true, some: true, most: bindMax, apply: newSocket,
			doc: "Addresses to listen on. `:8080` is every IPv4 and IPv6 address of the machine, `0.0.0.0:8080` every IPv4 address, `[::]:8080` every IPv6 address and no IPv4 one. Addresses must not overlap, within a listener or between two. A relative path of a unix socket starts at the folder of this file."},
		{key: "protocol", to: one(protocol, func(l *Listener) *string { return &l.Protocol }), def: "http", apply: newSocket,
			doc: "What is spoken here. `http` is HTTP/1.1 and 1.0; `tcp` passes bytes through untouched, TLS included, unless `tls` is written."},
		{key: "tls", to: optional(listenerTLS, func(l *Listener) **TLS { return &l.TLS }), none: "none", apply: newConnections,
			doc: "Terminate TLS here: TLS 1.2 and 1.3, and clients are told of `http/1.1` (ALPN) if the protocol is `http`. Without it, what comes is plain. It goes with `http` and with `tcp`. Routes with `passthrough` take their connections before. nginx calls it `listen ... ssl`, HAProxy `bind ... ssl`."},
		{key: "proxy_protocol", to: group(proxyAccept, func(l *Listener) *ProxyAccept { return &l.ProxyProtocol }), apply: newConnections,
			doc: "Whether clients may, or must, begin with a PROXY protocol header (version 1 or 2). The short form is just the mode."},
		{key: "trusted_proxies", to: list(prefix, func(l *Listener) *[]netip.Prefix { return &l.TrustedProxies }), none: "nobody", apply: newConnections, only: "http",
			doc: "The peers whose `X-Forwarded-*` and `Forwarded` are believed. The client is then the last address, from the right, that is none of them. From everybody else these fields are overwritten."},
		{key: "max_connections", to: one(literal.Auto(count.Between("1", "10000000")), func(l *Listener) *int { return &l.MaxConnections }), def: "auto", apply: newConnections,
			doc: "Connections open at once. `auto` derives it from the limit of open files and the memory budget; all listeners with `auto` share that one count. Beyond it, new connections wait in the kernel's backlog."},
		{key: "max_connections_per_ip", to: one(count.Between("0", "10000000"), func(l *Listener) *int { return &l.MaxConnectionsPerIP }), def: "0", apply: newConnections,
			doc: "Connections open at once from one client: an IPv4 address, or an IPv6 /64. With a PROXY header, its address counts. 0 is no limit."},
		{key: "client_ip", to: group(clientIP, func(l *Listener) *ClientIP { return &l.ClientIP }), apply: newConnections,
			doc: "Who may connect, judged at accept by the address of the socket's peer, before any byte is read."},
		{key: "timeouts", to: group(listenerTimeouts, func(l *Listener) *ListenerTimeouts { return &l.Timeouts }), apply: newConnections,
			doc: "How long each phase of a connection may take."},
		{key: "limits", to: group(listenerLimits, func(l *Listener) *ListenerLimits { return &l.Limits }), apply: newConnections, only: "http",
			doc: "How large the head of a request may be."},
		{key: "upstream", to: one(placed(name), func(l *Listener) *Value[string] { return &l.Upstream }), none: "see `routes`", apply: newConnections,
			doc: "The name of an upstream for everything that no route takes: short for a route that matches everything. Logs call that route `@` and the listener's name."},
	},
}

var proxyAccept = &table[ProxyAccept]{
	at:    func(p *ProxyAccept) *Position { return &p.At },
	short: "mode",
	rows: []row[ProxyAccept]{
		{key: "mode", to: one(proxyMode, func(p *ProxyAccept) *ProxyMode { return &p.Mode }), def: "off", apply: newConnections,
			doc: "`accept` honours a header that comes first and passes everything else on; a client that sends nothing at all is passed on after `timeouts.proxy_header`. `require` closes connections without one."},
		{key: "from", to: list(prefix, func(p *ProxyAccept) *[]netip.Prefix { return &p.From }), none: "everyone", apply: newConnections,
			doc: "The peers whose headers are believed. Other peers are treated as with `off`."},
	},
}

var clientIPRows = []row[ClientIP]{
	{key: "allow", to: list(prefix, func(c *ClientIP) *[]netip.Prefix { return &c.Allow }), none: "everyone", apply: newConnections,
		doc: "If not empty, only these clients are served."},
	{key: "deny", to: list(prefix, func(c *ClientIP) *[]netip.Prefix { return &c.Deny }), none: "nobody", apply: newConnections,
		doc: "These clients are refused, even if `allow` names them. IPv4-mapped addresses count as IPv4."},
}

var clientIP = &table[ClientIP]{
	at:   func(c *ClientIP) *Position { return &c.At },
	rows: clientIPRows,
}

var routeClientIP = &table[ClientIP]{
	at: func(c *ClientIP) *Position { return &c.At },
	rows: append(clientIPRows[:len(clientIPRows):len(clientIPRows)],
		row[ClientIP]{key: "deny_file", to: prefixFile(func(c *ClientIP) *[]netip.Prefix { return &c.Deny }), none: "none", apply: newConnections,
			doc: "A file with more of `deny`: one CIDR or address a line, `#` begins a comment."}),
}

var listenerTimeouts = &table[ListenerTimeouts]{rows: []row[ListenerTimeouts]{
	{key: "header", to: one(duration.Between("10ms", "1h"), func(t *ListenerTimeouts) *time.Duration { return &t.Header }), def: "15s", apply: newConnections, only: "http",
		doc: "For the whole head of a request, from its first byte; for the first one, from accept; then 408."},
	{key: "idle", to: one(duration.Between("10ms", "24h"), func(t *ListenerTimeouts) *time.Duration { return &t.Idle }), def: "75s", apply: newConnections, only: "http",
		doc: "Between an answer and the next request."},
	{key: "body_idle", to: one(duration.Between("10ms", "24h"), func(t *ListenerTimeouts) *time.Duration { return &t.BodyIdle }), def: "30s", apply: newConnections, only: "http",
		doc: "Without a byte of a request's body. There is no deadline for a whole body."},
	{key: "write_idle", to: one(duration.Between("10ms", "24h"), func(t *ListenerTimeouts) *time.Duration { return &t.WriteIdle }), def: "30s", apply: newConnections, only: "http",
		doc: "While an answer waits for the client to take a byte of it."},
	{key: "min_rate", to: one(rate.Between("0", "1GiB/s"), func(t *ListenerTimeouts) *int64 { return &t.MinRate }), def: "1KiB/s", apply: newConnections, only: "http",
		doc: "The slowest that a client may send or take a body, after the first seconds. Time in which the server is slow does not count. 0 is no limit."},
	{key: "hello", to: one(duration.Between("10ms", "1h"), func(t *ListenerTimeouts) *time.Duration { return &t.Hello }), def: "5s", apply: newConnections,
		doc: "For the whole TLS ClientHello, on listeners with `tls` or with routes by `sni` or `alpn`."},
	{key: "handshake", to: one(duration.Between("10ms", "1h"), func(t *ListenerTimeouts) *time.Duration { return &t.Handshake }), def: "10s", apply: newConnections,
		doc: "For the rest of the TLS handshake, on listeners with `tls`. nginx calls it `ssl_handshake_timeout`."},
	{key: "proxy_header", to: one(duration.Between("10ms", "1h"), func(t *ListenerTimeouts) *time.Duration { return &t.ProxyHeader }), def: "3s", apply: newConnections,
		doc: "For the whole PROXY protocol header."},
	{key: "tunnel", to: one(duration.Between("10ms", "8760h"), func(t *ListenerTimeouts) *time.Duration { return &t.Tunnel }), def: "1h", apply: newConnections,
		doc: "Without a byte in either direction: of a `tcp` connection, or of what an Upgrade or CONNECT has opened."},
	{key: "half_closed", to: one(duration.Between("10ms", "8760h"), func(t *ListenerTimeouts) *time.Duration { return &t.HalfClosed }), def: "30s", apply: newConnections,
		doc: "Without a byte, after one side has ended. It runs only once the answer has begun, so that a client may send everything, end, and wait for a slow answer."},
}}

var routes = &table[Route]{
	at:      func(r *Route) *Position { return &r.At },
	oneOf:   []string{"upstream", "respond", "redirect"},
	foreign: foreign.Route,
	rows: slices.Concat([]row[Route]{
		{key: "name", to: one(name, func(r *Route) *string { return &r.Name }), none: "`route-N`", apply: newConnections,
			doc: "Shown in logs and metrics. Without it, the route is called `route-N` by its place in the list, from 1, or `route-N-2` if another route is named so."},
		{key: "listeners", to: list(name, func(r *Route) *[]string { return &r.Listeners }), some: true, none: "all that fit", apply: newConnections,
			doc: "Names of the listeners whose connections or requests are matched. By default, a route with `sni` or `alpn` is for every `tcp` listener, one with `passthrough` also for every listener with `tls`, and any other one for every `http` listener, or for every `tcp` listener in a file without an `http` one."},
	}, httpMatches, []row[Route]{
		{key: "sni", to: list(sniName, func(r *Route) *[]string { return &r.SNI }), some: true, none: "everything", apply: newConnections, only: "tcp",
			doc: "Server names of the TLS ClientHello, which is read but not changed. On `http` listeners with `tls`, only a route with `passthrough` can have it. `*` is any TLS hello, the empty string a hello without a name. A route with neither `sni` nor `alpn` takes everything else, also protocols in which the server speaks first."},
		{key: "alpn", to: list(alpn, func(r *Route) *[]string { return &r.ALPN }), some: true, most: alpnMax, none: "any", apply: newConnections, only: "tcp",
			doc: "Protocols offered in the ClientHello; one of them must match."},
		{key: "passthrough", to: one(boolean, func(r *Route) *bool { return &r.Passthrough }), def: "false", apply: newConnections, only: "tcp",
			doc: "Pass TLS on without terminating it. Without `tls` at a `tcp` listener this is always so. On listeners with `tls`, also `http` ones, such a route needs `sni` or `alpn`: it takes its connections untouched, and the others are terminated."},
		{key: "upstream", to: one(placed(name), func(r *Route) *Value[string] { return &r.Upstream }), none: "one of the three", apply: newConnections,
			doc: "The name of an upstream. A route has exactly one of `upstream`, `respond` and `redirect`."},
	}, httpAnswers, []row[Route]{
		{key: "client_ip", to: group(routeClientIP, func(r *Route) *ClientIP { return &r.ClientIP }), apply: newConnections,
			doc: "Who may use this route, judged by the client's address: of the socket, or from the PROXY header, or from `trusted_proxies`. A request that may not is answered 403, a connection is closed."},
		{key: "timeouts", to: group(routeTimeouts, func(r *Route) *RouteTimeouts { return &r.Timeouts }), apply: newConnections,
			doc: "How long reaching a server, and waiting for it, may take."},
	}, httpTreatments),
}

var routeTimeouts = &table[RouteTimeouts]{rows: []row[RouteTimeouts]{
	{key: "connect", to: one(duration.Between("10ms", "1h"), func(t *RouteTimeouts) *time.Duration { return &t.Connect }), none: "the upstream's", apply: newConnections,
		doc: "For one attempt to connect to one server."},
	{key: "first_byte", to: one(duration.Between("10ms", "24h"), func(t *RouteTimeouts) *time.Duration { return &t.FirstByte }), def: "60s", apply: newConnections, only: "http",
		doc: "From the end of the request to the first byte of the answer; then 504."},
	{key: "idle", to: one(duration.Between("10ms", "24h"), func(t *RouteTimeouts) *time.Duration { return &t.Idle }), def: "60s", apply: newConnections, only: "http",
		doc: "Without a byte of the answer, once it has begun; then the answer is cut."},
}}

var admin = &table[Admin]{
	at:    func(a *Admin) *Position { return &a.At },
	short: "bind",
	rows: []row[Admin]{
		{key: "bind", to: maybe(placed(bindAddress), func(a *Admin) **Value[Address] { return &a.Bind }), need: true, apply: restart,
			doc: "The address to listen on, which no listener may have."},
		{key: "token", to: one(bearerToken, func(a *Admin) *string { return &a.Token }), none: "none", apply: restart,
			doc: "A secret that every request must bring, as `Authorization: Bearer TOKEN`. It is required unless `bind` is a loopback address or a unix socket. Write it as a variable: `\"${ADMIN_TOKEN}\"`. Messages never show it."},
	},
}

var logs = &table[Log]{rows: []row[Log]{
	{key: "level", to: one(literal.Choice("debug", "info", "warn", "error"), func(l *Log) *string { return &l.Level }), def: "info", apply: restart,
		doc: "The least important event that is written to stderr."},
	{key: "access", to: group(access, func(l *Log) *Access { return &l.Access }), apply: restart,
		doc: "The access log: one record for each connection of a `tcp` listener, and for each request of an `http` one."},
}}

var access = &table[Access]{at: func(a *Access) *Position { return &a.At }, rows: []row[Access]{
	{key: "to", to: one(logPath, func(a *Access) *string { return &a.To }), def: "stdout", apply: restart,
		doc: "Where records go. A relative path starts at the folder of this file."},
	{key: "format", to: one(logFormat, func(a *Access) *string { return &a.Format }), def: "json", apply: restart,
		doc: "One JSON object a line; this version writes no other format."},
}}

var runtimes = &table[Runtime]{at: func(r *Runtime) *Position { return &r.At }, foreign: foreign.Runtime, rows: []row[Runtime]{
	{key: "loops", to: one(literal.Auto(count.Between("1", "1024")), func(r *Runtime) *int { return &r.Loops }), def: "auto", apply: restart,
		doc: "Event loops, each on one core. `auto` is one for each core that the process may use."},
	{key: "workers", to: one(literal.Auto(count.Between("1", "1024")), func(r *Runtime) *int { return &r.Workers }), def: "auto", apply: restart,
		doc: "Threads for TLS handshakes, beside the loops. `auto` is as many as there are loops; without TLS there are none."},
	{key: "memory", to: one(literal.Auto(size.Between("16MiB", "64TiB")), func(r *Runtime) *Size { return &r.Memory }), def: "auto", apply: restart,
		doc: "The memory budget. `auto` takes it from the control group, or else from the machine."},
	{key: "drain", to: one(duration.Between("0s", "24h"), func(r *Runtime) *time.Duration { return &r.Drain }), def: "30s", apply: restart,
		doc: "How long a graceful stop (SIGTERM) waits for connections to finish."},
	{key: "key_log", to: one(keyLog, func(r *Runtime) *string { return &r.KeyLog }), none: "off", apply: restart,
		doc: "A file to which the secrets of every TLS connection are added, on both sides, in the format of `SSLKEYLOGFILE`: Wireshark reads with it what was encrypted, and so can anybody else. For finding mistakes, never for good; a warning says so at every start."},
	{key: "resolvers", to: list(resolver, func(r *Runtime) *[]netip.AddrPort { return &r.Resolvers }), some: true, most: resolversMax, none: "those of `/etc/resolv.conf`", apply: restart,
		doc: "DNS servers that are asked for `dns://` and `srv://` names, one after the other until one answers. The port is 53 if none is written."},
}}
