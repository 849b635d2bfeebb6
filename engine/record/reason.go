// Package record holds what is said about a connection once it is over: who,
// where to, how long in each phase, how many bytes, and above all why it ended.
//
// A Reason is that why, as an enum. Each has one row in a table: its token (what
// the access log and the metrics print), the side that caused it, a class for
// alerting and a sentence for the docs. One vocabulary serves everything: an Error
// that ends a connection carries a Reason as its Kind, the counters are indexed by
// Reason, and docs/logging.md is generated from the rows.
package record

import "iter"

// Side says which of the three parties caused an ending.
type Side uint8

// The client's side, the server's side, and the proxy itself.
const (
	Self Side = iota
	Front
	Back
)

// String returns the side's token: self, front or back.
func (s Side) String() string { return [...]string{"self", "front", "back"}[s] }

// Class groups reasons by what an operator does about them.
type Class uint8

// ClassOK needs nobody; ClassClient and ClassServer are the peer's fault; ClassProxy
// is ours; ClassLimit is a configured rule, limit or timeout doing its work.
const (
	ClassOK Class = iota
	ClassClient
	ClassServer
	ClassProxy
	ClassLimit
)

// String returns the class's token: ok, client, server, proxy or limit.
func (c Class) String() string {
	return [...]string{"ok", "client", "server", "proxy", "limit"}[c]
}

// Reason says why a connection ended. The zero value, None, means that it has not.
// Numbers are not stable over releases; tokens are.
type Reason uint8

// The reasons, in the order of a connection's life: running, refused at accept,
// before a route is known, while connecting, in the tunnel, and cut by the proxy.
// The table below says what each means.
const (
	None Reason = iota

	Denied
	PerIPLimit
	FDExhausted

	ProxyHeaderTimeout
	ProxyHeaderBad
	ProxyHeaderMissing
	HelloTimeout
	HelloBad
	HelloTooBig
	NotTLS
	NoRoute

	NoServer
	UpstreamFull
	ConnectRefused
	ConnectTimeout
	ConnectUnreachable
	ConnectFailed
	ClientGone

	ClientEnd
	ServerEnd
	ClientReset
	ServerReset
	ClientLost
	ServerLost
	TunnelIdle
	HalfClosedIdle

	DrainTimeout
	Stopped
	Internal

	reasonCount
)

// ReasonCount is the number of reasons, None included: the length of a vector of
// counters indexed by Reason.
const ReasonCount = int(reasonCount)

// row is all that is known about one Reason.
type row struct {
	token string
	side  Side
	class Class
	text  string
}

// rows is the one table of reasons. A test checks that no row is missing.
var rows = [ReasonCount]row{
	None: {"none", Self, ClassOK, "The connection is still running."},

	Denied:      {"denied", Self, ClassLimit, "A `client_ip` rule of the listener or the route refused the client."},
	PerIPLimit:  {"per_ip_limit", Self, ClassLimit, "The client's address already held `max_connections_per_ip` connections."},
	FDExhausted: {"fd_exhausted", Self, ClassProxy, "The process or the system had no file descriptor left; raise the limit."},

	ProxyHeaderTimeout: {"proxy_header_timeout", Front, ClassClient, "The PROXY header was not complete within `timeouts.proxy_header`."},
	ProxyHeaderBad:     {"proxy_header_bad", Front, ClassClient, "The PROXY header was malformed or too long."},
	ProxyHeaderMissing: {"proxy_header_missing", Front, ClassClient, "The listener requires a PROXY header and the first bytes were none."},
	HelloTimeout:       {"hello_timeout", Front, ClassClient, "The TLS ClientHello was not complete within `timeouts.hello`."},
	HelloBad:           {"hello_bad", Front, ClassClient, "The TLS ClientHello was malformed."},
	HelloTooBig:        {"hello_too_big", Front, ClassClient, "The TLS ClientHello was longer than 16 KiB."},
	NotTLS:             {"not_tls", Front, ClassClient, "The first bytes were not TLS and no route without `sni` takes them."},
	NoRoute:            {"no_route", Front, ClassClient, "No route of the listener takes this connection: not its server name and protocols, if it sent a ClientHello."},

	NoServer:           {"no_server", Back, ClassServer, "No server of the upstream was fit to be tried."},
	UpstreamFull:       {"upstream_full", Self, ClassLimit, "Every server of the upstream was at its `max_connections`."},
	ConnectRefused:     {"connect_refused", Back, ClassServer, "Nobody listens at the server's address, or its accept queue was full (unix sockets)."},
	ConnectTimeout:     {"connect_timeout", Back, ClassServer, "The server did not answer within `timeouts.connect`."},
	ConnectUnreachable: {"connect_unreachable", Back, ClassServer, "There was no way to the server's host or network."},
	ConnectFailed:      {"connect_failed", Self, ClassProxy, "Connecting failed on the proxy's own machine: no free port, a local firewall, permissions; see `error`."},
	ClientGone:         {"client_gone", Front, ClassClient, "The client vanished before a server was connected."},

	ClientEnd:      {"client_end", Front, ClassOK, "Both directions ended in order, the client's first."},
	ServerEnd:      {"server_end", Back, ClassOK, "Both directions ended in order, the server's first."},
	ClientReset:    {"client_reset", Front, ClassClient, "The client reset the connection."},
	ServerReset:    {"server_reset", Back, ClassServer, "The server reset the connection."},
	ClientLost:     {"client_lost", Front, ClassClient, "The client stopped acknowledging: its machine or the way to it is gone."},
	ServerLost:     {"server_lost", Back, ClassServer, "The server stopped acknowledging: its machine or the way to it is gone."},
	TunnelIdle:     {"tunnel_idle", Self, ClassLimit, "No byte moved in either direction for `timeouts.tunnel`."},
	HalfClosedIdle: {"half_closed_idle", Self, ClassLimit, "One direction had ended and the other stood still for `timeouts.half_closed`."},

	DrainTimeout: {"drain_timeout", Self, ClassLimit, "The connection was still running when `runtime.drain` was over."},
	Stopped:      {"stopped", Self, ClassProxy, "The proxy was told to stop at once."},
	Internal:     {"internal", Self, ClassProxy, "A fault of the proxy cost this connection; please report it."},
}

// String returns the token, for example client_reset.
func (r Reason) String() string { return rows[r].token }

// Side returns the side that caused the ending.
func (r Reason) Side() Side { return rows[r].side }

// Class returns whose business the ending is.
func (r Reason) Class() Class { return rows[r].class }

// Text returns one sentence of Markdown for the docs.
func (r Reason) Text() string { return rows[r].text }

// Reasons yields every reason that can end a connection, so not None, in the order
// of a connection's life.
func Reasons() iter.Seq[Reason] {
	return func(yield func(Reason) bool) {
		for r := None + 1; r < reasonCount; r++ {
			if !yield(r) {
				return
			}
		}
	}
}
