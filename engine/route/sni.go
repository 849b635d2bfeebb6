// Package route decides where something goes by its name, as pure tables compiled once and read by every loop.
//
// This file matches TLS connections by the server name and the protocols (ALPN) of their ClientHello. Rules are compiled into maps, one
// entry per name pattern, and a lookup goes from the most to the least specific pattern until one accepts the client's protocols:
//
//	a.b.example.com  →  "a.b.example.com"  →  "*.b.example.com"  →  "*.example.com"  →  "*.com"  →  "*"  →  the catch-all
//	no server name   →  ""                                                                       →  "*"  →  the catch-all
//
// "*.b" stands for one or more labels before ".b" and never for "b" itself. Within one pattern a rule that lists one of the client's
// protocols comes before one that lists none; if several do, the client's order decides, as TLS servers are free to but seldom do.
package route

import (
	"bytes"
	"strings"
)

// Rule is one route of a listener as the user wrote it.
type Rule[T any] struct {
	Name  string   // shows in conflicts
	SNI   []string // "a.example", "*.example", "*" = any TLS hello, "" = a hello without a name; no SNI and no ALPN = every connection
	ALPN  []string // at least one of them must be offered; none = any; without SNI it means SNI "*"
	Value T
}

// Query is what a ClientHello asks for. Both slices are only read.
type Query struct {
	Name []byte // validated, in lower case, without a final dot; empty when the client sent none
	ALPN []byte // offered protocols in wire form: each name behind its length byte (RFC 7301, 3.1)
}

// Table finds the value of the most specific rule. It is immutable and safe for any number of readers; a lookup does not allocate.
type Table[T any] struct {
	exact    map[string]*entry[T]
	suffixes map[string]*entry[T] // "*.example" under "example"
	longest  int                  // bytes of the longest suffix: longer ends of a name need no lookup
	nameless *entry[T]
	anyTLS   *entry[T]
	catchAll *entry[T]
}

// entry holds the rules of one pattern.
type entry[T any] struct {
	plain  *choice[T] // the rule without ALPN
	byALPN map[string]*choice[T]
}

// choice is a rule's value with its place, which conflicts report.
type choice[T any] struct {
	value T
	rule  int
}

// MatchTLS returns the value for a connection that sent a hello, and false if no rule takes it.
func (t *Table[T]) MatchTLS(q Query) (value T, ok bool) {
	c := t.named(q)
	if c == nil {
		c = t.anyTLS.pick(q.ALPN)
	}
	if c == nil {
		return t.Default()
	}
	return c.value, true
}

// Default returns the value of the catch-all rule, the only one for a connection that is not TLS or whose server speaks first, and false if
// there is none.
func (t *Table[T]) Default() (value T, ok bool) {
	c := t.catchAll.pick(nil)
	if c == nil {
		return value, false
	}
	return c.value, true
}

// NeedsHello tells whether any rule depends on the ClientHello. If not, a connection can be routed by Default before its first byte.
func (t *Table[T]) NeedsHello() bool {
	return len(t.exact) > 0 || len(t.suffixes) > 0 || t.nameless != nil || t.anyTLS != nil
}

// named looks through the patterns that say something about the name.
func (t *Table[T]) named(q Query) *choice[T] {
	if len(q.Name) == 0 {
		return t.nameless.pick(q.ALPN)
	}
	if c := t.exact[string(q.Name)].pick(q.ALPN); c != nil { // the compiler looks up string(bytes) without a copy
		return c
	}
	for rest := q.Name; ; {
		dot := bytes.IndexByte(rest, '.')
		if dot < 0 {
			return nil
		}
		rest = rest[dot+1:]
		if len(rest) > t.longest {
			continue
		}
		if c := t.suffixes[string(rest)].pick(q.ALPN); c != nil {
			return c
		}
	}
}

// pick returns the rule that accepts one of the offered protocols, else the one without ALPN. A nil entry has neither. A list whose
// lengths do not add up ends where they stop doing so.
func (e *entry[T]) pick(offered []byte) *choice[T] {
	if e == nil {
		return nil
	}
	for len(e.byALPN) > 0 && len(offered) > 0 && int(offered[0]) < len(offered) {
		end := 1 + int(offered[0])
		if c := e.byALPN[string(offered[1:end])]; c != nil {
			return c
		}
		offered = offered[end:]
	}
	return e.plain
}

// NormalName brings a name or pattern into the form that is compared: lower case, without a final dot.
func NormalName(name string) string { return strings.ToLower(strings.TrimSuffix(name, ".")) }
