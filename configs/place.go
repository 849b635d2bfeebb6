package configs

// A table describes one kind of object in the file, and each of its rows one key. A place is the typed end of a row: where in
// the struct S the value goes, and how. There are five: one scalar, a list of scalars, a nested object, a mapping of named
// objects, a list of objects. The special ones are in place_more.go.
//
// Places are the reason why the loader needs no reflection: a row that names a field of the wrong type does not compile.

import (
	"sluice/configs/foreign"
	"sluice/configs/reference"
	"sluice/configs/tree"
)

type table[S any] struct {
	at      func(*S) *Position // nil if nobody needs to know
	name    func(*S) *string   // where the key of a named object goes
	short   string             // the row that a scalar in place of the object sets; "" = none
	words   []string           // but these scalars are rows themselves, and set them to true
	rows    []row[S]
	oneOf   []string // keys of which exactly one is written
	foreign foreign.Keys
}

type row[S any] struct {
	key   string
	to    place[S]
	def   string // as a user would write it; "" = none
	none  string // what the absence of a default means, for the reference
	need  bool
	some  bool   // an empty list is a mistake
	most  int    // items or names at most; 0 = as many as fit the file
	only  string // the protocol of the listeners for which this means something; "" = all
	apply change
	doc   string
}

// change is how far a changed value reaches into a running proxy.
type change string

const (
	newConnections change = "new connections" // connections that exist keep what they were accepted with
	newSocket      change = "new socket"      // the listening sockets are opened anew
	restart        change = "restart"         // fixed for the life of the process
)

type place[S any] interface {
	read(l *loader, s *S, n *tree.Node) // reports what is wrong; leaves s alone then
	fill(s *S, def string)              // sets the default; "" for a nested object fills its rows
	target(s *S) any                    // the pointer to the field
	shape() reference.Shape
}

// info describes t without its types.
func (t *table[S]) info() []reference.Row {
	var rows []reference.Row
	for _, r := range t.rows {
		rows = append(rows, reference.Row{Key: r.key, Default: r.def, None: r.none, Doc: r.doc, Only: r.only, Need: r.need,
			Apply: string(r.apply), Shape: r.to.shape()})
	}
	return rows
}

// fill sets the defaults of every row in s. They are texts, read by the same parser as a user's: no default can be one that a user
// could not write. Objects are filled before their keys are read, so a key that is absent, or wrong, leaves the default.
func (t *table[S]) fill(s *S) {
	for _, r := range t.rows {
		r.to.fill(s, r.def)
	}
}

func (t *table[S]) keys() []string {
	var keys []string
	for _, r := range t.rows {
		keys = append(keys, r.key)
	}
	return keys
}

// one is a scalar.
func one[S, T any](k kind[T], field func(*S) *T) place[S] { return onePlace[S, T]{k, field} }

type onePlace[S, T any] struct {
	kind  kind[T]
	field func(*S) *T
}

func (p onePlace[S, T]) read(l *loader, s *S, n *tree.Node) {
	if v, ok := parse(l, p.kind, n); ok {
		*p.field(s) = v
	}
}

func (p onePlace[S, T]) fill(s *S, def string) {
	if def != "" {
		*p.field(s) = p.kind.Must(def)
	}
}

func (p onePlace[S, T]) target(s *S) any { return p.field(s) }
func (p onePlace[S, T]) shape() reference.Shape {
	return reference.Shape{Value: p.kind.Name, Choices: p.kind.Choices, Limits: p.kind.Limits}
}

// list is any number of scalars; a single one needs no brackets.
func list[S, T any](k kind[T], field func(*S) *[]T) place[S] {
	return listPlace[S, T]{k, field}
}

type listPlace[S, T any] struct {
	kind  kind[T]
	field func(*S) *[]T
}

func (p listPlace[S, T]) read(l *loader, s *S, n *tree.Node) {
	for _, item := range itemsOf(n) {
		v, _ := parse(l, p.kind, item) // a bad item leaves a zero, so that later items keep their number
		*p.field(s) = append(*p.field(s), v)
	}
}

func (p listPlace[S, T]) fill(*S, string) {}
func (p listPlace[S, T]) target(s *S) any { return p.field(s) }
func (p listPlace[S, T]) shape() reference.Shape {
	return reference.Shape{Value: p.kind.Name, Choices: p.kind.Choices, Limits: p.kind.Limits, List: true}
}

// group is a nested object.
func group[S, T any](t *table[T], field func(*S) *T) place[S] { return groupPlace[S, T]{t, field} }

type groupPlace[S, T any] struct {
	table *table[T]
	field func(*S) *T
}

func (p groupPlace[S, T]) read(l *loader, s *S, n *tree.Node) { readObject(l, p.table, p.field(s), n) }
func (p groupPlace[S, T]) fill(s *S, _ string)                { p.table.fill(p.field(s)) }
func (p groupPlace[S, T]) target(s *S) any                    { return p.field(s) }
func (p groupPlace[S, T]) shape() reference.Shape {
	return reference.Shape{Value: "a mapping", Short: p.table.short, Rows: p.table.info()}
}

// named is a mapping from names to objects.
func named[S, T any](t *table[T], field func(*S) *[]T) place[S] { return namedPlace[S, T]{t, field} }

type namedPlace[S, T any] struct {
	table *table[T]
	field func(*S) *[]T
}

func (p namedPlace[S, T]) read(l *loader, s *S, n *tree.Node) {
	if n.Kind != tree.Object {
		l.Report(n.At, "expected names with a mapping each, found "+n.Kind.String(), "")
		return
	}
	seen := map[string]Position{}
	for _, pair := range n.Pairs {
		again := l.repeated(seen, pair)
		var v T
		p.table.fill(&v)
		if _, err := name.Parse(pair.Key, ""); err != nil {
			l.blame(pair.At, err)
		}
		*p.table.name(&v) = pair.Key // even a bad name may be referred to, which is not a second mistake
		object := *pair.Value
		object.At = pair.At // a named object is where its name is
		l.sound(object.At, func() { readObject(l, p.table, &v, &object) })
		if !again {
			*p.field(s) = append(*p.field(s), v)
		}
	}
}

func (p namedPlace[S, T]) fill(*S, string) {}
func (p namedPlace[S, T]) target(s *S) any { return p.field(s) }
func (p namedPlace[S, T]) shape() reference.Shape {
	return reference.Shape{Value: "names, each with a mapping", Path: ".NAME", Rows: p.table.info()}
}

// items is a list of objects.
func items[S, T any](t *table[T], field func(*S) *[]T) place[S] { return itemsPlace[S, T]{t, field} }

type itemsPlace[S, T any] struct {
	table *table[T]
	field func(*S) *[]T
}

func (p itemsPlace[S, T]) read(l *loader, s *S, n *tree.Node) {
	for _, item := range itemsOf(n) {
		var v T
		p.table.fill(&v)
		l.sound(item.At, func() { readObject(l, p.table, &v, item) })
		*p.field(s) = append(*p.field(s), v)
	}
}

func (p itemsPlace[S, T]) fill(*S, string) {}
func (p itemsPlace[S, T]) target(s *S) any { return p.field(s) }
func (p itemsPlace[S, T]) shape() reference.Shape {
	return reference.Shape{Value: "a mapping", List: true, Path: "[]", Short: p.table.short, Rows: p.table.info()}
}

// itemsOf returns the items of a list; anything else is a list of itself.
func itemsOf(n *tree.Node) []*tree.Node {
	if n.Kind == tree.List {
		return n.Items
	}
	return []*tree.Node{n}
}
