package certs

// A pair is a certificate chain with its private key, and what choosing it takes.

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"sluice/configs/credential"
)

// A keyKind is a kind of key, in the order of preference: an RSA signature costs ten times the others.
type keyKind uint8

const (
	ecdsaKey keyKind = iota
	ed25519Key
	rsaKey
)

// A pair never changes.
type pair struct {
	present *tls.Certificate
	chain   []*x509.Certificate // the leaf first
	file    string              // of the chain
	names   []string            // that the leaf is for: lower case, wildcards as "*.example.com"
	kind    keyKind
	curve   tls.CurveID           // of an ECDSA key
	signs12 []tls.SignatureScheme // what the key can sign in TLS 1.2
	signs13 []tls.SignatureScheme // and in TLS 1.3
}

// Info is what is known of a certificate in use.
type Info struct {
	File        string // of its chain, as configured
	Names       []string
	KeyType     string // "ECDSA P-256", "RSA 2048", "Ed25519"
	Issuer      string
	Fingerprint string // SHA-256 over the certificate, in hexadecimal
	NotBefore   time.Time
	NotAfter    time.Time
}

// info tells about the leaf.
func (p *pair) info() Info {
	c := p.leaf()
	sum := sha256.Sum256(c.Raw)
	return Info{File: p.file, Names: p.names, KeyType: describeKey(c.PublicKey), Issuer: c.Issuer.String(),
		Fingerprint: hex.EncodeToString(sum[:]), NotBefore: c.NotBefore, NotAfter: c.NotAfter}
}

// leaf is the certificate that the key belongs to.
func (p *pair) leaf() *x509.Certificate { return p.chain[0] }

// parsePair reads the texts of a chain and of its key, which may be one file. Its errors are *FileError.
func parsePair(files, texts []string) (*pair, error) {
	certFile, keyFile := files[0], files[len(files)-1]
	chain, err := credential.Chain([]byte(texts[0]))
	if err != nil {
		return nil, &FileError{File: certFile, Err: err}
	}
	key, err := credential.PrivateKey([]byte(texts[len(texts)-1]))
	if err != nil {
		return nil, &FileError{File: keyFile, Err: err}
	}
	if err := credential.Match(chain, key); err != nil {
		return nil, &FileError{File: keyFile, Err: err}
	}
	p := &pair{chain: chain, file: certFile, names: namesOf(chain[0])}
	if err := p.classify(); err != nil {
		return nil, &FileError{File: certFile, Err: err}
	}
	p.present = &tls.Certificate{PrivateKey: key, Leaf: chain[0]}
	for _, c := range chain {
		p.present.Certificate = append(p.present.Certificate, c.Raw)
	}
	return p, nil
}

// What keys sign with: in TLS 1.3, ECDSA is tied to the curve of the key, and RSA is PSS only (RFC 8446, section 4.2.3).
var (
	ecdsaSchemes = []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256, tls.ECDSAWithP384AndSHA384, tls.ECDSAWithP521AndSHA512}
	edSchemes    = []tls.SignatureScheme{tls.Ed25519}
	rsaSchemes   = []tls.SignatureScheme{tls.PSSWithSHA256, tls.PSSWithSHA384, tls.PSSWithSHA512,
		tls.PKCS1WithSHA256, tls.PKCS1WithSHA384, tls.PKCS1WithSHA512}
	pssSchemes = rsaSchemes[:3]
)

// classify works out who can be shown p.
func (p *pair) classify() error {
	switch key := p.leaf().PublicKey.(type) {
	case *ecdsa.PublicKey:
		p.kind, p.signs12 = ecdsaKey, ecdsaSchemes
		switch key.Curve {
		case elliptic.P256():
			p.curve, p.signs13 = tls.CurveP256, ecdsaSchemes[:1]
			return nil
		case elliptic.P384():
			p.curve, p.signs13 = tls.CurveP384, ecdsaSchemes[1:2]
			return nil
		case elliptic.P521():
			p.curve, p.signs13 = tls.CurveP521, ecdsaSchemes[2:]
			return nil
		}
	case ed25519.PublicKey:
		p.kind, p.signs12, p.signs13 = ed25519Key, edSchemes, edSchemes
		return nil
	case *rsa.PublicKey:
		p.kind, p.signs12, p.signs13 = rsaKey, rsaSchemes, pssSchemes
		return nil
	}
	return errors.New("keys of this kind are not used in TLS")
}

// warnings says what will trouble clients, now or soon: each certificate's time, and the order of the chain, which matters to
// those who do not know the missing link.
func (p *pair) warnings(now time.Time) (list []error) {
	for _, c := range p.chain {
		if err := nearsEnd(c, now); err != nil {
			list = append(list, err)
		}
	}
	if i := unlinked(p.chain); i > 0 {
		list = append(list, fmt.Errorf("certificate %d of the chain was not issued by the next one, and some clients will not find their way to the authority", i))
	}
	return list
}

// nearsEnd says that c is not good, or soon will not be. Its text changes only with the stage, so that each is told once.
func nearsEnd(c *x509.Certificate, now time.Time) error {
	left := c.NotAfter.Sub(now)
	who, end := "the certificate of "+subject(c), c.NotAfter.UTC().Format(time.RFC3339)
	switch {
	case left < 0:
		return fmt.Errorf("%s has expired, at %s", who, end)
	case now.Before(c.NotBefore):
		return fmt.Errorf("%s is not valid before %s", who, c.NotBefore.UTC().Format(time.RFC3339))
	case left < warnLate:
		return fmt.Errorf("%s expires in less than %d days, at %s", who, warnLate/day, end)
	case left < warnEarly:
		return fmt.Errorf("%s expires in less than %d days, at %s", who, warnEarly/day, end)
	}
	return nil
}

// unlinked returns the number, from 1, of the first certificate of a chain that the next one has not issued; 0 if there is none.
func unlinked(chain []*x509.Certificate) int {
	for i := 1; i < len(chain); i++ {
		if !bytes.Equal(chain[i-1].RawIssuer, chain[i].RawSubject) {
			return i
		}
	}
	return 0
}

// replaces says why p must not replace old, which works: nobody puts an expired certificate in the place of a good one on purpose.
func (p *pair) replaces(old *pair, now time.Time) error {
	if now.After(p.leaf().NotAfter) && !now.After(old.leaf().NotAfter) {
		return &FileError{File: p.file, Err: fmt.Errorf("the new certificate has expired, at %s, and the one in use has not",
			p.leaf().NotAfter.UTC().Format(time.RFC3339))}
	}
	return nil
}

// issuer is the certificate of the authority that has issued the leaf, as far as the chain has it.
func (p *pair) issuer() *x509.Certificate {
	for _, c := range p.chain[min(1, len(p.chain)-1):] { // a chain of one may be its own issuer
		if bytes.Equal(p.leaf().RawIssuer, c.RawSubject) && p.leaf().CheckSignatureFrom(c) == nil {
			return c
		}
	}
	return nil
}

// namesOf returns whom a certificate is for: its alternative names and, only if it has none of any kind, its common name.
func namesOf(c *x509.Certificate) (names []string) {
	for _, name := range c.DNSNames {
		names = append(names, strings.ToLower(name))
	}
	for _, ip := range c.IPAddresses {
		if addr, ok := netip.AddrFromSlice(ip); ok {
			names = append(names, addr.Unmap().String())
		}
	}
	if len(names)+len(c.EmailAddresses)+len(c.URIs) == 0 && c.Subject.CommonName != "" {
		names = append(names, strings.ToLower(c.Subject.CommonName))
	}
	return names
}

// subject names a certificate for people: its first name, or else what its subject says.
func subject(c *x509.Certificate) string {
	if names := namesOf(c); len(names) > 0 {
		return names[0]
	}
	return c.Subject.String()
}

// describeKey names a kind of key as users know it.
func describeKey(public any) string {
	switch key := public.(type) {
	case *ecdsa.PublicKey:
		return "ECDSA " + key.Curve.Params().Name
	case *rsa.PublicKey:
		return fmt.Sprintf("RSA %d", key.N.BitLen())
	case ed25519.PublicKey:
		return "Ed25519"
	}
	return "unknown"
}
