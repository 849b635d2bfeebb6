// Package template renders texts that hold placeholders for parts of a request:
//
//	t := template.Compile("https://new.example.com{uri}")
//	dst = t.Append(dst, x, template.URI)   // https://new.example.com/a?b=c
//
//	{host}       the host as routes compare it: lower case, without port; "" if the request names none
//	{path}       the path as it was sent; "/" if the target has none ("*", or a CONNECT's authority)
//	{query}      what follows the "?", without it
//	{uri}        path and query as they were sent
//	{client_ip}  who asks, believed proxies left out; "" for the peer of a unix socket
//	{scheme}     http or https
//
// They speak of the request that the client sent, whatever a gate has made of it since. The text between them is the
// configuration's and goes out as it is written; what comes from a client cannot break out of the place it is put in: a
// byte that does not belong there is percent-encoded.
package template

import (
	"bytes"
	"net/netip"

	"sluice/configs"
	"sluice/engine/exchange"
	"sluice/engine/route"
)

// Template is a compiled text. It never changes; the zero Template is the empty text.
type Template struct {
	pieces []piece
}

// piece is a literal text, or what append adds of the request.
type piece struct {
	text   string
	append func(dst []byte, x *exchange.Exchange, where Place) []byte
}

// placeholders are those of configs.Template, and what becomes of each.
var placeholders = map[string]func([]byte, *exchange.Exchange, Place) []byte{
	"host": appendHost, "path": appendPath, "query": appendQuery, "uri": appendURI,
	"client_ip": appendClient, "scheme": appendScheme,
}

// Compile reads text. The loader of the configuration has refused unknown placeholders; one that is found here is a
// programming error and panics.
func Compile(text string) Template {
	var t Template
	for _, part := range configs.Template(text) {
		p := piece{text: part.Text, append: placeholders[part.Name]}
		if part.Name != "" && p.append == nil {
			panic("template: unknown placeholder {" + part.Name + "}")
		}
		t.pieces = append(t.pieces, p)
	}
	return t
}

// Fixed returns the text if it has no placeholders.
func (t Template) Fixed() (text string, ok bool) {
	switch {
	case len(t.pieces) == 0:
		return "", true
	case len(t.pieces) == 1 && t.pieces[0].append == nil:
		return t.pieces[0].text, true
	}
	return "", false
}

// Append appends the text as it is for x, fit for where. It allocates only what dst lacks.
func (t Template) Append(dst []byte, x *exchange.Exchange, where Place) []byte {
	for i := range t.pieces {
		if p := &t.pieces[i]; p.append != nil {
			dst = p.append(dst, x, where)
		} else {
			dst = append(dst, p.text...)
		}
	}
	return dst
}

// HasHost reports whether {host} is more than an empty text for x: requests of HTTP/1.0 may name none.
func HasHost(x *exchange.Exchange) bool {
	var host [hostMax]byte
	return len(appendHost(host[:0], x, Field)) > 0
}

func appendHost(dst []byte, x *exchange.Exchange, _ Place) []byte {
	authority := x.Record.Host
	if authority == nil {
		authority = x.Request.Bytes(x.Request.Authority)
	}
	var lower [hostMax]byte
	host, _ := route.NormalHost(lower[:0], authority) // nothing but letters, digits and -_.:[] is left of it
	return append(dst, host...)
}

// hostMax is the most bytes route.NormalHost returns.
const hostMax = 255

// target is the request's as it was sent: the record has it from the gate that has rewritten it.
func target(x *exchange.Exchange) []byte {
	if x.Record.Target != nil {
		return x.Record.Target
	}
	return x.Request.Bytes(x.Request.Target)
}

// isPath reports whether a target has the origin form. The others have no path, and put behind a host they would change it.
func isPath(target []byte) bool { return len(target) > 0 && target[0] == '/' }

func appendURI(dst []byte, x *exchange.Exchange, where Place) []byte {
	uri := target(x)
	if !isPath(uri) {
		return append(dst, '/')
	}
	return appendSafe(dst, uri, where)
}

func appendPath(dst []byte, x *exchange.Exchange, where Place) []byte {
	uri := target(x)
	if !isPath(uri) {
		return append(dst, '/')
	}
	path, _, _ := bytes.Cut(uri, questionMark)
	return appendSafe(dst, path, where)
}

func appendQuery(dst []byte, x *exchange.Exchange, where Place) []byte {
	_, query, _ := bytes.Cut(target(x), questionMark)
	return appendSafe(dst, query, where)
}

var questionMark = []byte("?")

func appendClient(dst []byte, x *exchange.Exchange, _ Place) []byte {
	return AppendAddr(dst, x.Client.Addr())
}

// AppendAddr appends an address as other machines write it: unmapped, without a zone, which means something here only. Of
// the zero Addr it appends nothing.
func AppendAddr(dst []byte, addr netip.Addr) []byte {
	addr = addr.Unmap()
	if addr.Is6() {
		addr = addr.WithZone("")
	}
	return addr.AppendTo(dst)
}

func appendScheme(dst []byte, x *exchange.Exchange, _ Place) []byte { return append(dst, x.Scheme...) }
