package sim

// A veiled end is one whose actor speaks TLS. What is sealed waits until the socket takes it, torn at any byte.

import (
	"crypto/tls"
	"syscall"

	"golang.org/x/sys/unix"

	"sluice/internal/veil"
)

// Causes that a veil gives, besides those of the socket.
const (
	veilCut = unix.ECONNABORTED // FIN without close_notify
	veilBad = unix.EPROTO       // the handshake has failed, or a record is bad
)

// updatesMost keeps the answers to updates of keys below what crypto/tls takes without data among them.
const updatesMost = 7

type veiled struct {
	*veil.Veil
	e        *end
	begun    bool
	shaken   bool
	notified bool // close_notify has been read
	bowing   bool // FIN is to follow what waits
	bowed    bool // close_notify has been said
	blunt    bool // and is not to be
	broken   bool // the socket takes nothing any more
	garbleAt int  // the byte behind the handshake that is sent as another; -1 is none, and -2 that it was

	base    int // bytes of the socket before the veil's
	flown   int // bytes of the veil's that the socket has taken
	sealed  int // bytes of the actor's
	updates int // of keys, since anything came
	marks   []veilMark
}

// veilMark says how many bytes of the actor's can be read of so many of the veil's.
type veilMark struct{ flown, sealed int }

// veil hangs one before an actor's end.
func (o *office) veil(e *end, client bool) {
	w := o.w
	v := &veiled{e: e, garbleAt: -1}
	if client {
		v.Veil = veil.Client(o.clientTLS())
	} else {
		v.Veil = veil.Server(veil.ServerConfig())
	}
	if w.plan.rude > 0 && w.chance(8) {
		v.garbleAt = w.scale(1, 300)
		if w.chance(70) {
			v.garbleAt = w.between(150, 6000)
		}
	}
	e.veil = v
	o.veils = append(o.veils, v)
}

// clientTLS draws what a client can do.
func (o *office) clientTLS() *tls.Config {
	w := o.w
	config := &tls.Config{ServerName: "sim.test", InsecureSkipVerify: true, CurvePreferences: []tls.CurveID{tls.X25519}}
	if w.chance(5) {
		config.CurvePreferences = nil
	}
	if w.chance(w.plan.older) {
		config.MaxVersion = tls.VersionTLS12
	}
	if w.chance(50) {
		config.ClientSessionCache = o.cache
	}
	return config
}

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

// tend does what is due at each step. The veil begins when what goes before it has been sent, or read.
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
	return e.veil == nil || e.veil.broken || len(e.veil.Out()) == 0 && !e.veil.bowing
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

// garbled reports whether a byte was sent as another.
func (v *veiled) garbled() bool { return v != nil && v.garbleAt == -2 }

// proceed goes on with the handshake, and sends what waits.
func (v *veiled) proceed() {
	if v.Shake() && !v.shaken && v.Err() == nil {
		v.shaken = true
		if v.e.w.plan.updates > 0 {
			v.Forge()
		}
		if v.garbleAt >= 0 {
			v.garbleAt += v.flown + len(v.Out())
		}
	}
	if v.bowing && v.shaken && !v.blunt && !v.bowed {
		v.bowed = true
		v.Notify()
	}
	v.flush()
}

// flush sends what the socket takes.
func (v *veiled) flush() {
	for len(v.Out()) > 0 && !v.broken {
		piece := v.Out()
		if at := v.garbleAt - v.flown; v.shaken && at >= 0 && at < len(piece) {
			v.e.w.cover.hit(Garbled)
			v.e.w.trace("%s garbles byte %d of %d", v.e.name, at, len(piece))
			piece[at] ^= 1 << v.e.w.rng.IntN(8)
			v.garbleAt = -2
		}
		n, err := v.e.write(piece)
		v.e.w.trace("%s: %d of %d sealed bytes, %s", v.e.name, n, len(piece), errName(err))
		if err == unix.EAGAIN {
			return
		}
		v.broken = err != 0
		v.Sent(n)
		v.flown += n
	}
	if v.bowing && (v.Over() || v.blunt) && len(v.Out()) == 0 {
		v.bowing = false
		v.e.shutdownWrite()
	}
}

// say seals bytes, some of them behind new keys.
func (v *veiled) say(p []byte) (int, syscall.Errno) {
	v.flush()
	switch {
	case v.broken || v.Err() != nil:
		return 0, unix.EPIPE
	case !v.shaken || len(v.Out()) > 0:
		return 0, unix.EAGAIN
	}
	if v.Forges() && v.updates < updatesMost && v.e.w.chance(v.e.w.plan.updates) {
		v.updates++
		v.e.w.cover.hit(KeysUpdated)
		v.Update()
	}
	p = p[:min(len(p), veil.RecordMost)]
	if v.Seal(p) != nil {
		return 0, unix.EPIPE
	}
	v.sealed += len(p)
	v.marks = append(v.marks, veilMark{v.flown + len(v.Out()), v.sealed})
	v.flush()
	return len(p), 0
}

// hear gives what could be opened, then what else the socket has.
func (v *veiled) hear(p []byte) (int, syscall.Errno) {
	for {
		n, verdict := v.Open(p)
		switch {
		case n > 0:
			v.updates = 0
			return n, 0
		case verdict == veil.Cut:
			return 0, veilCut
		case verdict == veil.Bad:
			return 0, veilBad
		}
		n, err := v.e.read(p) // what comes goes through the veil, and comes out of it again
		switch {
		case err != 0:
			return 0, err
		case verdict == veil.Ended && n > 0:
			v.e.w.fault("%s: %d bytes behind close_notify", v.e.name, n)
			return 0, veilBad
		case verdict == veil.Ended:
			return 0, 0
		case n == 0:
			v.End()
		}
		v.Feed(p[:n])
		v.proceed()
	}
}
