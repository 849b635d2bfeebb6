package configs

// Rules that need more than one value: what cannot work is an error, what has no effect is a warning. Each rule is one function
// over the linked configuration.

import (
	"fmt"
	"net/netip"
	"strings"
)

// validate applies every rule to c.
func (l *loader) validate(c *Config) {
	l.checkBinds(c)
	l.checkRouteNames(c)
	l.checkEqualRoutes(c)
	l.checkServers(c)
	l.warnUnused(c)
	l.warnListeners(c)
	l.warnHashes(c)
}

// A bound is an address and the listener that opens it.
type bound struct {
	listener string
	address  Value[Address]
}

// checkBinds reports addresses that overlap: ":80" takes every address of both families, "0.0.0.0:80" every one of IPv4 and
// "[::]:80" every one of IPv6, so that only the last two fit beside each other. The kernel would let a single address stand
// beside a wildcard, but the proxy opens each address exclusively at first, to notice other processes; it would find itself.
func (l *loader) checkBinds(c *Config) {
	taken, inside := map[Address]bound{}, map[Address]bound{} // by socket; by the wildcard around a single address
	for _, li := range c.Listeners {
		for _, b := range li.Bind {
			if b.V.Network == "" {
				continue // reported before
			}
			now := bound{li.Name, b}
			for _, a := range covered(b.V) {
				first, ok := taken[a]
				if wild := wildcard(a); !ok && wild == a {
					first, ok = inside[a]
				} else if !ok {
					first, ok = taken[wild]
				}
				if ok {
					l.reportOverlap(first, now)
					break
				}
				taken[a], inside[wildcard(a)] = now, now
			}
		}
	}
}

// reportOverlap names both addresses and both lines.
func (l *loader) reportOverlap(first, now bound) {
	if first.address.V == now.address.V {
		l.report(now.address.At, fmt.Sprintf("listener %q binds %s, which listener %q binds at line %d", now.listener, now.address.V, first.listener, first.address.At.Line),
			"one address belongs to one listener")
		return
	}
	l.report(now.address.At, fmt.Sprintf("listener %q binds %s, which overlaps %s of listener %q at line %d",
		now.listener, now.address.V, first.address.V, first.listener, first.address.At.Line),
		`":port" takes every address, "0.0.0.0:port" every IPv4 address, "[::]:port" every IPv6 address; bind single addresses, or only the wildcard`)
}

// covered returns the sockets that an address opens: a wildcard without a family opens two.
func covered(a Address) []Address {
	if a.Network == "unix" || a.Host != "" {
		return []Address{a}
	}
	v4, v6 := a, a
	v4.Host, v6.Host = netip.IPv4Unspecified().String(), netip.IPv6Unspecified().String()
	return []Address{v4, v6}
}

// wildcard returns the address that takes a and all others of its family and port. A unix socket is alone.
func wildcard(a Address) Address {
	switch {
	case a.Network == "unix":
	case strings.Contains(a.Host, ":"):
		a.Host = netip.IPv6Unspecified().String()
	default:
		a.Host = netip.IPv4Unspecified().String()
	}
	return a
}

func (l *loader) checkRouteNames(c *Config) {
	seen := map[string]Position{}
	for _, r := range c.Routes {
		if first, ok := seen[r.Name]; ok {
			l.report(l.at(r.At, "name", 0), fmt.Sprintf("the route name %q is taken by the route at line %d", r.Name, first.Line),
				"logs and metrics tell routes apart by name")
			continue
		}
		seen[r.Name] = r.At
	}
}

// matchKey is one thing that a route takes: two routes that take the same one are equal there.
type matchKey struct{ listener, sni, alpn string }

// catchAll is the sni of a route without sni and alpn; no pattern can have a blank.
const catchAll = " "

// checkEqualRoutes reports, once for each route, the first match that an earlier route has too.
func (l *loader) checkEqualRoutes(c *Config) {
	seen := map[matchKey]*Route{}
	for i := range c.Routes {
		if !l.broken[c.Routes[i].At] {
			l.claim(seen, &c.Routes[i])
		}
	}
}

// claim enters the matches of r into seen, and reports the first that is taken.
func (l *loader) claim(seen map[matchKey]*Route, r *Route) {
	snis, alpns := r.SNI, r.ALPN
	if !r.HasSNI {
		snis = []string{catchAll}
	}
	if len(alpns) == 0 {
		alpns = []string{""}
	}
	for _, listener := range r.Listeners {
		for j, sni := range snis {
			for _, alpn := range alpns {
				key := matchKey{listener, sni, alpn}
				if first, ok := seen[key]; ok {
					l.reportEqual(first, r, key, j)
					return
				}
				seen[key] = r
			}
		}
	}
}

// reportEqual explains why first and r cannot both exist. The j-th sni of r is the one they share.
func (l *loader) reportEqual(first, r *Route, key matchKey, j int) {
	at := l.at(r.At, "sni", j)
	switch {
	case first == r:
		l.report(at, fmt.Sprintf("route %q lists %s twice", r.Name, key), "")
	case r.Name == "@"+key.listener:
		l.report(r.At, fmt.Sprintf("listener %q has an upstream, and route %q at line %d:%d takes everything from it too", key.listener, first.Name, first.At.Line, first.At.Column),
			"remove the upstream, or give the route sni or other listeners")
	default:
		l.report(at, fmt.Sprintf("routes %q and %q are equal: both take %s on listener %q", r.Name, first.Name, key, key.listener),
			fmt.Sprintf("the other one is at %s:%d:%d", l.name, first.At.Line, first.At.Column))
	}
}

// String says what k takes.
func (k matchKey) String() string {
	if k.sni == catchAll {
		return "everything"
	}
	if k.alpn == "" {
		return fmt.Sprintf("sni %q", k.sni)
	}
	return fmt.Sprintf("sni %q with alpn %q", k.sni, k.alpn)
}

func (l *loader) checkServers(c *Config) {
	for _, u := range c.Upstreams {
		if l.broken[u.At] {
			continue
		}
		usable := false
		seen := map[Address]Position{}
		for _, s := range u.Servers {
			usable = usable || s.Weight > 0
			if first, ok := seen[s.Address]; ok {
				l.warn(s.At, fmt.Sprintf("upstream %q has the server %s twice", u.Name, s.Address),
					fmt.Sprintf("it is at line %d too; use weight for a larger share", first.Line))
			}
			seen[s.Address] = s.At
		}
		if !usable {
			l.report(l.at(u.At, "servers", 0), fmt.Sprintf("upstream %q has no server with a weight above 0", u.Name),
				"a weight of 0 takes no connections")
		}
	}
}

// warnUnused names what nothing leads to.
func (l *loader) warnUnused(c *Config) {
	listeners, upstreams := map[string]bool{}, map[string]bool{}
	for _, r := range c.Routes {
		upstreams[r.Upstream.V] = true
		for _, name := range r.Listeners {
			listeners[name] = true
		}
	}
	for _, li := range c.Listeners {
		if !listeners[li.Name] {
			l.warn(li.At, fmt.Sprintf("listener %q has no route: it closes every connection", li.Name), "give it an upstream, or name it in a route")
		}
	}
	for _, u := range c.Upstreams {
		if !upstreams[u.Name] {
			l.warn(u.At, fmt.Sprintf("upstream %q is not used", u.Name), "")
		}
	}
}

// warnListeners finds rules that no connection of a listener can meet.
func (l *loader) warnListeners(c *Config) {
	for _, li := range c.Listeners {
		if p := li.ProxyProtocol; p.Mode == ProxyOff && len(p.From) > 0 {
			l.warn(l.at(p.At, "from", 0), "from has no effect while mode is off", "write mode: accept or mode: require")
		}
		unix := len(li.Bind) > 0
		for _, b := range li.Bind {
			unix = unix && b.V.Network == "unix"
		}
		if unix && len(li.ClientIP.Allow)+len(li.ClientIP.Deny) > 0 {
			l.warn(li.ClientIP.At, fmt.Sprintf("listener %q has only unix sockets, whose peers have no IP address", li.Name),
				"use client_ip of a route, with proxy_protocol")
		}
	}
}

// warnHashes finds hash_on without a hash, and hashing by a name that is never read.
func (l *loader) warnHashes(c *Config) {
	readsHello := map[string]bool{}
	for _, r := range c.Routes {
		for _, name := range r.Listeners {
			readsHello[name] = readsHello[name] || r.HasSNI
		}
	}
	blind := map[string][]string{} // upstream → listeners that use it without reading a hello
	for _, r := range c.Routes {
		for _, name := range r.Listeners {
			if !readsHello[name] {
				blind[r.Upstream.V] = append(blind[r.Upstream.V], name)
			}
		}
	}
	for _, u := range c.Upstreams {
		hashes := u.Balance == "hash" || u.Balance == "maglev"
		at := l.at(u.At, "hash_on", 0)
		switch {
		case !hashes && l.written(u.At, "hash_on"):
			l.warn(at, fmt.Sprintf("hash_on has no effect with balance: %s", u.Balance), "write balance: hash or balance: maglev")
		case hashes && u.HashOn == "sni" && len(blind[u.Name]) > 0:
			l.warn(at, fmt.Sprintf("hash_on: sni has no name to hash on listener %s, where no route has sni", strings.Join(sortedUnique(blind[u.Name]), ", ")),
				"write hash_on: client_ip, or route by sni")
		}
	}
}
