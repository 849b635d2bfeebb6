package conv

// TLS between the proxy and those who play a part. What a script says of ends means with TLS: an end is close_notify with
// FIN behind it, and nothing else is; a reset is still RST. FIN alone is a cut, which no script takes for an end.

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// serverName is the name of servers, and of the site. Clients ask for a name where a script says so.
const serverName = "site.test"

// identity is the certificate of everybody who needs one: its own CA.
type identity struct {
	certificate tls.Certificate
	pem         []byte // with the key
}

var ourselves = sync.OnceValues(func() (*identity, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "conversations"}, DNSNames: []string{serverName},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(48 * time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	own := &identity{certificate: tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}}
	own.pem = append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})...)
	return own, nil
})

// writeIdentity writes the file that the proxy reads, as its certificate and as the CA of servers.
func writeIdentity(folder string) (path string, err error) {
	own, err := ourselves()
	if err != nil {
		return "", err
	}
	path = filepath.Join(folder, "site.pem")
	return path, os.WriteFile(path, own.pem, 0o600)
}

func (id *identity) client(version uint16, name string) *tls.Config {
	return &tls.Config{ServerName: name, MinVersion: version, MaxVersion: version, NextProtos: []string{"http/1.1"},
		InsecureSkipVerify: true, VerifyConnection: id.recognise}
}

// newClient is the client's side of TLS on a connection; it asks for a name, or for none.
func (id *identity) newClient(s *socket, version uint16, name string) *secured {
	return &secured{socket: s, tls: tls.Client(s, id.client(version, name))}
}

// hello is the first flight of a client.
func (id *identity) hello(name string, version uint16) []byte {
	near, far := net.Pipe()
	go func() {
		_ = tls.Client(near, id.client(version, name)).Handshake() // nobody answers
	}()
	b := make([]byte, 16<<10)
	n, _ := far.Read(b)
	_ = far.Close()
	return b[:n]
}

// recognise accepts the one certificate that there is.
func (id *identity) recognise(s tls.ConnectionState) error {
	if len(s.PeerCertificates) == 0 || !s.PeerCertificates[0].Equal(id.certificate.Leaf) {
		return errors.New("the certificate is somebody else's")
	}
	return nil
}

// newServer is the server's.
func (id *identity) newServer(s *socket, version uint16) *secured {
	config := &tls.Config{Certificates: []tls.Certificate{id.certificate}, MinVersion: version, MaxVersion: version}
	return &secured{socket: s, tls: tls.Server(s, config)}
}

// secured is a wire of TLS. A PROXY header, where there is one, goes before it.
type secured struct {
	socket   *socket
	tls      *tls.Conn
	header   bool   // a PROXY header has to be written first
	before   []byte // a PROXY header that was read
	shaken   func() // is called when the handshake is done, or nil
	failed   error  // of the handshake
	notified bool   // close_notify has been read
}

var (
	errTruncated = errors.New("the end of the stream without close_notify")
	errBehind    = errors.New("bytes behind close_notify")
)

// handshake brings it to its end. What comes of it is for whoever reads.
func (s *secured) handshake() {
	err := s.socket.SetDeadline(time.Now().Add(patience))
	if err == nil {
		err = s.tls.Handshake()
	}
	s.failed = err
	if s.shaken != nil && err == nil {
		s.shaken()
	}
}

// Read implements Wire.
func (s *secured) Read(p []byte) (n int, err error) {
	switch {
	case s.failed != nil:
		return 0, s.failed
	case s.header:
		return s.socket.Read(p)
	case len(s.before) > 0:
		n = copy(p, s.before)
		s.before = s.before[n:]
		return n, nil
	case s.notified:
		return s.readEnd()
	}
	n, err = s.tls.Read(p)
	switch {
	case n > 0:
		return n, nil // an end that is known already will be said again
	case (err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF)) && s.socket.ended:
		return n, errTruncated
	case err == io.EOF:
		s.notified = true
		return s.readEnd()
	}
	return n, err
}

// readEnd reads the FIN behind close_notify.
func (s *secured) readEnd() (int, error) {
	n, err := s.socket.Read(make([]byte, 1))
	if n > 0 {
		return 0, errBehind
	}
	return 0, err
}

// Write implements Wire.
func (s *secured) Write(p []byte) (n int, err error) {
	if s.header {
		if bytes.HasPrefix(p, []byte("PROXY ")) {
			n = bytes.IndexByte(p, '\n') + 1
			if n == 0 {
				return s.socket.Write(p)
			}
			if _, err := s.socket.Write(p[:n]); err != nil {
				return 0, err
			}
		}
		s.header = false
		s.handshake()
	}
	switch {
	case s.failed != nil:
		return len(p), nil // as TCP takes what nobody will read
	case n == len(p):
		return n, nil
	}
	more, err := s.tls.Write(p[n:])
	return n + more, err
}

// CloseWrite implements Wire.
func (s *secured) CloseWrite() error {
	if s.failed == nil && !s.header {
		if err := s.tls.CloseWrite(); err != nil {
			return err
		}
	}
	err := s.socket.CloseWrite()
	if errors.Is(err, syscall.ENOTCONN) {
		return nil // close_notify has been answered with a reset before FIN was sent
	}
	return err
}

// readHeader reads a line in front of the handshake, byte by byte.
func (s *secured) readHeader() error {
	if err := s.socket.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	for !bytes.HasSuffix(s.before, []byte("\n")) {
		var b [1]byte
		if _, err := s.socket.Read(b[:]); err != nil {
			return err
		}
		s.before = append(s.before, b[0])
	}
	return nil
}
