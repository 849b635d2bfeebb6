package load

import "sluice/bench/wire"

// echo is a message of TCP that must come back as it went.
type echo struct{ size int64 }

// feed implements listener.
func (e echo) feed(a *answer, b []byte) (n int, done bool, bad kind) {
	n = int(min(int64(len(b)), e.size-a.offset))
	if !wire.Match(b[:n], a.offset) {
		return 0, false, kindContent
	}
	a.offset += int64(n)
	return n, a.offset == e.size, kindNone
}
