package e2e

// TLS that ends at the proxy: the certificates, keys and clients that the tests of it share.

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sluice/internal/assert"
)

// paper is a certificate and its key.
type paper struct {
	leaf *x509.Certificate
	key  crypto.Signer
}

// papers counts the certificates of all tests; each has its number.
var papers atomic.Int64

// rsaKey is made once: it takes long.
var rsaKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

// signed makes a certificate of template for a key; nobody as issuer is itself.
func signed(t testing.TB, template *x509.Certificate, key crypto.Signer, issuer *paper) *paper {
	t.Helper()
	template.SerialNumber = big.NewInt(1000 + papers.Add(1))
	if template.NotAfter.IsZero() {
		template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(90*24*time.Hour)
	}
	above, by := template, key
	if issuer != nil {
		above, by = issuer.leaf, issuer.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, above, key.Public(), by)
	assert.NoError(t, err)
	leaf, err := x509.ParseCertificate(der)
	assert.NoError(t, err)
	return &paper{leaf, key}
}

// ecKey makes a key of ECDSA.
func ecKey(t testing.TB) crypto.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	assert.NoError(t, err)
	return key
}

// authority makes one that issues certificates.
func authority(t testing.TB, name string) *paper {
	t.Helper()
	return signed(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign | x509.KeyUsageDigitalSignature,
	}, ecKey(t), nil)
}

// issues makes a certificate for names with a key of ECDSA. A client's has a name as well.
func (p *paper) issues(t testing.TB, names ...string) *paper {
	t.Helper()
	return signed(t, siteOf(names...), ecKey(t), p)
}

// issuesRSA is the same with a key of RSA.
func (p *paper) issuesRSA(t testing.TB, names ...string) *paper {
	t.Helper()
	key, err := rsaKey()
	assert.NoError(t, err)
	return signed(t, siteOf(names...), key, p)
}

func siteOf(names ...string) *x509.Certificate {
	return &x509.Certificate{
		Subject: pkix.Name{CommonName: names[0], Organization: []string{"Shop"}}, DNSNames: names, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
}

// revokes is a list of the authority, in PEM.
func (p *paper) revokes(t testing.TB, revoked ...*paper) string {
	t.Helper()
	list := &x509.RevocationList{Number: big.NewInt(papers.Add(1)), ThisUpdate: time.Now().Add(-time.Minute), NextUpdate: time.Now().Add(time.Hour)}
	for _, r := range revoked {
		list.RevokedCertificateEntries = append(list.RevokedCertificateEntries,
			x509.RevocationListEntry{SerialNumber: r.leaf.SerialNumber, RevocationTime: time.Now().Add(-time.Minute)})
	}
	der, err := x509.CreateRevocationList(rand.Reader, list, p.leaf, p.key)
	assert.NoError(t, err)
	return pemOf("X509 CRL", der)
}

func pemOf(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

// cert is the certificate in PEM, and secret the key.
func (p *paper) cert() string { return pemOf("CERTIFICATE", p.leaf.Raw) }

func (p *paper) secret(t testing.TB) string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(p.key)
	assert.NoError(t, err)
	return pemOf("PRIVATE KEY", der)
}

// pair is what Go's TLS wants.
func (p *paper) pair() tls.Certificate {
	return tls.Certificate{Certificate: [][]byte{p.leaf.Raw}, PrivateKey: p.key, Leaf: p.leaf}
}

// safe is a folder with certificates and keys, and the root that clients believe.
type safe struct {
	t    testing.TB
	dir  string
	root *paper
}

// opensSafe makes a safe with NAME.pem for a site with a key of ECDSA, and one with RSA: ec.pem, rsa.pem, both for a.example.com.
func opensSafe(t testing.TB) *safe {
	t.Helper()
	s := &safe{t, t.TempDir(), authority(t, "Test Root")}
	s.put("root.pem", s.root.cert())
	s.keeps("ec", s.root.issues(t, "a.example.com"))
	s.keeps("rsa", s.root.issuesRSA(t, "a.example.com"))
	return s
}

// put writes a file by renaming, so that nobody reads half of it, and returns its path.
func (s *safe) put(name, text string) string {
	s.t.Helper()
	path := s.path(name)
	assert.NoError(s.t, os.WriteFile(path+".new", []byte(text), 0o600))
	assert.NoError(s.t, os.Rename(path+".new", path))
	return path
}

func (s *safe) path(name string) string { return filepath.Join(s.dir, name) }

// keeps writes a certificate with its key as NAME.pem, and its key alone as NAME.key.
func (s *safe) keeps(name string, p *paper) *paper {
	s.t.Helper()
	s.put(name+".key", p.secret(s.t))
	s.put(name+".pem", p.cert()+p.secret(s.t))
	return p
}

// fills replaces DIR in a configuration, and then the verbs.
func (s *safe) fills(config string, values ...any) string {
	return fmt.Sprintf(strings.ReplaceAll(config, "DIR", s.dir), values...)
}

// run starts the binary with a configuration in which DIR is the safe.
func (s *safe) run(config string, values ...any) *proxy {
	s.t.Helper()
	return command{config: s.fills(config, values...)}.run(s.t)
}

// trusts is a client that asks for a name and believes the root.
func (s *safe) trusts(name string) *tls.Config {
	pool := x509.NewCertPool()
	pool.AddCert(s.root.leaf)
	return &tls.Config{ServerName: name, RootCAs: pool}
}

// secures does a handshake with port n and returns the encrypted end.
func (p *proxy) secures(n int, config *tls.Config) *end {
	p.t.Helper()
	c := tls.Client(p.dial(n).Conn, config)
	assert.NoError(p.t, c.Handshake())
	return newEnd(p.t, c)
}

// refuses does a handshake with port n that has to fail, and returns the error. In TLS 1.3 a client hears of it when it reads.
func (p *proxy) refuses(n int, config *tls.Config) error {
	p.t.Helper()
	c := tls.Client(p.dial(n).Conn, config)
	err := c.Handshake()
	if err == nil {
		_, err = c.Read(make([]byte, 1))
	}
	if err == nil {
		p.t.Fatal("the handshake has not failed")
	}
	return err
}

// secure is what both sides have agreed on.
func (e *end) secure() tls.ConnectionState { return e.Conn.(*tls.Conn).ConnectionState() }

// leaf is the certificate that the proxy has shown.
func (e *end) leaf() *x509.Certificate { return e.secure().PeerCertificates[0] }

// shows checks which certificate the proxy has shown.
func (e *end) shows(p *paper) {
	e.t.Helper()
	if got := e.leaf(); !bytes.Equal(got.Raw, p.leaf.Raw) {
		e.t.Fatalf("shown number %d for %v, want number %d for %v", got.SerialNumber, got.DNSNames, p.leaf.SerialNumber, p.leaf.DNSNames)
	}
}

// asksAt sends a GET for a.example.com and wants 200; it returns the body, which has a length.
func (e *end) asksAt(path string) string {
	e.t.Helper()
	e.says("GET " + path + " HTTP/1.1\r\nHost: a.example.com\r\n\r\n")
	return e.hearsBody()
}

// hearsBody wants an answer 200 with a length and returns its body.
func (e *end) hearsBody() string {
	e.t.Helper()
	status, fields := e.hearsHead()
	assert.Equal(e.t, status, "HTTP/1.1 200 OK")
	for _, field := range fields {
		if length, ok := strings.CutPrefix(field, "Content-Length: "); ok {
			body := make([]byte, atoi(e.t, length))
			e.hearsInto(body)
			return string(body)
		}
	}
	e.t.Fatalf("an answer without a length: %q", fields)
	return ""
}

// hearsInto fills b.
func (e *end) hearsInto(b []byte) {
	e.t.Helper()
	for n := 0; n < len(b); {
		more, err := e.Read(b[n:])
		if n += more; err != nil && n < len(b) {
			e.t.Fatalf("heard %d bytes and %v, want %d", n, err, len(b))
		}
	}
}

// browser returns a client of port 1 that speaks HTTPS, with connections of its own.
func (s *safe) browser(p *proxy) *browser {
	transport := &http.Transport{
		TLSClientConfig: s.trusts("a.example.com"), MaxIdleConnsPerHost: 1000, DisableCompression: true,
		DialContext: (&net.Dialer{}).DialContext, ExpectContinueTimeout: patience,
	}
	p.t.Cleanup(transport.CloseIdleConnections)
	return &browser{p.t, "https://" + p.addr(1), &http.Client{Transport: &hosted{transport}, Timeout: 2 * patience}}
}

// hosted asks for a.example.com, whatever the address.
type hosted struct{ *http.Transport }

// RoundTrip implements http.RoundTripper.
func (h *hosted) RoundTrip(r *http.Request) (*http.Response, error) {
	r.Host = "a.example.com"
	return h.Transport.RoundTrip(r)
}

// shop is a site behind TLS and a server behind TLS.
const shop = `
listeners:
  web: {bind: "127.0.0.1:PORT1", tls: {certificates: [DIR/ec.pem, DIR/rsa.pem]}, upstream: web}
  raw: {bind: "127.0.0.1:PORT2", protocol: tcp, tls: {certificates: [DIR/ec.pem, DIR/rsa.pem]}, upstream: raw}
upstreams: {web: {servers: ["%s"]}, raw: {servers: ["%s"]}}
runtime: {loops: 2}
`
