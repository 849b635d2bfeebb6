package table

// A place is the typed end of a row: where in the struct S the value goes, and how. There are five: one scalar, a list of scalars,
// a nested object, a mapping of named objects, a list of objects. The special ones are in place_more.go.
//
// Places are the reason why reading needs no reflection: a row that names a field of the wrong type does not compile.

import (
	"sluice/configs/kinds"
	"sluice/configs/literal"
	"sluice/configs/reference"
	"sluice/configs/tree"
)

// A Place is where the value of a key goes.
type Place[S any] interface {
	Read(in *Reader, s *S, n *tree.Node) // reports what is wrong; leaves s alone then
	Fill(s *S, def string)               // sets the default; "" for a nested object fills its rows
	Target(s *S) any                     // the pointer to the field
	Shape() reference.Shape              // what may be written, for the reference
}

// One is a scalar.
func One[S, T any](k literal.Kind[T], field func(*S) *T) Place[S] { return onePlace[S, T]{k, field} }

type onePlace[S, T any] struct {
	kind  literal.Kind[T]
	field func(*S) *T
}

func (p onePlace[S, T]) Read(in *Reader, s *S, n *tree.Node) {
	if v, ok := Parse(in, p.kind, n); ok {
		*p.field(s) = v
	}
}

func (p onePlace[S, T]) Fill(s *S, def string) {
	if def != "" {
		*p.field(s) = p.kind.Must(def)
	}
}

func (p onePlace[S, T]) Target(s *S) any { return p.field(s) }
func (p onePlace[S, T]) Shape() reference.Shape {
	return reference.Shape{Value: p.kind.Name, Choices: p.kind.Choices, Limits: p.kind.Limits}
}

// List is any number of scalars; a single one needs no brackets.
func List[S, T any](k literal.Kind[T], field func(*S) *[]T) Place[S] {
	return listPlace[S, T]{k, field}
}

type listPlace[S, T any] struct {
	kind  literal.Kind[T]
	field func(*S) *[]T
}

func (p listPlace[S, T]) Read(in *Reader, s *S, n *tree.Node) {
	for _, item := range n.All() {
		v, _ := Parse(in, p.kind, item) // a bad item leaves a zero, so that later items keep their number
		*p.field(s) = append(*p.field(s), v)
	}
}

func (p listPlace[S, T]) Fill(*S, string) {}
func (p listPlace[S, T]) Target(s *S) any { return p.field(s) }
func (p listPlace[S, T]) Shape() reference.Shape {
	return reference.Shape{Value: p.kind.Name, Choices: p.kind.Choices, Limits: p.kind.Limits, List: true}
}

// Group is a nested object.
func Group[S, T any](t *Of[T], field func(*S) *T) Place[S] { return groupPlace[S, T]{t, field} }

type groupPlace[S, T any] struct {
	table *Of[T]
	field func(*S) *T
}

func (p groupPlace[S, T]) Read(in *Reader, s *S, n *tree.Node) {
	ReadObject(in, p.table, p.field(s), n)
}
func (p groupPlace[S, T]) Fill(s *S, _ string) { p.table.Fill(p.field(s)) }
func (p groupPlace[S, T]) Target(s *S) any     { return p.field(s) }
func (p groupPlace[S, T]) Shape() reference.Shape {
	return reference.Shape{Value: "a mapping", Short: p.table.Short, Rows: p.table.Describe()}
}

func (p groupPlace[S, T]) fixed(path string, a, b *S) []string {
	return p.table.fixed(path, p.field(a), p.field(b))
}

// Named is a mapping from names to objects.
func Named[S, T any](t *Of[T], field func(*S) *[]T) Place[S] { return namedPlace[S, T]{t, field} }

type namedPlace[S, T any] struct {
	table *Of[T]
	field func(*S) *[]T
}

func (p namedPlace[S, T]) Read(in *Reader, s *S, n *tree.Node) {
	if n.Kind != tree.Object {
		in.Report(n.At, "expected names with a mapping each, found "+n.Kind.String(), "")
		return
	}
	seen := map[string]tree.Position{}
	for _, pair := range n.Pairs {
		again := in.repeated(seen, pair)
		var v T
		p.table.Fill(&v)
		if _, err := kinds.Name.Parse(pair.Key, ""); err != nil {
			in.Blame(pair.At, err)
		}
		*p.table.Name(&v) = pair.Key // even a bad name may be referred to, which is not a second mistake
		object := *pair.Value
		object.At = pair.At // a named object is where its name is
		in.Sound(object.At, func() { ReadObject(in, p.table, &v, &object) })
		if !again {
			*p.field(s) = append(*p.field(s), v)
		}
	}
}

func (p namedPlace[S, T]) Fill(*S, string) {}
func (p namedPlace[S, T]) Target(s *S) any { return p.field(s) }
func (p namedPlace[S, T]) Shape() reference.Shape {
	return reference.Shape{Value: "names, each with a mapping", Path: ".NAME", Rows: p.table.Describe()}
}

// Items is a list of objects.
func Items[S, T any](t *Of[T], field func(*S) *[]T) Place[S] { return itemsPlace[S, T]{t, field} }

type itemsPlace[S, T any] struct {
	table *Of[T]
	field func(*S) *[]T
}

func (p itemsPlace[S, T]) Read(in *Reader, s *S, n *tree.Node) {
	for _, item := range n.All() {
		var v T
		p.table.Fill(&v)
		in.Sound(item.At, func() { ReadObject(in, p.table, &v, item) })
		*p.field(s) = append(*p.field(s), v)
	}
}

func (p itemsPlace[S, T]) Fill(*S, string) {}
func (p itemsPlace[S, T]) Target(s *S) any { return p.field(s) }
func (p itemsPlace[S, T]) Shape() reference.Shape {
	return reference.Shape{Value: "a mapping", List: true, Path: "[]", Short: p.table.Short, Rows: p.table.Describe()}
}
