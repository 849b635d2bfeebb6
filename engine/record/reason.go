// Package record holds what is said about a connection or an HTTP exchange once it is
// over: who, where to, how long in each phase, how many bytes, and above all why it ended.
//
// A Reason is that why, as an enum. Each has one row in a table: its token (what
// the access log and the metrics print), the side that caused it, a class for
// alerting, the status of the error answer and a sentence for the docs. One vocabulary
// serves everything: an Error that ends a connection carries a Reason as its Kind, the
// counters are indexed by Reason, and docs/logging.md is generated from the rows.
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

// Reason says why a connection or an exchange ended. The zero value, None, means that it has not.
// Numbers are not stable over releases; tokens are.
type Reason uint8

// The reasons, in the order of a connection's life: running, refused at accept,
// before a route is known, the request, while connecting, the answer, in the tunnel or
// while bytes move, and cut by the proxy. The table below says what each means.
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
	HandshakeTimeout
	HandshakeBusy
	HandshakeFailed
	UnknownName
	ClientCertificate

	HeaderTimeout
	BadRequest
	URITooLong
	HeaderTooLarge
	VersionNotSupported
	NotImplemented
	BadExpectation
	Misdirected
	NotFound
	BodyTimeout
	BodyTooSlow
	BodyTooLarge

	NoServer
	UpstreamFull
	QueueTimeout
	ConnectRefused
	ConnectTimeout
	ConnectUnreachable
	ConnectFailed
	ServerHandshake
	ServerCertificate
	ServerHandshakeTimeout
	ClientGone

	Done
	AnswerTimeout
	AnswerBad
	AnswerTooLarge
	AnswerCut
	AnswerIdle
	AnswerUnfit
	MarkedDown
	WriteTimeout

	ClientEnd
	ServerEnd
	ClientReset
	ServerReset
	ClientLost
	ServerLost
	ClientTruncated
	ServerTruncated
	ClientViolation
	ServerViolation
	TunnelIdle
	HalfClosedIdle

	DrainTimeout
	Stopped
	Busy
	Internal

	reasonCount
)

// ReasonCount is the number of reasons, None included: the length of a vector of
// counters indexed by Reason.
const ReasonCount = int(reasonCount)

// row is all that is known about one Reason.
type row struct {
	token  string
	side   Side
	class  Class
	status int // of the answer to the client, 0 for none
	text   string
}

// Passes reports whether the cause is a lack of room that may be over in a moment.
func (r Reason) Passes() bool { return r == UpstreamFull || r == QueueTimeout || r == Busy }

// rows is the one table of reasons. A test checks that no row is missing.
var rows = [ReasonCount]row{
	None: {"none", Self, ClassOK, 0, "The connection is still running."},

	Denied:      {"denied", Self, ClassLimit, 403, "A `client_ip` rule of the listener or the route refused the client."},
	PerIPLimit:  {"per_ip_limit", Self, ClassLimit, 0, "The client's address already held `max_connections_per_ip` connections."},
	FDExhausted: {"fd_exhausted", Self, ClassProxy, 503, "The process or the system had no file descriptor left; raise the limit."},

	ProxyHeaderTimeout: {"proxy_header_timeout", Front, ClassClient, 0, "The PROXY header was not complete within `timeouts.proxy_header`."},
	ProxyHeaderBad:     {"proxy_header_bad", Front, ClassClient, 0, "The PROXY header was malformed or too long."},
	ProxyHeaderMissing: {"proxy_header_missing", Front, ClassClient, 0, "The listener requires a PROXY header and the first bytes were none."},
	HelloTimeout:       {"hello_timeout", Front, ClassClient, 0, "The TLS ClientHello was not complete within `timeouts.hello`."},
	HelloBad:           {"hello_bad", Front, ClassClient, 0, "The TLS ClientHello was malformed."},
	HelloTooBig:        {"hello_too_big", Front, ClassClient, 0, "The TLS ClientHello was longer than 16 KiB."},
	NotTLS:             {"not_tls", Front, ClassClient, 400, "The first bytes were not TLS, on a listener that terminates it, or where no route without `sni` takes them."},
	NoRoute:            {"no_route", Front, ClassClient, 0, "No route of the listener takes this connection: not its server name and protocols, if it sent a ClientHello."},
	HandshakeTimeout:   {"handshake_timeout", Front, ClassClient, 0, "The TLS handshake was not complete within `timeouts.handshake`."},
	HandshakeBusy:      {"handshake_busy", Self, ClassLimit, 0, "More TLS handshakes were under way, or waited for a worker, than there may be."},
	HandshakeFailed:    {"handshake_failed", Front, ClassClient, 0, "The TLS handshake with the client failed; `detail` says why."},
	UnknownName:        {"unknown_name", Front, ClassClient, 0, "The client asked by SNI for a name for which there is no certificate (`unknown_sni: reject`)."},
	ClientCertificate:  {"client_certificate", Front, ClassClient, 0, "The client showed no certificate where one is required, or one that is not accepted; `detail` says why."},

	HeaderTimeout:       {"header_timeout", Front, ClassClient, 408, "The request's head was not complete within `timeouts.header`."},
	BadRequest:          {"bad_request", Front, ClassClient, 400, "The request broke the rules of HTTP; `detail` says which."},
	URITooLong:          {"uri_too_long", Front, ClassClient, 414, "The request's target was longer than `limits.uri_bytes`."},
	HeaderTooLarge:      {"header_too_large", Front, ClassClient, 431, "The request's head was longer than `limits.header_bytes` or had more fields than `limits.header_count`."},
	VersionNotSupported: {"version_not_supported", Front, ClassClient, 505, "The request's version was neither HTTP/1.0 nor HTTP/1.1."},
	NotImplemented:      {"not_implemented", Front, ClassClient, 501, "The request asks for what the proxy does not do, as another transfer coding than `chunked`; `detail` says what."},
	BadExpectation:      {"bad_expectation", Front, ClassClient, 417, "The request expects something else than `100-continue`."},
	Misdirected:         {"misdirected", Front, ClassClient, 421, "No route of the listener takes the request's host."},
	NotFound:            {"not_found", Front, ClassClient, 404, "A route takes the request's host, but none its path and method."},
	BodyTimeout:         {"body_timeout", Front, ClassClient, 408, "The client sent no byte of the request's body for `timeouts.body_idle`."},
	BodyTooSlow:         {"body_too_slow", Front, ClassClient, 408, "The client sent the request's body slower than `timeouts.min_rate`."},
	BodyTooLarge:        {"body_too_large", Front, ClassClient, 413, "The request's body was longer than the route's `max_body`."},

	NoServer:               {"no_server", Back, ClassServer, 503, "No server of the upstream was fit to be tried."},
	UpstreamFull:           {"upstream_full", Self, ClassLimit, 503, "The upstream, or each of its servers, was at its `max_connections`, and its queue full."},
	QueueTimeout:           {"queue_timeout", Self, ClassLimit, 503, "No place at a server became free within `queue.timeout`."},
	ConnectRefused:         {"connect_refused", Back, ClassServer, 502, "Nobody listens at the server's address, or its accept queue was full (unix sockets)."},
	ConnectTimeout:         {"connect_timeout", Back, ClassServer, 504, "The server did not answer within `timeouts.connect`."},
	ConnectUnreachable:     {"connect_unreachable", Back, ClassServer, 502, "There was no way to the server's host or network."},
	ConnectFailed:          {"connect_failed", Self, ClassProxy, 502, "Connecting failed on the proxy's own machine: no free port, a local firewall, permissions; see `error`."},
	ServerHandshake:        {"server_handshake", Back, ClassServer, 502, "The TLS handshake with the server failed; `detail` says why."},
	ServerCertificate:      {"server_certificate", Back, ClassServer, 502, "The server's certificate does not convince; `detail` says why."},
	ServerHandshakeTimeout: {"server_handshake_timeout", Back, ClassServer, 504, "The TLS handshake with the server was not complete within `timeouts.tls`."},
	ClientGone:             {"client_gone", Front, ClassClient, 0, "The client vanished before a server was connected or, in HTTP, before its request was whole or an answer had begun."},

	Done:           {"done", Self, ClassOK, 0, "The answer was delivered whole."},
	AnswerTimeout:  {"answer_timeout", Back, ClassServer, 504, "The server did not begin its answer within `timeouts.first_byte`."},
	AnswerBad:      {"answer_bad", Back, ClassServer, 502, "The server's answer broke the rules of HTTP; `detail` says which."},
	AnswerTooLarge: {"answer_too_large", Back, ClassServer, 502, "The head of the server's answer was too long or had too many fields."},
	AnswerCut:      {"answer_cut", Back, ClassServer, 502, "The server ended the connection before its answer was complete."},
	AnswerIdle:     {"answer_idle", Back, ClassServer, 504, "The server had begun its answer and then sent no byte of it for `timeouts.idle`."},
	AnswerUnfit:    {"answer_unfit", Back, ClassServer, 502, "The server answered with 502, 503 or 504. It ends no exchange; it is a cause of `eject`."},
	MarkedDown:     {"marked_down", Back, ClassServer, 504, "A check found the server dead while its answer was waited for."},
	WriteTimeout:   {"write_timeout", Front, ClassClient, 0, "The client took no byte of the answer for `timeouts.write_idle`."},

	ClientEnd:       {"client_end", Front, ClassOK, 0, "Both directions ended in order, the client's first."},
	ServerEnd:       {"server_end", Back, ClassOK, 0, "Both directions ended in order, the server's first."},
	ClientReset:     {"client_reset", Front, ClassClient, 0, "The client reset the connection."},
	ServerReset:     {"server_reset", Back, ClassServer, 502, "The server reset the connection."},
	ClientLost:      {"client_lost", Front, ClassClient, 0, "The client stopped acknowledging: its machine or the way to it is gone."},
	ServerLost:      {"server_lost", Back, ClassServer, 502, "The server stopped acknowledging: its machine or the way to it is gone."},
	ClientTruncated: {"client_truncated", Front, ClassClient, 0, "The client ended its TLS connection without close_notify: bytes may be missing."},
	ServerTruncated: {"server_truncated", Back, ClassServer, 502, "The server ended its TLS connection without close_notify: bytes may be missing."},
	ClientViolation: {"client_violation", Front, ClassClient, 0, "The client broke the rules of TLS after the handshake, or said by an alert that the proxy had."},
	ServerViolation: {"server_violation", Back, ClassServer, 502, "The server broke the rules of TLS after the handshake, or said by an alert that the proxy had."},
	TunnelIdle:      {"tunnel_idle", Self, ClassLimit, 0, "No byte moved in either direction for `timeouts.tunnel`."},
	HalfClosedIdle:  {"half_closed_idle", Self, ClassLimit, 0, "One direction had ended and the other stood still for `timeouts.half_closed`."},

	DrainTimeout: {"drain_timeout", Self, ClassLimit, 0, "The connection was still running when `runtime.drain` was over."},
	Stopped:      {"stopped", Self, ClassProxy, 0, "The proxy was told to stop at once."},
	Busy:         {"busy", Self, ClassLimit, 503, "The proxy itself had no room for the exchange: one of its bounded pools was full."},
	Internal:     {"internal", Self, ClassProxy, 500, "A fault of the proxy cost this connection or exchange; please report it."},
}

// String returns the token, for example client_reset.
func (r Reason) String() string { return rows[r].token }

// Side returns the side that caused the ending.
func (r Reason) Side() Side { return rows[r].side }

// Class returns whose business the ending is.
func (r Reason) Class() Class { return rows[r].class }

// Status returns the status of the error answer that tells a client of an HTTP exchange,
// as long as no byte of another answer has left; after that the answer can only be cut.
// It is 0 where there is nobody to tell or nothing to say.
func (r Reason) Status() int { return rows[r].status }

// Text returns one sentence of Markdown for the docs.
func (r Reason) Text() string { return rows[r].text }

// Reasons yields every reason that can end a connection or an exchange, so not None, in the order
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
