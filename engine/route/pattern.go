package route

import (
	"slices"
	"strings"
)

// HTTPRule is one route of a listener for requests, as the user wrote it. It takes the requests that fit one of its hosts, one of its paths
// and one of its methods.
type HTTPRule[T any] struct {
	Name    string   // shows in conflicts
	Hosts   []string // "a.example", "*.example" = one or more labels in front, "127.0.0.1", "[::1]"; none = any host, or no host at all
	Paths   []string // "/status" = only this one, "/v1/*" = whatever begins with "/v1/"; "/*" or none = all, also the "*" of OPTIONS
	Methods []string // tokens, case-sensitive (RFC 9110, 9.1); none = any
	Value   T
}

// HTTPConflictKind is what is wrong with a rule for requests.
type HTTPConflictKind uint8

// The kinds of conflict between rules for requests.
const (
	SameRequests HTTPConflictKind = iota // two rules take the same host and path, and the same method or both any
	BadHost                              // no name, address or "*.suffix"
	BadPath                              // not from "/" on, a "*" before the end, a query, broken percent-encoding, or ".." above the root
	BadMethod                            // no token (RFC 9110, 5.6.2)
)

// HTTPConflict is one thing that keeps rules from being a tree. First and Second are places in the compiled list; for a bad pattern both are
// the same.
type HTTPConflict struct {
	Kind                  HTTPConflictKind
	First, Second         int
	FirstName, SecondName string
	Host, Path, Method    string // what both rules take, or the one that is bad; "" = any
}

// String says the conflict in a sentence for the user.
func (c HTTPConflict) String() string {
	route := "route " + quote(c.FirstName) + ": "
	switch c.Kind {
	case BadHost:
		return route + quote(c.Host) + " is not a host: a name, an address or \"*.suffix\", without a port"
	case BadPath:
		return route + quote(c.Path) + " is not a path: it begins with \"/\" and may have one \"*\", at its end"
	case BadMethod:
		return route + quote(c.Method) + " is not a method"
	}
	var what []string
	for _, part := range [...]struct{ word, text string }{{"host ", c.Host}, {"path ", c.Path}, {"method ", c.Method}} {
		if part.text != "" {
			what = append(what, part.word+quote(part.text))
		}
	}
	if what == nil {
		what = []string{"every request"}
	}
	return "routes " + quote(c.FirstName) + " and " + quote(c.SecondName) + " both take " + strings.Join(what, ", ")
}

// CompileHTTP builds the tree of one listener. Order of the rules does not matter; where it would, that is a conflict, and all conflicts are
// returned at once: per path and pair of rules the first one found, or two rules with five hosts would fill a screen. The tree is usable
// only if there are none. The same pattern twice in one rule is harmless, also in two spellings: patterns are compared as NormalHost and
// NormalPath write them.
func CompileHTTP[T any](rules []HTTPRule[T]) (*Tree[T], []HTTPConflict) {
	c := httpCompiler[T]{
		rules: rules,
		tree:  &Tree[T]{exact: map[string]*site[T]{}, suffixes: map[string]*site[T]{}},
		told:  map[overlap]bool{},
	}
	for i := range rules {
		c.add(i)
	}
	c.tree.link()
	return c.tree, c.conflicts
}

// httpCompiler fills a tree and gathers what does not fit.
type httpCompiler[T any] struct {
	rules     []HTTPRule[T]
	tree      *Tree[T]
	conflicts []HTTPConflict
	told      map[overlap]bool // conflicts between two rules that need no second telling
}

// overlap is what two rules have in common.
type overlap struct {
	first, second int
	path          string
}

// siteOf and pathOf are patterns of a rule, understood.
type (
	siteOf[T any] struct {
		host string // as conflicts show it, "" = any
		*site[T]
	}
	pathOf struct {
		text   string // normal, without the "*"
		prefix bool
	}
)

// String is the pattern as conflicts show it, "" for all paths.
func (p pathOf) String() string {
	if p.prefix && p.text != "" {
		return p.text + "*"
	}
	return p.text
}

// add compiles one rule: each of its hosts with each of its paths.
func (c *httpCompiler[T]) add(rule int) {
	for _, method := range c.rules[rule].Methods {
		if !token(method) {
			c.report(rule, rule, HTTPConflict{Kind: BadMethod, Method: method})
		}
	}
	mine := &choice[T]{value: c.rules[rule].Value, rule: rule}
	sites, paths := c.sites(rule), c.paths(rule)
	for _, s := range sites {
		for _, path := range paths {
			c.put(s.ensure(path), mine, HTTPConflict{Host: s.host, Path: path.String()})
		}
	}
}

// sites returns the sites of a rule's hosts, made where there are none yet.
func (c *httpCompiler[T]) sites(rule int) (sites []siteOf[T]) {
	t, hosts := c.tree, c.rules[rule].Hosts
	if len(hosts) == 0 {
		if t.anyHost == nil {
			t.anyHost = newSite[T]()
		}
		return []siteOf[T]{{"", t.anyHost}}
	}
	for _, written := range hosts {
		name, wild, ok := parseHost(written)
		switch {
		case !ok:
			c.report(rule, rule, HTTPConflict{Kind: BadHost, Host: written})
		case wild:
			t.longest = max(t.longest, len(name))
			sites = append(sites, siteOf[T]{"*." + name, ensureSite(t.suffixes, name)})
		default:
			sites = append(sites, siteOf[T]{name, ensureSite(t.exact, name)})
		}
	}
	return sites
}

// paths returns a rule's paths.
func (c *httpCompiler[T]) paths(rule int) (paths []pathOf) {
	if len(c.rules[rule].Paths) == 0 {
		return []pathOf{{prefix: true}}
	}
	for _, written := range c.rules[rule].Paths {
		if path, ok := parsePath(written); ok {
			paths = append(paths, path)
		} else {
			c.report(rule, rule, HTTPConflict{Kind: BadPath, Path: written})
		}
	}
	return paths
}

// put gives a rule its place: one for each method, or the one for any.
func (c *httpCompiler[T]) put(p *place[T], mine *choice[T], conflict HTTPConflict) {
	methods := c.rules[mine.rule].Methods
	if len(methods) == 0 {
		if p.plain == nil {
			p.plain = mine
		}
		c.clash(p.plain.rule, mine.rule, conflict)
		return
	}
	for _, method := range methods {
		at := slices.IndexFunc(p.named, func(n named[T]) bool { return n.method == method })
		if at < 0 {
			p.named = append(p.named, named[T]{method, mine})
			continue
		}
		conflict.Method = method
		c.clash(p.named[at].choice.rule, mine.rule, conflict)
	}
}

// clash reports the conflict unless a rule only met itself or the user has heard enough of these two.
func (c *httpCompiler[T]) clash(first, second int, conflict HTTPConflict) {
	if o := (overlap{first, second, conflict.Path}); first != second && !c.told[o] {
		c.told[o] = true
		c.report(first, second, conflict)
	}
}

func (c *httpCompiler[T]) report(first, second int, conflict HTTPConflict) {
	conflict.First, conflict.Second = first, second
	conflict.FirstName, conflict.SecondName = c.rules[first].Name, c.rules[second].Name
	c.conflicts = append(c.conflicts, conflict)
}

func newSite[T any]() *site[T] { return &site[T]{exact: map[string]*place[T]{}} }

// ensureSite returns the site of host, made if there is none yet.
func ensureSite[T any](sites map[string]*site[T], host string) *site[T] {
	if sites[host] == nil {
		sites[host] = newSite[T]()
	}
	return sites[host]
}

// ensure returns the place of path, made if there is none yet.
func (s *site[T]) ensure(path pathOf) *place[T] {
	if !path.prefix {
		if s.exact[path.text] == nil {
			s.exact[path.text] = &place[T]{pattern: path.text}
		}
		return s.exact[path.text]
	}
	at, found := slices.BinarySearchFunc(s.prefixes, path.text, func(p *place[T], text string) int { return strings.Compare(p.pattern, text) })
	if !found {
		s.prefixes = slices.Insert(s.prefixes, at, &place[T]{pattern: path.text})
	}
	return s.prefixes[at]
}

// link tells every pattern its next less specific one, once all are known.
func (t *Tree[T]) link() {
	for host, s := range t.exact {
		s.up = t.wildcard([]byte(host))
		s.link()
	}
	for suffix, s := range t.suffixes {
		s.up = t.wildcard([]byte(suffix))
		s.link()
	}
	s := t.anyHost
	if s == nil {
		return
	}
	s.link()
	if len(t.exact)+len(t.suffixes)+len(s.exact) == 0 && len(s.prefixes) == 1 {
		if p := s.prefixes[0]; p.pattern == "" && len(p.named) == 0 {
			t.only = p.plain
		}
	}
}

func (s *site[T]) link() {
	for i, p := range s.prefixes {
		if i > 0 {
			p.up = s.prefixes[i-1]
		}
		for p.up != nil && !p.up.begins([]byte(p.pattern)) { // as in prefix: the neighbour leads up to the longest prefix
			p.up = p.up.up
		}
	}
	for path, p := range s.exact {
		p.up = s.prefix([]byte(path))
	}
}

// parseHost understands a host pattern.
func parseHost(written string) (name string, wild, ok bool) {
	name, wild = strings.CutPrefix(NormalName(written), "*.")
	if hostName(name) {
		return name, wild, true
	}
	literal, ok := NormalHost(nil, []byte(name))
	return name, false, ok && !wild && name[0] == '[' && len(literal) == len(name) // a port would have been cut off
}

// parsePath understands a path pattern. A prefix is normalised with a letter behind it that is taken off again: "/.*" means names that begin
// with a dot, not the directory itself, and half a percent-encoded byte is none.
func parsePath(written string) (path pathOf, ok bool) {
	text, prefix := strings.CutSuffix(written, "*")
	if strings.ContainsAny(text, "*?") {
		return path, false
	}
	if prefix {
		text += "x"
	}
	normal, ok := NormalPath(nil, []byte(text))
	text = string(normal)
	if prefix {
		text = strings.TrimSuffix(text, "x")
	}
	if prefix && text == "/" {
		text = "" // takes the target "*" too, like a rule without paths
	}
	return pathOf{text, prefix}, ok
}

// token tells whether s is a token (RFC 9110, 5.6.2), as methods must be.
func token(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(c rune) bool {
		return (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && !strings.ContainsRune("!#$%&'*+-.^_`|~", c)
	})
}
