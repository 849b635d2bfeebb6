package record

// A Conn is the record of one L4 connection. It lives inside the tunnel from accept to
// close and is read once, at the end, by the access log. Thousands of idle tunnels
// each hold one, so it is kept under 200 bytes: names are shared, phases are 32 bits.

import (
	"math"
	"net/netip"
	"syscall"
	"time"
)

// Names are the configured names a connection is filed under. One Names is made per
// pair of listener and route when the configuration is compiled, and shared by all
// their connections. It must stay a small object of its own: a record that pointed
// into a route would keep its whole generation of the configuration alive.
type Names struct {
	Listener string
	Route    string // "" before a route is chosen, or for a route without a name
	Upstream string // "" before a route is chosen
}

// Micros is a duration in microseconds. It holds 71 minutes and saturates there,
// which is far beyond what anybody waits for a phase of a connection.
type Micros uint32

// Between returns the time from start to end, both in nanoseconds of one clock, as
// Micros. It is 0 when end is not after start.
func Between(start, end int64) Micros {
	us := (end - start) / int64(time.Microsecond)
	return Micros(min(max(us, 0), math.MaxUint32))
}

// Conn is what is known about one connection. It belongs to the loop that owns the
// connection; nothing in it is ever shared but the strings' bytes. A phase is 0 when it
// did not take place or took less than a microsecond.
type Conn struct {
	// Client is who connected: the address in the PROXY header if one was believed, else
	// the socket's peer. It is the zero AddrPort for a unix socket.
	Client netip.AddrPort
	// Peer is the socket's peer where a PROXY header changed Client, else zero.
	Peer netip.AddrPort

	Names  *Names // where it was filed; nil counts as no names
	Server string // address of the last server tried, "" if none was; shared with the server
	TLS    *TLS   // nil without
	SNI    string // server name in the ClientHello; "" without a hello or without a name
	ALPN   string // first protocol offered in the ClientHello; "" likewise

	Start int64         // when it was accepted, in Unix nanoseconds
	Total time.Duration // from accept to the end, set at the end

	ProxyHeader Micros // from accept to the complete PROXY header
	Hello       Micros // from then to the complete ClientHello
	Connect     Micros // from the first attempt to a connected server, failed attempts included
	FirstByte   Micros // from then to the first byte the server sent

	BytesUp   uint64 // bytes of payload handed to the kernel for the server
	BytesDown uint64 // bytes of payload handed to the kernel for the client

	Errno    syscall.Errno // the system's error behind Reason, or 0
	Attempts uint8         // servers tried; saturates at 255
	Spliced  bool          // at least one direction moved by splice
	Reason   Reason        // why it ended; None while it runs
}

// Tried counts one more server and remembers it as the last.
func (c *Conn) Tried(server string) {
	c.Server = server
	if c.Attempts < math.MaxUint8 {
		c.Attempts++
	}
}

// End closes the record: now is in Unix nanoseconds, cause is the error behind reason
// and may be nil. Only the first call counts, because what follows a failure is mostly
// its echo: the other side torn down by ourselves.
func (c *Conn) End(now int64, reason Reason, cause error) {
	if c.Reason != None {
		return
	}
	c.Reason = reason
	c.Errno = Errno(cause)
	c.Total = time.Duration(max(now-c.Start, 0))
}
