package certs

// Why a handshake failed, in words for who reads the log.
//
// crypto/tls and crypto/x509 say it precisely but in several tongues: types, texts that begin with "tls:", alerts of the other
// side. Explain makes one line of any of them, without addresses and without what the log says anyway.

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"time"
)

// namesShown bounds the names that are listed of a certificate that has the wrong ones.
const namesShown = 4

// Explain says why a handshake, of either side, has failed. It is "" for nil.
func Explain(err error) string {
	if err == nil {
		return ""
	}
	if text := explainCertificate(err); text != "" {
		return text
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "remote error" {
		return explainAlert(strings.TrimPrefix(op.Err.Error(), "tls: "))
	}
	if header, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return "the other side does not speak TLS: " + strings.TrimPrefix(header.Msg, "tls: ")
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return "the handshake took too long"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "the connection was closed during the handshake"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "the connection was reset during the handshake"
	}
	return explainText(err.Error())
}

// explainCertificate is about certificates that were not believed; "" if err is about something else.
func explainCertificate(err error) string {
	if e, ok := errors.AsType[*RevokedError](err); ok {
		return e.Error()
	}
	if e, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return explainAuthority(e)
	}
	if e, ok := errors.AsType[x509.HostnameError](err); ok {
		return explainName(e)
	}
	if e, ok := errors.AsType[x509.CertificateInvalidError](err); ok {
		return explainInvalid(e)
	}
	if e, ok := errors.AsType[x509.SystemRootsError](err); ok {
		return "the authorities of the system cannot be read: " + strings.TrimPrefix(e.Error(), "x509: ")
	}
	if e, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return "certificate not verified: " + strings.TrimPrefix(e.Err.Error(), "x509: ")
	}
	return ""
}

// explainAuthority names the authority that is not known.
func explainAuthority(e x509.UnknownAuthorityError) string {
	if e.Cert == nil {
		return "certificate of an unknown authority"
	}
	text := fmt.Sprintf("certificate of an unknown authority: %s", e.Cert.Issuer)
	if e.Cert.Subject.String() == e.Cert.Issuer.String() {
		text = fmt.Sprintf("certificate of an unknown authority: it is self-signed (%s)", subject(e.Cert))
	}
	if _, hint, ok := strings.Cut(e.Error(), `(possibly because of "`); ok {
		hint, _, _ = strings.Cut(hint, `" while`)
		text += "; perhaps because of " + strings.TrimPrefix(hint, "x509: ")
	}
	return text
}

// explainName compares the name that was wanted with those that the certificate has.
func explainName(e x509.HostnameError) string {
	names := namesOf(e.Certificate)
	if len(e.Certificate.DNSNames)+len(e.Certificate.IPAddresses) == 0 {
		return fmt.Sprintf("certificate for a wrong name: wanted %s, and it has no alternative names, only a common name, which does not count", e.Host)
	}
	more := ""
	if len(names) > namesShown {
		more = fmt.Sprintf(" and %d more", len(names)-namesShown)
		names = names[:namesShown]
	}
	return fmt.Sprintf("certificate for a wrong name: wanted %s, it has %s%s", e.Host, strings.Join(names, ", "), more)
}

// explainInvalid is about certificates that are of no use now or for this.
func explainInvalid(e x509.CertificateInvalidError) string {
	who := subject(e.Cert)
	switch e.Reason {
	case x509.Expired:
		if strings.Contains(e.Detail, "is before") {
			return fmt.Sprintf("certificate not valid before %s (%s)", e.Cert.NotBefore.UTC().Format(time.RFC3339), who)
		}
		return fmt.Sprintf("certificate expired since %s (%s)", e.Cert.NotAfter.UTC().Format(time.RFC3339), who)
	case x509.IncompatibleUsage:
		return fmt.Sprintf("certificate not for this use (%s): its extended key usage lacks the one for this side", who)
	case x509.NotAuthorizedToSign:
		return fmt.Sprintf("certificate of one who is no authority (%s)", who)
	}
	return "certificate not valid: " + strings.TrimPrefix(e.Error(), "x509: ")
}

// alerts are what the other side has said, where the bare name of the alert leaves a question open.
var alerts = map[string]string{
	"unknown certificate authority":  "it does not know the authority of our certificate",
	"bad certificate":                "it did not take our certificate",
	"unknown certificate":            "it did not take our certificate",
	"unsupported certificate":        "our certificate is of a kind that it does not take",
	"revoked certificate":            "our certificate is revoked",
	"expired certificate":            "our certificate has expired",
	"certificate required":           "it wants a certificate from us",
	"unrecognized name":              "it has no certificate for the name we asked for",
	"protocol version not supported": "no TLS version in common",
	"handshake failure":              "nothing in common, or a certificate from us is missing",
	"insufficient security level":    "what we offer is too weak for it",
	"no application protocol":        "no ALPN protocol in common",
}

// explainAlert is about an alert that came.
func explainAlert(alert string) string {
	if text, ok := alerts[alert]; ok {
		return "refused by the other side: " + text + " (" + alert + ")"
	}
	return "refused by the other side: " + alert
}

// texts are what crypto/tls says without a type, by how it begins, where that would mislead.
var texts = []struct{ begins, means string }{
	{"no certificates configured", "no certificate for the name it asked for"},
	{"client didn't provide a certificate", "it showed no certificate, and one is required"},
	{"no cipher suite supported by both client and server", "no cipher suite in common"},
	{"no key exchanges supported by both client and server", "no key exchange in common"},
	{"client requested unsupported application protocols", "no ALPN protocol in common"},
	{"peer doesn't support any of the certificate's signature algorithms", "it can verify none of our certificates' signatures"},
	{"either ServerName or InsecureSkipVerify must be specified", "no name to verify: set tls.server_name"},
}

// versions turns the numbers of versions into their names.
var versions = strings.NewReplacer("300", "SSL 3.0", "301", "TLS 1.0", "302", "TLS 1.1", "303", "TLS 1.2", "304", "TLS 1.3", "[", "", "]", "", " ", ", ")

// explainText is about everything else.
func explainText(text string) string {
	_, after, found := strings.Cut(text, "tls: ")
	if !found {
		return text
	}
	if offered, ok := strings.CutPrefix(after, "client offered only unsupported versions: "); ok {
		return "no TLS version in common: it offers " + versions.Replace(offered)
	}
	for _, t := range texts {
		if rest, ok := strings.CutPrefix(after, t.begins); ok {
			return t.means + rest
		}
	}
	return after
}
