package configs

// Which routes fit which listeners. Rows say for which protocol they mean something; a route that has written such a key is for
// listeners of that protocol, takes all of them by default, and can name no others.

import "fmt"

// aKey is a key that an object has written, and where.
type aKey struct {
	key string
	at  Position
}

// onlyFor returns the keys of an object that it has written and that mean something for one protocol only.
func (l *loader) onlyFor(protocol string, object Position, rows []rowInfo) []aKey {
	var found []aKey
	for _, r := range rows {
		if !l.written(object, r.key) {
			continue
		}
		at := l.at(object, r.key, 0)
		if r.only == protocol {
			found = append(found, aKey{r.key, at})
		} else if r.only == "" && r.shape.path == "" {
			found = append(found, l.onlyFor(protocol, at, r.shape.rows)...)
		}
	}
	return found
}

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
		if l.broken[li.At] {
			m.known[li.Name], m.sure = nil, false
		}
	}
	return m
}

// linkListeners gives the routes of the file their listeners.
func (l *loader) linkListeners(c *Config) {
	m, rows := l.meet(c), routes.info()
	for i := range c.Routes {
		r := &c.Routes[i]
		r.HasSNI = l.written(r.At, "sni") || l.written(r.At, "alpn")
		if r.HasSNI && !l.written(r.At, "sni") {
			r.SNI = []string{"*"} // alpn alone: any TLS hello that offers it
		}
		http, tcp := l.onlyFor("http", r.At, rows), l.onlyFor("tcp", r.At, rows)
		switch {
		case len(http) > 0 && len(tcp) > 0:
			l.broken[r.At] = true
			l.report(http[0].at, fmt.Sprintf("%s is for http listeners, and %s at line %d for tcp ones", http[0].key, tcp[0].key, tcp[0].at.Line),
				"a route is for one protocol: make two of it")
		case l.written(r.At, "listeners"):
			l.linkNamed(r, m, http, tcp)
		default:
			l.linkDefault(r, m, http, tcp)
		}
	}
}

// linkNamed checks the listeners that a route names.
func (l *loader) linkNamed(r *Route, m meeting, http, tcp []aKey) {
	for j, name := range r.Listeners {
		li, ok := m.known[name]
		switch {
		case name == "":
		case !ok:
			l.report(l.at(r.At, "listeners", j), fmt.Sprintf("there is no listener %q", name), hintNames(name, m.all, "listeners"))
		case li == nil:
		case li.Protocol == "tcp" && len(http) > 0:
			l.reportMisfit(r, http[0], "http", li)
		case li.Protocol == "http" && len(tcp) > 0:
			l.reportMisfit(r, tcp[0], "tcp", li)
		}
	}
}

// reportMisfit names the key and the listener that do not go together, and both lines.
func (l *loader) reportMisfit(r *Route, k aKey, only string, li *Listener) {
	l.broken[r.At] = true
	l.report(k.at, fmt.Sprintf("%s is for %s listeners, and listener %q at line %d is %s", k.key, only, li.Name, li.At.Line, li.Protocol),
		fmt.Sprintf("name %s listeners only, or write protocol: %s there", only, only))
}

// linkDefault gives a route that names no listeners all that fit.
func (l *loader) linkDefault(r *Route, m meeting, http, tcp []aKey) {
	switch {
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
	l.broken[r.At] = true
	l.report(keys[0].at, fmt.Sprintf("%s is for %s listeners, and there is none", keys[0].key, only), "write protocol: "+only+" at a listener")
}

// warnWithoutUpstream names what an http route without an upstream has written for one.
func (l *loader) warnWithoutUpstream(c *Config) {
	for _, r := range c.Routes {
		if r.Respond == nil && r.Redirect == nil {
			continue
		}
		for _, key := range []string{"rewrite", "buffer", "upgrade", "connect", "forwarded", "retry", "timeouts"} {
			if l.written(r.At, key) {
				l.warn(l.at(r.At, key, 0), fmt.Sprintf("%s has no effect in a route without upstream", key), "")
			}
		}
	}
}
