package key

import (
	"math/bits"
	"net/netip"
	"testing"
)

// TestKeysAreFixed: a different value is a different server for every client.
func TestKeysAreFixed(t *testing.T) {
	for s, want := range map[string]uint64{
		"0.0.0.0":     0xe220a8397b1dcdaf, // the first output of SplitMix64 seeded with 0
		"10.1.2.3":    0x1142864422fd4b44,
		"2001:db8::7": 0x7b4b29bff592ca27,
	} {
		if got := Addr(netip.MustParseAddr(s)); got != want {
			t.Errorf("Addr(%s) = %#x, want %#x", s, got, want)
		}
	}
	for s, want := range map[string]uint64{
		"":            0xf52a15e9a9b5e89b,
		"foobar":      Mix(0x85944171f73967e8), // FNV-1a's published test vector
		"example.com": 0x4d07e1c6cc597ab7,
	} {
		if got := Name([]byte(s)); got != want {
			t.Errorf("Name(%q) = %#x, want %#x", s, got, want)
		}
	}
}

func TestAddrUnmaps(t *testing.T) {
	plain, mapped := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("::ffff:192.0.2.1")
	if Addr(plain) != Addr(mapped) {
		t.Error("one client has two keys")
	}
}

// TestKeysAvalanche: neighbours must differ in about half of their bits, the
// high ones included, or a subnet would land on one server.
func TestKeysAvalanche(t *testing.T) {
	check := func(name string, next func(i int) uint64) {
		const n = 4096
		var flips [64]int
		last := next(0)
		for i := 1; i <= n; i++ {
			h := next(i)
			for d := h ^ last; d != 0; d &= d - 1 {
				flips[bits.TrailingZeros64(d)]++
			}
			last = h
		}
		for bit, f := range flips {
			if f < n*45/100 || f > n*55/100 {
				t.Errorf("%s: bit %d flips in %d of %d neighbours", name, bit, f, n)
			}
		}
	}
	v4, v6 := netip.MustParseAddr("10.0.0.0"), netip.MustParseAddr("2001:db8::")
	check("IPv4", func(int) uint64 { v4 = v4.Next(); return Addr(v4) })
	check("IPv6", func(int) uint64 { v6 = v6.Next(); return Addr(v6) })
	check("names", func(i int) uint64 { return Name([]byte{byte(i >> 8), byte(i)}) })
}
