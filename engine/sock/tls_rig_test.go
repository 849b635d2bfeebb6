package sock

// TLS on a desk: the far side is crypto/tls itself, inside a coroutine, and between the two lies a kernel that tears what
// passes through it as the test says.

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"errors"
	"io"
	"iter"
	"math/big"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
	"weak"

	"sluice/engine/flow"
	"sluice/engine/loop"
	"sluice/engine/seal"
	"sluice/internal/assert"
)

// authority is a CA with a certificate for each side.
type authority struct {
	pool           *x509.CertPool
	server, client tls.Certificate
}

var testCA = sync.OnceValue(func() *authority {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test CA"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	must(err)
	ca, err := x509.ParseCertificate(der)
	must(err)
	a := &authority{pool: x509.NewCertPool()}
	a.pool.AddCert(ca)
	issue := func(name string) tls.Certificate {
		own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		must(err)
		der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
			SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
			NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
			ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		}, ca, &own.PublicKey, key)
		must(err)
		return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: own}
	}
	a.server, a.client = issue("server.test"), issue("client.test")
	return a
})

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func serverConfig() *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{testCA().server}, NextProtos: []string{"h2", "http/1.1"}}
}

func clientConfig() *tls.Config {
	return &tls.Config{RootCAs: testCA().pool, ServerName: "server.test", NextProtos: []string{"http/1.1"}}
}

// waiting is the error of a far side that has nothing to read.
type waiting struct{}

func (waiting) Error() string   { return "nothing to read" }
func (waiting) Timeout() bool   { return true }
func (waiting) Temporary() bool { return true }

// far is the other side of a desk: a tls.Conn whose bytes lie in memory.
type far struct {
	net.Conn
	tls   *tls.Conn
	in    []byte
	out   []byte
	eof   bool
	over  bool // the handshake is
	err   error
	next  func() (struct{}, bool)
	stop  func()
	yield func(struct{}) bool
}

func newFar(t testing.TB, config *tls.Config, role seal.Role) *far {
	r := new(far)
	if role == seal.Client {
		r.tls = tls.Client(r, config)
	} else {
		r.tls = tls.Server(r, config)
	}
	r.next, r.stop = iter.Pull(func(yield func(struct{}) bool) {
		r.yield = yield
		r.err = r.tls.Handshake()
		r.over = true
	})
	held := weak.Make(r) // the test must not keep what it measures
	t.Cleanup(func() {
		if r := held.Value(); r != nil {
			r.stop()
		}
	})
	return r
}

func (r *far) Read(p []byte) (int, error) {
	for len(r.in) == 0 {
		switch {
		case r.eof:
			return 0, io.EOF
		case r.over:
			return 0, waiting{}
		case !r.yield(struct{}{}):
			return 0, io.ErrClosedPipe
		}
	}
	n := copy(p, r.in)
	r.in = r.in[n:]
	return n, nil
}

func (r *far) Write(p []byte) (int, error) {
	r.out = append(r.out, p...)
	return len(p), nil
}

func (r *far) SetWriteDeadline(time.Time) error { return nil }
func (r *far) RemoteAddr() net.Addr             { return &net.TCPAddr{} }

// shake goes on with the far side's handshake.
func (r *far) shake() {
	if !r.over {
		r.next()
	}
}

// read takes what can be read, and the error that is not just a lack of bytes.
func (r *far) read() (got string, err error) {
	for {
		b := make([]byte, 70_000)
		n, err := r.tls.Read(b)
		got += string(b[:n])
		if errors.Is(err, waiting{}) {
			return got, nil
		}
		if err != nil {
			return got, err
		}
	}
}

func (r *far) write(t testing.TB, text string) {
	t.Helper()
	_, err := r.tls.Write([]byte(text))
	assert.NoError(t, err)
}

// safe is a desk with TLS. It is the connection's owner.
type safe struct {
	*desk
	far      *far
	secured  int
	failures []*seal.Failure
	cut      func(n int) int // how much of n bytes arrives at once
}

func (s *safe) Secured(*Conn)                      { s.secured++ }
func (s *safe) Unsecured(_ *Conn, f *seal.Failure) { s.failures = append(s.failures, f) }

var testWorkers = sync.OnceValue(func() *seal.Pool { return seal.NewPool(loop.NewWorkers(2, seal.Queue)) })

// newSafe begins a handshake between a desk in a role and crypto/tls in the other.
func newSafe(t testing.TB, role seal.Role, server, client *tls.Config) *safe {
	t.Helper()
	return newSafeOn(t, testWorkers(), role, server, client)
}

// newSafeOn is newSafe with a pool of its own.
func newSafeOn(t testing.TB, pool *seal.Pool, role seal.Role, server, client *tls.Config) *safe {
	t.Helper()
	s := &safe{desk: openDesk(t)}
	s.sys.silent = true
	s.net.Handshakes = pool
	s.conn.Own(s)
	if role == seal.Server {
		s.far = newFar(t, client, seal.Client)
		s.conn.Secure(Security{Config: server, Role: role, Deadline: s.loop.Now() + int64(time.Minute)})
	} else {
		s.far = newFar(t, server, seal.Server)
		s.conn.Secure(Security{Config: client, Role: role, Deadline: s.loop.Now() + int64(time.Minute)})
	}
	s.settle()
	return s
}

// openSafe has the handshake done.
func openSafe(t testing.TB, role seal.Role, server, client *tls.Config) *safe {
	t.Helper()
	s := newSafe(t, role, server, client)
	s.shake()
	if s.secured != 1 || s.far.err != nil {
		t.Fatalf("no handshake: %v, %v", s.failures, s.far.err)
	}
	return s
}

// work waits for the workers.
func (s *safe) work() {
	for s.conn.layer != nil && s.conn.layer.shake != nil && s.conn.layer.shake.Stepping() {
		s.loop.Posted()
		runtime.Gosched()
	}
	s.settle()
}

// carry brings what each side has sent to the other, once. It reports whether there was something.
func (s *safe) carry() (some bool) {
	s.work()
	if len(s.sys.wrote) > 0 {
		s.far.in = append(s.far.in, s.sys.wrote...)
		s.sys.wrote = s.sys.wrote[:0]
		some = true
	}
	s.far.shake()
	for len(s.far.out) > 0 && s.conn.state == open {
		n := len(s.far.out)
		if s.cut != nil {
			n = s.cut(n)
		}
		piece := string(s.far.out[:n])
		s.far.out = s.far.out[n:]
		s.give(piece)
		s.work()
		some = true
	}
	return some
}

// shake carries until nobody has anything more to say.
func (s *safe) shake() {
	for first := true; s.carry() || first; first = false {
	}
}

// send writes text by a flow and returns it.
func (s *safe) send(text string, end bool) *flow.Flow {
	f := new(flow.Flow)
	f.Start(s.loop, &wholes{rest: text, end: end}, s.conn, s)
	s.settle()
	return f
}

// wholes is a source that gives a text in chunks of up to 64 KiB.
type wholes struct {
	rest string
	end  bool
}

func (w *wholes) Proceed(f *flow.Flow) {
	n := min(len(w.rest), 64<<10)
	if n == 0 && !w.end {
		return
	}
	one := w.rest[:n]
	w.rest = w.rest[n:]
	f.Send(flow.Chunk{Bytes: []byte(one)}, w.end && w.rest == "")
}

func (w *wholes) Stop(*flow.Flow, error) {}

// receive starts a flow out of the connection.
func (s *safe) receive() (*collector, *flow.Flow) {
	k, f := new(collector), new(flow.Flow)
	f.Start(s.loop, s.conn, k, s)
	s.settle()
	return k, f
}

// forger writes a TLS 1.3 client's records from the secrets that crypto/tls logs, because it has no call for a KeyUpdate.
type forger struct {
	secret []byte
	seq    uint64
}

// newForger takes the client's first secret out of a key log. The suite must be TLS_AES_128_GCM_SHA256.
func newForger(t *testing.T, log string) *forger {
	t.Helper()
	for line := range strings.Lines(log) {
		fields := strings.Fields(line)
		if fields[0] == "CLIENT_TRAFFIC_SECRET_0" {
			secret, err := hex.DecodeString(fields[2])
			assert.NoError(t, err)
			return &forger{secret: secret}
		}
	}
	t.Fatal("no secret in the key log")
	return nil
}

// expand is HKDF-Expand-Label without a context (RFC 8446, 7.1).
func (f *forger) expand(label string, n int) []byte {
	info := append([]byte{0, byte(n), byte(6 + len(label))}, "tls13 "+label+"\x00"...)
	key, err := hkdf.Expand(sha256.New, f.secret, string(info), n)
	must(err)
	return key
}

// record seals one record.
func (f *forger) record(kind byte, data string) string {
	block, err := aes.NewCipher(f.expand("key", 16))
	must(err)
	aead, err := cipher.NewGCM(block)
	must(err)
	nonce := f.expand("iv", 12)
	for i := range 8 {
		nonce[4+i] ^= byte(f.seq >> (56 - 8*i))
	}
	f.seq++
	n := len(data) + 1 + 16
	header := []byte{23, 3, 3, byte(n >> 8), byte(n)}
	return string(header) + string(aead.Seal(nil, nonce, append([]byte(data), kind), header))
}

// update asks the peer for new keys, and takes new ones (RFC 8446, 4.6.3).
func (f *forger) update() string {
	record := f.record(22, "\x18\x00\x00\x01\x01")
	f.secret, f.seq = f.expand("traffic upd", 32), 0
	return record
}
