package configs

// A table describes one kind of object in the file, and each of its rows one key. A place is the typed end of a row: where in
// the struct S the value goes, and how. There are five: one scalar, a list of scalars, a nested object, a mapping of named
// objects, a list of objects. The special ones are in place_more.go.
//
// Places are the reason why the loader needs no reflection: a row that names a field of the wrong type does not compile.

import (
	"sluice/configs/literal"
	"sluice/configs/tree"
)

type table[S any] struct {
	at    func(*S) *Position // nil if nobody needs to know
	name  func(*S) *string   // where the key of a named object goes
	short string             // the row that a scalar in place of the object sets; "" = none
	words []string           // but these scalars are rows themselves, and set them to true
	rows  []row[S]
	oneOf []string         // keys of which exactly one is written
	later map[string]later // keys of other versions, and of other programs
}

// later is a key that is not built, or that other programs have: still unknown, but not a slip of the hand.
type later struct {
	hint  string // "" = the usual one
	meant string // the key that is not missing beside it
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
	atOnce         change = "at once"         // from the moment of the reload
	newRequests    change = "new requests"    // on whatever connection they come; of tcp listeners, new connections
	newConnections change = "new connections" // connections that exist keep what they were accepted with
	newSocket      change = "new socket"      // addresses that are new are opened, those that are gone are closed
	restart        change = "restart"         // fixed for the life of the process
)

type place[S any] interface {
	read(l *loader, s *S, n *tree.Node) // reports what is wrong; leaves s alone then
	fill(s *S, def string)              // sets the default; "" for a nested object fills its rows
	target(s *S) any                    // the pointer to the field
	shape() shape
}

// A shape is a place without its types, for the reference and for suggestions.
type shape struct {
	value   string // "a duration"
	choices []string
	limits  string
	list    bool
	path    string // how the rows below are addressed: "", ".NAME" or "[]"
	short   string
	rows    []rowInfo
}

type rowInfo struct {
	key, def, none, doc, only string
	need                      bool
	apply                     change
	shape                     shape
}

func (t *table[S]) info() []rowInfo {
	var rows []rowInfo
	for _, r := range t.rows {
		rows = append(rows, rowInfo{r.key, r.def, r.none, r.doc, r.only, r.need, r.apply, r.to.shape()})
	}
	return rows
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
func (p onePlace[S, T]) shape() shape {
	return shape{value: p.kind.Name, choices: p.kind.Choices, limits: p.kind.Limits}
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
func (p listPlace[S, T]) shape() shape {
	return shape{value: p.kind.Name, choices: p.kind.Choices, limits: p.kind.Limits, list: true}
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
func (p groupPlace[S, T]) shape() shape {
	return shape{value: "a mapping", short: p.table.short, rows: p.table.info()}
}

// named is a mapping from names to objects.
func named[S, T any](t *table[T], field func(*S) *[]T) place[S] { return namedPlace[S, T]{t, field} }

type namedPlace[S, T any] struct {
	table *table[T]
	field func(*S) *[]T
}

func (p namedPlace[S, T]) read(l *loader, s *S, n *tree.Node) {
	if n.Kind != tree.Object {
		l.report(n.At, "expected names with a mapping each, found "+n.Kind.String(), "")
		return
	}
	seen := map[string]Position{}
	for _, pair := range n.Pairs {
		again := l.repeated(seen, pair)
		var v T
		p.table.fill(&v)
		if _, err := name.Parse(pair.Key, ""); err != nil {
			l.report(pair.At, err.Error(), literal.HintOf(err))
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
func (p namedPlace[S, T]) shape() shape {
	return shape{value: "names, each with a mapping", path: ".NAME", rows: p.table.info()}
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
func (p itemsPlace[S, T]) shape() shape {
	return shape{value: "a mapping", list: true, path: "[]", short: p.table.short, rows: p.table.info()}
}

// itemsOf returns the items of a list; anything else is a list of itself.
func itemsOf(n *tree.Node) []*tree.Node {
	if n.Kind == tree.List {
		return n.Items
	}
	return []*tree.Node{n}
}
