package seal

import "iter"

// coroutine is a stack for handshakes, one after the other. A new one begins with 2 KiB and is copied to twice its size
// four times on the way through crypto/tls, so those that are free are kept.
type coroutine struct {
	next  func() (struct{}, bool)
	stop  func()
	shake *Handshake
}

// coroutine returns a free coroutine, or a new one. Workers call it.
func (c *crew) coroutine() *coroutine {
	select {
	case co := <-c.spares:
		return co
	default:
	}
	co := new(coroutine)
	co.next, co.stop = iter.Pull(co.live)
	return co
}

// keep takes a coroutine back whose handshake is over.
func (c *crew) keep(co *coroutine) {
	select {
	case c.spares <- co:
	default:
		co.stop()
	}
}

// release ends the coroutines that are kept.
func (c *crew) release() {
	for {
		select {
		case co := <-c.spares:
			co.stop()
		default:
			return
		}
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
