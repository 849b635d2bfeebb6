package e2e

// Handshakes that come to nothing: each is ended in time, and the log says why, and whose fault it was.

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"net"
	"strings"
	"testing"

	"sluice/internal/assert"
)

// hurriedShop is shop with some patience, and a plain listener.
const hurriedShop = `
listeners:
  web: {bind: "127.0.0.1:PORT1", tls: {certificates: [DIR/ec.pem, DIR/rsa.pem]}, upstream: web, timeouts: {%[3]s}}
  raw: {bind: "127.0.0.1:PORT2", protocol: tcp, tls: {certificates: [DIR/ec.pem, DIR/rsa.pem]}, upstream: raw, timeouts: {%[3]s}}
  plain: {bind: "127.0.0.1:PORT3", upstream: web}
upstreams: {web: {servers: ["%[1]s"]}, raw: {servers: ["%[2]s"]}}
admin: {bind: "127.0.0.1:PORT4"}
runtime: {loops: 2}
`

// hastens starts hurriedShop with a patience: hurried where it has to end, patient where something else has to end before.
func hastens(t testing.TB, patience string) (*safe, *proxy) {
	t.Helper()
	s := opensSafe(t)
	return s, s.run(hurriedShop, site(t, names("ok")).address, greeter(t, "raw").address(), patience)
}

const hurried, patient = "hello: 2s, handshake: 2s", "hello: 1m, handshake: 1m"

// helloOf is what one says first who wants a name.
func helloOf(name string) string { return string(helloBytes(&tls.Config{ServerName: name})) }

// isOver waits for the end of a connection, in whatever way it comes, and returns what came before.
func (e *end) isOver() string {
	e.t.Helper()
	var all []byte
	for b := make([]byte, 4096); ; {
		n, err := e.Read(b)
		all = append(all, b[:n]...)
		if err == nil {
			continue
		}
		if timeout, ok := err.(net.Error); ok && timeout.Timeout() {
			e.t.Fatalf("the connection stays, after %d bytes", len(all))
		}
		return string(all)
	}
}

// On both kinds of listener, what is no hello, what is half of one, and what comes too late ends, and the log says which it was.
func TestSecureFailuresBeforeTheHandshake(t *testing.T) {
	t.Parallel()
	_, p := hastens(t, patient)
	hello := helloOf("a.example.com")
	for port := 1; port <= 2; port++ {
		for _, row := range []struct {
			name, says, reason string
			fin                bool
		}{
			{"half a hello, and an end", hello[:100], "hello_bad", true},
			{"one byte, and an end", hello[:1], "hello_bad", true},
			{"a hello of zeros", "\x16\x03\x01\x00\x24\x01\x00\x00\x20" + strings.Repeat("\x00", 32), "hello_bad", false},
			{"a server's hello", "\x16\x03\x01\x00\x05\x02\x00\x00\x01\x03", "hello_bad", false},
			{"a hello with a hole", hello[:60] + strings.Repeat("\xff", len(hello)-60), "hello_bad", false},
			{"a hello beyond 16 KiB", string(helloBytes(fat(18 << 10))), "hello_too_big", false},
			{"a record of SSL 2", "\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10" + strings.Repeat("\x01", 60), "not_tls", false},
			{"noise", strings.Repeat("\xfe\x81\x07", 100), "not_tls", false},
			{"an alert", "\x15\x03\x01\x00\x02\x02\x28", "not_tls", false},
		} {
			client := p.dial(port)
			client.says(row.says)
			if row.fin {
				client.fin()
			}
			client.isOver()
			line := p.next()
			if line.Reason != row.reason || line.Side != "front" || line.Up+line.Down > 0 {
				t.Errorf("port %d, %s: the log says %+v, want reason %s", port, row.name, line, row.reason)
			}
		}
	}
}

// One who connects and says nothing is closed in time, and so is one who stops in the middle of a hello, and behind it.
func TestSecureFailuresOfTheSilent(t *testing.T) {
	t.Parallel()
	_, p := hastens(t, hurried)
	hello := helloOf("a.example.com")
	var all []*end
	for port := 1; port <= 2; port++ {
		for _, says := range []string{"", hello[:100], hello} {
			client := p.dial(port)
			client.says(says)
			all = append(all, client)
		}
	}
	for _, client := range all {
		client.isOver()
	}
	seen := map[string]int{}
	for range len(all) - 1 { // in front of HTTP silence is no fault: browsers do it all the time
		line := p.next()
		seen[line.Listener+" "+line.Reason]++
		assert.Equal(t, line.Side, "front")
		if line.Reason == "handshake_timeout" {
			assert.Equal(t, line.SNI, "a.example.com")
			has(t, line.Detail, "in time")
		}
	}
	assert.Equal(t, seen, map[string]int{"web hello_timeout": 1, "web handshake_timeout": 1, "raw hello_timeout": 2, "raw handshake_timeout": 1})
}

// In the middle of a handshake clients leave, vanish, and break the rules.
func TestSecureFailuresInTheMiddle(t *testing.T) {
	t.Parallel()
	_, p := hastens(t, patient)
	hello := helloOf("a.example.com")
	for port := 1; port <= 2; port++ {
		client := p.dial(port)
		client.says(hello)
		client.hears("\x16\x03\x03") // the server's hello
		client.fin()
		client.isOver()
		line := p.ends("client_gone")
		has(t, line.Detail, "during the handshake")

		client = p.dial(port)
		client.says(hello)
		client.hears("\x16\x03\x03")
		client.resets()
		assert.Equal(t, p.ends("client_gone").Side, "front")

		client = p.dial(port)
		client.says(hello)
		client.hears("\x16\x03\x03")
		client.says("\x17\x03\x03\x00\x20" + strings.Repeat("\x00", 32)) // a record that nobody has sealed
		client.isOver()
		line = p.ends("handshake_failed")
		has(t, line.Detail, "bad record MAC")

		client = p.dial(port)
		client.says(string(helloBytes(&tls.Config{ServerName: "a.example.com", MaxVersion: tls.VersionTLS12})))
		client.hears("\x16\x03\x03")
		client.says("\x15\x03\x03\x00\x02\x02\x50") // internal_error
		client.isOver()
		has(t, p.ends("handshake_failed").Detail, "internal error")
	}
}

// isRead reports whether the process that listens on port has read all that e has said.
func (e *end) isRead(port int) bool {
	e.t.Helper()
	_, mine, _ := cutAddress(e.local())
	for _, fields := range tcpTable(e.t, port) {
		if strings.HasSuffix(fields[2], fmt.Sprintf(":%04X", atoi(e.t, mine))) {
			return e.unsent() == 0 && strings.HasSuffix(fields[4], ":00000000") && fields[3] == "01"
		}
	}
	return false
}

// A reset in the middle of a hello is told as what it is.
func TestSecureFailuresByResetInTheHello(t *testing.T) {
	t.Parallel()
	_, p := hastens(t, patient)
	for port := 1; port <= 2; port++ {
		client := p.dial(port)
		client.says(helloOf("a.example.com")[:100])
		assert.Eventually(t, func() bool { return client.isRead(p.port(port)) })
		client.resets()
		line := p.ends("client_gone")
		assert.Equal(t, []string{line.Side, line.Error}, []string{"front", "connection reset by peer"})
	}
}

// A handshake in any pieces is a handshake: byte by byte from the first to the last, and a hello cut into many records.
func TestSecureHandshakesInPieces(t *testing.T) {
	t.Parallel()
	s := opensSafe(t)
	p := s.run(shop, site(t, names("ok")).address, greeter(t, "raw").address())
	for name, wrap := range map[string]func(net.Conn) net.Conn{
		"byte by byte": func(c net.Conn) net.Conn { return &torn{c, 1, 4000} },
		"three bytes":  func(c net.Conn) net.Conn { return &torn{c, 3, 1 << 20} },
		"many records": func(c net.Conn) net.Conn { return &records{Conn: c, size: 40} },
		"torn records": func(c net.Conn) net.Conn { return &records{Conn: &torn{c, 1, 3000}, size: 64} },
	} {
		t.Run(name, func(t *testing.T) {
			for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
				config := s.trusts("a.example.com")
				config.MaxVersion = version
				one := tls.Client(wrap(p.dial(1).Conn), config)
				assert.NoError(t, one.Handshake())
				assert.Equal(t, newEnd(t, one).asksAt("/"), "ok")
				two := tls.Client(wrap(p.dial(2).Conn), config)
				assert.NoError(t, two.Handshake())
				client := newEnd(t, two)
				client.hears("raw\n")
				client.says("in pieces too")
				client.hears("in pieces too")
			}
		})
	}
}

// A client that speaks plain HTTP where TLS is spoken is told so in its own tongue, once it can hear it.
func TestSecureFailuresOfPlainHTTP(t *testing.T) {
	t.Parallel()
	_, p := hastens(t, patient)
	for _, request := range []string{
		"GET /path HTTP/1.1\r\nHost: a.example.com\r\n\r\n", "G",
		"POST / HTTP/1.1\r\nHost: a.example.com\r\nContent-Length: 1000000\r\n\r\n" + strings.Repeat("x", 100_000),
	} {
		client := p.dial(1)
		client.says(request)
		status, fields := client.hearsHead()
		assert.Equal(t, status, "HTTP/1.1 400 Bad Request")
		has(t, strings.Join(fields, "\n"), "Connection: close")
		line := p.ends("not_tls")
		assert.Equal(t, []int{line.Status, line.Request}, []int{400, 1})
		has(t, line.Detail, "HTTPS")
	}
	client := p.dial(2)
	client.says("GET / HTTP/1.1\r\n\r\n")
	assert.Equal(t, client.isOver(), "")
	p.ends("not_tls")
}

// TLS where plain HTTP is spoken is closed, and the log says what it was.
func TestSecureFailuresOfTLSInThePlain(t *testing.T) {
	t.Parallel()
	s, p := hastens(t, patient)
	c := tls.Client(p.dial(3).Conn, s.trusts("a.example.com"))
	err := c.Handshake()
	assert.Equal(t, err != nil, true)
	line := p.ends("bad_request")
	has(t, line.Detail, "TLS")
	assert.Equal(t, line.Listener, "plain")
}

// Data that was tampered with ends the connection: nothing of it gets through.
func TestSecureFailuresOfTamperedData(t *testing.T) {
	t.Parallel()
	s := opensSafe(t)
	o := station(t)
	p := s.run(shop, nobody(t), o.address())
	client := p.secures(2, s.trusts("a.example.com"))
	server := o.accept()
	client.says("good")
	server.hears("good")
	_, err := client.bare().Write(append([]byte("\x17\x03\x03\x00\x20"), bytes.Repeat([]byte{7}, 32)...))
	assert.NoError(t, err)
	server.hearsReset()
	has(t, p.ends("client_violation").Detail, "bad record MAC")
}

// Failures are counted.
func TestSecureFailuresAreCounted(t *testing.T) {
	t.Parallel()
	s, p := hastens(t, patient)
	admin := func(series string) int64 {
		for line := range strings.Lines(p.adminOn(4, "GET", "/metrics", "")) {
			if value, ok := strings.CutPrefix(line, series+" "); ok {
				return number(t, strings.TrimSpace(value))
			}
		}
		t.Fatalf("there is no series %s", series)
		return 0
	}
	config := remembers(s.trusts("a.example.com"))
	p.visit(1, config)
	p.visit(1, config)
	p.refuses(1, s.trusts("other.example.com"))
	assert.Eventually(t, func() bool { return admin(`sluice_tls_handshakes_total{result="failed"}`) == 1 })
	assert.Equal(t, admin(`sluice_tls_handshakes_total{result="full"}`), 1)
	assert.Equal(t, admin(`sluice_tls_handshakes_total{result="resumed"}`), 1)
	assert.Eventually(t, func() bool { return admin("sluice_tls_handshakes_under_way") == 0 })
	assert.Equal(t, p.reasons(3), map[string]int{"done": 2, "unknown_name": 1})
}
