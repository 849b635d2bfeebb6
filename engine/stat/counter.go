// Package stat counts without locks. Each loop owns a Block of plain integers, a Vector
// per indexed family and its histograms; nobody else touches them. A scrape asks the
// loop for copies and sums them:
//
//	block.Inc(stat.Accepted)          // on the loop: one add, no atomics
//	total := stat.Sum(a, b)           // in the scrape: copies from each loop
//	total.Get(stat.Accepted)
//
// What can be counted is the table below: one row gives an ID its metric's name, label,
// type and help, so no counter exists that the metrics do not show.
package stat

import "iter"

// ID names one counter or gauge of a Block.
type ID uint8

// The counters and gauges of a loop; the table says what each counts.
const (
	Accepted ID = iota
	Active
	RefusedDenied
	RefusedPerIP
	AcceptPausesLimit
	AcceptPausesFD
	AcceptErrors
	ProxyHeadersBad
	HellosBad
	TLSFull
	TLSResumed
	TLSFailed
	TLSServerFull
	TLSServerResumed
	TLSServerFailed

	ConnectAttempts
	ConnectFailures
	Retries

	BytesUp
	BytesDown
	BytesSpliced
	PipesInUse
	BuffersInUse

	HTTPRequests
	HTTPRequestsBad
	HTTPActive
	HTTPAnswers1xx
	HTTPAnswers2xx
	HTTPAnswers3xx
	HTTPAnswers4xx
	HTTPAnswers5xx
	HTTPUpgrades
	HTTPIdle
	HTTPBackOpened
	HTTPBackReused
	HTTPBackIdle
	HTTPBackIdleClosed
	HTTPReuseRetries

	Turns
	Events
	Yields
	Panics
	LogLinesDropped

	idCount
)

// Kind tells a counter, which only grows, from a gauge, which also falls.
type Kind uint8

// The two kinds of a metric in a Block.
const (
	Counter Kind = iota
	Gauge
)

// Row describes an ID to whoever exports it. Rows of one Name are neighbours and differ
// by Label only.
type Row struct {
	Name  string // of the Prometheus metric
	Label string // one label as `key="value"`, or ""
	Kind  Kind
	Help  string // one sentence, the same for all rows of a Name
}

var rows = [idCount]Row{
	Accepted:          {"sluice_connections_accepted_total", ``, Counter, "Client connections accepted."},
	Active:            {"sluice_connections_active", ``, Gauge, "Client connections open now."},
	RefusedDenied:     {"sluice_connections_refused_total", `reason="denied"`, Counter, "Client connections closed right after accept, by reason."},
	RefusedPerIP:      {"sluice_connections_refused_total", `reason="per_ip_limit"`, Counter, "Client connections closed right after accept, by reason."},
	AcceptPausesLimit: {"sluice_accept_pauses_total", `reason="max_connections"`, Counter, "Times a listener stopped accepting for a while, by reason."},
	AcceptPausesFD:    {"sluice_accept_pauses_total", `reason="fd_exhausted"`, Counter, "Times a listener stopped accepting for a while, by reason."},
	AcceptErrors:      {"sluice_accept_errors_total", ``, Counter, "Errors of accept, other than a lack of file descriptors."},
	ProxyHeadersBad:   {"sluice_proxy_headers_bad_total", ``, Counter, "PROXY headers that were malformed, missing or too late."},
	HellosBad:         {"sluice_hellos_bad_total", ``, Counter, "TLS ClientHellos that were malformed, too big or too late."},

	TLSFull:          {"sluice_tls_handshakes_total", `result="full"`, Counter, "TLS handshakes with clients that have ended, by result."},
	TLSResumed:       {"sluice_tls_handshakes_total", `result="resumed"`, Counter, "TLS handshakes with clients that have ended, by result."},
	TLSFailed:        {"sluice_tls_handshakes_total", `result="failed"`, Counter, "TLS handshakes with clients that have ended, by result."},
	TLSServerFull:    {"sluice_tls_server_handshakes_total", `result="full"`, Counter, "TLS handshakes with servers that have ended, by result."},
	TLSServerResumed: {"sluice_tls_server_handshakes_total", `result="resumed"`, Counter, "TLS handshakes with servers that have ended, by result."},
	TLSServerFailed:  {"sluice_tls_server_handshakes_total", `result="failed"`, Counter, "TLS handshakes with servers that have ended, by result."},

	ConnectAttempts: {"sluice_connect_attempts_total", ``, Counter, "Connections begun to upstream servers."},
	ConnectFailures: {"sluice_connect_failures_total", ``, Counter, "Connections to upstream servers that failed or timed out."},
	Retries:         {"sluice_connect_retries_total", ``, Counter, "Times another server was tried after a failed one."},

	BytesUp:      {"sluice_bytes_total", `direction="up"`, Counter, "Payload bytes delivered, to servers (up) and to clients (down)."},
	BytesDown:    {"sluice_bytes_total", `direction="down"`, Counter, "Payload bytes delivered, to servers (up) and to clients (down)."},
	BytesSpliced: {"sluice_bytes_spliced_total", ``, Counter, "Payload bytes that went through a pipe by splice, in either direction."},
	PipesInUse:   {"sluice_pipes_in_use", ``, Gauge, "Pipes lent to connections now."},
	BuffersInUse: {"sluice_buffers_in_use", ``, Gauge, "Buffers lent to connections now."},

	HTTPRequests:       {"sluice_http_requests_total", ``, Counter, "HTTP requests begun, refused ones included."},
	HTTPRequestsBad:    {"sluice_http_requests_bad_total", ``, Counter, "HTTP requests refused because they broke the rules of the protocol or a limit on their head."},
	HTTPActive:         {"sluice_http_requests_active", ``, Gauge, "HTTP exchanges running now, upgraded connections included."},
	HTTPAnswers1xx:     {"sluice_http_answers_total", `class="1xx"`, Counter, "HTTP answers sent to clients, interim ones (1xx) included, by class of their status."},
	HTTPAnswers2xx:     {"sluice_http_answers_total", `class="2xx"`, Counter, "HTTP answers sent to clients, interim ones (1xx) included, by class of their status."},
	HTTPAnswers3xx:     {"sluice_http_answers_total", `class="3xx"`, Counter, "HTTP answers sent to clients, interim ones (1xx) included, by class of their status."},
	HTTPAnswers4xx:     {"sluice_http_answers_total", `class="4xx"`, Counter, "HTTP answers sent to clients, interim ones (1xx) included, by class of their status."},
	HTTPAnswers5xx:     {"sluice_http_answers_total", `class="5xx"`, Counter, "HTTP answers sent to clients, interim ones (1xx) included, by class of their status."},
	HTTPUpgrades:       {"sluice_http_upgrades_total", ``, Counter, "HTTP connections that became a tunnel, by Upgrade or CONNECT."},
	HTTPIdle:           {"sluice_http_connections_idle", ``, Gauge, "Client connections that wait for a next request now."},
	HTTPBackOpened:     {"sluice_http_backend_connections_opened_total", ``, Counter, "HTTP connections established to upstream servers."},
	HTTPBackReused:     {"sluice_http_backend_connections_reused_total", ``, Counter, "Requests that were given a pooled connection to a server."},
	HTTPBackIdle:       {"sluice_http_backend_connections_idle", ``, Gauge, "Pooled connections to servers that wait for a request now."},
	HTTPBackIdleClosed: {"sluice_http_backend_connections_idle_closed_total", ``, Counter, "Pooled connections that ended while they waited: closed by the server, or too old or too many."},
	HTTPReuseRetries:   {"sluice_http_reuse_retries_total", ``, Counter, "Requests sent again on a fresh connection because a pooled one died before the answer began."},

	Turns:           {"sluice_loop_turns_total", ``, Counter, "Times a loop woke up."},
	Events:          {"sluice_loop_events_total", ``, Counter, "Events the poller reported."},
	Yields:          {"sluice_loop_yields_total", ``, Counter, "Times work was put off to the next turn to be fair to others."},
	Panics:          {"sluice_panics_total", ``, Counter, "Panics that cost one connection; each is a fault of the proxy."},
	LogLinesDropped: {"sluice_access_log_lines_dropped_total", ``, Counter, "Access log lines dropped because their sink failed or was too slow."},
}

// Row returns the description of id.
func (id ID) Row() Row { return rows[id] }

// HTTPAnswers returns the counter for an answer with this status. What is below 200 counts as
// 1xx and what is above 499 as 5xx, the statuses without a class included (RFC 9110, section 15).
func HTTPAnswers(status int) ID {
	return HTTPAnswers1xx + ID(min(max(status/100, 1), 5)-1)
}

// IDs yields every ID in the order of the table.
func IDs() iter.Seq[ID] {
	return func(yield func(ID) bool) {
		for id := range idCount {
			if !yield(id) {
				return
			}
		}
	}
}

// Block holds one loop's counters and gauges. The zero value is ready. It belongs to
// its loop; assignment is the copy a scrape takes.
//
// Arithmetic is modulo 2^64. A gauge raised on one loop and lowered on another is
// wrong on each, yet right in the Sum.
type Block [idCount]uint64

// Inc adds one to id.
func (b *Block) Inc(id ID) { b[id]++ }

// Dec takes one from the gauge id.
func (b *Block) Dec(id ID) { b[id]-- }

// Add adds n to id.
func (b *Block) Add(id ID, n uint64) { b[id] += n }

// Set makes id n: for gauges, and for counters kept elsewhere and mirrored here.
func (b *Block) Set(id ID, n uint64) { b[id] = n }

// Get returns id.
func (b *Block) Get(id ID) uint64 { return b[id] }

// Sum adds up the copies of several loops.
func Sum(blocks ...Block) Block {
	var total Block
	for i := range blocks {
		for id, n := range &blocks[i] {
			total[id] += n
		}
	}
	return total
}

// Vector is a family of counters indexed by a small enum of another room, for example
// connections closed by reason. It belongs to its loop like a Block.
type Vector []uint64

// NewVector returns n counters at zero.
func NewVector(n int) Vector { return make(Vector, n) }

// Inc adds one to counter i; it panics if the family has no such member.
func (v Vector) Inc(i int) { v[i]++ }

// Add adds n to counter i; it panics if the family has no such member.
func (v Vector) Add(i int, n uint64) { v[i] += n }

// Get returns counter i; it panics if the family has no such member.
func (v Vector) Get(i int) uint64 { return v[i] }

// Copy returns a Vector of its own, for a scrape.
func (v Vector) Copy() Vector { return append(Vector(nil), v...) }

// SumVectors adds up the copies of several loops. They are of one family, so of one
// length; it panics if not.
func SumVectors(first Vector, rest ...Vector) Vector {
	total := first.Copy()
	for _, v := range rest {
		if len(v) != len(total) {
			panic("stat: vectors of different families")
		}
		for i, n := range v {
			total[i] += n
		}
	}
	return total
}
