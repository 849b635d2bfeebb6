package configs

// The rows of an upstream: its servers, how one is chosen, which are well, who waits. All of it is for tcp and http listeners
// alike, unless a row says otherwise.

import (
	"regexp"
	"time"

	"sluice/configs/foreign"
	"sluice/configs/kinds"
	"sluice/configs/literal"
	"sluice/configs/table"
)

var upstreams = &table.Of[Upstream]{
	At:      func(u *Upstream) *Position { return &u.At },
	Name:    func(u *Upstream) *string { return &u.Name },
	Foreign: foreign.Upstream,
	Rows: []table.Row[Upstream]{
		{Key: "servers", To: table.Items(servers, func(u *Upstream) *[]Server { return &u.Servers }), Need: true, Some: true, Apply: table.NewRequests,
			Doc: "The servers. The short form of a server is just its address."},
		{Key: "balance", To: table.One(literal.Choice("round_robin", "least_conn", "p2c", "least_time", "random", "first", "hash", "maglev"), func(u *Upstream) *string { return &u.Balance }), Default: "p2c", Apply: table.NewRequests,
			Doc: "How a server is chosen: in turn by weight, the one with the least work, the one with less work of two random ones (of all, if they are up to four), the fastest of a few random ones (work × average latency), any, the first that works, or by a hash (`hash` and `maglev` keep most clients where they are when servers change). Work is requests in flight, or connections of `tcp` listeners, each relative to the weight."},
		{Key: "hash_on", To: table.One(kinds.HashKey, func(u *Upstream) *string { return &u.HashOn }), Default: "client_ip", Apply: table.NewRequests,
			Doc: "What `hash` and `maglev` hash. `sni` is for `tcp` listeners; all but `sni` and `client_ip` are for `http` ones. `path` is without the query, `uri` with it. What a request lacks is replaced by the client's address."},
		{Key: "hash_bound", To: table.One(literal.OrOff(kinds.Percent.Between("110%", "1000%")), func(u *Upstream) *int { return &u.HashBound }), Default: "off", Apply: table.NewRequests,
			Doc: "How much of its fair share `hash` and `maglev` may give to a server before they pass it over for the next one: `125%` keeps a popular key from overloading its server. HAProxy calls it `hash-balance-factor`."},
		{Key: "protocol", To: table.One(kinds.ServerProtocol, func(u *Upstream) *string { return &u.Protocol }), Default: "http1", Apply: table.NewRequests,
			Doc: "What an `http` listener speaks to these servers."},
		{Key: "tls", To: table.Switched(upstreamTLS, func(u *Upstream) **UpstreamTLS { return &u.TLS }), None: "`true` if servers begin with `https://`", Apply: table.NewRequests,
			Doc: "Reach all servers over TLS 1.2 or 1.3, for `http` and `tcp` listeners alike. `true` verifies their certificates by the system's CAs; sessions are resumed."},
		{Key: "proxy_protocol", To: table.One(kinds.ProxyHeader, func(u *Upstream) *string { return &u.ProxyProtocol }), Default: "off", Apply: table.NewRequests,
			Doc: "The PROXY protocol header sent to servers before the client's bytes. It speaks for one client: an `http` listener then makes a connection for each request."},
		{Key: "check", To: table.Optional(check, func(u *Upstream) **Check { return &u.Check }), None: "none", Apply: table.NewRequests,
			Doc: "Ask every server from time to time whether it is well, and leave out those that are not. The short forms are `tcp`, and the path of an HTTP request. Without it, only `eject` takes servers out. A server counts as well until a check says otherwise. With `proxy_protocol`, a check begins with a header that speaks for nobody."},
		{Key: "eject", To: table.Group(eject, func(u *Upstream) *Eject { return &u.Eject }), Apply: table.NewRequests,
			Doc: "Leave out servers that fail real traffic. `eject: off` never does. nginx calls it `max_fails` and `fail_timeout`, HAProxy `observe`, Envoy outlier detection."},
		{Key: "max_connections", To: table.One(kinds.Count.Between("0", "10000000"), func(u *Upstream) *int { return &u.MaxConnections }), Default: "0", Apply: table.NewRequests,
			Doc: "Connections in use at once to all servers together, exact over all loops. Idle ones of the `pool` do not count. 0 is no limit."},
		{Key: "queue", To: table.Group(queue, func(u *Upstream) *Queue { return &u.Queue }), Apply: table.NewRequests,
			Doc: "Who waits when `max_connections`, of the upstream or of every server, are in use: first come, first served."},
		{Key: "slow_start", To: table.One(kinds.Duration.Between("0s", "1h"), func(u *Upstream) *time.Duration { return &u.SlowStart }), Default: "0s", Apply: table.NewRequests,
			Doc: "In this time the share of a server that has come back, or is new, grows from a small part to the whole of its weight. 0s gives it at once."},
		{Key: "sticky", To: table.Optional(sticky, func(u *Upstream) **Sticky { return &u.Sticky }), None: "off", Apply: table.NewRequests, Only: "http",
			Doc: "Lead all requests of a browser to one server, by a signed cookie that the proxy adds to answers. The short form is the cookie's name. When that server is gone or full, `balance` chooses another one, and the cookie changes."},
		{Key: "pool", To: table.Group(pool, func(u *Upstream) *Pool { return &u.Pool }), Apply: table.NewRequests,
			Doc: "Idle connections that `http` listeners keep for later requests."},
		{Key: "timeouts", To: table.Group(upstreamTimeouts, func(u *Upstream) *UpstreamTimeouts { return &u.Timeouts }), Apply: table.NewRequests,
			Doc: "How long reaching a server may take."},
	},
}

// serverRows are those of a server whose address is written the way of an address kind.
func serverRows(address literal.Kind[Address]) []table.Row[Server] {
	return []table.Row[Server]{
		{Key: "address", To: table.One(address, func(s *Server) *Address { return &s.Address }), Need: true, Apply: table.NewRequests,
			Doc: "Where the server is; `http://` before it may be written, and `https://` before all servers of an upstream is the same as its `tls: true`. A name is looked up at start and by each reload; a name with several addresses becomes as many servers. Or where servers are found while the proxy runs: `dns://name:port` for the addresses of a name and `srv://_service._proto.name` for SRV records, both asked for again when they expire; `file:path` for a file that is watched, with one server a line: `address weight=2 backup max_connections=100`, of which all but the address may be left out, and `#` begins a comment. Each server found has the `weight`, `backup` and `max_connections` of this entry, unless its line says otherwise, or its SRV record, which always has a weight, and is a backup if its priority is not the best. Connections to servers that stay are kept, and a server that is gone takes no new ones."},
		{Key: "weight", To: table.One(kinds.Count.Between("0", "256"), func(s *Server) *int { return &s.Weight }), Default: "1", Apply: table.NewRequests,
			Doc: "The server's share of new connections and requests relative to the others. 0 takes none."},
		{Key: "backup", To: table.One(kinds.Boolean, func(s *Server) *bool { return &s.Backup }), Default: "false", Apply: table.NewRequests,
			Doc: "Chosen only while no other server can be reached or has room."},
		{Key: "max_connections", To: table.One(kinds.Count.Between("0", "10000000"), func(s *Server) *int { return &s.MaxConnections }), Default: "0", Apply: table.NewRequests,
			Doc: "Connections in use at once, exact over all loops. 0 is no limit."},
	}
}

var servers = &table.Of[Server]{
	At:      func(s *Server) *Position { return &s.At },
	Short:   "address",
	Foreign: foreign.Server,
	Rows:    serverRows(kinds.ServerAddress),
}

var upstreamTimeouts = &table.Of[UpstreamTimeouts]{Rows: []table.Row[UpstreamTimeouts]{
	{Key: "connect", To: table.One(kinds.Duration.Between("10ms", "1h"), func(t *UpstreamTimeouts) *time.Duration { return &t.Connect }), Default: "3s", Apply: table.NewRequests,
		Doc: "For one attempt to connect to one server; then another server is tried."},
	{Key: "tls", To: table.One(kinds.Duration.Between("10ms", "1h"), func(t *UpstreamTimeouts) *time.Duration { return &t.TLS }), Default: "5s", Apply: table.NewConnections,
		Doc: "For the TLS handshake after it; then likewise."},
}}

var check = &table.Of[Check]{
	At:      func(c *Check) *Position { return &c.At },
	Short:   "http",
	Words:   []string{"tcp"},
	OneOf:   []string{"http", "tcp"},
	Foreign: foreign.Check,
	Rows: []table.Row[Check]{
		{Key: "http", To: table.One(kinds.CheckTarget, func(c *Check) *string { return &c.HTTP }), None: "one of the two", Apply: table.NewRequests,
			Doc: "The path, with or without a query, of an HTTP/1.1 request whose answer must be good: what nginx and HAProxy write as `health_check uri=` and `httpchk`. Exactly one of `http` and `tcp` is written, and either may be for `tcp` and for `http` listeners."},
		{Key: "tcp", To: table.Present[Check]("write tcp: true, or http: /path"), None: "one of the two", Apply: table.NewRequests,
			Doc: "That the server accepts connections is enough; with `tls`, that it also ends a handshake well."},
		{Key: "method", To: table.One(literal.Choice("GET", "HEAD", "OPTIONS", "POST"), func(c *Check) *string { return &c.Method }), Default: "GET", Apply: table.NewRequests,
			Doc: "The method of the request, which has no body."},
		{Key: "host", To: table.One(kinds.CheckHost, func(c *Check) *string { return &c.Host }), None: "the server's address", Apply: table.NewRequests,
			Doc: "The `Host` field of the request."},
		{Key: "headers", To: table.Fields(kinds.CheckField, kinds.PlainValue, true, func(c *Check) *[]HeaderValue { return &c.Headers }), None: "none", Apply: table.NewRequests,
			Doc: "More fields of the request. Values are plain texts, without placeholders."},
		{Key: "status", To: table.Defaults(kinds.Statuses, func(c *Check) *[]StatusRange { return &c.Status }), Some: true, Most: statusesMax, Default: "200-399", Apply: table.NewRequests,
			Doc: "Good statuses of the answer."},
		{Key: "body", To: table.One(kinds.Pattern, func(c *Check) **regexp.Regexp { return &c.Body }), None: "any", Apply: table.NewRequests,
			Doc: "A regular expression (RE2) that must match somewhere in the beginning of the answer's body, without its framing."},
		{Key: "port", To: table.One(kinds.Port, func(c *Check) *uint16 { return &c.Port }), None: "the server's", Apply: table.NewRequests,
			Doc: "Another port to ask at."},
		{Key: "tls", To: table.Switched(upstreamTLS, func(c *Check) **CheckTLS { return &c.TLS }), None: "the upstream's", Apply: table.NewRequests,
			Doc: "Whether the check is made over TLS. `true` is with the upstream's `tls`, if it has one."},
		{Key: "every", To: table.One(kinds.Duration.Between("100ms", "1h"), func(c *Check) *time.Duration { return &c.Every }), Default: "5s", Apply: table.NewRequests,
			Doc: "How often a server is asked, a little more or less, so that not all are asked at once. A server that has not answered is not asked again before `timeout` has passed."},
		{Key: "fast", To: table.One(kinds.Duration.Between("100ms", "1h"), func(c *Check) *time.Duration { return &c.Fast }), Default: "1s", Apply: table.NewRequests,
			Doc: "How often while it is changing: after its first failure until it is out, and after its first success until it is back. At most `every`. HAProxy calls it `fastinter`."},
		{Key: "timeout", To: table.One(kinds.Duration.Between("10ms", "1m"), func(c *Check) *time.Duration { return &c.Timeout }), Default: "2s", Apply: table.NewRequests,
			Doc: "For a whole check: connecting, TLS and the answer."},
		{Key: "fall", To: table.One(kinds.Count.Between("1", "100"), func(c *Check) *int { return &c.Fall }), Default: "3", Apply: table.NewRequests,
			Doc: "Failures in a row that take a server out. Requests that wait for its answer are then sent elsewhere if `retry` allows it."},
		{Key: "rise", To: table.One(kinds.Count.Between("1", "100"), func(c *Check) *int { return &c.Rise }), Default: "2", Apply: table.NewRequests,
			Doc: "Successes in a row that bring it back."},
	},
}

var eject = &table.Of[Eject]{
	At:      func(e *Eject) *Position { return &e.At },
	Short:   "errors",
	Foreign: foreign.Eject,
	Rows: []table.Row[Eject]{
		{Key: "errors", To: table.One(literal.OrOff(kinds.Count.Between("1", "1000")), func(e *Eject) *int { return &e.Errors }), Default: "5", Apply: table.NewRequests,
			Doc: "Failures in a row that take a server out. With `tcp` listeners these are connections that it refused, reset or let time out before its first byte; with `http` ones also answers 502, 503 and 504."},
		{Key: "for", To: table.One(kinds.Duration.Between("100ms", "1h"), func(e *Eject) *time.Duration { return &e.For }), Default: "10s", Apply: table.NewRequests,
			Doc: "How long it is out the first time; each further time, soon after, it is longer. Then it is tried again."},
		{Key: "max_percent", To: table.One(kinds.Share.Between("1", "100"), func(e *Eject) *int { return &e.MaxPercent }), Default: "50", Apply: table.NewRequests,
			Doc: "The percentage of the servers that may be out by ejection at once. The last usable one is never taken out."},
		{Key: "panic", To: table.One(literal.OrOff(kinds.Percent.Between("1%", "100%")), func(e *Eject) *int { return &e.Panic }), Default: "50%", Apply: table.NewRequests,
			Doc: "When less than this part of the servers is usable, whether by `check` or by ejection, and no backup is, all of them are used: an upstream in which nearly everything seems to fail is more likely judged wrongly than gone. `off` never does."},
	},
}

var queue = &table.Of[Queue]{Rows: []table.Row[Queue]{
	{Key: "size", To: table.One(kinds.Count.Between("0", "1000000"), func(q *Queue) *int { return &q.Size }), Default: "0", Apply: table.NewRequests,
		Doc: "How many connections or requests may wait at once. For more, a request is answered 503 with `Retry-After`, and a `tcp` connection is closed. 0 is nobody."},
	{Key: "timeout", To: table.One(kinds.Duration.Between("10ms", "1h"), func(q *Queue) *time.Duration { return &q.Timeout }), Default: "5s", Apply: table.NewRequests,
		Doc: "How long each may wait; then it goes the same way."},
}}

var sticky = &table.Of[Sticky]{
	At:      func(s *Sticky) *Position { return &s.At },
	Short:   "cookie",
	Foreign: foreign.Sticky,
	Rows: []table.Row[Sticky]{
		{Key: "cookie", To: table.One(kinds.CookieName, func(s *Sticky) *string { return &s.Cookie }), Need: true, Apply: table.NewRequests,
			Doc: "The name of the cookie."},
		{Key: "ttl", To: table.One(kinds.Duration.Between("0s", "8760h"), func(s *Sticky) *time.Duration { return &s.TTL }), Default: "0s", Apply: table.NewRequests,
			Doc: "How long browsers keep it (`Max-Age`), in whole seconds. 0s is until they are closed."},
		{Key: "key", To: table.One(kinds.Secret, func(s *Sticky) *string { return &s.Key }), None: "made at start", Apply: table.NewRequests,
			Doc: "The secret that signs it, so that no client can choose a server. Give all proxies of a site the same one; without it, cookies are forgotten when the process ends. Write it as a variable: `\"${STICKY_KEY}\"`. Messages never show it."},
	},
}

var pool = &table.Of[Pool]{Rows: []table.Row[Pool]{
	{Key: "max_idle", To: table.One(kinds.Count.Between("0", "65536"), func(p *Pool) *int { return &p.MaxIdle }), Default: "64", Apply: table.NewRequests,
		Doc: "Idle connections to each server, divided over the loops. 0 uses every connection for one request."},
	{Key: "idle_timeout", To: table.One(kinds.Duration.Between("10ms", "24h"), func(p *Pool) *time.Duration { return &p.IdleTimeout }), Default: "55s", Apply: table.NewRequests,
		Doc: "How long one is kept: less than the servers keep theirs, which is often 60 s."},
}}
