package certs

// OCSP stapling (RFC 6960, RFC 6066 section 8): a response that says the certificate is not revoked, sent along with it so that
// clients need not ask. Somebody else fetches it into a file.
//
// A response goes with the certificate that has its serial number and whose issuer has signed it, and only in its time: an outdated
// one makes some clients refuse what they would take without any. So it is dropped in time, with a warning, and handshakes go on.

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/crypto/ocsp"

	"sluice/configs/credential"
)

// stapleMargin is how long before its end a response is dropped: it must still be good when the client looks at it.
const stapleMargin = time.Minute

// A staple is a response for one or a few certificates. It never changes.
type staple struct {
	raw  []byte
	says []credential.Staple
	file string
}

// parseStaple reads the text of one file. Its errors are *FileError.
func parseStaple(files, texts []string) (*staple, error) {
	says, err := credential.Staples([]byte(texts[0]))
	if err != nil {
		return nil, &FileError{File: files[0], Err: err}
	}
	return &staple{raw: []byte(texts[0]), says: says, file: files[0]}, nil
}

// fits reports whether s is about p and good now; problem is set if it is about p but must not be sent.
func (s *staple) fits(p *pair, now time.Time) (fits bool, problem error) {
	i := slices.IndexFunc(s.says, func(said credential.Staple) bool { return said.Serial.Cmp(p.leaf().SerialNumber) == 0 })
	if i < 0 {
		return false, nil
	}
	said := s.says[i]
	switch {
	case now.Add(clockSkew).Before(said.ThisUpdate):
		return false, fmt.Errorf("the response is from the future: %s", said.ThisUpdate.UTC().Format(time.RFC3339))
	case !said.NextUpdate.IsZero() && now.Add(stapleMargin).After(said.NextUpdate):
		return false, fmt.Errorf("the response has expired, at %s, and is not stapled any more", said.NextUpdate.UTC().Format(time.RFC3339))
	}
	if err := s.signed(p); err != nil {
		return false, fmt.Errorf("the response is not stapled: %w", err)
	}
	return true, nil
}

// signed checks who has signed s. If the chain does not have the issuer of the certificate, only clients can do that.
func (s *staple) signed(p *pair) error {
	issuer := p.issuer()
	if issuer == nil {
		return nil
	}
	response, err := ocsp.ParseResponseForCert(s.raw, p.leaf(), issuer)
	if err != nil {
		return err
	}
	if by := response.Certificate; by != nil && !by.Equal(issuer) && !slices.Contains(by.ExtKeyUsage, x509.ExtKeyUsageOCSPSigning) {
		return errors.New("it is signed by a certificate that is not for signing responses")
	}
	return nil
}

// attach returns pairs with s in the place where it belongs. A problem says why s is not used.
func (s *staple) attach(pairs []*pair, now time.Time) (with []*pair, problem error) {
	with = slices.Clone(pairs)
	attached := false
	for i, p := range pairs {
		fits, err := s.fits(p, now)
		if problem == nil {
			problem = err
		}
		if fits {
			copied := *p
			copied.present = &tls.Certificate{Certificate: p.present.Certificate, PrivateKey: p.present.PrivateKey, Leaf: p.present.Leaf, OCSPStaple: s.raw}
			with[i], attached = &copied, true
		}
	}
	if !attached && problem == nil {
		problem = errors.New("the response is for none of the certificates, by its serial number, and is not stapled")
	}
	return with, problem
}
