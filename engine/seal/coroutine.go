package seal

import "iter"

// coroutine is a stack for handshakes, one after the other. A new one begins with 2 KiB and is copied to twice its size
// four times on the way through crypto/tls, so those that are free are kept.
type coroutine struct {
	next  func() (struct{}, bool)
	stop  func()
	shake *Handshake
}

// coroutine returns a free coroutine, or a new one. It may be called from any goroutine.
func (p *Pool) coroutine() *coroutine {
	select {
	case co := <-p.spares:
		return co
	default:
	}
	co := new(coroutine)
	co.next, co.stop = iter.Pull(co.live)
	return co
}

// keep takes a coroutine back whose handshake is over.
func (p *Pool) keep(co *coroutine) {
	select {
	case p.spares <- co:
	default:
		co.stop()
	}
}

// live does handshakes, and yields between them and within.
func (co *coroutine) live(yield func(struct{}) bool) {
	for {
		h := co.shake
		co.shake = nil
		h.converse(yield)
		if !yield(struct{}{}) {
			return
		}
	}
}
