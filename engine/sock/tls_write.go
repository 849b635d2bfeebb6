package sock

// The writing half of the layer: parts of plaintext become records, records become ciphertext in at most two buffers, and
// those go to the kernel, now or when it reports space.

import (
	"syscall"

	"golang.org/x/sys/unix"

	"sluice/engine/seal"
	"sluice/pool"
)

// write seals parts and sends them. It returns how many of their bytes are sealed, and EAGAIN while the kernel has not
// taken what was sealed before.
func (l *layer) write(parts *Parts) (int, syscall.Errno) {
	switch err := l.flush(); {
	case err != 0:
		return 0, err
	case l.pending():
		return 0, unix.EAGAIN
	case l.session == nil:
		if !l.failed {
			panic("sock: written before the handshake is over")
		}
		return 0, Violated
	}
	n := l.seal(parts)
	if n < 0 {
		return 0, Violated
	}
	if c := l.conn; c.sink != nil && c.last && n == parts.Len() {
		l.notify() // it leaves with the last bytes
	}
	return n, l.flush()
}

// seal makes records of up to sealMax bytes of the parts, and returns of how many, or -1. What is too short for a record
// is joined with what follows.
func (l *layer) seal(parts *Parts) int {
	total := min(parts.Len(), sealMax)
	l.hint = total + total/recordLeast*recordOverhead + 2*recordOverhead
	rest := *parts
	for done := 0; done < total; {
		n := l.sealOne(&rest, total-done)
		if n < 0 {
			return -1
		}
		done += n
	}
	return total
}

// sealOne takes the next bytes off the parts, whole records in place or one record put together, and seals them.
func (l *layer) sealOne(parts *Parts, most int) int {
	at := 0
	for len(parts[at]) == 0 {
		at++
	}
	if whole := min(len(parts[at]), most); whole >= recordMax || whole == most {
		if whole < most {
			whole -= whole % recordMax
		}
		b := parts[at][:whole]
		parts[at] = parts[at][whole:]
		return l.sealed(b)
	}
	stage := l.conn.net.staging()
	for ; at < len(parts) && len(stage) < min(most, recordMax); at++ {
		n := min(len(parts[at]), min(most, recordMax)-len(stage))
		stage = append(stage, parts[at][:n]...)
		parts[at] = parts[at][n:]
	}
	return l.sealed(stage)
}

func (l *layer) sealed(b []byte) int {
	if !l.session.Write(b) {
		return -1
	}
	return len(b)
}

// deliver reports whether the chunk that has just been sealed is with the kernel, followed by close_notify when it was
// the last: 0, EAGAIN or an error.
func (l *layer) deliver(last bool) syscall.Errno {
	if last {
		l.notify()
	}
	if err := l.flush(); err != 0 {
		return err
	}
	if l.pending() {
		return unix.EAGAIN
	}
	return l.conn.cause
}

// Send implements seal.Wire: p waits for the next flush. Behind close_notify there is nobody to hear it: crypto/tls answers a
// KeyUpdate even then, but the stream has ended, and what is written to it would break the half that still goes on.
func (l *layer) Send(p []byte) bool {
	if l.mute {
		return true
	}
	l.hint = max(l.hint, len(p))
	for i := range l.out {
		if i == 0 && l.out[1] != nil {
			continue
		}
		if l.out[i] == nil {
			l.out[i] = l.conn.net.Buffers.Get(pool.ClassFor(l.hint))
			l.ends[i] = 0
		}
		n := copy(l.out[i].Bytes()[l.ends[i]:], p)
		l.ends[i] += n
		l.hint -= n
		if p = p[n:]; len(p) == 0 {
			return true
		}
	}
	return false
}

// pending reports whether ciphertext waits for the kernel.
func (l *layer) pending() bool { return l.out[0] != nil }

// unsent is the number of bytes that wait.
func (l *layer) unsent() int { return l.ends[0] + l.ends[1] - l.at }

// flush writes what waits as far as the kernel takes it, and the end of the stream when that was to follow. The first
// error is the connection's cause; nothing waits any more then.
func (l *layer) flush() syscall.Errno {
	c := l.conn
	for l.pending() && c.has(writable) {
		want := l.unsent()
		n, err := l.push()
		if err == unix.EAGAIN {
			c.clear(writable)
			return 0
		}
		if err != 0 {
			l.drop()
			c.latch(err)
			return err
		}
		if n < want {
			c.clear(writable)
		}
		l.sent(n)
	}
	if l.fin && !l.pending() {
		l.fin = false
		if err := c.net.Sys.ShutdownWrite(int(c.fd)); err != 0 && err != unix.ENOTCONN {
			c.latch(err)
		}
	}
	return 0
}

// push makes one system call.
func (l *layer) push() (int, syscall.Errno) {
	net, fd := l.conn.net, int(l.conn.fd)
	first := l.out[0].Bytes()[l.at:l.ends[0]]
	if l.out[1] == nil {
		return net.Sys.Write(fd, first)
	}
	parts := &net.sealedParts
	*parts = Parts{first, l.out[1].Bytes()[:l.ends[1]]}
	n, err := net.Sys.WriteParts(fd, parts)
	*parts = Parts{}
	return n, err
}

// sent takes n bytes off what waits.
func (l *layer) sent(n int) {
	l.at += n
	for l.out[0] != nil && l.at >= l.ends[0] {
		l.at -= l.ends[0]
		l.out[0].Release()
		l.out[0], l.ends[0] = l.out[1], l.ends[1]
		l.out[1], l.ends[1] = nil, 0
	}
}

// drop gives the buffers back.
func (l *layer) drop() {
	for i, b := range l.out {
		if b != nil {
			b.Release()
		}
		l.out[i], l.ends[i] = nil, 0
	}
	l.at, l.hint, l.fin = 0, 0, false
}

// staging is where parts are put together for a record: one place for the loop, used within one call.
func (n *Net) staging() []byte {
	if n.stage == nil {
		n.stage = make([]byte, recordMax)
	}
	return n.stage[:0]
}

var _ seal.Wire = (*layer)(nil)
