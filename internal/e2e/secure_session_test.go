package e2e

// Sessions that are taken up again: on another loop, at another listener, by another process.

import (
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"sluice/internal/assert"
)

// remembers gives a client a memory for sessions.
func remembers(config *tls.Config) *tls.Config {
	config.ClientSessionCache = tls.NewLRUClientSessionCache(8)
	return config
}

// visit secures a connection to port n, asks, leaves, and reports whether a session was taken up. Tickets come behind the handshake,
// so something has to be heard.
func (p *proxy) visit(n int, config *tls.Config) (resumed bool) {
	p.t.Helper()
	client := p.secures(n, config)
	assert.Equal(p.t, client.asksAt("/"), "ok")
	assert.NoError(p.t, client.Close())
	return client.secure().DidResume
}

// versions runs f for both versions of TLS.
func versions(t *testing.T, f func(t *testing.T, version uint16)) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(strings.ReplaceAll(tls.VersionName(version), " ", ""), func(t *testing.T) { f(t, version) })
	}
}

// twins are two listeners with the same certificates, on two loops each.
const twins = `
listeners:
  one: {bind: "127.0.0.1:PORT1", tls: {certificates: DIR/ec.pem%[2]s}, upstream: web}
  two: {bind: "127.0.0.1:PORT2", tls: {certificates: DIR/ec.pem%[2]s}, upstream: web}
upstreams: {web: {servers: ["%[1]s"]}}
runtime: {loops: 2}
`

// A session goes on wherever its client comes back: to either loop, to either listener; and only the first handshake is a whole one.
func TestSecureSessionsAreShared(t *testing.T) {
	t.Parallel()
	s := opensSafe(t)
	p := s.run(twins, site(t, names("ok")).address, "")
	versions(t, func(t *testing.T, version uint16) {
		config := remembers(s.trusts("a.example.com"))
		config.MaxVersion = version
		const visits = 12 // with so many each loop has some, but for one time in thousands
		for i := range visits {
			assert.Equal(t, p.visit(1+i%2, config), i > 0)
			assert.Equal(t, p.ends("done").Resumed, i > 0)
		}
	})
}

// With a file of keys, a session outlives the process. Without one it ends with it, and the client notices nothing but a whole handshake.
func TestSecureSessionsOverARestart(t *testing.T) {
	t.Parallel()
	versions(t, func(t *testing.T, version uint16) {
		for _, file := range []bool{true, false} {
			s := opensSafe(t)
			keys := ""
			if file {
				var secret [48]byte
				_, err := rand.Read(secret[:])
				assert.NoError(t, err)
				keys = ", ticket_keys: " + s.put("tickets.key", string(secret[:]))
			}
			config := remembers(s.trusts("a.example.com"))
			config.MaxVersion = version
			address := site(t, names("ok")).address
			for life := range 2 {
				p := s.run(twins, address, keys)
				assert.Equal(t, p.visit(1, config), life > 0 && file)
				p.signal(syscall.SIGTERM)
				p.exits(0)
			}
		}
	})
}

// OpenSSL keeps a session in a file, and takes it up again.
func TestSecureSessionsOfOpenSSL(t *testing.T) {
	t.Parallel()
	tool(t, "openssl")
	s := opensSafe(t)
	p := s.run(twins, site(t, names("ok")).address, "")
	const request = "GET / HTTP/1.1\r\nHost: a.example.com\r\nConnection: close\r\n\r\n"
	for _, version := range []string{"-tls1_2", "-tls1_3"} {
		kept := s.path("session" + version)
		has(t, s.openssl(p, 1, request, "-ign_eof", "-servername", "a.example.com", version, "-sess_out", kept), "New, TLSv1.")
		has(t, s.openssl(p, 2, request, "-ign_eof", "-servername", "a.example.com", version, "-sess_in", kept), "Reused, TLSv1.")
		has(t, s.openssl(p, 1, request, "-servername", "other.example.com", version, "-sess_in", kept), "alert number 112")
		lines := map[string]int{} // each loop writes its own, when it likes
		for range 3 {
			line := p.next()
			lines[fmt.Sprint(line.Reason, " ", line.Resumed)]++
		}
		assert.Equal(t, lines, map[string]int{"done false": 1, "done true": 1, "unknown_name false": 1})
	}
}

// guarded asks for certificates of clients, by the same authority and by another.
const guarded = `
listeners:
  one: {bind: "127.0.0.1:PORT1", tls: {certificates: DIR/ec.pem, client_auth: require, client_ca: DIR/clients.pem, client_crl: DIR/clients.crl}, upstream: web}
  other: {bind: "127.0.0.1:PORT2", tls: {certificates: DIR/ec.pem, client_auth: require, client_ca: DIR/others.pem}, upstream: web}
  open: {bind: "127.0.0.1:PORT3", tls: {certificates: DIR/ec.pem}, upstream: web}
upstreams: {web: {servers: ["%s"]}}
runtime: {loops: 2}
`

// A session is no way around who may come in: not with a certificate that has been revoked since, not at a listener that believes
// somebody else, and not at one that asks when the session is from one that does not.
func TestSecureSessionsLetNobodyIn(t *testing.T) {
	t.Parallel()
	versions(t, func(t *testing.T, version uint16) {
		s := opensSafe(t)
		clients := authority(t, "Clients")
		till := clients.issues(t, "till-7")
		s.put("clients.pem", clients.cert())
		s.put("clients.crl", clients.revokes(t))
		s.put("others.pem", authority(t, "Others").cert())
		p := s.run(guarded, site(t, names("ok")).address)
		config := remembers(s.trusts("a.example.com"))
		config.MaxVersion, config.Certificates = version, []tls.Certificate{till.pair()}
		assert.Equal(t, []bool{p.visit(1, config), p.visit(1, config)}, []bool{false, true})
		assert.Equal(t, p.ends("done").ClientCert, "CN=till-7,O=Shop")
		assert.Equal(t, p.ends("done").ClientCert, "CN=till-7,O=Shop") // resumed, and still known

		p.refuses(2, config) // which says whom it believes, so that an honest client shows nothing
		p.turnsAway("client_certificate", "it showed no certificate")

		nobody := remembers(s.trusts("a.example.com"))
		nobody.MaxVersion = version
		assert.Equal(t, []bool{p.visit(3, nobody), p.visit(3, nobody)}, []bool{false, true})
		p.refuses(1, nobody)
		p.turnsAway("client_certificate", "it showed no certificate")

		// The other listener's refusal has cost the client its session: it needs one that was begun before the revocation.
		p.visit(1, config)
		assert.Equal(t, p.visit(1, config), true)
		s.put("clients.crl", clients.revokes(t, till))
		var line entry
		assert.Eventually(t, func() bool {
			c := tls.Client(p.dial(1).Conn, config)
			defer c.Close()
			_, err := fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: a.example.com\r\nConnection: close\r\n\r\n")
			if err == nil {
				_, err = c.Read(make([]byte, 1))
			}
			line = p.next()
			return err != nil && line.Reason == "client_certificate"
		})
		has(t, line.Detail, "till-7", "revoked")
	})
}
