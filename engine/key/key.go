// Package key makes keys for hashing. Two instances of Sluice behind one address must send the
// same client to the same server, and so must one instance before and after a
// restart: these functions have no random seed, and their values are fixed by
// tests because changing one reshuffles every user's sessions. A client who
// can choose its key can therefore choose its server; nothing else hangs on it.
package key

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
)

// Addr is the key of a client address: the same for an IPv4 address and its
// IPv4-mapped form. The zone is left out, being a name only this host knows.
func Addr(a netip.Addr) uint64 {
	if a = a.Unmap(); a.Is4() {
		b := a.As4()
		return Mix(Golden + uint64(binary.BigEndian.Uint32(b[:])))
	}
	b := a.As16()
	high, low := binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])
	return Mix(Mix(Golden+high) + low)
}

// Name is the key of a name such as a server name or a header value. It is
// FNV-1a with a finalizer, since FNV alone leaves the high bits of short names
// alike and those are the bits that choose.
func Name[T []byte | string](name T) uint64 {
	const offset, prime = 0xcbf29ce484222325, 0x100000001b3
	h := uint64(offset)
	for i := range len(name) {
		h = (h ^ uint64(name[i])) * prime
	}
	return Mix(h)
}

// Golden is 2^64 divided by the Golden ratio, the increment of SplitMix64.
const Golden = 0x9e3779b97f4a7c15

// Mix is the finalizer of SplitMix64: a bijection in which every input bit
// flips each output bit about half of the time.
func Mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// Below maps a random or hashed 64-bit number to 0 ≤ i < n by a multiplication
// instead of a division. The bias, n/2^64, is beyond measuring.
func Below(x uint64, n int) int {
	i, _ := bits.Mul64(x, uint64(n))
	return int(i)
}
