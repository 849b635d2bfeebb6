// Package certs keeps what TLS shows and believes: certificates and their keys, the authorities of clients and servers, revocation
// lists, OCSP staples, ticket keys. It is a control room: it runs beside the loops, reads files when they change, and hands out
// configurations of crypto/tls that never change.
//
//	files ──► source (last good content) ──► generation (immutable) ──► atomic pointer ◄── handshakes
//	             └► what is wrong with it ──► Options.Trouble, once
//
// A Store (store.go) serves a listener: it chooses the certificate by SNI and key type (index.go). An Upstream (upstream.go)
// serves the connections to servers. Both swap to a new generation when a file has changed (keeper.go); connections that are
// there keep what they began with. A new file that is broken is refused: the old content stays until a good one comes.
//
// No cryptography is done here beyond asking crypto/tls and crypto/x509; what they cannot be told is in the comments of Store.
package certs

import (
	"crypto/tls"
	"errors"
	"io"
	"os"
	"strings"
	"time"

	"sluice/configs/credential"
)

const (
	// lookEvery is how late, at most, what the clock changes is noticed: rotation, expiry. Changed files are noticed at once.
	lookEvery = 30 * time.Second
	// clockSkew is how far the clocks of authorities may be ahead of ours.
	clockSkew = 5 * time.Minute
	// sessionsPerServer bounds what is remembered to resume. crypto/tls remembers by server name, and a Peer has one of these.
	sessionsPerServer = 1
)

// Expiry is warned about this long before, and when it has come.
const (
	day       = 24 * time.Hour
	warnEarly = 14 * day
	warnLate  = 3 * day
)

// curves are the key exchanges in use, hybrid first. crypto/tls takes the set and prefers in its own order, which is this one.
var curves = []tls.CurveID{tls.X25519MLKEM768, tls.X25519, tls.CurveP256, tls.CurveP384}

// suites are those of TLS 1.2: forward secrecy and AEAD only. The suites of TLS 1.3 are all of that kind and not configurable.
var suites = []uint16{
	tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
	tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
	tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
}

// Watch is what a Store and an Upstream tell, and what time it is for them. The zero Watch tells nobody.
type Watch struct {
	// Trouble hears, once for each, what is wrong or soon will be: broken files that are refused, certificates about to expire,
	// stale lists. The errors are *FileError. Recovered hears when nothing is wrong any more with a file that Trouble has named.
	// Both are called by one goroutine, one at a time: during New by its caller's, then by one of the room's own. They must not
	// call Close.
	Trouble   func(error)
	Recovered func(file string)
	// KeyLog receives the secrets of every connection (see OpenKeyLog); nil = nobody does.
	KeyLog io.Writer
	// Now is the clock; nil = the real one.
	Now func() time.Time
}

// withDefaults returns w without nil functions.
func (w Watch) withDefaults() Watch {
	if w.Trouble == nil {
		w.Trouble = func(error) {}
	}
	if w.Recovered == nil {
		w.Recovered = func(string) {}
	}
	if w.Now == nil {
		w.Now = time.Now
	}
	return w
}

// base is what both sides of all connections agree on.
func (w Watch) base(protocols []string) *tls.Config {
	return &tls.Config{
		MinVersion:       tls.VersionTLS12,
		CipherSuites:     suites,
		CurvePreferences: curves,
		NextProtos:       protocols,
		KeyLogWriter:     w.KeyLog,
		Time:             w.Now,
	}
}

// A FileError says what is wrong with a file.
type FileError struct {
	File    string
	Refused bool // the file is not used: its last good content is, where there was one
	Err     error
}

// Error returns the file and what is wrong with it, in one line.
func (e *FileError) Error() string {
	if problem, ok := errors.AsType[credential.Problem](e.Err); ok {
		if problem.Remedy == "" {
			return e.File + " " + problem.Message
		}
		return e.File + " " + problem.Message + " (" + problem.Remedy + ")"
	}
	if path, ok := errors.AsType[*os.PathError](e.Err); ok && path.Path == e.File {
		return e.File + ": " + path.Err.Error()
	}
	text := e.Err.Error()
	if strings.HasPrefix(text, e.File+" ") { // who reads files names them
		return text
	}
	return e.File + ": " + text
}

// Unwrap returns what is wrong.
func (e *FileError) Unwrap() error { return e.Err }
