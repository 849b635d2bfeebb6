package credential

import (
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"os"
	"strings"
	"testing"
	"time"
)

var now = time.Date(2030, 6, 15, 12, 0, 0, 0, time.UTC)

func must[T any](t testing.TB) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func encode(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

// certify makes a certificate for key, signed by itself or by another one.
func certify(t testing.TB, key crypto.Signer, parent *x509.Certificate, by crypto.Signer, change func(*x509.Certificate)) *x509.Certificate {
	t.Helper()
	c := &x509.Certificate{SerialNumber: big.NewInt(0x5107ce), Subject: pkix.Name{CommonName: "a.example"}, DNSNames: []string{"a.example"},
		NotBefore: now.AddDate(-1, 0, 0), NotAfter: now.AddDate(1, 0, 0), KeyUsage: x509.KeyUsageCRLSign | x509.KeyUsageCertSign, IsCA: true, BasicConstraintsValid: true}
	if change != nil {
		change(c)
	}
	if parent == nil {
		parent, by = c, key
	}
	return must[*x509.Certificate](t)(x509.ParseCertificate(must[[]byte](t)(x509.CreateCertificate(rand.Reader, c, parent, key.Public(), by))))
}

func ecKey(t testing.TB, curve elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	return must[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(curve, rand.Reader))
}

func pkcs8(t testing.TB, key any) []byte {
	t.Helper()
	return must[[]byte](t)(x509.MarshalPKCS8PrivateKey(key))
}

func TestKeysOfEveryForm(t *testing.T) {
	ec, rsaKey := ecKey(t, elliptic.P384()), must[*rsa.PrivateKey](t)(rsa.GenerateKey(rand.Reader, 2048))
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		text []byte
		key  crypto.Signer
	}{
		"PKCS #8":              {encode("PRIVATE KEY", pkcs8(t, ec)), ec},
		"SEC 1":                {encode("EC PRIVATE KEY", must[[]byte](t)(x509.MarshalECPrivateKey(ec))), ec},
		"PKCS #1":              {encode("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsaKey)), rsaKey},
		"Ed25519":              {encode("PRIVATE KEY", pkcs8(t, ed)), ed},
		"with parameters":      {append(encode("EC PARAMETERS", []byte{6, 5, 43, 129, 4, 0, 34}), encode("EC PRIVATE KEY", must[[]byte](t)(x509.MarshalECPrivateKey(ec)))...), ec},
		"with text around it":  {append([]byte("Bag Attributes\n"), encode("PRIVATE KEY", pkcs8(t, ec))...), ec},
		"a name from Solaris":  {encode("ANY PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsaKey)), rsaKey},
		"foreign line endings": {[]byte(strings.ReplaceAll(string(encode("PRIVATE KEY", pkcs8(t, ec))), "\n", "\r\n")), ec},
	} {
		key, err := PrivateKey(c.text)
		if err != nil || !key.Public().(interface{ Equal(crypto.PublicKey) bool }).Equal(c.key.Public()) {
			t.Errorf("%s: %v %v", name, key, err)
			continue
		}
		mine := certify(t, c.key, nil, nil, nil)
		other := certify(t, ec, nil, nil, nil)
		if err := Match([]*x509.Certificate{mine}, key); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if c.key != crypto.Signer(ec) {
			if err := Match([]*x509.Certificate{other, mine}, key); err == nil || !strings.Contains(err.Error(), "number 2") {
				t.Errorf("%s: %v", name, err)
			}
			if err := Match([]*x509.Certificate{other}, key); err == nil || !strings.Contains(err.Error(), "does not belong") {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

func TestKeysThatAreOfNoUse(t *testing.T) {
	ec := ecKey(t, elliptic.P256())
	good := encode("PRIVATE KEY", pkcs8(t, ec))
	x := must[*ecdh.PrivateKey](t)(ecdh.X25519().GenerateKey(rand.Reader))
	legacy := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Headers: map[string]string{"Proc-Type": "4,ENCRYPTED", "DEK-Info": "AES-128-CBC,00"}, Bytes: []byte("x")})
	for want, text := range map[string][]byte{
		"is empty":                              []byte(" \n"),
		"is binary":                             pkcs8(t, must[*rsa.PrivateKey](t)(rsa.GenerateKey(rand.Reader, 2048))),
		"it is not PEM":                         []byte("secret"),
		"number 1, that is damaged":             good[:len(good)-10],
		"with a passphrase":                     encode("ENCRYPTED PRIVATE KEY", []byte("x")),
		"holds a private key with a passphrase": legacy,
		"that cannot be read":                   encode("PRIVATE KEY", []byte("x")),
		"that cannot sign":                      encode("PRIVATE KEY", pkcs8(t, x)),
		"the curve P-224":                       encode("PRIVATE KEY", pkcs8(t, ecKey(t, elliptic.P224()))),
		"an RSA key of 1024 bits":               encode("PRIVATE KEY", pkcs8(t, must[*rsa.PrivateKey](t)(rsa.GenerateKey(rand.Reader, 1024)))),
		"a block named CERTIFICATE":             encode("CERTIFICATE", certify(t, ec, nil, nil, nil).Raw),
		"a block named PUBLIC KEY":              encode("PUBLIC KEY", []byte("x")),
	} {
		if key, err := PrivateKey(text); err == nil || !strings.Contains(err.Error(), want) || key != nil {
			t.Errorf("%s: %v", want, err)
		}
	}
}

func TestChains(t *testing.T) {
	key := ecKey(t, elliptic.P256())
	root := certify(t, key, nil, nil, func(c *x509.Certificate) { c.Subject.CommonName = "root" })
	leaf := certify(t, key, root, key, nil)
	one, two := encode("CERTIFICATE", leaf.Raw), encode("CERTIFICATE", root.Raw)
	both := append(append([]byte{}, one...), two...)
	chain, err := Chain(append(encode("EC PRIVATE KEY", []byte("x")), both...))
	if err != nil || len(chain) != 2 || !chain[0].Equal(leaf) || !chain[1].Equal(root) {
		t.Fatalf("%v %v", chain, err)
	}
	if r := JudgeChain(chain, now); r != nil {
		t.Errorf("%+v", r)
	}
	if r := JudgeChain([]*x509.Certificate{root, leaf}, now); len(r) != 1 || r[0].Grave || !strings.Contains(r[0].Message, "number 2 did not issue number 1") {
		t.Errorf("%+v", r)
	}
	for want, text := range map[string][]byte{
		"number 2, that cannot be read":         append(append([]byte{}, one...), encode("CERTIFICATE", []byte("x"))...),
		"number 2, that is damaged":             both[:len(both)-30],
		"number 1, that is damaged":             append(append([]byte{}, one[:100]...), two...),
		"a block named CERTIFICATE REQUEST":     encode("CERTIFICATE REQUEST", []byte("x")),
		"a block named TRUSTED CERTIFICATE":     encode("TRUSTED CERTIFICATE", []byte("x")),
		"a certificate in PEM form is expected": leaf.Raw,
	} {
		if chain, err := Chain(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v %v", want, chain, err)
		}
	}
}

func TestTimesOfAChain(t *testing.T) {
	key := ecKey(t, elliptic.P256())
	chain := []*x509.Certificate{certify(t, key, nil, nil, func(c *x509.Certificate) {
		c.NotBefore, c.NotAfter = now, now.AddDate(0, 3, 0)
	})}
	for _, c := range []struct {
		at    time.Time
		grave bool
		want  string
	}{
		{now, false, ""}, {now.Add(-time.Second), false, "is not valid before 2030-06-15 12:00 UTC"},
		{chain[0].NotAfter.Add(-expirySoon), false, ""}, {chain[0].NotAfter.Add(time.Second - expirySoon), false, "expires on 2030-09-15"},
		{chain[0].NotAfter.Add(-time.Second), false, "expires on 2030-09-15"}, {chain[0].NotAfter, true, "expired on 2030-09-15"},
	} {
		r := JudgeChain(chain, c.at)
		if len(r) == 0 && c.want == "" {
			continue
		}
		if len(r) != 1 || r[0].Grave != c.grave || c.want == "" || !strings.Contains(r[0].Message, c.want) {
			t.Errorf("%s: %+v", c.at, r)
		}
	}
	late := certify(t, key, nil, nil, nil)
	if r := JudgeChain([]*x509.Certificate{late, chain[0]}, now.AddDate(0, 4, 0)); len(r) != 1 || r[0].Grave || !strings.Contains(r[0].Message, "number 2") {
		t.Errorf("an old issuer: %+v", r)
	}
}

func TestSubjects(t *testing.T) {
	key := ecKey(t, elliptic.P256())
	named := certify(t, key, nil, nil, nil)
	bare := certify(t, key, nil, nil, func(c *x509.Certificate) { c.DNSNames = nil })
	nobody := certify(t, key, nil, nil, func(c *x509.Certificate) { c.DNSNames, c.Subject = nil, pkix.Name{} })
	if subject(named) != "a.example" || Nameless(named) || subject(bare) != "a.example" || !Nameless(bare) || subject(nobody) != "without a name" {
		t.Errorf("%q %q %q", subject(named), subject(bare), subject(nobody))
	}
}

func TestRevocationLists(t *testing.T) {
	key, stranger := ecKey(t, elliptic.P256()), ecKey(t, elliptic.P256())
	ca := certify(t, key, nil, nil, nil)
	other := certify(t, stranger, nil, nil, nil) // of the same name
	der := must[[]byte](t)(x509.CreateRevocationList(rand.Reader, &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: now, NextUpdate: now.AddDate(0, 1, 0)}, ca, key))
	for _, text := range [][]byte{der, encode("X509 CRL", der), append(encode("CERTIFICATE", ca.Raw), encode("X509 CRL", der)...)} {
		lists, err := RevocationLists(text)
		if err != nil || len(lists) != 1 {
			t.Fatal(lists, err)
		}
		if r := JudgeLists(lists, []*x509.Certificate{other, ca}, now); r != nil {
			t.Errorf("%+v", r)
		}
		if r := JudgeLists(lists, nil, now); r != nil {
			t.Errorf("%+v", r)
		}
		if r := JudgeLists(lists, []*x509.Certificate{other}, now.AddDate(0, 2, 0)); len(r) != 2 || !strings.Contains(r[0].Message, "none of the CAs") || !strings.Contains(r[1].Message, "2030-07-15") {
			t.Errorf("%+v", r)
		}
	}
	for want, text := range map[string][]byte{
		"number 1, that cannot be read": encode("X509 CRL", []byte("x")), "that cannot be read: ": pkcs8(t, must[*rsa.PrivateKey](t)(rsa.GenerateKey(rand.Reader, 2048))),
		"a block named CERTIFICATE": encode("CERTIFICATE", ca.Raw), "is empty": nil,
	} {
		if _, err := RevocationLists(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

// The responses were made with openssl: that another one understands them is what counts.
func TestStaples(t *testing.T) {
	der := must[[]byte](t)(os.ReadFile("testdata/staple.der"))
	staples, err := Staples(der)
	if err != nil || len(staples) != 1 || staples[0].Serial.Int64() != 0x5107ce || staples[0].NextUpdate.Year() != 2126 || staples[0].ThisUpdate.Year() != 2026 {
		t.Fatalf("%+v %v", staples, err)
	}
	key := ecKey(t, elliptic.P256())
	ours := certify(t, key, nil, nil, nil)
	theirs := certify(t, key, nil, nil, func(c *x509.Certificate) { c.SerialNumber = big.NewInt(1) })
	if r := JudgeStaples(staples, []*x509.Certificate{theirs, ours}, now); r != nil {
		t.Errorf("%+v", r)
	}
	if r := JudgeStaples(staples, []*x509.Certificate{theirs}, now.AddDate(200, 0, 0)); len(r) != 2 || !strings.Contains(r[0].Message, "serial number 5107ce") || !strings.Contains(r[1].Message, "2126") {
		t.Errorf("%+v", r)
	}
	revoked := must[[]byte](t)(os.ReadFile("testdata/revoked.der"))
	for want, text := range map[string][]byte{
		"serial number 5107ce is revoked": revoked, "is PEM": encode("CERTIFICATE", ours.Raw), "is not an OCSP response": ours.Raw,
		"its status is 6": {0x30, 3, 10, 1, 6}, "is not an": append(der[:len(der):len(der)], 0),
	} {
		if s, err := Staples(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v %v", want, s, err)
		}
	}
}

func TestTicketKeys(t *testing.T) {
	line := func(n int, b byte) string {
		return base64.StdEncoding.EncodeToString([]byte(strings.Repeat(string(rune(b)), n))) + "\n"
	}
	var many strings.Builder
	for i := range TicketKeysMax + 1 {
		many.WriteString(line(48, byte('a'+i)))
	}
	for _, c := range []struct {
		text string
		keys []int
		want string
	}{
		{strings.Repeat("\n", 48), []int{48}, ""}, {strings.Repeat("#", 80), []int{80}, ""}, // any bytes are a key
		{line(80, 'a'), []int{80}, ""}, {"# new\r\n" + line(48, 'a') + "\n  " + line(80, 'b') + "#old", []int{48, 80}, ""},
		{strings.TrimSpace(line(48, 'a')), []int{48}, ""},
		{"", nil, "holds no key"}, {"# none\n", nil, "holds no key"}, {strings.Repeat("a", 49), nil, "line 1 is not"},
		{line(80, 'a') + line(32, 'a'), nil, "line 2 is not"}, {line(80, 'a') + line(48, 'b') + line(80, 'a'), nil, "the key at line 3 twice"},
		{many.String(), nil, "more than 16 keys"},
	} {
		keys, err := TicketKeys([]byte(c.text))
		if c.want != "" {
			if err == nil || !strings.Contains(err.Error(), c.want) || keys != nil {
				t.Errorf("%.40q: %v", c.text, err)
			}
			continue
		}
		var sizes []int
		for _, k := range keys {
			sizes = append(sizes, len(k))
		}
		if err != nil || len(sizes) != len(c.keys) || sizes[0] != c.keys[0] {
			t.Errorf("%.40q: %v %v", c.text, sizes, err)
		}
	}
}

// FuzzCredentials: no file makes a parser panic, every error says something, and no error shows what is in a key.
func FuzzCredentials(f *testing.F) {
	key := ecKey(f, elliptic.P256())
	c := certify(f, key, nil, nil, nil)
	f.Add([]byte("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n-----BEGIN X-----"))
	f.Add(append(encode("CERTIFICATE", c.Raw), encode("PRIVATE KEY", pkcs8(f, key))...))
	f.Add(must[[]byte](f)(os.ReadFile("testdata/staple.der")))
	f.Add(must[[]byte](f)(x509.CreateRevocationList(rand.Reader, &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: now, NextUpdate: now}, c, key)))
	f.Add([]byte(strings.Repeat("a", 64) + "\n#b\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		told := func(err error) {
			if p, ok := err.(Problem); err != nil && (!ok || p.Message == "") {
				t.Errorf("%T %v", err, err)
			}
		}
		chain, err := Chain(text)
		told(err)
		if (err == nil) != (len(chain) > 0) {
			t.Errorf("%d certificates, %v", len(chain), err)
		}
		_ = JudgeChain(chain, now)
		lists, err := RevocationLists(text)
		told(err)
		_ = JudgeLists(lists, chain, now)
		staples, err := Staples(text)
		told(err)
		for _, s := range staples {
			if s.Serial == nil {
				t.Error("a staple of nothing")
			}
		}
		_ = JudgeStaples(staples, chain, now)
		signer, err := KeyOfBoth(text)
		told(err)
		if err == nil {
			told(Match(chain, signer))
		}
		keys, err := TicketKeys(text)
		told(err)
		for _, k := range keys {
			if !isTicketKey(k) {
				t.Errorf("a key of %d bytes", len(k))
			}
		}
	})
}
