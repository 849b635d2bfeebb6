package rewrite

import (
	"bytes"

	"sluice/engine/exchange"
	"sluice/engine/template"
)

type gate struct {
	prefix  []byte // begins with a slash, does not end with one; empty strips nothing
	host    template.Template
	newHost bool
}

// Check implements exchange.Gate. The record keeps what was sent: it goes into the log, and placeholders speak of it. A
// CONNECT has no path, and its target is its host: it names what the server has to connect to, not the server.
func (g *gate) Check(x *exchange.Exchange) exchange.Verdict {
	if x.Connect {
		return exchange.Next
	}
	if len(g.prefix) > 0 {
		g.strip(x)
	}
	if g.newHost {
		g.rename(x)
	}
	return exchange.Next
}

// strip takes the prefix away. What is left begins with one slash: with two it would name a host to some servers.
func (g *gate) strip(x *exchange.Exchange) {
	h := &x.Request
	target := h.Bytes(h.Target)
	rest, ok := bytes.CutPrefix(target, g.prefix)
	if !ok || len(rest) > 0 && rest[0] != '/' && rest[0] != '?' {
		return
	}
	x.Record.Target = target
	for len(rest) > 1 && rest[0] == '/' && rest[1] == '/' {
		rest = rest[1:]
	}
	if len(rest) > 0 && rest[0] == '/' {
		skip := uint32(len(target) - len(rest))
		h.Target = exchange.Span{At: h.Target.At + skip, Len: h.Target.Len - skip}
		return
	}
	h.Target = h.StoreString("/")
	h.Target.Len += h.Store(rest).Len
}

// rename gives the request another host. Without a host to make it from, it keeps what it has.
func (g *gate) rename(x *exchange.Exchange) {
	h := &x.Request
	name := h.Scratch(func(dst []byte) []byte { return g.host.Append(dst, x, template.Field) })
	if name.Len == 0 {
		return
	}
	x.Record.Host = h.Bytes(h.Authority)
	h.Authority = name
	h.Set("Host", h.Bytes(name))
}
