package load

import (
	"bytes"
	"strconv"

	"sluice/bench/wire"
)

// maxHead bounds an answer head; ours have under 100 bytes.
const maxHead = 8 << 10

// answer reads one answer, over any split of its bytes, and checks it.
type answer struct {
	inBody bool
	offset int64  // bytes of the body read
	head   []byte // a head that came in pieces
}

// reset makes ready for the next answer and keeps the memory.
func (a *answer) reset() { *a = answer{head: a.head[:0]} }

// checker is what all answers of a run have in common. It remembers the last
// head that passed inspection: the same bytes need not be inspected again.
type checker struct {
	size    int64
	learned []byte
}

// feed takes the next bytes of an answer. It reports whether the answer is
// complete, or what is wrong with it.
func (k *checker) feed(a *answer, b []byte) (done bool, bad kind) {
	if !a.inBody {
		if b, bad = k.skipHead(a, b); bad != kindNone || !a.inBody {
			return false, bad
		}
	}
	if int64(len(b)) > k.size-a.offset {
		return false, kindLength
	}
	if !wire.Match(b, a.offset) {
		return false, kindContent
	}
	a.offset += int64(len(b))
	return a.offset == k.size, kindNone
}

// skipHead returns what follows the head and sets inBody once it is complete.
func (k *checker) skipHead(a *answer, b []byte) (rest []byte, bad kind) {
	if len(a.head) == 0 && len(k.learned) > 0 && bytes.HasPrefix(b, k.learned) {
		a.inBody = true
		return b[len(k.learned):], kindNone
	}
	seen := len(a.head)
	a.head = append(a.head, b...)
	// The blank line may have begun in the piece before.
	from := max(0, seen-len(wire.HeadEnd)+1)
	end := bytes.Index(a.head[from:], []byte(wire.HeadEnd))
	if end < 0 {
		if len(a.head) > maxHead {
			return nil, kindHead
		}
		return nil, kindNone
	}
	end += from + len(wire.HeadEnd)
	if bad := k.inspect(a.head[:end]); bad != kindNone {
		return nil, bad
	}
	k.learned = append(k.learned[:0], a.head[:end]...)
	a.inBody = true
	return b[end-seen:], kindNone
}

// inspect wants a 200 with exactly the length that was asked for.
func (k *checker) inspect(head []byte) kind {
	status, fields, _ := bytes.Cut(head, []byte("\r\n"))
	version, code, found := bytes.Cut(status, []byte(" "))
	if !found || !bytes.HasPrefix(version, []byte("HTTP/1.")) {
		return kindHead
	}
	if !bytes.HasPrefix(code, []byte("200")) {
		return kindStatus
	}
	value, found := wire.Field(fields, "Content-Length")
	if !found {
		return kindHead
	}
	if length, err := strconv.ParseInt(string(value), 10, 64); err != nil || length != k.size {
		return kindLength
	}
	return kindNone
}
