package certs

import (
	"crypto/tls"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"sluice/configs"
	"sluice/internal/assert"
)

// What is spoken, and what not.
func TestParameters(t *testing.T) {
	root := newCA(t, "root", nil)
	dir := t.TempDir()
	o := Options{TLS: served(root.site(t, "", "a.test").files(t, dir, "ec"), root.site(t, "RSA", "a.test").files(t, dir, "rsa")), NextProtos: []string{"h2", "http/1.1"}}
	s := open(t, o)
	client := func(change func(*tls.Config)) meeting {
		c := trusting(root, "a.test")
		change(c)
		return meet(t, s.Config(), c)
	}
	m := client(func(c *tls.Config) { c.NextProtos = []string{"http/1.1", "h2"} })
	assert.NoError(t, m.clientErr)
	assert.Equal(t, m.client.Version, uint16(tls.VersionTLS13))
	assert.Equal(t, m.client.CurveID, tls.X25519MLKEM768)
	assert.Equal(t, m.client.NegotiatedProtocol, "h2")
	for _, group := range []tls.CurveID{tls.X25519, tls.CurveP256, tls.CurveP384} {
		m = client(func(c *tls.Config) { c.CurvePreferences = []tls.CurveID{group} })
		assert.NoError(t, m.clientErr)
		assert.Equal(t, m.client.CurveID, group)
	}
	m = client(func(c *tls.Config) { c.CurvePreferences = []tls.CurveID{tls.CurveP521} })
	assert.Equal(t, Explain(m.servErr), "no key exchange in common")
	m = client(func(c *tls.Config) { c.NextProtos = []string{"smtp"} })
	assert.Equal(t, Explain(m.servErr), `no ALPN protocol in common (["smtp"])`)
	has(t, Explain(m.clientErr), "no ALPN protocol in common (no application protocol)")

	m = client(func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 })
	assert.NoError(t, m.clientErr)
	assert.Equal(t, m.client.CipherSuite, tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256)
	for _, suite := range suites {
		m = client(func(c *tls.Config) { c.MaxVersion, c.CipherSuites = tls.VersionTLS12, []uint16{suite} })
		assert.NoError(t, m.clientErr)
	}
	for _, suite := range append(tls.InsecureCipherSuites(), tls.CipherSuites()...) {
		if strings.Contains(suite.Name, "_CBC_") || strings.HasPrefix(suite.Name, "TLS_RSA_") {
			m = client(func(c *tls.Config) { c.MaxVersion, c.CipherSuites = tls.VersionTLS12, []uint16{suite.ID} })
			if m.servErr == nil {
				t.Errorf("%s is spoken", suite.Name)
			}
		}
	}
	m = client(func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 })
	assert.Equal(t, Explain(m.servErr), "no TLS version in common: it offers TLS 1.1, TLS 1.0")
	has(t, Explain(m.clientErr), "no TLS version in common (protocol version not supported)")

	o.TLS.MinVersion = "1.3"
	s = open(t, o)
	m = client(func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 })
	assert.Equal(t, Explain(m.servErr), "no TLS version in common: it offers TLS 1.2")
	assert.NoError(t, client(func(*tls.Config) {}).clientErr)
}

// NewStore says everything that is wrong at once.
func TestNothingBeginsBroken(t *testing.T) {
	root := newCA(t, "root", nil)
	dir := t.TempDir()
	a, b := root.site(t, "", "a.test").files(t, dir, "a"), root.site(t, "", "b.test").files(t, dir, "b")
	o := Options{TLS: served(a, configs.Certificate{Cert: a.Cert, Key: b.Key}, configs.Certificate{Cert: filepath.Join(dir, "none"), Key: b.Key})}
	o.TLS.ClientAuth, o.TLS.ClientCA = "require", b.Key
	o.TLS.OCSP, o.TLS.TicketKeys = a.Cert, a.Cert
	_, err := NewStore(o)
	if err == nil {
		t.Fatal("no error")
	}
	lines := strings.Split(err.Error(), "\n")
	assert.Equal(t, len(lines), 5)
	for i, want := range []string{b.Key + " does not belong to the certificate", filepath.Join(dir, "none") + ": no such file or directory", b.Key + " holds no certificate",
		a.Cert + " is PEM", a.Cert + " is not a key for tickets"} {
		has(t, lines[i], want)
	}
	o.TLS.ClientAuth = "none" // then what is named for clients is not read
	o.TLS.Certificates, o.TLS.OCSP, o.TLS.TicketKeys = o.TLS.Certificates[:1], "", ""
	s, err := NewStore(o)
	assert.NoError(t, err)
	s.Close()
	s.Close()
}

// Files change, connections stay, and what is broken is told and not used.
func TestFilesAreFollowed(t *testing.T) {
	t.Parallel()
	root := newCA(t, "root", nil)
	dir := t.TempDir()
	one, two := root.site(t, "", "a.test", "one.test"), root.site(t, "RSA", "a.test", "two.test")
	var told journal
	s, err := NewStore(Options{TLS: served(one.files(t, dir, "a")), Watch: told.watch(nil)})
	assert.NoError(t, err)
	defer s.Close()
	shown := func() string { return s.Certificates()[0].Names[1] }
	becomes := func(want string) {
		t.Helper()
		begun := time.Now()
		assert.Eventually(t, func() bool { return shown() == want })
		if took := time.Since(begun); took > 4*time.Second {
			t.Fatalf("noticed after %v: that was not the kernel", took)
		}
		assert.Equal(t, meet(t, s.Config(), trusting(root, "a.test")).peer(t).DNSNames[1], want)
	}
	becomes("one.test")
	near, far := transport(t)
	old, away := tls.Server(far, s.Config()), tls.Client(near, trusting(root, "a.test"))
	var greeting sync.WaitGroup
	greeting.Go(func() { assert.NoError(t, away.Handshake()) })
	assert.NoError(t, old.Handshake())
	greeting.Wait()

	key := filepath.Join(dir, "a.key")
	put(t, filepath.Join(dir, "a.pem"), two.chain()) // its key is still on its way
	told.expect(t, "trouble: "+key+" does not belong to the certificate")
	becomes("one.test")
	assert.Equal(t, s.Refused(), 1)
	put(t, key, two.pkcs8(t))
	told.expect(t, "recovered: "+key)
	becomes("two.test")
	assert.Equal(t, s.Refused(), 0)

	assert.NoError(t, os.WriteFile(key, []byte("nonsense"), 0o600)) // in place
	told.expect(t, "trouble: "+key+" holds no private key: it is not PEM")
	assert.NoError(t, os.Remove(key))
	told.expect(t, "trouble: "+key+": no such file or directory")
	becomes("two.test")
	one.files(t, dir, "a")
	told.expect(t, "recovered: "+key)
	becomes("one.test")

	sends := func(from, to io.ReadWriter) {
		_, err := from.Write([]byte("x"))
		assert.NoError(t, err)
		_, err = io.ReadFull(to, make([]byte, 1))
		assert.NoError(t, err)
	}
	sends(old, away)
	sends(away, old)
	assert.Equal(t, away.ConnectionState().PeerCertificates[0].Equal(one.cert), true)
	assert.Equal(t, told.take(), "")
}

// What Kubernetes does to a Secret: all files are reached through one link, and that is swapped.
func TestSymlinkSwap(t *testing.T) {
	t.Parallel()
	root := newCA(t, "root", nil)
	dir := t.TempDir()
	generation := func(name string, id *identity) {
		assert.NoError(t, os.Mkdir(filepath.Join(dir, name), 0o700))
		id.files(t, filepath.Join(dir, name), "tls")
		assert.NoError(t, os.Symlink(name, filepath.Join(dir, "..data_tmp")))
		assert.NoError(t, os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")))
	}
	generation("..one", root.site(t, "", "one.test"))
	c := configs.Certificate{Cert: filepath.Join(dir, "tls.pem"), Key: filepath.Join(dir, "tls.key")}
	assert.NoError(t, os.Symlink("..data/tls.pem", c.Cert))
	assert.NoError(t, os.Symlink("..data/tls.key", c.Key))
	var told journal
	s, err := NewStore(Options{TLS: served(c), Watch: told.watch(nil)})
	assert.NoError(t, err)
	defer s.Close()
	for _, name := range []string{"two", "three"} {
		generation(".."+name, root.site(t, "", name+".test"))
		assert.Eventually(t, func() bool { return s.Certificates()[0].Names[0] == name+".test" })
	}
	assert.Equal(t, told.take(), "") // at no moment did the key not belong to the certificate
}

// Each stage on the way to expiry is told once, and renewing ends it.
func TestExpiryIsToldInStages(t *testing.T) {
	root := newCA(t, "root", nil)
	dir := t.TempDir()
	now := newClock(time.Now())
	var told journal
	site := template("a.test")
	site.NotAfter = now.now().Add(30 * day)
	c := sign(t, site, newKey(t, ""), root).files(t, dir, "a")
	s := open(t, Options{TLS: served(c), Watch: told.watch(now)})
	end := s.Certificates()[0].NotAfter.UTC().Format(time.RFC3339)
	for _, step := range []struct {
		after time.Duration
		want  string
	}{
		{0, ""},
		{15 * day, ""},
		{day + time.Hour, "trouble: " + c.Cert + ": the certificate of a.test expires in less than 14 days, at " + end},
		{time.Hour, ""},
		{11 * day, "trouble: " + c.Cert + ": the certificate of a.test expires in less than 3 days, at " + end},
		{day, ""},
		{2 * day, "trouble: " + c.Cert + ": the certificate of a.test has expired, at " + end},
		{day, ""},
	} {
		now.advance(step.after)
		s.look()
		assert.Equal(t, told.take(), step.want)
	}
	assert.Equal(t, s.Refused(), 0) // it is shown all the same
	later := template("a.test")
	later.NotBefore, later.NotAfter = now.now().Add(time.Minute), now.now().Add(99*day)
	sign(t, later, newKey(t, ""), root).files(t, dir, "a")
	s.look()
	has(t, told.take(), "trouble: "+c.Cert+": the certificate of a.test is not valid before ")
	now.advance(time.Hour)
	s.look()
	assert.Equal(t, told.take(), "recovered: "+c.Cert)
}

// Who begins in the last stage hears that one only.
func TestExpiryAtStart(t *testing.T) {
	root := newCA(t, "root", nil)
	dir := t.TempDir()
	var told journal
	site := template("a.test")
	site.NotAfter = time.Now().Add(time.Hour)
	open(t, Options{TLS: served(sign(t, site, newKey(t, ""), root).files(t, dir, "a")), Watch: told.watch(nil)})
	has(t, told.take(), "expires in less than 3 days")
	assert.Equal(t, told.take(), "")
}

// An expired certificate does not take the place of a good one; at the start there is nothing better.
func TestExpiredReplacementIsRefused(t *testing.T) {
	root := newCA(t, "root", nil)
	dir := t.TempDir()
	good := root.site(t, "", "good.test")
	late := template("late.test")
	late.NotBefore, late.NotAfter = time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour)
	bad := sign(t, late, newKey(t, ""), root)
	var told journal
	o := Options{TLS: served(good.files(t, dir, "a")), Watch: told.watch(nil)}
	s := open(t, o)
	bad.files(t, dir, "a")
	s.look()
	has(t, told.take(), "trouble: "+o.TLS.Certificates[0].Cert+": the new certificate has expired, at ")
	assert.Equal(t, s.Certificates()[0].Names[0], "good.test")
	assert.Equal(t, open(t, o).Certificates()[0].Names[0], "late.test")
	has(t, told.take(), "has expired, at ")
}

// Handshakes go on while everything changes under them.
func TestHandshakesDuringChanges(t *testing.T) {
	root := newCA(t, "root", nil)
	dir := t.TempDir()
	ids := []*identity{root.site(t, "", "a.test"), root.site(t, "RSA", "a.test")}
	now := newClock(time.Now())
	s := open(t, Options{TLS: served(ids[0].files(t, dir, "a")), Watch: Watch{Now: now.now}})
	client := remembers(trusting(root, "a.test"))
	done := make(chan struct{})
	var all sync.WaitGroup
	for range 2 {
		all.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if m := meet(t, s.Config(), client); m.clientErr != nil || m.servErr != nil {
					t.Errorf("%v, %v", m.clientErr, m.servErr)
					return
				}
				s.Certificates()
			}
		})
	}
	for i := range 40 {
		ids[i%2].files(t, dir, "a")
		now.advance(ticketEpoch / 2)
		s.look()
	}
	close(done)
	all.Wait()
}

// The configuration is the same for as long as the Store lives: listeners keep it.
func TestConfigStays(t *testing.T) {
	root := newCA(t, "root", nil)
	dir := t.TempDir()
	s := open(t, Options{TLS: served(root.site(t, "", "a.test").files(t, dir, "a"))})
	before := s.Config()
	root.site(t, "", "b.test").files(t, dir, "a")
	s.look()
	assert.Equal(t, s.Config() == before, true)
	assert.Equal(t, commonName(meet(t, before, trusting(root, "b.test")).peer(t)), "b.test")
}
