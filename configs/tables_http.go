package configs

// The rows that mean something on http listeners only, and the objects below them.

import (
	"sluice/configs/foreign"
	"sluice/configs/kinds"
	"sluice/configs/literal"
	"sluice/configs/table"
)

var listenerLimits = &table.Of[ListenerLimits]{
	At: func(l *ListenerLimits) *Position { return &l.At },
	Rows: []table.Row[ListenerLimits]{
		{Key: "header_bytes", To: table.One(kinds.Size.Between("1KiB", "48KiB"), func(l *ListenerLimits) *Size { return &l.HeaderBytes }), Default: "16KiB", Apply: table.NewConnections,
			Doc: "The whole head: request line and fields. A larger one is answered 431."},
		{Key: "header_count", To: table.One(kinds.Count.Between("8", "1000"), func(l *ListenerLimits) *int { return &l.HeaderCount }), Default: "128", Apply: table.NewConnections,
			Doc: "Fields in the head. More are answered 431."},
		{Key: "uri_bytes", To: table.One(kinds.Size.Between("256B", "48KiB"), func(l *ListenerLimits) *Size { return &l.URIBytes }), Default: "8KiB", Apply: table.NewConnections,
			Doc: "The target in the request line. A longer one is answered 414. It cannot be more than `header_bytes`, and without being written it is not."},
	},
}

// httpMatches are the rows of a route that say which requests it takes.
var httpMatches = []table.Row[Route]{
	{Key: "hosts", To: table.List(kinds.HostName, func(r *Route) *[]string { return &r.Hosts }), Some: true, None: "every host", Apply: table.NewRequests, Only: "http",
		Doc: "Hosts of requests, without port. `*.example.com` is every name that ends in `.example.com`, and not `example.com` itself. The longest suffix wins."},
	{Key: "paths", To: table.List(kinds.PathMatch, func(r *Route) *[]string { return &r.Paths }), Some: true, None: "every path", Apply: table.NewRequests, Only: "http",
		Doc: "Paths of requests, without query: `/exact`, or `/prefix*` for everything that begins with it. An exact path wins, then the longest prefix. Paths are compared in one form, however they are spelt: decoded, without `.`, `..` and repeated slashes. They are passed on as they were sent."},
	{Key: "methods", To: table.List(kinds.Method, func(r *Route) *[]string { return &r.Methods }), Some: true, Most: methodsMax, None: "every method", Apply: table.NewRequests, Only: "http",
		Doc: "Methods of requests, as they are sent: in capitals. `GET` does not take HEAD."},
}

// httpAnswers are those for which no server is asked.
var httpAnswers = []table.Row[Route]{
	{Key: "respond", To: table.Optional(respond, func(r *Route) **Respond { return &r.Respond }), None: "one of the three", Apply: table.NewRequests, Only: "http",
		Doc: "An answer that the proxy gives itself."},
	{Key: "redirect", To: table.Optional(redirect, func(r *Route) **Redirect { return &r.Redirect }), None: "one of the three", Apply: table.NewRequests, Only: "http",
		Doc: "An answer that sends the client elsewhere."},
}

// httpTreatments are those that change a request, its answer, or how they are passed on.
var httpTreatments = []table.Row[Route]{
	{Key: "max_body", To: table.One(literal.Zero(kinds.Size).Between("0", "64TiB"), func(r *Route) *Size { return &r.MaxBody }), Default: "0", Apply: table.NewRequests, Only: "http",
		Doc: "The largest body of a request; a larger one is answered 413. 0 is no limit, which costs nothing where bodies are streamed."},
	{Key: "upgrade", To: table.Switchable(kinds.Upgradable, func(r *Route) *[]string { return &r.Upgrade }), Most: upgradeMax, Default: "websocket", Apply: table.NewRequests, Only: "http",
		Doc: "Protocols that a request may switch to with Upgrade. For any other one the fields are left out, and the request goes on as a normal one. `off` is none."},
	{Key: "connect", To: table.One(kinds.Boolean, func(r *Route) *bool { return &r.Connect }), Default: "false", Apply: table.NewRequests, Only: "http",
		Doc: "Whether CONNECT may pass to the upstream, which decides where it leads."},
	{Key: "via", To: table.One(kinds.Boolean, func(r *Route) *bool { return &r.Via }), Default: "false", Apply: table.NewRequests, Only: "http",
		Doc: "Write the `Via` field, in requests and answers."},
	{Key: "forwarded", To: table.One(kinds.Boolean, func(r *Route) *bool { return &r.Forwarded }), Default: "false", Apply: table.NewRequests, Only: "http",
		Doc: "Write the `Forwarded` field (RFC 7239) beside `X-Forwarded-For`, `-Proto`, `-Host` and `-Port`."},
	{Key: "headers", To: table.Group(headerRules, func(r *Route) *HeaderRules { return &r.Headers }), Apply: table.NewRequests, Only: "http",
		Doc: "Changes to header fields. Framing and hop-by-hop fields are the proxy's own and cannot be named."},
	{Key: "rewrite", To: table.Group(rewrite, func(r *Route) *Rewrite { return &r.Rewrite }), Apply: table.NewRequests, Only: "http",
		Doc: "Changes to requests before they go to the upstream."},
	{Key: "buffer", To: table.Group(buffer, func(r *Route) *Buffer { return &r.Buffer }), Apply: table.NewRequests, Only: "http",
		Doc: "How much of a body is collected before it is passed on. What is larger is streamed from there on."},
	{Key: "retry", To: table.Group(retry, func(r *Route) *Retry { return &r.Retry }), Apply: table.NewRequests, Only: "http",
		Doc: "When a request is sent once more, to another server: only while no byte of an answer has gone to the client, and only if it does no harm, because the method is idempotent, or no byte has reached the server. Its body must still be here: see `buffer`. nginx calls this `proxy_next_upstream`, HAProxy `retry-on`. A `tcp` connection is tried on other servers until one accepts it, without any of this."},
}

var retry = &table.Of[Retry]{
	At:      func(r *Retry) *Position { return &r.At },
	Foreign: foreign.Retry,
	Rows: []table.Row[Retry]{
		{Key: "attempts", To: table.One(kinds.Count.Between("0", "10"), func(r *Retry) *int { return &r.Attempts }), Default: "1", Apply: table.NewRequests,
			Doc: "How often a request is sent again after the first time. 0 is never."},
		{Key: "on", To: table.Words(kinds.RetryCause, (*Retry).after), Some: true, Most: statusesMax, Default: "connect, reset, timeout, marked_down, 502, 503", Apply: table.NewRequests,
			Doc: "After what: `connect`, the server was not reached; `reset`, it closed the connection before it answered; `timeout`, `timeouts.first_byte` has passed; `marked_down`, it was taken out by its check while the request waited for its answer; or a status that it answered."},
		{Key: "budget", To: table.One(literal.Zero(kinds.Percent).Between("0%", "100%"), func(r *Retry) *int { return &r.Budget }), Default: "20%", Apply: table.NewRequests,
			Doc: "How much of the load of the last 10 s on the upstream may be such requests, and never less than 3 of them: when many fail, asking everything twice would make it worse."},
	},
}

var respond = &table.Of[Respond]{
	At: func(r *Respond) *Position { return &r.At },
	Rows: []table.Row[Respond]{
		{Key: "status", To: table.One(kinds.Count.Between("200", "599"), func(r *Respond) *int { return &r.Status }), Default: "200", Apply: table.NewRequests,
			Doc: "The status of the answer."},
		{Key: "body", To: table.One(kinds.Body, func(r *Respond) *string { return &r.Body }), None: "empty", Apply: table.NewRequests,
			Doc: "The body of the answer, with placeholders. None is allowed with 204, 205 and 304."},
		{Key: "headers", To: table.Fields(kinds.ResponseField, kinds.FieldValue, true, func(r *Respond) *[]HeaderValue { return &r.Headers }), None: "none", Apply: table.NewRequests,
			Doc: "Fields of the answer, with placeholders. Nothing but `Content-Length` and `Date` is added to them."},
	},
}

var redirect = &table.Of[Redirect]{
	At: func(r *Redirect) *Position { return &r.At },
	Rows: []table.Row[Redirect]{
		{Key: "to", To: table.One(kinds.Location, func(r *Redirect) *string { return &r.To }), Need: true, Apply: table.NewRequests,
			Doc: "The `Location` field, with placeholders. It begins with a slash, or with a scheme and a host, so that no client can choose where it leads."},
		{Key: "status", To: table.One(kinds.RedirectStatus, func(r *Redirect) *int { return &r.Status }), Default: "308", Apply: table.NewRequests,
			Doc: "301 and 308 are for good, 302 and 307 for now; 307 and 308 keep the method, 303 makes it GET."},
	},
}

var headerRules = &table.Of[HeaderRules]{Rows: []table.Row[HeaderRules]{
	{Key: "request", To: table.Group(headerEdits(kinds.RequestField), func(h *HeaderRules) *HeaderEdits { return &h.Request }), Apply: table.NewRequests,
		Doc: "Changes to requests, after the proxy's own fields are written: first `remove`, then `set`, then `add`."},
	{Key: "response", To: table.Group(headerEdits(kinds.ResponseField), func(h *HeaderRules) *HeaderEdits { return &h.Response }), Apply: table.NewRequests,
		Doc: "Changes to answers, in the same order: answers of servers, of `respond` and of `redirect`."},
}}

// headerEdits are the changes to one head, of fields that name allows.
func headerEdits(name literal.Kind[string]) *table.Of[HeaderEdits] {
	return &table.Of[HeaderEdits]{Rows: []table.Row[HeaderEdits]{
		{Key: "set", To: table.Fields(name, kinds.FieldValue, false, func(h *HeaderEdits) *[]HeaderValue { return &h.Set }), None: "none", Apply: table.NewRequests,
			Doc: "Fields that replace all others of their name. Values may hold placeholders."},
		{Key: "add", To: table.Fields(name, kinds.FieldValue, true, func(h *HeaderEdits) *[]HeaderValue { return &h.Add }), None: "none", Apply: table.NewRequests,
			Doc: "Fields that come after those that are there. Values may hold placeholders."},
		{Key: "remove", To: table.List(name, func(h *HeaderEdits) *[]string { return &h.Remove }), None: "none", Apply: table.NewRequests,
			Doc: "Names of fields that are left out."},
	}}
}

var rewrite = &table.Of[Rewrite]{Rows: []table.Row[Rewrite]{
	{Key: "strip_prefix", To: table.One(kinds.PathPrefix, func(r *Rewrite) *string { return &r.StripPrefix }), None: "nothing", Apply: table.NewRequests,
		Doc: "Taken away from the beginning of the path: `/v1` makes `/v1/a` into `/a` and `/v1` into `/`. A path that begins differently, also `/v1a`, stays as it is."},
	{Key: "host", To: table.One(kinds.NewHost, func(r *Rewrite) *string { return &r.Host }), None: "as sent", Apply: table.NewRequests,
		Doc: "The `Host` field of the request. `X-Forwarded-Host` keeps the client's."},
}}

var buffer = &table.Of[Buffer]{Rows: []table.Row[Buffer]{
	{Key: "request", To: table.One(literal.Zero(kinds.Size).Between("0", "16MiB"), func(b *Buffer) *Size { return &b.Request }), Default: "0", Apply: table.NewRequests,
		Doc: "Of a request. 0 is to stream it."},
	{Key: "response", To: table.One(literal.Zero(kinds.Size).Between("0", "16MiB"), func(b *Buffer) *Size { return &b.Response }), Default: "0", Apply: table.NewRequests,
		Doc: "Of an answer. 0 is to stream it."},
}}
