package configs

// Loading: text → tree (tree.go) → structs, guided by the tables → names resolved (link.go) → rules (validate.go). No stage
// stops at the first mistake, and none reports what follows from a mistake already reported.

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// Load reads, resolves and validates the configuration file at path. The error is Issues, with everything that is wrong.
// Files that the configuration names are read too; addresses are neither looked up nor bound.
func Load(path string) (*Config, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, Issues{{File: path, Message: "the configuration cannot be read: " + plainError(err),
			Hint: "name another file with -c FILE"}}
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, fileMax+1))
	if err != nil {
		hint := ""
		if errors.Is(err, syscall.EISDIR) {
			hint = "name the file in it, as in -c " + filepath.Join(path, "sluice.yaml")
		}
		return nil, Issues{{File: path, Message: "the configuration cannot be read: " + plainError(err), Hint: hint}}
	}
	return Parse(path, text)
}

// plainError is err without the operation and path that the message around it already names.
func plainError(err error) string {
	if pe, ok := err.(*os.PathError); ok {
		err = pe.Err
	}
	return err.Error()
}

// lineEnds makes one kind of YAML's three, so that lines are counted alike everywhere (YAML 1.2.2, 5.4).
var lineEnds = strings.NewReplacer("\r\n", "\n", "\r", "\n")

// Parse is Load for a text in hand: tests, fuzzing, generated configurations. The name is used in messages, and relative paths
// in the text start at its folder. It never panics, whatever src holds.
func Parse(name string, src []byte) (*Config, error) {
	text := strings.TrimPrefix(string(src), "\uFEFF") // a byte order mark, as Windows editors leave
	text = lineEnds.Replace(text)
	l := &loader{
		source: newSource(name, text),
		dir:    filepath.Dir(name),
		env:    os.LookupEnv,
		keys:   map[string][]string{},
		marks:  map[mark]Position{},
		broken: map[Position]bool{},
	}
	root, issues := parseTree(l.source, text)
	if len(issues) > 0 {
		return nil, issues.sort(name)
	}
	if root == nil {
		return nil, Issues{l.source.issue(Position{}, "the configuration is empty",
			"the smallest useful one has a listener with bind, protocol: tcp and upstream, and an upstream with servers")}
	}
	collectKeys(l.keys, "", file.info())
	c := &Config{File: name, source: l.source}
	file.fill(c)
	readObject(l, file, c, root)
	l.link(c)
	l.validate(c)
	if err := l.failure(); err != nil {
		return nil, err
	}
	c.Warnings = l.warnings.sort(name)
	return c, nil
}

// A loader is the state of one Parse.
type loader struct {
	*source
	dir      string
	env      func(string) (string, bool)
	keys     map[string][]string // key → the places in the schema that know it
	marks    map[mark]Position
	broken   map[Position]bool // objects in which something is wrong
	issues   Issues
	found    int // issues, also those beyond issuesMax
	warnings Issues
	aside    Config // listeners and upstreams of sections that were written again, or mistyped
}

// A mark names a key, or an item of its list, of the object at a position. Rules use marks to point at plain values.
type mark struct {
	object Position
	key    string
	item   int
}

// issuesMax bounds what one load reports; a file with more mistakes is not a configuration.
const issuesMax = 500

func (l *loader) report(at Position, message, hint string) { l.add(l.issue(at, message, hint)) }

func (l *loader) add(i Issue) {
	l.found++
	if l.found <= issuesMax {
		l.issues = append(l.issues, i)
	}
}

// failure returns what was reported, in order, or nil.
func (l *loader) failure() error {
	if len(l.issues) == 0 {
		return nil
	}
	issues := l.issues.sort(l.name)
	if l.found > issuesMax {
		issues = append(issues, l.issue(Position{}, fmt.Sprintf("%d more errors are not shown", l.found-issuesMax), ""))
	}
	return issues
}

// sound runs read, which reads the object at a position, and notes whether it found nothing wrong. Rules that compare objects
// leave out the others: what follows from a mistake is not reported.
func (l *loader) sound(at Position, read func()) {
	before := l.found
	read()
	if l.found > before {
		l.broken[at] = true
	}
}

// quietly runs read and forgets what it reports: a guess at what was meant may be wrong.
func (l *loader) quietly(read func()) {
	issues, found := l.issues, l.found
	read()
	l.issues, l.found = issues[:len(issues):len(issues)], found
}

func (l *loader) warn(at Position, message, hint string) {
	l.warnings = append(l.warnings, l.issue(at, message, hint))
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
func (l *loader) text(n *node, expected string) (string, bool) {
	if n.kind == nullNode {
		l.report(n.at, "expected "+expected+", found nothing", "write a value, or remove the key")
		return "", false
	}
	if n.kind != scalarNode {
		hint := ""
		if n.kind == objectNode {
			hint = `check the quotes: a text with ": " in it is a mapping unless it is quoted`
		}
		l.report(n.at, "expected "+expected+", found "+n.kind.String(), hint)
		return "", false
	}
	text, err := expand(n.text, l.env)
	if err != nil {
		l.report(n.at, err.Error(), hintOf(err))
		return "", false
	}
	return text, true
}

// parse reads a scalar node as a value of kind k, and reports what is wrong with it.
func parse[T any](l *loader, k kind[T], n *node) (v T, ok bool) {
	text, ok := l.text(n, k.name)
	if !ok {
		return v, false
	}
	v, err := k.parse(scalar{text: text, at: n.at, dir: l.dir})
	if err != nil {
		l.report(n.at, err.Error(), hintOf(err))
		var zero T // half a value must not meet the rules
		return zero, false
	}
	return v, true
}

// readObject reads the keys of n into s, which holds the defaults.
func readObject[S any](l *loader, t *table[S], s *S, n *node) {
	if t.at != nil {
		*t.at(s) = n.at
	}
	if n.kind == scalarNode && t.short != "" {
		n = &node{kind: objectNode, at: n.at, pairs: []pair{{t.short, n.at, n}}}
	}
	if n.kind != objectNode {
		l.report(n.at, "expected a mapping, found "+n.kind.String(), "the keys here are "+inWords(t.keys(), "and"))
		return
	}
	seen, meant := map[string]Position{}, map[string]bool{}
	for _, p := range n.pairs {
		again := l.repeated(seen, p)
		r := t.row(p.key)
		switch {
		case r == nil && !again:
			guess := l.unknownKey(t.keys(), p)
			meant[guess] = true // what was meant is not missing as well
			if r := t.row(guess); r != nil {
				l.quietly(func() { readAgain(l, t, r, p.value) })
			}
		case r != nil && again:
			l.checkCount(p, r.some, r.most)
			readAgain(l, t, r, p.value)
		case r != nil:
			l.note(n.at, p)
			l.checkCount(p, r.some, r.most)
			r.to.read(l, s, p.value)
		}
	}
	for _, r := range t.rows {
		if _, ok := seen[r.key]; r.need && !ok && !meant[r.key] {
			l.missingKey(n.at, r.key)
		}
	}
}

// readAgain reads the value of a key that was written before, or under another name, and reports what is wrong with it. The
// value itself is set aside, so that rules do not compare a copy with its original. Names in it exist all the same, for those
// who refer to them.
func readAgain[S any](l *loader, t *table[S], r *row[S], value *node) {
	aside := new(S)
	t.fill(aside)
	r.to.read(l, aside, value)
	if c, ok := any(aside).(*Config); ok {
		l.aside.Listeners = append(l.aside.Listeners, c.Listeners...)
		l.aside.Upstreams = append(l.aside.Upstreams, c.Upstreams...)
	}
}

// note keeps where the object at a position has a key and the items of its list.
func (l *loader) note(object Position, p pair) {
	l.marks[mark{object, p.key, 0}] = p.value.at
	for i, item := range itemsOf(p.value) {
		l.marks[mark{object, p.key, i}] = item.at
	}
}

// checkCount reports lists and mappings with too few or too many entries.
func (l *loader) checkCount(p pair, some bool, most int) {
	n := len(p.value.items) + len(p.value.pairs)
	switch {
	case some && n == 0 && p.value.kind != scalarNode && p.value.kind != nullNode:
		l.report(p.value.at, fmt.Sprintf("%s is empty", p.key), "add something, or remove the key")
	case most > 0 && n > most:
		l.report(p.value.at, fmt.Sprintf("%s has %d entries, and %d are allowed", p.key, n, most), "")
	}
}

func (t *table[S]) row(key string) *row[S] {
	for i := range t.rows {
		if t.rows[i].key == key {
			return &t.rows[i]
		}
	}
	return nil
}

func (l *loader) missingKey(at Position, key string) {
	hint := ""
	if key == "protocol" {
		hint = "this version serves protocol: tcp"
	}
	l.report(at, fmt.Sprintf("the key %q is missing", key), hint)
}

// repeated reports a key that its mapping has had before.
func (l *loader) repeated(seen map[string]Position, p pair) bool {
	first, ok := seen[p.key]
	if !ok {
		seen[p.key] = p.at
		return false
	}
	l.report(p.at, fmt.Sprintf("duplicate key %q", p.key), fmt.Sprintf("it was written at line %d before", first.Line))
	return true
}

// unknownKey reports a key that its mapping does not know, and returns the best guess at what was meant.
func (l *loader) unknownKey(known []string, p pair) (meant string) {
	meant, _ = nearest(p.key, known)
	hint := didYouMean(p.key, known)
	if hint == "" && len(l.keys[p.key]) > 0 {
		hint = fmt.Sprintf("%q is a key of %s", p.key, inWords(l.keys[p.key], "and of"))
	}
	if hint == "" {
		hint = "the keys here are " + inWords(known, "and")
	}
	l.report(p.at, fmt.Sprintf("unknown key %q", p.key), hint)
	return meant
}

// collectKeys notes for each key of the schema the objects that have it.
func collectKeys(keys map[string][]string, path string, rows []rowInfo) {
	for _, r := range rows {
		where := path
		if where == "" {
			where = "the top level"
		}
		keys[r.key] = append(keys[r.key], where)
		below := strings.TrimPrefix(path+"."+r.key+r.shape.path, ".")
		collectKeys(keys, below, r.shape.rows)
	}
}
