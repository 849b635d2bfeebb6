// Package redirect sends clients elsewhere:
//
//	redirect: {to: "https://new.example.com{uri}", status: 308}
//
// The loader has seen to it that Location begins with a slash, or with a scheme and a host that no client can choose. What a
// client has sent is encoded where a URI could not have it, so that Location is always one.
package redirect

import (
	"sluice/configs"
	"sluice/engine/exchange"
	"sluice/engine/template"
)

// Compile returns the handler. Its body is for people whose program does not follow: it repeats nothing of the request.
func Compile(from *configs.Redirect) exchange.Handler {
	h := &handler{status: from.Status, to: template.Compile(from.To), body: []byte(bodies[from.Status])}
	for _, part := range configs.Template(from.To) {
		h.needsHost = h.needsHost || part.Name == "host"
	}
	return h
}

var bodies = map[int]string{
	301: "301 Moved Permanently\n", 302: "302 Found\n", 303: "303 See Other\n",
	307: "307 Temporary Redirect\n", 308: "308 Permanent Redirect\n",
}
