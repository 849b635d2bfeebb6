package table

// The places that few rows need: a nested object or a scalar that may be absent, a mapping of header fields, a list with a
// default, a list of words with a meaning of their own, and a file of scalars.

import (
	"strings"

	"sluice/configs/kinds"
	"sluice/configs/literal"
	"sluice/configs/reference"
	"sluice/configs/tree"
)

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

// Maybe is a scalar, or nil.
func Maybe[S, T any](k literal.Kind[T], field func(*S) **T) Place[S] {
	return maybePlace[S, T]{k, field}
}

type maybePlace[S, T any] struct {
	kind  literal.Kind[T]
	field func(*S) **T
}

func (p maybePlace[S, T]) Read(in *Reader, s *S, n *tree.Node) {
	if v, ok := Parse(in, p.kind, n); ok {
		*p.field(s) = &v
	}
}

func (p maybePlace[S, T]) Fill(*S, string) {}
func (p maybePlace[S, T]) Target(s *S) any { return p.field(s) }
func (p maybePlace[S, T]) Shape() reference.Shape {
	return reference.Shape{Value: p.kind.Name, Limits: p.kind.Limits}
}

// Present is the word true, whose presence says everything: it has no field.
func Present[S any](hint string) Place[S] { return presentPlace[S]{hint} }

type presentPlace[S any] struct{ hint string }

func (p presentPlace[S]) Read(in *Reader, _ *S, n *tree.Node) {
	if v, ok := Parse(in, kinds.Boolean, n); ok && !v {
		in.Report(n.At, "false means nothing here", p.hint)
	}
}

func (p presentPlace[S]) Fill(*S, string) {}
func (p presentPlace[S]) Target(s *S) any { return s }
func (p presentPlace[S]) Shape() reference.Shape {
	return reference.Shape{Choices: []string{"true"}, Value: kinds.Boolean.Name}
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

// Defaults is a list of scalars with a default, which is written with a comma and a blank between two.
func Defaults[S, T any](k literal.Kind[T], field func(*S) *[]T) Place[S] {
	return defaultsPlace[S, T]{listPlace[S, T]{k, field}}
}

type defaultsPlace[S, T any] struct{ listPlace[S, T] }

func (p defaultsPlace[S, T]) Read(in *Reader, s *S, n *tree.Node) {
	*p.field(s) = nil
	p.listPlace.Read(in, s, n)
}

func (p defaultsPlace[S, T]) Fill(s *S, def string) {
	*p.field(s) = nil
	for text := range strings.SplitSeq(def, ", ") {
		*p.field(s) = append(*p.field(s), p.kind.Must(text))
	}
}

// Switchable is a list with a default, which the word off empties.
func Switchable[S, T any](k literal.Kind[T], field func(*S) *[]T) Place[S] {
	return switchablePlace[S, T]{defaultsPlace[S, T]{listPlace[S, T]{k, field}}}
}

type switchablePlace[S, T any] struct{ defaultsPlace[S, T] }

func (p switchablePlace[S, T]) Read(in *Reader, s *S, n *tree.Node) {
	if n.Kind == tree.Scalar && n.Text == "off" {
		*p.field(s) = nil
		return
	}
	p.defaultsPlace.Read(in, s, n)
}

func (p switchablePlace[S, T]) Shape() reference.Shape {
	shape := p.listPlace.Shape()
	shape.Value = "off, or " + shape.Value
	return shape
}

// Words is a list of words with a default, which take makes into what they mean.
func Words[S any](k literal.Kind[string], take func(*S, []string)) Place[S] {
	return wordsPlace[S]{k, take}
}

type wordsPlace[S any] struct {
	kind literal.Kind[string]
	take func(*S, []string)
}

func (p wordsPlace[S]) Read(in *Reader, s *S, n *tree.Node) {
	words := make([]string, 0, len(n.Items))
	for _, item := range n.All() {
		if word, ok := Parse(in, p.kind, item); ok {
			words = append(words, word)
		}
	}
	p.take(s, words)
}

func (p wordsPlace[S]) Fill(s *S, def string) { p.take(s, strings.Split(def, ", ")) }
func (p wordsPlace[S]) Target(s *S) any       { return s }
func (p wordsPlace[S]) Shape() reference.Shape {
	return reference.Shape{Value: p.kind.Name, Choices: p.kind.Choices, Limits: p.kind.Limits, List: true}
}

// Lines is the path of a file of at most so many bytes, whose lines parse makes into what is appended to a list.
func Lines[S, T any](most int64, parse func([]string) ([]T, []literal.Slip), field func(*S) *[]T) Place[S] {
	return linesPlace[S, T]{most, parse, field}
}

type linesPlace[S, T any] struct {
	most  int64
	parse func([]string) ([]T, []literal.Slip)
	field func(*S) *[]T
}

func (p linesPlace[S, T]) Read(in *Reader, s *S, n *tree.Node) {
	path, ok := in.Text(n, "the path of a file")
	if !ok {
		return
	}
	path = literal.JoinPath(in.Dir, path)
	text, err := literal.ReadText(path, p.most)
	if err != nil {
		in.Blame(n.At, err)
	}
	src := tree.NewSource(path, text)
	found, slips := p.parse(src.Lines)
	for _, slip := range slips {
		in.Add(src.Issue(tree.Position{Line: slip.Line, Column: slip.Column}, slip.Err.Error(), literal.HintOf(slip.Err)))
	}
	*p.field(s) = append(*p.field(s), found...)
}

func (p linesPlace[S, T]) Fill(*S, string) {}
func (p linesPlace[S, T]) Target(s *S) any { return p.field(s) }
func (p linesPlace[S, T]) Shape() reference.Shape {
	return reference.Shape{Value: "the path of a file"}
}
