package hello

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
)

// wire is a connection that remembers what a TLS client writes and has nothing to read.
type wire struct {
	net.Conn
	sent bytes.Buffer
}

var errNothing = errors.New("nothing to read")

func (w *wire) Write(b []byte) (int, error) { return w.sent.Write(b) }
func (w *wire) Read([]byte) (int, error)    { return 0, errNothing }
func (w *wire) Close() error                { return nil }

// capture returns the hello that crypto/tls sends under cfg.
func capture(t testing.TB, cfg *tls.Config) []byte {
	t.Helper()
	var w wire
	if err := tls.Client(&w, cfg).Handshake(); !errors.Is(err, errNothing) {
		t.Fatalf("handshake: %v", err)
	}
	records := w.sent.Bytes()
	for end := 0; end < len(records); { // the failed handshake may end with an alert
		if records[end] != typeHandshake {
			return records[:end]
		}
		end += recordHeader + int(binary.BigEndian.Uint16(records[end+3:]))
	}
	return records
}

// manyProtocols makes an ALPN list whose names take about total bytes.
func manyProtocols(total int) (list []string) {
	for size := 0; size < total; size += 51 {
		list = append(list, fmt.Sprintf("proto-%044d", size))
	}
	return list
}

type sample struct {
	name      string
	server    string
	protocols []string
	version   uint16
	wire      []byte
}

func samples(t testing.TB) []sample {
	many := manyProtocols(3000)
	configs := []struct {
		name string
		cfg  tls.Config
	}{
		{"post-quantum", tls.Config{ServerName: "Www.Example.COM", NextProtos: []string{"h2", "http/1.1"}}},
		{"classic", tls.Config{ServerName: "a.example.com", CurvePreferences: []tls.CurveID{tls.X25519}}},
		{"tls12", tls.Config{ServerName: "old_host.example", MaxVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}}},
		{"nameless", tls.Config{InsecureSkipVerify: true, NextProtos: []string{"postgresql"}}},
		{"address", tls.Config{ServerName: "192.0.2.1"}}, // crypto/tls leaves addresses out
		{"many protocols", tls.Config{ServerName: strings.Repeat("a.", 126) + "b", NextProtos: many}},
	}
	var out []sample
	for i := range configs {
		c := &configs[i]
		s := sample{name: c.name, server: strings.ToLower(c.cfg.ServerName), protocols: c.cfg.NextProtos, version: tls.VersionTLS13}
		if c.cfg.MaxVersion != 0 {
			s.version = c.cfg.MaxVersion
		}
		if net.ParseIP(s.server) != nil {
			s.server = ""
		}
		s.wire = capture(t, &c.cfg)
		out = append(out, s)
	}
	if n := len(out[0].wire); n < 1400 {
		t.Fatalf("the post-quantum hello has only %d bytes", n)
	}
	return out
}

func protocols(h *Hello) (list []string) {
	for p := range h.Protocols {
		list = append(list, string(p))
	}
	return list
}

// check compares a filled Hello with what the client was told to send.
func (s *sample) check(t *testing.T, h *Hello) {
	t.Helper()
	if got := string(h.ServerName()); got != s.server || h.HasName() != (s.server != "") || (h.ServerName() == nil) != (s.server == "") {
		t.Fatalf("server name %q (has %v), want %q", got, h.HasName(), s.server)
	}
	if got := protocols(h); !slices.Equal(got, s.protocols) {
		t.Fatalf("protocols %q, want %q", got, s.protocols)
	}
	for _, p := range s.protocols {
		if !h.HasProtocol(p) {
			t.Fatalf("HasProtocol(%q) is false", p)
		}
	}
	if h.HasProtocol("nobody/1") || h.Version() != s.version {
		t.Fatalf("invented protocol, or version %#x instead of %#x", h.Version(), s.version)
	}
}

// refragment repacks one handshake message in records of n bytes.
func refragment(records []byte, n int) (out []byte) {
	var message []byte
	for len(records) > 0 {
		end := recordHeader + int(binary.BigEndian.Uint16(records[3:]))
		message = append(message, records[recordHeader:end]...)
		records = records[end:]
	}
	for part := range slices.Chunk(message, n) {
		out = append(out, typeHandshake, 3, 1, byte(len(part)>>8), byte(len(part)))
		out = append(out, part...)
	}
	return out
}

func TestEveryTwoSegments(t *testing.T) {
	for _, s := range samples(t) {
		t.Run(s.name, func(t *testing.T) {
			h := new(Hello)
			for cut := range s.wire {
				var p Parser
				if got := p.Parse(s.wire[:cut], h); got != Partial {
					t.Fatalf("first %d of %d bytes: %v (%v)", cut, len(s.wire), got, p.Reason())
				}
				if got := p.Parse(s.wire, h); got != Complete {
					t.Fatalf("cut at %d: %v (%v)", cut, got, p.Reason())
				}
				s.check(t, h)
			}
		})
	}
}

// TestByteByByte also follows the hello with early data, which must not be looked at, and asks again after the verdict.
func TestByteByByte(t *testing.T) {
	for _, s := range samples(t) {
		for _, n := range []int{1 << 14, 700, 5, 1} {
			records := refragment(s.wire, n)
			var p Parser
			h := new(Hello)
			for i := range records {
				if got := p.Parse(records[:i], h); got != Partial {
					t.Fatalf("%s/%d, %d of %d bytes: %v (%v)", s.name, n, i, len(records), got, p.Reason())
				}
			}
			for range 2 {
				if got := p.Parse(append(records, 23, 3, 3, 0, 9), h); got != Complete || p.Reason() != ReasonNone {
					t.Fatalf("%s/%d: %v (%v)", s.name, n, got, p.Reason())
				}
				s.check(t, h)
			}
		}
	}
}

func TestRecordsOfEverySize(t *testing.T) {
	for _, s := range samples(t) {
		for n := 1; n <= len(s.wire); n++ {
			var p Parser
			h := new(Hello)
			if got := p.Parse(refragment(s.wire, n), h); got != Complete {
				t.Fatalf("%s in records of %d bytes: %v (%v)", s.name, n, got, p.Reason())
			}
			s.check(t, h)
		}
	}
}

func TestOneRecordAllocatesNothing(t *testing.T) {
	for _, s := range samples(t) {
		h := new(Hello)
		count := 0
		allocs := testing.AllocsPerRun(100, func() {
			var p Parser
			p.Parse(s.wire[:3], h)
			if p.Parse(s.wire, h) != Complete {
				t.Fatal(p.Reason())
			}
			for range h.Protocols {
				count++
			}
			if h.HasProtocol("nobody/1") {
				t.Fatal("invented protocol")
			}
		})
		if allocs != 0 {
			t.Errorf("%s: %v allocations", s.name, allocs)
		}
	}
}

// TestInputIsNotWritten guards passthrough: the parsed bytes are forwarded later and must stay as they came.
func TestInputIsNotWritten(t *testing.T) {
	s := samples(t)[0]
	before := bytes.Clone(s.wire)
	var p Parser
	if p.Parse(s.wire, new(Hello)) != Complete || !bytes.Equal(before, s.wire) {
		t.Fatal("the input changed")
	}
}

func BenchmarkParse(b *testing.B) {
	s := samples(b)[0]
	h := new(Hello)
	b.ReportAllocs()
	b.SetBytes(int64(len(s.wire)))
	for b.Loop() {
		var p Parser
		if p.Parse(s.wire, h) != Complete {
			b.Fatal(p.Reason())
		}
	}
}

// BenchmarkByteByByte shows that a trickled hello costs per byte, not per byte squared.
func BenchmarkByteByByte(b *testing.B) {
	s := samples(b)[0]
	for _, n := range []int{1 << 14, 1} {
		records := refragment(s.wire, n)
		b.Run(fmt.Sprintf("records=%d", n), func(b *testing.B) {
			h := new(Hello)
			for b.Loop() {
				var p Parser
				for i := range records {
					p.Parse(records[:i+1], h)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(records)), "ns/byte")
		})
	}
}
