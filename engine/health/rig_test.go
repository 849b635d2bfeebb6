package health

import (
	"bufio"
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"sluice/configs"
	"sluice/internal/assert"
)

// serve runs handle for each connection to a listener until the test ends. The connection is closed after it.
func serve(t *testing.T, listener net.Listener, handle func(net.Conn)) Target {
	t.Helper()
	var running sync.WaitGroup
	stop := make(chan struct{})
	running.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			running.Go(func() {
				defer conn.Close()
				handle(conn)
			})
			running.Go(func() { // a handler that is stuck ends with the test
				<-stop
				conn.Close()
			})
		}
	})
	t.Cleanup(func() {
		listener.Close()
		close(stop)
		running.Wait()
	})
	address := listener.Addr()
	return Target{Name: address.String(), Network: address.Network(), Address: address.String()}
}

func listen(t *testing.T, network, address string) net.Listener {
	t.Helper()
	listener, err := net.Listen(network, address)
	assert.NoError(t, err)
	return listener
}

// owned counts the addresses that own has given out.
var owned atomic.Uint32

// own is an address of this test alone on the loopback network, where clients get 127.0.0.1. It is nobody's while nothing
// listens there, as a port cannot be that the kernel gives to clients.
func own() string {
	pid, n := os.Getpid(), owned.Add(1)
	return fmt.Sprintf("127.%d.%d.%d:%d", pid%200+10, pid/200%256, n%256, 8200+n/256)
}

// local serves on a port of this machine.
func local(t *testing.T, handle func(net.Conn)) Target {
	t.Helper()
	return serve(t, listen(t, "tcp", "127.0.0.1:0"), handle)
}

// answering reads a request and answers with text, whatever it asks.
func answering(text string) func(net.Conn) {
	return func(conn net.Conn) {
		if _, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
			io.WriteString(conn, text)
		}
	}
}

// silent neither says nor ends anything.
func silent(conn net.Conn) { io.Copy(io.Discard, conn) }

// httpCheck is what the loader makes of {http: /health}, with a timeout for tests that expect an answer.
func httpCheck() *configs.Check {
	return &configs.Check{HTTP: "/health", Method: "GET", Status: []configs.StatusRange{{From: 200, To: 399}}, Timeout: 10 * time.Second,
		Every: 5 * time.Second, Fast: time.Second, Fall: 3, Rise: 2}
}

// once makes one check.
func once(t *testing.T, check *configs.Check, proxyProtocol string, target Target) finding {
	t.Helper()
	p := newProber(check, Options{ProxyProtocol: proxyProtocol, Secure: secure(t, check.TLS)})
	ctx, cancel := context.WithTimeout(context.Background(), check.Timeout)
	defer cancel()
	return p.probe(ctx, target)
}

// secure is what the owner of a monitor makes of the TLS of a check.
func secure(t *testing.T, from *configs.CheckTLS) func(host string) *tls.Config {
	t.Helper()
	if from == nil {
		return nil
	}
	config := &tls.Config{InsecureSkipVerify: !from.Verify}
	if from.CA != "" {
		text, err := os.ReadFile(from.CA)
		assert.NoError(t, err)
		config.RootCAs = x509.NewCertPool()
		config.RootCAs.AppendCertsFromPEM(text)
	}
	return func(host string) *tls.Config {
		one := config.Clone()
		one.ServerName = cmp.Or(from.ServerName, host)
		return one
	}
}

// full returns the address of a server that hangs before it accepts: its backlog takes no more connections, as of a stopped process.
func full(t *testing.T) Target {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	assert.NoError(t, err)
	t.Cleanup(func() { syscall.Close(fd) })
	assert.NoError(t, syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	assert.NoError(t, syscall.Listen(fd, 0))
	name, err := syscall.Getsockname(fd)
	assert.NoError(t, err)
	address := (&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: name.(*syscall.SockaddrInet4).Port}).String()
	for range 4 { // the queue takes one or two of them; the kernel decides that before connect returns
		client, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC|syscall.SOCK_NONBLOCK, 0)
		assert.NoError(t, err)
		t.Cleanup(func() { syscall.Close(client) })
		assert.Equal(t, syscall.Connect(client, name), error(syscall.EINPROGRESS))
	}
	return Target{Name: address, Network: "tcp", Address: address}
}

// closed returns the address of a server that is gone.
func closed() Target {
	address := own()
	return Target{Name: address, Network: "tcp", Address: address}
}

// endOf reads conn to its end and reports whether that came in order.
func endOf(conn net.Conn) error {
	_, err := io.Copy(io.Discard, conn)
	if errors.Is(err, syscall.ECONNRESET) {
		return err
	}
	return nil
}

// spy keeps what was read from a connection.
type spy struct {
	net.Conn
	read []byte
}

func (s *spy) Read(p []byte) (int, error) {
	n, err := s.Conn.Read(p)
	s.read = append(s.read, p[:n]...)
	return n, err
}

// lastRecord returns the type of the last TLS record that was read whole.
func (s *spy) lastRecord() (kind byte) {
	for b := s.read; len(b) >= 5; {
		size := 5 + int(b[3])<<8 + int(b[4])
		if size > len(b) {
			break
		}
		kind, b = b[0], b[size:]
	}
	return kind
}

// ca is an authority for certificates, and the file that names it.
type ca struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	file string
}

func newCA(t *testing.T) *ca {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	assert.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test CA"}, IsCA: true,
		BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	assert.NoError(t, err)
	cert, err := x509.ParseCertificate(der)
	assert.NoError(t, err)
	file := filepath.Join(t.TempDir(), "ca.pem")
	assert.NoError(t, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	return &ca{cert, key, file}
}

// config returns what a server needs to be name until a time.
func (c *ca) config(t *testing.T, until time.Time, names ...string) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	assert.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(2), DNSNames: names, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: until, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	der, err := x509.CreateCertificate(rand.Reader, template, c.cert, &key.PublicKey, c.key)
	assert.NoError(t, err)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
}
