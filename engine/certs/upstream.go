package certs

// The client's side: connections to the servers of an upstream.
//
//	up, err := certs.NewUpstream(certs.UpstreamOptions{TLS: *upstream.TLS})
//	peer := up.Peer("app1.internal")          // one for each server, kept with it
//	conn := tls.Client(transport, peer.Config())
//
// Servers are verified unless the user says otherwise. Sessions are resumed with the server they were made with: a Peer has a
// cache of its own, because crypto/tls remembers by name, and the servers of an upstream often share one without sharing
// tickets. When the authorities or the proxy's own certificate change, sessions made under the old ones are forgotten.

import (
	"crypto/tls"
	"crypto/x509"
	"strings"
	"sync/atomic"

	"sluice/configs"
	"sluice/configs/credential"
)

// UpstreamOptions are what an Upstream is made from.
type UpstreamOptions struct {
	TLS        configs.UpstreamTLS
	NextProtos []string // ALPN, the best first; nil = none is offered
	Watch
}

// An Upstream holds what is shown to the servers of one upstream, and which of them are believed. All loops share it.
type Upstream struct {
	keeper
	options     UpstreamOptions
	authorities *source[*clients] // without files: the system's
	own         *source[*pair]    // without files: none
	current     atomic.Pointer[credentials]
}

// credentials are what handshakes use. They never change.
type credentials struct {
	roots *x509.CertPool // nil = the system's
	own   *pair          // nil = none
}

// NewUpstream reads the files and begins to follow them. The error names every file that cannot be used, and what is wrong with it.
// The owner closes the Upstream.
func NewUpstream(o UpstreamOptions) (*Upstream, error) {
	u, err := openUpstream(o)
	if err != nil {
		return nil, err
	}
	u.follow(u.look)
	return u, nil
}

// openUpstream is NewUpstream without following.
func openUpstream(o UpstreamOptions) (*Upstream, error) {
	o.Watch = o.Watch.withDefaults()
	u := &Upstream{options: o}
	u.watch = o.Watch
	u.authorities = newSource(parseClients, credential.PEMMax, o.TLS.CA)
	u.own = newSource(parsePair, credential.PEMMax, o.TLS.Cert, o.TLS.Key)
	u.own.accept = func(old, new *pair) error { return new.replaces(old, u.now()) }
	u.sources = []looker{u.authorities, u.own}
	if err := u.first(); err != nil {
		return nil, err
	}
	u.renew(true)
	return u, nil
}

// look reads what has changed.
func (u *Upstream) look() { u.renew(u.read()) }

// renew brings everything up to date with what was read and with the clock.
func (u *Upstream) renew(changed bool) {
	if changed {
		c := &credentials{own: u.own.good}
		if u.authorities.loaded {
			c.roots = u.authorities.good.authorities
		}
		u.current.Store(c)
	}
	var warnings []*FileError
	if p := u.own.good; p != nil {
		warnings = warn(warnings, p.file, p.warnings(u.now())...)
	}
	u.tell(warnings)
}

// Certificates tells about the proxy's own certificate, if it has one.
func (u *Upstream) Certificates() []Info {
	if p := u.current.Load().own; p != nil {
		return []Info{p.info()}
	}
	return nil
}

// Refused is the number of things that files say and that are not used, because the files are broken.
func (u *Upstream) Refused() int { return int(u.refused.Load()) }

// Close stops following files, and waits until nothing is told any more. Peers stay usable. It may be called twice.
func (u *Upstream) Close() { u.close() }

// A Peer is one server, as far as TLS is concerned. It is safe for concurrent use.
type Peer struct {
	upstream *Upstream
	name     string
	current  atomic.Pointer[peerConfig]
}

// A peerConfig is good as long as its credentials are.
type peerConfig struct {
	of     *credentials
	config *tls.Config
}

// Peer returns the TLS of a server. Its host, a name or an address, is what the server must be certified for, unless the
// configuration has a server_name. Without either, and with verification, every handshake fails.
func (u *Upstream) Peer(host string) *Peer {
	name := u.options.TLS.ServerName
	if name == "" {
		name = strings.TrimSuffix(strings.TrimSuffix(strings.TrimPrefix(host, "["), "]"), ".")
	}
	return &Peer{upstream: u, name: name}
}

// Config returns the configuration for a connection that is made now. It costs two loads unless the files have changed. Callers must
// not change it.
func (p *Peer) Config() *tls.Config {
	now := p.upstream.current.Load()
	if c := p.current.Load(); c != nil && c.of == now {
		return c.config
	}
	fresh := &peerConfig{of: now, config: p.build(now)}
	p.current.Store(fresh) // two who get here at once make one each, and one of the two stays: both are good
	return fresh.config
}

// Explain says in one line why a handshake with the server, or a connection after it, has failed.
func (p *Peer) Explain(err error) string { return Explain(err) }

// build makes a configuration.
func (p *Peer) build(of *credentials) *tls.Config {
	c := p.upstream.options.base(p.upstream.options.NextProtos)
	c.ServerName = p.name
	c.RootCAs = of.roots
	c.InsecureSkipVerify = !p.upstream.options.TLS.Verify
	c.ClientSessionCache = tls.NewLRUClientSessionCache(sessionsPerServer)
	if of.own != nil {
		// Shown to whoever asks, as other proxies do: the server's list of authorities is often incomplete, and its refusal says
		// more than a certificate that was not sent.
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return of.own.present, nil }
	}
	return c
}
