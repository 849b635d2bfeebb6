package wire

// The request target and Host (RFC 9112, sections 3.2 and 3.3): four forms of target, one meaning of it. Whatever form it came
// in, the head gets an origin form and the one authority that both places agree on.

import (
	"bytes"
	"net/netip"

	"sluice/engine/exchange"
)

// judgeRequest says what a whole and loaded request is about, and how long its body is.
func (g *gate) judgeRequest() {
	target := g.bytes(g.h.Target)
	switch {
	case g.m.Version == 11 && !g.hosts:
		g.fault = noHost
	case string(g.bytes(g.h.Method)) == "CONNECT":
		g.m.Connect = true
		g.authorityForm(target)
	case g.host.Len == 0 && g.hosts && string(target) != "*":
		// An empty Host means that the target has no authority (RFC 9112, section 3.2), which an http URI must have
		// (RFC 9110, section 4.2.1): only "OPTIONS *" is about no URI.
		g.fault = emptyHost
	case target[0] == '/':
		g.path(target)
	case string(target) != "*":
		g.absoluteForm(target)
	case string(g.bytes(g.h.Method)) != "OPTIONS":
		g.fault = starNotOptions
	}
	if g.hosts && !g.m.Connect {
		g.h.Authority = g.host
	}
	g.requestLength()
}

func (g *gate) requestLength() {
	switch {
	case g.chunked:
		g.m.Body = Chunked
	case g.length > 0:
		g.m.Body = g.length
	default:
		g.m.Continue = false // there is nothing to hold back
		return
	}
	if g.m.Connect {
		g.fault = connectContent // it has no meaning (RFC 9110, section 9.3.6), and would be the tunnel's first bytes to some
	}
}

// path refuses broken escapes: what they stand for is everybody's guess, and routes are about paths. Queries are free text.
func (g *gate) path(target []byte) {
	for {
		at := bytes.IndexByte(target, '%')
		if at < 0 {
			return
		}
		if query := bytes.IndexByte(target[:at], '?'); query >= 0 {
			return
		}
		if at+2 >= len(target) || !all(target[at+1:at+3], hex) {
			g.fault = badEscape
			return
		}
		target = target[at+3:]
	}
}

// authorityForm takes "host:port". Host, which 1.0 may omit, is compared as far as it goes: some clients leave the port out.
func (g *gate) authorityForm(target []byte) {
	host, port, ok := splitHost(target)
	switch {
	case !ok:
		g.fault = badAuthority
	case len(port) == 0:
		g.fault = noPort
	case g.hosts && !g.sameHost(host, port, port):
		g.fault = hostDiffers
	}
	g.h.Authority = g.h.Target
}

// absoluteForm takes "http://host:port/path?query" and leaves "/path?query". The authority decides, Host is to be ignored
// (RFC 9112, section 3.2.2): but the next reader may not do so, so they must be the same.
func (g *gate) absoluteForm(target []byte) {
	const plain, secure = "http://", "https://"
	var scheme int
	var standard []byte
	switch {
	case len(target) > len(plain) && fold(target[:len(plain)], plain):
		scheme, standard = len(plain), port80
	case len(target) > len(secure) && fold(target[:len(secure)], secure):
		scheme, standard = len(secure), port443
	default:
		g.fault = badTarget
		return
	}
	end := scheme
	for end < len(target) && target[end] != '/' && target[end] != '?' {
		end++
	}
	authority := target[scheme:end]
	host, port, ok := splitHost(authority)
	switch {
	case bytes.IndexByte(authority, '@') >= 0:
		g.fault = userInfo
	case !ok:
		g.fault = badAuthority
	case g.hosts && !g.sameHost(host, port, standard):
		g.fault = hostDiffers
	default:
		g.h.Authority = exchange.Span{At: g.h.Target.At + uint32(scheme), Len: uint32(end - scheme)}
		g.originForm(target, end)
	}
}

var port80, port443 = []byte("80"), []byte("443")

// originForm makes the target what follows its authority. Only where the path is missing is anything written.
func (g *gate) originForm(target []byte, end int) {
	h := g.h
	switch rest := target[end:]; {
	case len(rest) > 0 && rest[0] == '/':
		h.Target = exchange.Span{At: h.Target.At + uint32(end), Len: uint32(len(rest))}
		g.path(rest)
	case len(rest) > 0:
		h.Target = h.StoreString("/")
		h.Target.Len += h.Store(rest).Len
	case string(g.bytes(h.Method)) == "OPTIONS":
		h.Target = h.StoreString("*") // RFC 9112, section 3.2.4
	default:
		h.Target = h.StoreString("/")
	}
}

// sameHost compares the Host field with a target's host and port; a missing port is the standard one.
func (g *gate) sameHost(host, port, standard []byte) bool {
	h, p, ok := splitHost(g.bytes(g.host))
	if len(p) == 0 {
		p = standard
	}
	if len(port) == 0 {
		port = standard
	}
	return ok && bytes.EqualFold(h, host) && bytes.Equal(p, port)
}

// splitHost takes "host", "host:" or "host:port". Of what RFC 3986 would let a host be, it takes what is in use: names of
// letters, digits, "-", "_" and ".", and addresses. A list of two hosts, user information and escapes are none.
func splitHost(b []byte) (host, port []byte, ok bool) {
	if len(b) == 0 || len(b) > maxHost {
		return nil, nil, false
	}
	end := 0
	if b[0] == '[' {
		end = bytes.IndexByte(b, ']') + 1
		if end == 0 || !isIPv6(b[1:end-1]) {
			return nil, nil, false
		}
	} else {
		for end < len(b) && classes[b[end]]&inHost != 0 {
			end++
		}
	}
	host = b[:end]
	if end == len(b) {
		return host, nil, true
	}
	port = b[end+1:]
	return host, port, end > 0 && b[end] == ':' && isPort(port)
}

// isPort takes up to 65535, and nothing, which means the scheme's own port (RFC 3986, section 3.2.3).
func isPort(b []byte) bool {
	n := 0
	for _, c := range b {
		if c < '0' || c > '9' {
			return false
		}
		if n = n*10 + int(c-'0'); n > 65535 {
			return false
		}
	}
	return true
}

func isIPv6(b []byte) bool {
	if !all(b, inIPv6) {
		return false
	}
	address, err := netip.ParseAddr(string(b))
	return err == nil && address.Is6()
}
