package configs

// What comes out of the sections under upstreams, and of retry in a route: where servers are, which of them are well, how one is
// chosen, and who waits. All numbers of connections and requests are over all loops together.

import (
	"regexp"
	"time"

	"sluice/configs/literal"
)

// An Upstream is a set of servers and the way to choose among them.
type Upstream struct {
	Name           string
	At             Position     // of its name
	Servers        []Server     // never empty; at least one has a weight above 0. Of discovered ones, none may be found for a while
	Balance        string       // round_robin | least_conn | p2c | least_time | random | first | hash | maglev
	HashOn         string       // client_ip | sni | path | uri | host | header | cookie; used by hash and maglev
	HashName       string       // of the header or cookie, as written; else ""
	HashBound      int          // percent of its fair share that hash and maglev give a server before they pass it over: 110-1000; 0 = off
	Protocol       string       // "http1"; without meaning for tcp listeners
	TLS            *UpstreamTLS // nil = plain
	ProxyProtocol  string       // off | v1 | v2: the header sent to the servers
	Check          *Check       // nil = none
	Eject          Eject
	MaxConnections int // in use at once, all servers together; 0 = no limit
	Queue          Queue
	SlowStart      time.Duration // in which a recovered or new server's share grows from nothing to the whole; 0 = at once
	Sticky         *Sticky       // http; nil = none
	Pool           Pool
	Timeouts       UpstreamTimeouts

	schemed bool // TLS is there because servers are written with https://
}

// Refuses says why s cannot be a server of u: one is meant to be reached over TLS and the other is not, or nobody could tell whose
// certificate it must have; "" if it can. Load has asked for those it knows; who reads a file of servers later asks again.
func (u *Upstream) Refuses(s Server) string {
	switch {
	case s.Scheme == "https" && u.TLS == nil:
		return "https:// does not go with an upstream without tls"
	case s.Scheme == "http" && u.TLS != nil:
		return "http:// does not go with an upstream that has tls, or servers with https://"
	case s.Scheme == "" && u.schemed:
		return "a server without https:// does not go with one that has it"
	case s.Address.Network == "unix" && u.TLS != nil && u.TLS.Verify && u.TLS.ServerName == "":
		return "a unix socket has no host whose certificate could be verified: tls needs server_name"
	}
	return ""
}

// Pool bounds the idle connections kept for later requests.
type Pool struct {
	MaxIdle     int // per server, divided over the loops; 0 = no connection is used twice
	IdleTimeout time.Duration
}

// A Server is one backend address, or the place where several are found; these then have its Weight, Backup and MaxConnections.
type Server struct {
	Address        Address // Network is Discover, where that is set: dns has Host and Port, srv the whole SRV name as Host, file a Path
	At             Position
	Scheme         string // as written: "http" | "https", or "" if nothing was; see Upstream.Refuses
	Discover       string // "" = it is a server itself | "dns" | "srv" | "file"
	Weight         int    // 0-256; 0 takes no new connections. Weights of SRV records replace it
	Backup         bool
	MaxConnections int // 0 = no limit

	said settings // which of the last three a line of a file of servers has written
}

// settings is a set of keys of a Server.
type settings uint8

const (
	saidWeight settings = 1 << iota
	saidBackup
	saidMaxConnections
)

// Inherit returns s, a line of a file of servers, with what the line does not say as in entry, which names the file.
func (s Server) Inherit(entry Server) Server {
	if s.said&saidWeight == 0 {
		s.Weight = entry.Weight
	}
	if s.said&saidBackup == 0 {
		s.Backup = entry.Backup
	}
	if s.said&saidMaxConnections == 0 {
		s.MaxConnections = entry.MaxConnections
	}
	return s
}

// UpstreamTimeouts bound the work of reaching a server.
type UpstreamTimeouts struct {
	Connect time.Duration // for one attempt at one server
	TLS     time.Duration // for the handshake after it
}

// A Check asks every server, from time to time, whether it is well.
type Check struct {
	At      Position
	HTTP    string         // path and query of a request; "" = to be connected to is all that is asked
	Method  string         // GET | HEAD | OPTIONS | POST; this and what follows up to Body is for HTTP
	Host    string         // of the request, with or without a port; "" = the server's address
	Headers []HeaderValue  // plain texts: there is no request whose parts could be put in
	Status  []StatusRange  // of a good answer; never empty
	Body    *regexp.Regexp // that a good answer's body matches somewhere; nil = any
	Port    uint16         // 0 = the server's
	TLS     *CheckTLS      // nil = plain
	Every   time.Duration  // between two checks of a server whose state is settled
	Fast    time.Duration  // between two checks while it changes; at most Every
	Timeout time.Duration  // for a whole check
	Fall    int            // failures in a row that take a server out
	Rise    int            // successes in a row that bring it back
}

// A StatusRange is the statuses from From to To, both included: 200-599.
type StatusRange = literal.StatusRange

// Eject takes servers out by how they treat real connections and requests.
type Eject struct {
	Errors     int           // in a row; 0 = off
	For        time.Duration // the first time; longer each time after
	MaxPercent int           // of the upstream's servers that may be out at once: 1-100
	Panic      int           // with less than this percentage of the servers usable, all are used; 0 = off
	At         Position
}

// Queue is who waits for a connection while MaxConnections of an upstream, or of all its servers, are in use.
type Queue struct {
	Size    int // 0 = nobody
	Timeout time.Duration
}

// Sticky leads the requests of a client to one server, by a cookie.
type Sticky struct {
	Cookie string        // its name: a token
	TTL    time.Duration // in whole seconds; 0 = for as long as the browser keeps it
	Key    string        `json:"-"` // the secret that signs the cookie, at least 16 bytes; "" = made at start
	At     Position
}

// String returns s without its secret.
func (s Sticky) String() string { return s.Cookie }

// GoString is String: %#v keeps secrets too.
func (s Sticky) GoString() string { return s.Cookie }

// Retry says after which failures a request is sent once more, to another server. Only requests that may be sent twice are.
type Retry struct {
	Attempts   int // after the first; 0 = never
	Connect    bool
	Reset      bool
	Timeout    bool
	MarkedDown bool  // the server was taken out while the request waited for it
	Statuses   []int // ascending: 408, 425, 429, 500-599
	Budget     int   // percent of the upstream's requests that may be repeated ones
	At         Position
}

// after makes words the only causes of r.
func (r *Retry) after(words []string) {
	flags, statuses := literal.RetryFlags(words)
	r.Connect, r.Reset, r.Timeout, r.MarkedDown, r.Statuses = flags["connect"], flags["reset"], flags["timeout"], flags["marked_down"], statuses
}
