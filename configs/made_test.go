package configs

// Certificates for tests, made when they run: one in the repository would expire.

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// stapled is the serial number of which credential/testdata/staple.der speaks.
const stapled = 0x5107ce

// A maker writes files into a folder.
type maker struct {
	t   *testing.T
	dir string
}

// An issuer signs; its zero value makes certificates that sign themselves.
type issuer struct {
	cert *x509.Certificate
	key  crypto.Signer
}

func (m maker) write(name string, mode os.FileMode, blocks ...*pem.Block) {
	m.t.Helper()
	var text []byte
	for _, b := range blocks {
		text = append(text, pem.EncodeToMemory(b)...)
	}
	m.file(name, mode, text)
}

func (m maker) file(name string, mode os.FileMode, text []byte) {
	m.t.Helper()
	if err := os.WriteFile(filepath.Join(m.dir, name), text, mode); err != nil {
		m.t.Fatal(err)
	}
}

// issue makes NAME.pem and NAME.key, from one time to another, for DNS names; without any, for nobody.
func (m maker) issue(by issuer, name string, from, to time.Time, names ...string) issuer {
	m.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		m.t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(stapled), Subject: pkix.Name{CommonName: name}, DNSNames: names, NotBefore: from, NotAfter: to,
		KeyUsage: x509.KeyUsageDigitalSignature}
	if by.cert == nil {
		c.IsCA, c.BasicConstraintsValid, c.KeyUsage = true, true, x509.KeyUsageCertSign|x509.KeyUsageCRLSign|x509.KeyUsageDigitalSignature
		by = issuer{c, key}
	}
	der, err := x509.CreateCertificate(rand.Reader, c, by.cert, key.Public(), by.key)
	if err != nil {
		m.t.Fatal(err)
	}
	made, err := x509.ParseCertificate(der)
	if err != nil {
		m.t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		m.t.Fatal(err)
	}
	m.write(name+".pem", 0o644, block(made))
	m.write(name+".key", 0o600, &pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
	return issuer{made, key}
}

func block(c *x509.Certificate) *pem.Block { return &pem.Block{Type: "CERTIFICATE", Bytes: c.Raw} }

// revoke makes a file with the revocation list of a CA.
func (m maker) revoke(by issuer, name string, next time.Time) {
	m.t.Helper()
	der, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: next.AddDate(-1, 0, 0), NextUpdate: next}, by.cert, by.key)
	if err != nil {
		m.t.Fatal(err)
	}
	m.write(name, 0o644, &pem.Block{Type: "X509 CRL", Bytes: der})
}

// makeCertificates fills dir with the files that the examples and the golden file name: good ones, and some for each mistake.
func makeCertificates(t *testing.T, dir string) maker {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	m := maker{t, dir}
	now := time.Now()
	from, to, past := now.AddDate(0, 0, -1), now.AddDate(1, 0, 0), time.Date(2021, 2, 3, 0, 0, 0, 0, time.UTC)
	ca := m.issue(issuer{}, "ca", from, to)
	other := m.issue(issuer{}, "other-ca", from, to)
	site := m.issue(ca, "site", from, to, "www.example.com", "example.com")
	m.write("site.pem", 0o644, block(site.cert), block(ca.cert))
	for _, name := range []string{"api", "client"} {
		m.issue(ca, name, from, to, name+".example.com")
	}
	m.issue(ca, "expired", past.AddDate(-1, 0, 0), past, "old.example.com")
	m.issue(ca, "nameless", from, to)
	m.write("turned.pem", 0o644, block(ca.cert), block(site.cert))
	m.write("strangers.pem", 0o644, block(site.cert), block(other.cert))
	m.revoke(ca, "crl.pem", to)
	m.revoke(other, "other-crl.pem", to)
	m.revoke(ca, "old-crl.pem", past)
	key, err := os.ReadFile(filepath.Join(dir, "site.key"))
	if err != nil {
		t.Fatal(err)
	}
	m.file("open.key", 0o644, key)
	chain, err := os.ReadFile(filepath.Join(dir, "site.pem"))
	if err != nil {
		t.Fatal(err)
	}
	m.file("both.pem", 0o600, append(chain, key...))
	m.file("cut.pem", 0o644, chain[:len(chain)-100])
	m.file("site.der", 0o644, site.cert.Raw)
	m.file("text.pem", 0o644, []byte("not a certificate\n"))
	m.file("empty.pem", 0o644, nil)
	m.file("locked.key", 0o600, []byte("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n"))
	m.file("tickets.key", 0o600, []byte(base64.StdEncoding.EncodeToString(make([]byte, 80))+"\n# of last week\n"+base64.StdEncoding.EncodeToString(make([]byte, 48))+"\n"))
	m.file("short.key", 0o600, make([]byte, 32))
	staple, err := os.ReadFile("credential/testdata/staple.der")
	if err != nil {
		t.Fatal(err)
	}
	m.file("staple.der", 0o644, staple)
	return m
}

// inTheirFolder moves the test to a folder that has examples, testdata and certs, all as they are named in the golden file.
func inTheirFolder(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	makeCertificates(t, filepath.Join(dir, "certs"))
	for _, name := range []string{"examples", "testdata"} {
		here, err := filepath.Abs(name)
		if err == nil {
			err = os.Symlink(here, filepath.Join(dir, name))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
}
