package proxyproto

import (
	"net/netip"
	"strings"
	"testing"
)

func FuzzParseProxy(f *testing.F) {
	four, six := netip.MustParseAddrPort("192.0.2.1:56324"), netip.MustParseAddrPort("[2001:db8::2]:443")
	for _, src := range []netip.AddrPort{four, six, {}} {
		for _, dst := range []netip.AddrPort{four, six} {
			f.Add(AppendV1(nil, src, dst))
			f.Add(append(AppendV2(nil, src, dst), "GET / HTTP/1.1\r\n"...))
		}
	}
	f.Add(withChecksum())
	f.Add(proxyV2(proxyLocal, 0))
	f.Add(proxyV2(proxyProxy, 0x31, make([]byte, 216)...))
	f.Add(proxyV2(proxyProxy, 0x11, inetBlock(4, 0, 1)...))
	f.Add([]byte("PROXY TCP4 1.2.3.4 1.2.3.5 01 2\r\n"))
	f.Add([]byte("PROXY UNKNOWN " + strings.Repeat("f", 100)))
	f.Add([]byte("PROXX"))

	f.Fuzz(func(t *testing.T, in []byte) {
		h, n, status := Parse(in)
		if n < 0 || n > len(in) || (n > 0) != (status == Complete) || (h.Reason != ReasonNone) != (status == Bad) {
			t.Fatalf("%+v, %d of %d, %d", h, n, len(in), status)
		}
		switch status {
		case Complete:
			checkProxyPrefixes(t, in[:n])
			checkProxyAgain(t, h)
		case Partial:
			checkProxyPrefixes(t, in)
			if len(in) >= maxProxyV2 || len(in) > 0 && in[0] == 'P' && len(in) >= maxProxyV1 {
				t.Fatalf("still partial after %d bytes", len(in))
			}
		default: // final: more bytes change nothing
			if more, n, again := Parse(append(in[:len(in):len(in)], "\r\n"...)); more != h || n != 0 || again != status {
				t.Fatalf("%+v %d became %+v %d", h, status, more, again)
			}
		}
	})
}

// checkProxyPrefixes expects every strict prefix to be partial and to say nothing.
func checkProxyPrefixes(t *testing.T, header []byte) {
	t.Helper()
	for i := range header {
		if h, n, status := Parse(header[:i]); h != (Header{}) || n != 0 || status != Partial {
			t.Fatalf("%d bytes of %q: %+v, %d, %d", i, header, h, n, status)
		}
	}
}

// checkProxyAgain writes what was read, in both versions, and expects to read it again.
func checkProxyAgain(t *testing.T, want Header) {
	t.Helper()
	for version, header := range [][]byte{1: AppendV1(nil, want.Source, want.Destination), 2: AppendV2(nil, want.Source, want.Destination)} {
		if version == 0 {
			continue
		}
		want.Version = uint8(version)
		if h, n, status := Parse(header); h != want || n != len(header) || status != Complete {
			t.Fatalf("%q: %+v, %d, %d, want %+v", header, h, n, status, want)
		}
		if version == 1 && len(header) > maxProxyV1 {
			t.Fatalf("a line of %d bytes", len(header))
		}
	}
}

// FuzzAppendProxy makes headers from any two addresses: slices of 4 or 16 bytes are addresses, others none.
func FuzzAppendProxy(f *testing.F) {
	f.Add([]byte{192, 0, 2, 1}, []byte{198, 51, 100, 1}, uint16(1), uint16(65535))
	f.Add([]byte{192, 0, 2, 1}, []byte("0123456789abcdef"), uint16(0), uint16(443))
	f.Add([]byte("\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\x01\x02\x03\x04"), []byte("0123456789abcdef"), uint16(80), uint16(443))
	f.Add([]byte{}, []byte{1, 2, 3, 4}, uint16(80), uint16(443))
	f.Fuzz(func(t *testing.T, from, to []byte, fromPort, toPort uint16) {
		source, ok1 := netip.AddrFromSlice(from)
		destination, ok2 := netip.AddrFromSlice(to)
		want := Header{Local: true}
		src, dst := netip.AddrPortFrom(source, fromPort), netip.AddrPortFrom(destination, toPort)
		if ok1 && ok2 {
			want = Header{Source: netip.AddrPortFrom(source.Unmap(), fromPort), Destination: netip.AddrPortFrom(destination.Unmap(), toPort)}
		}
		for version, header := range [][]byte{AppendV1(nil, src, dst), AppendV2(nil, src, dst)} {
			want.Version = uint8(version + 1)
			if h, n, status := Parse(header); h != want || n != len(header) || status != Complete {
				t.Fatalf("%q: %+v, %d, %d, want %+v", header, h, n, status, want)
			}
			checkProxyPrefixes(t, header)
		}
	})
}
