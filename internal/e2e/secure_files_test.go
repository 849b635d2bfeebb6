package e2e

// Files that change while the proxy runs: certificates, keys, authorities, and the log of keys.

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"testing"
	"time"

	"sluice/internal/assert"
)

// followed has an admin address on port 2, and a tcp listener with the same certificates.
const followed = `
listeners:
  web: {bind: "127.0.0.1:PORT1", tls: {certificates: [DIR/ec.pem, {cert: DIR/rsa.crt, key: DIR/rsa.key}]}, upstream: web}
  raw: {bind: "127.0.0.1:PORT3", protocol: tcp, tls: {certificates: DIR/ec.pem}, upstream: raw}
upstreams: {web: {servers: ["%s"]}, raw: {servers: ["%s"]}}
admin: {bind: "127.0.0.1:PORT2"}
runtime: {loops: 2}
`

// follows starts followed.
func follows(t testing.TB) (s *safe, p *proxy) {
	t.Helper()
	s = opensSafe(t)
	s.put("rsa.crt", s.keeps("rsa", s.root.issuesRSA(t, "a.example.com")).cert())
	return s, s.run(followed, site(t, names("ok")).address, greeter(t, "raw").address())
}

// awaits waits until new connections to port n are shown a certificate.
func (s *safe) awaits(p *proxy, n int, want *paper) {
	p.t.Helper()
	assert.Eventually(p.t, func() bool {
		client := p.secures(n, s.trusts("a.example.com"))
		defer client.Close()
		return bytes.Equal(client.leaf().Raw, want.leaf.Raw)
	})
}

// A new certificate is shown to whoever comes next, on every loop and listener; those who are there notice nothing.
func TestSecureFilesAreFollowed(t *testing.T) {
	t.Parallel()
	s, p := follows(t)
	before := p.secures(1, s.trusts("a.example.com"))
	beforeRaw := p.secures(3, s.trusts("a.example.com"))
	beforeRaw.hears("raw\n")
	assert.Equal(t, before.asksAt("/"), "ok")
	fresh := s.keeps("ec", s.root.issues(t, "a.example.com"))
	s.awaits(p, 1, fresh)
	s.awaits(p, 3, fresh)
	for range 8 { // none of the loops has the old one
		client := p.secures(1, s.trusts("a.example.com"))
		client.shows(fresh)
		assert.Equal(t, client.asksAt("/"), "ok")
	}
	assert.Equal(t, before.asksAt("/"), "ok")
	beforeRaw.says("still here")
	beforeRaw.hears("still here")
	assert.Equal(t, p.logged("level=ERROR"), 0)
}

// refused is the number of files that are broken, as the metrics have it.
func (p *proxy) refused() string {
	p.t.Helper()
	return p.metric(`sluice_certificate_files_refused{listener="web",upstream=""}`)
}

// A broken file is refused: what was good stays, the log says it once, a metric counts it, and both say when it is over.
func TestSecureFilesThatAreBroken(t *testing.T) {
	t.Parallel()
	s, p := follows(t)
	config := s.trusts("a.example.com")
	old := p.secures(1, config)
	assert.Equal(t, p.refused(), "0")
	stale := siteOf("a.example.com")
	stale.NotBefore, stale.NotAfter = time.Now().Add(-48*time.Hour), time.Now().Add(-24*time.Hour)
	past := signed(t, stale, ecKey(t), s.root)
	next := s.root.issues(t, "a.example.com")
	for _, row := range []struct{ text, says string }{
		{"", "ec.pem"},
		{"-----BEGIN CERTIFICATE-----\nbm9uc2Vuc2U=\n-----END CERTIFICATE-----\n", "ec.pem"},
		{next.cert()[:200], "ec.pem"},
		{next.cert(), "ec.pem"},                                   // its key is missing
		{next.cert() + s.root.issues(t, "x").secret(t), "ec.pem"}, // a key of another
		{past.cert() + past.secret(t), "has expired"},             // nobody does that on purpose
	} {
		before := p.logged("level=ERROR", "certificates: ", row.says)
		s.put("ec.pem", row.text)
		assert.Eventually(t, func() bool { return p.logged("level=ERROR", "certificates: ", row.says) > before })
		assert.Equal(t, p.refused(), "1")
		client := p.secures(1, config)
		assert.Equal(t, bytes.Equal(client.leaf().Raw, old.leaf().Raw), true)
		assert.Equal(t, client.asksAt("/"), "ok")
	}
	s.put("ec.pem", next.cert()+next.secret(t))
	s.awaits(p, 1, next)
	assert.Eventually(t, func() bool { return p.refused() == "0" })
	assert.Eventually(t, func() bool { return p.logged("level=INFO", "certificates: ", "ec.pem") > 0 })
	assert.Equal(t, old.asksAt("/"), "ok")
}

// A certificate and a key in two files are replaced one after the other, and a file that is gone comes back: in between the old
// pair is shown.
func TestSecureFilesOneAfterTheOther(t *testing.T) {
	t.Parallel()
	s, p := follows(t)
	config := s.trusts("a.example.com")
	config.MaxVersion, config.CipherSuites = tls.VersionTLS12, []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}
	old := p.secures(1, config).leaf()
	next := signed(t, siteOf("a.example.com"), ecKey(t), s.root) // of another kind, so that the new key does not fit the old certificate
	s.put("rsa.key", next.secret(t))
	assert.Eventually(t, func() bool { return p.refused() == "1" })
	assert.Equal(t, bytes.Equal(p.secures(1, config).leaf().Raw, old.Raw), true)
	assert.NoError(t, os.Remove(s.path("rsa.crt")))
	assert.Eventually(t, func() bool { return p.logged("level=ERROR", "rsa.crt: no such file") > 0 })
	assert.Equal(t, bytes.Equal(p.secures(1, config).leaf().Raw, old.Raw), true)
	s.keeps("rsa", s.root.issuesRSA(t, "a.example.com"))
	last := s.root.issuesRSA(t, "a.example.com")
	s.put("rsa.key", last.secret(t))
	s.put("rsa.crt", last.cert())
	assert.Eventually(t, func() bool { return bytes.Equal(p.secures(1, config).leaf().Raw, last.leaf.Raw) })
	assert.Eventually(t, func() bool { return p.refused() == "0" })
}

// Metrics and status know until when certificates are good.
func TestSecureFilesInMetricsAndStatus(t *testing.T) {
	t.Parallel()
	s, p := follows(t)
	client := p.secures(1, s.trusts("a.example.com"))
	series := fmt.Sprintf(`sluice_certificate_not_after_seconds{listener="web",upstream="",certificate="1",file="%s",name="a.example.com"}`, s.path("ec.pem"))
	assert.Equal(t, number(t, p.metric(series)), client.leaf().NotAfter.Unix())
	out, _, status := sluice(t, "status", "-c", p.dir+"/sluice.yaml")
	assert.Equal(t, status, 0)
	has(t, out, "ec.pem", "a.example.com", "GOOD FOR", "89d", "listener web")
	soon := siteOf("a.example.com")
	soon.NotBefore, soon.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(50*time.Hour).Truncate(time.Second)
	next := s.keeps("ec", signed(t, soon, ecKey(t), s.root))
	s.awaits(p, 1, next)
	assert.Eventually(t, func() bool { return number(t, p.metric(series)) == soon.NotAfter.Unix() })
	assert.Eventually(t, func() bool { return p.logged("level=WARN", "expires in less than 3 days") > 0 })
}

// number is a metric's value as a number.
func number(t testing.TB, value string) int64 {
	t.Helper()
	var f float64
	_, err := fmt.Sscan(value, &f)
	assert.NoError(t, err)
	return int64(f)
}

// The log of keys is there only for who asks for it; it is announced loudly, and is for its owner only. What is in it fits what
// clients say of the same connections.
func TestSecureKeyLog(t *testing.T) {
	t.Parallel()
	s := opensSafe(t)
	path := s.path("keys.log")
	p := s.run(strings.Replace(shop, "loops: 2", "loops: 2, key_log: DIR/keys.log", 1), site(t, names("ok")).address, greeter(t, "raw").address())
	assert.Equal(t, p.logged("level=WARN", "THE SECRETS OF ALL TLS CONNECTIONS ARE WRITTEN HERE"), 1)
	var mine bytes.Buffer
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		config := s.trusts("a.example.com")
		config.MaxVersion, config.KeyLogWriter = version, &mine
		assert.Equal(t, p.secures(1, config).asksAt("/"), "ok")
		p.secures(2, config).hears("raw\n")
	}
	theirs := textOf(t, path)
	for _, kind := range []string{"CLIENT_RANDOM ", "CLIENT_HANDSHAKE_TRAFFIC_SECRET ", "SERVER_TRAFFIC_SECRET_0 "} {
		assert.Equal(t, strings.Count(theirs, kind), 2)
	}
	for line := range strings.Lines(mine.String()) {
		has(t, theirs, line)
	}
	info, err := os.Stat(path)
	assert.NoError(t, err)
	assert.Equal(t, info.Mode().Perm(), fs.FileMode(0o600))

	s = opensSafe(t)
	p = s.run(shop, site(t, names("ok")).address, greeter(t, "raw").address())
	assert.Equal(t, p.secures(1, s.trusts("a.example.com")).asksAt("/"), "ok")
	assert.Equal(t, p.stderr.has("SECRETS"), false)
	_, err = os.Stat(s.path("keys.log"))
	assert.Equal(t, errors.Is(err, os.ErrNotExist), true)
}

// What is wrong with files is said before the proxy starts, all of it, by name.
func TestSecureFilesAreCheckedAtTheStart(t *testing.T) {
	t.Parallel()
	s := opensSafe(t)
	s.put("ec.key", s.root.issues(t, "x").secret(t))
	s.put("rsa.pem", "nonsense")
	config := writeFile(t, t.TempDir()+"/sluice.yaml", s.fills(strings.Replace(shop, "DIR/ec.pem", "{cert: DIR/ec.pem, key: DIR/ec.key}", 1), "127.0.0.1:1", "127.0.0.1:1"))
	config = writeFile(t, config, strings.NewReplacer("PORT1", "1", "PORT2", "2").Replace(textOf(t, config)))
	for _, verb := range []string{"check", "run"} {
		_, errs, status := sluice(t, verb, "-c", config)
		assert.Equal(t, status, 1)
		has(t, errs, "ec.key", "rsa.pem")
	}
}
