package table

// Places of scalars.

import (
	"strings"

	"sluice/configs/kinds"
	"sluice/configs/literal"
	"sluice/configs/reference"
	"sluice/configs/tree"
)

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
