package table

// A reader turns nodes into values. It keeps what it found wrong, and where things were written, for the rules that come later.

import (
	"os"

	"sluice/configs/literal"
	"sluice/configs/reference"
	"sluice/configs/tree"
)

// A Reader is the state of reading one file by its tables.
type Reader struct {
	tree.Findings
	Dir    string              // where relative paths start
	Keys   map[string][]string // key → the places in the schema that know it; nil = there is but one place
	Aside  func(object any)    // told of a *S of which one key was read again, see readAgain; nil = nobody cares
	marks  map[mark]tree.Position
	broken map[tree.Position]bool // objects in which something is wrong
}

// A mark names a key, or an item of its list, of the object at a position. Rules use marks to point at plain values.
type mark struct {
	object tree.Position
	key    string
	item   int
}

// NewReader returns a reader of src in which relative paths start at dir.
func NewReader(src *tree.Source, dir string) *Reader {
	return &Reader{Findings: tree.Findings{Source: src}, Dir: dir, marks: map[mark]tree.Position{}, broken: map[tree.Position]bool{}}
}

// Blame reports an error that may have a hint.
func (in *Reader) Blame(at tree.Position, err error) { in.Report(at, err.Error(), literal.HintOf(err)) }

// At returns where an object has written a key, or the item of its list; the object itself if it has not.
func (in *Reader) At(object tree.Position, key string, item int) tree.Position {
	if at, ok := in.marks[mark{object, key, item}]; ok {
		return at
	}
	return object
}

// Written tells whether an object has a key.
func (in *Reader) Written(object tree.Position, key string) bool {
	_, ok := in.marks[mark{object, key, 0}]
	return ok
}

// A Key is one that an object has written, and where.
type Key struct {
	Key string
	At  tree.Position
}

// OnlyFor returns the keys of an object that it has written and that mean something for one protocol only.
func (in *Reader) OnlyFor(protocol string, object tree.Position, rows []reference.Row) []Key {
	var found []Key
	for _, r := range rows {
		if !in.Written(object, r.Key) {
			continue
		}
		at := in.At(object, r.Key, 0)
		if r.Only == protocol {
			found = append(found, Key{r.Key, at})
		} else if r.Only == "" && r.Shape.Path == "" {
			found = append(found, in.OnlyFor(protocol, at, r.Shape.Rows)...)
		}
	}
	return found
}

// note keeps where the object at a position has a key and the items of its list.
func (in *Reader) note(object tree.Position, p tree.Pair) {
	in.marks[mark{object, p.Key, 0}] = p.Value.At
	for i, item := range p.Value.All() {
		in.marks[mark{object, p.Key, i}] = item.At
	}
}

// Broken tells whether something is wrong in an object. Rules that compare objects leave such ones out: what follows from a mistake
// is not reported.
func (in *Reader) Broken(object tree.Position) bool { return in.broken[object] }

// Break notes that something is wrong in an object.
func (in *Reader) Break(object tree.Position) { in.broken[object] = true }

// Sound runs read, which reads or judges an object, and breaks the object if it reports something.
func (in *Reader) Sound(object tree.Position, read func()) {
	before := in.Found
	read()
	if in.Found > before {
		in.Break(object)
	}
}

// Text returns a scalar with its variables expanded. Anything else is reported.
func (in *Reader) Text(n *tree.Node, expected string) (string, bool) {
	if n.Kind == tree.Null {
		in.Report(n.At, "expected "+expected+", found nothing", "write a value, or remove the key")
		return "", false
	}
	if n.Kind != tree.Scalar {
		hint := ""
		if n.Kind == tree.Object {
			hint = `check the quotes: a text with ": " in it is a mapping unless it is quoted`
		}
		in.Report(n.At, "expected "+expected+", found "+n.Kind.String(), hint)
		return "", false
	}
	text, err := literal.Expand(n.Text, os.LookupEnv)
	if err != nil {
		in.Blame(n.At, err)
		return "", false
	}
	return text, true
}

// Parse reads a scalar node as a value of kind k, and reports what is wrong with it. A Value learns where it is from.
func Parse[T any](in *Reader, k literal.Kind[T], n *tree.Node) (v T, ok bool) {
	text, ok := in.Text(n, k.Name)
	if !ok {
		return v, false
	}
	v, err := k.Parse(text, in.Dir)
	if err != nil {
		in.Blame(n.At, err)
		var zero T // half a value must not meet the rules
		return zero, false
	}
	if value, ok := any(&v).(interface{ foundAt(tree.Position) }); ok {
		value.foundAt(n.At)
	}
	return v, true
}

// A Value is a scalar and where it was written.
type Value[T any] struct {
	V  T
	At tree.Position
}

func (v *Value[T]) foundAt(at tree.Position) { v.At = at }

// Placed returns k with the position kept beside the value.
func Placed[T any](k literal.Kind[T]) literal.Kind[Value[T]] {
	return literal.Kind[Value[T]]{Name: k.Name, Choices: k.Choices, Limits: k.Limits, Parse: func(text, dir string) (v Value[T], err error) {
		v.V, err = k.Parse(text, dir)
		return v, err // Parse knows the position
	}}
}
