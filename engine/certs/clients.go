package certs

// Who may have issued the certificates of clients (RFC 5280, section 6), and which of these are revoked (section 5).
//
// crypto/tls verifies chains, but not on resumption, where it remembers them. So lists are looked at in VerifyConnection, which it
// calls for every connection: whoever is revoked today is refused today. Tickets are sealed with keys that depend on the
// authorities (scope), so that no session crosses from one listener's authorities to those of another.
//
// A list is believed as long as its file is there, also past its time: the last known revocations are better than none, and
// refusing every client because a list was not renewed would be an outage. It is warned about. An authority without a list
// revokes nothing.

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/asn1"
	"fmt"
	"slices"
	"time"

	"sluice/configs/credential"
)

// An authority is known by its name and its key: renewed certificates of both are the same authority.
type authority [sha256.Size]byte

// authorityOf returns whom c is the certificate of.
func authorityOf(c *x509.Certificate) authority {
	return sha256.Sum256(slices.Concat(c.RawSubject, c.RawSubjectPublicKeyInfo))
}

// clients is what makes a client welcome. It never changes. The zero clients know no authority.
type clients struct {
	authorities *x509.CertPool
	known       []*x509.Certificate
	scope       [sha256.Size]byte // the authorities in short; zero = none
	revoked     map[authority]map[string]bool
	lists       []listed
	listFile    string
}

// listed is what is kept of a list beside what it revokes.
type listed struct {
	issuer     string
	from, next time.Time
	strange    bool // its issuer is not known: it revokes nothing
}

// A RevokedError refuses a client whose certificate, or that of an authority on the way to it, has been revoked.
type RevokedError struct{ Certificate *x509.Certificate }

// Error says which certificate it is.
func (e *RevokedError) Error() string {
	return fmt.Sprintf("certificate of %s (serial %x) is revoked by %s", subject(e.Certificate), e.Certificate.SerialNumber, e.Certificate.Issuer)
}

// parseClients reads the texts of a bundle and, if there are two, of lists. Its errors are *FileError.
func parseClients(files, texts []string) (*clients, error) {
	known, err := credential.Chain([]byte(texts[0]))
	if err != nil {
		return nil, &FileError{File: files[0], Err: err}
	}
	c := &clients{authorities: x509.NewCertPool(), known: known, revoked: make(map[authority]map[string]bool)}
	for _, k := range known {
		c.authorities.AddCert(k)
	}
	c.scope = scopeOf(known)
	if len(texts) == 1 {
		return c, nil
	}
	c.listFile = files[1]
	lists, err := credential.RevocationLists([]byte(texts[1]))
	for _, list := range lists {
		err = cmp.Or(err, c.revoke(list))
	}
	if err != nil {
		return nil, &FileError{File: c.listFile, Err: err}
	}
	return c, nil
}

// scopeOf is the same for the same authorities, whatever their order.
func scopeOf(known []*x509.Certificate) [sha256.Size]byte {
	var each [][]byte
	for _, c := range known {
		sum := sha256.Sum256(c.Raw)
		each = append(each, sum[:])
	}
	slices.SortFunc(each, bytes.Compare)
	return sha256.Sum256(bytes.Join(slices.CompactFunc(each, bytes.Equal), nil))
}

// revoke takes over a list, if one of the authorities has signed it. One that has its name but not its signature is an error.
func (c *clients) revoke(list *x509.RevocationList) error {
	if err := complete(list); err != nil {
		return err
	}
	at := listed{issuer: list.Issuer.String(), from: list.ThisUpdate, next: list.NextUpdate}
	var failed error
	for _, k := range c.known {
		if !bytes.Equal(k.RawSubject, list.RawIssuer) {
			continue
		}
		if err := list.CheckSignatureFrom(k); err != nil {
			failed = err
			continue
		}
		serials := c.revoked[authorityOf(k)]
		if serials == nil {
			serials = make(map[string]bool, len(list.RevokedCertificateEntries))
			c.revoked[authorityOf(k)] = serials
		}
		for _, entry := range list.RevokedCertificateEntries {
			serials[string(entry.SerialNumber.Bytes())] = true
		}
		c.lists = append(c.lists, at)
		return nil
	}
	if failed != nil {
		return fmt.Errorf("the list of %s is not signed by it: %w", list.Issuer, failed)
	}
	at.strange = true
	c.lists = append(c.lists, at)
	return nil
}

var (
	oidDelta        = asn1.ObjectIdentifier{2, 5, 29, 27}
	oidDistribution = asn1.ObjectIdentifier{2, 5, 29, 28}
)

// Parts of an issuing distribution point, by their tags.
const (
	onlySomeReasons = 3
	indirect        = 4
)

// complete refuses lists that say something else than which certificates of their issuer are revoked (RFC 5280, section 5.2):
// changes to another list, revocations of other issuers, of some reasons only, and what is not known but critical.
func complete(list *x509.RevocationList) error {
	for _, e := range list.Extensions {
		switch {
		case e.Id.Equal(oidDelta):
			return fmt.Errorf("the list of %s is a delta list: a full one is needed", list.Issuer)
		case e.Id.Equal(oidDistribution):
			// Parts that cannot be read are no reason to trust it.
			var parts []asn1.RawValue
			_, err := asn1.Unmarshal(e.Value, &parts)
			if err != nil || slices.ContainsFunc(parts, func(p asn1.RawValue) bool { return p.Tag == onlySomeReasons || p.Tag == indirect }) {
				return fmt.Errorf("the list of %s is for some reasons only, or for other issuers: a full one is needed", list.Issuer)
			}
		case e.Critical:
			return fmt.Errorf("the list of %s has a critical extension that is not known: %s", list.Issuer, e.Id)
		}
	}
	return nil
}

// verify refuses revoked clients. It is the VerifyConnection of listeners with lists. A client is refused if any way from it to
// an authority has a revoked certificate, also if there is another way.
func (c *clients) verify(state tls.ConnectionState) error {
	for _, chain := range state.VerifiedChains {
		for i, cert := range chain[:len(chain)-1] {
			if c.revoked[authorityOf(chain[i+1])][string(cert.SerialNumber.Bytes())] {
				return &RevokedError{Certificate: cert}
			}
		}
	}
	return nil
}

// warnings says which lists are not up to date.
func (c *clients) warnings(now time.Time) (list []error) {
	for _, l := range c.lists {
		switch {
		case l.strange:
			list = append(list, fmt.Errorf("the list of %s revokes nothing: client_ca has no certificate of who has issued it", l.issuer))
		case now.Add(clockSkew).Before(l.from):
			list = append(list, fmt.Errorf("the list of %s is from the future: %s", l.issuer, l.from.UTC().Format(time.RFC3339)))
		case !l.next.IsZero() && now.After(l.next):
			list = append(list, fmt.Errorf("the list of %s is out of date since %s, and still in use: newer revocations are not known", l.issuer, l.next.UTC().Format(time.RFC3339)))
		}
	}
	return list
}
