package certs

// Choosing a certificate: by the name that the client asks for, then by what it can verify.
//
//	api.example.com   exact, before
//	*.example.com     a wildcard, which stands for one label, before
//	the default       which is the first certificate
//
// Of those for one name the first suitable is taken: ECDSA, then Ed25519, then RSA, which clients of all ages know but which
// costs ten times as much to sign with. Those of a wildcard come after those of the exact name, for clients that none of the
// latter suits. An index never changes, and choosing allocates nothing.

import (
	"bytes"
	"crypto/tls"
	"slices"
	"strings"
)

// nameMax is the longest name there is (RFC 1035, section 2.3.4).
const nameMax = 255

// A choice is the pairs for one name, the best first. It is never empty.
type choice []*pair

// An index finds choices.
type index struct {
	exact map[string]choice
	wild  map[string]choice // by what follows the "*", with its dot
	first choice            // the default
}

// newIndex returns the index of pairs, of which there is at least one. Of two that are for one name and of one kind, the
// one listed first is used.
func newIndex(pairs []*pair) index {
	x := index{exact: make(map[string]choice), wild: make(map[string]choice)}
	for _, p := range pairs {
		for _, name := range p.names {
			if suffix, ok := strings.CutPrefix(name, "*"); ok {
				x.wild[suffix] = append(x.wild[suffix], p)
			} else {
				x.exact[name] = append(x.exact[name], p)
			}
		}
		if slices.Equal(p.names, pairs[0].names) { // the same site with another kind of key
			x.first = append(x.first, p)
		}
	}
	for _, c := range x.wild {
		c.rank()
	}
	for name, c := range x.exact {
		c.rank()
		if i := strings.IndexByte(name, '.'); i > 0 {
			x.exact[name] = append(c, x.wild[name[i:]]...)
		}
	}
	x.first.rank()
	return x
}

// rank sorts c by kind of key, and leaves the order of the configuration within a kind.
func (c choice) rank() {
	slices.SortStableFunc(c, func(a, b *pair) int { return int(a.kind) - int(b.kind) })
}

// find returns the pairs for name, which may be written in any case. Without a certificate for it, or without a name, it
// returns the default, and false.
func (x *index) find(name string) (c choice, known bool) {
	var room [nameMax]byte
	if len(name) > len(room) {
		return x.first, false
	}
	lower := room[:copy(room[:], name)]
	for i, b := range lower {
		if 'A' <= b && b <= 'Z' {
			lower[i] = b + 'a' - 'A'
		}
	}
	if c, known = x.exact[string(lower)]; known {
		return c, true
	}
	if i := bytes.IndexByte(lower, '.'); i > 0 {
		if c, known = x.wild[string(lower[i:])]; known {
			return c, true
		}
	}
	return x.first, false
}

// suited returns the best pair that the client can verify. If there is none, it gets the first: the handshake then fails with the
// alert that says so.
func (c choice) suited(hello *tls.ClientHelloInfo) *pair {
	for _, p := range c {
		if p.suits(hello) {
			return p
		}
	}
	return c[0]
}

// suits reports whether a client can verify p and what its key signs. The name is not looked at. It is what
// ClientHelloInfo.SupportsCertificate finds out, without its allocations.
func (p *pair) suits(hello *tls.ClientHelloInfo) bool {
	if slices.Contains(hello.SupportedVersions, tls.VersionTLS13) {
		return overlap(p.signs13, hello.SignatureSchemes)
	}
	if p.kind == ecdsaKey && len(hello.SupportedCurves) > 0 && !slices.Contains(hello.SupportedCurves, p.curve) {
		return false
	}
	return overlap(p.signs12, hello.SignatureSchemes) &&
		slices.ContainsFunc(hello.CipherSuites, func(id uint16) bool { return signedBy(id, p.kind) })
}

// overlap reports whether a and b have something in common.
func overlap(a, b []tls.SignatureScheme) bool {
	return slices.ContainsFunc(a, func(s tls.SignatureScheme) bool { return slices.Contains(b, s) })
}

// signedBy reports whether id is one of our suites of TLS 1.2 and goes with keys of that kind. Ed25519 uses those of ECDSA
// (RFC 8422, section 5.10).
func signedBy(id uint16, kind keyKind) bool {
	switch id {
	case tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256:
		return kind == rsaKey
	case tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256:
		return kind != rsaKey
	}
	return false
}
