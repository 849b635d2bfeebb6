package e2e

// TLS passthrough: the ClientHello is read and nothing is changed.

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"fmt"
	"io"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"sluice/internal/assert"
)

// identity makes a certificate of its own for names.
func identity(t testing.TB, names ...string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	assert.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: names[0]}, DNSNames: names,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	assert.NoError(t, err)
	leaf, err := x509.ParseCertificate(der)
	assert.NoError(t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// secret is a TLS origin that says its name and then repeats what it hears. Its certificate is self-made.
func secret(t testing.TB, name string, protocols ...string) (*origin, tls.Certificate) {
	t.Helper()
	own := identity(t, name)
	config := &tls.Config{Certificates: []tls.Certificate{own}, NextProtos: protocols}
	return station(t).serves(func(c net.Conn) { greets(name)(tls.Server(c, config)) }), own
}

// shake does a handshake over raw and returns the encrypted end; no server's certificate is refused.
func shake(t testing.TB, raw net.Conn, config *tls.Config) *tls.Conn {
	t.Helper()
	config.InsecureSkipVerify = true
	c := tls.Client(raw, config)
	assert.NoError(t, c.Handshake())
	return c
}

// edge is one listener with a route of each kind.
const edge = `
listeners:
  edge: {bind: "127.0.0.1:PORT1", protocol: tcp}
  strict: {bind: "127.0.0.1:PORT2", protocol: tcp}
routes:
  - {listeners: edge, name: exact, sni: a.example.com, upstream: exact}
  - {listeners: edge, name: http2, sni: a.example.com, alpn: h2, upstream: http2}
  - {listeners: edge, name: wild, sni: "*.b.example.com", upstream: wild}
  - {listeners: edge, name: nameless, sni: "", upstream: nameless}
  - {listeners: edge, name: any, sni: "*", upstream: any}
  - {listeners: edge, name: plain, upstream: plain}
  - {listeners: strict, name: strict, sni: a.example.com, upstream: exact}
upstreams:
  exact: {servers: "%s"}
  http2: {servers: "%s"}
  wild: {servers: "%s"}
  nameless: {servers: "%s"}
  any: {servers: "%s"}
  plain: {servers: "%s"}
runtime: {loops: 2}
`

// city is the origins behind edge, by name, and their certificates.
type city struct {
	*proxy
	certificates map[string]tls.Certificate
}

func runEdge(t testing.TB) city {
	t.Helper()
	c := city{certificates: map[string]tls.Certificate{}}
	var addresses []any
	for _, name := range []string{"exact", "http2", "wild", "nameless", "any"} {
		var protocols []string
		if name == "http2" {
			protocols = []string{"h2"}
		}
		o, own := secret(t, name, protocols...)
		addresses, c.certificates[name] = append(addresses, o.address()), own
	}
	c.proxy = run(t, edge, append(addresses, greeter(t, "plain").address())...)
	return c
}

// Names and protocols choose the origin, and the certificate that the client sees is the origin's own.
func TestTLSRoutesByHello(t *testing.T) {
	t.Parallel()
	c := runEdge(t)
	for _, row := range []struct {
		server    string
		protocols []string
		origin    string
	}{
		{"a.example.com", nil, "exact"},
		{"A.Example.COM", nil, "exact"},
		{"a.example.com", []string{"http/1.1"}, "exact"},
		{"a.example.com", []string{"h2", "http/1.1"}, "http2"},
		{"a.example.com", []string{"http/1.1", "h2"}, "http2"},
		{"x.b.example.com", nil, "wild"},
		{"y.x.b.example.com", nil, "wild"},
		{"b.example.com", nil, "any"},
		{"elsewhere.test", []string{"h2"}, "any"},
		{"", nil, "nameless"},
	} {
		t.Run(fmt.Sprint(row.server, row.protocols), func(t *testing.T) {
			client := shake(t, c.dial(1), &tls.Config{ServerName: row.server, NextProtos: row.protocols})
			assert.Equal(t, client.ConnectionState().PeerCertificates[0].Raw, c.certificates[row.origin].Certificate[0])
			name, err := readLine(client)
			assert.NoError(t, err)
			assert.Equal(t, name, row.origin)
			assert.NoError(t, client.Close())
			line := c.next()
			assert.Equal(t, line.Route, row.origin)
			assert.Equal(t, line.SNI, strings.ToLower(row.server))
			if len(row.protocols) > 0 {
				assert.Equal(t, line.ALPN, row.protocols[0])
			}
		})
	}
}

// A route by protocol alone takes any TLS that offers it; the order of the client decides between two.
func TestTLSRoutesByProtocolAlone(t *testing.T) {
	t.Parallel()
	h2, _ := secret(t, "h2", "h2", "http/1.1")
	mqtt, _ := secret(t, "mqtt", "mqtt")
	p := run(t, `
listeners: {edge: {bind: "127.0.0.1:PORT1", protocol: tcp}}
routes: [{alpn: h2, upstream: h2}, {alpn: [mqtt, x-mqtt], upstream: mqtt}]
upstreams: {h2: {servers: "%s"}, mqtt: {servers: "%s"}}
`, h2.address(), mqtt.address())
	for _, row := range []struct {
		protocols []string
		origin    string
	}{
		{[]string{"http/1.1", "h2"}, "h2"},
		{[]string{"mqtt"}, "mqtt"},
		{[]string{"mqtt", "h2"}, "mqtt"},
	} {
		client := shake(t, p.dial(1), &tls.Config{ServerName: "any.example.com", NextProtos: row.protocols})
		name, err := readLine(client)
		assert.NoError(t, err)
		assert.Equal(t, name, row.origin)
		assert.NoError(t, client.Close())
		p.next()
	}
	client := p.dial(1)
	client.says(string(helloBytes(&tls.Config{ServerName: "any.example.com"})))
	client.hearsReset()
	p.ends("no_route")
}

// torn is a connection whose first writes leave in pieces, a segment each.
type torn struct {
	net.Conn
	size  int // of a piece
	first int // bytes that are torn
}

func (c *torn) Write(b []byte) (n int, err error) {
	for n < len(b) && c.first > 0 && err == nil {
		var one int
		one, err = c.Conn.Write(b[n:min(n+c.size, len(b))])
		n, c.first = n+one, c.first-one
	}
	if n == len(b) || err != nil {
		return n, err
	}
	rest, err := c.Conn.Write(b[n:])
	return n + rest, err
}

// records sends the first record, which is the hello, as many records of a few bytes each.
type records struct {
	net.Conn
	size int
	done bool
}

func (c *records) Write(b []byte) (int, error) {
	if c.done {
		return c.Conn.Write(b)
	}
	c.done = true
	var parts []byte
	for body := b[5:]; len(body) > 0; {
		n := min(c.size, len(body))
		parts = binary.BigEndian.AppendUint16(append(parts, b[:3]...), uint16(n))
		parts, body = append(parts, body[:n]...), body[n:]
	}
	_, err := c.Conn.Write(parts)
	return len(b), err
}

// The hello may come in any shape.
func TestTLSHelloInPieces(t *testing.T) {
	t.Parallel()
	c := runEdge(t)
	for name, wrap := range map[string]func(net.Conn) net.Conn{
		"byte by byte":         func(c net.Conn) net.Conn { return &torn{c, 1, 600} },
		"seven bytes each":     func(c net.Conn) net.Conn { return &torn{c, 7, 4000} },
		"many records":         func(c net.Conn) net.Conn { return &records{Conn: c, size: 40} },
		"torn records":         func(c net.Conn) net.Conn { return &records{Conn: &torn{c, 3, 2000}, size: 64} },
		"in one (the default)": func(c net.Conn) net.Conn { return c },
	} {
		t.Run(name, func(t *testing.T) {
			client := shake(t, wrap(c.dial(1)), &tls.Config{ServerName: "a.example.com"})
			origin, err := readLine(client)
			assert.NoError(t, err)
			assert.Equal(t, origin, "exact")
		})
	}
}

// helloBytes is what a client with this configuration sends first.
func helloBytes(config *tls.Config) []byte {
	var all bytes.Buffer
	_ = tls.Client(blackHole{&all}, config).Handshake() // ends at once: nobody answers
	return all.Bytes()
}

// blackHole is a connection that takes everything and never answers.
type blackHole struct{ *bytes.Buffer }

func (blackHole) Read([]byte) (int, error)         { return 0, io.EOF }
func (blackHole) Close() error                     { return nil }
func (blackHole) LocalAddr() net.Addr              { return nil }
func (blackHole) RemoteAddr() net.Addr             { return nil }
func (blackHole) SetDeadline(time.Time) error      { return nil }
func (blackHole) SetReadDeadline(time.Time) error  { return nil }
func (blackHole) SetWriteDeadline(time.Time) error { return nil }

// fat is a configuration whose hello has a little less than size bytes.
func fat(size int) *tls.Config {
	config := &tls.Config{ServerName: "a.example.com", InsecureSkipVerify: true}
	for n := len(helloBytes(config)); n+210 <= size; n += 201 {
		config.NextProtos = append(config.NextProtos, strings.Repeat("p", 200))
	}
	return config
}

// Hellos with post-quantum keys exceed one packet; even ones near the limit of 16 KiB are read.
func TestTLSBigHellos(t *testing.T) {
	t.Parallel()
	c := runEdge(t)
	for _, row := range []struct {
		name     string
		config   *tls.Config
		at, upTo int
	}{
		{"post-quantum", &tls.Config{ServerName: "a.example.com", InsecureSkipVerify: true}, 1400, 2000},
		{"near 16 KiB", fat(16 << 10), 16000, 16 << 10},
	} {
		t.Run(row.name, func(t *testing.T) {
			if n := len(helloBytes(row.config)); n < row.at || n > row.upTo {
				t.Fatalf("the hello has %d bytes, want %d to %d", n, row.at, row.upTo)
			}
			client := shake(t, c.dial(1), row.config)
			origin, err := readLine(client)
			assert.NoError(t, err)
			assert.Equal(t, origin, "exact")
		})
	}
}

// What cannot be routed is closed, and the log says why. Where there is a catch-all it takes what is not TLS.
func TestTLSRefusals(t *testing.T) {
	t.Parallel()
	c := runEdge(t)
	hello := helloBytes(&tls.Config{ServerName: "a.example.com"})
	other := helloBytes(&tls.Config{ServerName: "other.example.com"})
	for _, row := range []struct {
		name, bytes string
		port        int
		reason      string
	}{
		{"another name", string(other), 2, "no_route"},
		{"plain HTTP", "GET / HTTP/1.1\r\nHost: a.example.com\r\n\r\n", 2, "not_tls"},
		{"beyond 16 KiB", string(helloBytes(fat(18 << 10))), 1, "hello_too_big"},
		{"says it is beyond 16 KiB", "\x16\x03\x01\x00\x05\x01\xff\xff\xff\x03", 1, "hello_too_big"},
		{"a record of no bytes", "\x16\x03\x01\x00\x00\x01\x00\x00\x00", 1, "hello_bad"},
		{"a server's hello", "\x16\x03\x01\x00\x05\x02\x00\x00\x01\x03", 1, "hello_bad"},
		{"a hello of zeros", "\x16\x03\x01\x00\x24\x01\x00\x00\x20" + strings.Repeat("\x00", 32), 1, "hello_bad"},
		{"a hello with a hole", string(hello[:60]) + strings.Repeat("\xff", len(hello)-60), 1, "hello_bad"},
	} {
		t.Run(row.name, func(t *testing.T) {
			client := c.dial(row.port)
			client.says(row.bytes)
			client.hearsReset()
			line := c.ends(row.reason)
			assert.Equal(t, line.Side, "front")
			assert.Equal(t, line.Attempts, 0)
		})
	}
	t.Run("plain HTTP with a catch-all", func(t *testing.T) {
		client := c.dial(1)
		client.says("GET / HTTP/1.1\r\n\r\n")
		client.hears("plain\nGET / HTTP/1.1\r\n\r\n")
		client.fin()
		client.hearsEnd()
		assert.Equal(t, c.ends("client_end").Route, "plain")
	})
	t.Run("an end in the middle of a hello", func(t *testing.T) {
		client := c.dial(1)
		client.says(string(hello[:100]))
		client.fin()
		client.hearsReset()
		c.ends("hello_bad")
	})
	t.Run("an end before the first byte", func(t *testing.T) {
		client := c.dial(1)
		client.fin()
		client.hearsReset()
		c.ends("client_gone")
	})
}

// The origin hears every byte of the hello exactly as the client said it, and nothing else.
func TestTLSHelloIsUntouched(t *testing.T) {
	t.Parallel()
	o := station(t)
	p := run(t, `
listeners: {edge: {bind: "127.0.0.1:PORT1", protocol: tcp}}
routes: {sni: "*.example.com", upstream: back}
upstreams: {back: {servers: "%s"}}
`, o.address())
	hello := helloBytes(&tls.Config{ServerName: "a.example.com"})
	client := p.dial(1)
	client.says(string(hello) + "and what came with it")
	server := o.accept()
	server.hears(string(hello) + "and what came with it")
	client.fin()
	server.hearsEnd()
}
