package record

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"strings"
	"time"
)

// TLS is what a handshake with a client has agreed on, or what was known of it when it failed. One is made per connection and shared by
// the records of all its exchanges; it is not changed once it has been shared.
type TLS struct {
	ServerName string       // that the client asked for; "" = none
	ALPN       string       // that was agreed on; "" = none
	Detail     string       // what was wrong with it, on whichever side; "" = nothing
	Client     *Certificate // of the client, verified; nil = none
	Version    uint16       // as in crypto/tls; 0 = the handshake failed
	Cipher     uint16       // likewise
	Resumed    bool         // a session of an earlier connection was taken up
	Handshake  Micros       // from the ClientHello to the end of the handshake
}

// VersionName returns "1.3", or "" where nothing was agreed on.
func (t *TLS) VersionName() string {
	switch t.Version {
	case tls.VersionTLS12:
		return "1.2"
	case tls.VersionTLS13:
		return "1.3"
	}
	return ""
}

// CipherName returns the standard name of the cipher suite, or "". What crypto/tls has for that makes lists.
func (t *TLS) CipherName() string { return cipherNames[t.Cipher] }

var cipherNames = func() map[uint16]string {
	names := make(map[uint16]string)
	for _, suite := range tls.CipherSuites() {
		names[suite.ID] = suite.Name
	}
	return names
}()

// Certificate is who a peer has proven to be, in the words that logs and header fields use.
type Certificate struct {
	Subject     string // a distinguished name (RFC 4514), in printable ASCII; "" if it is too long
	Issuer      string // likewise
	Serial      string // in hexadecimal
	Fingerprint string // SHA-256 over the certificate, in hexadecimal
	NotAfter    string // RFC 3339
}

// nameMax bounds a distinguished name: an authority may write anything into one.
const (
	nameMax   = 1 << 10
	hexDigits = "0123456789ABCDEF"
)

// printable makes a distinguished name fit for a header field: bytes that are no ASCII that can be seen become hexadecimal
// pairs (RFC 4514, section 2.4), so that different names stay different. One that is too long for that is left out.
func printable(name string) string {
	var b strings.Builder
	for i := range len(name) {
		if c := name[i]; c >= ' ' && c <= '~' {
			b.WriteByte(c)
		} else {
			b.Write([]byte{'\\', hexDigits[c>>4], hexDigits[c&15]})
		}
	}
	if b.Len() > nameMax {
		return ""
	}
	return b.String()
}

// DescribeCertificate describes c.
func DescribeCertificate(c *x509.Certificate) *Certificate {
	sum := sha256.Sum256(c.Raw)
	return &Certificate{
		Subject: printable(c.Subject.String()), Issuer: printable(c.Issuer.String()), Serial: c.SerialNumber.Text(16),
		Fingerprint: hex.EncodeToString(sum[:]), NotAfter: c.NotAfter.UTC().Format(time.RFC3339),
	}
}
