package configs

// Equal routes: where two routes take the same, neither the order in the file nor anything else should decide. Each route is
// entered under everything that it matches, and the first entry that is taken is an error with both places. On a tcp listener
// that is an SNI and an ALPN, on an http listener a host, a path and a method, and for routes with passthrough an SNI and an ALPN
// there too. A route without methods is not equal to one with.

import (
	"fmt"

	"sluice/configs/equal"
)

// A sense is what a listener looks at: the keys behind the words of a match, and how they are called.
type sense struct {
	keys, nouns []string
	glue        string
}

var (
	hellos   = sense{[]string{"sni", "alpn"}, []string{"sni", "alpn"}, " with "}
	requests = sense{[]string{"hosts", "paths", "methods"}, []string{"host", "path", "method"}, ", "}
)

// matchesMax bounds how much all routes together match.
const matchesMax = 1 << 18

// checkEqualRoutes reports, once for each route, the first match that an earlier route has too.
func (l *loader) checkEqualRoutes(c *Config) {
	protocols := map[string]string{}
	for _, li := range c.Listeners {
		protocols[li.Name] = li.Protocol
	}
	set := equal.Set{Max: matchesMax}
	for i := range c.Routes {
		r := &c.Routes[i]
		if l.Broken(r.At) {
			continue
		}
		for _, name := range r.Listeners {
			s, scope, words := hellos, "hello "+name, equal.Words{r.SNI, r.ALPN} // without sni, every connection; with "*", every hello
			if protocols[name] == "http" && !r.HasSNI {
				s, scope, words = requests, "request "+name, equal.Words{r.Hosts, equal.Paths(r.Paths), r.Methods}
			}
			if clash := set.Claim(i, scope, words); clash != nil {
				l.reportEqual(collision{first: &c.Routes[clash.First], second: r, listener: name, sense: s, Clash: clash})
				break
			}
		}
		if set.Full() {
			l.Report(r.At, fmt.Sprintf("up to here, the routes match more than %d combinations of host, path, method, sni, alpn and listener", matchesMax),
				"use wildcards and prefixes")
			return
		}
	}
}

// whereMatched returns the place of the first key of a match that r has written.
func (l *loader) whereMatched(r *Route, keys []string, items [equal.Keys]int) Position {
	for i, key := range keys {
		if l.Written(r.At, key) {
			return l.At(r.At, key, items[i])
		}
	}
	return r.At
}

// A collision is two routes, or one, that take the same on a listener.
type collision struct {
	*equal.Clash
	sense
	first, second *Route
	listener      string
}

// reportEqual explains why the two routes of c cannot both exist.
func (l *loader) reportEqual(c collision) {
	first, r, listener := c.first, c.second, c.listener
	what, at := c.Describe(c.nouns, c.glue), l.whereMatched(r, c.keys, c.Items)
	switch {
	case first == r:
		l.Report(at, fmt.Sprintf("route %q lists %s twice", r.Name, what), "")
	case r.Name == "@"+listener:
		hint := "remove the upstream, or give the route sni or other listeners"
		if c.glue == requests.glue {
			hint = "remove the upstream, or give the route hosts, paths or other listeners"
		}
		l.Report(r.At, fmt.Sprintf("listener %q has an upstream, and route %q at line %d:%d takes everything from it too", listener, first.Name, first.At.Line, first.At.Column), hint)
	default:
		l.Report(at, fmt.Sprintf("routes %q and %q are equal: both take %s on listener %q", r.Name, first.Name, what, listener),
			fmt.Sprintf("the other one is at %s:%d:%d", l.Name, first.At.Line, first.At.Column))
	}
}
