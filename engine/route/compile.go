package route

import "strings"

// ConflictKind is what is wrong with a rule.
type ConflictKind uint8

// The kinds of conflict.
const (
	SamePattern  ConflictKind = iota // two rules take the same connections: same name pattern, and the same protocol or both without
	SameCatchAll                     // two rules take everything
	BadName                          // no host name, "*.suffix", "*" or ""
	BadProtocol                      // an ALPN name of 0 or more than 255 bytes
)

// Conflict is one thing that keeps rules from being a table. First and Second are places in the compiled list; for BadName and BadProtocol
// both are the same.
type Conflict struct {
	Kind                  ConflictKind
	First, Second         int
	FirstName, SecondName string
	Pattern               string // the name pattern, as far as there is one
	ALPN                  string // the protocol, as far as there is one
}

// String says the conflict in a sentence for the user.
func (c Conflict) String() string {
	switch c.Kind {
	case BadName:
		return "route " + quote(c.FirstName) + ": " + quote(c.Pattern) + " is not a host name, \"*.suffix\", \"*\" or \"\""
	case BadProtocol:
		return "route " + quote(c.FirstName) + ": an ALPN protocol has 1 to 255 bytes"
	}
	what := "every connection"
	if c.Kind == SamePattern {
		what = "sni " + quote(c.Pattern)
		if c.ALPN != "" {
			what += " with alpn " + quote(c.ALPN)
		}
	}
	return "routes " + quote(c.FirstName) + " and " + quote(c.SecondName) + " both take " + what
}

func quote(s string) string { return `"` + s + `"` }

// Compile builds the table of one listener. Order of the rules does not matter; where it would, that is a conflict, and all conflicts are
// returned at once. The table is usable only if there are none. The same pattern twice in one rule is harmless.
func Compile[T any](rules []Rule[T]) (*Table[T], []Conflict) {
	c := compiler[T]{rules: rules, table: &Table[T]{exact: map[string]*entry[T]{}, suffixes: map[string]*entry[T]{}}}
	for i := range rules {
		c.add(i)
	}
	return c.table, c.conflicts
}

// compiler fills a table and gathers what does not fit.
type compiler[T any] struct {
	rules     []Rule[T]
	table     *Table[T]
	conflicts []Conflict
}

// add compiles one rule.
func (c *compiler[T]) add(rule int) {
	r := &c.rules[rule]
	patterns := r.SNI
	switch {
	case len(r.SNI) == 0 && len(r.ALPN) == 0:
		c.put(ensure(&c.table.catchAll), rule, Conflict{Kind: SameCatchAll})
		return
	case len(r.SNI) == 0:
		patterns = []string{"*"}
	}
	for _, protocol := range r.ALPN {
		if protocol == "" || len(protocol) > 255 {
			c.report(rule, rule, Conflict{Kind: BadProtocol, ALPN: protocol})
		}
	}
	for _, written := range patterns {
		pattern := NormalName(written)
		e := c.entry(pattern)
		if bare := pattern == "" || pattern == "*"; e == nil || bare && pattern != written { // "." and "*." mean nothing
			c.report(rule, rule, Conflict{Kind: BadName, Pattern: written})
			continue
		}
		c.put(e, rule, Conflict{Kind: SamePattern, Pattern: pattern})
	}
}

// entry returns the place of a normal pattern in the table, or nil if it is none.
func (c *compiler[T]) entry(pattern string) *entry[T] {
	t := c.table
	suffix, wild := strings.CutPrefix(pattern, "*.")
	switch {
	case pattern == "*":
		return ensure(&t.anyTLS)
	case pattern == "":
		return ensure(&t.nameless)
	case !hostName(suffix):
		return nil
	case wild:
		t.longest = max(t.longest, len(suffix))
		return ensureIn(t.suffixes, suffix)
	}
	return ensureIn(t.exact, pattern)
}

// put gives a rule its place under one pattern: one per protocol, or the one for any. At most one conflict is reported per pattern and pair
// of rules, or two rules with five protocols would fill a screen.
func (c *compiler[T]) put(e *entry[T], rule int, conflict Conflict) {
	mine := &choice[T]{value: c.rules[rule].Value, rule: rule}
	protocols := c.rules[rule].ALPN
	if len(protocols) == 0 {
		if e.plain == nil {
			e.plain = mine
		}
		c.clash(e.plain.rule, rule, conflict)
		return
	}
	if e.byALPN == nil {
		e.byALPN = map[string]*choice[T]{}
	}
	for _, protocol := range protocols {
		holder := e.byALPN[protocol]
		if holder == nil {
			e.byALPN[protocol] = mine
			continue
		}
		conflict.ALPN = protocol
		if c.clash(holder.rule, rule, conflict) {
			return
		}
	}
}

// clash reports the conflict unless a rule only met itself, and tells whether it did.
func (c *compiler[T]) clash(first, second int, conflict Conflict) bool {
	if first != second {
		c.report(first, second, conflict)
	}
	return first != second
}

func (c *compiler[T]) report(first, second int, conflict Conflict) {
	conflict.First, conflict.Second = first, second
	conflict.FirstName, conflict.SecondName = c.rules[first].Name, c.rules[second].Name
	c.conflicts = append(c.conflicts, conflict)
}

// ensure returns the entry at place, made if there is none yet.
func ensure[T any](place **entry[T]) *entry[T] {
	if *place == nil {
		*place = new(entry[T])
	}
	return *place
}

// ensureIn returns the entry of key, made if there is none yet.
func ensureIn[T any](entries map[string]*entry[T], key string) *entry[T] {
	e := entries[key]
	place := ensure(&e)
	entries[key] = place
	return place
}

// hostName tells whether a normal name can be what a hello parser lets through: letters, digits, hyphens and underscores in labels of 1 to
// 63, at most 253 bytes. A name beyond ASCII must be written as it travels (xn--…).
func hostName(name string) bool {
	if len(name) > 253 {
		return false
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 || strings.ContainsFunc(label, notInName) {
			return false
		}
	}
	return true
}

func notInName(c rune) bool {
	return c != '-' && c != '_' && (c < '0' || c > '9') && (c < 'a' || c > 'z')
}
