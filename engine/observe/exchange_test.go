package observe

import (
	"crypto/tls"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"sluice/engine/record"
)

// sampleExchange is a record with every field set; it is the example in docs/logging.md.
func sampleExchange() *record.Exchange {
	return &record.Exchange{
		Client: netip.MustParseAddrPort("203.0.113.7:51334"),
		Peer:   netip.MustParseAddrPort("10.0.0.4:40112"),
		Names:  &record.Names{Listener: "web", Route: "api", Upstream: "app"},
		Server: "10.0.1.2:8080",
		Detail: "chunk size is not hexadecimal",
		Method: []byte("POST"), Host: []byte("api.example.com"), Target: []byte("/v1/orders?limit=20"), Version: 11,
		Start: time.Date(2026, 3, 1, 12, 0, 0, 250_000_000, time.UTC).UnixNano(),
		Total: 31*time.Millisecond + 700*time.Microsecond + 999,
		Head:  85, Queue: 4_120, Connect: 412, FirstByte: 20_007, Answer: 11_190,
		BytesUp: 1834, BytesDown: 65_536,
		Errno: syscall.EPROTO, Status: 200, UpstreamStatus: 200, Requests: 3, Attempts: 2, Spliced: true,
		Reason: record.AnswerBad,
		TLS: &record.TLS{
			ServerName: "api.example.com", ALPN: "http/1.1", Client: &record.Certificate{Subject: "CN=till-7,O=Shop"}, Version: tls.VersionTLS13, Cipher: tls.TLS_AES_128_GCM_SHA256,
			Handshake: 3_310,
		},
	}
}

// usualExchange is what nearly all lines are: a whole answer from a pooled connection.
func usualExchange() *record.Exchange {
	x := sampleExchange()
	x.Peer, x.Detail, x.Errno, x.TLS = netip.AddrPort{}, "", 0, nil
	x.Method, x.Queue, x.Connect, x.BytesUp, x.Reason = []byte("GET"), 0, 0, 0, record.Done
	x.Attempts, x.Reused, x.Spliced = 1, true, false
	return x
}

func TestExchangeLine(t *testing.T) {
	const want = `{"time":"2026-03-01T12:00:00.281700Z","reason":"answer_bad","side":"back","error":"protocol error",` +
		`"detail":"chunk size is not hexadecimal","status":200,"upstream_status":200,"method":"POST","host":"api.example.com",` +
		`"target":"/v1/orders?limit=20","version":"HTTP/1.1","client":"203.0.113.7:51334","peer":"10.0.0.4:40112",` +
		`"listener":"web","route":"api","upstream":"app","server":"10.0.1.2:8080",` +
		`"sni":"api.example.com","tls":"1.3","cipher":"TLS_AES_128_GCM_SHA256","resumed":false,"client_cert":"CN=till-7,O=Shop","handshake_ms":3.310,` +
		`"attempts":2,"reused":false,"request":3,` +
		`"bytes_up":1834,"bytes_down":65536,"head_ms":0.085,"connect_ms":0.412,"first_byte_ms":20.007,"answer_ms":11.190,` +
		`"total_ms":31.700,"spliced":true,"queue_ms":4.120}` + "\n"
	if got := string(appendExchange(nil, new(clock), sampleExchange())); got != want {
		t.Errorf("got  %swant %s", got, want)
	}
}

func TestUsualExchangeLine(t *testing.T) {
	fields := decode(t, appendExchange(nil, new(clock), usualExchange()))
	if fields["reused"] != true || fields["spliced"] != false || fields["reason"] != "done" {
		t.Errorf("got %v", fields)
	}
	for _, key := range []string{"error", "detail", "peer"} {
		if value, there := fields[key]; there {
			t.Errorf("%s is %q", key, value)
		}
	}
}

func TestEmptyExchangeLine(t *testing.T) {
	const want = `{"time":"1970-01-01T00:00:00.000000Z","reason":"none","side":"self","status":0,"upstream_status":0,"client":"unix",` +
		`"attempts":0,"reused":false,"request":0,"bytes_up":0,"bytes_down":0,"head_ms":0.000,"connect_ms":0.000,` +
		`"first_byte_ms":0.000,"answer_ms":0.000,"total_ms":0.000,"spliced":false}` + "\n"
	if got := string(appendExchange(nil, new(clock), &record.Exchange{})); got != want {
		t.Errorf("got  %swant %s", got, want)
	}
}

// What the client chose must come out as it was, cut, and harmless.
func TestHostileRequest(t *testing.T) {
	x := &record.Exchange{
		Method: []byte("GE\"T\r\n{"), Host: []byte("\x1b[2J\u202e"), Version: 10,
		Target: []byte("/" + strings.Repeat("\\", targetMax)),
	}
	line := appendExchange(nil, new(clock), x)
	checkPrintable(t, line)
	fields := decode(t, line)
	for key, want := range map[string]string{
		"method": "GE\"T\r\n{", "host": "\x1b[2J\u202e", "version": "HTTP/1.0",
		"target": "/" + strings.Repeat("\\", targetMax-1) + "…",
	} {
		if got := fields[key]; got != want {
			t.Errorf("%s: got %q, want %q", key, got, want)
		}
	}
}

func TestLongestExchangeLine(t *testing.T) {
	bad := strings.Repeat("\x01", 10*textMax)
	zone := netip.AddrPortFrom(netip.MustParseAddr("fe80:1111:2222:3333:4444:5555:6666:7777").WithZone(bad), 65535)
	x := &record.Exchange{
		Names: &record.Names{Listener: bad, Route: bad, Upstream: bad}, Server: bad, Detail: bad, Client: zone, Peer: zone,
		Method: []byte(bad), Host: []byte(bad), Target: []byte(bad), Version: 255, Start: 1 << 62, Total: 1<<63 - 1,
		BytesUp: 1<<64 - 1, BytesDown: 1<<64 - 1, Head: 1<<32 - 1, Connect: 1<<32 - 1, FirstByte: 1<<32 - 1, Answer: 1<<32 - 1,
		Requests: 1<<32 - 1, Status: 1<<15 - 1, UpstreamStatus: 1<<15 - 1, Attempts: 255,
	}
	if len(bad) <= targetMax {
		t.Fatal("the target is not cut")
	}
	for reason := range record.Reasons() {
		if len(reason.String()) > len(x.Reason.String()) {
			x.Reason = reason
		}
	}
	for x.Errno = range syscall.Errno(256) {
		if n := len(appendExchange(nil, new(clock), x)); n > exchangeMax {
			t.Fatalf("%s, %v: %d bytes, more than exchangeMax %d", x.Reason, x.Errno, n, exchangeMax)
		}
	}
}

// The time is cached by the second: lines around the change of one must not share it.
func TestClock(t *testing.T) {
	var c clock
	second := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC).UnixNano()
	for _, at := range []struct {
		start int64
		total time.Duration
		want  string
	}{
		{second, 999_999_999, "2026-03-01T12:00:00.999999Z"},
		{second, time.Second, "2026-03-01T12:00:01.000000Z"},
		{second, 0, "2026-03-01T12:00:00.000000Z"}, // back again
		{second, -time.Hour, "2026-03-01T12:00:00.000000Z"},
		{-1, 0, "1969-12-31T23:59:59.999999Z"},
		{-1, 1, "1970-01-01T00:00:00.000000Z"},
		{0, 0, "1970-01-01T00:00:00.000000Z"},
		{-1_000_000_000, 0, "1969-12-31T23:59:59.000000Z"},
		{1 << 62, 1<<63 - 1, "2262-04-11T23:47:16.854775Z"},
		{-1 << 63, 1<<63 - 1, "1969-12-31T23:59:59.999999Z"},
	} {
		if got := string(c.append(nil, at.start, at.total)); got != at.want {
			t.Errorf("%d + %d: got %s, want %s", at.start, at.total, got, at.want)
		}
	}
}

func TestExchangeDoesNotAllocate(t *testing.T) {
	log, err := Open("/dev/null", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	l, x := log.Lines(), sampleExchange()
	x.Client = netip.MustParseAddrPort("[2001:db8::1]:443")
	x.Target = []byte("/\xffbücher\"")
	if n := testing.AllocsPerRun(5000, func() { x.Start += int64(time.Second); l.Exchange(x) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// A log that cannot keep up drops lines of exchanges as it drops those of connections, and
// whatever it holds stays within the batch.
func TestExchangesAreDropped(t *testing.T) {
	r, w := blockingPipe(t)
	log := start("pipe", w, nil, 0)
	l, sent := log.Lines(), uint64(0)
	for ; l.Dropped() == 0; sent++ {
		l.Exchange(sampleExchange())
	}
	if held := len(l.current.bytes); held > batchMax || held < batchMax-2*lineMax {
		t.Errorf("the buffer holds %d", held)
	}
	counted := make(chan uint64)
	go func() { counted <- countLines(t, r) }()
	flushAll(l)
	log.Close()
	if got := <-counted; got+l.Dropped() != sent {
		t.Errorf("%d lines arrived, %d dropped, %d sent", got, l.Dropped(), sent)
	}
}

func FuzzExchangeLine(f *testing.F) {
	f.Add([]byte("GET"), []byte("example.com"), []byte("/a?b=c"), int16(200), uint8(11))
	f.Add([]byte("\x00\xff\"\\\u2028"), []byte("\xed\xa0\x80"), []byte("\u202e"), int16(-1), uint8(255))
	f.Add([]byte{}, []byte(strings.Repeat("\x1f", 300)), []byte(strings.Repeat("ü", 600)), int16(999), uint8(0))
	f.Add([]byte("12345678"), []byte("1234567\""), []byte("12345678901234\\\x7f"), int16(0), uint8(10))
	f.Fuzz(func(t *testing.T, method, host, target []byte, status int16, version uint8) {
		x := &record.Exchange{Method: method, Host: host, Target: target, Status: status, Version: version}
		line := appendExchange(nil, new(clock), x)
		if len(line) > exchangeMax {
			t.Errorf("%d bytes", len(line))
		}
		checkPrintable(t, line)
		fields := decode(t, line)
		got, _ := fields["target"].(string)
		if utf8.Valid(target) && len(target) <= targetMax && got != string(target) {
			t.Errorf("target %q became %q", target, got)
		}
		if got := fields["status"].(float64); got != float64(max(status, 0)) {
			t.Errorf("status %d became %v", status, got)
		}
	})
}

func BenchmarkExchangeLine(b *testing.B) {
	x, c, dst := usualExchange(), new(clock), make([]byte, 0, lineMax)
	b.ReportAllocs()
	for b.Loop() {
		dst = appendExchange(dst[:0], c, x)
	}
}
