package credential

// What is read may still be of no use: too old, in a wrong order, of somebody else.

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"slices"
	"time"
)

// A Remark is something about a file that can be read. Message continues the name of the file.
type Remark struct {
	Grave           bool // nobody can use it
	Message, Remedy string
}

// expirySoon is when it is time to look why nobody has renewed a certificate.
const expirySoon = 14 * 24 * time.Hour

const (
	day    = "2006-01-02"
	moment = "2006-01-02 15:04 UTC"
)

// JudgeChain looks at the order and the times of a chain. Only the first certificate is grave: of the others, clients may know
// better ones.
func JudgeChain(chain []*x509.Certificate, now time.Time) (remarks []Remark) {
	if i := unlinked(chain); i > 0 {
		remarks = append(remarks, Remark{false, fmt.Sprintf("has certificates of which number %d did not issue number %d: clients may not find the way to a CA", i+1, i),
			"the order is: the certificate, the one that issued it, and so on"})
	}
	for i, c := range chain {
		who := fmt.Sprintf("has the certificate of %q, which", subject(c))
		switch left, until := c.NotAfter.Sub(now), c.NotAfter.UTC().Format(day); {
		case left <= 0 && i == 0:
			remarks = append(remarks, Remark{true, who + " expired on " + until, "renew it"})
		case left <= 0:
			remarks = append(remarks, Remark{false, fmt.Sprintf("%s is number %d of the chain and expired on %s", who, i+1, until), "fetch the chain again"})
		case left < expirySoon:
			remarks = append(remarks, Remark{false, who + " expires on " + until, "renew it; the proxy notices when the files change"})
		case now.Before(c.NotBefore):
			remarks = append(remarks, Remark{false, who + " is not valid before " + c.NotBefore.UTC().Format(moment), "is the clock of this machine right?"})
		}
	}
	return remarks
}

// unlinked returns the number, from 1, of the first certificate of a chain that the next one has not issued; 0 if there is none.
func unlinked(chain []*x509.Certificate) int {
	for i := 1; i < len(chain); i++ {
		if !bytes.Equal(chain[i-1].RawIssuer, chain[i].RawSubject) {
			return i
		}
	}
	return 0
}

// subject names a certificate for people: its first name, or else what its subject says.
func subject(c *x509.Certificate) string {
	switch {
	case len(c.DNSNames) > 0:
		return c.DNSNames[0]
	case len(c.IPAddresses) > 0:
		return c.IPAddresses[0].String()
	case c.Subject.CommonName != "":
		return c.Subject.CommonName
	}
	return "without a name"
}

// Nameless tells whether a certificate is for no host at all: names are looked for in subjectAltName only.
func Nameless(c *x509.Certificate) bool { return len(c.DNSNames)+len(c.IPAddresses) == 0 }

// JudgeLists looks for revocation lists that are too old, or that none of the issuers has signed; without issuers, any may be right.
func JudgeLists(lists []*x509.RevocationList, issuers []*x509.Certificate, now time.Time) (remarks []Remark) {
	for _, list := range lists {
		signed := func(ca *x509.Certificate) bool { return list.CheckSignatureFrom(ca) == nil }
		if len(issuers) > 0 && !slices.ContainsFunc(issuers, signed) {
			remarks = append(remarks, Remark{false, fmt.Sprintf("has a list of %q, which none of the CAs in client_ca has signed", list.Issuer), ""})
		}
		if next := list.NextUpdate; !next.IsZero() && next.Before(now) {
			remarks = append(remarks, Remark{false, fmt.Sprintf("has a list of %q, which should have been renewed on %s", list.Issuer, next.UTC().Format(day)), ""})
		}
	}
	return remarks
}

// JudgeStaples looks for the certificates of which staples speak among leaves; without leaves, any may be right.
func JudgeStaples(staples []Staple, leaves []*x509.Certificate, now time.Time) (remarks []Remark) {
	for _, s := range staples {
		ours := func(c *x509.Certificate) bool { return c.SerialNumber.Cmp(s.Serial) == 0 }
		if len(leaves) > 0 && !slices.ContainsFunc(leaves, ours) {
			remarks = append(remarks, Remark{false, fmt.Sprintf("speaks of the certificate with the serial number %x, which is none of these", s.Serial), ""})
		}
		if !s.NextUpdate.IsZero() && s.NextUpdate.Before(now) {
			remarks = append(remarks, Remark{false, "should have been renewed on " + s.NextUpdate.UTC().Format(day) + ": clients ignore it", ""})
		}
	}
	return remarks
}
