package hello

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"
	"testing"
)

// prefixed puts an n-byte length before the joined parts.
func prefixed(n int, parts ...[]byte) []byte {
	body := slices.Concat(parts...)
	length := binary.BigEndian.AppendUint32(nil, uint32(len(body)))
	return append(length[4-n:], body...)
}

func extension(kind uint16, data []byte) []byte {
	return append(binary.BigEndian.AppendUint16(nil, kind), prefixed(2, data)...)
}

func hostName(name string) []byte { return append([]byte{nameTypeHost}, prefixed(2, []byte(name))...) }

func serverName(names ...[]byte) []byte { return extension(extServerName, prefixed(2, names...)) }

func alpn(names ...string) []byte {
	var list []byte
	for _, name := range names {
		list = append(list, prefixed(1, []byte(name))...)
	}
	return extension(extALPN, prefixed(2, list))
}

func fields() []byte {
	return slices.Concat([]byte{3, 3}, make([]byte, 32), prefixed(1), prefixed(2, []byte{0x13, 1}), prefixed(1, []byte{0}))
}

// message makes a hello of the given extensions.
func message(extensions ...[]byte) []byte {
	return append([]byte{typeClientHello}, prefixed(3, fields(), prefixed(2, extensions...))...)
}

func record(fragment []byte) []byte {
	return append([]byte{typeHandshake, 3, 1}, prefixed(2, fragment)...)
}

func TestRefused(t *testing.T) {
	good := message(serverName(hostName("a.example")), alpn("h2"))
	noExtensions := append([]byte{typeClientHello}, prefixed(3, fields())...)
	for _, c := range []struct {
		name   string
		wire   []byte
		want   Status
		reason Reason
	}{
		{"http", []byte("G"), NotTLS, ReasonNotHandshake},
		{"ssh", []byte("SSH-2.0-x"), NotTLS, ReasonNotHandshake},
		{"sslv2 hello", []byte{0x80, 0x2e, 1, 3, 1}, NotTLS, ReasonNotHandshake},
		{"alert", []byte{21, 3, 1, 0, 2, 1, 0}, NotTLS, ReasonNotHandshake},
		{"no TLS version", []byte{typeHandshake, 2}, NotTLS, ReasonNotHandshake},
		{"dtls", []byte{typeHandshake, 0xfe, 0xff}, NotTLS, ReasonNotHandshake},
		{"empty record", []byte{typeHandshake, 3, 1, 0, 0}, Bad, ReasonRecordLength},
		{"long record", []byte{typeHandshake, 3, 1, 0x40, 1}, Bad, ReasonRecordLength},
		{"empty second record", slices.Concat(record(good[:9]), record(nil)), Bad, ReasonRecordLength},
		{"alert between", slices.Concat(record(good[:9]), []byte{21}), Bad, ReasonInterleaved},
		{"data between", slices.Concat(record(good[:9]), []byte{23}), Bad, ReasonInterleaved},
		{"version between", slices.Concat(record(good[:9]), []byte{typeHandshake, 4}), Bad, ReasonInterleaved},
		{"server hello", []byte{typeHandshake, 3, 1, 1, 0, 2}, Bad, ReasonNotClientHello},
		{"largest size + 1", []byte{typeHandshake, 3, 1, 1, 0, typeClientHello, 0, 0x3f, 0xfd}, TooBig, ReasonHelloSize},
		{"size over records", slices.Concat(record([]byte{1}), record([]byte{1}), record([]byte{0, 0})), TooBig, ReasonHelloSize},
		{"trailing in one record", record(slices.Concat(good, []byte{1}))[:recordHeader+handshakeHeader], Bad, ReasonTrailing},
		{"trailing in a later record", slices.Concat(record(good[:9]), record(append(good[9:len(good):len(good)], 1))), Bad, ReasonTrailing},
		{"empty message", record([]byte{typeClientHello, 0, 0, 0}), Bad, ReasonMalformed},
		{"no extensions", record(noExtensions), Complete, ReasonNone},
		{"half an extension block", record(append([]byte{typeClientHello}, prefixed(3, fields(), []byte{0})...)), Bad, ReasonMalformed},
		{"data after the extensions", record(append([]byte{typeClientHello}, prefixed(3, fields(), prefixed(2), []byte{0})...)), Bad, ReasonMalformed},
		{"short extension", record(message([]byte{0, 99, 0, 1})), Bad, ReasonMalformed},
		{"two server_name", record(message(serverName(hostName("a")), serverName(hostName("a")))), Bad, ReasonDuplicate},
		{"two alpn", record(message(alpn("h2"), alpn("h2"))), Bad, ReasonDuplicate},
		{"empty server_name", record(message(extension(extServerName, nil))), Bad, ReasonServerNameList},
		{"empty name list", record(message(serverName())), Bad, ReasonServerNameList},
		{"empty name", record(message(serverName(hostName("")))), Bad, ReasonServerNameList},
		{"long name", record(message(serverName([]byte{0, 0, 9, 'a'}))), Bad, ReasonServerNameList},
		{"data after the names", record(message(extension(extServerName, append(prefixed(2, hostName("a")), 0)))), Bad, ReasonServerNameList},
		{"two host names", record(message(serverName(hostName("a"), hostName("b")))), Bad, ReasonSeveralNames},
		{"unknown name type", record(message(serverName([]byte{7, 0, 1, 0}, hostName("a")))), Complete, ReasonNone},
		{"empty alpn", record(message(alpn())), Bad, ReasonALPN},
		{"empty protocol", record(message(alpn("h2", ""))), Bad, ReasonALPN},
		{"short protocol", record(message(extension(extALPN, []byte{0, 2, 2, 'h'}))), Bad, ReasonALPN},
		{"data after alpn", record(message(extension(extALPN, []byte{0, 2, 1, 'h', 0}))), Bad, ReasonALPN},
		{"odd versions", record(message(extension(extVersions, []byte{1, 3}))), Bad, ReasonVersions},
		{"empty versions", record(message(extension(extVersions, []byte{0}))), Bad, ReasonVersions},
		{"data after versions", record(message(extension(extVersions, []byte{2, 3, 4, 0}))), Bad, ReasonVersions},
	} {
		t.Run(c.name, func(t *testing.T) {
			var p Parser
			h := new(Hello)
			for i := range c.wire { // the verdict must not come early, except where the last byte decides nothing any more
				if got := p.Parse(c.wire[:i], h); got != Partial && got != c.want {
					t.Fatalf("%d bytes: %v (%v)", i, got, p.Reason())
				}
			}
			for range 2 {
				if got := p.Parse(c.wire, h); got != c.want || p.Reason() != c.reason {
					t.Fatalf("%v (%v), want %v (%v)", got, p.Reason(), c.want, c.reason)
				}
			}
		})
	}
}

func TestServerNames(t *testing.T) {
	label := strings.Repeat("x", 63)
	longest := strings.Join([]string{label, label, label, label[:61]}, ".")
	for _, c := range []struct {
		name, want string
		reason     Reason
	}{
		{"Example.COM", "example.com", ReasonNone},
		{"example.com.", "example.com", ReasonNone},
		{"_sip._tcp.r3---sn-.example", "_sip._tcp.r3---sn-.example", ReasonNone},
		{"xn--bcher-kva.example", "xn--bcher-kva.example", ReasonNone},
		{"localhost", "localhost", ReasonNone},
		{"1.2.3.4.in-addr.arpa", "1.2.3.4.in-addr.arpa", ReasonNone},
		{longest, longest, ReasonNone},
		{longest + ".", longest, ReasonNone},
		{longest + "x", "", ReasonServerName},
		{label + "x.example", "", ReasonServerName},
		{".", "", ReasonServerName},
		{"a..", "", ReasonServerName},
		{".a", "", ReasonServerName},
		{"a..b", "", ReasonServerName},
		{"a\x00.example", "", ReasonServerName},
		{"*.example", "", ReasonServerName},
		{"a b", "", ReasonServerName},
		{"bücher.example", "", ReasonServerName},
		{"a:443", "", ReasonServerName},
		{"2001:db8::1", "", ReasonServerName},
		{"[::1]", "", ReasonServerName},
		{"192.0.2.1", "", ReasonNone},
		{"192.0.2.1.", "", ReasonNone},
		{"10.1", "", ReasonNone},
	} {
		var p Parser
		h := new(Hello)
		status := p.Parse(record(message(serverName(hostName(c.name)))), h)
		if p.Reason() != c.reason || status == Complete && string(h.ServerName()) != c.want {
			t.Errorf("%q: %v %v %q, want %v %q", c.name, status, p.Reason(), h.ServerName(), c.reason, c.want)
		}
	}
}

func TestSizeLimits(t *testing.T) {
	rest := MaxHello - len(message(extension(99, nil)))
	largest := message(extension(99, make([]byte, rest)))
	for _, c := range []struct {
		name string
		wire []byte
		want Status
	}{
		{"largest in one record", record(largest), Complete},
		{"largest in records of 2", refragment(record(largest), 2), Complete},
		{"largest in records of 1", refragment(record(largest), 1), TooBig},
	} {
		var p Parser
		if got := p.Parse(c.wire, new(Hello)); got != c.want {
			t.Errorf("%s (%d bytes): %v (%v), want %v", c.name, len(c.wire), got, p.Reason(), c.want)
		}
		if cap(p.msg) > 2*MaxHello {
			t.Errorf("%s: the parser holds %d bytes", c.name, cap(p.msg))
		}
	}
}

// TestReuse fills one Hello from several connections: nothing of the former may shine through.
func TestReuse(t *testing.T) {
	h := new(Hello)
	var p, q Parser
	if p.Parse(record(message(serverName(hostName("a")), alpn("h2"))), h) != Complete || !h.HasName() || !h.HasProtocol("h2") {
		t.Fatal("first hello")
	}
	if q.Parse(record(message()), h) != Complete || h.HasName() || h.ALPN() != nil || h.Version() != 0x0303 {
		t.Fatalf("second hello: %q %q", h.ServerName(), h.ALPN())
	}
}

func TestTokens(t *testing.T) {
	seen := map[string]bool{}
	for r := range reasonCount {
		if token := r.String(); token == "" || seen[token] || strings.ContainsFunc(token, func(c rune) bool { return c != '_' && (c < 'a' || c > 'z') }) {
			t.Errorf("reason %d has token %q", r, token)
		}
		seen[r.String()] = true
	}
	if reasonCount.String() != "invalid" || Status(99).String() != "invalid" || TooBig.String() != "too_big" {
		t.Error("tokens out of range")
	}
	if bytes.Contains([]byte(Partial.String()), []byte(" ")) {
		t.Error("a token with a space")
	}
}
