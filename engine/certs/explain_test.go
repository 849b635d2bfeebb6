package certs

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"sluice/internal/assert"
)

// What handshakes really say is in the tests of handshakes; here is the rest.
func TestExplain(t *testing.T) {
	root := newCA(t, "root", nil)
	for want, err := range map[string]error{
		"":                            nil,
		"the handshake took too long": fmt.Errorf("read: %w", os.ErrDeadlineExceeded),
		"the connection was closed during the handshake": io.EOF,
		"the connection was reset during the handshake":  &net.OpError{Op: "read", Err: syscall.ECONNRESET},
		"something else":                                                           errors.New("something else"),
		"unsupported SSLv2 handshake received":                                     errors.New("tls: unsupported SSLv2 handshake received"),
		"refused by the other side: user canceled":                                 &net.OpError{Op: "remote error", Err: errors.New("tls: user canceled")},
		"certificate of an unknown authority":                                      x509.UnknownAuthorityError{},
		"certificate of one who is no authority (root)":                            x509.CertificateInvalidError{Cert: root.cert, Reason: x509.NotAuthorizedToSign},
		"certificate not valid: too many intermediates for path length constraint": x509.CertificateInvalidError{Cert: root.cert, Reason: x509.TooManyIntermediates},
		"the authorities of the system cannot be read: failed to load system roots and no roots provided; no": x509.SystemRootsError{Err: errors.New("no")},
		"certificate not verified: unhandled critical extension":                                              &tls.CertificateVerificationError{Err: x509.UnhandledCriticalExtension{}},
	} {
		assert.Equal(t, Explain(err), want)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 0)
	defer cancel()
	assert.Equal(t, Explain(ctx.Err()), "the handshake took too long")
}

// An impostor with the name of an authority is not mistaken for it, and the hint says why.
func TestExplainImpostor(t *testing.T) {
	root, impostor := newCA(t, "root", nil), newCA(t, "root", nil)
	m := meet(t, origin(impostor.site(t, "", "app.test")), trusting(root, "app.test"))
	has(t, Explain(m.clientErr), "certificate of an unknown authority: CN=root; perhaps because of ECDSA verification failure")
	has(t, Explain(m.servErr), "refused by the other side: it did not take our certificate (bad certificate)")
}

// One side speaks no TLS.
func TestExplainPlain(t *testing.T) {
	near, far := transport(t)
	defer far.Close()
	_, err := far.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
	assert.NoError(t, err)
	err = tls.Client(near, &tls.Config{InsecureSkipVerify: true}).Handshake()
	has(t, Explain(err), "the other side does not speak TLS: ")
}

// nearsEnd and its thresholds.
func TestNearsEnd(t *testing.T) {
	c := &x509.Certificate{NotBefore: aDay, NotAfter: aDay.Add(100 * day), DNSNames: []string{"a.test"}}
	for _, x := range []struct {
		left time.Duration
		want string
	}{{warnEarly, ""}, {warnEarly - 1, "less than 14 days"}, {warnLate, "less than 14 days"}, {warnLate - 1, "less than 3 days"},
		{0, "less than 3 days"}, {-1, "has expired"}, {101 * day, "is not valid before 2026-03-01T00:00:00Z"}} {
		err := nearsEnd(c, c.NotAfter.Add(-x.left))
		if x.want == "" {
			assert.NoError(t, err)
			continue
		}
		has(t, err.Error(), x.want)
	}
}
