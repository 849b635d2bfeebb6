package sock

import (
	"net/netip"
	"syscall"
)

// Addr is where a connection is dialed to: an IP address and port, or the path of a unix socket.
type Addr struct {
	Addr netip.AddrPort
	Path string
}

// Sys is the seam between connections and the kernel: one method per system call a connection needs, on descriptors
// that never block. Tests put a simulated network behind it.
//
// Counts are valid when the error is 0; a count of 0 from Read or SpliceIn is the end of the stream. EINTR is
// handled below this seam.
type Sys interface {
	// Accept takes one connection off the queue of a listening descriptor. The peer of a unix socket is the zero
	// AddrPort.
	Accept(fd int) (conn int, peer netip.AddrPort, err syscall.Errno)
	// Dial opens a socket and begins to connect it. The outcome is reported by the poller: Writable when connected,
	// Failed when not.
	Dial(to *Addr) (conn int, err syscall.Errno)
	// NoDelay sends small segments at once, also while earlier ones are not acknowledged.
	NoDelay(fd int)
	// Read reads what has arrived, up to len(p) bytes; Write queues as much of p as there is room for.
	Read(fd int, p []byte) (int, syscall.Errno)
	Write(fd int, p []byte) (int, syscall.Errno)
	// WriteParts writes the parts one after the other by one call.
	WriteParts(fd int, p *Parts) (int, syscall.Errno)
	// SpliceIn moves up to n bytes from a socket into an empty pipe, SpliceOut from a pipe into a socket.
	SpliceIn(fd, pipe, n int) (int, syscall.Errno)
	SpliceOut(pipe, fd, n int) (int, syscall.Errno)
	// ShutdownWrite sends the end of the stream.
	ShutdownWrite(fd int) syscall.Errno
	// Close closes; what was written still goes out. After ResetOnClose it does not: the peer sees a reset.
	Close(fd int)
	ResetOnClose(fd int)
	// Failure fetches and clears the pending error of a socket.
	Failure(fd int) syscall.Errno
	// Unsent is the number of bytes written but not yet acknowledged by the peer's kernel.
	Unsent(fd int) int
	// Local is the socket's own address.
	Local(fd int) netip.AddrPort
	// QuickAck acknowledges now what has been received, if that is still to be done.
	QuickAck(fd int)
	// KeepAlive makes the kernel probe a silent peer: after 60 s, every 15 s, 4 times.
	KeepAlive(fd int)
}

// Parts is what leaves by one call: what was queued, a chunk, and what follows the chunk. Each may be empty.
type Parts [3][]byte

// Len is the number of bytes in all parts.
func (p *Parts) Len() int { return len(p[0]) + len(p[1]) + len(p[2]) }
