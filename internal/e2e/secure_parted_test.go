package e2e

// One port for TLS that ends at the proxy and TLS that is passed on: who gets which, and that the rules of the listener hold for
// both.

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"strings"
	"testing"

	"sluice/internal/assert"
)

// parting passes one name on, at a listener of HTTP and at one of anything; %[3]s is more about the listeners.
const parting = `
listeners:
  web: {bind: "127.0.0.1:PORT1", tls: {certificates: DIR/ec.pem}%[3]s}
  raw: {bind: "127.0.0.1:PORT2", protocol: tcp, tls: {certificates: DIR/ec.pem}%[3]s}
routes:
  - {name: passed, listeners: [web, raw], sni: own.example.com, passthrough: true, upstream: own%[4]s}
  - {name: ended, listeners: web, upstream: web%[4]s}
  - {name: unwrapped, listeners: raw, sni: "*", upstream: raw%[4]s}
upstreams: {own: {servers: ["%[2]s"]}, web: {servers: ["%[1]s"]}, raw: {servers: ["%[5]s"]}}
runtime: {loops: 2}
`

// parts starts parting, and returns the certificate of the server that has its own.
func parts(t testing.TB, listener, route string) (s *safe, own tls.Certificate, p *proxy) {
	t.Helper()
	s = opensSafe(t)
	o, own := secret(t, "own.example.com", "h2", "http/1.1")
	return s, own, s.run(parting, site(t, names("ok")).address, o.address(), listener, route, greeter(t, "raw").address())
}

// owns is a client of the server that has its own certificate.
func owns(own tls.Certificate) *tls.Config {
	config := &tls.Config{ServerName: "own.example.com", NextProtos: []string{"h2"}, InsecureSkipVerify: true}
	config.VerifyConnection = func(state tls.ConnectionState) error {
		if !bytes.Equal(state.PeerCertificates[0].Raw, own.Certificate[0]) {
			return fmt.Errorf("a certificate for %v", state.PeerCertificates[0].DNSNames)
		}
		return nil
	}
	return config
}

// Both kinds go on beside each other: the server's own certificate and protocol here, the proxy's there.
func TestSecurePartedByName(t *testing.T) {
	t.Parallel()
	s, own, p := parts(t, "", "")
	for port := 1; port <= 2; port++ {
		passed := p.secures(port, owns(own))
		assert.Equal(t, passed.secure().NegotiatedProtocol, "h2")
		passed.hears("own.example.com\n")
		ended := p.secures(port, s.trusts("a.example.com"))
		if port == 1 {
			assert.Equal(t, ended.asksAt("/"), "ok")
			assert.Equal(t, p.ends("done").Route, "ended")
		} else {
			ended.hears("raw\n")
			ended.fin()
			ended.hearsEnd()
			assert.Equal(t, p.ends("client_end").Route, "unwrapped")
		}
		passed.says("through")
		passed.hears("through")
		passed.fin()
		passed.hearsEnd()
		_ = passed.bare().Close()
		line := p.next()
		assert.Equal(t, []string{line.Route, line.SNI, line.ALPN, line.TLS}, []string{"passed", "own.example.com", "h2", ""})
		assert.Equal(t, line.Up > 200 && line.Down > 200, true) // the handshake is part of it
		p.refuses(port, s.trusts("other.example.com"))
		p.turnsAway("unknown_name", "no certificate")
	}
}

// What is passed on is passed on whole: half-closes, resets, large hellos, and hellos in pieces.
func TestSecurePartedPassesEverything(t *testing.T) {
	t.Parallel()
	s := opensSafe(t)
	o := station(t)
	p := s.run(parting, nobody(t), o.address(), "", "", nobody(t))
	hello := string(helloBytes(&tls.Config{ServerName: "own.example.com"}))
	for port := 1; port <= 2; port++ {
		client := p.dial(port)
		for i := range len(hello) { // each byte a segment
			client.says(hello[i : i+1])
		}
		client.says("what follows")
		client.fin()
		server := o.accept()
		server.hears(hello + "what follows")
		server.hearsEnd()
		server.says("an answer")
		server.fin()
		assert.Equal(t, client.hearsAll(), "an answer")
		assert.Equal(t, p.ends("client_end").Up, int64(len(hello)+len("what follows")))

		client = p.dial(port)
		client.says(hello)
		client.fin() // at once
		server = o.accept()
		server.hears(hello)
		server.hearsEnd()
		server.resets()
		client.hearsReset()
		p.ends("server_reset")

		client = p.dial(port)
		client.says(hello)
		server = o.accept()
		server.hears(hello)
		client.resets()
		server.hearsReset()
		p.ends("client_reset")
	}
}

// A PROXY header comes before the hello, for both; the log has the client that it names.
func TestSecurePartedBehindProxyHeaders(t *testing.T) {
	t.Parallel()
	s, own, p := parts(t, ", proxy_protocol: {mode: require, from: 127.0.0.0/8}", "")
	const header = "PROXY TCP4 203.0.113.7 192.0.2.1 51334 443\r\n"
	for port := 1; port <= 2; port++ {
		for _, config := range []*tls.Config{owns(own), s.trusts("a.example.com")} {
			raw := p.dial(port)
			raw.says(header)
			c := tls.Client(raw.Conn, config)
			assert.NoError(t, c.Handshake())
			client := newEnd(t, c)
			switch {
			case config.NextProtos != nil:
				client.hears("own.example.com\n")
			case port == 1:
				assert.Equal(t, client.asksAt("/"), "ok")
			default:
				client.hears("raw\n")
			}
			client.fin()
			_, _ = io.Copy(io.Discard, client)
			_ = client.Close()
			line := p.next()
			assert.Equal(t, line.Client, "203.0.113.7:51334")
			assert.Equal(t, strings.HasPrefix(line.Peer, "127.0.0.1:"), true)
		}
		client := p.dial(port)
		client.says(helloOf("own.example.com"))
		client.isOver()
		p.ends("proxy_header_missing")
	}
}

// Lists of clients hold for both, at the listener and at the route.
func TestSecurePartedByClient(t *testing.T) {
	t.Parallel()
	const proxied = ", proxy_protocol: {mode: accept, from: 127.0.0.0/8}"
	s, own, p := parts(t, proxied, ", client_ip: {deny: 203.0.113.0/24}")
	for port := 1; port <= 2; port++ {
		for _, config := range []*tls.Config{owns(own), s.trusts("a.example.com")} {
			raw := p.dial(port)
			raw.says("PROXY TCP4 203.0.113.7 192.0.2.1 51334 443\r\n")
			c := tls.Client(raw.Conn, config)
			client := newEnd(t, c)
			if err := c.Handshake(); err == nil && port == 1 {
				client.says("GET / HTTP/1.1\r\nHost: a.example.com\r\n\r\n")
				status, _ := client.hearsHead()
				assert.Equal(t, status, "HTTP/1.1 403 Forbidden")
			}
			p.ends("denied")
			_ = raw.Close()
		}
		p.secures(port, owns(own)).hears("own.example.com\n") // without a header it is from here
	}
	s, own, p = parts(t, `, client_ip: {deny: 127.0.0.7/32}`, "")
	for port := 1; port <= 2; port++ {
		for _, name := range []string{"own.example.com", "a.example.com"} {
			client := dialFrom(t, "127.0.0.7", p.addr(port))
			_, _ = io.WriteString(client, helloOf(name)) // it may be over before
			assert.Equal(t, client.isOver(), "")
		}
	}
	p.secures(1, owns(own)).hears("own.example.com\n")
	assert.Equal(t, p.secures(1, s.trusts("a.example.com")).asksAt("/"), "ok")
}

// The limit for one address counts both kinds together, and a place is free when either is over.
func TestSecurePartedWithinLimits(t *testing.T) {
	t.Parallel()
	s, own, p := parts(t, ", max_connections_per_ip: 2", "")
	for port := 1; port <= 2; port++ {
		for range 3 {
			passed := p.findsRoom(port, owns(own))
			ended := p.findsRoom(port, s.trusts("a.example.com"))
			for _, name := range []string{"own.example.com", "a.example.com"} {
				client := p.dial(port)
				_, _ = io.WriteString(client, helloOf(name)) // it may be over before
				client.isOver()
				p.turnedAway()
			}
			_ = passed.bare().Close()
			_ = ended.bare().Close()
		}
	}
}

// findsRoom secures a connection as soon as there is room for it.
func (p *proxy) findsRoom(port int, config *tls.Config) (client *end) {
	p.t.Helper()
	assert.Eventually(p.t, func() bool {
		c := tls.Client(p.dial(port).Conn, config)
		if c.Handshake() != nil {
			p.turnedAway()
			return false
		}
		client = newEnd(p.t, c)
		return true
	})
	return client
}

// turnedAway waits for the line of a connection for which there was no room, past those of others.
func (p *proxy) turnedAway() {
	p.t.Helper()
	for p.next().Reason != "per_ip_limit" {
	}
}
