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
// before the reload keep counting against the limit after it. Its weight is not
// here but in the Member, because that may change while the Backend lives on.

package lease

import (
	"math"
	"math/bits"
	"net/netip"
	"strings"
	"sync/atomic"

	"sluice/engine/stat"
)

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
	// MaxConnections bounds InUse over all loops; 0 is unlimited.
	MaxConnections int32
	// Secure is what the server's TLS is made of; nil is plain.
	Secure TLSPeer

	host string      // what its certificate is for
	gone atomic.Bool // not in its upstream's set any more, though another with its address may be

	// Label is the name that a client may know the server by; "" where the upstream signs none.
	Label string

	upstream *Upstream // whose server it is; nil in tests of policies

	lots   []lot // of idle connections, by loop; each is touched by its own loop only
	shared *live // the state inherited from an earlier Backend, else nil
	_      [24]byte
	own    live
}

// live is what happens to a Backend. It fills a cache line of its own: every
// connection writes it, and the line must not carry what others only read.
type live struct {
	inUse    atomic.Int32
	flags    atomic.Uint32 // causes and ramp, below; 0 is up and at full share
	picks    atomic.Uint64
	failures atomic.Uint64
	latency  stat.Latency
	inARow   atomic.Int32            // failures since the last success
	open     atomic.Int32            // connections there are, in use or idle; of servers with a limit
	present  atomic.Pointer[Backend] // of the newest configuration, once it has taken over
	_        [16]byte
}

// The low half of live.flags has a bit for each cause that keeps a server from
// being picked, the worst one highest. The high half is what a ramping server
// lacks of its full share, in thousandths. So picking asks both by one load.
const (
	flagDraining uint32 = 1 << iota
	flagEjected
	flagDown
	flagRemoved

	causes    uint32 = 1<<iota - 1
	rampShift        = 16
)

// fullRamp is the share of a server that is not ramping, in thousandths.
const fullRamp = 1000

// State is how a server stands: the worst of the causes that keep it from being
// picked.
type State uint8

// The states, from good to bad.
const (
	Up       State = iota // may be picked
	Draining              // told to take no more
	Ejected               // failed too many requests
	Down                  // failed its checks
	Removed               // not listed any more
)

var stateNames = [...]string{Up: "up", Draining: "draining", Ejected: "ejected", Down: "down", Removed: "removed"}

// String is the word for logs and metrics.
func (s State) String() string { return stateNames[s] }

// Inherit makes b share the live state of old, its predecessor of the same
// upstream and endpoint. It must be called before b joins a Set.
func (b *Backend) Inherit(old *Backend) { b.shared = old.state() }

// state returns the atomics of b. A chain of reloads shares them; those of an
// upstream's server are on their own, and keep no old generation reachable.
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
	b.exit()
	if u := b.upstream; u != nil && u.Door != nil {
		u.Door.Leave()
	}
}

// exit gives back the place at the server only, and keeps the one at its upstream's door.
func (b *Backend) exit() {
	if b.state().inUse.Add(-1) < 0 {
		panic("lease: Release of a backend that is not in use: " + b.Name)
	}
}

// InUse is the number of connections acquired and not yet released, over all
// loops.
func (b *Backend) InUse() int32 { return b.state().inUse.Load() }

// Usable reports whether b is up and has room for one more connection. Whether
// a Set picks it depends on its weight there, and on whether the Set panics.
func (b *Backend) Usable() bool {
	s := b.state()
	return s.flags.Load()&causes == 0 && s.inUse.Load() < b.limit()
}

// State is the worst of what holds for b.
func (b *Backend) State() State { return State(bits.Len32(b.state().flags.Load() & causes)) }

// SetDown marks b as failed or healthy by its checks. Like every cause it leaves
// connections in use alone. Whoever changes one owes the Set a Judge.
func (b *Backend) SetDown(down bool) { b.state().set(flagDown, down) }

// SetEjected marks b as failing requests, or forgives it.
func (b *Backend) SetEjected(ejected bool) { b.state().set(flagEjected, ejected) }

// SetDraining keeps new connections away from b while those in use run on.
func (b *Backend) SetDraining(draining bool) { b.state().set(flagDraining, draining) }

// SetRemoved marks b as not listed any more, or as listed again.
func (b *Backend) SetRemoved(removed bool) { b.state().set(flagRemoved, removed) }

// Down reports the last SetDown.
func (b *Backend) Down() bool { return b.state().has(flagDown) }

// Ejected reports the last SetEjected.
func (b *Backend) Ejected() bool { return b.state().has(flagEjected) }

// Draining reports the last SetDraining.
func (b *Backend) Draining() bool { return b.state().has(flagDraining) }

// Removed reports the last SetRemoved.
func (b *Backend) Removed() bool { return b.state().has(flagRemoved) }

// SetRamp gives b that many thousandths of its share while it starts slowly;
// 1000, the value at first, is all of it. Values outside 0 to 1000 are brought
// inside. At 0 only those come that nobody else can take.
func (b *Backend) SetRamp(permille int) {
	missing := uint32(fullRamp-min(max(permille, 0), fullRamp)) << rampShift
	s := b.state()
	for {
		old := s.flags.Load()
		if s.flags.CompareAndSwap(old, old&causes|missing) {
			return
		}
	}
}

// Ramp is the last SetRamp, in thousandths.
func (b *Backend) Ramp() int { return fullRamp - int(b.state().flags.Load()>>rampShift) }

// Failed counts a connection that could not be made, or a request that was lost
// to the server's fault. It returns how many failed in a row, this one included,
// and only counts: the judge of health decides what follows.
func (b *Backend) Failed() int {
	s := b.state()
	s.failures.Add(1)
	return int(s.inARow.Add(1))
}

// Succeeded ends the row of failures. While there is none it costs one load.
func (b *Backend) Succeeded() {
	if s := b.state(); s.inARow.Load() != 0 {
		s.inARow.Store(0)
	}
}

// Picks is the number of successful Acquires since the process first saw this
// endpoint.
func (b *Backend) Picks() uint64 { return b.state().picks.Load() }

// Failures is the number of calls of Failed since the process first saw this endpoint.
func (b *Backend) Failures() uint64 { return b.state().failures.Load() }

// limit is MaxConnections with "unlimited" spelled as the largest count, which
// spares the hot path a case and the counter an overflow.
func (b *Backend) limit() int32 {
	if b.MaxConnections <= 0 {
		return math.MaxInt32
	}
	return b.MaxConnections
}

func (s *live) has(flag uint32) bool { return s.flags.Load()&flag != 0 }

func (s *live) set(flag uint32, on bool) {
	if on {
		s.flags.Or(flag)
	} else {
		s.flags.And(^flag)
	}
}
