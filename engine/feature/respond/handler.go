package respond

import (
	"sluice/engine/exchange"
	"sluice/engine/template"
)

type handler struct {
	status int
	fields []field
	body   template.Template
	text   []byte // the body, if it is fixed
	fixed  bool
}

// field is one of the answer's.
type field struct {
	name  string
	id    exchange.ID
	value template.Template
}

// Serve implements exchange.Handler. A body that has to be made lies behind the fields, in the head's arena: what has been
// written there stays as it is until the head is used again.
func (a *handler) Serve(x *exchange.Exchange) {
	h := &x.Response
	h.Status = a.status
	for i := range a.fields {
		f := &a.fields[i]
		name := h.StoreString(f.name)
		h.AddSpan(f.id, name, write(x, f.value, template.Field))
	}
	if a.fixed {
		x.Reply(a.text)
		return
	}
	x.Reply(h.Bytes(write(x, a.body, template.Body)))
}

// write renders t into the answer's arena.
func write(x *exchange.Exchange, t template.Template, where template.Place) exchange.Span {
	return x.Response.Scratch(func(dst []byte) []byte { return t.Append(dst, x, where) })
}
