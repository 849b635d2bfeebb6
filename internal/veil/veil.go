// Package veil is the far side of TLS for tests that have neither sockets nor goroutines: crypto/tls between two slices of
// bytes, for whoever decides himself when and how torn they travel.
//
//	Feed, End ──► in ─┐                      ┌─► Open
//	                  ├─ crypto/tls ─ Shake ─┤
//	Out, Sent ◄── out ┘                      └── Seal, Notify, Update
package veil

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"iter"
	"net"
	"time"
)

// RecordMost is how much a record holds.
const RecordMost = 16 << 10

// Verdict is what is to be said of the incoming side, besides its bytes.
type Verdict uint8

// The verdicts. Those from Ended on are final.
const (
	More  Verdict = iota // more has to be fed first
	Ended                // close_notify has come
	Cut                  // the stream has ended without it
	Bad                  // the handshake has failed, or a record is bad
)

// Veil is one side. It belongs to one goroutine.
type Veil struct {
	net.Conn
	tls     *tls.Conn
	forger  *forger // writes the records behind the handshake, or nil
	secrets bytes.Buffer
	next    func() (struct{}, bool)
	stop    func()
	yield   func(struct{}) bool
	in, out []byte
	eof     bool
	over    bool
	server  bool
	ended   bool
	err     error
}

// Client is a client's side. The configuration is the veil's.
func Client(config *tls.Config) *Veil {
	v := new(Veil)
	config.KeyLogWriter = &v.secrets
	v.tls = tls.Client(v, config)
	v.begin()
	return v
}

// Server is a server's side.
func Server(config *tls.Config) *Veil {
	v := &Veil{server: true}
	v.tls = tls.Server(v, config)
	v.begin()
	return v
}

func (v *Veil) begin() {
	v.next, v.stop = iter.Pull(func(yield func(struct{}) bool) {
		v.yield = yield
		v.err = v.tls.Handshake()
		v.over = true
	})
}

// Close ends a handshake that is not over. It is owed to every veil.
func (v *Veil) Close() error {
	v.stop()
	return nil
}

// Feed has bytes of the other side's come.
func (v *Veil) Feed(b []byte) { v.in = append(v.in, b...) }

// End says that no more will come.
func (v *Veil) End() { v.eof = true }

// Shake goes on with the handshake and reports whether it is over, well or not.
func (v *Veil) Shake() bool {
	if !v.over {
		v.next()
	}
	return v.over
}

// Over reports whether the handshake is over, and Err why it, or what followed, has failed.
func (v *Veil) Over() bool { return v.over }

// Err is why TLS has failed, or nil.
func (v *Veil) Err() error { return v.err }

// Forge has a client write its records itself from now on, so that Update can be called. It reports whether it can. (A server
// cannot: crypto/tls does not say how many tickets it has sent with the same keys.)
func (v *Veil) Forge() bool {
	if s := v.tls.ConnectionState(); !v.server && s.Version == tls.VersionTLS13 && s.CipherSuite == tls.TLS_AES_128_GCM_SHA256 {
		v.forger = newForger(v.secrets.String())
	}
	return v.forger != nil
}

// Out is what is to be sent; Sent takes the first n bytes off.
func (v *Veil) Out() []byte { return v.out }

// Sent says that n bytes have been sent.
func (v *Veil) Sent(n int) { v.out = v.out[n:] }

// Seal makes a record of up to RecordMost bytes.
func (v *Veil) Seal(p []byte) error {
	if v.forger == nil {
		_, err := v.tls.Write(p)
		return err
	}
	v.out = append(v.out, v.forger.record(recordData, p)...)
	return nil
}

// Update asks the other side for new keys, and takes new ones. The veil forges.
func (v *Veil) Update() { v.out = append(v.out, v.forger.update()...) }

// Forges reports whether Update can be called.
func (v *Veil) Forges() bool { return v.forger != nil }

// Notify says close_notify.
func (v *Veil) Notify() {
	if v.forger == nil {
		_ = v.tls.CloseWrite() // it is only told to out
		return
	}
	v.out = append(v.out, v.forger.record(recordAlert, []byte{1, 0})...)
}

// Open gives bytes, or says why there are none.
func (v *Veil) Open(p []byte) (int, Verdict) {
	switch {
	case v.ended:
		return 0, Ended
	case !v.over && !v.eof:
		return 0, More
	case v.err != nil || !v.over:
		return 0, Bad
	}
	n, err := v.tls.Read(p)
	switch {
	case n > 0:
		return n, More
	case errors.Is(err, nothing{}):
		return 0, More
	case v.eof && (err == io.EOF || err == io.ErrUnexpectedEOF):
		return 0, Cut
	case err == io.EOF:
		v.ended = true
		return 0, Ended
	}
	v.err = err
	return 0, Bad
}

// nothing is the error of a veil that has nothing to read, of the kind that crypto/tls does not keep.
type nothing struct{}

func (nothing) Error() string   { return "nothing to read" }
func (nothing) Timeout() bool   { return true }
func (nothing) Temporary() bool { return true }

// Read implements net.Conn, for crypto/tls.
func (v *Veil) Read(p []byte) (int, error) {
	for len(v.in) == 0 {
		switch {
		case v.eof:
			return 0, io.EOF
		case v.over:
			return 0, nothing{}
		case !v.yield(struct{}{}):
			return 0, io.ErrClosedPipe
		}
	}
	n := copy(p, v.in)
	v.in = v.in[n:]
	return n, nil
}

// Write implements net.Conn. What crypto/tls says by itself while the veil forges is dropped: it does not know the keys.
func (v *Veil) Write(p []byte) (int, error) {
	if v.forger == nil {
		v.out = append(v.out, p...)
	}
	return len(p), nil
}

// SetWriteDeadline implements net.Conn.
func (v *Veil) SetWriteDeadline(time.Time) error { return nil }

// RemoteAddr implements net.Conn.
func (v *Veil) RemoteAddr() net.Addr { return &net.TCPAddr{} }
