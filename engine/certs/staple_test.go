package certs

import (
	"crypto/tls"
	"crypto/x509"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"

	"sluice/internal/assert"
)

// vouches makes an OCSP response about a certificate, signed by id or by a responder of its.
func (id *identity) vouches(t testing.TB, responder, about *identity, response ocsp.Response) string {
	t.Helper()
	response.SerialNumber = about.cert.SerialNumber
	if response.ThisUpdate.IsZero() {
		response.ThisUpdate = time.Now().Add(-time.Hour)
	}
	if responder != id {
		response.Certificate = responder.cert
	}
	der, err := ocsp.CreateResponse(id.cert, responder.cert, response, responder.key)
	assert.NoError(t, err)
	return string(der)
}

func TestStaple(t *testing.T) {
	root := newCA(t, "root", nil)
	inter := newCA(t, "intermediate", root)
	dir := t.TempDir()
	now := newClock(time.Now())
	var told journal
	site, other := inter.site(t, "", "a.test"), inter.site(t, "", "b.test")
	o := Options{TLS: served(site.files(t, dir, "a"), other.files(t, dir, "b")), Watch: told.watch(now)}
	first := inter.vouches(t, inter, site, ocsp.Response{NextUpdate: now.now().Add(time.Hour)})
	o.TLS.OCSP = put(t, filepath.Join(dir, "staple.der"), first)
	s := open(t, o)
	stapled := func(name string) string {
		t.Helper()
		m := meet(t, s.Config(), trusting(root, name))
		assert.NoError(t, m.clientErr)
		return string(m.client.OCSPResponse)
	}
	assert.Equal(t, stapled("a.test"), first)
	assert.Equal(t, stapled("b.test"), "")
	assert.Equal(t, told.take(), "")

	now.advance(time.Hour - 30*time.Second) // less than a client needs to look at it
	s.look()
	assert.Equal(t, stapled("a.test"), "")
	has(t, told.take(), "trouble: "+o.TLS.OCSP+": the response has expired, at ")
	s.look()
	assert.Equal(t, told.take(), "")
	second := inter.vouches(t, inter, site, ocsp.Response{NextUpdate: now.now().Add(time.Hour)})
	put(t, o.TLS.OCSP, second)
	s.look()
	assert.Equal(t, stapled("a.test"), second)
	assert.Equal(t, told.take(), "recovered: "+o.TLS.OCSP)

	put(t, o.TLS.OCSP, inter.vouches(t, inter, site, ocsp.Response{Status: ocsp.Revoked, RevokedAt: now.now()}))
	s.look()
	assert.Equal(t, stapled("a.test"), second) // the old one stays
	has(t, told.take(), "trouble: "+o.TLS.OCSP+" says that the certificate with the serial number ", " is revoked")
	assert.Equal(t, s.Refused(), 1)

	renewed := inter.site(t, "", "a.test") // the response is for the old certificate
	renewed.files(t, dir, "a")
	put(t, o.TLS.OCSP, second+"")
	s.look()
	assert.Equal(t, stapled("a.test"), "")
	has(t, told.take(), "the response is for none of the certificates")
}

// Who may sign a response: the issuer, or whom the issuer has certified for that.
func TestStapleSigners(t *testing.T) {
	root, stranger := newCA(t, "root", nil), newCA(t, "stranger", nil)
	inter := newCA(t, "intermediate", root)
	site := inter.site(t, "", "a.test")
	signs := template("responder")
	signs.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageOCSPSigning}
	responder, notOne := sign(t, signs, newKey(t, ""), inter), inter.site(t, "", "other")
	chain, err := parsePair([]string{"a.pem", "a.key"}, []string{site.chain(), site.pkcs8(t)})
	assert.NoError(t, err)
	alone, err := parsePair([]string{"a.pem", "a.key"}, []string{block("CERTIFICATE", site.cert.Raw), site.pkcs8(t)})
	assert.NoError(t, err)
	now := time.Now()
	problem := func(p *pair, text string) string {
		s, err := parseStaple([]string{"s.der"}, []string{text})
		assert.NoError(t, err)
		with, problem := s.attach([]*pair{p}, now)
		assert.Equal(t, with[0].present.OCSPStaple == nil, problem != nil)
		assert.Equal(t, p.present.OCSPStaple == nil, true) // the old pair did not change
		if problem == nil {
			return ""
		}
		return problem.Error()
	}
	assert.Equal(t, problem(chain, inter.vouches(t, inter, site, ocsp.Response{})), "")
	assert.Equal(t, problem(chain, inter.vouches(t, responder, site, ocsp.Response{})), "")
	has(t, problem(chain, inter.vouches(t, notOne, site, ocsp.Response{})), "not for signing responses")
	has(t, problem(chain, stranger.vouches(t, stranger, site, ocsp.Response{})), "is not stapled: ")
	assert.Equal(t, problem(alone, stranger.vouches(t, stranger, site, ocsp.Response{})), "") // nobody here knows the issuer
	has(t, problem(chain, inter.vouches(t, inter, site, ocsp.Response{ThisUpdate: now.Add(time.Hour)})), "from the future")
	assert.Equal(t, problem(chain, inter.vouches(t, inter, site, ocsp.Response{ThisUpdate: now.Add(time.Minute)})), "")
}

// FuzzStaple reads any bytes as a response.
func FuzzStaple(f *testing.F) {
	root := newCA(f, "root", nil)
	site := root.site(f, "", "a.test")
	f.Add(root.vouches(f, root, site, ocsp.Response{NextUpdate: time.Now().Add(time.Hour)}))
	f.Add(root.vouches(f, root, site, ocsp.Response{Status: ocsp.Unknown}))
	f.Add("0\x03\n\x01\x01")
	p := &pair{chain: []*x509.Certificate{site.cert, root.cert}, present: &tls.Certificate{}}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := parseStaple([]string{"s.der"}, []string{text})
		if (s == nil) == (err == nil) {
			t.Fatalf("%v, %v", s, err)
		}
		if err == nil {
			s.attach([]*pair{p}, time.Now())
		}
	})
}
