package route

import (
	"cmp"
	"encoding/binary"
	"math/bits"
	"net/netip"
	"slices"
)

// Prefixes is a compiled, immutable set of address ranges. The prefixes are merged into sorted disjoint ranges, and a lookup is a binary
// search in the few ranges that an index on the address's upper bits leaves. Among a million networks it misses the cache once or twice,
// where a search over all of them does so at several of its 20 steps and took two to four times as long. A range needs 8 bytes (IPv4), 16
// (IPv6 networks) or 32 (IPv6 hosts), and no pointers for the collector to follow. The zero value is the empty set.
//
// IPv4-mapped addresses are IPv4 addresses here, in the set and in questions; "::/0" is therefore every IPv6 address and no other.
type Prefixes struct {
	v4    ranges[uint32]
	v6    ranges[uint64] // networks up to /64, by the upper half alone: most lists have no others, and half the bytes miss the cache less
	hosts hosts          // IPv6 networks beyond /64
}

// span is an inclusive range of addresses.
type span[A any] struct{ first, last A }

// ranges is a set of addresses, or halves of them, that fit into a machine word.
type ranges[N uint32 | uint64] struct {
	index index
	spans []span[N]
}

// hosts is a set of whole IPv6 addresses.
type hosts struct {
	index index
	spans []span[uint128]
}

// uint128 is an IPv6 address as a number.
type uint128 struct{ high, low uint64 }

func (a uint128) compare(b uint128) int {
	if c := cmp.Compare(a.high, b.high); c != 0 {
		return c
	}
	return cmp.Compare(a.low, b.low)
}

// next is the address after a; the last one wraps to zero.
func (a uint128) next() uint128 {
	a.low++
	if a.low == 0 {
		a.high++
	}
	return a
}

// CompilePrefixes builds the set of all addresses in list. Bits behind a prefix's length are ignored. An invalid prefix panics: dropping
// it could open what a deny list was to close.
func CompilePrefixes(list []netip.Prefix) Prefixes {
	var p Prefixes
	for _, prefix := range list {
		if !prefix.IsValid() {
			panic("route: invalid prefix")
		}
		p.add(prefix.Addr(), prefix.Bits())
	}
	p.v4.finish()
	p.v6.finish()
	p.hosts.spans = merge(p.hosts.spans, uint128.compare, uint128.next)
	p.hosts.index = newIndex(len(p.hosts.spans), func(i int) uint64 { return p.hosts.spans[i].first.high })
	return p
}

// add appends one network to the list it belongs to.
func (p *Prefixes) add(addr netip.Addr, length int) {
	if addr.Is4In6() && length >= 96 {
		addr, length = addr.Unmap(), length-96
	}
	if addr.Is4() {
		host := ^uint32(0) >> length // a shift by all bits gives zero
		first := number4(addr) &^ host
		p.v4.spans = append(p.v4.spans, span[uint32]{first, first | host})
		return
	}
	first := number6(addr)
	if length <= 64 {
		host := ^uint64(0) >> length
		p.v6.spans = append(p.v6.spans, span[uint64]{first.high &^ host, first.high | host})
		return
	}
	host := ^uint64(0) >> (length - 64)
	p.hosts.spans = append(p.hosts.spans, span[uint128]{uint128{first.high, first.low &^ host}, uint128{first.high, first.low | host}})
}

// finish makes a list of spans a set.
func (r *ranges[N]) finish() {
	r.spans = merge(r.spans, cmp.Compare[N], func(a N) N { return a + 1 })
	r.index = newIndex(len(r.spans), func(i int) uint64 { return uint64(r.spans[i].first) })
}

// merge sorts spans and joins those that overlap or touch. The result is as small as it can be, and at most one span can hold an address.
func merge[A comparable](spans []span[A], compare func(a, b A) int, next func(A) A) []span[A] {
	slices.SortFunc(spans, func(a, b span[A]) int { return compare(a.first, b.first) })
	out := spans[:0]
	for _, s := range spans {
		if n := len(out); n > 0 && (compare(s.first, out[n-1].last) <= 0 || s.first == next(out[n-1].last)) {
			if compare(s.last, out[n-1].last) > 0 {
				out[n-1].last = s.last
			}
			continue
		}
		out = append(out, s)
	}
	return slices.Clip(slices.Clone(out)) // lists with many duplicates must not pin their peak
}

// Contains tells whether addr is in the set. A zone does not matter; the zero Addr, which stands for a unix socket's peer, is in none.
func (p *Prefixes) Contains(addr netip.Addr) bool {
	addr = addr.Unmap()
	switch {
	case addr.Is4():
		return p.v4.contains(number4(addr))
	case addr.Is6():
		n := number6(addr)
		return p.v6.contains(n.high) || p.hosts.contains(n)
	}
	return false
}

// Empty tells whether no address is in the set.
func (p *Prefixes) Empty() bool {
	return len(p.v4.spans) == 0 && len(p.v6.spans) == 0 && len(p.hosts.spans) == 0
}

// contains looks for the last span that begins at or before n. The search is written out, here and below, because through a comparison
// function it takes twice the time.
func (r *ranges[N]) contains(n N) bool {
	low, high := r.index.bounds(uint64(n)) // spans[:low] begin at or before n, spans[high:] after it
	for low < high {
		if middle := int(uint(low+high) / 2); r.spans[middle].first <= n {
			low = middle + 1
		} else {
			high = middle
		}
	}
	return low > 0 && n <= r.spans[low-1].last
}

func (h *hosts) contains(addr uint128) bool {
	low, high := h.index.bounds(addr.high)
	for low < high {
		if middle := int(uint(low+high) / 2); h.spans[middle].first.compare(addr) <= 0 {
			low = middle + 1
		} else {
			high = middle
		}
	}
	return low > 0 && addr.compare(h.spans[low-1].last) <= 0
}

// perBucket is log2 of the entries an index's bucket holds if keys are spread evenly: few enough to lie side by side in two or four cache
// lines, and so many that the index itself (256 KiB for a million entries) stays in the cache.
const perBucket = 4

// index divides the room between the lowest and the highest key of a sorted list into equal buckets. Clustered keys share buckets, and a
// list whose keys are all in one costs what it would without an index.
type index struct {
	base   uint64   // the lowest key
	shift  uint8    // log2 of a bucket's width
	starts []uint32 // per bucket, the entries before it; one more at the end
}

// newIndex indexes a sorted list of n entries.
func newIndex(n int, key func(i int) uint64) index {
	if n == 0 {
		return index{}
	}
	x := index{base: key(0)}
	room := key(n-1) - x.base
	x.shift = uint8(max(0, bits.Len64(room)-bits.Len(uint(n))+perBucket))
	x.starts = make([]uint32, room>>x.shift+2)
	for i := range n {
		x.starts[(key(i)-x.base)>>x.shift+1]++
	}
	for i := 1; i < len(x.starts); i++ {
		x.starts[i] += x.starts[i-1]
	}
	return x
}

// bounds returns the places between which an entry with this key belongs: all before low have a lower key, all from high on a higher one.
func (x *index) bounds(key uint64) (low, high int) {
	if len(x.starts) == 0 || key < x.base {
		return 0, 0
	}
	bucket := min((key-x.base)>>x.shift, uint64(len(x.starts)-2))
	return int(x.starts[bucket]), int(x.starts[bucket+1])
}

func number4(addr netip.Addr) uint32 {
	b := addr.As4()
	return binary.BigEndian.Uint32(b[:])
}

func number6(addr netip.Addr) uint128 {
	b := addr.As16()
	return uint128{binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])}
}

// Access says which clients may enter.
type Access struct {
	Allow, Deny Prefixes
}

// Permits tells whether addr may enter: nobody in Deny, then only those in Allow, or everybody if Allow is empty. The zero Addr of a unix
// socket's peer is in no list, so only an allow list keeps it out.
func (a *Access) Permits(addr netip.Addr) bool {
	return !a.Deny.Contains(addr) && (a.Allow.Empty() || a.Allow.Contains(addr))
}
