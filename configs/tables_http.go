package configs

// The rows that mean something on http listeners only, and the objects below them.

import (
	"sluice/configs/foreign"
	"sluice/configs/literal"
)

var listenerLimits = &table[ListenerLimits]{
	at: func(l *ListenerLimits) *Position { return &l.At },
	rows: []row[ListenerLimits]{
		{key: "header_bytes", to: one(size.Between("1KiB", "48KiB"), func(l *ListenerLimits) *Size { return &l.HeaderBytes }), def: "16KiB", apply: newConnections,
			doc: "The whole head: request line and fields. A larger one is answered 431."},
		{key: "header_count", to: one(count.Between("8", "1000"), func(l *ListenerLimits) *int { return &l.HeaderCount }), def: "128", apply: newConnections,
			doc: "Fields in the head. More are answered 431."},
		{key: "uri_bytes", to: one(size.Between("256B", "48KiB"), func(l *ListenerLimits) *Size { return &l.URIBytes }), def: "8KiB", apply: newConnections,
			doc: "The target in the request line. A longer one is answered 414. It cannot be more than `header_bytes`, and without being written it is not."},
	},
}

// httpMatches are the rows of a route that say which requests it takes.
var httpMatches = []row[Route]{
	{key: "hosts", to: list(hostName, func(r *Route) *[]string { return &r.Hosts }), some: true, none: "every host", apply: newConnections, only: "http",
		doc: "Hosts of requests, without port. `*.example.com` is every name that ends in `.example.com`, and not `example.com` itself. The longest suffix wins."},
	{key: "paths", to: list(pathMatch, func(r *Route) *[]string { return &r.Paths }), some: true, none: "every path", apply: newConnections, only: "http",
		doc: "Paths of requests, without query: `/exact`, or `/prefix*` for everything that begins with it. An exact path wins, then the longest prefix. Paths are compared in one form, however they are spelt: decoded, without `.`, `..` and repeated slashes. They are passed on as they were sent."},
	{key: "methods", to: list(method, func(r *Route) *[]string { return &r.Methods }), some: true, most: methodsMax, none: "every method", apply: newConnections, only: "http",
		doc: "Methods of requests, as they are sent: in capitals. `GET` does not take HEAD."},
}

// httpAnswers are those for which no server is asked.
var httpAnswers = []row[Route]{
	{key: "respond", to: optional(respond, func(r *Route) **Respond { return &r.Respond }), none: "one of the three", apply: newConnections, only: "http",
		doc: "An answer that the proxy gives itself."},
	{key: "redirect", to: optional(redirect, func(r *Route) **Redirect { return &r.Redirect }), none: "one of the three", apply: newConnections, only: "http",
		doc: "An answer that sends the client elsewhere."},
}

// httpTreatments are those that change a request, its answer, or how they are passed on.
var httpTreatments = []row[Route]{
	{key: "max_body", to: one(literal.Zero(size).Between("0", "64TiB"), func(r *Route) *Size { return &r.MaxBody }), def: "0", apply: newConnections, only: "http",
		doc: "The largest body of a request; a larger one is answered 413. 0 is no limit, which costs nothing where bodies are streamed."},
	{key: "upgrade", to: switchable(upgradable, func(r *Route) *[]string { return &r.Upgrade }), most: upgradeMax, def: "websocket", apply: newConnections, only: "http",
		doc: "Protocols that a request may switch to with Upgrade. For any other one the fields are left out, and the request goes on as a normal one. `off` is none."},
	{key: "connect", to: one(boolean, func(r *Route) *bool { return &r.Connect }), def: "false", apply: newConnections, only: "http",
		doc: "Whether CONNECT may pass to the upstream, which decides where it leads."},
	{key: "via", to: one(boolean, func(r *Route) *bool { return &r.Via }), def: "false", apply: newConnections, only: "http",
		doc: "Write the `Via` field, in requests and answers."},
	{key: "forwarded", to: one(boolean, func(r *Route) *bool { return &r.Forwarded }), def: "false", apply: newConnections, only: "http",
		doc: "Write the `Forwarded` field (RFC 7239) beside `X-Forwarded-For`, `-Proto`, `-Host` and `-Port`."},
	{key: "headers", to: group(headerRules, func(r *Route) *HeaderRules { return &r.Headers }), apply: newConnections, only: "http",
		doc: "Changes to header fields. Framing and hop-by-hop fields are the proxy's own and cannot be named."},
	{key: "rewrite", to: group(rewrite, func(r *Route) *Rewrite { return &r.Rewrite }), apply: newConnections, only: "http",
		doc: "Changes to requests before they go to the upstream."},
	{key: "buffer", to: group(buffer, func(r *Route) *Buffer { return &r.Buffer }), apply: newConnections, only: "http",
		doc: "How much of a body is collected before it is passed on. What is larger is streamed from there on."},
	{key: "retry", to: group(retry, func(r *Route) *Retry { return &r.Retry }), apply: newConnections, only: "http",
		doc: "When a request is sent once more, to another server: only while no byte of an answer has gone to the client, and only if it does no harm, because the method is idempotent, or no byte has reached the server. Its body must still be here: see `buffer`. nginx calls this `proxy_next_upstream`, HAProxy `retry-on`. A `tcp` connection is tried on other servers until one accepts it, without any of this."},
}

var retry = &table[Retry]{
	at:      func(r *Retry) *Position { return &r.At },
	foreign: foreign.Retry,
	rows: []row[Retry]{
		{key: "attempts", to: one(count.Between("0", "10"), func(r *Retry) *int { return &r.Attempts }), def: "1", apply: newConnections,
			doc: "How often a request is sent again after the first time. 0 is never."},
		{key: "on", to: causes(retryCause, func(r *Retry) *Retry { return r }), some: true, most: statusesMax, def: "connect, reset, timeout, marked_down, 502, 503", apply: newConnections,
			doc: "After what: `connect`, the server was not reached; `reset`, it closed the connection before it answered; `timeout`, `timeouts.first_byte` has passed; `marked_down`, it was taken out by its check while the request waited for its answer; or a status that it answered."},
		{key: "budget", to: one(literal.Zero(percent).Between("0%", "100%"), func(r *Retry) *int { return &r.Budget }), def: "20%", apply: newConnections,
			doc: "How much of the load of the last 10 s on the upstream may be such requests, and never less than 3 of them: when many fail, asking everything twice would make it worse."},
	},
}

var respond = &table[Respond]{
	at: func(r *Respond) *Position { return &r.At },
	rows: []row[Respond]{
		{key: "status", to: one(count.Between("200", "599"), func(r *Respond) *int { return &r.Status }), def: "200", apply: newConnections,
			doc: "The status of the answer."},
		{key: "body", to: one(body, func(r *Respond) *string { return &r.Body }), none: "empty", apply: newConnections,
			doc: "The body of the answer, with placeholders. None is allowed with 204, 205 and 304."},
		{key: "headers", to: fields(responseField, fieldValue, true, func(r *Respond) *[]HeaderValue { return &r.Headers }), none: "none", apply: newConnections,
			doc: "Fields of the answer, with placeholders. Nothing but `Content-Length` and `Date` is added to them."},
	},
}

var redirect = &table[Redirect]{
	at: func(r *Redirect) *Position { return &r.At },
	rows: []row[Redirect]{
		{key: "to", to: one(location, func(r *Redirect) *string { return &r.To }), need: true, apply: newConnections,
			doc: "The `Location` field, with placeholders. It begins with a slash, or with a scheme and a host, so that no client can choose where it leads."},
		{key: "status", to: one(redirectStatus, func(r *Redirect) *int { return &r.Status }), def: "308", apply: newConnections,
			doc: "301 and 308 are for good, 302 and 307 for now; 307 and 308 keep the method, 303 makes it GET."},
	},
}

var headerRules = &table[HeaderRules]{rows: []row[HeaderRules]{
	{key: "request", to: group(headerEdits(requestField), func(h *HeaderRules) *HeaderEdits { return &h.Request }), apply: newConnections,
		doc: "Changes to requests, after the proxy's own fields are written: first `remove`, then `set`, then `add`."},
	{key: "response", to: group(headerEdits(responseField), func(h *HeaderRules) *HeaderEdits { return &h.Response }), apply: newConnections,
		doc: "Changes to answers, in the same order: answers of servers, of `respond` and of `redirect`."},
}}

// headerEdits are the changes to one head, of fields that name allows.
func headerEdits(name kind[string]) *table[HeaderEdits] {
	return &table[HeaderEdits]{rows: []row[HeaderEdits]{
		{key: "set", to: fields(name, fieldValue, false, func(h *HeaderEdits) *[]HeaderValue { return &h.Set }), none: "none", apply: newConnections,
			doc: "Fields that replace all others of their name. Values may hold placeholders."},
		{key: "add", to: fields(name, fieldValue, true, func(h *HeaderEdits) *[]HeaderValue { return &h.Add }), none: "none", apply: newConnections,
			doc: "Fields that come after those that are there. Values may hold placeholders."},
		{key: "remove", to: list(name, func(h *HeaderEdits) *[]string { return &h.Remove }), none: "none", apply: newConnections,
			doc: "Names of fields that are left out."},
	}}
}

var rewrite = &table[Rewrite]{rows: []row[Rewrite]{
	{key: "strip_prefix", to: one(pathPrefix, func(r *Rewrite) *string { return &r.StripPrefix }), none: "nothing", apply: newConnections,
		doc: "Taken away from the beginning of the path: `/v1` makes `/v1/a` into `/a` and `/v1` into `/`. A path that begins differently, also `/v1a`, stays as it is."},
	{key: "host", to: one(newHost, func(r *Rewrite) *string { return &r.Host }), none: "as sent", apply: newConnections,
		doc: "The `Host` field of the request. `X-Forwarded-Host` keeps the client's."},
}}

var buffer = &table[Buffer]{rows: []row[Buffer]{
	{key: "request", to: one(literal.Zero(size).Between("0", "16MiB"), func(b *Buffer) *Size { return &b.Request }), def: "0", apply: newConnections,
		doc: "Of a request. 0 is to stream it."},
	{key: "response", to: one(literal.Zero(size).Between("0", "16MiB"), func(b *Buffer) *Size { return &b.Response }), def: "0", apply: newConnections,
		doc: "Of an answer. 0 is to stream it."},
}}
