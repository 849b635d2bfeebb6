package configs

// Rules about upstreams. Each is a function over one of them.

import (
	"fmt"

	"sluice/configs/reference"
)

// checkUpstreams applies every rule to every upstream.
func (l *loader) checkUpstreams(c *Config) {
	found, rows := reached(c), upstreams.Describe()
	for i := range c.Upstreams {
		u := &c.Upstreams[i]
		if u.Check != nil {
			l.checkCheck(u)
		}
		all := l.serversOf(u)
		l.checkServers(u, all)
		l.checkUpstreamTLS(u)
		if h := found[u.Name]; h != nil {
			l.warnTCP(u, h, rows)
		}
		l.warnHashes(u, found[u.Name])
		l.warnQueue(u, all)
	}
}

// serversOf returns the servers of u, with those that its files list in place of the files.
func (l *loader) serversOf(u *Upstream) (all []Server) {
	before := l.Found
	var empty []Server
	for _, s := range u.Servers {
		if s.Discover != "file" {
			all = append(all, s)
			continue
		}
		found, ok := l.loadServers(s)
		for _, f := range found {
			if l.refuse(u, f, s.At) {
				break
			}
		}
		if ok && len(found) == 0 {
			empty = append(empty, s)
		}
		all = append(all, found...)
	}
	for _, s := range empty {
		if len(all) == 0 {
			l.Report(s.At, fmt.Sprintf("%s lists no server, and upstream %q has no other", s.Address, u.Name), "")
		}
	}
	if l.Found > before {
		l.Break(u.At)
	}
	return all
}

// checkServers looks for servers that are there twice, and for one that may be chosen. An SRV record may have any weight.
func (l *loader) checkServers(u *Upstream, all []Server) {
	seen := map[Address]Position{}
	for _, s := range u.Servers {
		if first, ok := seen[s.Address]; ok && s.Address != (Address{}) {
			l.Warn(s.At, fmt.Sprintf("upstream %q has the server %s twice", u.Name, s.Address),
				fmt.Sprintf("it is at line %d too; use weight for a larger share", first.Line))
		}
		seen[s.Address] = s.At
	}
	usable := l.Broken(u.At)
	for _, s := range all {
		usable = usable || s.Weight > 0 || s.Discover == "srv"
	}
	if !usable {
		l.Report(l.At(u.At, "servers", 0), fmt.Sprintf("upstream %q has no server with a weight above 0", u.Name),
			"a weight of 0 takes no connections")
	}
}

// httpOnly are the keys of a check that say something about a request or its answer.
var httpOnly = []string{"method", "host", "headers", "status", "body"}

// checkCheck compares the keys of a check.
func (l *loader) checkCheck(u *Upstream) {
	c := u.Check
	for _, key := range httpOnly {
		if l.Written(c.At, "tcp") && l.Written(c.At, key) {
			l.Report(l.At(c.At, key, 0), fmt.Sprintf("%s is for a check with http, and this one is tcp", key), "write http: /path instead of tcp: true")
		}
	}
	if c.Fast > c.Every && !l.Broken(u.At) {
		l.Report(l.At(c.At, "fast", 0), fmt.Sprintf("fast %s is more than every %s", c.Fast, c.Every), "a server that is changing is asked more often, not less")
	}
	if c.Body != nil && c.Method == "HEAD" {
		l.Report(l.At(c.At, "body", 0), "an answer to HEAD has no body", "remove it, or write another method")
	}
	for _, s := range u.Servers {
		if s.Address.Network == "unix" && c.Port != 0 {
			l.Warn(l.At(c.At, "port", 0), fmt.Sprintf("port has no effect on the server %s", s.Address), "")
		}
	}
}

// warnTCP names what u has written for http while tcp listeners lead to it.
func (l *loader) warnTCP(u *Upstream, h *reach, rows []reference.Row) {
	if len(h.tcp) == 0 {
		return
	}
	for _, k := range l.OnlyFor("http", u.At, rows) {
		l.Warn(k.At, fmt.Sprintf("%s has no effect on listener %s, which is tcp", k.Key, inLine(h.tcp)), "write balance: hash and hash_on: client_ip, or another upstream for tcp")
	}
}

// warnQueue finds a queue that nobody enters.
func (l *loader) warnQueue(u *Upstream, all []Server) {
	limited := u.MaxConnections > 0
	for _, s := range all {
		limited = limited || s.MaxConnections > 0
	}
	if at := l.At(u.At, "queue", 0); u.Queue.Size > 0 && !limited && !l.Broken(u.At) {
		l.Warn(l.At(at, "size", 0), fmt.Sprintf("nobody ever waits: upstream %q and its servers have no max_connections", u.Name),
			"write max_connections in the upstream, or at its servers")
	}
}

// reach says what reaches an upstream: which listeners give it a name or a request to hash.
type reach struct {
	blind    []string // tcp listeners that read no hello
	tcp      []string // tcp listeners
	requests []string // http listeners
}

// reached returns for each upstream the listeners that lead to it.
func reached(c *Config) map[string]*reach {
	protocols, readsHello := map[string]string{}, map[string]bool{}
	for _, li := range c.Listeners {
		protocols[li.Name], readsHello[li.Name] = li.Protocol, li.TLS != nil
	}
	for _, r := range c.Routes {
		for _, name := range r.Listeners {
			readsHello[name] = readsHello[name] || r.HasSNI
		}
	}
	found := map[string]*reach{}
	for _, r := range c.Routes {
		h := found[r.Upstream.V]
		if h == nil {
			h = &reach{}
			found[r.Upstream.V] = h
		}
		for _, name := range r.Listeners {
			switch {
			case protocols[name] == "http" && r.HasSNI:
				h.tcp = append(h.tcp, name+" with passthrough")
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

// warnHashes finds keys for hashes without a hash, and hashing by what is never read.
func (l *loader) warnHashes(u *Upstream, h *reach) {
	hashes := u.Balance == "hash" || u.Balance == "maglev"
	for _, key := range []string{"hash_on", "hash_bound"} {
		if !hashes && l.Written(u.At, key) {
			l.Warn(l.At(u.At, key, 0), fmt.Sprintf("%s has no effect with balance: %s", key, u.Balance), "write balance: hash or balance: maglev")
		}
	}
	at := l.At(u.At, "hash_on", 0)
	switch {
	case !hashes || h == nil || u.HashOn == "client_ip":
	case u.HashOn != "sni" && len(h.tcp) > 0:
		l.Warn(at, fmt.Sprintf("hash_on: %s has no request to hash on listener %s, which is tcp: it hashes the client's address there", u.HashOn, inLine(h.tcp)),
			"write hash_on: client_ip, or another upstream for tcp")
	case u.HashOn == "sni" && len(h.requests) > 0:
		l.Warn(at, fmt.Sprintf("hash_on: sni has no name to hash on listener %s, which is http: it hashes the client's address there", inLine(h.requests)),
			"write hash_on: host, or another upstream for http")
	case u.HashOn == "sni" && len(h.blind) > 0:
		l.Warn(at, fmt.Sprintf("hash_on: sni has no name to hash on listener %s, where no route has sni", inLine(h.blind)),
			"write hash_on: client_ip, or route by sni")
	}
}
