package configs

// The rows of an upstream: its servers, how one is chosen, which are well, who waits. All of it is for tcp and http listeners
// alike, unless a row says otherwise.

import (
	"regexp"
	"time"

	"sluice/configs/foreign"
	"sluice/configs/literal"
)

var upstreams = &table[Upstream]{
	at:      func(u *Upstream) *Position { return &u.At },
	name:    func(u *Upstream) *string { return &u.Name },
	foreign: foreign.Upstream,
	rows: []row[Upstream]{
		{key: "servers", to: items(servers, func(u *Upstream) *[]Server { return &u.Servers }), need: true, some: true, apply: newConnections,
			doc: "The servers. The short form of a server is just its address."},
		{key: "balance", to: one(literal.Choice("round_robin", "least_conn", "p2c", "least_time", "random", "first", "hash", "maglev"), func(u *Upstream) *string { return &u.Balance }), def: "p2c", apply: newConnections,
			doc: "How a server is chosen: in turn by weight, the one with the least work, the one with less work of two random ones (of all, if they are up to four), the fastest of a few random ones (work × average latency), any, the first that works, or by a hash (`hash` and `maglev` keep most clients where they are when servers change). Work is requests in flight, or connections of `tcp` listeners, each relative to the weight."},
		{key: "hash_on", to: one(hashKey, func(u *Upstream) *string { return &u.HashOn }), def: "client_ip", apply: newConnections,
			doc: "What `hash` and `maglev` hash. `sni` is for `tcp` listeners; all but `sni` and `client_ip` are for `http` ones. `path` is without the query, `uri` with it. What a request lacks is replaced by the client's address."},
		{key: "hash_bound", to: one(literal.OrOff(percent.Between("110%", "1000%")), func(u *Upstream) *int { return &u.HashBound }), def: "off", apply: newConnections,
			doc: "How much of its fair share `hash` and `maglev` may give to a server before they pass it over for the next one: `125%` keeps a popular key from overloading its server. HAProxy calls it `hash-balance-factor`."},
		{key: "protocol", to: one(serverProtocol, func(u *Upstream) *string { return &u.Protocol }), def: "http1", apply: newConnections,
			doc: "What an `http` listener speaks to these servers."},
		{key: "tls", to: switched(upstreamTLS, func(u *Upstream) **UpstreamTLS { return &u.TLS }), none: "`true` if servers begin with `https://`", apply: newConnections,
			doc: "Reach all servers over TLS 1.2 or 1.3, for `http` and `tcp` listeners alike. `true` verifies their certificates by the system's CAs; sessions are resumed."},
		{key: "proxy_protocol", to: one(proxyHeader, func(u *Upstream) *string { return &u.ProxyProtocol }), def: "off", apply: newConnections,
			doc: "The PROXY protocol header sent to servers before the client's bytes. It speaks for one client: an `http` listener then makes a connection for each request."},
		{key: "check", to: optional(check, func(u *Upstream) **Check { return &u.Check }), none: "none", apply: newConnections,
			doc: "Ask every server from time to time whether it is well, and leave out those that are not. The short forms are `tcp`, and the path of an HTTP request. Without it, only `eject` takes servers out. A server counts as well until a check says otherwise. With `proxy_protocol`, a check begins with a header that speaks for nobody."},
		{key: "eject", to: group(eject, func(u *Upstream) *Eject { return &u.Eject }), apply: newConnections,
			doc: "Leave out servers that fail real traffic. `eject: off` never does. nginx calls it `max_fails` and `fail_timeout`, HAProxy `observe`, Envoy outlier detection."},
		{key: "max_connections", to: one(count.Between("0", "10000000"), func(u *Upstream) *int { return &u.MaxConnections }), def: "0", apply: newConnections,
			doc: "Connections in use at once to all servers together, exact over all loops. Idle ones of the `pool` do not count. 0 is no limit."},
		{key: "queue", to: group(queue, func(u *Upstream) *Queue { return &u.Queue }), apply: newConnections,
			doc: "Who waits when `max_connections`, of the upstream or of every server, are in use: first come, first served."},
		{key: "slow_start", to: one(duration.Between("0s", "1h"), func(u *Upstream) *time.Duration { return &u.SlowStart }), def: "0s", apply: newConnections,
			doc: "In this time the share of a server that has come back, or is new, grows from a small part to the whole of its weight. 0s gives it at once."},
		{key: "sticky", to: optional(sticky, func(u *Upstream) **Sticky { return &u.Sticky }), none: "off", apply: newConnections, only: "http",
			doc: "Lead all requests of a browser to one server, by a signed cookie that the proxy adds to answers. The short form is the cookie's name. When that server is gone or full, `balance` chooses another one, and the cookie changes."},
		{key: "pool", to: group(pool, func(u *Upstream) *Pool { return &u.Pool }), apply: newConnections,
			doc: "Idle connections that `http` listeners keep for later requests."},
		{key: "timeouts", to: group(upstreamTimeouts, func(u *Upstream) *UpstreamTimeouts { return &u.Timeouts }), apply: newConnections,
			doc: "How long reaching a server may take."},
	},
}

// serverRows are those of a server whose address is written the way of an address kind.
func serverRows(address kind[Address]) []row[Server] {
	return []row[Server]{
		{key: "address", to: one(address, func(s *Server) *Address { return &s.Address }), need: true, apply: newConnections,
			doc: "Where the server is; `http://` before it may be written, and `https://` before all servers of an upstream is the same as its `tls: true`. A name is looked up at start; a name with several addresses becomes as many servers. Or where servers are found while the proxy runs: `dns://name:port` for the addresses of a name and `srv://_service._proto.name` for SRV records, both asked for again when they expire; `file:path` for a file that is watched, with one server a line: `address weight=2 backup max_connections=100`, of which all but the address may be left out, and `#` begins a comment. Each server found has the `weight`, `backup` and `max_connections` of this entry, unless its line says otherwise, or its SRV record, which always has a weight, and is a backup if its priority is not the best. Connections to servers that stay are kept, and a server that is gone takes no new ones."},
		{key: "weight", to: one(count.Between("0", "256"), func(s *Server) *int { return &s.Weight }), def: "1", apply: newConnections,
			doc: "The server's share of new connections and requests relative to the others. 0 takes none."},
		{key: "backup", to: one(boolean, func(s *Server) *bool { return &s.Backup }), def: "false", apply: newConnections,
			doc: "Chosen only while no other server can be reached or has room."},
		{key: "max_connections", to: one(count.Between("0", "10000000"), func(s *Server) *int { return &s.MaxConnections }), def: "0", apply: newConnections,
			doc: "Connections in use at once, exact over all loops. 0 is no limit."},
	}
}

var servers = &table[Server]{
	at:      func(s *Server) *Position { return &s.At },
	short:   "address",
	foreign: foreign.Server,
	rows:    serverRows(serverAddress),
}

var upstreamTimeouts = &table[UpstreamTimeouts]{rows: []row[UpstreamTimeouts]{
	{key: "connect", to: one(duration.Between("10ms", "1h"), func(t *UpstreamTimeouts) *time.Duration { return &t.Connect }), def: "3s", apply: newConnections,
		doc: "For one attempt to connect to one server; then another server is tried."},
	{key: "tls", to: one(duration.Between("10ms", "1h"), func(t *UpstreamTimeouts) *time.Duration { return &t.TLS }), def: "5s", apply: newConnections,
		doc: "For the TLS handshake after it; then likewise."},
}}

var check = &table[Check]{
	at:      func(c *Check) *Position { return &c.At },
	short:   "http",
	words:   []string{"tcp"},
	oneOf:   []string{"http", "tcp"},
	foreign: foreign.Check,
	rows: []row[Check]{
		{key: "http", to: one(checkTarget, func(c *Check) *string { return &c.HTTP }), none: "one of the two", apply: newConnections,
			doc: "The path, with or without a query, of an HTTP/1.1 request whose answer must be good: what nginx and HAProxy write as `health_check uri=` and `httpchk`. Exactly one of `http` and `tcp` is written, and either may be for `tcp` and for `http` listeners."},
		{key: "tcp", to: present[Check]("write tcp: true, or http: /path"), none: "one of the two", apply: newConnections,
			doc: "That the server accepts connections is enough; with `tls`, that it also ends a handshake well."},
		{key: "method", to: one(literal.Choice("GET", "HEAD", "OPTIONS", "POST"), func(c *Check) *string { return &c.Method }), def: "GET", apply: newConnections,
			doc: "The method of the request, which has no body."},
		{key: "host", to: one(checkHost, func(c *Check) *string { return &c.Host }), none: "the server's address", apply: newConnections,
			doc: "The `Host` field of the request."},
		{key: "headers", to: fields(checkField, plainValue, true, func(c *Check) *[]HeaderValue { return &c.Headers }), none: "none", apply: newConnections,
			doc: "More fields of the request. Values are plain texts, without placeholders."},
		{key: "status", to: defaults(statuses, func(c *Check) *[]StatusRange { return &c.Status }), some: true, most: statusesMax, def: "200-399", apply: newConnections,
			doc: "Good statuses of the answer."},
		{key: "body", to: one(pattern, func(c *Check) **regexp.Regexp { return &c.Body }), none: "any", apply: newConnections,
			doc: "A regular expression (RE2) that must match somewhere in the beginning of the answer's body, without its framing."},
		{key: "port", to: one(port, func(c *Check) *uint16 { return &c.Port }), none: "the server's", apply: newConnections,
			doc: "Another port to ask at."},
		{key: "tls", to: switched(upstreamTLS, func(c *Check) **CheckTLS { return &c.TLS }), none: "the upstream's", apply: newConnections,
			doc: "Whether the check is made over TLS. `true` is with the upstream's `tls`, if it has one."},
		{key: "every", to: one(duration.Between("100ms", "1h"), func(c *Check) *time.Duration { return &c.Every }), def: "5s", apply: newConnections,
			doc: "How often a server is asked, a little more or less, so that not all are asked at once. A server that has not answered is not asked again before `timeout` has passed."},
		{key: "fast", to: one(duration.Between("100ms", "1h"), func(c *Check) *time.Duration { return &c.Fast }), def: "1s", apply: newConnections,
			doc: "How often while it is changing: after its first failure until it is out, and after its first success until it is back. At most `every`. HAProxy calls it `fastinter`."},
		{key: "timeout", to: one(duration.Between("10ms", "1m"), func(c *Check) *time.Duration { return &c.Timeout }), def: "2s", apply: newConnections,
			doc: "For a whole check: connecting, TLS and the answer."},
		{key: "fall", to: one(count.Between("1", "100"), func(c *Check) *int { return &c.Fall }), def: "3", apply: newConnections,
			doc: "Failures in a row that take a server out. Requests that wait for its answer are then sent elsewhere if `retry` allows it."},
		{key: "rise", to: one(count.Between("1", "100"), func(c *Check) *int { return &c.Rise }), def: "2", apply: newConnections,
			doc: "Successes in a row that bring it back."},
	},
}

var eject = &table[Eject]{
	at:      func(e *Eject) *Position { return &e.At },
	short:   "errors",
	foreign: foreign.Eject,
	rows: []row[Eject]{
		{key: "errors", to: one(literal.OrOff(count.Between("1", "1000")), func(e *Eject) *int { return &e.Errors }), def: "5", apply: newConnections,
			doc: "Failures in a row that take a server out. With `tcp` listeners these are connections that it refused, reset or let time out before its first byte; with `http` ones also answers 502, 503 and 504."},
		{key: "for", to: one(duration.Between("100ms", "1h"), func(e *Eject) *time.Duration { return &e.For }), def: "10s", apply: newConnections,
			doc: "How long it is out the first time; each further time, soon after, it is longer. Then it is tried again."},
		{key: "max_percent", to: one(share.Between("1", "100"), func(e *Eject) *int { return &e.MaxPercent }), def: "50", apply: newConnections,
			doc: "The percentage of the servers that may be out by ejection at once. The last usable one is never taken out."},
		{key: "panic", to: one(literal.OrOff(percent.Between("1%", "100%")), func(e *Eject) *int { return &e.Panic }), def: "50%", apply: newConnections,
			doc: "When less than this part of the servers is usable, whether by `check` or by ejection, and no backup is, all of them are used: an upstream in which nearly everything seems to fail is more likely judged wrongly than gone. `off` never does."},
	},
}

var queue = &table[Queue]{rows: []row[Queue]{
	{key: "size", to: one(count.Between("0", "1000000"), func(q *Queue) *int { return &q.Size }), def: "0", apply: newConnections,
		doc: "How many connections or requests may wait at once. For more, a request is answered 503 with `Retry-After`, and a `tcp` connection is closed. 0 is nobody."},
	{key: "timeout", to: one(duration.Between("10ms", "1h"), func(q *Queue) *time.Duration { return &q.Timeout }), def: "5s", apply: newConnections,
		doc: "How long each may wait; then it goes the same way."},
}}

var sticky = &table[Sticky]{
	at:      func(s *Sticky) *Position { return &s.At },
	short:   "cookie",
	foreign: foreign.Sticky,
	rows: []row[Sticky]{
		{key: "cookie", to: one(cookieName, func(s *Sticky) *string { return &s.Cookie }), need: true, apply: newConnections,
			doc: "The name of the cookie."},
		{key: "ttl", to: one(duration.Between("0s", "8760h"), func(s *Sticky) *time.Duration { return &s.TTL }), def: "0s", apply: newConnections,
			doc: "How long browsers keep it (`Max-Age`), in whole seconds. 0s is until they are closed."},
		{key: "key", to: one(secret, func(s *Sticky) *string { return &s.Key }), none: "made at start", apply: newConnections,
			doc: "The secret that signs it, so that no client can choose a server. Give all proxies of a site the same one; without it, cookies are forgotten when the process ends. Write it as a variable: `\"${STICKY_KEY}\"`. Messages never show it."},
	},
}

var pool = &table[Pool]{rows: []row[Pool]{
	{key: "max_idle", to: one(count.Between("0", "65536"), func(p *Pool) *int { return &p.MaxIdle }), def: "64", apply: newConnections,
		doc: "Idle connections to each server, divided over the loops. 0 uses every connection for one request."},
	{key: "idle_timeout", to: one(duration.Between("10ms", "24h"), func(p *Pool) *time.Duration { return &p.IdleTimeout }), def: "55s", apply: newConnections,
		doc: "How long one is kept: less than the servers keep theirs, which is often 60 s."},
}}
