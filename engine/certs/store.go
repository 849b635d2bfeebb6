package certs

// The server's side: what a listener that terminates TLS needs.
//
//	store, err := certs.NewStore(certs.Options{TLS: *listener.TLS, NextProtos: []string{"http/1.1"}, Tickets: tickets})
//	conn := tls.Server(transport, store.Config())
//
// Each handshake asks GetConfigForClient, which answers with the configuration of the current generation, or with that which
// refuses, if no certificate is for the name and unknown names are not welcome.
//
// What crypto/tls allows, and what not:
//   - It sends unrecognized_name only if there is no certificate at all (an error of GetConfigForClient or GetCertificate becomes
//     internal_error). So unknown names get a configuration without any, and without tickets, so that no session lets them in. Its
//     error says "no certificates configured"; Explain says what is meant.
//   - A client that is refused by VerifyConnection hears bad_certificate, not certificate_revoked. Explain tells our side.
//   - The order of key exchanges is its own; it is the one we want (X25519MLKEM768, X25519, P-256, P-384).
//
// A hello without a name gets the default certificate, also where unknown names are rejected: it asks for no name that could be
// unknown. Clients that connect to an address send none (RFC 6066, section 3), health checks and certificates for addresses
// among them; or they send the address, which counts as none.

import (
	"crypto/tls"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"sluice/configs"
	"sluice/configs/credential"
)

// Options are what a Store is made from.
type Options struct {
	TLS        configs.TLS
	NextProtos []string // ALPN, the best first; nil = none is spoken
	Tickets    *Tickets // where keys of tickets come from if TLS.TicketKeys names no file; nil = Tickets of its own
	Watch
}

// A Store holds what one listener shows and believes. All loops share it.
type Store struct {
	keeper
	options Options
	pairs   []*source[*pair]
	clients *source[*clients]    // without files if clients are not asked
	staple  *source[*staple]     // without files if there is none
	secrets *source[fileSecrets] // without files if tickets makes them
	tickets *Tickets
	outer   *tls.Config

	current atomic.Pointer[generation]

	keys [][32]byte // of the current generation; known to the goroutine that looks
}

// A generation is what handshakes use. It never changes, but for the keys of tickets.
type generation struct {
	config  *tls.Config
	refusal *tls.Config // for unknown names; nil = they get the default
	index   index
	pairs   []*pair
}

// NewStore reads the files and begins to follow them. The error names every file that cannot be used, and what is wrong with it. The
// owner closes the Store.
func NewStore(o Options) (*Store, error) {
	s, err := openStore(o)
	if err != nil {
		return nil, err
	}
	s.follow(s.look)
	return s, nil
}

// openStore is NewStore without following.
func openStore(o Options) (*Store, error) {
	o.Watch = o.Watch.withDefaults()
	s := &Store{options: o, tickets: o.Tickets}
	s.watch = o.Watch
	if s.tickets == nil {
		s.tickets = NewTickets()
	}
	for _, c := range o.TLS.Certificates {
		p := newSource(parsePair, credential.PEMMax, c.Cert, c.Key)
		p.accept = func(old, new *pair) error { return new.replaces(old, s.now()) }
		s.pairs = append(s.pairs, p)
		s.sources = append(s.sources, p)
	}
	var ca, crl string
	if s.asksClients() {
		ca, crl = o.TLS.ClientCA, o.TLS.ClientCRL
	}
	s.clients = newSource(parseClients, credential.ListsMax, ca, crl)
	s.staple = newSource(parseStaple, credential.StapleMax, o.TLS.OCSP)
	s.secrets = newSource(parseTickets, credential.TicketsMax, o.TLS.TicketKeys)
	s.sources = append(s.sources, s.clients, s.staple, s.secrets)
	if err := s.first(); err != nil {
		return nil, err
	}
	s.outer = s.base(o.NextProtos)
	s.outer.GetConfigForClient = s.admit
	s.renew(true)
	return s, nil
}

// asksClients reports whether clients may, or must, show a certificate.
func (s *Store) asksClients() bool {
	return s.options.TLS.ClientAuth == "optional" || s.options.TLS.ClientAuth == "require"
}

// Config returns the configuration for connections that come in. It stays the same; what it leads to changes with the files.
// Callers must not change it.
func (s *Store) Config() *tls.Config { return s.outer }

// Certificates tells what is shown now, in the order of the configuration.
func (s *Store) Certificates() (list []Info) {
	for _, p := range s.current.Load().pairs {
		list = append(list, p.info())
	}
	return list
}

// Refused is the number of things that files say and that are not used, because the files are broken.
func (s *Store) Refused() int { return int(s.refused.Load()) }

// Close stops following files, and waits until nothing is told any more. The configuration stays usable, but its ticket keys do
// not rotate. It may be called twice.
func (s *Store) Close() { s.close() }

// admit is GetConfigForClient. It allocates nothing and waits for nobody.
func (s *Store) admit(hello *tls.ClientHelloInfo) (*tls.Config, error) {
	g := s.current.Load()
	if g.refusal != nil && hello.ServerName != "" {
		if _, known := g.index.find(hello.ServerName); !known && !isAddress(hello.ServerName) {
			return g.refusal, nil
		}
	}
	return g.config, nil
}

// isAddress reports whether a name is an IPv4 address, which some clients send although they must not. It asks for no name.
func isAddress(name string) bool { return strings.Trim(name, "0123456789.") == "" }

// certificate is GetCertificate.
func (g *generation) certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	c, _ := g.index.find(hello.ServerName)
	return c.suited(hello).present, nil
}

// look reads what has changed.
func (s *Store) look() { s.renew(s.read()) }

// renew brings everything up to date with what was read and with the clock.
func (s *Store) renew(changed bool) {
	now := s.now()
	var pairs []*pair
	var warnings []*FileError
	for _, source := range s.pairs {
		pairs = append(pairs, source.good)
		warnings = warn(warnings, source.good.file, source.good.warnings(now)...)
	}
	if s.staple.loaded {
		var problem error
		if pairs, problem = s.staple.good.attach(pairs, now); problem != nil {
			warnings = warn(warnings, s.staple.good.file, problem)
		}
	}
	if s.clients.loaded {
		warnings = warn(warnings, s.clients.good.listFile, s.clients.good.warnings(now)...)
	}
	if changed || !slices.EqualFunc(pairs, s.current.Load().pairs, stapledAlike) {
		s.swap(pairs, now)
	} else {
		s.rotate(s.current.Load().config, now)
	}
	s.tell(warnings)
}

// warn appends errs, which are about one file.
func warn(list []*FileError, file string, errs ...error) []*FileError {
	for _, err := range errs {
		list = append(list, &FileError{File: file, Err: err})
	}
	return list
}

// stapledAlike reports whether both or none of a and b have a staple.
func stapledAlike(a, b *pair) bool {
	return (a.present.OCSPStaple == nil) == (b.present.OCSPStaple == nil)
}

// swap makes a generation of what is good, and the current one.
func (s *Store) swap(pairs []*pair, now time.Time) {
	g := &generation{config: s.base(s.options.NextProtos), index: newIndex(pairs), pairs: pairs}
	g.config.GetCertificate = g.certificate
	if s.clients.loaded {
		g.config.ClientCAs = s.clients.good.authorities
		g.config.ClientAuth = tls.VerifyClientCertIfGiven
		if s.options.TLS.ClientAuth == "require" {
			g.config.ClientAuth = tls.RequireAndVerifyClientCert
		}
		if len(s.clients.good.lists) > 0 {
			g.config.VerifyConnection = s.clients.good.verify
		}
	}
	if s.options.TLS.UnknownSNI != "default" {
		g.refusal = s.base(s.options.NextProtos)
		g.refusal.SessionTicketsDisabled = true
	}
	s.keys = nil
	s.rotate(g.config, now)
	s.current.Store(g)
}

// rotate gives config the keys of tickets that are due now.
func (s *Store) rotate(config *tls.Config, now time.Time) {
	var of scope
	if s.clients.loaded {
		of = s.clients.good.scope
	}
	var keys [][32]byte
	if s.secrets.loaded {
		keys = s.secrets.good.keys(now, of)
	} else {
		keys = s.tickets.keys(now, of)
	}
	if !slices.Equal(keys, s.keys) {
		s.keys = keys
		config.SetSessionTicketKeys(keys)
	}
}

// base is what all configurations of the Store have in common.
func (s *Store) base(protocols []string) *tls.Config {
	c := s.options.base(protocols)
	if s.options.TLS.MinVersion == "1.3" {
		c.MinVersion = tls.VersionTLS13
	}
	return c
}
