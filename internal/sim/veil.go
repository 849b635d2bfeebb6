package sim

// A veil is TLS as an actor speaks it, by crypto/tls itself. Its handshake is a coroutine; what it seals waits until the
// socket takes it, torn at any byte.

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"iter"
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Causes that a veil gives, besides those of the socket.
const (
	veilCut = unix.ECONNABORTED // FIN without close_notify
	veilBad = unix.EPROTO       // the handshake has failed, or a record is bad
)

// updatesMost keeps the answers to updates of keys below what crypto/tls takes without data among them.
const updatesMost = 7

type veil struct {
	net.Conn
	e       *end
	tls     *tls.Conn
	forger  *forger // writes the records after the handshake, or nil
	secrets bytes.Buffer
	next    func() (struct{}, bool)
	stop    func()
	yield   func(struct{}) bool

	in, out  queue
	begun    bool
	eof      bool // FIN has been read
	over     bool // the handshake is
	err      error
	notified bool // close_notify has been read
	bowing   bool // FIN is to follow what is in out
	bowed    bool // close_notify is in out, or has been
	blunt    bool // without close_notify
	broken   bool // the socket takes nothing any more
	garbleAt int  // the byte behind the handshake that is sent as another, or -1

	base    int // bytes of the socket before the veil's
	flown   int // bytes of the veil's that the socket has taken
	sealed  int // bytes of the actor's
	updates int // of keys, since anything came
	marks   []veilMark
}

// veilMark says how many bytes of the actor's can be read of so many of the veil's.
type veilMark struct{ flown, sealed int }

// veil hangs one before a client's end.
func (o *office) veil(e *end) *veil {
	w := o.w
	v := &veil{e: e, garbleAt: -1}
	config := &tls.Config{ServerName: "sim.test", InsecureSkipVerify: true, KeyLogWriter: &v.secrets, CurvePreferences: []tls.CurveID{tls.X25519}}
	if w.chance(5) {
		config.CurvePreferences = nil
	}
	if w.chance(w.plan.older) {
		config.MaxVersion = tls.VersionTLS12
	}
	if w.chance(50) {
		config.ClientSessionCache = o.cache
	}
	if w.plan.rude > 0 && w.chance(4) {
		v.garbleAt = w.scale(1, 300)
		if w.chance(70) {
			v.garbleAt = w.between(150, 6000)
		}
	}
	v.tls = tls.Client(v, config)
	v.next, v.stop = iter.Pull(func(yield func(struct{}) bool) {
		v.yield = yield
		v.err = v.tls.Handshake()
		v.over = true
	})
	o.veils = append(o.veils, v)
	return v
}

// wait is the error of a veil that has nothing to read.
type wait struct{}

func (wait) Error() string   { return "nothing to read" }
func (wait) Timeout() bool   { return true }
func (wait) Temporary() bool { return true }

// Read implements net.Conn.
func (v *veil) Read(p []byte) (int, error) {
	for v.in.len() == 0 {
		switch {
		case v.eof:
			return 0, io.EOF
		case v.over:
			return 0, wait{}
		case !v.yield(struct{}{}):
			return 0, io.ErrClosedPipe
		}
	}
	return v.in.pop(p), nil
}

// Write implements net.Conn. What crypto/tls says by itself while somebody else writes the records is dropped.
func (v *veil) Write(p []byte) (int, error) {
	if v.forger == nil {
		v.out.push(p)
	}
	return len(p), nil
}

// SetWriteDeadline and RemoteAddr implement net.Conn.
func (v *veil) SetWriteDeadline(time.Time) error { return nil }

// RemoteAddr implements net.Conn.
func (v *veil) RemoteAddr() net.Addr { return &net.TCPAddr{} }

// hear, say and bow are read, write and shutdownWrite as actors call them.
func (e *end) hear(p []byte) (int, syscall.Errno) {
	if e.veil == nil || !e.veil.begun {
		return e.read(p)
	}
	return e.veil.hear(p)
}

func (e *end) say(p []byte) (int, syscall.Errno) {
	if e.veil == nil {
		return e.write(p)
	}
	return e.veil.say(p)
}

// bow ends the stream; bluntly is without close_notify.
func (e *end) bow(bluntly bool) {
	if e.veil == nil || !e.veil.begun {
		e.shutdownWrite()
		return
	}
	e.veil.bowing, e.veil.blunt = true, bluntly
	e.veil.proceed()
}

// tend does what is due at each step. The veil begins when what goes before it has been sent.
func (e *end) tend(begins bool) {
	if v := e.veil; v != nil && begins {
		if !v.begun {
			v.begun, v.base = true, int(e.wrote)
		}
		v.proceed()
	}
}

// flushed reports whether everything has been sent that was said.
func (e *end) flushed() bool {
	return e.veil == nil || e.veil.broken || e.veil.out.len() == 0 && !e.veil.bowing
}

// delivered is how many bytes of the actor's can be read at the proxy's end.
func (e *end) delivered() int {
	if e.veil == nil {
		return int(e.peer.received)
	}
	n := 0
	for _, m := range e.veil.marks {
		if e.veil.base+m.flown <= int(e.peer.received) {
			n = m.sealed
		}
	}
	return n
}

// proceed goes on with the handshake, and sends what waits.
func (v *veil) proceed() {
	if !v.over {
		v.next()
		if v.over && v.err == nil {
			v.shaken()
		}
	}
	if v.bowing && v.over && v.err == nil && !v.blunt && !v.bowed {
		v.bowed = true
		v.notify()
	}
	v.flush()
}

func (v *veil) notify() {
	if v.forger != nil {
		v.out.push(v.forger.record(recordAlert, []byte{1, 0}))
		return
	}
	_ = v.tls.CloseWrite()
}

// flush sends what the socket takes.
func (v *veil) flush() {
	for v.out.len() > 0 && !v.broken {
		piece := v.out.peek(v.out.len())
		if at := v.garbleAt - v.flown; v.over && v.garbleAt >= 0 && at >= 0 && at < len(piece) {
			v.e.w.cover.hit(Garbled)
			piece[at] ^= 1 << v.e.w.rng.IntN(8)
			v.garbleAt = -2
		}
		n, err := v.e.write(piece)
		if err == unix.EAGAIN {
			return
		}
		v.broken = err != 0
		v.out.drop(n)
		v.flown += n
	}
	if v.bowing && (v.over || v.blunt) && v.out.len() == 0 {
		v.bowing = false
		v.e.shutdownWrite()
	}
}

// garbled reports whether a byte was sent as another.
func (v *veil) garbled() bool { return v != nil && v.garbleAt == -2 }

// say seals bytes, some of them behind new keys.
func (v *veil) say(p []byte) (int, syscall.Errno) {
	v.flush()
	switch {
	case v.broken || v.err != nil:
		return 0, unix.EPIPE
	case !v.over || v.out.len() > 0:
		return 0, unix.EAGAIN
	}
	p = p[:min(len(p), recordMost)]
	if v.forger == nil {
		if _, err := v.tls.Write(p); err != nil {
			return 0, unix.EPIPE
		}
	} else {
		if v.updates < updatesMost && v.e.w.chance(v.e.w.plan.updates) {
			v.updates++
			v.e.w.cover.hit(KeysUpdated)
			v.out.push(v.forger.update())
		}
		v.out.push(v.forger.record(recordData, p))
	}
	v.sealed += len(p)
	v.marks = append(v.marks, veilMark{v.flown + v.out.len(), v.sealed})
	v.flush()
	return len(p), 0
}

// hear gives what could be opened, then what else the socket has.
func (v *veil) hear(p []byte) (int, syscall.Errno) {
	for {
		if n, err := v.open(p); n > 0 || err != unix.EAGAIN {
			return n, err
		}
		room := p // what comes goes into in, and comes out of it again
		n, err := v.e.read(room)
		switch {
		case err != 0:
			return 0, err
		case v.notified && n > 0:
			v.e.w.fault("%s: %d bytes behind close_notify", v.e.name, n)
		case v.notified:
			return 0, 0
		case n == 0:
			v.eof = true
		}
		v.in.push(room[:n])
		v.proceed()
	}
}

// open gives what can be had without the socket.
func (v *veil) open(p []byte) (int, syscall.Errno) {
	switch {
	case v.notified || !v.over && !v.eof:
		return 0, unix.EAGAIN
	case v.err != nil || !v.over:
		return 0, veilBad
	}
	n, err := v.tls.Read(p)
	switch {
	case n > 0:
		v.updates = 0
		return n, 0
	case errors.Is(err, wait{}):
		return 0, unix.EAGAIN
	case v.eof:
		return 0, veilCut
	case err == io.EOF:
		v.notified = true
		return 0, unix.EAGAIN
	}
	v.err = err
	return 0, veilBad
}

// shaken chooses who writes from now on.
func (v *veil) shaken() {
	w := v.e.w
	if s := v.tls.ConnectionState(); s.Version == tls.VersionTLS13 && s.CipherSuite == tls.TLS_AES_128_GCM_SHA256 && w.plan.updates > 0 {
		v.forger = newForger(v.secrets.String())
	}
	if v.garbleAt >= 0 {
		v.garbleAt += v.flown + v.out.len()
	}
}
