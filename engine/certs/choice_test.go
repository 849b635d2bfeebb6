package certs

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"slices"
	"strings"
	"testing"

	"sluice/internal/assert"
)

func TestChoiceByName(t *testing.T) {
	root := newCA(t, "root", nil)
	dir := t.TempDir()
	o := Options{TLS: served(
		root.site(t, "", "first.test").files(t, dir, "first"),
		root.site(t, "", "*.example.test", "example.test").files(t, dir, "wild"),
		root.site(t, "", "api.example.test", "API2.Example.Test").files(t, dir, "api"),
	)}
	o.TLS.UnknownSNI = "default"
	s := open(t, o)
	for name, want := range map[string]string{
		"first.test":         "first.test",
		"api.example.test":   "api.example.test",
		"API.EXAMPLE.test":   "api.example.test",
		"api2.example.test":  "api.example.test",
		"www.example.test":   "*.example.test",
		"WWW.Example.Test":   "*.example.test",
		"example.test":       "*.example.test",
		"a.b.example.test":   "first.test", // a wildcard stands for one label
		"*.example.test":     "*.example.test",
		".example.test":      "first.test",
		"other.test":         "first.test",
		"10.0.0.1":           "first.test", // not sent: an address is no name
		"first.test.evil":    "first.test",
		"xfirst.test":        "first.test",
		"api.example.test.x": "first.test",
	} {
		m := meet(t, s.Config(), &tls.Config{ServerName: name, InsecureSkipVerify: true})
		assert.NoError(t, m.servErr)
		if got := commonName(m.peer(t)); got != want {
			t.Errorf("%q gets %s, want %s", name, got, want)
		}
	}
	_, known := s.current.Load().index.find(strings.Repeat("a", 64<<10))
	assert.Equal(t, known, false)
}

// A common name counts only where there is no alternative name of any kind.
func TestCommonName(t *testing.T) {
	root := newCA(t, "root", nil)
	old := sign(t, &x509.Certificate{Subject: pkix.Name{CommonName: "Old.test"}}, newKey(t, ""), root)
	assert.Equal(t, namesOf(old.cert), []string{"old.test"})
	both := template("a.test")
	both.Subject.CommonName = "cn.test"
	assert.Equal(t, namesOf(sign(t, both, newKey(t, ""), root).cert), []string{"a.test"})
	mail := &x509.Certificate{Subject: pkix.Name{CommonName: "cn.test"}, EmailAddresses: []string{"a@b.test"}}
	assert.Equal(t, len(namesOf(sign(t, mail, newKey(t, ""), root).cert)), 0)
	assert.Equal(t, namesOf(root.site(t, "", "a.test", "10.0.0.1", "::1").cert), []string{"a.test", "10.0.0.1", "::1"})
}

func TestUnknownNameIsRejected(t *testing.T) {
	versionsOf(t, func(t *testing.T, version uint16) {
		root := newCA(t, "root", nil)
		s := open(t, Options{TLS: served(root.site(t, "", "a.test").files(t, t.TempDir(), "a"))})
		client := remembers(&tls.Config{ServerName: "b.test", InsecureSkipVerify: true, MaxVersion: version})
		m := meet(t, s.Config(), client)
		assert.Equal(t, Explain(m.clientErr), "refused by the other side: it has no certificate for the name we asked for (unrecognized name)")
		assert.Equal(t, Explain(m.servErr), "no certificate for the name it asked for")

		// Without a name there is nothing unknown.
		m = meet(t, s.Config(), &tls.Config{InsecureSkipVerify: true, MaxVersion: version})
		assert.Equal(t, commonName(m.peer(t)), "a.test")

		// No session opens a door that a new handshake does not.
		client.ServerName = "a.test"
		assert.NoError(t, meet(t, s.Config(), client).clientErr)
		assert.Equal(t, meet(t, s.Config(), client).client.DidResume, true)
		kept, ok := client.ClientSessionCache.Get("a.test")
		assert.Equal(t, ok, true)
		client.ClientSessionCache.Put("b.test", kept)
		client.ServerName = "b.test"
		m = meet(t, s.Config(), client)
		has(t, Explain(m.clientErr), "(unrecognized name)")
	})
}

// hellos are those of many clients: every mix of what they may lack.
func hellos() (list []*tls.ClientHelloInfo) {
	schemes := [][]tls.SignatureScheme{nil, {tls.ECDSAWithP256AndSHA256}, {tls.ECDSAWithP384AndSHA384}, {tls.ECDSAWithP521AndSHA512, tls.PSSWithSHA512},
		{tls.PSSWithSHA256}, {tls.PKCS1WithSHA256}, {tls.Ed25519}, {tls.PKCS1WithSHA1}, {tls.Ed25519, tls.PKCS1WithSHA384, tls.ECDSAWithP256AndSHA256}}
	ciphers := [][]uint16{{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}, {tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256},
		{tls.TLS_RSA_WITH_AES_128_CBC_SHA}, suites}
	groups := [][]tls.CurveID{{tls.CurveP256}, {tls.X25519, tls.CurveP384}, {tls.CurveP256, tls.CurveP384, tls.CurveP521}}
	for _, versions := range [][]uint16{{tls.VersionTLS12}, {tls.VersionTLS13}, {tls.VersionTLS13, tls.VersionTLS12}} {
		for _, s := range schemes {
			for _, c := range ciphers {
				for _, g := range groups {
					list = append(list, &tls.ClientHelloInfo{SupportedVersions: versions, SignatureSchemes: s, CipherSuites: c, SupportedCurves: g,
						SupportedPoints: []uint8{0}})
				}
			}
		}
	}
	return list
}

// suits finds out what crypto/tls does.
func TestSuitsAgrees(t *testing.T) {
	root := newCA(t, "root", nil)
	both := [2]int{}
	for _, kind := range []string{"P-256", "P-384", "P-521", "RSA", "Ed25519"} {
		id := root.site(t, kind, "a.test")
		p, err := parsePair([]string{"a.pem", "a.key"}, []string{id.chain(), id.pkcs8(t)})
		assert.NoError(t, err)
		for _, hello := range hellos() {
			err := hello.SupportsCertificate(p.present)
			if len(hello.SignatureSchemes) == 0 && err == nil {
				continue // it does not look, but the handshake fails
			}
			if got := p.suits(hello); got != (err == nil) {
				t.Errorf("%s suits %+v: %v, crypto/tls says %v", kind, *hello, got, err)
			}
			if err == nil {
				both[0]++
			} else {
				both[1]++
			}
		}
	}
	assert.Equal(t, both[0] > 50 && both[1] > 50, true)
}

// All kinds of keys for one name: the cheapest that the client can do. A wildcard helps where the exact name has nothing.
func TestChoiceByKeyType(t *testing.T) {
	root := newCA(t, "root", nil)
	dir := t.TempDir()
	s := open(t, Options{TLS: served(
		root.site(t, "RSA", "a.example.test").files(t, dir, "rsa"),
		root.site(t, "Ed25519", "a.example.test").files(t, dir, "ed"),
		root.site(t, "P-256", "a.example.test").files(t, dir, "ecdsa"),
		root.site(t, "P-256", "b.example.test").files(t, dir, "other"),
		root.site(t, "RSA", "*.example.test").files(t, dir, "wild"),
	)})
	choose := func(name string, versions []uint16, schemes ...tls.SignatureScheme) string {
		hello := &tls.ClientHelloInfo{ServerName: name, SupportedVersions: versions, SignatureSchemes: schemes, CipherSuites: suites, SupportedCurves: curves}
		c, err := s.current.Load().certificate(hello)
		assert.NoError(t, err)
		return c.Leaf.Subject.CommonName + " " + describeKey(c.Leaf.PublicKey)
	}
	for _, v := range [][]uint16{{tls.VersionTLS12}, {tls.VersionTLS13, tls.VersionTLS12}} {
		assert.Equal(t, choose("a.example.test", v, tls.PSSWithSHA256, tls.Ed25519, tls.ECDSAWithP256AndSHA256), "a.example.test ECDSA P-256")
		assert.Equal(t, choose("a.example.test", v, tls.PSSWithSHA256, tls.Ed25519), "a.example.test Ed25519")
		assert.Equal(t, choose("a.example.test", v, tls.PSSWithSHA256), "a.example.test RSA 2048")
		assert.Equal(t, choose("a.example.test", v), "a.example.test ECDSA P-256") // fails with the right alert
		assert.Equal(t, choose("b.example.test", v, tls.ECDSAWithP256AndSHA256, tls.PSSWithSHA256), "b.example.test ECDSA P-256")
		assert.Equal(t, choose("b.example.test", v, tls.PSSWithSHA256), "*.example.test RSA 2048")
		assert.Equal(t, choose("", v, tls.PSSWithSHA256, tls.ECDSAWithP256AndSHA256), "a.example.test ECDSA P-256")
		assert.Equal(t, choose("", v, tls.PSSWithSHA256), "a.example.test RSA 2048")
	}
	assert.Equal(t, choose("a.example.test", []uint16{tls.VersionTLS12}, tls.PKCS1WithSHA256), "a.example.test RSA 2048")

	m := meet(t, s.Config(), &tls.Config{ServerName: "a.example.test", RootCAs: pool(root), MaxVersion: tls.VersionTLS12,
		CipherSuites: []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}})
	assert.Equal(t, m.peer(t).PublicKeyAlgorithm, x509.RSA)
	m = meet(t, s.Config(), trusting(root, "a.example.test"))
	assert.Equal(t, m.peer(t).PublicKeyAlgorithm, x509.ECDSA)
}

// Of two for one name and kind, the first listed is used.
func TestFirstListedWins(t *testing.T) {
	root := newCA(t, "root", nil)
	dir := t.TempDir()
	first := root.site(t, "", "one.test", "both.test")
	s := open(t, Options{TLS: served(first.files(t, dir, "one"), root.site(t, "", "two.test", "both.test").files(t, dir, "two"))})
	assert.Equal(t, commonName(meet(t, s.Config(), trusting(root, "both.test")).peer(t)), "one.test")
	assert.Equal(t, commonName(meet(t, s.Config(), trusting(root, "two.test")).peer(t)), "two.test")
}

func TestChoosingAllocates(t *testing.T) {
	root := newCA(t, "root", nil)
	dir := t.TempDir()
	s := open(t, Options{TLS: served(root.site(t, "RSA", "a.test").files(t, dir, "a"), root.site(t, "", "*.b.test").files(t, dir, "b"))})
	list := hellos()
	for i, hello := range list {
		hello.ServerName = []string{"", "a.test", "A.Test", "www.b.test", "unknown.test"}[i%5]
	}
	assert.Allocs(t, 0, func() {
		for _, hello := range list {
			if _, err := s.admit(hello); err != nil {
				t.Fatal(err)
			}
			if _, err := s.current.Load().certificate(hello); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// Keys come in three forms, and a chain and its key may share a file.
func TestPairForms(t *testing.T) {
	root := newCA(t, "root", nil)
	inter := newCA(t, "intermediate", root)
	ec, rs := inter.site(t, "", "a.test"), inter.site(t, "RSA", "a.test")
	sec1, err := x509.MarshalECPrivateKey(ecKey(ec.key))
	assert.NoError(t, err)
	for name, c := range map[string]struct {
		id  *identity
		key string
	}{
		"PKCS #8 ECDSA":   {ec, ec.pkcs8(t)},
		"PKCS #8 RSA":     {rs, rs.pkcs8(t)},
		"PKCS #1":         {rs, block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsaKeys()[0]))},
		"SEC 1":           {ec, "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n" + block("EC PRIVATE KEY", sec1)},
		"with a preamble": {ec, "Bag Attributes\n    friendlyName: a\n" + ec.pkcs8(t)},
	} {
		p, err := parsePair([]string{"a.pem", "a.key"}, []string{c.id.chain(), c.key})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		assert.Equal(t, len(p.present.Certificate), 2)
		assert.Equal(t, len(p.warnings(c.id.cert.NotBefore)), 0)
		assert.Equal(t, p.issuer().Equal(inter.cert), true)
	}
	p, err := parsePair([]string{"all.pem"}, []string{ec.chain() + ec.pkcs8(t)})
	assert.NoError(t, err)
	assert.Equal(t, p.present.Leaf.Equal(ec.cert), true)
	info := p.info()
	assert.Equal(t, info.KeyType+" by "+info.Issuer+" in "+info.File, "ECDSA P-256 by CN=intermediate in all.pem")
	assert.Equal(t, len(info.Fingerprint), 64)
}

// What is wrong is told with the file that it is in.
func TestPairMistakes(t *testing.T) {
	root := newCA(t, "root", nil)
	inter := newCA(t, "intermediate", root)
	a, b := inter.site(t, "", "a.test"), inter.site(t, "", "b.test")
	wrongOrder := block("CERTIFICATE", inter.cert.Raw) + block("CERTIFICATE", a.cert.Raw)
	for want, texts := range map[string][2]string{
		"a.pem is empty": {"", a.pkcs8(t)},
		"a.pem holds no certificate, but a block named PRIVATE KEY (": {a.pkcs8(t), a.pkcs8(t)},
		"a.key holds no private key, but a block named CERTIFICATE":   {a.chain(), a.chain()},
		"a.key does not belong to the certificate":                    {a.chain(), b.pkcs8(t)},
		"a.key belongs to ":                                      {wrongOrder, a.pkcs8(t)},
		"a.key holds a private key with a passphrase":            {a.chain(), block("ENCRYPTED PRIVATE KEY", []byte{1})},
		"a.pem has a certificate, number 1, that cannot be read": {block("CERTIFICATE", []byte{1}), a.pkcs8(t)},
	} {
		_, err := parsePair([]string{"a.pem", "a.key"}, texts[:])
		if err == nil {
			t.Fatalf("no error, want %q", want)
		}
		has(t, err.Error(), want)
	}
	p, err := parsePair([]string{"a.pem", "a.key"}, []string{block("CERTIFICATE", a.cert.Raw) + block("CERTIFICATE", root.cert.Raw), a.pkcs8(t)})
	assert.NoError(t, err)
	warnings := p.warnings(a.cert.NotBefore)
	assert.Equal(t, len(warnings), 1)
	has(t, warnings[0].Error(), "certificate 1 of the chain was not issued by the next one")
	assert.Equal(t, p.issuer() == nil, true)
}

// FuzzFind compares with a plain way of finding.
func FuzzFind(f *testing.F) {
	names := []string{"a.test", "*.a.test", "b.a.test", "*.test", "*", "x"}
	for _, name := range append(names, "B.A.Test", "", ".", ".test", "c.b.a.test", strings.Repeat("a", 300)) {
		f.Add(name)
	}
	pairs := []*pair{{names: []string{"first"}}}
	for _, name := range names {
		pairs = append(pairs, &pair{names: []string{name}})
	}
	x := newIndex(pairs)
	f.Fuzz(func(t *testing.T, name string) {
		want := "first"
		lower := strings.Map(func(r rune) rune {
			if 'A' <= r && r <= 'Z' {
				return r + 'a' - 'A'
			}
			return r
		}, name)
		label, rest, dotted := strings.Cut(lower, ".")
		switch {
		case slices.Contains(names, lower) && lower != "*":
			want = lower
		case dotted && label != "" && slices.Contains(names, "*."+rest):
			want = "*." + rest
		}
		c, known := x.find(name)
		if got := c[0].names[0]; lower != "first" && !strings.ContainsRune(lower, '\uFFFD') && (got != want || known != (want != "first")) {
			t.Fatalf("%q finds %q (%v), want %q", name, got, known, want)
		}
	})
}

// FuzzPair reads any texts as a chain and a key: they are refused, or they work.
func FuzzPair(f *testing.F) {
	root := newCA(f, "root", nil)
	id := root.site(f, "", "a.test")
	f.Add(id.chain(), id.pkcs8(f))
	f.Add(id.chain()+id.pkcs8(f), "")
	f.Add("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n", "-----BEGIN EC PRIVATE KEY-----\nMA==\n-----END EC PRIVATE KEY-----\n")
	f.Fuzz(func(t *testing.T, chain, key string) {
		p, err := parsePair([]string{"a.pem", "a.key"}, []string{chain, key})
		if (p == nil) == (err == nil) {
			t.Fatalf("%v, %v", p, err)
		}
		if err != nil {
			return
		}
		newIndex([]*pair{p}).first.suited(&tls.ClientHelloInfo{})
		_ = p.info()
		if public, ok := p.present.PrivateKey.(crypto.Signer).Public().(interface{ Equal(crypto.PublicKey) bool }); !ok || !public.Equal(p.leaf().PublicKey) {
			t.Fatal("the key is another one")
		}
	})
}
