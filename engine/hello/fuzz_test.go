package hello

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"
)

// script is a connection whose client has said everything it will say.
type script struct {
	net.Conn
	in bytes.Reader
}

func (s *script) Read(b []byte) (int, error)       { return s.in.Read(b) }
func (s *script) Write(b []byte) (int, error)      { return len(b), nil }
func (s *script) Close() error                     { return nil }
func (s *script) SetWriteDeadline(time.Time) error { return nil }
func (s *script) LocalAddr() net.Addr              { return nil }
func (s *script) RemoteAddr() net.Addr             { return nil }

// oracle returns the hello as crypto/tls reads it, or nil if it refuses.
func oracle(wire []byte) (seen *tls.ClientHelloInfo) {
	conn := new(script)
	conn.in.Reset(wire)
	server := tls.Server(conn, &tls.Config{GetConfigForClient: func(info *tls.ClientHelloInfo) (*tls.Config, error) {
		seen = info
		return nil, io.ErrUnexpectedEOF // enough
	}})
	if err := server.Handshake(); seen != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		panic("the handshake went on: " + err.Error())
	}
	return seen
}

// stricter lists where this parser refuses on purpose what crypto/tls lets pass.
var stricter = []Reason{
	ReasonNotHandshake, // crypto/tls takes other record versions, and warning alerts before the hello
	ReasonInterleaved,  // … and between its fragments
	ReasonTrailing,     // noticed there only when keys change
	ReasonHelloSize, ReasonWireSize,
	ReasonServerName, // names are not judged there
}

func FuzzParse(f *testing.F) {
	for _, s := range samples(f) {
		f.Add(s.wire)
		f.Add(refragment(s.wire, 100))
	}
	f.Add(refragment(record(message(serverName(hostName("A.b")), alpn("h2", "x"))), 1))
	f.Add(record(message(serverName([]byte{1, 0, 1, 0}, hostName("a.b.")), extension(extVersions, []byte{4, 0x1a, 0x1a, 3, 4}))))
	f.Add(record(message(serverName(hostName("a"), hostName("b")))))
	f.Add(record(message(serverName(hostName("192.0.2.1")))))
	f.Add(slices.Concat(record(message()[:7]), []byte{21, 3, 3, 0, 2, 1, 0}, record(message()[7:])))
	f.Add(record(append(message(), message()...)))
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"))
	f.Add([]byte{0x80, 0x2e, 1, 3, 1})

	f.Fuzz(func(t *testing.T, wire []byte) {
		var p Parser
		h := new(Hello)
		status := p.Parse(wire, h)
		checkTrickle(t, wire, &p, status, h)
		if name := string(h.ServerName()); status == Complete && name != strings.ToLower(name) {
			t.Fatalf("name %q", name)
		}
		want := oracle(wire)
		switch {
		case want == nil:
		case status == Complete:
			name := strings.ToLower(want.ServerName)
			if strings.Trim(name, "0123456789.") == "" {
				name = "" // an address asks for no name
			}
			if got := string(h.ServerName()); got != name {
				t.Fatalf("server name %q, crypto/tls says %q", got, want.ServerName)
			}
			if got := protocols(h); !slices.Equal(got, want.SupportedProtos) {
				t.Fatalf("protocols %q, crypto/tls says %q", got, want.SupportedProtos)
			}
		case !slices.Contains(stricter, p.Reason()):
			t.Fatalf("%v (%v), but crypto/tls accepts %+v", status, p.Reason(), want)
		}
	})
}

// checkTrickle feeds wire byte by byte and expects the same verdict as for all bytes at once.
func checkTrickle(t *testing.T, wire []byte, whole *Parser, status Status, h *Hello) {
	t.Helper()
	var p Parser
	slow := new(Hello)
	got := p.Parse(nil, slow)
	for i := 0; i < len(wire) && got == Partial; i++ {
		got = p.Parse(wire[:i+1], slow)
	}
	if got != status || p.Reason() != whole.Reason() {
		t.Fatalf("byte by byte %v (%v), at once %v (%v)", got, p.Reason(), status, whole.Reason())
	}
	if status != Complete {
		return
	}
	if !bytes.Equal(slow.ServerName(), h.ServerName()) || !bytes.Equal(slow.ALPN(), h.ALPN()) || slow.Version() != h.Version() {
		t.Fatalf("byte by byte %q %q, at once %q %q", slow.ServerName(), slow.ALPN(), h.ServerName(), h.ALPN())
	}
}
