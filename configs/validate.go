package configs

// Rules that need more than one value: what cannot work is an error, what has no effect is a warning. Each rule is one function
// over the linked configuration.

import (
	"fmt"
	"net/netip"
	"strings"

	"sluice/configs/literal"
)

// validate applies every rule to c.
func (l *loader) validate(c *Config) {
	l.checkBinds(c)
	l.checkRouteNames(c)
	l.checkEqualRoutes(c)
	l.checkServers(c)
	l.checkLimits(c)
	l.checkAnswers(c)
	l.warnUnused(c)
	l.warnListeners(c)
	l.warnWithoutUpstream(c)
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

// checkLimits compares what one table alone cannot.
func (l *loader) checkLimits(c *Config) {
	for _, li := range c.Listeners {
		if at := li.Limits.At; !l.broken[li.At] && li.Limits.URIBytes > li.Limits.HeaderBytes {
			l.report(l.at(at, "uri_bytes", 0), fmt.Sprintf("uri_bytes %s is more than header_bytes %s", li.Limits.URIBytes, li.Limits.HeaderBytes),
				"the request line is part of the head")
		}
	}
}

// checkAnswers reports bodies where a status has none (RFC 9110, section 6.4.1).
func (l *loader) checkAnswers(c *Config) {
	for _, r := range c.Routes {
		if a := r.Respond; a != nil && a.Body != "" && (a.Status == 204 || a.Status == 205 || a.Status == 304) {
			l.report(l.at(a.At, "body", 0), fmt.Sprintf("an answer with status %d has no body", a.Status), "remove it, or write another status")
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
			does := "closes every connection"
			if li.Protocol == "http" {
				does = "answers every request with 421"
			}
			l.warn(li.At, fmt.Sprintf("listener %q has no route: it %s", li.Name, does), "give it an upstream, or name it in a route")
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
	rows := listeners.info()
	for _, li := range c.Listeners {
		other := map[string]string{"http": "tcp", "tcp": "http"}[li.Protocol]
		for _, k := range l.onlyFor(other, li.At, rows) {
			l.warn(k.at, fmt.Sprintf("%s has no effect: listener %q is %s", k.key, li.Name, li.Protocol), "")
		}
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

// hashing says what reaches an upstream: which listeners give it a name or a request to hash.
type hashing struct {
	blind    []string // tcp listeners that read no hello
	tcp      []string // tcp listeners
	requests []string // http listeners
}

// hashed returns for each upstream the listeners that lead to it.
func hashed(c *Config) map[string]*hashing {
	protocols, readsHello := map[string]string{}, map[string]bool{}
	for _, li := range c.Listeners {
		protocols[li.Name] = li.Protocol
	}
	for _, r := range c.Routes {
		for _, name := range r.Listeners {
			readsHello[name] = readsHello[name] || r.HasSNI
		}
	}
	found := map[string]*hashing{}
	for _, r := range c.Routes {
		h := found[r.Upstream.V]
		if h == nil {
			h = &hashing{}
			found[r.Upstream.V] = h
		}
		for _, name := range r.Listeners {
			switch {
			case protocols[name] == "http":
				h.requests = append(h.requests, name)
			case !readsHello[name]:
				h.blind = append(h.blind, name)
				fallthrough
			default:
				h.tcp = append(h.tcp, name)
			}
		}
	}
	return found
}

// warnHashes finds hash_on without a hash, and hashing by what is never read.
func (l *loader) warnHashes(c *Config) {
	found := hashed(c)
	for _, u := range c.Upstreams {
		hashes := u.Balance == "hash" || u.Balance == "maglev"
		at, h := l.at(u.At, "hash_on", 0), found[u.Name]
		switch {
		case !hashes && l.written(u.At, "hash_on"):
			l.warn(at, fmt.Sprintf("hash_on has no effect with balance: %s", u.Balance), "write balance: hash or balance: maglev")
		case !hashes || h == nil || u.HashOn == "client_ip":
		case u.HashOn != "sni" && len(h.tcp) > 0:
			l.warn(at, fmt.Sprintf("hash_on: %s has no request to hash on listener %s, which is tcp: it hashes the client's address there", u.HashOn, inLine(h.tcp)),
				"write hash_on: client_ip, or another upstream for tcp")
		case u.HashOn == "sni" && len(h.requests) > 0:
			l.warn(at, fmt.Sprintf("hash_on: sni has no name to hash on listener %s, which is http: it hashes the client's address there", inLine(h.requests)),
				"write hash_on: host, or another upstream for http")
		case u.HashOn == "sni" && len(h.blind) > 0:
			l.warn(at, fmt.Sprintf("hash_on: sni has no name to hash on listener %s, where no route has sni", inLine(h.blind)),
				"write hash_on: client_ip, or route by sni")
		}
	}
}

func inLine(names []string) string { return strings.Join(literal.SortedUnique(names), ", ") }
