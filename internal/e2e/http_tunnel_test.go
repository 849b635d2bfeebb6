package e2e

// Connections that stop being HTTP: a WebSocket client and a small server of it, and CONNECT.

import (
	"bufio"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"sluice/internal/assert"
)

// tunnels lets CONNECT pass, which no route does by itself; a WebSocket may pass anyway.
const tunnels = `
listeners: {front: {bind: "127.0.0.1:PORT1", protocol: http}}
routes: [{upstream: back, connect: true}]
upstreams: {back: {servers: ["%s"]}}
runtime: {loops: 2}
`

// The kinds of frames of RFC 6455, section 5.2, that these tests send.
const wsBinary, wsClose, wsPing = 2, 8, 9

// wsAccept is what a server makes of a client's key (section 4.2.2).
func wsAccept(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// wsFrame is one frame, masked as clients have to.
func wsFrame(kind byte, payload []byte, masked bool) []byte {
	frame, mask := []byte{0x80 | kind}, byte(0)
	if masked {
		mask = 0x80
	}
	switch n := len(payload); {
	case n < 126:
		frame = append(frame, mask|byte(n))
	case n < 1<<16:
		frame = binary.BigEndian.AppendUint16(append(frame, mask|126), uint16(n))
	default:
		frame = binary.BigEndian.AppendUint64(append(frame, mask|127), uint64(n))
	}
	if !masked {
		return append(frame, payload...)
	}
	key := [4]byte{0xff, 0x00, 0x0d, 0x0a}
	frame = append(frame, key[:]...)
	for i, b := range payload {
		frame = append(frame, b^key[i%4])
	}
	return frame
}

// wsRead reads one frame.
func wsRead(r io.Reader) (kind byte, payload []byte, err error) {
	var head [2]byte
	if _, err = io.ReadFull(r, head[:]); err != nil {
		return 0, nil, err
	}
	n := uint64(head[1] & 0x7f)
	if more := map[uint64]int{126: 2, 127: 8}[n]; more > 0 {
		var long [8]byte
		if _, err = io.ReadFull(r, long[8-more:]); err != nil {
			return 0, nil, err
		}
		n = binary.BigEndian.Uint64(long[:])
	}
	var key [4]byte
	if head[1]&0x80 != 0 {
		if _, err = io.ReadFull(r, key[:]); err != nil {
			return 0, nil, err
		}
	}
	payload = make([]byte, n)
	_, err = io.ReadFull(r, payload)
	for i := range payload {
		payload[i] ^= key[i%4]
	}
	return head[0] & 0x0f, payload, err
}

// wsEcho is a server that pings first, and then sends back what it gets until the client says goodbye.
func wsEcho(w http.ResponseWriter, r *http.Request) {
	if !strings.EqualFold(r.Header.Get("Upgrade"), "websocket") || !strings.EqualFold(r.Header.Get("Connection"), "upgrade") {
		http.Error(w, "no upgrade", http.StatusUpgradeRequired)
		return
	}
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
		wsAccept(r.Header.Get("Sec-WebSocket-Key")))
	_, _ = conn.Write(wsFrame(wsPing, []byte("are you there?"), false))
	for {
		kind, payload, err := wsRead(rw)
		if err != nil {
			return
		}
		_, _ = conn.Write(wsFrame(kind, payload, false))
		if kind == wsClose {
			return
		}
	}
}

// upgrade is the client's half of the handshake.
const upgrade = "GET /chat HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"

// A WebSocket carries all bytes in both directions, frames of every length, and closes in order.
func TestHTTPWebSocket(t *testing.T) {
	t.Parallel()
	p := run(t, tunnels, site(t, wsEcho).address)
	client := p.dial(1)
	client.says(upgrade)
	status, fields := client.hearsHead()
	assert.Equal(t, status, "HTTP/1.1 101 Switching Protocols")
	has(t, strings.Join(fields, "\n"), "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", "Upgrade: websocket", "Connection: ")
	kind, payload, err := wsRead(client)
	assert.NoError(t, err)
	assert.Equal(t, fmt.Sprint(kind, string(payload)), fmt.Sprint(wsPing, "are you there?"))
	for _, n := range []int{0, 5, 125, 126, 4096, 70_000, 3 * mebibyte} {
		sent := make(chan error, 1)
		go func() {
			_, err := client.Write(wsFrame(wsBinary, pattern(7, n), true))
			sent <- err
		}()
		kind, payload, err := wsRead(client)
		assert.NoError(t, err)
		assert.NoError(t, <-sent)
		if kind != wsBinary || string(payload) != string(pattern(7, n)) {
			t.Fatalf("a message of %d bytes comes back as %d bytes of kind %d", n, len(payload), kind)
		}
	}
	client.says(string(wsFrame(wsClose, []byte{3, 232}, true)))
	kind, payload, err = wsRead(client)
	assert.NoError(t, err)
	assert.Equal(t, append(payload, kind), []byte{3, 232, wsClose})
	client.hearsEnd()
	client.fin()
	line := p.ends("server_end")
	assert.Equal(t, []int{line.Status, line.UpstreamStatus}, []int{101, 101})
	assert.Equal(t, line.Down > 3*mebibyte, true)
	assert.Equal(t, line.Up > 3*mebibyte, true)
}

// Frames that a client sends ahead of the 101 reach the server behind it and not before; where the server refuses, they
// are never taken for a request.
func TestHTTPWebSocketSaysNothingAhead(t *testing.T) {
	t.Parallel()
	o := station(t)
	p := run(t, tunnels, o.address())
	const smuggled = "GET /admin HTTP/1.1\r\nHost: x\r\n\r\n"
	client := p.dial(1)
	client.says(upgrade + smuggled)
	server := o.accept()
	server.hearsRequest("GET /chat HTTP/1.1")
	server.hearsNothing(50 * time.Millisecond)
	server.says("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nhello")
	status, _ := client.hearsHead()
	assert.Equal(t, status, "HTTP/1.1 101 Switching Protocols")
	client.hears("hello")
	server.hears(smuggled)
	server.fin()
	client.hearsEnd()
	client.fin()
	server.hearsEnd()
	p.ends("server_end")

	client = p.dial(1)
	client.says(upgrade)
	server = o.accept()
	server.hearsRequest("GET /chat HTTP/1.1")
	server.says("HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n")
	status, _ = client.hearsHead()
	assert.Equal(t, status, "HTTP/1.1 502 Bad Gateway")
	assert.Equal(t, p.ends("answer_bad").Detail != "", true)
}

// Where the route forbids it, the server hears nothing of an upgrade and answers in HTTP.
func TestHTTPWebSocketWhereItMayNot(t *testing.T) {
	t.Parallel()
	p := run(t, strings.Replace(tunnels, "connect: true", "upgrade: off", 1), site(t, wsEcho).address)
	client := p.dial(1)
	client.says(upgrade)
	status, _ := client.hearsHead()
	assert.Equal(t, status, "HTTP/1.1 426 Upgrade Required")
	assert.Equal(t, p.ends("done").Status, 426)
}

// connector is a server for CONNECT: it goes where it is asked to.
func connector(c net.Conn) {
	in := bufio.NewReader(c)
	r, err := http.ReadRequest(in)
	if err != nil || r.Method != http.MethodConnect {
		return
	}
	to, err := net.Dial("tcp", r.Host)
	if err != nil {
		_, _ = io.WriteString(c, "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 4\r\n\r\nnope")
		return
	}
	defer to.Close()
	_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n")
	var both sync.WaitGroup
	both.Go(func() {
		_, _ = io.Copy(to, in)
		_ = to.(*net.TCPConn).CloseWrite()
	})
	both.Go(func() {
		_, _ = io.Copy(c, to)
		_ = c.(*net.TCPConn).CloseWrite()
	})
	both.Wait()
}

// curl asks for a tunnel, and speaks through it with a server that we know nothing of.
func TestHTTPConnect(t *testing.T) {
	t.Parallel()
	tool(t, "curl")
	p := run(t, tunnels, station(t).serves(connector).address())
	far := site(t, curlSite).address
	file, said := patternFile(t, 2*mebibyte)
	out := outputOf(t, "curl", "-sS", "-p", "-x", "http://"+p.addr(1), "--data-binary", "@"+file, "-H", "Expect:", "http://"+far+"/x")
	has(t, out, "POST /x HTTP/1.1, length 2097152", said)
	line := p.next()
	assert.Equal(t, line.Method+" "+line.Target, "CONNECT "+far)
	assert.Equal(t, line.Status, 200)
	assert.Equal(t, line.Up > 2*mebibyte, true)
	if line.Reason != "client_end" && line.Reason != "server_end" {
		t.Errorf("the tunnel ended as %+v", line)
	}
	client := p.dial(1) // the server's no is an answer like any other
	gone := nobody(t)
	client.says("CONNECT " + gone + " HTTP/1.1\r\nHost: " + gone + "\r\n\r\n")
	status, _ := client.hearsHead()
	assert.Equal(t, status, "HTTP/1.1 502 Bad Gateway")
	client.hears("nope")
}

// A route that does not say connect: true has none.
func TestHTTPConnectWhereItMayNot(t *testing.T) {
	t.Parallel()
	p := run(t, web, nobody(t))
	client := p.dial(1)
	client.says("CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n")
	status, _ := client.hearsHead()
	assert.Equal(t, status, "HTTP/1.1 501 Not Implemented")
	assert.Equal(t, p.ends("not_implemented").Attempts, 0)
}
