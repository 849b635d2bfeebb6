package configs

// Rules that need more than one value: what cannot work is an error, what has no effect is a warning. Each rule is one function
// over the linked configuration.

import (
	"fmt"
	"net/netip"
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
	l.checkPassthrough(c)
	l.checkAnswers(c)
	for i := range c.Listeners {
		if li := &c.Listeners[i]; li.TLS != nil {
			l.checkListenerTLS(li)
		}
	}
	l.warnUnused(c)
	l.warnListeners(c)
	l.warnWithoutUpstream(c)
	l.checkUpstreams(c)
	l.checkAdmin(c)
	if path := c.Runtime.KeyLog; path != "" {
		l.Warn(l.At(c.Runtime.At, "key_log", 0), "THE SECRETS OF EVERY TLS CONNECTION ARE WRITTEN TO "+path+": whoever has this file can read all that was encrypted",
			"remove the key as soon as you have found what you are looking for, and then the file")
	}
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

// checkBinds reports addresses that cannot be opened beside each other.
func (l *loader) checkBinds(c *Config) {
	all := bounds(c)
	var addresses []Address
	for _, b := range all {
		addresses = append(addresses, b.address.V)
	}
	for _, pair := range literal.Overlaps(addresses) {
		l.reportOverlap(all[pair[0]], all[pair[1]])
	}
}

// reportOverlap names both addresses and both lines.
func (l *loader) reportOverlap(first, now bound) {
	if first.address.V == now.address.V {
		l.Report(now.address.At, fmt.Sprintf("%s binds %s, which %s binds at line %d", now.who, now.address.V, first.who, first.address.At.Line),
			"one address belongs to one listener")
		return
	}
	l.Report(now.address.At, fmt.Sprintf("%s binds %s, which overlaps %s of %s at line %d",
		now.who, now.address.V, first.address.V, first.who, first.address.At.Line),
		`":port" takes every address, "0.0.0.0:port" every IPv4 address, "[::]:port" every IPv6 address; bind single addresses, or only the wildcard`)
}

func (l *loader) checkRouteNames(c *Config) {
	seen := map[string]Position{}
	for _, r := range c.Routes {
		if first, ok := seen[r.Name]; ok {
			l.Report(l.At(r.At, "name", 0), fmt.Sprintf("the route name %q is taken by the route at line %d", r.Name, first.Line),
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
	token := l.At(c.Admin.At, "token", 0)
	if l.Blamed(token) {
		return // there is one, and it is wrong
	}
	if ip, err := netip.ParseAddr(b.V.Host); err != nil || !ip.IsLoopback() {
		l.Report(b.At, fmt.Sprintf("admin at %s needs a token: it can be reached from other machines", b.V),
			`write token: "${ADMIN_TOKEN}" beside bind, or bind "127.0.0.1:`+strconv.Itoa(int(b.V.Port))+`" or a unix socket`)
	}
}

// checkLimits compares what one table alone cannot.
func (l *loader) checkLimits(c *Config) {
	for _, li := range c.Listeners {
		if at := li.Limits.At; !l.Broken(li.At) && li.Limits.URIBytes > li.Limits.HeaderBytes {
			l.Report(l.At(at, "uri_bytes", 0), fmt.Sprintf("uri_bytes %s is more than header_bytes %s", li.Limits.URIBytes, li.Limits.HeaderBytes),
				"the request line is part of the head")
		}
	}
}

// checkAnswers reports bodies where a status has none (RFC 9110, section 6.4.1).
func (l *loader) checkAnswers(c *Config) {
	for _, r := range c.Routes {
		if a := r.Respond; a != nil && a.Body != "" && (a.Status == 204 || a.Status == 205 || a.Status == 304) {
			l.Report(l.At(a.At, "body", 0), fmt.Sprintf("an answer with status %d has no body", a.Status), "remove it, or write another status")
		}
	}
}

// warnUnused names what nothing leads to.
func (l *loader) warnUnused(c *Config) {
	listeners, upstreams, protocols := map[string]bool{}, map[string]bool{}, map[string]string{}
	for _, li := range c.Listeners {
		protocols[li.Name] = li.Protocol
	}
	for _, r := range c.Routes {
		upstreams[r.Upstream.V] = true
		for _, name := range r.Listeners {
			listeners[name] = listeners[name] || !r.Passthrough || protocols[name] == "tcp"
		}
	}
	for _, li := range c.Listeners {
		if !listeners[li.Name] {
			does := "closes every connection"
			if li.Protocol == "http" {
				does = "answers every request with 421"
			}
			l.Warn(li.At, fmt.Sprintf("listener %q has no route: it %s", li.Name, does), "give it an upstream, or name it in a route")
		}
	}
	for _, u := range c.Upstreams {
		if !upstreams[u.Name] {
			l.Warn(u.At, fmt.Sprintf("upstream %q is not used", u.Name), "")
		}
	}
}

// warnListeners finds rules that no connection of a listener can meet.
func (l *loader) warnListeners(c *Config) {
	rows := listeners.Describe()
	for _, li := range c.Listeners {
		other := map[string]string{"http": "tcp", "tcp": "http"}[li.Protocol]
		for _, k := range l.OnlyFor(other, li.At, rows) {
			l.Warn(k.At, fmt.Sprintf("%s has no effect: listener %q is %s", k.Key, li.Name, li.Protocol), "")
		}
		for _, key := range []string{"hello", "handshake"} {
			at := l.At(li.At, "timeouts", 0)
			if l.Written(at, key) && li.TLS == nil && (key == "handshake" || li.Protocol == "http") {
				l.Warn(l.At(at, key, 0), fmt.Sprintf("%s has no effect: listener %q has no tls", key, li.Name), "")
			}
		}
		if p := li.ProxyProtocol; p.Mode == ProxyOff && len(p.From) > 0 {
			l.Warn(l.At(p.At, "from", 0), "from has no effect while mode is off", "write mode: accept or mode: require")
		}
		unix := len(li.Bind) > 0
		for _, b := range li.Bind {
			unix = unix && b.V.Network == "unix"
		}
		if unix && len(li.ClientIP.Allow)+len(li.ClientIP.Deny) > 0 {
			l.Warn(li.ClientIP.At, fmt.Sprintf("listener %q has only unix sockets, whose peers have no IP address", li.Name),
				"use client_ip of a route, with proxy_protocol")
		}
	}
}

func inLine(names []string) string { return strings.Join(literal.SortedUnique(names), ", ") }
