package configs

// Linking: names become references. Routes get their names and listeners, a listener's own upstream becomes a route, and every
// name that something refers to must exist.

import (
	"fmt"
	"slices"
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
			routes.Fill(&r)
			c.Routes = append(c.Routes, r)
		}
	}
	l.linkUpstreams(c)
	for i := range c.Listeners {
		if limits := &c.Listeners[i].Limits; !l.Written(limits.At, "uri_bytes") {
			limits.URIBytes = min(limits.URIBytes, limits.HeaderBytes)
		}
	}
	for i := range c.Listeners {
		if t := c.Listeners[i].TLS; t != nil {
			for j := range t.Certificates {
				linkKey(t.Certificates[j].Cert, &t.Certificates[j].Key)
			}
		}
	}
	for i := range c.Upstreams {
		l.linkUpstream(&c.Upstreams[i])
		l.linkUpstreamTLS(&c.Upstreams[i])
	}
}

// linkUpstream derives what the file does not say in as many words.
func (l *loader) linkUpstream(u *Upstream) {
	u.HashOn, u.HashName, _ = strings.Cut(u.HashOn, ":")
	for i := range u.Servers {
		s := &u.Servers[i]
		s.takeScheme()
		switch s.Address.Network {
		case "dns", "srv", "file":
			s.Discover = s.Address.Network
		}
	}
	if c := u.Check; c != nil && !l.Written(c.At, "fast") {
		c.Fast = min(c.Fast, c.Every)
	}
}

// linkUpstreamTLS finds out whether servers are reached over TLS, and whether checks are.
func (l *loader) linkUpstreamTLS(u *Upstream) {
	if i := slices.IndexFunc(u.Servers, func(s Server) bool { return s.Scheme == "https" }); i >= 0 && !l.Written(u.At, "tls") {
		u.TLS, u.schemed = &UpstreamTLS{At: u.Servers[i].At}, true
		upstreamTLS.Fill(u.TLS)
	}
	if u.TLS != nil {
		linkKey(u.TLS.Cert, &u.TLS.Key)
	}
	c := u.Check
	if c == nil {
		return
	}
	if c.TLS != nil {
		linkKey(c.TLS.Cert, &c.TLS.Key)
	}
	bare := c.TLS != nil && !slices.ContainsFunc(upstreamTLS.Keys(), func(key string) bool { return l.Written(c.TLS.At, key) })
	if u.TLS != nil && (bare || !l.Written(c.At, "tls")) {
		c.TLS = u.TLS
	}
}

// linkKey looks for the key in the file of the certificate if no other is named.
func linkKey(cert string, key *string) {
	if *key == "" {
		*key = cert
	}
}

// takeScheme moves the scheme from the address, which is the same with it and without, to the server.
func (s *Server) takeScheme() {
	s.Scheme, s.Address.Scheme = s.Address.Scheme, ""
}

// nameRoutes gives a name to every route that has none.
func nameRoutes(routes []Route) {
	var names []string
	for _, r := range routes {
		names = append(names, r.Name)
	}
	for i, name := range literal.NumberNames("route", names) {
		routes[i].Name = name
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
			l.Report(r.Upstream.At, fmt.Sprintf("there is no upstream %q", name), literal.NearestOrAll(name, all, "upstreams"))
		}
	}
}
