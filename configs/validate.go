package configs

// Rules that need more than one value: what cannot work is an error, what has no effect is a warning. Each rule is one function
// over the linked configuration.

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"sluice/configs/literal"
)

// validate applies every rule to c.
func (l *loader) validate(c *Config) {
	l.checkBinds(c)
	l.checkRouteNames(c)
	l.checkEqualRoutes(c)
	l.checkLimits(c)
	l.checkAnswers(c)
	l.warnUnused(c)
	l.warnListeners(c)
	l.warnWithoutUpstream(c)
	l.checkUpstreams(c)
	l.checkAdmin(c)
}

// A bound is an address and who opens it: listener "web", or admin.
type bound struct {
	who     string
	address Value[Address]
}

// bounds are all addresses that are opened.
func bounds(c *Config) (all []bound) {
	for _, li := range c.Listeners {
		for _, b := range li.Bind {
			all = append(all, bound{fmt.Sprintf("listener %q", li.Name), b})
		}
	}
	if b := c.Admin.Bind; b != nil {
		all = append(all, bound{"admin", *b})
	}
	return all
}

// checkBinds reports addresses that overlap: ":80" takes every address of both families, "0.0.0.0:80" every one of IPv4 and
// "[::]:80" every one of IPv6, so that only the last two fit beside each other. The kernel would let a single address stand
// beside a wildcard, but the proxy opens each address exclusively at first, to notice other processes; it would find itself.
func (l *loader) checkBinds(c *Config) {
	taken, inside := map[Address]bound{}, map[Address]bound{} // by socket; by the wildcard around a single address
	for _, now := range bounds(c) {
		if now.address.V.Network == "" {
			continue // reported before
		}
		for _, a := range covered(now.address.V) {
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

// reportOverlap names both addresses and both lines.
func (l *loader) reportOverlap(first, now bound) {
	if first.address.V == now.address.V {
		l.report(now.address.At, fmt.Sprintf("%s binds %s, which %s binds at line %d", now.who, now.address.V, first.who, first.address.At.Line),
			"one address belongs to one listener")
		return
	}
	l.report(now.address.At, fmt.Sprintf("%s binds %s, which overlaps %s of %s at line %d",
		now.who, now.address.V, first.address.V, first.who, first.address.At.Line),
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

// checkAdmin reports a door to the proxy itself that anybody could open.
func (l *loader) checkAdmin(c *Config) {
	b := c.Admin.Bind
	if b == nil || c.Admin.Token != "" || b.V.Network != "tcp" {
		return
	}
	token := l.at(c.Admin.At, "token", 0)
	if slices.ContainsFunc(l.issues, func(i Issue) bool { return i.At == token && i.File == l.Name }) {
		return // there is one, and it is wrong
	}
	if ip, err := netip.ParseAddr(b.V.Host); err != nil || !ip.IsLoopback() {
		l.report(b.At, fmt.Sprintf("admin at %s needs a token: it can be reached from other machines", b.V),
			`write token: "${ADMIN_TOKEN}" beside bind, or bind "127.0.0.1:`+strconv.Itoa(int(b.V.Port))+`" or a unix socket`)
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

func inLine(names []string) string { return strings.Join(literal.SortedUnique(names), ", ") }
