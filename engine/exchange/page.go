package exchange

// Answers that the proxy gives by itself: fixed ones, and error pages that say that it is the proxy who speaks.

import (
	"bytes"
	"strconv"
	"time"

	"sluice/engine/flow"
)

// memory is the source of a body that lies in memory.
type memory struct{ rest []byte }

// Proceed implements flow.Source.
func (m *memory) Proceed(f *flow.Flow) { f.Send(flow.Chunk{Bytes: m.rest}, true) }

// Stop implements flow.Source.
func (m *memory) Stop(*flow.Flow, error) {}

// Reply answers with the head in x.Response, and body, which must not change until the exchange is over. The length is
// set; HEAD gets the head only.
func (x *Exchange) Reply(body []byte) {
	if !x.Response.Has(Date) {
		x.Response.AddSpan(Date, x.Response.StoreString("Date"), x.Response.Scratch(x.appendDate))
	}
	x.ResponseBody = int64(len(body))
	x.Switching = false
	switch status := x.Response.Status; {
	case status == 204 || status == 304:
		x.Bodiless, x.ResponseBody = true, 0
		x.Answer(nil)
	case x.IsHead():
		x.Bodiless = true
		x.Response.SetString("Content-Length", strconv.Itoa(len(body)))
		x.Answer(nil)
	case len(body) == 0:
		x.Bodiless = false
		x.Answer(nil)
	default:
		x.Bodiless = false
		x.reply.rest = body
		x.Answer(&x.reply)
	}
}

// appendDate appends the present time as answers tell it (RFC 9110, section 6.6.1): whoever makes an answer owes it.
func (x *Exchange) appendDate(dst []byte) []byte {
	const layout = "Mon, 02 Jan 2006 15:04:05 GMT"
	return time.Unix(0, x.loop.Wall()).UTC().AppendFormat(dst, layout)
}

// IsHead reports whether the request's method is HEAD, whose answers have no body.
func (x *Exchange) IsHead() bool { return string(x.Request.Bytes(x.Request.Method)) == "HEAD" }

// causes says in a few words why the proxy answers with a status, for those who see it in a browser.
var causes = map[int]string{
	400: "The proxy does not accept this request.",
	403: "The proxy does not let this client in.",
	404: "No route of the proxy takes this path.",
	408: "The proxy has waited too long for this request.",
	413: "The request's body is larger than the proxy accepts.",
	414: "The request's target is longer than the proxy accepts.",
	417: "The proxy does not know what this request expects.",
	421: "No route of the proxy takes this host.",
	431: "The request's head is larger than the proxy accepts.",
	500: "The proxy has made a mistake.",
	501: "The proxy does not do what this request asks for.",
	502: "The server behind the proxy could not be reached, or gave no valid answer.",
	503: "There is no server behind the proxy that could answer now.",
	504: "The server behind the proxy did not answer in time.",
	505: "The proxy does not speak this version of HTTP here.",
}

// phrases are the reason phrases of the statuses that the proxy sends by itself.
var phrases = map[int]string{
	400: "Bad Request", 403: "Forbidden", 404: "Not Found", 408: "Request Timeout", 413: "Content Too Large",
	414: "URI Too Long", 417: "Expectation Failed", 421: "Misdirected Request", 431: "Request Header Fields Too Large",
	500: "Internal Server Error", 501: "Not Implemented", 502: "Bad Gateway", 503: "Service Unavailable",
	504: "Gateway Timeout", 505: "HTTP Version Not Supported",
}

// retryAfter is how many seconds a client should wait who comes when everything is taken (RFC 9110, section 10.2.3):
// places become free within moments, or the queue would not be what is full.
const retryAfter = "1"

// errorPage answers with a page about status: as HTML for browsers, as JSON for those who ask for it, else as a line of
// text. Nothing of the request is repeated in it.
func (x *Exchange) errorPage(status int) {
	x.Response.Reset()
	x.Response.Status = status
	x.Response.Reason = x.Response.StoreString(phrases[status])
	accept := x.Request.Value(Accept)
	var page []byte
	var kind string
	switch {
	case bytes.Contains(accept, []byte("text/html")):
		kind, page = "text/html; charset=utf-8", htmlPage(status)
	case bytes.Contains(accept, []byte("json")):
		kind, page = "application/json", jsonPage(status)
	default:
		kind, page = "text/plain; charset=utf-8", textPage(status)
	}
	x.Response.AddString("Content-Type", kind)
	x.Response.AddString("Cache-Control", "no-store")
	if x.failed.Passes() {
		x.Response.AddString("Retry-After", retryAfter)
	}
	x.Reply(page)
}

func title(status int) string { return strconv.Itoa(status) + " " + phrases[status] }

func textPage(status int) []byte {
	return []byte(title(status) + "\n" + causes[status] + " (sluice)\n")
}

func jsonPage(status int) []byte {
	return []byte(`{"status":` + strconv.Itoa(status) + `,"error":"` + phrases[status] + `","detail":"` + causes[status] +
		`","from":"sluice"}` + "\n")
}

func htmlPage(status int) []byte {
	return []byte(`<!doctype html><html lang="en"><head><meta charset="utf-8"><title>` + title(status) +
		`</title><style>body{font:16px/1.5 system-ui,sans-serif;margin:15vh auto;max-width:34em;padding:0 1em;color:#222}` +
		`h1{font-size:1.4em}small{color:#777}@media(prefers-color-scheme:dark){body{background:#111;color:#ddd}}</style>` +
		`</head><body><h1>` + title(status) + `</h1><p>` + causes[status] + `</p><small>sluice</small></body></html>` + "\n")
}
