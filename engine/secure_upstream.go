package engine

// TLS from the proxy to servers: what it shows and believes, read at the start and followed while the proxy runs.

import (
	"crypto/tls"
	"slices"

	"sluice/configs"
	"sluice/engine/certs"
	"sluice/engine/lease"
	"sluice/engine/observe"
)

// believed is what the servers of one upstream must prove, what is shown to them, and what of the configuration that was made
// from.
type believed struct {
	*certs.Upstream
	says      configs.UpstreamTLS
	protocols []string
}

// openUpstreams reads what the upstreams of cfg and their checks need, and before has not.
func (v *vault) openUpstreams(e *Engine, cfg *configs.Config, before *vault) (issues configs.Issues) {
	for i := range cfg.Upstreams {
		u := &cfg.Upstreams[i]
		protocols := serverProtocols(cfg, u.Name)
		open := func(from *configs.UpstreamTLS, owner string, old *believed) *believed {
			if old != nil && slices.Equal(old.protocols, protocols) && configs.Same(old.says, *from) {
				return old
			}
			made, err := certs.NewUpstream(certs.UpstreamOptions{TLS: *from, NextProtos: protocols, Watch: e.certWatch(owner, v.keyLog)})
			if err != nil {
				issues = append(issues, explainFiles(cfg, from.At, err)...)
				return nil
			}
			return &believed{made, *from, protocols}
		}
		if u.TLS != nil {
			v.servers[u.Name] = open(u.TLS, "upstream "+u.Name, before.servers[u.Name])
		}
		switch c := u.Check; {
		case c == nil || c.TLS == nil:
		case c.TLS == u.TLS:
			v.checks[u.Name] = v.servers[u.Name]
		default:
			v.checks[u.Name] = open(c.TLS, "check of upstream "+u.Name, before.checks[u.Name])
		}
	}
	return issues
}

// serverProtocols is what is offered to the servers of an upstream by ALPN: nothing where connections are passed through that
// the proxy does not read.
func serverProtocols(cfg *configs.Config, upstream string) []string {
	for i := range cfg.Listeners {
		l := &cfg.Listeners[i]
		for r := range routesOf(cfg, l) {
			if r.Upstream.V == upstream && (l.Protocol != "http" || r.Passthrough) {
				return nil
			}
		}
	}
	return []string{"http/1.1"}
}

// peers makes the peers of an upstream's servers.
type peers struct{ *certs.Upstream }

// Peer implements lease.TLSPeers.
func (p peers) Peer(host string) lease.TLSPeer { return p.Upstream.Peer(host) }

// serversOf is how the servers of an upstream are reached; nil for one whose servers are plain.
func (v *vault) serversOf(upstream string) lease.TLSPeers {
	if v == nil || v.servers[upstream] == nil {
		return nil
	}
	return peers{v.servers[upstream].Upstream}
}

// checksOf is how the servers of an upstream are checked; nil for checks without TLS. Each check makes a handshake from the
// beginning, so that it sees the certificate that the server has now.
func (v *vault) checksOf(upstream string) func(host string) *tls.Config {
	u := v.checks[upstream]
	if u == nil {
		return nil
	}
	return func(host string) *tls.Config { return u.Peer(host).Config() }
}

// credentialsOf is what is shown to the servers of an upstream, and how many files of it and its checks are broken.
func (v *vault) credentialsOf(upstream string) observe.Credentials {
	c := observe.Credentials{Upstream: upstream}
	servers, checks := v.servers[upstream], v.checks[upstream]
	if servers != nil {
		c.Refused, c.Certificates = servers.Refused(), certificatesOf(servers.Certificates())
	}
	if checks != nil && checks != servers {
		c.Refused += checks.Refused()
	}
	return c
}

// closeUpstreams ends following the files of what heir does not have. A nil one could not be opened; one that is there twice may
// be closed twice.
func (v *vault) closeUpstreams(heir *vault) {
	kept := make(map[*believed]bool)
	for _, all := range []map[string]*believed{heir.servers, heir.checks} {
		for _, b := range all {
			kept[b] = true
		}
	}
	for _, all := range []map[string]*believed{v.servers, v.checks} {
		for _, b := range all {
			if b != nil && !kept[b] {
				b.Close()
			}
		}
	}
}
