package load

import (
	"bytes"

	"sluice/bench/wire"
)

// frames are messages of WebSocket that must come back, each as one frame, not
// masked (RFC 6455 section 5.1): the heads of all of them are the same.
type frames struct {
	head []byte
	echo echo
}

func newFrames(size int) frames {
	first, _, _ := wire.ParseFrameHead(wire.Message(size))
	head := wire.FrameHead{First: first.First, Length: first.Length}
	return frames{wire.AppendFrameHead(nil, head), echo{int64(size)}}
}

// feed implements listener.
func (f frames) feed(a *answer, b []byte) (n int, done bool, bad kind) {
	if missing := len(f.head) - len(a.head); missing > 0 {
		n = min(missing, len(b))
		a.head = append(a.head, b[:n]...)
		if !bytes.HasPrefix(f.head, a.head) {
			if a.head[0]&0xf == wire.OpClose {
				return 0, false, kindEOF
			}
			return 0, false, kindFrame
		}
		if n == len(b) {
			return n, false, kindNone
		}
	}
	m, done, bad := f.echo.feed(a, b[n:])
	return n + m, done, bad
}

// welcome takes the answer to the greeting. Once the upgrade is granted it begins the
// exchanges, and returns what came behind the answer.
func (g *generator) welcome(c *conn, b []byte) (rest []byte, ok bool) {
	a := &c.answer
	n, end := gather(a, b)
	if end < 0 {
		g.fail(c, kindHead)
		return nil, false
	}
	if end == 0 {
		return nil, true
	}
	bad := granted(a.head[:end])
	if len(c.rest) > 0 {
		bad = kindEarly
	}
	if bad != kindNone {
		g.fail(c, bad)
		return nil, false
	}
	a.reset()
	c.opening = false
	g.request(c, c.pending)
	return b[n:], c.fd >= 0
}

// granted looks at the answer to an upgrade (RFC 6455 section 4.1).
func granted(head []byte) kind {
	status, bad := parseStatus(head)
	if bad != kindNone {
		return bad
	}
	if status != 101 {
		return kindStatus
	}
	if accept, _ := wire.Field(head, "Sec-WebSocket-Accept"); string(accept) != wire.Accepted() {
		return kindHead
	}
	return kindNone
}
