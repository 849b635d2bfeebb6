package certs

import (
	"crypto/tls"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sluice/configs"
	"sluice/internal/assert"
)

// origin is the server behind the proxy.
func origin(id *identity, change ...func(*tls.Config)) *tls.Config {
	present := tls.Certificate{Certificate: [][]byte{id.cert.Raw}, PrivateKey: id.key}
	for _, above := range id.above {
		present.Certificate = append(present.Certificate, above.Raw)
	}
	c := &tls.Config{Certificates: []tls.Certificate{present}}
	for _, f := range change {
		f(c)
	}
	return c
}

func TestServersAreVerified(t *testing.T) {
	versionsOf(t, func(t *testing.T, version uint16) {
		root, stranger := newCA(t, "root", nil), newCA(t, "stranger", nil)
		ca := put(t, filepath.Join(t.TempDir(), "ca.pem"), root.chain())
		app := root.site(t, "", "app.test", "10.0.0.1", "::1")
		late := template("app.test")
		late.NotBefore, late.NotAfter = time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour)
		early := template("app.test")
		early.NotBefore = time.Now().Add(time.Hour)
		names := root.site(t, "", "a.test", "b.test", "c.test", "d.test", "e.test", "f.test")
		for _, c := range []struct {
			tls    configs.UpstreamTLS
			host   string
			server *identity
			want   string
		}{
			{configs.UpstreamTLS{CA: ca, Verify: true}, "app.test", app, ""},
			{configs.UpstreamTLS{CA: ca, Verify: true}, "App.Test.", app, ""},
			{configs.UpstreamTLS{CA: ca, Verify: true}, "10.0.0.1", app, ""},
			{configs.UpstreamTLS{CA: ca, Verify: true}, "[::1]", app, ""},
			{configs.UpstreamTLS{CA: ca, Verify: true, ServerName: "app.test"}, "10.0.0.2", app, ""},
			{configs.UpstreamTLS{CA: ca, Verify: true}, "10.0.0.2", app, "certificate for a wrong name: wanted 10.0.0.2, it has app.test, 10.0.0.1, ::1"},
			{configs.UpstreamTLS{CA: ca, Verify: true}, "app.test", names, "wanted app.test, it has a.test, b.test, c.test, d.test and 2 more"},
			{configs.UpstreamTLS{CA: ca, Verify: true}, "root", root, "only a common name, which does not count"},
			{configs.UpstreamTLS{CA: ca, Verify: true}, "app.test", stranger.site(t, "", "app.test"), "certificate of an unknown authority: CN=stranger"},
			{configs.UpstreamTLS{Verify: true}, "app.test", app, "certificate of an unknown authority: CN=root"},
			{configs.UpstreamTLS{CA: ca, Verify: true}, "app.test", sign(t, late, newKey(t, ""), root), "certificate expired since "},
			{configs.UpstreamTLS{CA: ca, Verify: true}, "app.test", sign(t, early, newKey(t, ""), root), "certificate not valid before "},
			{configs.UpstreamTLS{CA: ca, Verify: true}, "", app, "no name to verify: set tls.server_name"},
			{configs.UpstreamTLS{}, "whatever", stranger, ""},
		} {
			u, err := openUpstream(UpstreamOptions{TLS: c.tls})
			assert.NoError(t, err)
			m := meet(t, origin(c.server, func(s *tls.Config) { s.MaxVersion = version }), u.Peer(c.host).Config())
			if c.want == "" {
				assert.NoError(t, m.clientErr)
				continue
			}
			has(t, Explain(m.clientErr), c.want)
		}
	})
}

// The proxy shows its own certificate, and a new one as soon as it is there: to new connections, and not with old sessions.
func TestOwnCertificate(t *testing.T) {
	versionsOf(t, func(t *testing.T, version uint16) {
		root := newCA(t, "root", nil)
		dir := t.TempDir()
		one, two := newCA(t, "intermediate", root).site(t, "", "one"), root.site(t, "RSA", "two")
		c := one.files(t, dir, "own")
		var told journal
		u, err := openUpstream(UpstreamOptions{Watch: told.watch(nil), NextProtos: []string{"http/1.1"},
			TLS: configs.UpstreamTLS{Cert: c.Cert, Key: c.Key, CA: put(t, filepath.Join(dir, "ca.pem"), root.chain()), Verify: true}})
		assert.NoError(t, err)
		server := origin(root.site(t, "", "app.test"), func(s *tls.Config) {
			s.ClientAuth, s.ClientCAs, s.MaxVersion, s.NextProtos = tls.RequireAndVerifyClientCert, pool(root), version, []string{"http/1.1"}
		})
		peer := u.Peer("app.test")
		seen := func(p *Peer) (string, bool) {
			m := meet(t, server, p.Config())
			assert.NoError(t, m.servErr)
			assert.Equal(t, m.client.NegotiatedProtocol, "http/1.1")
			return commonName(m.server.PeerCertificates[0]), m.server.DidResume
		}
		check := func(p *Peer, who string, resumed bool) {
			t.Helper()
			gotWho, gotResumed := seen(p)
			assert.Equal(t, gotWho, who)
			assert.Equal(t, gotResumed, resumed)
		}
		check(peer, "one", false)
		check(peer, "one", true)
		check(u.Peer("app.test"), "one", false) // another server, of the same name
		assert.Equal(t, peer.Config() == peer.Config(), true)
		before := peer.Config()
		two.files(t, dir, "own")
		u.look()
		assert.Equal(t, peer.Config() != before, true)
		check(peer, "two", false)
		check(peer, "two", true)
		assert.Equal(t, u.Certificates()[0].Names[0], "two")

		put(t, c.Key, "broken")
		u.look()
		has(t, told.take(), "trouble: "+c.Key+" holds no private key")
		assert.Equal(t, u.Refused(), 1)
		check(peer, "two", true)

		// A server that does not know our authority says so.
		server.ClientCAs = pool(newCA(t, "other", nil))
		has(t, Explain(meet(t, server, u.Peer("app.test").Config()).clientErr), "refused by the other side: ")
	})
}

func TestUpstreamFilesAreFollowed(t *testing.T) {
	t.Parallel()
	one, two := newCA(t, "one", nil), newCA(t, "two", nil)
	ca := put(t, filepath.Join(t.TempDir(), "ca.pem"), one.chain())
	u, err := NewUpstream(UpstreamOptions{TLS: configs.UpstreamTLS{CA: ca, Verify: true}})
	assert.NoError(t, err)
	defer u.Close()
	peer, server := u.Peer("app.test"), origin(two.site(t, "", "app.test"))
	has(t, Explain(meet(t, server, peer.Config()).clientErr), "unknown authority")
	put(t, ca, one.chain()+two.chain())
	assert.Eventually(t, func() bool { return meet(t, server, peer.Config()).clientErr == nil })
	assert.Equal(t, len(u.Certificates()), 0)
	_, err = NewUpstream(UpstreamOptions{TLS: configs.UpstreamTLS{CA: ca + ".none"}})
	has(t, err.Error(), ca+".none: no such file or directory")
}

func TestPeerConfigAllocates(t *testing.T) {
	u, err := openUpstream(UpstreamOptions{})
	assert.NoError(t, err)
	peer := u.Peer("app.test")
	assert.Allocs(t, 0, func() { peer.Config() })
	u.Close() // nothing is followed, nothing to end
}

// The log is for its owner, is appended to, and is never quiet.
func TestKeyLog(t *testing.T) {
	root := newCA(t, "root", nil)
	dir := t.TempDir()
	path := filepath.Join(dir, "keys.log")
	var told journal
	w := told.watch(nil)
	for round := range 2 {
		file, err := OpenKeyLog(path, w.Trouble)
		assert.NoError(t, err)
		has(t, told.take(), "trouble: "+path+": THE SECRETS OF ALL TLS CONNECTIONS")
		s := open(t, Options{TLS: served(root.site(t, "", "a.test").files(t, dir, "a")), Watch: Watch{KeyLog: file}})
		u, err := openUpstream(UpstreamOptions{TLS: configs.UpstreamTLS{}, Watch: Watch{KeyLog: file}})
		assert.NoError(t, err)
		assert.NoError(t, meet(t, s.Config(), trusting(root, "a.test")).clientErr)
		assert.NoError(t, meet(t, origin(root), u.Peer("a.test").Config()).clientErr)
		assert.NoError(t, file.Close())
		text, err := os.ReadFile(path)
		assert.NoError(t, err)
		assert.Equal(t, strings.Count(string(text), "CLIENT_TRAFFIC_SECRET_0 "), 2*(round+1))
	}
	info, err := os.Stat(path)
	assert.NoError(t, err)
	assert.Equal(t, info.Mode().Perm(), os.FileMode(0o600))
	_, err = OpenKeyLog(dir, w.Trouble)
	assert.Equal(t, err != nil, true)
}
