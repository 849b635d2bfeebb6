package sock

import (
	"errors"
	"syscall"

	"sluice/engine/loop"
	"sluice/engine/seal"
	"sluice/pool"
)

// Net is what the connections of one loop share.
type Net struct {
	Loop    *loop.Loop
	Sys     Sys
	Buffers *pool.Arena
	Pipes   *pool.Pipes
	// Ephemeral is the lowest port the kernel chooses for connections of its own (net.ipv4.ip_local_port_range).
	Ephemeral uint16

	// Handshakes does the handshakes of Secure; it is shared by all loops. Without it there is no TLS.
	Handshakes *seal.Pool

	stage       []byte // one record, being put together
	sealedParts Parts  // like parts, of ciphertext
	parts       Parts  // of the write under way; here because the seam would make it escape to the heap
	conns       pool.FreeList[Conn]
	lingers     pool.FreeList[linger]
	farewells   pool.FreeList[farewell]
	leaving     map[*farewell]struct{} // bounded by the gates: each holds its place until the end
	lingering   map[*linger]struct{}   // at most lingerMax
}

// NewNet returns the net of loop l.
func NewNet(l *loop.Loop, sys Sys, buffers *pool.Arena, pipes *pool.Pipes) *Net {
	return &Net{
		Loop: l, Sys: sys, Buffers: buffers, Pipes: pipes,
		lingering: make(map[*linger]struct{}),
		leaving:   make(map[*farewell]struct{}),
	}
}

// Open is the number of connections that exist, those that are being closed included.
func (n *Net) Open() int { return n.conns.Live() }

// conn makes a connection of a descriptor and registers it. The descriptor is closed when that fails.
func (n *Net) conn(fd int) (*Conn, syscall.Errno) {
	c := n.conns.Get()
	*c = Conn{net: n, fd: int32(fd), class: pool.Medium, left: unbounded}
	c.task.Bind(c)
	c.leave.Bind((*outbox)(c))
	c.set(connecting)
	if err := n.Loop.Add(fd, c); err != nil {
		c.set(closing)
		c.free()
		n.Sys.Close(fd)
		return nil, errno(err)
	}
	return c, 0
}

// errno finds the system's error in one that the poller has wrapped.
func errno(err error) syscall.Errno {
	var e syscall.Errno
	if errors.As(err, &e) {
		return e
	}
	return syscall.EINVAL
}
