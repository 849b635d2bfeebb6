package seal

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"strings"

	"sluice/engine/record"
)

// Kind is what sort of failure ended a handshake or a session.
type Kind uint8

// The kinds of failures.
const (
	Protocol    Kind = iota // the two have nothing in common, or the peer breaks the rules; an alert has been sent
	Busy                    // too many handshakes under way or waiting
	Timeout                 // not done by the deadline
	Gone                    // the peer left in the middle
	Refused                 // the peer sent an alert
	Certificate             // the peer's certificate is missing or does not convince
	NotTLS                  // the peer speaks something else
	NoName                  // there is no certificate for the name that the client asks for
	Crashed                 // a panic
	kinds
)

var kindTokens = [kinds]string{
	"protocol", "busy", "timeout", "gone", "refused", "certificate", "not_tls", "no_name", "crashed",
}

// String returns the kind's token, as it appears in logs and metrics.
func (k Kind) String() string {
	if k < kinds {
		return kindTokens[k]
	}
	return "invalid"
}

// Failure is why TLS with a peer came to nothing.
type Failure struct {
	Kind Kind
	Text string // for the log: short, printable, without a prefix
	Err  error  // what crypto/tls said; nil for failures of our own making
}

// Reason is what records call a failure of the handshake with the peer on that side.
func (f *Failure) Reason(side record.Side) record.Reason {
	if side == record.Back {
		return backReasons[f.Kind]
	}
	return frontReasons[f.Kind]
}

var frontReasons = [kinds]record.Reason{
	Protocol: record.HandshakeFailed, Busy: record.HandshakeBusy, Timeout: record.HandshakeTimeout, Gone: record.ClientGone,
	Refused: record.HandshakeFailed, Certificate: record.ClientCertificate, NotTLS: record.NotTLS, NoName: record.UnknownName,
	Crashed: record.Internal,
}

var backReasons = [kinds]record.Reason{
	Protocol: record.ServerHandshake, Busy: record.Busy, Timeout: record.ServerHandshakeTimeout, Gone: record.ServerHandshake,
	Refused: record.ServerHandshake, Certificate: record.ServerCertificate, NotTLS: record.ServerHandshake, NoName: record.ServerHandshake,
	Crashed: record.Internal,
}

// Silent reports whether the peer has been told nothing: there is no alert to wait for.
func (f *Failure) Silent() bool { return f.Kind == Busy || f.Kind == Timeout }

// Error implements error.
func (f *Failure) Error() string { return f.Text }

// The failures of our own making.
var (
	TooBusy    = &Failure{Kind: Busy, Text: "too many handshakes"}
	TooSlow    = &Failure{Kind: Timeout, Text: "handshake not done in time"}
	tooCrumbly = &Failure{Kind: Protocol, Text: "handshake in too many pieces"}
	crashed    = &Failure{Kind: Crashed, Text: "internal error"}
)

// empty is the temporary error that crypto/tls does not keep.
type empty struct{}

func (empty) Error() string   { return "seal: nothing received yet" }
func (empty) Timeout() bool   { return true }
func (empty) Temporary() bool { return true }

// What the shim says to crypto/tls. errLost is no system error, because some of those call themselves temporary.
var (
	errEmpty     net.Error = empty{}
	errLost                = errors.New("connection lost")
	errOverrun             = errors.New("peer asks for more answers than it takes")
	errAbandoned           = errors.New("handshake abandoned")
)

// failure makes a failure of the error that has ended a handshake.
func (p *Pool) failure(err error) *Failure {
	f := explain(err)
	if p.Explain != nil && f.Kind != Gone {
		f.Text = tidy(p.Explain(err))
	}
	return f
}

// explain makes a failure of an error of crypto/tls.
func explain(err error) *Failure {
	f := &Failure{Err: err, Text: err.Error()}
	var op *net.OpError
	var header tls.RecordHeaderError
	var verification *tls.CertificateVerificationError
	var unknown x509.UnknownAuthorityError
	switch {
	case err == io.EOF || err == io.ErrUnexpectedEOF || err == errLost:
		f.Kind, f.Text = Gone, "peer closed the connection during the handshake"
	case errors.As(err, &unknown):
		f.Kind, f.Text = Certificate, "certificate signed by unknown CA"
	case errors.As(err, &verification):
		f.Kind, f.Text = Certificate, verification.Err.Error()
	case errors.As(err, &op) && op.Op == "remote error":
		f.Kind, f.Text = Refused, "peer sent alert: "+strings.TrimPrefix(op.Err.Error(), "tls: ")
	case errors.As(err, &op):
		f.Text = op.Err.Error()
	case errors.As(err, &header):
		f.Kind, f.Text = NotTLS, header.Msg
	case strings.Contains(f.Text, "no certificates configured"): // that is how room certs refuses a name
		f.Kind, f.Text = NoName, "no certificate for the name it asked for"
	case strings.Contains(f.Text, "any of the certificate's"), strings.Contains(f.Text, "unexpected handshake message"):
		// The peer can verify none of our keys, or has sent a message where one with a certificate belongs.
	case strings.Contains(f.Text, "certificate"): // not sent, or none to show: these errors have no type
		f.Kind = Certificate
	}
	f.Text = tidy(f.Text)
	return f
}

// tidy makes text fit for a log line: names in it come from the peer.
func tidy(text string) string {
	text = strings.TrimPrefix(strings.TrimPrefix(text, "tls: "), "x509: ")
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, text)
	return text[:min(len(text), textMax)]
}
