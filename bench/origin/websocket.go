package origin

import (
	"sluice/bench/wire"
)

// frames is the state of an echo of WebSocket: each frame goes back as it came, without
// its mask, as far as it has come.
type frames struct {
	head   []byte // a head that came in pieces
	frame  wire.FrameHead
	offset int64  // in the frame under way
	inside bool   // its head has been read
	out    []byte // frames to be written
}

// maxControl bounds the frames that close and ask for life (RFC 6455 section 5.5).
const maxControl = 125

// serveFrames echoes what has come.
func (o *Origin) serveFrames(fd int, c *conn) {
	for o.flush(fd, c) && len(c.out) == 0 {
		b := o.read(fd)
		if b == nil {
			return
		}
		if !o.takeFrames(fd, c, b) || len(b) < len(o.buf) && !c.ended {
			return
		}
	}
}

// takeFrames echoes bytes; false means that the connection is gone or on its way out.
func (o *Origin) takeFrames(fd int, c *conn, b []byte) bool {
	f := c.frames
	// The answer to the upgrade may still be under way.
	f.out = append(f.out[:0], c.out...)
	for len(b) > 0 && !c.closing {
		n, ok := f.next(b)
		if !ok {
			o.drop(fd)
			return false
		}
		b = b[n:]
		if f.inside && f.offset == f.frame.Length {
			f.inside = false
			o.stats.Messages++
			c.closing = f.frame.Op() == wire.OpClose
		}
	}
	o.stats.Bytes += int64(len(f.out))
	c.out = f.out
	return o.flush(fd, c)
}

// next takes a head or a piece of what follows it, and puts the same into out; false
// for what a client must not send.
func (f *frames) next(b []byte) (n int, ok bool) {
	if f.inside {
		n = int(min(int64(len(b)), f.frame.Length-f.offset))
		start := len(f.out)
		f.out = append(f.out, b[:n]...)
		wire.Unmask(f.out[start:], f.frame.Mask, f.offset)
		f.offset += int64(n)
		return n, true
	}
	seen := len(f.head)
	f.head = append(f.head, b[:min(len(b), wire.MaxFrameHead-seen)]...)
	head, length, ok := wire.ParseFrameHead(f.head)
	if !ok {
		return 0, false
	}
	if length == 0 {
		return len(f.head) - seen, true
	}
	if !head.Masked || head.Op() >= wire.OpClose && head.Length > maxControl {
		return 0, false
	}
	f.frame, f.offset, f.inside, f.head = head, 0, true, f.head[:0]
	echo := wire.FrameHead{First: head.First, Length: head.Length}
	if head.Op() == wire.OpPing {
		echo.First = head.First&^0xf | wire.OpPong
	}
	f.out = wire.AppendFrameHead(f.out, echo)
	return length - seen, true
}
