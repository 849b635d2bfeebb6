// Package credential reads the files with which a proxy and its peers prove who they are: certificate chains, private keys,
// revocation lists, OCSP responses and keys for session tickets.
//
// Everything is a pure function of a file's bytes. What is wrong is told in words, because the files come from many tools and
// are mixed up in few ways: the key where the certificate should be, DER where PEM should be, a passphrase that nobody can type.
package credential

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"fmt"
)

// A Problem is the error of every function here. It does not name the file: that is the caller's to know.
type Problem struct {
	Message string // continues the name of the file: "holds no certificate"
	Remedy  string // what to do about it; "" if Message says it all
}

// Error returns the message.
func (p Problem) Error() string { return p.Message }

// Advice returns the remedy.
func (p Problem) Advice() string { return p.Remedy }

func bad(remedy, format string, args ...any) error {
	return Problem{Message: fmt.Sprintf(format, args...), Remedy: remedy}
}

// The largest files that are read, in bytes. Whoever reads them again while the proxy runs goes by the same.
const (
	// PEMMax is above any chain or bundle that is not a mistake: all public authorities together are about 220 KiB.
	PEMMax = 4 << 20
	// ListsMax is above the largest lists that authorities of millions of certificates publish.
	ListsMax = 64 << 20
	// StapleMax is ten times a response with a chain of certificates in it.
	StapleMax = 64 << 10
	// TicketsMax is room for all the keys that TicketKeys takes, and for comments.
	TicketsMax = 16 << 10
)

// Chain returns the certificates of a PEM file in their order; other blocks are left out. There is at least one, or an error.
func Chain(text []byte) ([]*x509.Certificate, error) {
	blocks, err := decode(text, "certificate")
	if err != nil {
		return nil, err
	}
	var chain []*x509.Certificate
	for _, b := range blocks {
		if b.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(b.Bytes)
		if err != nil {
			return nil, bad("", "has a certificate, number %d, that cannot be read: %s", len(chain)+1, err)
		}
		chain = append(chain, c)
	}
	if len(chain) == 0 {
		return nil, missing(blocks, "certificate")
	}
	return chain, nil
}

// RevocationLists returns the lists of a PEM file, or of a file that is one list in DER. There is at least one, or an error.
func RevocationLists(text []byte) ([]*x509.RevocationList, error) {
	var blocks []*pem.Block
	if isDER(text) {
		blocks = []*pem.Block{{Type: "X509 CRL", Bytes: text}}
	} else {
		var err error
		if blocks, err = decode(text, "revocation list"); err != nil {
			return nil, err
		}
	}
	var lists []*x509.RevocationList
	for _, b := range blocks {
		if b.Type != "X509 CRL" {
			continue
		}
		list, err := x509.ParseRevocationList(b.Bytes)
		if err != nil {
			return nil, bad("", "has a revocation list, number %d, that cannot be read: %s", len(lists)+1, err)
		}
		lists = append(lists, list)
	}
	if len(lists) == 0 {
		return nil, missing(blocks, "revocation list")
	}
	return lists, nil
}

const begin = "-----BEGIN"

// decode returns all blocks of a PEM text. wanted is what the file should hold.
func decode(text []byte, wanted string) (blocks []*pem.Block, err error) {
	const remedy = "the file holds text in PEM form, which begins with -----BEGIN"
	switch {
	case len(bytes.TrimSpace(text)) == 0:
		return nil, bad(remedy, "is empty")
	case isDER(text):
		return nil, bad("convert it with openssl: x509 or pkey with -inform DER, or pkcs12 for a .p12 or .pfx file", "is binary (DER or PKCS #12), and a %s in PEM form is expected", wanted)
	case !bytes.Contains(text, []byte(begin)):
		return nil, bad(remedy, "holds no %s: it is not PEM", wanted)
	}
	rest := text
	for {
		before := rest
		var b *pem.Block
		if b, rest = pem.Decode(rest); b == nil {
			if bytes.Contains(before, []byte(begin)) {
				return nil, bad("a line is missing or changed: copy the file again", "has a PEM block, number %d, that is damaged", len(blocks)+1)
			}
			return blocks, nil
		}
		if skipped := before[:len(before)-len(rest)]; bytes.Count(skipped, []byte(begin)) > 1 {
			return nil, bad("a line is missing or changed: copy the file again", "has a PEM block, number %d, that is damaged", len(blocks)+1)
		}
		blocks = append(blocks, b)
	}
}

// isDER tells binary ASN.1, which begins with a SEQUENCE of a long form, from text.
func isDER(text []byte) bool { return len(text) > 1 && text[0] == 0x30 && text[1] >= 0x80 }

// missing says what a file holds in place of what is wanted.
func missing(blocks []*pem.Block, wanted string) error {
	what := blocks[0].Type
	remedies := map[string]string{
		"certificate, CERTIFICATE REQUEST": "send it to a CA, which answers with a certificate",
		"certificate, TRUSTED CERTIFICATE": "convert it with: openssl x509 -in FILE -out FILE.pem",
		"certificate, X509 CRL":            "revocation lists go under client_crl",
		"private key, CERTIFICATE":         "is this the file of the certificate? Its key is in another one",
		"private key, PUBLIC KEY":          "the private key was made together with it",
	}
	remedy := remedies[wanted+", "+what]
	if isKey(what) && wanted == "certificate" {
		remedy = "is this the file of the key? The certificate is in another one"
	}
	return bad(remedy, "holds no %s, but a block named %s", wanted, what)
}
