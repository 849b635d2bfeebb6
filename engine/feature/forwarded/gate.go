package forwarded

// The gate, and what it writes. New fields are laid into the arena as whole lines of HTTP/1, as those that came that way: its
// encoder then copies all four at once. Nobody else sees more of it than the spans.

import (
	"strconv"

	"sluice/engine/exchange"
	"sluice/engine/route"
	"sluice/engine/template"
)

type gate struct {
	trusted   *route.Prefixes
	forwarded bool // write Forwarded
	via       bool // write Via
}

// addrMax is the length of the longest address (RFC 4291: eight groups of four digits), with room to spare; portMax likewise.
const (
	addrMax = 48
	portMax = 8
)

// Check implements exchange.Gate.
func (g *gate) Check(x *exchange.Exchange) exchange.Verdict {
	x.Client = x.Peer
	if g.trusted.Contains(x.Peer.Addr()) {
		g.believe(x)
	} else {
		g.overwrite(x)
	}
	if g.via {
		addVia(&x.Request, x.Record.Version)
	}
	return exchange.Next
}

// overwrite makes what the server hears of its client the truth as it is seen from here. The peer of a unix socket has no
// address: nothing is written of it, and nothing is left of what it claims.
func (g *gate) overwrite(x *exchange.Exchange) {
	h := &x.Request
	h.Drop(exchange.XForwardedFor)
	h.Drop(exchange.XForwardedProto)
	h.Drop(exchange.XForwardedHost)
	h.Drop(exchange.XForwardedPort)
	h.Drop(exchange.Forwarded)
	if x.Peer.IsValid() {
		var text [addrMax]byte
		addLine(h, exchange.XForwardedFor, forName, template.AppendAddr(text[:0], x.Peer.Addr()))
	}
	addRest(x)
	if g.forwarded {
		var element [elementUsual]byte
		addLine(h, exchange.Forwarded, forwardedName, appendElement(element[:0], x))
	}
}

// believe lets a trusted peer say who the client is, and adds the peer to the list. What it says about the scheme counts
// for us, too; the host does not, because the route has been found by the request's own.
func (g *gate) believe(x *exchange.Exchange) {
	h := &x.Request
	switch {
	case h.Has(exchange.XForwardedFor):
		x.Client = g.walk(h, exchange.XForwardedFor, x.Peer)
	case h.Has(exchange.Forwarded):
		x.Client = g.walk(h, exchange.Forwarded, x.Peer)
		if x.Client != x.Peer { // servers that know X-Forwarded-For only must not take the proxy for the client
			var text [addrMax]byte
			extend(h, exchange.XForwardedFor, forName, template.AppendAddr(text[:0], x.Client.Addr()))
		}
	}
	var text [addrMax]byte
	extend(h, exchange.XForwardedFor, forName, template.AppendAddr(text[:0], x.Peer.Addr()))
	if g.forwarded {
		var element [elementUsual]byte
		extend(h, exchange.Forwarded, forwardedName, appendElement(element[:0], x))
	}
	addRest(x)
	believeScheme(x)
}

// believeScheme takes over the scheme that a trusted peer names, if it is one and named once.
func believeScheme(x *exchange.Exchange) {
	h := &x.Request
	at := h.Index(exchange.XForwardedProto)
	for _, f := range h.Fields()[at+1:] {
		if f.ID == exchange.XForwardedProto && !f.Gone {
			return
		}
	}
	switch string(h.Bytes(h.Fields()[at].Value)) {
	case "http":
		x.Scheme = "http"
	case "https":
		x.Scheme = "https"
	}
}

// The beginnings of the lines.
const (
	forName       = "X-Forwarded-For: "
	protoName     = "X-Forwarded-Proto: "
	hostName      = "X-Forwarded-Host: "
	portName      = "X-Forwarded-Port: "
	forwardedName = "Forwarded: "
	viaName       = "Via: "
)

// addRest adds those of -Proto, -Host and -Port that are not there.
func addRest(x *exchange.Exchange) {
	h := &x.Request
	if !h.Has(exchange.XForwardedProto) {
		begin := h.StoreString(protoName)
		endLine(h, exchange.XForwardedProto, begin, h.StoreString(x.Scheme))
	}
	if host := h.Bytes(h.Authority); len(host) > 0 && !h.Has(exchange.XForwardedHost) {
		addLine(h, exchange.XForwardedHost, hostName, host)
	}
	if x.Port != 0 && !h.Has(exchange.XForwardedPort) {
		var text [portMax]byte
		addLine(h, exchange.XForwardedPort, portName, strconv.AppendUint(text[:0], uint64(x.Port), 10))
	}
}

// addLine adds a field; begin is its name, a colon and a space.
func addLine(h *exchange.Head, id exchange.ID, begin string, value []byte) {
	at := h.StoreString(begin)
	endLine(h, id, at, h.Store(value))
}

// endLine ends the line that begin and value lie in, and makes it a field.
func endLine(h *exchange.Head, id exchange.ID, begin, value exchange.Span) {
	h.StoreString("\r\n")
	begin.Len -= uint32(len(": "))
	h.AddSpan(id, begin, value)
}

// extend appends last to a list: all fields of it become one, in order, in the place of the first.
func extend(h *exchange.Head, id exchange.ID, begin string, last []byte) {
	first := h.Index(id)
	if first < 0 {
		addLine(h, id, begin, last)
		return
	}
	fields := h.Fields()
	joined := h.Scratch(func(dst []byte) []byte {
		for i := range fields[first:] {
			f := &fields[first+i]
			if f.ID != id || f.Gone {
				continue
			}
			f.Gone = true
			if f.Value.Len > 0 {
				dst = append(append(dst, h.Bytes(f.Value)...), ", "...)
			}
		}
		return append(dst, last...)
	})
	fields[first].Gone = false
	fields[first].Value = joined
}
