package redirect

import (
	"sluice/engine/exchange"
	"sluice/engine/record"
	"sluice/engine/template"
)

type handler struct {
	status    int
	to        template.Template
	body      []byte
	needsHost bool // {host} is in to
}

// Serve implements exchange.Handler. A request of HTTP/1.0 may name no host; where Location needs it, there is no answer.
func (r *handler) Serve(x *exchange.Exchange) {
	h := &x.Response
	if r.needsHost && !template.HasHost(x) {
		x.Fail(record.BadRequest, "no host to redirect to", nil)
		return
	}
	name := h.StoreString("Location")
	h.AddSpan(exchange.Location, name, h.Scratch(func(dst []byte) []byte { return r.to.Append(dst, x, template.URI) }))
	h.AddString("Content-Type", "text/plain; charset=utf-8")
	h.Status = r.status
	x.Reply(r.body)
}
