package configs

// Linking: names become references. Routes get their names and listeners, a listener's own upstream becomes a route, and every
// name that something refers to must exist.

import (
	"fmt"
	"strings"

	"sluice/configs/literal"
)

// link resolves the names of c.
func (l *loader) link(c *Config) {
	nameRoutes(c.Routes)
	l.linkListeners(c)
	for _, li := range c.Listeners {
		if li.Upstream.V != "" {
			r := Route{Name: "@" + li.Name, At: li.Upstream.At, Listeners: []string{li.Name}, Upstream: li.Upstream}
			routes.fill(&r)
			c.Routes = append(c.Routes, r)
		}
	}
	l.linkUpstreams(c)
	for i := range c.Listeners {
		if limits := &c.Listeners[i].Limits; !l.written(limits.At, "uri_bytes") {
			limits.URIBytes = min(limits.URIBytes, limits.HeaderBytes)
		}
	}
	for i := range c.Upstreams {
		l.linkUpstream(&c.Upstreams[i])
	}
}

// linkUpstream derives what the file does not say in as many words.
func (l *loader) linkUpstream(u *Upstream) {
	u.HashOn, u.HashName, _ = strings.Cut(u.HashOn, ":")
	for i := range u.Servers {
		s := &u.Servers[i]
		switch s.Address.Network {
		case "dns", "srv", "file":
			s.Discover = s.Address.Network
		}
	}
	if c := u.Check; c != nil && !l.written(c.At, "fast") {
		c.Fast = min(c.Fast, c.Every)
	}
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
	if hint := literal.DidYouMean(name, known); hint != "" {
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
