package certs

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sluice/configs"
	"sluice/internal/assert"
)

// patience is only ever spent by a test that fails.
const patience = 10 * time.Second

// serials numbers the certificates of all tests.
var serials atomic.Int64

// An identity is a certificate with its key, and those that lead to its root.
type identity struct {
	cert  *x509.Certificate
	key   crypto.Signer
	above []*x509.Certificate // without the root
}

// rsaKeys are made once: it takes long.
var rsaKeys = sync.OnceValue(func() [2]*rsa.PrivateKey {
	one, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	two, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return [2]*rsa.PrivateKey{one, two}
})

// newKey makes a key of a kind; those of RSA are all the same one.
func newKey(t testing.TB, kind string) (key crypto.Signer) {
	t.Helper()
	var err error
	switch kind {
	case "", "P-256":
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "P-384":
		key, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case "P-521":
		key, err = ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	case "RSA":
		key = rsaKeys()[0]
	case "Ed25519":
		_, key, err = ed25519.GenerateKey(rand.Reader)
	default:
		t.Fatalf("no such kind of key: %s", kind)
	}
	assert.NoError(t, err)
	return key
}

// sign makes a certificate of template; a nil parent is the certificate itself.
func sign(t testing.TB, template *x509.Certificate, key crypto.Signer, parent *identity) *identity {
	t.Helper()
	template.SerialNumber = big.NewInt(1000 + serials.Add(1))
	if template.NotBefore.IsZero() {
		template.NotBefore = time.Now().Add(-time.Hour)
	}
	if template.NotAfter.IsZero() {
		template.NotAfter = time.Now().Add(90 * day)
	}
	id := &identity{key: key}
	issuer, signer := template, key
	if parent != nil {
		issuer, signer = parent.cert, parent.key
		if !bytes.Equal(parent.cert.RawSubject, parent.cert.RawIssuer) {
			id.above = append([]*x509.Certificate{parent.cert}, parent.above...)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, issuer, key.Public(), signer)
	assert.NoError(t, err)
	id.cert, err = x509.ParseCertificate(der)
	assert.NoError(t, err)
	return id
}

// newCA makes an authority; without a parent it is a root.
func newCA(t testing.TB, name string, parent *identity) *identity {
	t.Helper()
	return sign(t, &x509.Certificate{Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign | x509.KeyUsageDigitalSignature}, newKey(t, ""), parent)
}

// site makes the certificate of a server or client with names, the first of which is its common name, too.
func (id *identity) site(t testing.TB, kind string, names ...string) *identity {
	t.Helper()
	return sign(t, template(names...), newKey(t, kind), id)
}

// template is of a certificate with names or addresses.
func template(names ...string) *x509.Certificate {
	c := &x509.Certificate{Subject: pkix.Name{CommonName: names[0]}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			c.IPAddresses = append(c.IPAddresses, ip)
		} else {
			c.DNSNames = append(c.DNSNames, name)
		}
	}
	return c
}

// chain is the PEM of a certificate and those above it.
func (id *identity) chain() string {
	text := block("CERTIFICATE", id.cert.Raw)
	for _, c := range id.above {
		text += block("CERTIFICATE", c.Raw)
	}
	return text
}

// pkcs8 is the PEM of the key.
func (id *identity) pkcs8(t testing.TB) string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(id.key)
	assert.NoError(t, err)
	return block("PRIVATE KEY", der)
}

func block(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

// pool is of roots.
func pool(roots ...*identity) *x509.CertPool {
	p := x509.NewCertPool()
	for _, r := range roots {
		p.AddCert(r.cert)
	}
	return p
}

// put writes a text to path by renaming, so that nobody reads half of it, and returns the path.
func put(t testing.TB, path, text string) string {
	t.Helper()
	assert.NoError(t, os.WriteFile(path+".new", []byte(text), 0o600))
	assert.NoError(t, os.Rename(path+".new", path))
	return path
}

// files writes an identity to DIR/NAME.pem and NAME.key.
func (id *identity) files(t testing.TB, dir, name string) configs.Certificate {
	t.Helper()
	return configs.Certificate{Cert: put(t, filepath.Join(dir, name+".pem"), id.chain()), Key: put(t, filepath.Join(dir, name+".key"), id.pkcs8(t))}
}

// A journal hears what is told.
type journal struct {
	mu    sync.Mutex
	lines []string
}

// watch returns a Watch that the journal hears, with a clock or with the real one.
func (j *journal) watch(clock *clock) Watch {
	w := Watch{Trouble: func(err error) { j.add("trouble: " + err.Error()) }, Recovered: func(file string) { j.add("recovered: " + file) }}
	if clock != nil {
		w.Now = clock.now
	}
	return w
}

func (j *journal) add(line string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, line)
}

// take returns what was told since the last call.
func (j *journal) take() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	text := strings.Join(j.lines, "\n")
	j.lines = nil
	return text
}

// expect waits until something has been told, and that it is all of want.
func (j *journal) expect(t *testing.T, want ...string) {
	t.Helper()
	var told string
	assert.Eventually(t, func() bool {
		told += j.take()
		return told != ""
	})
	has(t, told, want...)
}

// has fails the test unless text contains all of want.
func has(t testing.TB, text string, want ...string) {
	t.Helper()
	for _, w := range want {
		if !strings.Contains(text, w) {
			t.Fatalf("%q is not in %q", w, text)
		}
	}
}

// A clock is set by the test.
type clock struct{ nanos atomic.Int64 }

func newClock(at time.Time) *clock {
	c := &clock{}
	c.nanos.Store(at.UnixNano())
	return c
}

func (c *clock) now() time.Time          { return time.Unix(0, c.nanos.Load()) }
func (c *clock) advance(d time.Duration) { c.nanos.Add(int64(d)) }

// open makes a Store that looks when it is told to.
func open(t testing.TB, o Options) *Store {
	t.Helper()
	s, err := openStore(o)
	assert.NoError(t, err)
	return s
}

// A meeting is how a handshake has gone.
type meeting struct {
	client, server     tls.ConnectionState
	clientErr, servErr error
}

// peer is the certificate that the server has shown.
func (m meeting) peer(t testing.TB) *x509.Certificate {
	t.Helper()
	assert.NoError(t, m.clientErr)
	return m.client.PeerCertificates[0]
}

// transport returns both ends of a connection over the loopback.
func transport(t testing.TB) (near, far *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	assert.NoError(t, err)
	defer l.Close()
	one, err := net.Dial("tcp", l.Addr().String())
	assert.NoError(t, err)
	two, err := l.Accept()
	assert.NoError(t, err)
	deadline := time.Now().Add(patience)
	one.SetDeadline(deadline)
	two.SetDeadline(deadline)
	return one.(*net.TCPConn), two.(*net.TCPConn)
}

// meet makes a handshake, and sends a byte each way so that tickets and late alerts arrive.
func meet(t testing.TB, server, client *tls.Config) (m meeting) {
	t.Helper()
	near, far := transport(t)
	s, c := tls.Server(far, server), tls.Client(near, client)
	var both sync.WaitGroup
	both.Go(func() { m.servErr = exchange(s, far); m.server = s.ConnectionState() })
	both.Go(func() { m.clientErr = exchange(c, near); m.client = c.ConnectionState() })
	both.Wait()
	return m
}

// exchange does one side of meet. It leaves when the other has nothing more to say, so that no reset destroys an alert.
func exchange(c *tls.Conn, transport *net.TCPConn) error {
	defer transport.Close()
	err := c.Handshake()
	if err == nil {
		_, err = c.Write([]byte("x"))
	}
	if err == nil {
		_, err = io.ReadFull(c, make([]byte, 1))
	}
	transport.CloseWrite()
	io.Copy(io.Discard, transport)
	return err
}

// trusting is a client that believes a root and asks for a name.
func trusting(root *identity, name string) *tls.Config {
	return &tls.Config{RootCAs: pool(root), ServerName: name}
}

// served is a listener's section for pairs.
func served(pairs ...configs.Certificate) configs.TLS {
	return configs.TLS{Certificates: pairs, MinVersion: "1.2", ClientAuth: "none", UnknownSNI: "reject"}
}

// versionsOf runs f for TLS 1.2 and for TLS 1.3.
func versionsOf(t *testing.T, f func(t *testing.T, version uint16)) {
	for _, v := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(strings.ReplaceAll(tls.VersionName(v), " ", ""), func(t *testing.T) { f(t, v) })
	}
}

// remembers gives a client a cache for sessions.
func remembers(c *tls.Config) *tls.Config {
	c.ClientSessionCache = tls.NewLRUClientSessionCache(8)
	return c
}

func commonName(c *x509.Certificate) string { return fmt.Sprint(c.Subject.CommonName) }

func ecKey(key crypto.Signer) *ecdsa.PrivateKey { return key.(*ecdsa.PrivateKey) }
