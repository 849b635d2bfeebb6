package load

import (
	"bytes"
	"net/http"
	"slices"
	"strconv"

	"sluice/bench/wire"
)

// maxHead bounds an answer head; ours have under 100 bytes.
const maxHead = 16 << 10

// stage is where in an answer of HTTP the next byte belongs.
type stage uint8

const (
	inHead     stage = iota
	inBody           // of a known length
	inSize           // of a chunk
	inChunk          // the bytes of it
	afterChunk       // the line end behind them
	inTrailer
	untilEnd // a body that only the end of the connection ends
)

// body is the rest of an answer behind its head.
type body struct {
	stage stage
	left  int64 // of the body or the chunk
	line  int   // bytes of the line that is being read
	sized bool  // the digits on it are over
}

// framing is what a head says about the answer.
type framing struct {
	body       body
	refused    int
	unmeasured bool
	last       bool
}

// checker is what all answers of HTTP have in common in a run. It remembers the last
// head that passed inspection: the same bytes need not be inspected again.
type checker struct {
	size    int64 // of the body that must come; -1 for any
	accept  []int // statuses; nil for any below 500
	learned []byte
	framing framing // of the learned head
}

func newChecker(o *Options) *checker {
	k := &checker{size: int64(o.Size), accept: o.Accept}
	if len(k.accept) == 0 && o.Expect != Any {
		k.accept = []int{http.StatusOK}
	}
	if o.Expect == Any {
		k.size = -1
	}
	return k
}

// feed implements listener.
func (k *checker) feed(a *answer, b []byte) (n int, done bool, bad kind) {
	if a.http.stage == inHead {
		if n, bad = k.skipHead(a, b); bad != kindNone || a.http.stage == inHead {
			return n, false, bad
		}
	}
	for {
		m, done, bad := k.step(a, b[n:])
		n += m
		if done || bad != kindNone || n == len(b) {
			return n, done, bad
		}
	}
}

// skipHead returns how long the head is, or what there is of it, and leaves the stage
// once it is complete. Informational answers (RFC 9110 section 15.2) are passed over.
func (k *checker) skipHead(a *answer, b []byte) (n int, bad kind) {
	for a.http.stage == inHead && n < len(b) {
		if len(a.head) == 0 && len(k.learned) > 0 && bytes.HasPrefix(b[n:], k.learned) {
			a.frame(k.framing)
			return n + len(k.learned), kindNone
		}
		m, end := gather(a, b[n:])
		if end < 0 {
			return n, kindHead
		}
		n += m
		if end == 0 {
			return n, kindNone
		}
		f, informs, bad := k.inspect(a.head[:end])
		if bad != kindNone {
			return n, bad
		}
		if !informs {
			k.learned, k.framing = append(k.learned[:0], a.head[:end]...), f
			a.frame(f)
		}
		a.head = a.head[:0]
	}
	return n, kindNone
}

// gather collects a head. It returns how many bytes of b it took, and the length of
// the head once it is complete: 0 before that, -1 if it is too long.
func gather(a *answer, b []byte) (n, end int) {
	seen := len(a.head)
	a.head = append(a.head, b[:min(len(b), maxHead+1)]...)
	// The blank line may have begun in the piece before.
	from := max(0, seen-len(wire.HeadEnd)+1)
	at := bytes.Index(a.head[from:], []byte(wire.HeadEnd))
	if at >= 0 {
		end = from + at + len(wire.HeadEnd)
		return end - seen, end
	}
	if len(a.head) > maxHead {
		return 0, -1
	}
	return len(b), 0
}

// frame begins the body.
func (a *answer) frame(f framing) {
	a.http, a.refused, a.unmeasured, a.last = f.body, f.refused, f.unmeasured, f.last
}

// inspect reads a head. In the pattern it wants exactly the length that was asked
// for; of other answers it wants to know where they end (RFC 9112 section 6.3).
func (k *checker) inspect(head []byte) (f framing, informs bool, bad kind) {
	status, bad := parseStatus(head)
	if bad != kindNone || status == http.StatusSwitchingProtocols {
		return f, false, kindHead
	}
	if status < 200 {
		return f, true, kindNone
	}
	if k.accept == nil && status >= 500 || k.accept != nil && !slices.Contains(k.accept, status) {
		f.refused = status
	}
	f.unmeasured = k.size < 0 || status != http.StatusOK || f.refused != 0
	connection, _ := wire.Field(head, "Connection")
	f.last = bytes.EqualFold(connection, []byte("close")) ||
		bytes.HasPrefix(head, []byte("HTTP/1.0")) && !bytes.EqualFold(connection, []byte("keep-alive"))
	f.body, bad = bodyOf(head, status)
	if bad == kindNone && !f.unmeasured && f.body.stage == inBody && f.body.left != k.size {
		bad = kindLength
	}
	return f, false, bad
}

// parseStatus reads the first line of a head.
func parseStatus(head []byte) (status int, bad kind) {
	const digits = 3
	version, code, found := bytes.Cut(head, []byte(" "))
	if !found || !bytes.HasPrefix(version, []byte("HTTP/1.")) || len(code) < digits {
		return 0, kindHead
	}
	status, err := strconv.Atoi(string(code[:digits]))
	if err != nil || status < 100 {
		return 0, kindHead
	}
	return status, kindNone
}

// bodyOf tells how the body behind a head ends.
func bodyOf(head []byte, status int) (body, kind) {
	if status == http.StatusNoContent || status == http.StatusNotModified {
		return body{stage: inBody}, kindNone
	}
	if coding, found := wire.Field(head, "Transfer-Encoding"); found {
		if !bytes.EqualFold(coding, []byte("chunked")) {
			return body{}, kindHead
		}
		return body{stage: inSize}, kindNone
	}
	value, found := wire.Field(head, "Content-Length")
	if !found {
		return body{stage: untilEnd}, kindNone
	}
	length, err := strconv.ParseInt(string(value), 10, 64)
	if err != nil || length < 0 {
		return body{}, kindLength
	}
	return body{stage: inBody, left: length}, kindNone
}
