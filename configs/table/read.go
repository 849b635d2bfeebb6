package table

// Reading an object: each key by its row. Nothing stops at the first mistake, and what follows from one is not reported.

import (
	"cmp"
	"fmt"
	"slices"

	"sluice/configs/foreign"
	"sluice/configs/literal"
	"sluice/configs/tree"
)

// ReadObject reads the keys of n into s, which holds the defaults.
func ReadObject[S any](in *Reader, t *Of[S], s *S, n *tree.Node) {
	if t.At != nil {
		*t.At(s) = n.At
	}
	if n.Kind == tree.Scalar && t.Short != "" {
		n = t.long(n)
	}
	if n.Kind != tree.Object {
		in.Report(n.At, "expected a mapping, found "+n.Kind.String(), "the keys here are "+literal.InWords(t.Keys(), "and"))
		return
	}
	seen, meant := map[string]tree.Position{}, map[string]bool{}
	var chosen []tree.Pair // of t.OneOf
	for _, p := range n.Pairs {
		again := in.repeated(seen, p)
		r := t.row(p.Key)
		switch {
		case r == nil && !again:
			guess := in.unknownKey(t.Keys(), t.Foreign, p)
			meant[guess] = true // what was meant is not missing as well
			if r := t.row(guess); r != nil {
				in.Quietly(func() { readAgain(in, t, r, p.Value) })
			}
		case r != nil && again:
			in.checkCount(p, r.Some, r.Most)
			readAgain(in, t, r, p.Value)
		case r != nil:
			if slices.Contains(t.OneOf, p.Key) {
				chosen = append(chosen, p)
			}
			in.note(n.At, p)
			in.checkCount(p, r.Some, r.Most)
			r.To.Read(in, s, p.Value)
		}
	}
	for _, r := range t.Rows {
		if _, ok := seen[r.Key]; r.Need && !ok && !meant[r.Key] {
			in.Report(n.At, fmt.Sprintf("the key %q is missing", r.Key), "")
		}
	}
	in.checkOneOf(n.At, t.OneOf, chosen, meant)
}

// checkOneOf reports an object that has none, or several, of the keys of which it needs one.
func (in *Reader) checkOneOf(at tree.Position, oneOf []string, chosen []tree.Pair, meant map[string]bool) {
	if len(oneOf) == 0 {
		return
	}
	if len(chosen) == 0 && !slices.ContainsFunc(oneOf, func(key string) bool { return meant[key] }) {
		in.Report(at, fmt.Sprintf("the key %q is missing", oneOf[0]), "exactly one of "+literal.InWords(oneOf, "and")+" is needed")
	}
	for i := 1; i < len(chosen); i++ {
		in.Report(chosen[i].At, fmt.Sprintf("%s does not go with %s at line %d", chosen[i].Key, chosen[0].Key, chosen[0].At.Line),
			"write exactly one of "+literal.InWords(oneOf, "and"))
	}
}

// readAgain reads the value of a key that was written before, or under another name, and reports what is wrong with it. The
// value itself is set aside, so that rules do not compare a copy with its original. Names in it exist all the same, for those
// who refer to them.
func readAgain[S any](in *Reader, t *Of[S], r *Row[S], value *tree.Node) {
	aside := new(S)
	t.Fill(aside)
	r.To.Read(in, aside, value)
	if in.Aside != nil {
		in.Aside(aside)
	}
}

// checkCount reports lists and mappings with too few or too many entries.
func (in *Reader) checkCount(p tree.Pair, some bool, most int) {
	n := len(p.Value.Items) + len(p.Value.Pairs)
	switch {
	case some && n == 0 && p.Value.Kind != tree.Scalar && p.Value.Kind != tree.Null:
		in.Report(p.Value.At, fmt.Sprintf("%s is empty", p.Key), "add something, or remove the key")
	case most > 0 && n > most:
		in.Report(p.Value.At, fmt.Sprintf("%s has %d entries, and %d are allowed", p.Key, n, most), "")
	}
}

// long returns the object for which a scalar stands.
func (t *Of[S]) long(n *tree.Node) *tree.Node {
	key, value := t.Short, *n
	if slices.Contains(t.Words, n.Text) {
		key, value.Text = n.Text, "true"
	}
	return &tree.Node{Kind: tree.Object, At: n.At, Pairs: []tree.Pair{{Key: key, At: n.At, Value: &value}}}
}

// repeated reports a key that its mapping has had before.
func (in *Reader) repeated(seen map[string]tree.Position, p tree.Pair) bool {
	first, ok := seen[p.Key]
	if !ok {
		seen[p.Key] = p.At
		return false
	}
	in.Report(p.At, fmt.Sprintf("duplicate key %q", p.Key), fmt.Sprintf("it was written at line %d before", first.Line))
	return true
}

// unknownKey reports a key that its mapping does not know, and returns the best guess at what was meant.
func (in *Reader) unknownKey(known []string, others foreign.Keys, p tree.Pair) (meant string) {
	hint := ""
	if other, ok := others[p.Key]; ok {
		meant, hint = other.Meant, cmp.Or(other.Hint, "this version cannot do that")
	} else {
		meant, _ = literal.Nearest(p.Key, known)
		hint = literal.DidYouMean(p.Key, known)
	}
	if hint == "" && len(in.Keys[p.Key]) > 0 {
		hint = fmt.Sprintf("%q is a key of %s", p.Key, literal.InWords(in.Keys[p.Key], "and of"))
	}
	if hint == "" {
		hint = "the keys here are " + literal.InWords(known, "and")
	}
	in.Report(p.At, fmt.Sprintf("unknown key %q", literal.HideSecrets(p.Key, in.Keys)), hint) // "token:secret" is one key
	return meant
}
