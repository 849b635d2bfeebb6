package configs

// The places that few rows need: a nested object or a scalar that may be absent, a mapping of header fields, a list with a
// default, the causes of retries, and a file of scalars.

import (
	"net/netip"
	"strings"

	"sluice/configs/literal"
	"sluice/configs/reference"
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
func (p optionalPlace[S, T]) shape() reference.Shape {
	return reference.Shape{Value: "a mapping", Short: reference.Shorts(p.table.short, p.table.words), Rows: p.table.info()}
}

// maybe is a scalar, or nil.
func maybe[S, T any](k kind[T], field func(*S) **T) place[S] {
	return maybePlace[S, T]{k, field}
}

type maybePlace[S, T any] struct {
	kind  kind[T]
	field func(*S) **T
}

func (p maybePlace[S, T]) read(l *loader, s *S, n *tree.Node) {
	if v, ok := parse(l, p.kind, n); ok {
		*p.field(s) = &v
	}
}

func (p maybePlace[S, T]) fill(*S, string) {}
func (p maybePlace[S, T]) target(s *S) any { return p.field(s) }
func (p maybePlace[S, T]) shape() reference.Shape {
	return reference.Shape{Value: p.kind.Name, Limits: p.kind.Limits}
}

// present is the word true, whose presence says everything: it has no field.
func present[S any](hint string) place[S] { return presentPlace[S]{hint} }

type presentPlace[S any] struct{ hint string }

func (p presentPlace[S]) read(l *loader, _ *S, n *tree.Node) {
	if v, ok := parse(l, boolean, n); ok && !v {
		l.Report(n.At, "false means nothing here", p.hint)
	}
}

func (p presentPlace[S]) fill(*S, string) {}
func (p presentPlace[S]) target(s *S) any { return s }
func (p presentPlace[S]) shape() reference.Shape {
	return reference.Shape{Choices: []string{"true"}, Value: boolean.Name}
}

// switched is an object that may also be true, for one with nothing in it, or false, for none.
func switched[S, T any](t *table[T], field func(*S) **T) place[S] {
	return switchedPlace[S, T]{optionalPlace[S, T]{t, field}}
}

type switchedPlace[S, T any] struct{ optionalPlace[S, T] }

func (p switchedPlace[S, T]) read(l *loader, s *S, n *tree.Node) {
	if n.Kind != tree.Scalar {
		p.optionalPlace.read(l, s, n)
		return
	}
	if v, ok := parse(l, boolean, n); ok && v {
		p.optionalPlace.read(l, s, &tree.Node{Kind: tree.Object, At: n.At})
	}
}

func (p switchedPlace[S, T]) shape() reference.Shape {
	shape := p.optionalPlace.shape()
	shape.Value = "true, false or a mapping"
	return shape
}

// fields is a mapping from names of header fields to one value. With many, a list writes a field several times.
func fields[S any](name, value kind[string], many bool, field func(*S) *[]HeaderValue) place[S] {
	return fieldsPlace[S]{name, value, many, field}
}

type fieldsPlace[S any] struct {
	name  kind[string]
	value kind[string]
	many  bool
	field func(*S) *[]HeaderValue
}

func (p fieldsPlace[S]) read(l *loader, s *S, n *tree.Node) {
	if n.Kind != tree.Object {
		l.Report(n.At, "expected names of header fields with a text each, found "+n.Kind.String(), "as in {X-Name: value}")
		return
	}
	seen := map[string]Position{}
	for _, pair := range n.Pairs {
		l.repeated(seen, tree.Pair{Key: strings.ToLower(pair.Key), At: pair.At})
		if _, err := p.name.Parse(pair.Key, ""); err != nil {
			l.blame(pair.At, err)
		}
		values := []*tree.Node{pair.Value}
		if p.many {
			values = itemsOf(pair.Value)
		}
		for _, value := range values {
			v, _ := parse(l, p.value, value)
			*p.field(s) = append(*p.field(s), HeaderValue{Name: pair.Key, Value: v})
		}
	}
}

func (p fieldsPlace[S]) fill(*S, string) {}
func (p fieldsPlace[S]) target(s *S) any { return p.field(s) }
func (p fieldsPlace[S]) shape() reference.Shape {
	text := "names of header fields, each with a text"
	if p.many {
		text = "names of header fields, each with one or a list of texts"
	}
	return reference.Shape{Value: text}
}

// defaults is a list of scalars with a default, which is written with a comma and a blank between two.
func defaults[S, T any](k kind[T], field func(*S) *[]T) place[S] {
	return defaultsPlace[S, T]{listPlace[S, T]{k, field}}
}

type defaultsPlace[S, T any] struct{ listPlace[S, T] }

func (p defaultsPlace[S, T]) read(l *loader, s *S, n *tree.Node) {
	*p.field(s) = nil
	p.listPlace.read(l, s, n)
}

func (p defaultsPlace[S, T]) fill(s *S, def string) {
	*p.field(s) = nil
	for text := range strings.SplitSeq(def, ", ") {
		*p.field(s) = append(*p.field(s), p.kind.Must(text))
	}
}

// switchable is a list with a default, which the word off empties.
func switchable[S, T any](k kind[T], field func(*S) *[]T) place[S] {
	return switchablePlace[S, T]{defaultsPlace[S, T]{listPlace[S, T]{k, field}}}
}

type switchablePlace[S, T any] struct{ defaultsPlace[S, T] }

func (p switchablePlace[S, T]) read(l *loader, s *S, n *tree.Node) {
	if n.Kind == tree.Scalar && n.Text == "off" {
		*p.field(s) = nil
		return
	}
	p.defaultsPlace.read(l, s, n)
}

func (p switchablePlace[S, T]) shape() reference.Shape {
	shape := p.listPlace.shape()
	shape.Value = "off, or " + shape.Value
	return shape
}

// causes is a list of words and statuses with a default: they become the flags of a Retry.
func causes[S any](k kind[string], field func(*S) *Retry) place[S] {
	return causesPlace[S]{k, field}
}

type causesPlace[S any] struct {
	kind  kind[string]
	field func(*S) *Retry
}

func (p causesPlace[S]) read(l *loader, s *S, n *tree.Node) {
	words := make([]string, 0, len(n.Items))
	for _, item := range itemsOf(n) {
		if word, ok := parse(l, p.kind, item); ok {
			words = append(words, word)
		}
	}
	p.field(s).after(words)
}

func (p causesPlace[S]) fill(s *S, def string) { p.field(s).after(strings.Split(def, ", ")) }
func (p causesPlace[S]) target(s *S) any       { return p.field(s) }
func (p causesPlace[S]) shape() reference.Shape {
	return reference.Shape{Value: p.kind.Name, Choices: p.kind.Choices, Limits: p.kind.Limits, List: true}
}

// after makes words the only causes of r.
func (r *Retry) after(words []string) {
	flags, statuses := literal.RetryFlags(words)
	r.Connect, r.Reset, r.Timeout, r.MarkedDown, r.Statuses = flags["connect"], flags["reset"], flags["timeout"], flags["marked_down"], statuses
}

// prefixFileMax bounds a deny_file: about a million lines.
const prefixFileMax = 16 << 20

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
	path = literal.JoinPath(l.dir, path)
	text, err := literal.ReadText(path, prefixFileMax)
	if err != nil {
		l.blame(n.At, err)
	}
	src := tree.NewSource(path, text)
	prefixes, slips := literal.Prefixes(src.Lines)
	for _, s := range slips {
		l.Add(src.Issue(Position{Line: s.Line, Column: s.Column}, s.Err.Error(), literal.HintOf(s.Err)))
	}
	*p.field(s) = append(*p.field(s), prefixes...)
}

func (p prefixFilePlace[S]) fill(*S, string) {}
func (p prefixFilePlace[S]) target(s *S) any { return p.field(s) }
func (p prefixFilePlace[S]) shape() reference.Shape {
	return reference.Shape{Value: "the path of a file"}
}
