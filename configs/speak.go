package configs

// Which routes fit which listeners. Rows say for which protocol they mean something; a route that has written such a key is for
// listeners of that protocol, takes all of them by default, and can name no others.

import (
	"fmt"
	"slices"

	"sluice/configs/literal"
	"sluice/configs/table"
)

// A meeting is what routes are matched with: the listeners by name and by protocol.
type meeting struct {
	all   []string
	known map[string]*Listener // nil where it is known by name only
	by    map[string][]string  // protocol → listeners
	sure  bool                 // every listener could be read
}

func (l *loader) meet(c *Config) meeting {
	m := meeting{known: map[string]*Listener{}, by: map[string][]string{}, sure: len(l.aside.Listeners) == 0 && len(c.Listeners) > 0}
	for _, li := range l.aside.Listeners {
		m.known[li.Name] = nil
	}
	for i := range c.Listeners {
		li := &c.Listeners[i]
		m.all = append(m.all, li.Name)
		m.by[li.Protocol] = append(m.by[li.Protocol], li.Name)
		m.known[li.Name] = li
		if l.Broken(li.At) {
			m.known[li.Name], m.sure = nil, false
		}
	}
	return m
}

// linkListeners gives the routes of the file their listeners.
func (l *loader) linkListeners(c *Config) {
	m, rows := l.meet(c), routes.Describe()
	for i := range c.Routes {
		r := &c.Routes[i]
		r.HasSNI = l.Written(r.At, "sni") || l.Written(r.At, "alpn")
		if r.HasSNI && !l.Written(r.At, "sni") {
			r.SNI = []string{"*"} // alpn alone: any TLS hello that offers it
		}
		http, tcp := l.OnlyFor("http", r.At, rows), l.OnlyFor("tcp", r.At, rows)
		if !r.Passthrough {
			tcp = slices.DeleteFunc(tcp, func(k table.Key) bool { return k.Key == "passthrough" })
		}
		switch {
		case len(http) > 0 && len(tcp) > 0:
			l.reportBoth(r, http[0], tcp[0])
		case l.Written(r.At, "listeners"):
			l.linkNamed(r, m, http, tcp)
		default:
			l.linkDefault(r, m, http, tcp)
		}
	}
}

// linkNamed checks the listeners that a route names.
func (l *loader) linkNamed(r *Route, m meeting, http, tcp []table.Key) {
	for j, name := range r.Listeners {
		li, ok := m.known[name]
		switch {
		case name == "":
		case !ok:
			l.Report(l.At(r.At, "listeners", j), fmt.Sprintf("there is no listener %q", name), literal.NearestOrAll(name, m.all, "listeners"))
		case li == nil:
		case li.Protocol == "tcp" && len(http) > 0:
			l.reportMisfit(r, http[0], "http", li)
		case r.Passthrough && li.TLS != nil:
			l.checkTaken(r, li)
		case li.Protocol == "http" && len(tcp) > 0:
			l.reportMisfit(r, tcp[0], "tcp", li)
		}
	}
}

// reportBoth names two keys that do not go together.
func (l *loader) reportBoth(r *Route, http, tcp table.Key) {
	l.Break(r.At)
	if r.Passthrough {
		l.Report(http.At, fmt.Sprintf("%s is about requests, and a route with passthrough sees none", http.Key), "remove it, or remove passthrough and terminate TLS")
		return
	}
	l.Report(http.At, fmt.Sprintf("%s is for http listeners, and %s at line %d for tcp ones", http.Key, tcp.Key, tcp.At.Line),
		"a route is for one protocol: make two of it")
}

// reportMisfit names the key and the listener that do not go together, and both lines.
func (l *loader) reportMisfit(r *Route, k table.Key, only string, li *Listener) {
	l.Break(r.At)
	hint := fmt.Sprintf("name %s listeners only, or write protocol: %s there", only, only)
	switch {
	case only == "tcp" && r.Passthrough:
		hint = "name listeners with tls or with protocol: tcp only"
	case only == "tcp" && li.TLS != nil:
		hint = "write hosts instead, or passthrough: true to pass TLS on as it comes"
	}
	l.Report(k.At, fmt.Sprintf("%s is for %s listeners, and listener %q at line %d is %s", k.Key, only, li.Name, li.At.Line, li.Protocol), hint)
}

// checkTaken reports a route that would leave nothing to the TLS of a listener.
func (l *loader) checkTaken(r *Route, li *Listener) {
	if !r.HasSNI {
		l.Break(r.At)
		l.Report(l.At(r.At, "passthrough", 0), fmt.Sprintf("passthrough takes every connection of listener %q at line %d, which has tls", li.Name, li.At.Line),
			"write sni or alpn beside it")
	}
}

// passing are the listeners from which a route with passthrough may take connections.
func (m meeting) passing(r *Route) (names []string) {
	for _, name := range m.all {
		if li := m.known[name]; li != nil && (li.TLS != nil && r.HasSNI || li.TLS == nil && li.Protocol == "tcp") {
			names = append(names, name)
		}
	}
	return names
}

// linkDefault gives a route that names no listeners all that fit.
func (l *loader) linkDefault(r *Route, m meeting, http, tcp []table.Key) {
	switch {
	case r.Passthrough:
		r.Listeners = m.passing(r)
	case len(tcp) > 0:
		r.Listeners = m.by["tcp"]
	case len(http) > 0 || len(m.by["http"]) > 0:
		r.Listeners = m.by["http"]
	default:
		r.Listeners = m.by["tcp"]
	}
	if len(r.Listeners) > 0 || !m.sure {
		return
	}
	keys, only := http, "http"
	if len(tcp) > 0 {
		keys, only = tcp, "tcp"
	}
	l.Break(r.At)
	hint := "write protocol: " + only + " at a listener"
	if r.Passthrough {
		hint += "; or tls there, and sni in the route"
	}
	l.Report(keys[0].At, fmt.Sprintf("%s is for %s listeners, and there is none", keys[0].Key, only), hint)
}

// checkPassthrough reports TLS that would be wrapped in TLS: connections that are passed on as they come are encrypted already.
func (l *loader) checkPassthrough(c *Config) {
	ends, over := map[string]bool{}, map[string]bool{}
	for _, li := range c.Listeners {
		ends[li.Name] = li.TLS != nil
	}
	for _, u := range c.Upstreams {
		over[u.Name] = u.TLS != nil
	}
	for _, r := range c.Routes {
		untouched := func(name string) bool { return r.Passthrough || r.HasSNI && !ends[name] }
		if over[r.Upstream.V] && slices.ContainsFunc(r.Listeners, untouched) {
			l.Report(r.Upstream.At, fmt.Sprintf("route %q passes TLS on as it comes, and upstream %q would wrap it in tls once more", r.Name, r.Upstream.V),
				"name an upstream without tls, or terminate: write tls at the listener, and no passthrough")
		}
	}
}

// warnWithoutUpstream names what an http route without an upstream has written for one.
func (l *loader) warnWithoutUpstream(c *Config) {
	for _, r := range c.Routes {
		if r.Respond == nil && r.Redirect == nil {
			continue
		}
		for _, key := range []string{"rewrite", "buffer", "upgrade", "connect", "forwarded", "retry", "timeouts"} {
			if l.Written(r.At, key) {
				l.Warn(l.At(r.At, key, 0), fmt.Sprintf("%s has no effect in a route without upstream", key), "")
			}
		}
	}
}
