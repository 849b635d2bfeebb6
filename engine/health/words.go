package health

// What went wrong, in the words of the operator who reads the log at night: short, the server's fault first, no names of Go packages.
// Errors of the system keep their own words: "connection refused".

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"unicode/utf8"

	"sluice/engine/record"
)

// A phase of a check, in words: what was being done, and what is missing if it never ends.
type phase struct{ doing, missing string }

var (
	connecting  = phase{"connecting", "no connection"}
	introducing = phase{"sending the PROXY header", "no room for the PROXY header"}
	handshaking = phase{"TLS handshake", "no TLS handshake"}
	requesting  = phase{"sending the request", "no room for the request"}
	awaiting    = phase{"waiting for an answer", "no answer"}
	readingHead = phase{"reading the head of the answer", "no whole head of an answer"}
	readingBody = phase{"reading the body of the answer", "no whole body of an answer"}
)

// A fault is a check that broke off. It keeps the error behind it, for ours.
type fault struct {
	text  string
	cause error
}

// Error returns the text for people.
func (f *fault) Error() string { return f.text }

// Unwrap returns the error behind f.
func (f *fault) Unwrap() error { return f.cause }

// explain says what an error in one phase of a check means.
func (p *prober) explain(ctx context.Context, at phase, err error) error {
	return &fault{text: shorten(p.words(ctx, at, err)), cause: err}
}

// words is the whole text, however long.
func (p *prober) words(ctx context.Context, at phase, err error) string {
	// The dialer has a timer of its own for the same deadline, which may be the faster one.
	if ctx.Err() != nil || errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Sprintf("%s within %v", at.missing, p.check.Timeout)
	}
	if refused, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return "certificate: " + strings.TrimPrefix(refused.Err.Error(), "x509: ")
	}
	if errno := record.Errno(err); errno != 0 {
		if at == connecting {
			return errno.Error()
		}
		return at.doing + ": " + errno.Error()
	}
	switch {
	case errors.Is(err, errHeadTooLarge):
		return err.Error()
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return at.doing + ": the server closed the connection"
	}
	return at.doing + ": " + strings.TrimPrefix(err.Error(), "tls: ")
}

// shorten bounds a text without cutting a character.
func shorten(text string) string {
	if len(text) <= causeMax {
		return text
	}
	end := causeMax - len("…")
	for !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + "…"
}

// ours reports whether an error lies with this process or machine, so that it says nothing about the server: no descriptors, memory or
// local ports. That a network cannot be reached is not among them: whoever's fault it is, the server cannot be reached either.
func ours(err error) bool {
	switch record.Errno(err) {
	case syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.ENOBUFS, syscall.EADDRNOTAVAIL:
		return true
	}
	return false
}
