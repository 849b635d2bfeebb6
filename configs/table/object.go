package table

// Places of objects, which have tables of their own, and of the mapping that has none.

import (
	"strings"

	"sluice/configs/kinds"
	"sluice/configs/literal"
	"sluice/configs/reference"
	"sluice/configs/tree"
)

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

// Optional is a nested object, or nil.
func Optional[S, T any](t *Of[T], field func(*S) **T) Place[S] {
	return optionalPlace[S, T]{t, field}
}

type optionalPlace[S, T any] struct {
	table *Of[T]
	field func(*S) **T
}

func (p optionalPlace[S, T]) Read(in *Reader, s *S, n *tree.Node) {
	v := new(T)
	p.table.Fill(v)
	ReadObject(in, p.table, v, n)
	*p.field(s) = v
}

func (p optionalPlace[S, T]) Fill(*S, string) {}
func (p optionalPlace[S, T]) Target(s *S) any { return p.field(s) }
func (p optionalPlace[S, T]) Shape() reference.Shape {
	return reference.Shape{Value: "a mapping", Short: reference.Shorts(p.table.Short, p.table.Words), Rows: p.table.Describe()}
}

// Switched is an object that may also be true, for one with nothing in it, or false, for none.
func Switched[S, T any](t *Of[T], field func(*S) **T) Place[S] {
	return switchedPlace[S, T]{optionalPlace[S, T]{t, field}}
}

type switchedPlace[S, T any] struct{ optionalPlace[S, T] }

func (p switchedPlace[S, T]) Read(in *Reader, s *S, n *tree.Node) {
	if n.Kind != tree.Scalar {
		p.optionalPlace.Read(in, s, n)
		return
	}
	if v, ok := Parse(in, kinds.Boolean, n); ok && v {
		p.optionalPlace.Read(in, s, &tree.Node{Kind: tree.Object, At: n.At})
	}
}

func (p switchedPlace[S, T]) Shape() reference.Shape {
	shape := p.optionalPlace.Shape()
	shape.Value = "true, false or a mapping"
	return shape
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

// Fields is a mapping from names of header fields to one value. With many, a list writes a field several times.
func Fields[S any, T aField](name, value literal.Kind[string], many bool, field func(*S) *[]T) Place[S] {
	return fieldsPlace[S, T]{name, value, many, field}
}

// aField is a header field.
type aField interface{ ~struct{ Name, Value string } }

type fieldsPlace[S any, T aField] struct {
	name  literal.Kind[string]
	value literal.Kind[string]
	many  bool
	field func(*S) *[]T
}

func (p fieldsPlace[S, T]) Read(in *Reader, s *S, n *tree.Node) {
	if n.Kind != tree.Object {
		in.Report(n.At, "expected names of header fields with a text each, found "+n.Kind.String(), "as in {X-Name: value}")
		return
	}
	seen := map[string]tree.Position{}
	for _, pair := range n.Pairs {
		in.repeated(seen, tree.Pair{Key: strings.ToLower(pair.Key), At: pair.At})
		if _, err := p.name.Parse(pair.Key, ""); err != nil {
			in.Blame(pair.At, err)
		}
		values := []*tree.Node{pair.Value}
		if p.many {
			values = pair.Value.All()
		}
		for _, value := range values {
			v, _ := Parse(in, p.value, value)
			*p.field(s) = append(*p.field(s), T{Name: pair.Key, Value: v})
		}
	}
}

func (p fieldsPlace[S, T]) Fill(*S, string) {}
func (p fieldsPlace[S, T]) Target(s *S) any { return p.field(s) }
func (p fieldsPlace[S, T]) Shape() reference.Shape {
	text := "names of header fields, each with a text"
	if p.many {
		text = "names of header fields, each with one or a list of texts"
	}
	return reference.Shape{Value: text}
}
