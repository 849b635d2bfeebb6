package conv

// What is the same in every script, whatever is spoken on the wire.

import (
	"io"
	"net"
	"net/netip"
)

// Mode is how clients talk to the proxy. Scripts are written as HTTP/1.1; a mode puts that on the wire its own way, or as
// it is.
type Mode struct {
	Name string
	// Listener is what the listener's configuration needs, as a script's "given listener" would say it, with a comma
	// before it.
	Listener string
	// Wrap makes a wire of a client's connection.
	Wrap func(*net.TCPConn) (Wire, error)
}

// Wire carries the bytes of a script. What Read returns is what the other side has said in the script's own words.
type Wire interface {
	io.ReadWriter
	// CloseWrite says that nothing more will be written.
	CloseWrite() error
}

// H1 is HTTP/1.1 without TLS: a script's bytes as they are.
var H1 = Mode{Name: "h1", Wrap: func(c *net.TCPConn) (Wire, error) { return c, nil }}

// dial connects a client.
func (m Mode) dial(from string, narrow bool, to netip.AddrPort) (*net.TCPConn, Wire, error) {
	d := net.Dialer{Timeout: patience}
	if from != "" {
		ip, err := netip.ParseAddr(from)
		if err != nil {
			return nil, nil, err
		}
		d.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(ip, 0))
	}
	if narrow {
		d.Control = narrowed
	}
	c, err := d.Dial("tcp4", to.String())
	if err != nil {
		return nil, nil, err
	}
	wire, err := m.Wrap(c.(*net.TCPConn))
	return c.(*net.TCPConn), wire, err
}
