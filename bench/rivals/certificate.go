package rivals

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"time"

	"sluice/bench/wire"
)

// ServerName is what the certificates are for. Requests name the same host, and a proxy may insist that they do.
const ServerName = wire.Host

// Certificate names the PEM files of a site: ECDSA with P-256, which is what most
// sites have, signed by an authority of its own.
type Certificate struct {
	// CA is what a client needs, Cert and Key what a server does; Both are the two in
	// one file, as HAProxy wants them.
	CA, Cert, Key, Both string
}

// NewCertificate makes a certificate that is good for a day and writes it into a
// directory.
func NewCertificate(dir string) (*Certificate, error) {
	authority := template509("sluice bench authority")
	authority.IsCA, authority.BasicConstraintsValid, authority.KeyUsage = true, true, x509.KeyUsageCertSign
	signer, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	root, err := x509.CreateCertificate(rand.Reader, authority, authority, &signer.PublicKey, signer)
	if err != nil {
		return nil, fmt.Errorf("authority: %w", err)
	}
	site := template509(ServerName)
	site.DNSNames, site.KeyUsage = []string{ServerName}, x509.KeyUsageDigitalSignature
	site.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	leaf, err := x509.CreateCertificate(rand.Reader, site, authority, &key.PublicKey, signer)
	if err != nil {
		return nil, fmt.Errorf("certificate: %w", err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return writeCertificate(dir, root, leaf, secret)
}

func template509(name string) *x509.Certificate {
	const validity = 24 * time.Hour
	now := time.Now()
	return &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(validity),
	}
}

func writeCertificate(dir string, root, leaf, secret []byte) (*Certificate, error) {
	c := &Certificate{
		CA: filepath.Join(dir, "ca.pem"), Cert: filepath.Join(dir, "site.pem"),
		Key: filepath.Join(dir, "site.key"), Both: filepath.Join(dir, "both.pem"),
	}
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: leaf})
	key := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})
	for path, text := range map[string][]byte{
		c.CA:   pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root}),
		c.Cert: cert, c.Key: key, c.Both: slices.Concat(cert, key),
	} {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			return nil, err
		}
	}
	return c, nil
}
