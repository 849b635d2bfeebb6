package route

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
)

func prefixes(list ...string) (out []netip.Prefix) {
	for _, p := range list {
		out = append(out, netip.MustParsePrefix(p))
	}
	return out
}

func TestPrefixes(t *testing.T) {
	p := CompilePrefixes(prefixes("10.0.0.0/8", "192.0.2.7/32", "192.0.2.129/25", "2001:db8::/32", "::ffff:198.51.100.0/120", "fe80::/10", "255.255.255.255/32",
		"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128"))
	for addr, want := range map[string]bool{
		"10.0.0.0": true, "10.255.255.255": true, "9.255.255.255": false, "11.0.0.0": false,
		"192.0.2.7": true, "192.0.2.6": false, "192.0.2.8": false, "192.0.2.128": true, "192.0.2.127": false,
		"::ffff:10.1.2.3": true, "::ffff:11.1.2.3": false, "198.51.100.9": true, "::ffff:198.51.100.9": true, "198.51.101.0": false,
		"2001:db8::": true, "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff": true, "2001:db9::": false, "2001:db7:ffff::": false,
		"fe80::1%eth0": true, "fec0::": false, "255.255.255.255": true, "255.255.255.254": false, "0.0.0.0": false, "::": false, "::a00:1": false,
		"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff": true, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe": false,
	} {
		if got := p.Contains(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s: %v", addr, got)
		}
	}
	if p.Contains(netip.Addr{}) {
		t.Error("the zero address is in the set")
	}
	all := CompilePrefixes(prefixes("0.0.0.0/0", "::/0", "10.0.0.0/8", "::1/128"))
	if len(all.v4.spans) != 1 || len(all.v6.spans) != 1 || !all.Contains(netip.MustParseAddr("255.255.255.255")) || !all.Contains(netip.MustParseAddr("ff::")) {
		t.Errorf("everything: %+v", all)
	}
	six := CompilePrefixes(prefixes("::/0"))
	if six.Contains(netip.MustParseAddr("::ffff:1.2.3.4")) || six.Empty() || !new(Prefixes).Empty() {
		t.Error("::/0 takes IPv4, or emptiness is wrong")
	}
	if halves := CompilePrefixes(prefixes("10.128.0.0/9", "10.0.0.0/9", "::8000:0:0:0/65", "::/65", "8000::/1", "::/1")); len(halves.v4.spans) != 1 || len(halves.v6.spans) != 1 || len(halves.hosts.spans) != 1 {
		t.Errorf("neighbours are not joined: %+v", halves)
	}
	defer func() {
		if recover() == nil {
			t.Error("an invalid prefix is dropped silently")
		}
	}()
	CompilePrefixes([]netip.Prefix{{}})
}

func TestAccess(t *testing.T) {
	set := func(list ...string) Prefixes { return CompilePrefixes(prefixes(list...)) }
	unix := netip.Addr{}
	inside, outside, denied := netip.MustParseAddr("10.2.0.1"), netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("::ffff:10.1.0.1")
	for _, c := range []struct {
		name   string
		access Access
		want   [4]bool // inside, outside, denied, unix
	}{
		{"open", Access{}, [4]bool{true, true, true, true}},
		{"allow", Access{Allow: set("10.0.0.0/8")}, [4]bool{true, false, true, false}},
		{"deny", Access{Deny: set("10.1.0.0/16")}, [4]bool{true, true, false, true}},
		{"both", Access{Allow: set("10.0.0.0/8"), Deny: set("10.1.0.0/16")}, [4]bool{true, false, false, false}},
	} {
		for i, addr := range []netip.Addr{inside, outside, denied, unix} {
			if got := c.access.Permits(addr); got != c.want[i] {
				t.Errorf("%s: %v is %v", c.name, addr, got)
			}
		}
	}
}

// randomAddr draws from few distinct bits, so that prefixes overlap, touch and miss each other often.
func randomAddr(random *rand.Rand) netip.Addr {
	var b [16]byte
	for i := range b {
		b[i] = []byte{0, 1, 0x80, 0xff}[random.IntN(4)]
	}
	switch random.IntN(3) {
	case 0:
		return netip.AddrFrom16(b)
	case 1:
		copy(b[:12], "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff")
		return netip.AddrFrom16(b)
	}
	return netip.AddrFrom4([4]byte(b[:4]))
}

func TestPrefixesAgainstNaiveModel(t *testing.T) {
	random := rand.New(rand.NewPCG(11, 11))
	hits, asked := 0, 0
	for range 1000 {
		var list []netip.Prefix
		for range random.IntN(30) {
			addr := randomAddr(random)
			least := 0
			if addr.Is4In6() {
				least = 96
			}
			list = append(list, netip.PrefixFrom(addr, least+random.IntN(addr.BitLen()-least+1)))
		}
		if random.IntN(2) == 0 { // keep the short prefixes away half the time, or everything is a hit
			list = slices.DeleteFunc(list, func(p netip.Prefix) bool { return p.Bits() < 8 || p.Addr().Is4In6() && p.Bits() < 104 })
		}
		set := CompilePrefixes(list)
		for range 100 {
			addr := randomAddr(random)
			want := slices.ContainsFunc(list, func(p netip.Prefix) bool {
				if p.Addr().Is4In6() {
					p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
				}
				return p.Contains(addr.Unmap())
			})
			if got := set.Contains(addr); got != want {
				t.Fatalf("%v in %v: %v", addr, list, got)
			}
			asked++
			if want {
				hits++
			}
		}
	}
	if hits < asked/10 || hits > asked*9/10 {
		t.Fatalf("%d of %d are hits: the test asks one side only", hits, asked)
	}
}

func million(random *rand.Rand, six bool) (list []netip.Prefix) {
	for range 1_000_000 {
		if six {
			var b [16]byte
			b[0], b[1], b[2], b[3], b[4], b[5], b[6] = 0x20, byte(random.Uint32()), byte(random.Uint32()), byte(random.Uint32()), byte(random.Uint32()), byte(random.Uint32()), 0
			list = append(list, netip.PrefixFrom(netip.AddrFrom16(b), 48+random.IntN(17)))
			continue
		}
		n := random.Uint32()
		list = append(list, netip.PrefixFrom(netip.AddrFrom4([4]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}), 28+random.IntN(5)))
	}
	return list
}

func TestContainsAllocatesNothing(t *testing.T) {
	access := Access{Allow: CompilePrefixes(prefixes("10.0.0.0/8", "2001:db8::/32"))}
	four, six := netip.MustParseAddr("::ffff:10.0.0.1"), netip.MustParseAddr("2001:db8::1")
	if n := testing.AllocsPerRun(100, func() {
		if !access.Permits(four) || !access.Permits(six) {
			t.Fatal("refused")
		}
	}); n != 0 {
		t.Fatalf("%v allocations", n)
	}
}

func BenchmarkContainsMillion(b *testing.B) {
	for name, six := range map[string]bool{"v4": false, "v6": true} {
		random := rand.New(rand.NewPCG(1, 1))
		list := million(random, six)
		set := CompilePrefixes(list)
		var ask [1 << 16]netip.Addr
		for i := range ask {
			ask[i] = list[random.IntN(len(list))].Addr()
			if i%2 == 0 {
				ask[i] = ask[i].Next().Next().Next()
			}
		}
		b.Run(name, func(b *testing.B) {
			b.ReportMetric(float64(len(set.v4.spans)+len(set.v6.spans)), "ranges")
			for i := 0; b.Loop(); i++ {
				set.Contains(ask[i%len(ask)])
			}
		})
	}
}
