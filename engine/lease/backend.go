// A Backend is one address that can serve connections. What the configuration
// says about it never changes; what happens to it lives in a few atomics, the
// only state of this file that loops share:
//
//	if b := cursor.Pick(key, &tried); b != nil && b.Acquire() {
//		defer b.Release() // when the connection ends
//	}
//
// A reload makes new Backends from the new configuration and lets each Inherit
// from the old one of the same upstream and endpoint, so that connections begun
// before the reload keep counting against the limit after it.

package lease

import (
	"math"
	"net/netip"
	"strings"
	"sync/atomic"
)

// MaxWeight is the largest Backend.Weight, as in HAProxy. It bounds what the
// policies precompute.
const MaxWeight = 256

// Endpoint is where to connect: a unix socket if Path is set, else Addr.
type Endpoint struct {
	Addr netip.AddrPort
	Path string // of a unix socket
}

// String is the endpoint's identity: "10.0.0.1:80", "[::1]:80" or "unix:/path".
// An IPv4-mapped IPv6 address reads, and therefore hashes, as IPv4.
func (e Endpoint) String() string {
	if e.Path != "" {
		return "unix:" + e.Path
	}
	return netip.AddrPortFrom(e.Addr.Addr().Unmap(), e.Addr.Port()).String()
}

// HostName is how a request that names no host addresses the server: as the user wrote it, or localhost behind a unix
// socket.
func (b *Backend) HostName() string {
	if b.Addr.Path != "" {
		return "localhost"
	}
	name, _, _ := strings.Cut(b.Name, " ")
	return name
}

// Backend is one server address of an upstream. The exported fields are set
// before the Backend joins a Set and never change after; the methods may be
// called from every loop at any time.
type Backend struct {
	// Name is what the user wrote, for logs: "10.0.0.1:80" or
	// "db.internal:5432 (10.0.0.7)".
	Name string
	// Addr is the identity within its upstream and the name hashing uses.
	Addr Endpoint
	// Weight is the share relative to the other members, 0 to MaxWeight. A
	// Backend of weight 0 is never picked.
	Weight int
	// MaxConnections bounds InUse over all loops; 0 is unlimited.
	MaxConnections int32
	// Backup members are picked only when no other member is usable.
	Backup bool

	lots   []lot // of idle connections, by loop; each is touched by its own loop only
	shared *live // the state inherited from an earlier Backend, else nil
	_      [16]byte
	own    live
}

// live is what happens to a Backend. It fills a cache line of its own: every
// connection writes it, and the line must not carry what others only read.
type live struct {
	inUse    atomic.Int32
	flags    atomic.Uint32 // of flagDown and flagDraining; 0 accepts connections
	picks    atomic.Uint64
	failures atomic.Uint64
	_        [40]byte
}

const (
	flagDown uint32 = 1 << iota
	flagDraining
)

// Inherit makes b share the live state of old, its predecessor of the same
// upstream and endpoint. It must be called before b joins a Set.
func (b *Backend) Inherit(old *Backend) { b.shared = old.state() }

// state returns the atomics of b. A chain of reloads shares the first
// Backend's, so that it keeps one old generation reachable and not all.
func (b *Backend) state() *live {
	if b.shared != nil {
		return b.shared
	}
	return &b.own
}

// Acquire takes one connection and counts it as a pick. It is false, and
// nothing is taken, if that would exceed MaxConnections, which may happen right
// after a Pick because another loop was faster. Each success is owed exactly
// one Release.
func (b *Backend) Acquire() bool {
	s, limit := b.state(), b.limit()
	for {
		n := s.inUse.Load()
		if n >= limit {
			return false
		}
		if s.inUse.CompareAndSwap(n, n+1) {
			s.picks.Add(1)
			return true
		}
	}
}

// Release gives back one connection. It panics if none is in use: a double
// release would let the limit be exceeded unnoticed.
func (b *Backend) Release() {
	if b.state().inUse.Add(-1) < 0 {
		panic("lease: Release of a backend that is not in use: " + b.Name)
	}
}

// InUse is the number of connections acquired and not yet released, over all
// loops.
func (b *Backend) InUse() int32 { return b.state().inUse.Load() }

// Usable reports whether a Pick may return b: it is neither down nor draining,
// its weight is not 0 and it has room for one more connection.
func (b *Backend) Usable() bool {
	s := b.state()
	return b.Weight > 0 && s.flags.Load() == 0 && s.inUse.Load() < b.limit()
}

// SetDown marks b as failed or healthy. Connections in use are not touched.
func (b *Backend) SetDown(down bool) { b.state().set(flagDown, down) }

// SetDraining keeps new connections away from b while those in use run on.
func (b *Backend) SetDraining(draining bool) { b.state().set(flagDraining, draining) }

// Down reports the last SetDown.
func (b *Backend) Down() bool { return b.state().flags.Load()&flagDown != 0 }

// Draining reports the last SetDraining.
func (b *Backend) Draining() bool { return b.state().flags.Load()&flagDraining != 0 }

// Fail counts one connection that could not be made or was lost to the server's
// fault. It only counts: the judge of health decides what follows.
func (b *Backend) Fail() { b.state().failures.Add(1) }

// Picks is the number of successful Acquires since the process first saw this
// endpoint.
func (b *Backend) Picks() uint64 { return b.state().picks.Load() }

// Failures is the number of Fails since the process first saw this endpoint.
func (b *Backend) Failures() uint64 { return b.state().failures.Load() }

// limit is MaxConnections with "unlimited" spelled as the largest count, which
// spares the hot path a case and the counter an overflow.
func (b *Backend) limit() int32 {
	if b.MaxConnections <= 0 {
		return math.MaxInt32
	}
	return b.MaxConnections
}

func (s *live) set(flag uint32, on bool) {
	if on {
		s.flags.Or(flag)
	} else {
		s.flags.And(^flag)
	}
}
