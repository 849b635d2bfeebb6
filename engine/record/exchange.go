package record

// An Exchange is the record of one HTTP request and its answer. It lives inside the exchange
// and is read once, when that is over. The phases of an ordinary exchange follow each other
// without a gap but the gates, and together they tell whom the client waited for:
//
//	Head       the client, to say what it wants
//	Queue      the upstream, to have room for one more
//	Connect    a server, to accept a connection; 0 for a pooled one
//	FirstByte  the server, to begin its answer, while the request's body goes up
//	Answer     the answer's way down: the server and the client, whoever is slower

import (
	"math"
	"net/netip"
	"syscall"
	"time"
)

// Exchange is what is known about one HTTP exchange. It belongs to the loop that owns the
// exchange. Method, Host and Target are borrowed from the request's memory: whoever is given
// an Exchange reads it at once and keeps nothing of them. A phase is 0 when it did not take
// place or took less than a microsecond.
type Exchange struct {
	// Client is who sent the request: the address that a PROXY header or a trusted proxy
	// named, else the socket's peer. It is the zero AddrPort for a unix socket.
	Client netip.AddrPort
	// Peer is the socket's peer where Client is somebody else, else zero.
	Peer netip.AddrPort

	Names  *Names // where it was filed; nil counts as no names
	Server string // address of the last server tried, "" if none was; shared with the server
	Detail string // what a refused message did wrong, or a server's certificate; "" if Reason says all
	TLS    *TLS   // with the client; nil without; shared by all exchanges of its connection

	Method []byte // as sent; borrowed; empty if the head was never complete
	Host   []byte // authority the request is for, as sent; borrowed; likewise
	Target []byte // request-target (RFC 9112, section 3.2), as sent; borrowed; likewise

	Start int64         // when the request's first byte arrived, in Unix nanoseconds
	Total time.Duration // from then to the end, set at the end

	BytesUp   uint64 // bytes of the request's body handed to the kernel for the server, without framing
	BytesDown uint64 // bytes of the answer's body handed to the kernel for the client, without framing

	Head      Micros // from the first byte to the complete head
	Queue     Micros // from the choice of a route to a place at a server, where everything was at its limit
	Connect   Micros // from the choice of a server to a connection, failed attempts included
	FirstByte Micros // from then, when the request begins to leave, to the first byte of the answer's head
	Answer    Micros // from the answer's complete head to the end of the answer

	Errno          syscall.Errno // the system's error behind Reason, or 0
	Requests       uint32        // which request of its client connection this is, from 1
	Status         int16         // of the final answer that was sent, 0 if none was
	UpstreamStatus int16         // of the server's final answer, 0 if none came
	Version        uint8         // of the request, major × 10 + minor: 10, 11; 0 if the head was never complete
	Attempts       uint8         // servers tried; saturates at 255
	Reused         bool          // the last connection to a server came from the pool
	Spliced        bool          // at least one direction moved by splice
	Reason         Reason        // why it ended; None while it runs
}

// Tried counts one more server and remembers it as the last; reused says that its connection
// came from the pool.
func (x *Exchange) Tried(server string, reused bool) {
	x.Server, x.Reused = server, reused
	if x.Attempts < math.MaxUint8 {
		x.Attempts++
	}
}

// End closes the record: now is in Unix nanoseconds, cause is the error behind reason and may
// be nil. Only the first call counts, as for a Conn.
func (x *Exchange) End(now int64, reason Reason, cause error) {
	if x.Reason != None {
		return
	}
	x.Reason = reason
	x.Errno = Errno(cause)
	x.Total = time.Duration(max(now-x.Start, 0))
}
