package certs

import (
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"path/filepath"
	"testing"
	"time"

	"sluice/configs"
	"sluice/internal/assert"
)

// list makes a revocation list; a zero next is in an hour.
func (id *identity) list(t testing.TB, next time.Time, extra []pkix.Extension, revoked ...*identity) string {
	t.Helper()
	if next.IsZero() {
		next = time.Now().Add(time.Hour)
	}
	template := &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: next.Add(-2 * time.Hour), NextUpdate: next, ExtraExtensions: extra}
	for _, r := range revoked {
		template.RevokedCertificateEntries = append(template.RevokedCertificateEntries,
			x509.RevocationListEntry{SerialNumber: r.cert.SerialNumber, RevocationTime: next.Add(-3 * time.Hour)})
	}
	der, err := x509.CreateRevocationList(rand.Reader, template, id.cert, id.key)
	assert.NoError(t, err)
	return block("X509 CRL", der)
}

// shows lets a client show a certificate to whoever asks.
func shows(c *tls.Config, id *identity) *tls.Config {
	present := &tls.Certificate{Certificate: [][]byte{id.cert.Raw}, PrivateKey: id.key}
	for _, above := range id.above {
		present.Certificate = append(present.Certificate, above.Raw)
	}
	c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return present, nil }
	return c
}

func TestClientAuth(t *testing.T) {
	versionsOf(t, func(t *testing.T, version uint16) {
		root, strangers := newCA(t, "root", nil), newCA(t, "strangers", nil)
		inter := newCA(t, "intermediate", root)
		dir := t.TempDir()
		o := Options{TLS: served(root.site(t, "", "a.test").files(t, dir, "a"))}
		o.TLS.ClientCA = put(t, filepath.Join(dir, "ca.pem"), root.chain())
		late := template("late")
		late.NotAfter, late.NotBefore = time.Now().Add(-time.Minute), time.Now().Add(-time.Hour)
		servers := template("server")
		servers.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
		for _, c := range []struct {
			auth       string
			id         *identity
			want, seen string
		}{
			{"none", root.site(t, "", "me"), "", ""},
			{"optional", nil, "", ""},
			{"optional", root.site(t, "", "me"), "", "me"},
			{"optional", inter.site(t, "RSA", "me"), "", "me"},
			{"optional", strangers.site(t, "", "me"), "certificate of an unknown authority: CN=strangers", ""},
			{"require", nil, "it showed no certificate, and one is required", ""},
			{"require", root.site(t, "Ed25519", "me"), "", "me"},
			{"require", strangers, "certificate of an unknown authority: it is self-signed (strangers)", ""},
			{"require", sign(t, late, newKey(t, ""), root), "certificate expired since " + late.NotAfter.UTC().Format(time.RFC3339) + " (late)", ""},
			{"require", sign(t, servers, newKey(t, ""), root), "certificate not for this use (server)", ""},
		} {
			o.TLS.ClientAuth = c.auth
			client := trusting(root, "a.test")
			client.MaxVersion = version
			if c.id != nil {
				client = shows(client, c.id)
			}
			m := meet(t, open(t, o).Config(), client)
			if c.want != "" {
				has(t, Explain(m.servErr), c.want)
				has(t, Explain(m.clientErr), "refused by the other side: ")
				continue
			}
			assert.NoError(t, m.servErr)
			assert.NoError(t, m.clientErr)
			seen := ""
			if len(m.server.PeerCertificates) > 0 {
				seen = commonName(m.server.PeerCertificates[0])
			}
			assert.Equal(t, seen, c.seen)
		}
	})
}

// Who is revoked while a session is remembered is refused when it is resumed.
func TestRevokedIsRefusedOnResumption(t *testing.T) {
	versionsOf(t, func(t *testing.T, version uint16) {
		root := newCA(t, "root", nil)
		inter := newCA(t, "intermediate", root)
		dir := t.TempDir()
		o := Options{TLS: served(root.site(t, "", "a.test").files(t, dir, "a"))}
		o.TLS.ClientAuth = "require"
		o.TLS.ClientCA = put(t, filepath.Join(dir, "ca.pem"), root.chain()+block("CERTIFICATE", inter.cert.Raw))
		crl := filepath.Join(dir, "crl.pem")
		o.TLS.ClientCRL = put(t, crl, root.list(t, time.Time{}, nil))
		s := open(t, o)
		me, other := inter.site(t, "", "me"), inter.site(t, "", "other")
		mine, theirs := remembers(shows(trusting(root, "a.test"), me)), remembers(shows(trusting(root, "a.test"), other))
		mine.MaxVersion, theirs.MaxVersion = version, version
		assert.NoError(t, meet(t, s.Config(), theirs).servErr)
		assert.NoError(t, meet(t, s.Config(), mine).servErr)
		m := meet(t, s.Config(), mine)
		assert.NoError(t, m.servErr)
		assert.Equal(t, m.server.DidResume, true)

		put(t, crl, root.list(t, time.Time{}, nil)+inter.list(t, time.Time{}, nil, me))
		s.look()
		m = meet(t, s.Config(), mine)
		has(t, Explain(m.servErr), "certificate of me (serial ", ") is revoked by CN=intermediate")
		assert.Equal(t, m.server.DidResume, true)
		has(t, Explain(m.clientErr), "it did not take our certificate (bad certificate)")
		m = meet(t, s.Config(), theirs)
		assert.NoError(t, m.servErr)
		assert.Equal(t, m.server.DidResume, true)

		put(t, crl, root.list(t, time.Time{}, nil, inter)) // the authority itself
		s.look()
		has(t, Explain(meet(t, s.Config(), theirs).servErr), "certificate of intermediate (serial ")
	})
}

// Tickets of one listener's clients open nothing where other authorities count, even with the same secrets.
func TestTicketsStayWithTheirAuthorities(t *testing.T) {
	versionsOf(t, func(t *testing.T, version uint16) {
		root, one, two := newCA(t, "root", nil), newCA(t, "one", nil), newCA(t, "two", nil)
		dir := t.TempDir()
		o := Options{TLS: served(root.site(t, "", "a.test").files(t, dir, "a")), Tickets: NewTickets()}
		o.TLS.ClientAuth = "optional"
		o.TLS.ClientCA = put(t, filepath.Join(dir, "one.pem"), one.chain())
		first := open(t, o)
		o.TLS.ClientCA = put(t, filepath.Join(dir, "both.pem"), two.chain()+one.chain())
		second := open(t, o)
		o.TLS.ClientCA = put(t, filepath.Join(dir, "same.pem"), "again\n"+one.chain()+one.chain())
		third := open(t, o)
		client := remembers(shows(trusting(root, "a.test"), one.site(t, "", "me")))
		client.MaxVersion = version
		meet(t, first.Config(), client)
		assert.Equal(t, meet(t, third.Config(), client).server.DidResume, true)
		assert.Equal(t, meet(t, second.Config(), client).server.DidResume, false)
		assert.Equal(t, meet(t, second.Config(), client).server.DidResume, true)
		assert.Equal(t, meet(t, first.Config(), client).server.DidResume, false)
	})
}

func TestListMistakes(t *testing.T) {
	root, stranger := newCA(t, "root", nil), newCA(t, "stranger", nil)
	impostor := newCA(t, "root", nil)
	delta := []pkix.Extension{{Id: oidDelta, Critical: true, Value: []byte{2, 1, 1}}}
	odd := []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 2, 3}, Critical: true, Value: []byte{5, 0}}}
	distribution := func(value ...byte) []pkix.Extension {
		return []pkix.Extension{{Id: oidDistribution, Critical: true, Value: value}}
	}
	for want, crl := range map[string]string{
		"crl.pem holds no revocation list, but a block named CERTIFICATE":                 root.chain(),
		"crl.pem: the list of CN=root is not signed by it":                                impostor.list(t, time.Time{}, nil),
		"crl.pem: the list of CN=root is a delta list":                                    root.list(t, time.Time{}, delta),
		"crl.pem: the list of CN=root has a critical extension that is not known: 1.2.3":  root.list(t, time.Time{}, odd),
		"crl.pem: the list of CN=root is for some reasons only":                           root.list(t, time.Time{}, distribution(0x30, 4, 0x83, 2, 1, 6)),
		"crl.pem: the list of CN=root is for some reasons only, or for other issuers: a ": root.list(t, time.Time{}, distribution(0x30, 3, 0x84, 1, 0xff)),
	} {
		_, err := parseClients([]string{"ca.pem", "crl.pem"}, []string{root.chain(), crl})
		if err == nil {
			t.Fatalf("no error, want %q", want)
		}
		has(t, err.Error(), want)
	}
	c, err := parseClients([]string{"ca.pem", "crl.pem"}, []string{root.chain(), stranger.list(t, time.Time{}, nil)})
	assert.NoError(t, err)
	assert.Equal(t, c.warnings(time.Now())[0].Error(), "the list of CN=stranger revokes nothing: client_ca has no certificate of who has issued it")
	// One of both of the same name has signed it; a list for users' certificates only is as good as any.
	c, err = parseClients([]string{"ca.pem", "crl.pem"}, []string{impostor.chain() + root.chain(), root.list(t, time.Time{}, distribution(0x30, 3, 0x81, 1, 0xff), stranger)})
	assert.NoError(t, err)
	me := tls.ConnectionState{VerifiedChains: [][]*x509.Certificate{{stranger.cert, root.cert}}}
	assert.Equal(t, c.verify(me) != nil, true)
	me.VerifiedChains = [][]*x509.Certificate{{stranger.cert, impostor.cert}} // the same serial number of another authority
	assert.NoError(t, c.verify(me))
	me.VerifiedChains = append(me.VerifiedChains, []*x509.Certificate{stranger.cert, root.cert}) // one way is enough to refuse
	assert.Equal(t, c.verify(me) != nil, true)
	assert.NoError(t, c.verify(tls.ConnectionState{}))
}

// A list that is out of date is still believed, with a warning.
func TestOldLists(t *testing.T) {
	root := newCA(t, "root", nil)
	dir := t.TempDir()
	now := newClock(time.Now())
	var told journal
	o := Options{TLS: served(root.site(t, "", "a.test").files(t, dir, "a")), Watch: told.watch(now)}
	o.TLS.ClientAuth = "optional"
	o.TLS.ClientCA = put(t, filepath.Join(dir, "ca.pem"), root.chain())
	me := root.site(t, "", "me")
	o.TLS.ClientCRL = put(t, filepath.Join(dir, "crl.pem"), root.list(t, time.Time{}, nil, me))
	s := open(t, o)
	assert.Equal(t, told.take(), "")
	now.advance(2 * time.Hour)
	s.look()
	has(t, told.take(), "trouble: "+o.TLS.ClientCRL+": the list of CN=root is out of date since ")
	s.look()
	assert.Equal(t, told.take(), "")
	assert.Equal(t, s.Refused(), 0)
	has(t, Explain(meet(t, s.Config(), shows(trusting(root, "a.test"), me)).servErr), "is revoked")
	put(t, o.TLS.ClientCRL, root.list(t, now.now().Add(time.Hour), nil))
	s.look()
	assert.Equal(t, told.take(), "recovered: "+o.TLS.ClientCRL)
	assert.NoError(t, meet(t, s.Config(), shows(trusting(root, "a.test"), me)).servErr)
	put(t, o.TLS.ClientCRL, root.list(t, now.now().Add(9*time.Hour), nil))
	s.look()
	has(t, told.take(), "the list of CN=root is from the future: ")
}

// Everything may be in one file, and is renewed with it.
func TestOneFile(t *testing.T) {
	root := newCA(t, "root", nil)
	me, other := root.site(t, "", "me"), root.site(t, "", "other")
	site := root.site(t, "", "a.test")
	path := filepath.Join(t.TempDir(), "all.pem")
	put(t, path, site.chain()+root.chain()+site.pkcs8(t)+root.list(t, time.Time{}, nil, me))
	o := Options{TLS: served(configs.Certificate{Cert: path, Key: path})}
	o.TLS.ClientAuth, o.TLS.ClientCA, o.TLS.ClientCRL = "require", path, path
	s := open(t, o)
	has(t, Explain(meet(t, s.Config(), shows(trusting(root, "a.test"), me)).servErr), "is revoked")
	assert.NoError(t, meet(t, s.Config(), shows(trusting(root, "a.test"), other)).servErr)
	put(t, path, site.chain()+root.chain()+site.pkcs8(t)+root.list(t, time.Time{}, nil, other))
	s.look()
	assert.NoError(t, meet(t, s.Config(), shows(trusting(root, "a.test"), me)).servErr)
	has(t, Explain(meet(t, s.Config(), shows(trusting(root, "a.test"), other)).servErr), "is revoked")
}

// FuzzClients reads any texts as a bundle and lists.
func FuzzClients(f *testing.F) {
	root := newCA(f, "root", nil)
	f.Add(root.chain(), root.list(f, time.Time{}, nil, root))
	f.Add(root.chain(), root.list(f, time.Time{}, []pkix.Extension{{Id: oidDistribution, Value: []byte{0x30, 3, 0x81, 1, 0xff}}}))
	f.Add("", "-----BEGIN X509 CRL-----\nMA==\n-----END X509 CRL-----\n")
	f.Fuzz(func(t *testing.T, ca, crl string) {
		c, err := parseClients([]string{"ca.pem", "crl.pem"}, []string{ca, crl})
		if (c == nil) == (err == nil) {
			t.Fatalf("%v, %v", c, err)
		}
		if err == nil {
			c.warnings(time.Now())
			c.verify(tls.ConnectionState{VerifiedChains: [][]*x509.Certificate{c.known}})
		}
	})
}
