// Package table is the machinery behind the schema: a table describes one kind of object in the file, and each of its rows one key.
//
// What a row says is all there is to say about a setting. From the rows come the reading of a file, its complaints and suggestions,
// the defaults, the comparison of two configurations, and docs/configuration.md:
//
//	var respond = &table.Of[Respond]{
//		At: func(r *Respond) *Position { return &r.At },
//		Rows: []table.Row[Respond]{
//			{Key: "status", To: table.One(kinds.Count.Between("200", "599"), func(r *Respond) *int { return &r.Status }), Default: "200", Apply: table.NewRequests,
//				Doc: "The status of the answer."},
//		},
//	}
//
// A new setting is a field, a row that fills it, and a line in examples/full.yaml; tests fail for what is forgotten:
//
//  1. Its type: a struct of plain data in configs/config_NAME.go, with a field At if rules must point into it.
//  2. How values are written: a kind in room kinds, made of the parsers of room literal. A secret has the kind Secret, and its key is
//     listed in literal/secrets.go.
//  3. Its table, in configs/tables_NAME.go: a row for each field, with a place (place.go lists them). A key that is absent has the
//     row's Default or, without one, the zero value, and None says what that means.
//  4. The row that leads to it, in the table of the object around it.
//  5. What one row cannot tell is a rule: a method of the loader in configs/validate_NAME.go, called by validate. It points with
//     l.At(object, key, item), asks l.Written(object, key) and l.Broken(object), and speaks by l.Report and l.Warn.
//  6. A line of covers in configs/schema_test.go, every key in examples/full.yaml, each complaint in testdata/errors.txt, and then:
//     go test ./configs -run 'Reference|Golden' -update
package table

import (
	"reflect"

	"sluice/configs/compare"
	"sluice/configs/foreign"
	"sluice/configs/reference"
	"sluice/configs/tree"
)

// Of describes the objects that fill an S. The order of rows is the order in docs/configuration.md.
type Of[S any] struct {
	At      func(*S) *tree.Position // nil if nobody needs to know
	Name    func(*S) *string        // where the key of a named object goes
	Short   string                  // the row that a scalar in place of the object sets; "" = none
	Words   []string                // but these scalars are rows themselves, and set them to true
	Rows    []Row[S]
	OneOf   []string // keys of which exactly one is written
	Foreign foreign.Keys
}

// A Row is one key of an S.
type Row[S any] struct {
	Key     string
	To      Place[S]
	Default string // as a user would write it; "" = none
	None    string // what the absence of a default means, for the reference
	Need    bool
	Some    bool   // an empty list is a mistake
	Most    int    // items or names at most; 0 = as many as fit the file
	Only    string // the protocol of the listeners for which this means something; "" = all
	Apply   Change
	Doc     string // sentences of docs/configuration.md
}

// A Change is how far a changed value reaches into a running proxy.
type Change string

// The classes of changes.
const (
	AtOnce         Change = "at once"         // from the moment of the reload
	NewRequests    Change = "new requests"    // on whatever connection they come; of tcp listeners, new connections
	NewConnections Change = "new connections" // connections that exist keep what they were accepted with
	NewSocket      Change = "new socket"      // addresses that are new are opened, those that are gone are closed
	Restart        Change = "restart"         // fixed for the life of the process
)

// Describe returns the rows of t without the types behind them.
func (t *Of[S]) Describe() []reference.Row {
	var rows []reference.Row
	for _, r := range t.Rows {
		rows = append(rows, reference.Row{Key: r.Key, Default: r.Default, None: r.None, Doc: r.Doc, Only: r.Only, Need: r.Need,
			Apply: string(r.Apply), Shape: r.To.Shape()})
	}
	return rows
}

// Fill sets the defaults of every row in s. They are texts, read by the same parser as a user's: no default can be one that a user
// could not write. Objects are filled before their keys are read, so a key that is absent, or wrong, leaves the default.
func (t *Of[S]) Fill(s *S) {
	for _, r := range t.Rows {
		r.To.Fill(s, r.Default)
	}
}

// Keys returns the keys of t, in the order of its rows.
func (t *Of[S]) Keys() []string {
	var keys []string
	for _, r := range t.Rows {
		keys = append(keys, r.Key)
	}
	return keys
}

// row returns the row of a key, or nil.
func (t *Of[S]) row(key string) *Row[S] {
	for i := range t.Rows {
		if t.Rows[i].Key == key {
			return &t.Rows[i]
		}
	}
	return nil
}

// Fixed lists the whole keys of rows with Restart whose values differ between a and b.
func (t *Of[S]) Fixed(a, b *S) []string { return t.fixed("", a, b) }

// nested is a place with rows of its own.
type nested[S any] interface {
	fixed(path string, a, b *S) []string
}

func (t *Of[S]) fixed(path string, a, b *S) (keys []string) {
	for _, r := range t.Rows {
		if below, ok := r.To.(nested[S]); ok {
			keys = append(keys, below.fixed(path+r.Key+".", a, b)...)
			continue
		}
		if r.Apply == Restart && !same(r.To.Target(a), r.To.Target(b)) {
			keys = append(keys, path+r.Key)
		}
	}
	return keys
}

// same compares the fields behind two pointers.
func same(a, b any) bool {
	return compare.Same(reflect.ValueOf(a), reflect.ValueOf(b), reflect.TypeFor[tree.Position]())
}
