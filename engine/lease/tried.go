// A connection that could not reach one backend is offered to another, never
// to the same again. Tried is its memory: a small array inside the connection's
// own state, because MaxAttempts is small and comparing a few pointers is
// cheaper than any set.

package lease

// MaxAttempts is the most backends one connection may try. A refusal costs some
// 50 µs, so a client does not notice a rack of dead servers in front of a live
// backup; silence is bounded apart, by maxDear.
const MaxAttempts = 32

// Tried is the backends one connection has tried. The zero value is none; so is
// a nil pointer, for those who only ask. It remembers endpoints of an upstream
// and not Backend values, so a reload between two attempts does not lead back
// to the server that has just failed.
type Tried struct {
	n   int
	who [MaxAttempts]*live
}

// Add remembers b. It panics if t is Full: Pick returns nil by then.
func (t *Tried) Add(b *Backend) {
	t.who[t.n] = b.state()
	t.n++
}

// Has reports whether b was tried.
func (t *Tried) Has(b *Backend) bool { return t.has(b.state()) }

// Len is the number of attempts remembered.
func (t *Tried) Len() int {
	if t == nil {
		return 0
	}
	return t.n
}

// Full reports whether the last attempt has been made.
func (t *Tried) Full() bool { return t.Len() == MaxAttempts }

// Reset forgets everything, for the next connection.
func (t *Tried) Reset() { *t = Tried{} }

func (t *Tried) has(s *live) bool {
	if t == nil {
		return false
	}
	for _, tried := range t.who[:t.n] {
		if tried == s {
			return true
		}
	}
	return false
}
