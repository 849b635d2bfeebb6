package conv

// What is the same in every script, whatever is spoken on the wire.

import (
	"crypto/tls"
	"io"
	"net"
	"net/netip"
)

// Mode is how clients talk to the proxy, and the proxy to servers. Scripts are written as HTTP/1.1; a mode puts that on the
// wire its own way, or as it is.
type Mode struct {
	Name string
	// Front and Back are the versions of TLS that clients and servers speak, such as tls.VersionTLS13; 0 is none.
	Front, Back uint16
}

// H1 is HTTP/1.1 without TLS: a script's bytes as they are.
var H1 = Mode{Name: "h1"}

// H1TLS has TLS between clients and the proxy.
var H1TLS = Mode{Name: "h1+TLS", Front: tls.VersionTLS13}

// H1TLSBoth has TLS on both sides, and the older version in front.
var H1TLSBoth = Mode{Name: "h1+TLS1.2→TLS", Front: tls.VersionTLS12, Back: tls.VersionTLS13}

// Wire carries the bytes of a script. What Read returns is what the other side has said in the script's own words, and
// io.EOF if it has ended in order.
type Wire interface {
	io.ReadWriter
	// CloseWrite says that nothing more will be written.
	CloseWrite() error
}

// scheme is that of URLs.
func (m Mode) scheme() string {
	if m.Front != 0 {
		return "https"
	}
	return "http"
}

// listener is what the listener's configuration needs, with a comma before it; more is what the script says about tls.
func (m Mode) listener(more string) string {
	if m.Front == 0 {
		return ""
	}
	return `, tls: {certificates: [{cert: "%{cert}"}]` + more + "}"
}

// upstream is what that of each upstream needs, likewise.
func (m Mode) upstream() string {
	if m.Back == 0 {
		return ""
	}
	return `, tls: {ca: "%{ca}", server_name: ` + serverName + "}"
}

// dial connects a socket.
func (how calling) dial(to netip.AddrPort) (*socket, error) {
	d := net.Dialer{Timeout: patience}
	if how.from != "" {
		ip, err := netip.ParseAddr(how.from)
		if err != nil {
			return nil, err
		}
		d.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(ip, 0))
	}
	if how.narrow {
		d.Control = narrowed
	}
	c, err := d.Dial("tcp4", to.String())
	if err != nil {
		return nil, err
	}
	return &socket{TCPConn: c.(*net.TCPConn)}, nil
}
