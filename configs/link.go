package configs

// Linking: names become references. Routes get their names and listeners, a listener's own upstream becomes a route, and every
// name that something refers to must exist.

import (
	"fmt"
	"strings"
)

// link resolves the names of c.
func (l *loader) link(c *Config) {
	var all []string
	known := map[string]bool{}
	for _, li := range c.Listeners {
		all = append(all, li.Name)
		known[li.Name] = true
	}
	for _, li := range l.aside.Listeners {
		known[li.Name] = true
	}
	nameRoutes(c.Routes)
	for i := range c.Routes {
		l.linkRoute(&c.Routes[i], all, known)
	}
	for _, li := range c.Listeners {
		if li.Upstream.V != "" {
			c.Routes = append(c.Routes, Route{Name: "@" + li.Name, At: li.Upstream.At, Listeners: []string{li.Name}, Upstream: li.Upstream})
		}
	}
	l.linkUpstreams(c)
}

// nameRoutes calls the i-th route "route-i", from 1, if the file gives it no name. A name that the file gives to another route
// stays with that one: the generated one becomes "route-i-2", or the first number that is free.
func nameRoutes(routes []Route) {
	taken := map[string]bool{}
	for _, r := range routes {
		taken[r.Name] = true
	}
	for i := range routes {
		if routes[i].Name != "" {
			continue
		}
		base := fmt.Sprintf("route-%d", i+1)
		free := base
		for n := 2; taken[free]; n++ {
			free = fmt.Sprintf("%s-%d", base, n)
		}
		routes[i].Name = free
		taken[free] = true
	}
}

// linkRoute completes a route of the file.
func (l *loader) linkRoute(r *Route, all []string, known map[string]bool) {
	r.HasSNI = l.written(r.At, "sni") || l.written(r.At, "alpn")
	if r.HasSNI && !l.written(r.At, "sni") {
		r.SNI = []string{"*"} // alpn alone: any TLS hello that offers it
	}
	if !l.written(r.At, "listeners") {
		r.Listeners = all
		return
	}
	for j, name := range r.Listeners {
		if name != "" && !known[name] {
			l.report(l.at(r.At, "listeners", j), fmt.Sprintf("there is no listener %q", name), hintNames(name, all, "listeners"))
		}
	}
}

// linkUpstreams reports routes to upstreams that do not exist.
func (l *loader) linkUpstreams(c *Config) {
	var all []string
	known := map[string]bool{}
	for _, u := range c.Upstreams {
		all = append(all, u.Name)
		known[u.Name] = true
	}
	for _, u := range l.aside.Upstreams {
		known[u.Name] = true
	}
	for _, r := range c.Routes {
		name := r.Upstream.V
		if name != "" && !known[name] {
			l.report(r.Upstream.At, fmt.Sprintf("there is no upstream %q", name), hintNames(name, all, "upstreams"))
		}
	}
}

// hintNames suggests the nearest name, or lists those there are.
func hintNames(name string, known []string, section string) string {
	const listed = 10
	if hint := didYouMean(name, known); hint != "" {
		return hint
	}
	switch n := len(known) - listed; {
	case len(known) == 0:
		return "add it under " + section
	case n > 0:
		return fmt.Sprintf("add it under %s, which has %s and %d more", section, strings.Join(known[:listed], ", "), n)
	}
	return fmt.Sprintf("add it under %s, which has %s", section, strings.Join(known, ", "))
}
