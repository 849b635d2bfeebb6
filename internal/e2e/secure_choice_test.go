package e2e

// What a handshake agrees on: which certificate, which version, which protocol, which key exchange. Two clients judge it,
// Go's and OpenSSL's.

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"

	"sluice/internal/assert"
)

// openssl runs OpenSSL's client at port n and returns all that it says. What it is told is sent once the handshake is done.
func (s *safe) openssl(p *proxy, n int, say string, args ...string) string {
	p.t.Helper()
	path := tool(p.t, "openssl")
	ctx, cancel := context.WithTimeout(p.t.Context(), patience)
	defer cancel()
	all := append([]string{"s_client", "-connect", p.addr(n), "-CAfile", s.path("root.pem"), "-verify_return_error"}, args...)
	cmd := exec.CommandContext(ctx, path, all...)
	cmd.Stdin = strings.NewReader(say)
	out, _ := cmd.CombinedOutput() // a refused handshake is a failure of OpenSSL's
	return string(out)
}

// choices has a site of two kinds of keys, one with a wildcard, and one that anybody gets.
const choices = `
listeners:
  strict: {bind: "127.0.0.1:PORT1", tls: {certificates: [DIR/rsa.pem, {cert: DIR/ec.pem}, DIR/wild.pem]}, upstream: web}
  open: {bind: "127.0.0.1:PORT2", tls: {certificates: [DIR/ec.pem, DIR/wild.pem], unknown_sni: default, min_version: "1.3"}, upstream: web}
  raw: {bind: "127.0.0.1:PORT3", protocol: tcp, tls: {certificates: [{cert: DIR/ec.pem, key: DIR/ec.key}, DIR/rsa.pem], ocsp: DIR/staple.der}, upstream: web}
upstreams: {web: {servers: ["%s"]}}
runtime: {loops: 2}
`

// staples says that a certificate is good, in DER.
func (s *safe) staples(p *paper) string {
	s.t.Helper()
	der, err := ocsp.CreateResponse(s.root.leaf, s.root.leaf, ocsp.Response{
		Status: ocsp.Good, SerialNumber: p.leaf.SerialNumber, ThisUpdate: time.Now().Add(-time.Minute), NextUpdate: time.Now().Add(time.Hour),
	}, s.root.key)
	assert.NoError(s.t, err)
	return string(der)
}

// chooses starts choices.
func chooses(t testing.TB) (*safe, *proxy) {
	t.Helper()
	s := opensSafe(t)
	s.keeps("wild", s.root.issues(t, "*.b.example.com"))
	ec := s.keeps("ec", s.root.issues(t, "a.example.com"))
	s.put("staple.der", s.staples(ec))
	return s, s.run(choices, site(t, names("ok")).address)
}

// OpenSSL's client gets what it can verify: ECDSA if it can, RSA otherwise, by name, in both versions, or the alert that says
// why not. Only authenticated encryption with forward secrecy is spoken.
func TestSecureChoiceByOpenSSL(t *testing.T) {
	t.Parallel()
	tool(t, "openssl")
	s, p := chooses(t)
	for _, row := range []struct {
		port int
		args string
		want []string
	}{
		{1, "-servername a.example.com -verify_hostname a.example.com", []string{"Verify return code: 0 (ok)", "TLSv1.3", "Peer signature type: ECDSA"}},
		{1, "-servername A.Example.COM -sigalgs RSA-PSS+SHA256:RSA+SHA256", []string{"Verify return code: 0 (ok)", "Peer signature type: RSA-PSS"}},
		{1, "-servername a.example.com -tls1_2", []string{"Cipher is ECDHE-ECDSA-", "Extended master secret: yes", "Secure Renegotiation IS supported"}},
		{1, "-servername a.example.com -tls1_2 -cipher ECDHE-RSA-AES256-GCM-SHA384", []string{"Cipher is ECDHE-RSA-AES256-GCM-SHA384"}},
		{1, "-servername a.example.com -tls1_2 -cipher ECDHE-ECDSA-CHACHA20-POLY1305", []string{"Cipher is ECDHE-ECDSA-CHACHA20-POLY1305"}},
		{1, "-servername a.example.com -tls1_2 -cipher ECDHE-RSA-AES128-SHA:AES128-GCM-SHA256", []string{"alert handshake failure"}},
		{1, "-servername a.example.com -tls1_1 -cipher DEFAULT@SECLEVEL=0", []string{"alert protocol version"}},
		{1, "-servername x.b.example.com -verify_hostname x.b.example.com", []string{"Verify return code: 0 (ok)"}},
		{1, "-servername y.x.b.example.com", []string{"alert number 112"}},
		{1, "-servername other.example.com", []string{"unrecognized name", "alert number 112"}},
		{1, "-servername other.example.com -tls1_2", []string{"unrecognized name", "alert number 112"}},
		{1, "-noservername", []string{"Verify return code: 0 (ok)", "Peer signature type: ECDSA"}},
		{1, "-servername a.example.com -alpn h2,http/1.1", []string{"ALPN protocol: http/1.1"}},
		{1, "-servername a.example.com -alpn http/1.0", []string{"ALPN protocol: http/1.0"}},
		{1, "-servername a.example.com -alpn h2", []string{"no application protocol", "alert number 120"}},
		{1, "-servername a.example.com -groups P-384", []string{"secp384r1, 384 bits"}},
		{2, "-servername other.example.com", []string{"Verify return code: 0 (ok)", "CN = a.example.com"}},
		{2, "-servername a.example.com -tls1_2", []string{"alert protocol version"}},
		{3, "-servername a.example.com -alpn h2", []string{"No ALPN negotiated", "Verify return code: 0 (ok)"}},
		{3, "-servername a.example.com -status", []string{"OCSP Response Status: successful", "Cert Status: good"}},
		{3, "-servername a.example.com -status -sigalgs RSA-PSS+SHA256", []string{"OCSP response: no response sent"}},
	} {
		has(t, s.openssl(p, row.port, "", strings.Fields(row.args)...), row.want...)
	}
}

// Go's client agrees on the hybrid key exchange first, and on others if it has to.
func TestSecureChoiceOfKeyExchange(t *testing.T) {
	t.Parallel()
	s, p := chooses(t)
	for _, row := range []struct {
		offers []tls.CurveID
		want   tls.CurveID
	}{
		{nil, tls.X25519MLKEM768},
		{[]tls.CurveID{tls.CurveP384, tls.CurveP256, tls.X25519, tls.X25519MLKEM768}, tls.X25519MLKEM768},
		{[]tls.CurveID{tls.X25519}, tls.X25519},
		{[]tls.CurveID{tls.CurveP256}, tls.CurveP256},
		{[]tls.CurveID{tls.CurveP384}, tls.CurveP384},
	} {
		config := s.trusts("a.example.com")
		config.CurvePreferences = row.offers
		client := p.secures(1, config)
		assert.Equal(t, client.secure().CurveID, row.want)
		assert.Equal(t, client.asksAt("/"), "ok")
	}
	config := s.trusts("a.example.com")
	config.CurvePreferences = []tls.CurveID{tls.CurveP521}
	err := p.refuses(1, config)
	has(t, err.Error(), "handshake failure")
	p.turnsAway("handshake_failed", "key exchange")
}

// turnsAway waits for a line with a reason, past those that ended well, and checks its detail.
func (p *proxy) turnsAway(reason, detail string) entry {
	p.t.Helper()
	line := p.next()
	for line.Reason == "done" {
		line = p.next()
	}
	if line.Reason != reason || !strings.Contains(line.Detail, detail) {
		p.t.Fatalf("the connection ended as %+v, want reason %q and in the detail %q", line, reason, detail)
	}
	return line
}

// What the log says of a handshake: the version, the suite and the name of one that was done, and why another was not.
func TestSecureChoiceInTheLog(t *testing.T) {
	t.Parallel()
	s, p := chooses(t)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		config := s.trusts("A.Example.com")
		config.MaxVersion = version
		client := p.secures(1, config)
		assert.Equal(t, client.asksAt("/"), "ok")
		line := p.ends("done")
		assert.Equal(t, []string{line.SNI, "TLS " + line.TLS, line.Cipher}, []string{"a.example.com", tls.VersionName(version), tls.CipherSuiteName(client.secure().CipherSuite)})
		assert.Equal(t, line.Handshake > 0, true)
	}
	old := &tls.Config{ServerName: "a.example.com", MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}
	h2, strange, suspicious := s.trusts("a.example.com"), s.trusts("other.example.com"), s.trusts("a.example.com")
	h2.NextProtos = []string{"h2"}
	suspicious.RootCAs = x509.NewCertPool()
	weak := s.trusts("a.example.com")
	weak.MaxVersion, weak.CipherSuites = tls.VersionTLS12, []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA}
	for _, row := range []struct {
		config             *tls.Config
		alert              string
		reason, detail, by string
	}{
		{old, "protocol version", "handshake_failed", "no TLS version in common: it offers TLS 1.1, TLS 1.0", "front"},
		{h2, "no application protocol", "handshake_failed", "ALPN", "front"},
		{strange, "unrecognized name", "unknown_name", "no certificate for the name", "front"},
		{suspicious, "unknown authority", "handshake_failed", "refused by the other side", "front"},
		{weak, "handshake failure", "handshake_failed", "no cipher suite in common", "front"},
	} {
		has(t, p.refuses(1, row.config).Error(), row.alert)
		line := p.turnsAway(row.reason, row.detail)
		assert.Equal(t, line.Side, row.by)
		assert.Equal(t, line.SNI, row.config.ServerName)
	}
}

// A client that can verify none of our keys is not one whose certificate is wrong.
func TestSecureChoiceOfNoKey(t *testing.T) {
	t.Parallel()
	tool(t, "openssl")
	s, p := chooses(t)
	for _, port := range []int{1, 3} {
		has(t, s.openssl(p, port, "", "-servername", "a.example.com", "-tls1_3", "-sigalgs", "ed25519"), "alert")
		p.turnsAway("handshake_failed", "signatures")
	}
}
