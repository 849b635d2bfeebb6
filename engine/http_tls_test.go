package engine

// What whole exchanges cost over TLS. The client's records are sealed before, and the answers' are not opened, so that what is
// counted is the proxy's.

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"sluice/configs"
	"sluice/internal/assert"
	"sluice/internal/veil"
)

// sealedClient is a client's descriptor, and its far side of TLS.
type sealedClient struct {
	t    *testing.T
	fd   int
	veil *veil.Veil
	room []byte
}

// throughTLS starts a proxy with TLS for a server, and brings a client through the handshake.
func throughTLS(t *testing.T, server string) *sealedClient {
	t.Helper()
	own := veil.ServerConfig().Certificates[0]
	key, err := x509.MarshalPKCS8PrivateKey(own.PrivateKey)
	assert.NoError(t, err)
	file := filepath.Join(t.TempDir(), "site.pem")
	text := append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: own.Certificate[0]}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})...)
	assert.NoError(t, os.WriteFile(file, text, 0o600))
	at := freePort()
	cfg, err := configs.Parse("test.yaml", []byte("listeners:\n  web: {bind: \""+at+"\", upstream: app, tls: {certificates: [{cert: \""+file+
		"\"}]}}\nupstreams:\n  app: {servers: [\""+server+"\"]}\nruntime: {loops: 1, workers: 1}\nlog: {access: {to: \"off\"}}\n"))
	assert.NoError(t, err)
	e := start(t, cfg)
	t.Cleanup(e.Stop)
	c := &sealedClient{t: t, room: make([]byte, 64<<10), veil: veil.Client(&tls.Config{ServerName: "sim.test", InsecureSkipVerify: true})}
	t.Cleanup(func() { _ = c.veil.Close() })
	conn := dial(t, "tcp4", at).(*net.TCPConn)
	raw, err := conn.SyscallConn()
	assert.NoError(t, err)
	assert.NoError(t, raw.Control(func(fd uintptr) { c.fd, err = unix.Dup(int(fd)) }))
	assert.NoError(t, err)
	assert.NoError(t, unix.SetNonblock(c.fd, false))
	t.Cleanup(func() { _ = unix.Close(c.fd) })
	for !c.veil.Shake() {
		c.write(c.sealed())
		c.veil.Feed(c.record())
	}
	assert.NoError(t, c.veil.Err())
	c.write(c.sealed())
	return c
}

// sealed takes what the far side wants to send.
func (c *sealedClient) sealed() []byte {
	out := c.veil.Out()
	c.veil.Sent(len(out))
	return out
}

func (c *sealedClient) write(b []byte) {
	if n, err := syscall.Write(c.fd, b); n != len(b) || err != nil {
		c.t.Fatal(n, err)
	}
}

// record reads one; it is valid until the next one.
func (c *sealedClient) record() []byte {
	size := 5
	for n := 0; n < size; {
		got, err := syscall.Read(c.fd, c.room[n:size])
		if got <= 0 {
			c.t.Fatal(got, err)
		}
		if n += got; n == 5 && size == 5 {
			size += int(c.room[3])<<8 | int(c.room[4])
		}
	}
	return c.room[:size]
}

// recordCost is what TLS 1.3 adds to a record's data: a header, a type, a tag.
const recordCost = 5 + 1 + 16

// skip reads records with so many bytes of data, and opens none.
func (c *sealedClient) skip(n int) {
	for n > 0 {
		n -= len(c.record()) - recordCost
	}
	if n < 0 {
		c.t.Fatalf("%d bytes too many", -n)
	}
}

// read opens records until so many bytes are here.
func (c *sealedClient) read(n int) string {
	b := make([]byte, n)
	for at := 0; at < n; {
		got, verdict := c.veil.Open(b[at:])
		if at += got; verdict != veil.More {
			c.t.Fatal(verdict, c.veil.Err())
		}
		if got == 0 {
			c.veil.Feed(c.record())
		}
	}
	return string(b)
}

// asks seals a request many times.
func (c *sealedClient) asks(ask string, times int) (all [][]byte) {
	for range times {
		assert.NoError(c.t, c.veil.Seal([]byte(ask)))
		all = append(all, c.sealed())
	}
	return all
}

// A whole exchange over TLS: of its allocations, one is crypto/tls's, 24 bytes for each read of the kernel that begins a
// record, and none is ours.
func TestAllocAWholeExchangeOverTLS(t *testing.T) {
	const ask, answer = "GET /v1/x?y HTTP/1.1\r\nHost: sim.test\r\nUser-Agent: test\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789"
	c := throughTLS(t, repeats(t, answer))
	asks := c.asks(ask, 2000)
	next := func() {
		c.write(asks[0])
		asks = asks[1:]
	}
	for range 50 {
		next()
		assert.Equal(t, c.read(len(answer)), answer)
	}
	assert.Allocs(t, 1, func() {
		next()
		c.skip(len(answer))
	})
}

// A body that goes on and on towards a client with TLS.
func TestAllocRelayedBodyOverTLS(t *testing.T) {
	for name, size := range map[string]int{"small": 100, "large": 32 << 10} {
		t.Run(name, func(t *testing.T) {
			const head = "HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n"
			ln, err := net.Listen("tcp4", "127.0.0.1:0")
			assert.NoError(t, err)
			defer ln.Close()
			more := make(chan struct{})
			go func() {
				o, err := ln.Accept()
				if err != nil {
					return
				}
				defer o.Close()
				piece := make([]byte, size)
				_, _ = o.Read(make([]byte, 4096))
				_, err = io.WriteString(o, head)
				for range more {
					if _, err = o.Write(piece); err != nil {
						return
					}
				}
			}()
			c := throughTLS(t, ln.Addr().String())
			c.write(c.asks("GET / HTTP/1.1\r\nHost: sim.test\r\n\r\n", 1)[0])
			assert.Equal(t, c.read(len(head)), head)
			next := func() {
				more <- struct{}{}
				c.skip(size)
			}
			for range 50 {
				next()
			}
			assert.Allocs(t, 0, next)
			close(more)
		})
	}
}
