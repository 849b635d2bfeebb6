package configs

// The places that few rows need: a nested object that may be absent, a mapping of header fields, a list with a default, and a
// file of scalars.

import (
	"net/netip"
	"strings"

	"sluice/configs/literal"
	"sluice/configs/tree"
)

// optional is a nested object, or nil.
func optional[S, T any](t *table[T], field func(*S) **T) place[S] {
	return optionalPlace[S, T]{t, field}
}

type optionalPlace[S, T any] struct {
	table *table[T]
	field func(*S) **T
}

func (p optionalPlace[S, T]) read(l *loader, s *S, n *tree.Node) {
	v := new(T)
	p.table.fill(v)
	readObject(l, p.table, v, n)
	*p.field(s) = v
}

func (p optionalPlace[S, T]) fill(*S, string) {}
func (p optionalPlace[S, T]) target(s *S) any { return p.field(s) }
func (p optionalPlace[S, T]) shape() shape {
	return shape{value: "a mapping", rows: p.table.info()}
}

// fields is a mapping from names of header fields to one value. With many, a list writes a field several times.
func fields[S any](name kind[string], many bool, field func(*S) *[]HeaderValue) place[S] {
	return fieldsPlace[S]{name, many, field}
}

type fieldsPlace[S any] struct {
	name  kind[string]
	many  bool
	field func(*S) *[]HeaderValue
}

func (p fieldsPlace[S]) read(l *loader, s *S, n *tree.Node) {
	if n.Kind != tree.Object {
		l.report(n.At, "expected names of header fields with a text each, found "+n.Kind.String(), "as in {X-Name: value}")
		return
	}
	seen := map[string]Position{}
	for _, pair := range n.Pairs {
		l.repeated(seen, tree.Pair{Key: strings.ToLower(pair.Key), At: pair.At})
		if _, err := p.name.parse(scalar{text: pair.Key}); err != nil {
			l.report(pair.At, err.Error(), literal.HintOf(err))
		}
		values := []*tree.Node{pair.Value}
		if p.many {
			values = itemsOf(pair.Value)
		}
		for _, value := range values {
			v, _ := parse(l, fieldValue, value)
			*p.field(s) = append(*p.field(s), HeaderValue{Name: pair.Key, Value: v})
		}
	}
}

func (p fieldsPlace[S]) fill(*S, string) {}
func (p fieldsPlace[S]) target(s *S) any { return p.field(s) }
func (p fieldsPlace[S]) shape() shape {
	text := "names of header fields, each with a text"
	if p.many {
		text = "names of header fields, each with one or a list of texts"
	}
	return shape{value: text}
}

// switchable is a list of scalars with a default, which the word off empties.
func switchable[S, T any](k kind[T], field func(*S) *[]T) place[S] {
	return switchablePlace[S, T]{listPlace[S, T]{k, field}}
}

type switchablePlace[S, T any] struct{ listPlace[S, T] }

func (p switchablePlace[S, T]) read(l *loader, s *S, n *tree.Node) {
	*p.field(s) = nil
	if n.Kind == tree.Scalar && n.Text == "off" {
		return
	}
	p.listPlace.read(l, s, n)
}

func (p switchablePlace[S, T]) fill(s *S, def string) { *p.field(s) = []T{p.kind.must(def)} }
func (p switchablePlace[S, T]) shape() shape {
	shape := p.listPlace.shape()
	shape.value = "off, or " + shape.value
	return shape
}

// prefixFile is the path of a file whose lines are appended to a list.
func prefixFile[S any](field func(*S) *[]netip.Prefix) place[S] { return prefixFilePlace[S]{field} }

type prefixFilePlace[S any] struct {
	field func(*S) *[]netip.Prefix
}

func (p prefixFilePlace[S]) read(l *loader, s *S, n *tree.Node) {
	path, ok := l.text(n, "the path of a file")
	if !ok {
		return
	}
	prefixes, issues, err := readPrefixes(literal.JoinPath(l.dir, path))
	if err != nil {
		l.report(n.At, err.Error(), literal.HintOf(err))
	}
	for _, i := range issues {
		l.add(i)
	}
	*p.field(s) = append(*p.field(s), prefixes...)
}

func (p prefixFilePlace[S]) fill(*S, string) {}
func (p prefixFilePlace[S]) target(s *S) any { return p.field(s) }
func (p prefixFilePlace[S]) shape() shape    { return shape{value: "the path of a file"} }
