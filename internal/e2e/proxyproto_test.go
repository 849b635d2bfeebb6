package e2e

// The PROXY protocol, read from clients and sent to servers.

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sluice/internal/assert"
)

const (
	signature = "\r\n\r\n\x00\r\nQUIT\n"
	v1        = "PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n"
	v1six     = "PROXY TCP6 2001:db8::1 2001:db8::2 56324 443\r\n"
	v1unknown = "PROXY UNKNOWN ffff:: ffff:: 1 2\r\n"
)

// v2 is a header of version 2; command and family are the bytes of that name.
func v2(command, family byte, body string) string {
	return signature + string([]byte{command, family}) + string(binary.BigEndian.AppendUint16(nil, uint16(len(body)))) + body
}

var (
	v2four  = v2(0x21, 0x11, "\xc0\x00\x02\x01\xc6\x33\x64\x01\xdc\x04\x01\xbb")
	v2six   = v2(0x21, 0x21, "\x20\x01\x0d\xb8"+strings.Repeat("\x00", 11)+"\x01\x20\x01\x0d\xb8"+strings.Repeat("\x00", 11)+"\x02\xdc\x04\x01\xbb")
	v2tlvs  = v2(0x21, 0x11, "\xc0\x00\x02\x01\xc6\x33\x64\x01\xdc\x04\x01\xbb"+"\x02\x00\x07a.bc.de"+"\x04\x00\x02\x00\x00")
	v2local = v2(0x20, 0x00, "")
	v2unix  = v2(0x21, 0x31, strings.Repeat("\x00", 216))
	v2none  = v2(0x21, 0x00, "")
)

// receivers is a listener of each mode, with more patience for headers than any test has; hasty is one with little.
const receivers = `
listeners:
  off: {bind: "127.0.0.1:PORT1", protocol: tcp, upstream: back}
  accept: {bind: "127.0.0.1:PORT2", protocol: tcp, upstream: back, proxy_protocol: accept, timeouts: {proxy_header: 1m}}
  require: {bind: "127.0.0.1:PORT3", protocol: tcp, upstream: back, proxy_protocol: require, timeouts: {proxy_header: 1m}}
  strangers: {bind: "127.0.0.1:PORT4", protocol: tcp, upstream: back, proxy_protocol: {mode: require, from: [192.0.2.0/24, 127.0.0.9]}}
upstreams: {back: {servers: "%s"}}
runtime: {loops: 2}
`

var hasty = strings.ReplaceAll(receivers, "1m", "200ms")

// What the listener believes is the client; what it does not believe goes to the server like any other byte.
func TestProxyProtocolIsRead(t *testing.T) {
	t.Parallel()
	o := station(t)
	p := run(t, receivers, o.address())
	for _, row := range []struct {
		name, says, hears, client string // client "" means the socket's own
	}{
		{"off v1", v1, v1, ""},
		{"off v2", v2four, v2four, ""},
		{"accept v1", v1, "", "192.0.2.1:56324"},
		{"accept v1 TCP6", v1six, "", "[2001:db8::1]:56324"},
		{"accept v1 UNKNOWN", v1unknown, "", ""},
		{"accept v2", v2four, "", "192.0.2.1:56324"},
		{"accept v2 TCP6", v2six, "", "[2001:db8::1]:56324"},
		{"accept v2 with TLVs", v2tlvs, "", "192.0.2.1:56324"},
		{"accept v2 LOCAL", v2local, "", ""},
		{"accept v2 AF_UNIX", v2unix, "", ""},
		{"accept v2 without addresses", v2none, "", ""},
		{"accept none", "", "", ""},
		{"accept what looks like one", "PROXIMA", "PROXIMA", ""},
		{"require v1", v1, "", "192.0.2.1:56324"},
		{"require v2", v2four, "", "192.0.2.1:56324"},
		{"require v2 LOCAL", v2local, "", ""},
		{"strangers v1", v1, v1, ""},
		{"strangers none", "", "", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			client := p.dial(portOfMode(row.name))
			client.says(row.says + "hello")
			server := o.accept()
			server.hears(row.hears + "hello")
			server.says("welcome")
			client.hears("welcome")
			own := client.local()
			client.resets()
			line := p.ends("client_reset")
			if row.client == "" {
				assert.Equal(t, line.Client, own)
				assert.Equal(t, line.Peer, "")
				return
			}
			assert.Equal(t, line.Client, row.client)
			assert.Equal(t, line.Peer, own)
		})
	}
}

func portOfMode(name string) int {
	mode, _, _ := strings.Cut(name, " ")
	return map[string]int{"off": 1, "accept": 2, "require": 3, "strangers": 4}[mode]
}

// Peers in "from" are believed, one by one.
func TestProxyProtocolFromIsBySource(t *testing.T) {
	t.Parallel()
	o := station(t)
	p := run(t, receivers, o.address())
	client := dialFrom(t, "127.0.0.9", p.addr(4))
	client.says(v1 + "hello")
	o.accept().hears("hello")
	client.resets()
	assert.Equal(t, p.ends("client_reset").Client, "192.0.2.1:56324")
}

// A header may come in any number of segments.
func TestProxyProtocolInPieces(t *testing.T) {
	t.Parallel()
	o := station(t)
	p := run(t, receivers, o.address())
	for name, header := range map[string]string{"v1": v1, "v2": v2tlvs} {
		t.Run(name, func(t *testing.T) {
			client := p.dial(3)
			for _, b := range []byte(header + "hello") {
				client.says(string([]byte{b}))
			}
			o.accept().hears("hello")
			client.resets()
			assert.Equal(t, p.ends("client_reset").Client, "192.0.2.1:56324")
		})
	}
}

// Broken, missing and late headers end the connection; each has its reason.
func TestProxyProtocolRefusals(t *testing.T) {
	t.Parallel()
	one := greeter(t, "one").address()
	patient, impatient := run(t, receivers, one), run(t, hasty, one)
	for _, row := range []struct{ name, says, reason string }{
		{"require HTTP", "GET / HTTP/1.0\r\n\r\n", "proxy_header_missing"},
		{"require nothing", "", "proxy_header_timeout"},
		{"require half of one", v1[:20], "proxy_header_timeout"},
		{"accept half of one", "PROXY TCP4 1.2", "proxy_header_timeout"},
		{"accept half of one in binary", v2four[:14], "proxy_header_timeout"},
		{"require words", "PROXY TCP4 here there 1 2\r\n", "proxy_header_bad"},
		{"accept words", "PROXY TCP4 here there 1 2\r\n", "proxy_header_bad"},
		{"accept a port too large", "PROXY TCP4 192.0.2.1 192.0.2.2 65536 2\r\n", "proxy_header_bad"},
		{"accept no end", "PROXY TCP4 " + strings.Repeat("1", 200), "proxy_header_bad"},
		{"accept version 3", v2(0x31, 0x11, v2four[16:]), "proxy_header_bad"},
		{"accept another command", v2(0x22, 0x11, v2four[16:]), "proxy_header_bad"},
		{"accept too few addresses", v2(0x21, 0x11, "\x01\x02"), "proxy_header_bad"},
		{"accept 64 KiB of TLVs", v2(0x21, 0x11, strings.Repeat("\x00", 65535)), "proxy_header_bad"},
	} {
		t.Run(row.name, func(t *testing.T) {
			p := patient
			if row.reason == "proxy_header_timeout" {
				p = impatient
			}
			client := p.dial(portOfMode(row.name))
			_, _ = client.Write([]byte(row.says)) // the proxy may cut it short
			client.hearsReset()
			assert.Equal(t, p.ends(row.reason).Side, "front")
		})
	}
}

// With accept, a client that waits for the server to speak first gets it after the deadline.
func TestProxyProtocolAcceptServesSilentClients(t *testing.T) {
	t.Parallel()
	p := run(t, hasty, greeter(t, "one").address())
	p.dial(2).hears("one\n")
}

// senders is a listener for each version sent, on TCP and on a unix socket.
const senders = `
listeners:
  one: {bind: ["127.0.0.1:PORT1", "[::1]:PORT1", "unix:one.sock"], protocol: tcp, upstream: one}
  two: {bind: ["127.0.0.1:PORT2", "[::1]:PORT2", "unix:two.sock"], protocol: tcp, upstream: two}
upstreams:
  one: {servers: "%s", proxy_protocol: v1}
  two: {servers: "%s", proxy_protocol: v2}
`

// The header is the first thing a server hears, byte for byte, in front of what the client says.
func TestProxyProtocolIsSent(t *testing.T) {
	needsIPv6(t)
	t.Parallel()
	o := station(t)
	p := run(t, senders, o.address(), o.address())
	for _, row := range []struct {
		name, network, address string
		version                int
	}{
		{"v1 TCP4", "tcp", p.addr(1), 1},
		{"v1 TCP6", "tcp", fmt.Sprintf("[::1]:%d", p.port(1)), 1},
		{"v1 unix", "unix", filepath.Join(p.dir, "one.sock"), 1},
		{"v2 TCP4", "tcp", p.addr(2), 2},
		{"v2 TCP6", "tcp", fmt.Sprintf("[::1]:%d", p.port(2)), 2},
		{"v2 unix", "unix", filepath.Join(p.dir, "two.sock"), 2},
	} {
		t.Run(row.name, func(t *testing.T) {
			client := dial(t, row.network, row.address)
			want := wantHeader(row.version, client)
			server := o.accept()
			server.hears(want) // before the client has said a word
			client.says("hello")
			server.hears("hello")
			client.fin()
			server.hearsEnd()
		})
	}
}

// wantHeader is the header for a client's connection.
func wantHeader(version int, client *end) string {
	source, err := netip.ParseAddrPort(client.local())
	if err != nil { // a unix socket
		return map[int]string{1: "PROXY UNKNOWN\r\n", 2: v2none}[version]
	}
	target := netip.MustParseAddrPort(client.RemoteAddr().String())
	if version == 1 {
		family := map[bool]string{true: "TCP4", false: "TCP6"}[source.Addr().Is4()]
		return fmt.Sprintf("PROXY %s %s %s %d %d\r\n", family, source.Addr(), target.Addr(), source.Port(), target.Port())
	}
	family := map[bool]byte{true: 0x11, false: 0x21}[source.Addr().Is4()]
	body := append(source.Addr().AsSlice(), target.Addr().AsSlice()...)
	body = binary.BigEndian.AppendUint16(body, source.Port())
	return v2(0x21, family, string(binary.BigEndian.AppendUint16(body, target.Port())))
}

// Two proxies in a row: what the first one knows reaches the server behind the second.
func TestProxyProtocolChain(t *testing.T) {
	needsIPv6(t)
	t.Parallel()
	o := station(t)
	inner := run(t, `
listeners: {inner: {bind: "127.0.0.1:PORT1", protocol: tcp, upstream: back, proxy_protocol: {mode: require, from: 127.0.0.0/8}}}
upstreams: {back: {servers: "%s", proxy_protocol: v1}}
`, o.address())
	outer := run(t, senders, nobody(t), inner.addr(1))
	client := outer.dial(2)
	client.says("hello")
	server := o.accept()
	server.hears(wantHeader(1, client) + "hello") // the address the client connected to, too
	server.says("welcome")
	client.hears("welcome")
	client.fin()
	server.hearsEnd()
	server.fin()
	client.hearsEnd()
	line := inner.ends("client_end")
	assert.Equal(t, line.Client, client.local())
	assert.Equal(t, line.Up, int64(len("hello")))
	outer.ends("client_end")
}

// A header names IPv4-mapped addresses; they are the IPv4 ones.
func TestProxyProtocolMappedAddressIsIPv4(t *testing.T) {
	t.Parallel()
	o := station(t)
	p := run(t, receivers, o.address())
	client := p.dial(3)
	client.says("PROXY TCP6 ::ffff:192.0.2.1 ::ffff:198.51.100.1 56324 443\r\nhello")
	o.accept().hears("hello")
	client.resets()
	assert.Equal(t, p.ends("client_reset").Client, "192.0.2.1:56324")
}

// The server is told late only if the client is late: the header does not wait for the client's first byte.
func TestProxyProtocolHeaderDoesNotWait(t *testing.T) {
	needsIPv6(t)
	t.Parallel()
	o := station(t)
	p := run(t, senders, o.address(), nobody(t))
	client := p.dial(1)
	server := o.accept()
	server.hears(wantHeader(1, client))
	server.hearsNothing(50 * time.Millisecond)
	server.says("220 ready")
	client.hears("220 ready")
}

// With accept, a client that ends before it has said enough to tell is a client like any other, and gets its answer.
func TestProxyProtocolAcceptServesShortMessages(t *testing.T) {
	t.Parallel()
	o := station(t)
	p := run(t, receivers, o.address()) // nobody waits for the header's timeout
	for _, message := range []string{"", "P", "PROXY", signature[:11]} {
		t.Run(fmt.Sprintf("%q", message), func(t *testing.T) {
			client := p.dial(2)
			client.says(message)
			client.fin()
			server := o.accept()
			server.hears(message)
			server.hearsEnd()
			server.says("answer")
			server.fin()
			client.hears("answer")
			client.hearsEnd()
			assert.Equal(t, p.ends("client_end").Up, int64(len(message)))
		})
	}
}
