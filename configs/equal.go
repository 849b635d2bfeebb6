package configs

// Equal routes: where two routes take the same, neither the order in the file nor anything else should decide. Each route is
// entered under everything that it matches, and the first entry that is taken is an error with both places.

import (
	"fmt"
	"slices"
	"strings"
)

// A match is one thing that a route takes: on a tcp listener an SNI and an ALPN, on an http listener a host, a path and a
// method. Two routes that take the same one are equal there; a route without methods is not equal to one with.
type match struct {
	listener string
	http     bool
	words    [3]string
}

// matchKeys are the keys behind the words of a match.
var (
	tcpMatchKeys  = []string{"sni", "alpn"}
	httpMatchKeys = []string{"hosts", "paths", "methods"}
)

// anything is the word of a key that is not written; no pattern can have a blank.
const anything = " "

// matchesMax bounds how much all routes together match. A file of 1 MiB could otherwise ask for billions.
const matchesMax = 1 << 18

// checkEqualRoutes reports, once for each route, the first match that an earlier route has too.
func (l *loader) checkEqualRoutes(c *Config) {
	protocols := map[string]string{}
	for _, li := range c.Listeners {
		protocols[li.Name] = li.Protocol
	}
	seen := map[match]*Route{}
	for i := range c.Routes {
		r := &c.Routes[i]
		if l.broken[r.At] {
			continue
		}
		for _, name := range r.Listeners {
			if !l.claim(seen, r, match{listener: name, http: protocols[name] == "http" && !r.HasSNI}) {
				break
			}
		}
		if len(seen) > matchesMax {
			l.report(r.At, fmt.Sprintf("up to here, the routes match more than %d combinations of host, path, method, sni, alpn and listener", matchesMax),
				"use wildcards and prefixes")
			return
		}
	}
}

// claim enters the matches of r on one listener into seen. It reports the first that is taken, and returns false.
func (l *loader) claim(seen map[match]*Route, r *Route, m match) bool {
	keys, lists := tcpMatchKeys, [3][]string{sniWords(r), words(r.ALPN), words(nil)}
	if m.http {
		keys, lists = httpMatchKeys, [3][]string{words(r.Hosts), pathWords(r.Paths), words(r.Methods)}
	}
	for i, first := range lists[0] {
		for j, second := range lists[1] {
			for k, third := range lists[2] {
				m.words = [3]string{first, second, third}
				if taken, ok := seen[m]; ok {
					l.reportEqual(taken, r, m, l.whereMatched(r, keys, [3]int{i, j, k}))
					return false
				}
				if seen[m] = r; len(seen) > matchesMax {
					return false
				}
			}
		}
	}
	return true
}

// words is a list without its absence.
func words(list []string) []string {
	if len(list) == 0 {
		return []string{anything}
	}
	return list
}

// pathWords knows that the prefix of every path is every path.
func pathWords(paths []string) []string {
	if i := slices.Index(paths, "/*"); i >= 0 {
		paths = slices.Clone(paths)
		paths[i] = anything
	}
	return words(paths)
}

// sniWords keeps apart a route for every hello, and one for every connection.
func sniWords(r *Route) []string {
	if !r.HasSNI {
		return []string{anything}
	}
	return r.SNI
}

// whereMatched returns the place of the first key of a match that r has written.
func (l *loader) whereMatched(r *Route, keys []string, items [3]int) Position {
	for i, key := range keys {
		if l.written(r.At, key) {
			return l.at(r.At, key, items[i])
		}
	}
	return r.At
}

// reportEqual explains why first and r cannot both exist.
func (l *loader) reportEqual(first, r *Route, m match, at Position) {
	what := m.describe()
	switch {
	case first == r:
		l.report(at, fmt.Sprintf("route %q lists %s twice", r.Name, what), "")
	case r.Name == "@"+m.listener:
		hint := "remove the upstream, or give the route sni or other listeners"
		if m.http {
			hint = "remove the upstream, or give the route hosts, paths or other listeners"
		}
		l.report(r.At, fmt.Sprintf("listener %q has an upstream, and route %q at line %d:%d takes everything from it too", m.listener, first.Name, first.At.Line, first.At.Column), hint)
	default:
		l.report(at, fmt.Sprintf("routes %q and %q are equal: both take %s on listener %q", r.Name, first.Name, what, m.listener),
			fmt.Sprintf("the other one is at %s:%d:%d", l.Name, first.At.Line, first.At.Column))
	}
}

// describe says what m takes.
func (m match) describe() string {
	nouns, glue := []string{"sni", "alpn"}, " with "
	if m.http {
		nouns, glue = []string{"host", "path", "method"}, ", "
	}
	var parts []string
	for i, noun := range nouns {
		if m.words[i] != anything {
			parts = append(parts, fmt.Sprintf("%s %q", noun, m.words[i]))
		}
	}
	if len(parts) == 0 {
		return "everything"
	}
	return strings.Join(parts, glue)
}
