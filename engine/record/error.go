package record

// An Error says what went wrong, whose fault it was and whether trying again makes
// sense, so that no caller has to look inside a system error to decide:
//
//	err := record.ConnectError(syscall.ECONNREFUSED)
//	err.Kind   // connect_refused
//	err.Side() // back
//	err.Retry  // RetryYes: another server may do better
//
// The functions below are the only place where an errno is given a meaning.

import (
	"context"
	"errors"
	"io"
	"os"
	"syscall"
)

// Retry says whether the same work may be tried again elsewhere.
type Retry uint8

// RetryNo forbids it. RetryYes allows it: nothing reached the server. RetryIfReused
// allows it only where the connection came from a pool, because the server may have
// closed it before the work arrived.
const (
	RetryNo Retry = iota
	RetryYes
	RetryIfReused
)

// Error is a failure with its meaning. Kind is the Reason that the connection's record
// gets if nothing better happens; the side follows from it. Cause is the system's
// error and may be nil. Detail says more, as a short text, and may be empty.
type Error struct {
	Kind   Reason
	Retry  Retry
	Cause  error
	Detail string
}

// Error returns the token and the cause: "connect_refused: connection refused".
func (e *Error) Error() string {
	if e.Cause == nil {
		return e.Kind.String()
	}
	return e.Kind.String() + ": " + e.Cause.Error()
}

// Unwrap returns Cause.
func (e *Error) Unwrap() error { return e.Cause }

// Side returns whose fault it was.
func (e *Error) Side() Side { return e.Kind.Side() }

// ConnectError gives an error of socket(2) or connect(2) its meaning. Another server
// may be tried unless the cause lies here: without a file descriptor no server can be
// reached. ConnectFailed stays retryable, since a port or a permission is missing for
// one address only. It returns nil for nil.
func ConnectError(err error) *Error {
	kind := ConnectReason(err)
	switch kind {
	case None:
		return nil
	case ConnectRefused, ConnectTimeout, ConnectUnreachable, ConnectFailed:
		return &Error{Kind: kind, Retry: RetryYes, Cause: err}
	}
	return &Error{Kind: kind, Cause: err}
}

// ConnectReason classifies an error of socket(2) or connect(2). An *Error keeps its
// Kind; nil gives None; what is not known gives ConnectFailed.
func ConnectReason(err error) Reason {
	if err == nil {
		return None
	}
	if known, ok := errors.AsType[*Error](err); ok {
		return known.Kind
	}
	if timedOut(err) {
		return ConnectTimeout
	}
	switch Errno(err) {
	// A unix socket says ENOENT where nobody ever listened and EAGAIN where the
	// accept queue is full; a TCP server that resets the handshake also refuses.
	case syscall.ECONNREFUSED, syscall.ECONNRESET, syscall.ENOENT, syscall.EAGAIN:
		return ConnectRefused
	case syscall.ETIMEDOUT:
		return ConnectTimeout
	case syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.EHOSTDOWN, syscall.ENETDOWN:
		return ConnectUnreachable
	case syscall.EMFILE, syscall.ENFILE:
		return FDExhausted
	}
	return ConnectFailed
}

// DropReason classifies what kept an accepted connection from being served: a shortage, or a fault of ours.
func DropReason(err syscall.Errno) Reason {
	switch err {
	case syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.ENOSPC:
		return FDExhausted
	}
	return Internal
}

// StreamReason classifies what a read or write on an established connection returned;
// side says which one. io.EOF is an orderly end. An *Error keeps its Kind; nil gives
// None; what is not known, or has no side, gives Internal: a system call that fails
// for a reason of its own is our fault.
func StreamReason(side Side, err error) Reason {
	if err == nil {
		return None
	}
	if known, ok := errors.AsType[*Error](err); ok {
		return known.Kind
	}
	if errors.Is(err, io.EOF) {
		return bySide(side, ClientEnd, ServerEnd)
	}
	switch Errno(err) {
	// EPIPE and ENOTCONN are what is left of a reset after another call has
	// consumed it.
	case syscall.ECONNRESET, syscall.EPIPE, syscall.ENOTCONN:
		return bySide(side, ClientReset, ServerReset)
	// The kernel gives neither of these for a connection that was established: they are what TLS says (sock.Truncated,
	// sock.Violated).
	case syscall.ECONNABORTED:
		return bySide(side, ClientTruncated, ServerTruncated)
	case syscall.EPROTO:
		return bySide(side, ClientViolation, ServerViolation)
	case syscall.ETIMEDOUT, syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.EHOSTDOWN, syscall.ENETDOWN:
		return bySide(side, ClientLost, ServerLost)
	}
	return Internal
}

// Errno returns the system's error number inside err, or 0.
func Errno(err error) syscall.Errno {
	errno, _ := errors.AsType[syscall.Errno](err)
	return errno
}

// timedOut recognises deadlines of our own. syscall.Errno is not asked through its
// Timeout method, because that counts EAGAIN too.
func timedOut(err error) bool {
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded)
}

func bySide(side Side, client, server Reason) Reason {
	switch side {
	case Front:
		return client
	case Back:
		return server
	}
	return Internal
}
