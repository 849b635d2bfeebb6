package configs

// Loading: text → tree (room tree) → structs, guided by the tables → names resolved (link.go) → rules (validate.go). No stage
// stops at the first mistake, and none reports what follows from a mistake already reported.

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"sluice/configs/foreign"
	"sluice/configs/literal"
	"sluice/configs/reference"
	"sluice/configs/tree"
)

// A Look finds what the loader does not look for, such as names of servers that do not resolve.
type Look func(*Config) Issues

// Load reads, resolves and validates the configuration file at path. The error is Issues, with everything that is wrong.
// Files that the configuration names are read too; addresses are neither looked up nor bound.
//
// Whoever starts a valid configuration will look at more than the file. So that nothing of that stays hidden behind a slip in
// the file, looks are called if there is one, with what could be read: a server, an address or an access log that could not be
// is left out, and there may be none. What they find is reported in its place among the rest. For a valid file they are not called.
func Load(path string, looks ...Look) (*Config, error) {
	text, err := tree.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return load(path, text, looks)
}

// Parse is Load for a text in hand: tests, fuzzing, generated configurations. The name is used in messages, and relative paths
// in the text start at its folder. It never panics, whatever src holds.
func Parse(name string, src []byte) (*Config, error) { return load(name, src, nil) }

func load(name string, src []byte, looks []Look) (*Config, error) {
	text := tree.Normal(string(src))
	keys := reference.Keys(file.info())
	l := &loader{
		Findings: tree.Findings{Source: tree.NewSource(name, literal.HideSecrets(text, keys))},
		dir:      filepath.Dir(name),
		now:      time.Now(),
		env:      os.LookupEnv,
		keys:     keys,
		marks:    map[mark]Position{},
		broken:   map[Position]bool{},
	}
	root, faults := tree.Parse(text)
	if len(faults) > 0 {
		return nil, l.Source.Issues(faults).Sort(name)
	}
	if root == nil {
		return nil, Issues{l.Source.Issue(Position{}, "the configuration is empty",
			"the smallest useful one has a listener with bind and upstream, and an upstream with servers")}
	}
	c := &Config{File: name, source: l.Source}
	file.fill(c)
	readObject(l, file, c, root)
	l.link(c)
	l.validate(c)
	if l.Found > 0 {
		var seen Issues
		for _, look := range looks {
			seen = append(seen, look(l.readable(c))...)
		}
		return nil, l.Failure(seen...)
	}
	c.Warnings = l.Warnings.Sort(name)
	return c, nil
}

// readable returns the parts of c that were read: the rest has the zero value, which nobody has written.
func (l *loader) readable(c *Config) *Config {
	part := &Config{File: c.File, Admin: c.Admin, Log: c.Log, Runtime: c.Runtime, source: c.source}
	for _, li := range c.Listeners {
		li.Bind = slices.DeleteFunc(slices.Clone(li.Bind), func(b Value[Address]) bool { return b.V == Address{} })
		part.Listeners = append(part.Listeners, li)
	}
	for _, u := range c.Upstreams {
		u.Servers = slices.DeleteFunc(slices.Clone(u.Servers), func(s Server) bool { return s.Address == Address{} })
		part.Upstreams = append(part.Upstreams, u)
	}
	return part
}

// A loader is the state of one Parse.
type loader struct {
	tree.Findings
	dir    string
	now    time.Time
	env    func(string) (string, bool)
	keys   map[string][]string // key → the places in the schema that know it
	marks  map[mark]Position
	broken map[Position]bool // objects in which something is wrong
	aside  Config            // listeners and upstreams of sections that were written again, or mistyped
}

// A mark names a key, or an item of its list, of the object at a position. Rules use marks to point at plain values.
type mark struct {
	object Position
	key    string
	item   int
}

// blame reports an error that may have a hint.
func (l *loader) blame(at Position, err error) { l.Report(at, err.Error(), literal.HintOf(err)) }

// sound runs read, which reads the object at a position, and notes whether it found nothing wrong. Rules that compare objects
// leave out the others: what follows from a mistake is not reported.
func (l *loader) sound(at Position, read func()) {
	before := l.Found
	read()
	if l.Found > before {
		l.broken[at] = true
	}
}

// at returns where an object has written a key, or the item of its list; the object itself if it has not.
func (l *loader) at(object Position, key string, item int) Position {
	if at, ok := l.marks[mark{object, key, item}]; ok {
		return at
	}
	return object
}

func (l *loader) written(object Position, key string) bool {
	_, ok := l.marks[mark{object, key, 0}]
	return ok
}

// text returns a scalar with its variables expanded. Anything else is reported.
func (l *loader) text(n *tree.Node, expected string) (string, bool) {
	if n.Kind == tree.Null {
		l.Report(n.At, "expected "+expected+", found nothing", "write a value, or remove the key")
		return "", false
	}
	if n.Kind != tree.Scalar {
		hint := ""
		if n.Kind == tree.Object {
			hint = `check the quotes: a text with ": " in it is a mapping unless it is quoted`
		}
		l.Report(n.At, "expected "+expected+", found "+n.Kind.String(), hint)
		return "", false
	}
	text, err := literal.Expand(n.Text, l.env)
	if err != nil {
		l.blame(n.At, err)
		return "", false
	}
	return text, true
}

// parse reads a scalar node as a value of kind k, and reports what is wrong with it. A Value learns where it is from.
func parse[T any](l *loader, k kind[T], n *tree.Node) (v T, ok bool) {
	text, ok := l.text(n, k.Name)
	if !ok {
		return v, false
	}
	v, err := k.Parse(text, l.dir)
	if err != nil {
		l.blame(n.At, err)
		var zero T // half a value must not meet the rules
		return zero, false
	}
	if value, ok := any(&v).(interface{ foundAt(Position) }); ok {
		value.foundAt(n.At)
	}
	return v, true
}

// readObject reads the keys of n into s, which holds the defaults.
func readObject[S any](l *loader, t *table[S], s *S, n *tree.Node) {
	if t.at != nil {
		*t.at(s) = n.At
	}
	if n.Kind == tree.Scalar && t.short != "" {
		n = t.long(n)
	}
	if n.Kind != tree.Object {
		l.Report(n.At, "expected a mapping, found "+n.Kind.String(), "the keys here are "+literal.InWords(t.keys(), "and"))
		return
	}
	seen, meant := map[string]Position{}, map[string]bool{}
	var chosen []tree.Pair // of t.oneOf
	for _, p := range n.Pairs {
		again := l.repeated(seen, p)
		r := t.row(p.Key)
		switch {
		case r == nil && !again:
			guess := l.unknownKey(t.keys(), t.foreign, p)
			meant[guess] = true // what was meant is not missing as well
			if r := t.row(guess); r != nil {
				l.Quietly(func() { readAgain(l, t, r, p.Value) })
			}
		case r != nil && again:
			l.checkCount(p, r.some, r.most)
			readAgain(l, t, r, p.Value)
		case r != nil:
			if slices.Contains(t.oneOf, p.Key) {
				chosen = append(chosen, p)
			}
			l.note(n.At, p)
			l.checkCount(p, r.some, r.most)
			r.to.read(l, s, p.Value)
		}
	}
	for _, r := range t.rows {
		if _, ok := seen[r.key]; r.need && !ok && !meant[r.key] {
			l.Report(n.At, fmt.Sprintf("the key %q is missing", r.key), "")
		}
	}
	l.checkOneOf(n.At, t.oneOf, chosen, meant)
}

// checkOneOf reports an object that has none, or several, of the keys of which it needs one.
func (l *loader) checkOneOf(at Position, oneOf []string, chosen []tree.Pair, meant map[string]bool) {
	if len(oneOf) == 0 {
		return
	}
	if len(chosen) == 0 && !slices.ContainsFunc(oneOf, func(key string) bool { return meant[key] }) {
		l.Report(at, fmt.Sprintf("the key %q is missing", oneOf[0]), "exactly one of "+literal.InWords(oneOf, "and")+" is needed")
	}
	for i := 1; i < len(chosen); i++ {
		l.Report(chosen[i].At, fmt.Sprintf("%s does not go with %s at line %d", chosen[i].Key, chosen[0].Key, chosen[0].At.Line),
			"write exactly one of "+literal.InWords(oneOf, "and"))
	}
}

// readAgain reads the value of a key that was written before, or under another name, and reports what is wrong with it. The
// value itself is set aside, so that rules do not compare a copy with its original. Names in it exist all the same, for those
// who refer to them.
func readAgain[S any](l *loader, t *table[S], r *row[S], value *tree.Node) {
	aside := new(S)
	t.fill(aside)
	r.to.read(l, aside, value)
	if c, ok := any(aside).(*Config); ok {
		l.aside.Listeners = append(l.aside.Listeners, c.Listeners...)
		l.aside.Upstreams = append(l.aside.Upstreams, c.Upstreams...)
	}
}

// note keeps where the object at a position has a key and the items of its list.
func (l *loader) note(object Position, p tree.Pair) {
	l.marks[mark{object, p.Key, 0}] = p.Value.At
	for i, item := range itemsOf(p.Value) {
		l.marks[mark{object, p.Key, i}] = item.At
	}
}

// checkCount reports lists and mappings with too few or too many entries.
func (l *loader) checkCount(p tree.Pair, some bool, most int) {
	n := len(p.Value.Items) + len(p.Value.Pairs)
	switch {
	case some && n == 0 && p.Value.Kind != tree.Scalar && p.Value.Kind != tree.Null:
		l.Report(p.Value.At, fmt.Sprintf("%s is empty", p.Key), "add something, or remove the key")
	case most > 0 && n > most:
		l.Report(p.Value.At, fmt.Sprintf("%s has %d entries, and %d are allowed", p.Key, n, most), "")
	}
}

// long returns the object for which a scalar stands.
func (t *table[S]) long(n *tree.Node) *tree.Node {
	key, value := t.short, *n
	if slices.Contains(t.words, n.Text) {
		key, value.Text = n.Text, "true"
	}
	return &tree.Node{Kind: tree.Object, At: n.At, Pairs: []tree.Pair{{Key: key, At: n.At, Value: &value}}}
}

func (t *table[S]) row(key string) *row[S] {
	for i := range t.rows {
		if t.rows[i].key == key {
			return &t.rows[i]
		}
	}
	return nil
}

// repeated reports a key that its mapping has had before.
func (l *loader) repeated(seen map[string]Position, p tree.Pair) bool {
	first, ok := seen[p.Key]
	if !ok {
		seen[p.Key] = p.At
		return false
	}
	l.Report(p.At, fmt.Sprintf("duplicate key %q", p.Key), fmt.Sprintf("it was written at line %d before", first.Line))
	return true
}

// unknownKey reports a key that its mapping does not know, and returns the best guess at what was meant.
func (l *loader) unknownKey(known []string, others foreign.Keys, p tree.Pair) (meant string) {
	hint := ""
	if other, ok := others[p.Key]; ok {
		meant, hint = other.Meant, cmp.Or(other.Hint, "this version cannot do that")
	} else {
		meant, _ = literal.Nearest(p.Key, known)
		hint = literal.DidYouMean(p.Key, known)
	}
	if hint == "" && len(l.keys[p.Key]) > 0 {
		hint = fmt.Sprintf("%q is a key of %s", p.Key, literal.InWords(l.keys[p.Key], "and of"))
	}
	if hint == "" {
		hint = "the keys here are " + literal.InWords(known, "and")
	}
	l.Report(p.At, fmt.Sprintf("unknown key %q", literal.HideSecrets(p.Key, l.keys)), hint) // "token:secret" is one key
	return meant
}
