package proxyproto

import (
	"encoding/binary"
	"net/netip"
	"strings"
	"testing"
)

// proxyV2 makes a header of version 2 from its two type bytes and its block.
func proxyV2(command, family byte, block ...byte) []byte {
	b := append([]byte(proxyV2Prefix), command, family)
	return append(binary.BigEndian.AppendUint16(b, uint16(len(block))), block...)
}

// inetBlock is an address block of 192.0.2.1:56324 → 198.51.100.1:443, followed by TLVs.
func inetBlock(tlvs ...byte) []byte {
	return append([]byte{192, 0, 2, 1, 198, 51, 100, 1, 0xdc, 0x04, 1, 0xbb}, tlvs...)
}

// withChecksum makes an IPv4 header whose CRC32C stands between two other TLVs.
func withChecksum() []byte {
	b := proxyV2(proxyProxy, 0x11, inetBlock(4, 0, 1, 0, proxyTLVCRC32C, 0, 4, 0, 0, 0, 0, 1, 0, 2, 'h', '2')...)
	offset := proxyV2Fixed + 12 + 4 + proxyTLVHeader
	binary.BigEndian.PutUint32(b[offset:], proxyChecksum(b, offset))
	return b
}

func TestParseProxyComplete(t *testing.T) {
	four, fourTo := netip.MustParseAddrPort("192.0.2.1:56324"), netip.MustParseAddrPort("198.51.100.1:443")
	six, sixTo := netip.MustParseAddrPort("[2001:db8::1]:1"), netip.MustParseAddrPort("[2001:db8::2]:65535")
	none := netip.AddrPort{}
	sixBlock := append(append(six.Addr().AsSlice(), sixTo.Addr().AsSlice()...), 0, 1, 0xff, 0xff)
	mapped := append(append(netip.AddrFrom16(four.Addr().As16()).AsSlice(), netip.AddrFrom16(fourTo.Addr().As16()).AsSlice()...), 0xdc, 4, 1, 0xbb)
	for _, c := range []struct {
		name     string
		in       []byte
		src, dst netip.AddrPort
		version  uint8
	}{
		{"v1 tcp4", []byte("PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n"), four, fourTo, 1},
		{"v1 tcp6", []byte("PROXY TCP6 2001:DB8:0::1 2001:db8::2 1 65535\r\n"), six, sixTo, 1},
		{"v1 mapped", []byte("PROXY TCP6 ::ffff:192.0.2.1 ::ffff:c633:6401 56324 443\r\n"), four, fourTo, 1},
		{"v1 mixed", []byte("PROXY TCP6 ::ffff:192.0.2.1 2001:db8::2 56324 65535\r\n"), four, sixTo, 1},
		{"v1 port 0", []byte("PROXY TCP4 0.0.0.0 255.255.255.255 0 0\r\n"), netip.MustParseAddrPort("0.0.0.0:0"), netip.MustParseAddrPort("255.255.255.255:0"), 1},
		{"v1 unknown", []byte("PROXY UNKNOWN\r\n"), none, none, 1},
		{"v1 unknown with anything", []byte("PROXY UNKNOWN  x \r \x00 65536\r\n"), none, none, 1},
		{"v1 longest", []byte("PROXY UNKNOWN " + strings.Repeat("f", 107-16) + "\r\n"), none, none, 1},
		{"v2 tcp4", proxyV2(proxyProxy, 0x11, inetBlock()...), four, fourTo, 2},
		{"v2 udp4", proxyV2(proxyProxy, 0x12, inetBlock()...), four, fourTo, 2},
		{"v2 tcp6", proxyV2(proxyProxy, 0x21, sixBlock...), six, sixTo, 2},
		{"v2 mapped", proxyV2(proxyProxy, 0x21, mapped...), four, fourTo, 2},
		{"v2 unspecified transport", proxyV2(proxyProxy, 0x10, inetBlock()...), none, none, 2},
		{"v2 unspecified family", proxyV2(proxyProxy, 0x00, 1, 2, 3), none, none, 2},
		{"v2 unix", proxyV2(proxyProxy, 0x31, make([]byte, 216)...), none, none, 2},
		{"v2 local", proxyV2(proxyLocal, 0x00), none, none, 2},
		{"v2 local, odd family and block", proxyV2(proxyLocal, 0xff, 1), none, none, 2},
		{"v2 tlvs", proxyV2(proxyProxy, 0x11, inetBlock(4, 0, 0, 0xea, 0, 2, 1, 2)...), four, fourTo, 2},
		{"v2 checksum", withChecksum(), four, fourTo, 2},
		{"v2 longest", proxyV2(proxyProxy, 0x11, inetBlock(append([]byte{4, 0x0f, 0xe1}, make([]byte, 4065)...)...)...), four, fourTo, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			want := Header{Source: c.src, Destination: c.dst, Local: c.src == none, Version: c.version}
			for _, in := range [][]byte{c.in, append(c.in[:len(c.in):len(c.in)], "data\r\n"...)} {
				if h, n, status := Parse(in); h != want || n != len(c.in) || status != Complete {
					t.Fatalf("%+v, %d of %d, %d", h, n, len(c.in), status)
				}
			}
			for i := range c.in {
				if h, n, status := Parse(c.in[:i]); h != (Header{}) || n != 0 || status != Partial {
					t.Fatalf("%d of %d bytes: %+v, %d, %d", i, len(c.in), h, n, status)
				}
			}
		})
	}
}

func TestParseProxyAbsent(t *testing.T) {
	for _, in := range []string{"G", "PO", "PROXYX", "PROXY\r", "proxy ", "\x16\x03\x01", "\r\n\r\n\x00\r\nQUIT\r", "\r\n\r\nG", "\n", "\x00", " PROXY "} {
		for end := len(in); end <= len(in)+1; end++ {
			if h, n, status := Parse([]byte(in + "x")[:end]); h != (Header{}) || n != 0 || status != Absent {
				t.Errorf("%q: %+v, %d, %d", in, h, n, status)
			}
		}
		if _, _, status := Parse([]byte(in[:len(in)-1])); in[0] == 'P' && status != Partial {
			t.Errorf("%q is decided too early", in)
		}
	}
}

func TestParseProxyBadLine(t *testing.T) {
	for line, want := range map[string]Reason{
		"TCP4 1.2.3.4 1.2.3.5 1 2\n":                          ReasonLine,
		"\n":                                                  ReasonLine,
		"\r\n":                                                ReasonLine,
		"UNKNOWN\n":                                           ReasonLine,
		"UNKNOWNX\r\n":                                        ReasonLine,
		"unknown\r\n":                                         ReasonLine,
		"TCP\r\n":                                             ReasonLine,
		"TCP4\r\n":                                            ReasonLine,
		"TCP5 1.2.3.4 1.2.3.5 1 2\r\n":                        ReasonLine,
		"tcp4 1.2.3.4 1.2.3.5 1 2\r\n":                        ReasonLine,
		"UDP4 1.2.3.4 1.2.3.5 1 2\r\n":                        ReasonLine,
		" TCP4 1.2.3.4 1.2.3.5 1 2\r\n":                       ReasonLine,
		"TCP4 1.2.3.4 1.2.3.5 1\r\n":                          ReasonLine,
		"TCP4  1.2.3.4 1.2.3.5 1 2\r\n":                       ReasonAddress,
		"TCP4 1.2.3.4  1.2.3.5 1 2\r\n":                       ReasonAddress,
		"TCP4 1.2.3.4 01.2.3.5 1 2\r\n":                       ReasonAddress,
		"TCP4 1.2.3.4 1.2.3.256 1 2\r\n":                      ReasonAddress,
		"TCP4 1.2.3 1.2.3.5 1 2\r\n":                          ReasonAddress,
		"TCP4 1.2.3.4 ::1 1 2\r\n":                            ReasonAddress,
		"TCP4 ::ffff:1.2.3.4 ::ffff:1.2.3.5 1 2\r\n":          ReasonAddress,
		"TCP6 1.2.3.4 1.2.3.5 1 2\r\n":                        ReasonAddress,
		"TCP6 fe80::1%eth0 ::1 1 2\r\n":                       ReasonAddress,
		"TCP6 ::1%0 ::1 1 2\r\n":                              ReasonAddress,
		"TCP6 [::1] ::1 1 2\r\n":                              ReasonAddress,
		"TCP4 1.2.3.4 1.2.3.5  1 2\r\n":                       ReasonPort,
		"TCP4 1.2.3.4 1.2.3.5 1 2 \r\n":                       ReasonPort,
		"TCP4 1.2.3.4 1.2.3.5 1 2 3\r\n":                      ReasonPort,
		"TCP4 1.2.3.4 1.2.3.5 1 2\r\r\n":                      ReasonPort,
		"TCP4 1.2.3.4 1.2.3.5 1 \r\n":                         ReasonPort,
		"TCP4 1.2.3.4 1.2.3.5 01 2\r\n":                       ReasonPort,
		"TCP4 1.2.3.4 1.2.3.5 65536 2\r\n":                    ReasonPort,
		"TCP4 1.2.3.4 1.2.3.5 100000 2\r\n":                   ReasonPort,
		"TCP4 1.2.3.4 1.2.3.5 +1 2\r\n":                       ReasonPort,
		"TCP4 1.2.3.4 1.2.3.5 -1 2\r\n":                       ReasonPort,
		"UNKNOWN " + strings.Repeat("f", 107-15) + "\r\n":     ReasonTooLong,
		"UNKNOWN " + strings.Repeat("f", 200):                 ReasonTooLong,
		"TCP6 " + strings.Repeat("f", 107-len("PROXY TCP6 ")): ReasonTooLong,
	} {
		h, n, status := Parse([]byte(proxyV1Prefix + line))
		if h != (Header{Reason: want}) || n != 0 || status != Bad {
			t.Errorf("%q: %+v, %d, %d, want %v", line, h, n, status, want)
		}
	}
}

func TestParseProxyBadBinary(t *testing.T) {
	wrong := withChecksum()
	wrong[len(wrong)-1] ^= 1
	for _, c := range []struct {
		name string
		in   []byte
		want Reason
	}{
		{"version 1", []byte(proxyV2Prefix + "\x11"), ReasonVersion},
		{"version 3", []byte(proxyV2Prefix + "\x31"), ReasonVersion},
		{"command 2", []byte(proxyV2Prefix + "\x22"), ReasonVersion},
		{"family 4", proxyV2(proxyProxy, 0x41)[:proxyV2Fixed], ReasonFamily},
		{"transport 3", proxyV2(proxyProxy, 0x13, inetBlock()...), ReasonFamily},
		{"too long", append([]byte(proxyV2Prefix), proxyProxy, 0x11, 0x0f, 0xf1), ReasonTooLong},
		{"local too long", append([]byte(proxyV2Prefix), proxyLocal, 0, 0xff, 0xff), ReasonTooLong},
		{"short ipv4", proxyV2(proxyProxy, 0x11, make([]byte, 11)...)[:proxyV2Fixed], ReasonLength},
		{"short ipv6", proxyV2(proxyProxy, 0x21, make([]byte, 35)...), ReasonLength},
		{"short unix", proxyV2(proxyProxy, 0x31, make([]byte, 215)...), ReasonLength},
		{"half a TLV header", proxyV2(proxyProxy, 0x11, inetBlock(4, 0)...), ReasonTLV},
		{"TLV too long", proxyV2(proxyProxy, 0x11, inetBlock(4, 0, 1)...), ReasonTLV},
		{"TLV in unix", proxyV2(proxyProxy, 0x31, append(make([]byte, 216), 4)...), ReasonTLV},
		{"checksum of 3 bytes", proxyV2(proxyProxy, 0x11, inetBlock(proxyTLVCRC32C, 0, 3, 0, 0, 0)...), ReasonTLV},
		{"wrong checksum", wrong, ReasonChecksum},
	} {
		if h, n, status := Parse(c.in); h != (Header{Reason: c.want}) || n != 0 || status != Bad {
			t.Errorf("%s: %+v, %d, %d, want %v", c.name, h, n, status, c.want)
		}
	}
}

func TestAppendProxy(t *testing.T) {
	for _, c := range []struct{ src, dst, line string }{
		{"192.0.2.1:56324", "198.51.100.1:443", "PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n"},
		{"[::ffff:192.0.2.1]:1", "198.51.100.1:2", "PROXY TCP4 192.0.2.1 198.51.100.1 1 2\r\n"},
		{"[2001:db8::1]:0", "[2001:db8::2]:65535", "PROXY TCP6 2001:db8::1 2001:db8::2 0 65535\r\n"},
		{"192.0.2.1:1", "[2001:db8::2]:2", "PROXY TCP6 ::ffff:192.0.2.1 2001:db8::2 1 2\r\n"},
		{"[fe80::1%eth0]:1", "[fe80::2%eth0]:2", "PROXY TCP6 fe80::1 fe80::2 1 2\r\n"},
		{"", "198.51.100.1:443", "PROXY UNKNOWN\r\n"},
		{"198.51.100.1:443", "", "PROXY UNKNOWN\r\n"},
		{"", "", "PROXY UNKNOWN\r\n"},
	} {
		src, _ := netip.ParseAddrPort(c.src)
		dst, _ := netip.ParseAddrPort(c.dst)
		if got := string(AppendV1([]byte("before"), src, dst)); got != "before"+c.line {
			t.Errorf("%q", got)
		}
		one, n1, status1 := Parse([]byte(c.line))
		two, n2, status2 := Parse(AppendV2(nil, src, dst))
		two.Version = 1
		if one != two || n1 == 0 || n2 == 0 || status1 != Complete || status2 != Complete {
			t.Errorf("%s: version 1 says %+v, version 2 says %+v", c.line, one, two)
		}
	}
	want := string(proxyV2(proxyProxy, 0x11, inetBlock()...))
	if got := string(AppendV2(nil, netip.MustParseAddrPort("192.0.2.1:56324"), netip.MustParseAddrPort("198.51.100.1:443"))); got != want {
		t.Errorf("%x", got)
	}
	if got := string(AppendV2(nil, netip.AddrPort{}, netip.AddrPort{})); got != string(proxyV2(proxyProxy, 0)) {
		t.Errorf("%x", got)
	}
}

func TestProxyTokens(t *testing.T) {
	seen := map[string]bool{}
	for r := range proxyReasonCount {
		if token := r.String(); token == "" || seen[token] {
			t.Errorf("reason %d has token %q", r, token)
		}
		seen[r.String()] = true
	}
	if proxyReasonCount.String() != "invalid" {
		t.Error("token out of range")
	}
}

func TestProxyAllocatesNothing(t *testing.T) {
	src, dst := netip.MustParseAddrPort("[2001:db8::1]:443"), netip.MustParseAddrPort("198.51.100.1:443")
	buf, sum := make([]byte, 0, 256), withChecksum()
	if n := testing.AllocsPerRun(100, func() {
		for _, header := range [][]byte{AppendV1(buf, src, dst), AppendV2(buf, src, dst), sum} {
			if _, n, status := Parse(header); n != len(header) || status != Complete {
				t.Fatal("not parsed")
			}
		}
	}); n != 0 {
		t.Fatalf("%v allocations", n)
	}
}

func BenchmarkParseProxy(b *testing.B) {
	src, dst := netip.MustParseAddrPort("[2001:db8::1]:443"), netip.MustParseAddrPort("[2001:db8::2]:65535")
	for name, header := range map[string][]byte{"v1": AppendV1(nil, src, dst), "v2": AppendV2(nil, src, dst), "crc32c": withChecksum()} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				Parse(header)
			}
		})
	}
}

// A signature is whole or not there yet.
func TestProxyBegun(t *testing.T) {
	for text, want := range map[string]bool{
		"": false, "P": false, "PROXY": false, "PROXY ": true, "PROXY TCP4 1.2.3.4": true,
		proxyV2Prefix[:11]: false, proxyV2Prefix: true, proxyV2Prefix + "\x21": true, "GET / HTTP/1.1": false,
	} {
		if got := Begun([]byte(text)); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}
