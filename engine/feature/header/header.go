// Package header changes header fields, of requests on their way to a server and of answers on their way to the client:
//
//	headers: {request: {remove: [X-B], set: {X-A: "{client_ip}"}}, response: {add: {Link: "</a>"}}}
//
// First fields are removed, then set, then added. Values may hold placeholders, which speak of the request as it was sent,
// also in answers, and also if it has been rewritten since.
package header

import (
	"sluice/configs"
	"sluice/engine/exchange"
	"sluice/engine/template"
)

// Compile returns a gate for the request's fields and a stage for the answer's, each nil if there is nothing to change.
func Compile(rules configs.HeaderRules) (exchange.Gate, exchange.Stage) {
	var gate exchange.Gate
	var stage exchange.Stage
	if e := compile(rules.Request); e != nil {
		gate = &requestGate{e}
	}
	if e := compile(rules.Response); e != nil {
		stage = &responseStage{e}
	}
	return gate, stage
}

// edits are the changes to one head. They never change.
type edits struct {
	remove []string
	set    []edit
	add    []edit
}

// edit is one field to be written.
type edit struct {
	name  string
	id    exchange.ID
	value template.Template
}

func compile(from configs.HeaderEdits) *edits {
	if len(from.Remove)+len(from.Set)+len(from.Add) == 0 {
		return nil
	}
	return &edits{remove: from.Remove, set: compileAll(from.Set), add: compileAll(from.Add)}
}

func compileAll(from []configs.HeaderValue) (all []edit) {
	for _, f := range from {
		all = append(all, edit{f.Name, exchange.Known(f.Name), template.Compile(f.Value)})
	}
	return all
}

// apply changes h, a head of x.
func (e *edits) apply(x *exchange.Exchange, h *exchange.Head) {
	for _, name := range e.remove {
		h.Remove(name)
	}
	for i := range e.set {
		f := &e.set[i]
		if text, ok := f.value.Fixed(); ok {
			h.SetString(f.name, text)
		} else {
			h.Set(f.name, h.Bytes(f.render(x, h)))
		}
	}
	for i := range e.add {
		f := &e.add[i]
		name := h.StoreString(f.name)
		h.AddSpan(f.id, name, f.render(x, h))
	}
}

// render writes the value into h's arena.
func (f *edit) render(x *exchange.Exchange, h *exchange.Head) exchange.Span {
	return h.Scratch(func(dst []byte) []byte { return f.value.Append(dst, x, template.Field) })
}
