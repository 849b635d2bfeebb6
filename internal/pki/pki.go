// Package pki makes the certificates of tests: authorities, and what they sign.
//
//	ca := pki.New(t, "root")
//	site := ca.Issue(t, pki.Leaf{Names: []string{"app.test", "127.0.0.1"}})
//	server := &tls.Config{Certificates: []tls.Certificate{site.Pair}}
//	client := &tls.Config{RootCAs: ca.Pool(), ServerName: "app.test"}
//
// Keys are P-256, because they are made and used fast. It is for tests only.
package pki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"sluice/internal/assert"
)

// Authority signs certificates. Its own is signed by itself.
type Authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// Leaf says what is to be signed.
type Leaf struct {
	Names []string  // and addresses
	Until time.Time // zero is in an hour
	Alone bool      // signed by itself
}

// Identity is a certificate with its key.
type Identity struct {
	Pair tls.Certificate
}

var serials atomic.Int64

// New makes an authority.
func New(t testing.TB, name string) *Authority {
	t.Helper()
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
		NotAfter: time.Now().Add(time.Hour),
	}
	key := newKey(t)
	return &Authority{sign(t, template, key, &Authority{template, key}), key}
}

// Issue makes a certificate for servers and clients.
func (a *Authority) Issue(t testing.TB, leaf Leaf) *Identity {
	t.Helper()
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: leaf.Names[0]}, NotAfter: leaf.Until, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if leaf.Until.IsZero() {
		template.NotAfter = time.Now().Add(time.Hour)
	}
	for _, name := range leaf.Names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	key := newKey(t)
	if leaf.Alone {
		a = &Authority{template, key}
	}
	cert := sign(t, template, key, a)
	return &Identity{tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key, Leaf: cert}}
}

// Pool holds the authority alone.
func (a *Authority) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return pool
}

// File writes the authority's certificate to a file of its own and returns its path.
func (a *Authority) File(t testing.TB) string {
	t.Helper()
	return write(t, filepath.Join(t.TempDir(), "ca.pem"), "CERTIFICATE", a.cert.Raw)
}

// Files writes the identity to files of its own and returns their paths.
func (id *Identity) Files(t testing.TB) (cert, key string) {
	t.Helper()
	return id.FilesIn(t, t.TempDir())
}

// FilesIn is Files in a folder, as cert.pem and key.pem. Files that are there are replaced.
func (id *Identity) FilesIn(t testing.TB, dir string) (cert, key string) {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(id.Pair.PrivateKey)
	assert.NoError(t, err)
	key = write(t, filepath.Join(dir, "key.pem"), "PRIVATE KEY", der)
	return write(t, filepath.Join(dir, "cert.pem"), "CERTIFICATE", id.Pair.Certificate[0]), key
}

// Server is a configuration that shows the identity.
func (id *Identity) Server() *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{id.Pair}}
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	assert.NoError(t, err)
	return key
}

func sign(t testing.TB, template *x509.Certificate, key *ecdsa.PrivateKey, by *Authority) *x509.Certificate {
	t.Helper()
	template.SerialNumber = big.NewInt(serials.Add(1))
	template.NotBefore = time.Now().Add(-24 * time.Hour)
	der, err := x509.CreateCertificate(rand.Reader, template, by.cert, &key.PublicKey, by.key)
	assert.NoError(t, err)
	cert, err := x509.ParseCertificate(der)
	assert.NoError(t, err)
	return cert
}

// write puts a file in place at once, so that nobody reads half of it.
func write(t testing.TB, path, kind string, der []byte) string {
	t.Helper()
	text := pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
	assert.NoError(t, os.WriteFile(path+".new", text, 0o600))
	assert.NoError(t, os.Rename(path+".new", path))
	return path
}
