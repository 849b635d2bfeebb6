package observe

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"sluice/engine/record"
)

// sample is a record with every field set; it is the example in docs/logging.md.
func sample() *record.Conn {
	return &record.Conn{
		Client:      netip.MustParseAddrPort("203.0.113.7:51334"),
		Peer:        netip.MustParseAddrPort("10.0.0.4:40112"),
		Names:       &record.Names{Listener: "edge", Route: "shop", Upstream: "tls_pool"},
		Server:      "10.0.1.2:443",
		SNI:         "shop.example.com",
		ALPN:        "h2",
		Start:       time.Date(2026, 3, 1, 12, 0, 0, 250_000_000, time.UTC).UnixNano(),
		Total:       4*time.Second + 1500*time.Microsecond + 999,
		ProxyHeader: 85, Hello: 1204, Connect: 412, FirstByte: 20_007,
		BytesUp: 1834, BytesDown: 10_486_013,
		Errno: syscall.ECONNRESET, Attempts: 2, Spliced: true, Reason: record.ServerReset,
		TLS: &record.TLS{
			ServerName: "shop.example.com", ALPN: "h2", Client: &record.Certificate{Subject: "CN=till-7,O=Shop"}, Version: tls.VersionTLS13, Cipher: tls.TLS_AES_128_GCM_SHA256,
			Resumed: true, Handshake: 3_310, Detail: "certificate signed by unknown CA",
		},
	}
}

func decode(t *testing.T, line []byte) map[string]any {
	t.Helper()
	if !bytes.HasSuffix(line, []byte("}\n")) || bytes.Count(line, []byte("\n")) != 1 {
		t.Fatalf("not one line: %q", line)
	}
	fields := map[string]any{}
	if err := json.Unmarshal(line, &fields); err != nil {
		t.Fatalf("%v in %q", err, line)
	}
	return fields
}

func TestConnLine(t *testing.T) {
	const want = `{"time":"2026-03-01T12:00:04.251500Z","reason":"server_reset","side":"back","error":"connection reset by peer",` +
		`"detail":"certificate signed by unknown CA","client":"203.0.113.7:51334","peer":"10.0.0.4:40112","listener":"edge","route":"shop","upstream":"tls_pool",` +
		`"server":"10.0.1.2:443","sni":"shop.example.com","alpn":"h2",` +
		`"tls":"1.3","cipher":"TLS_AES_128_GCM_SHA256","resumed":true,"client_cert":"CN=till-7,O=Shop","handshake_ms":3.310,"attempts":2,"bytes_up":1834,"bytes_down":10486013,` +
		`"proxy_header_ms":0.085,"hello_ms":1.204,"connect_ms":0.412,"first_byte_ms":20.007,"total_ms":4001.500,"spliced":true}` + "\n"
	if got := string(appendConn(nil, new(clock), sample())); got != want {
		t.Errorf("got  %swant %s", got, want)
	}
}

func TestEmptyConnLine(t *testing.T) {
	const want = `{"time":"1970-01-01T00:00:00.000000Z","reason":"none","side":"self","client":"unix","attempts":0,"bytes_up":0,"bytes_down":0,` +
		`"proxy_header_ms":0.000,"hello_ms":0.000,"connect_ms":0.000,"first_byte_ms":0.000,"total_ms":0.000,"spliced":false}` + "\n"
	if got := string(appendConn(nil, new(clock), &record.Conn{})); got != want {
		t.Errorf("got  %swant %s", got, want)
	}
}

func TestHostileText(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"quotes":        {`a"b\c`, `a"b\c`},
		"forged line":   {"x\"}\n{\"reason\":\"ok\r", "x\"}\n{\"reason\":\"ok\r"},
		"NUL and DEL":   {"a\x00b\x7f", "a\x00b\x7f"},
		"terminal":      {"\x1b[2J\u009b2J", "\x1b[2J\u009b2J"},
		"direction":     {"a\u202etxt.exe\u2066", "a\u202etxt.exe\u2066"},
		"separators":    {"\u2028\u2029", "\u2028\u2029"},
		"invalid UTF-8": {"a\xffb\xc3\x28\xe2\x82", "a\ufffdb\ufffd(\ufffd\ufffd"},
		"surrogate":     {"\xed\xa0\x80", "\ufffd\ufffd\ufffd"},
		"plain":         {"bücher.例え.🙂", "bücher.例え.🙂"},
		"cut":           {strings.Repeat("a", textMax) + "b", strings.Repeat("a", textMax) + "…"},
		"cut character": {strings.Repeat("a", textMax-1) + "ü", strings.Repeat("a", textMax-1) + "\ufffd…"},
	} {
		t.Run(name, func(t *testing.T) {
			line := appendConn(nil, new(clock), &record.Conn{SNI: c.text})
			checkPrintable(t, line)
			if got := decode(t, line)["sni"]; got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// checkPrintable fails on bytes that could do more than print.
func checkPrintable(t *testing.T, line []byte) {
	t.Helper()
	if !utf8.Valid(line) {
		t.Errorf("not UTF-8: %q", line)
	}
	for _, r := range string(bytes.TrimSuffix(line, []byte("\n"))) {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
			t.Errorf("%U stands bare in %q", r, line)
		}
	}
}

func TestLongestLine(t *testing.T) {
	bad := strings.Repeat("\x01", 10*textMax)
	zone := netip.AddrPortFrom(netip.MustParseAddr("fe80:1111:2222:3333:4444:5555:6666:7777").WithZone(bad), 65535)
	r := &record.Conn{
		Names: &record.Names{Listener: bad, Route: bad, Upstream: bad}, Server: bad, SNI: bad, ALPN: bad,
		Client: zone, Peer: zone, Start: 1 << 62, Total: 1<<63 - 1, BytesUp: 1<<64 - 1, BytesDown: 1<<64 - 1,
		ProxyHeader: 1<<32 - 1, Hello: 1<<32 - 1, Connect: 1<<32 - 1, FirstByte: 1<<32 - 1, Attempts: 255,
		TLS: &record.TLS{Client: &record.Certificate{Subject: bad}, Detail: bad, Version: tls.VersionTLS12, Cipher: tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, Handshake: 1<<32 - 1},
	}
	for reason := range record.Reasons() {
		if len(reason.String()) > len(r.Reason.String()) {
			r.Reason = reason
		}
	}
	for r.Errno = range syscall.Errno(256) {
		if n := len(appendConn(nil, new(clock), r)); n > lineMax {
			t.Fatalf("%s, %v: %d bytes, more than lineMax %d", r.Reason, r.Errno, n, lineMax)
		}
	}
}

func TestIPv6Zone(t *testing.T) {
	client := netip.AddrPortFrom(netip.MustParseAddr("fe80::1").WithZone(`e"0`), 80)
	if got := decode(t, appendConn(nil, new(clock), &record.Conn{Client: client}))["client"]; got != `[fe80::1%e"0]:80` {
		t.Errorf("got %q", got)
	}
}

func TestLineDoesNotAllocate(t *testing.T) {
	r, c, dst := sample(), new(clock), make([]byte, 0, lineMax)
	r.Client = netip.MustParseAddrPort("[2001:db8::1]:443")
	r.SNI = "\xffbücher"
	if n := testing.AllocsPerRun(100, func() { dst = appendConn(dst[:0], c, r) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzConnLine(f *testing.F) {
	f.Add("example.com", "h2", uint64(1), int64(0), uint32(7))
	f.Add("\u061c", "\ufeff", uint64(9), int64(5), uint32(1))
	f.Add("\x00\xff\"\\\u2028", "\xed\xa0\x80", uint64(1<<63), int64(-1), uint32(1<<32-1))
	f.Add(strings.Repeat("\x1f", 300), "…", uint64(0), int64(1<<62), uint32(999))
	f.Fuzz(func(t *testing.T, sni, alpn string, n uint64, start int64, us uint32) {
		r := &record.Conn{SNI: sni, ALPN: alpn, BytesUp: n, Start: start, Hello: record.Micros(us)}
		line := appendConn(nil, new(clock), r)
		if len(line) > lineMax {
			t.Errorf("%d bytes", len(line))
		}
		checkPrintable(t, line)
		fields := decode(t, line)
		if got, _ := fields["sni"].(string); len(sni) <= textMax && got != strings.ToValidUTF8(sni, "\ufffd") && utf8.ValidString(sni) {
			t.Errorf("sni %q became %q", sni, got)
		}
		if got := fields["hello_ms"].(float64); got != float64(us)/1000 {
			t.Errorf("%d µs became %v ms", us, got)
		}
		if at, err := time.Parse(time.RFC3339Nano, fields["time"].(string)); err != nil || at.UnixMicro() != floorMicros(start) {
			t.Errorf("start %d became %v (%v)", start, at, err)
		}
	})
}

func floorMicros(ns int64) int64 { return time.Unix(0, ns).UnixMicro() }

func BenchmarkConnLine(b *testing.B) {
	r, c, dst := sample(), new(clock), make([]byte, 0, lineMax)
	b.ReportAllocs()
	for b.Loop() {
		dst = appendConn(dst[:0], c, r)
	}
}

// fieldOrder returns the keys of a line in order.
func fieldOrder(line []byte) ([]string, error) {
	var keys []string
	d := json.NewDecoder(bytes.NewReader(line))
	for isKey := false; ; isKey = !isKey {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return keys, nil
		}
		if err != nil {
			return nil, err
		}
		if key, ok := token.(string); ok && isKey {
			keys = append(keys, key)
		}
	}
}
