// Package respond answers requests with what the configuration says:
//
//	respond: {status: 200, body: "ok\n", headers: {Content-Type: text/plain}}
//
// A body without placeholders is sent from where it lies, without a copy.
package respond

import (
	"sluice/configs"
	"sluice/engine/exchange"
	"sluice/engine/template"
)

// Compile returns the handler for an answer, which the loader has checked: no body where the status allows none.
func Compile(from *configs.Respond) exchange.Handler {
	h := &handler{status: from.Status, body: template.Compile(from.Body)}
	if text, ok := h.body.Fixed(); ok {
		h.fixed, h.text = true, []byte(text)
	}
	for _, f := range from.Headers {
		h.fields = append(h.fields, field{f.Name, exchange.Known(f.Name), template.Compile(f.Value)})
	}
	return h
}
