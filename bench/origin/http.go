package origin

import (
	"bytes"
	"syscall"

	"sluice/bench/epoll"
	"sluice/bench/wire"
)

// reply is what a request gets: made once for all requests that ask for the same.
type reply struct {
	ask   wire.Ask
	data  []byte // the answer, unless a behaviour says otherwise
	plain bool   // to be had at once and without faults
}

// serveHTTP answers what has come.
func (o *Origin) serveHTTP(fd int, c *conn) {
	if c.held {
		if c.hung && c.ended {
			o.drop(fd)
		}
		return
	}
	if len(c.out) > 0 && !(o.flush(fd, c) && o.take(fd, c, nil)) {
		return
	}
	// While an answer is under way nothing is read: what the client sends stays
	// in the kernel, and the write that ends the answer comes back here.
	for !c.busy() {
		b := o.read(fd)
		if b == nil {
			return
		}
		if !o.take(fd, c, b) || len(b) < len(o.buf) && !c.ended {
			return
		}
	}
}

// take answers the requests in what was kept and what was read, and keeps what
// cannot be answered yet; false means that there will be no more requests.
func (o *Origin) take(fd int, c *conn, b []byte) bool {
	if len(c.partial) > 0 {
		c.partial = append(c.partial, b...)
		b = c.partial
	}
	for !c.busy() {
		n, ok := o.next(fd, c, b)
		if !ok {
			o.drop(fd)
			return false
		}
		if n == 0 {
			break
		}
		b = b[n:]
		if len(c.out) > 0 && !o.flush(fd, c) {
			return false
		}
		if c.role == roleWebSocket {
			o.takeFrames(fd, c, b)
			return false
		}
	}
	if len(b) > maxPartial+readSize {
		o.drop(fd)
		return false
	}
	c.partial = append(c.partial[:0], b...)
	return true
}

// next takes a head, or what there is of the body after it, and sets out when
// that completes a request. It returns how many bytes it took, 0 if more must
// come first, and false for a request that is not what it should be.
func (o *Origin) next(fd int, c *conn, b []byte) (n int, ok bool) {
	if c.due != nil {
		n = min(len(b), c.due.ask.Body-c.seen)
		if !wire.Match(b[:n], int64(c.seen)) {
			return 0, false
		}
		c.seen += n
	} else {
		end := bytes.Index(b, []byte(wire.HeadEnd))
		if end < 0 {
			return 0, len(b) <= maxPartial
		}
		n = end + len(wire.HeadEnd)
		if c.due = o.answer(b[:n]); c.due == nil {
			return 0, false
		}
		c.seen = 0
	}
	r := c.due
	if c.seen < r.ask.Body {
		return n, true
	}
	c.due = nil
	o.stats.Requests++
	if r.plain && c.at.plain {
		c.out = r.data
		return n, true
	}
	return n, o.behave(fd, c, r)
}

// answer returns the reply to a head; nil for a head that asks nonsense.
func (o *Origin) answer(head []byte) *reply {
	if bytes.Equal(head, o.lastHead) {
		return o.lastReply
	}
	ask, ok := wire.Parse(head)
	if !ok {
		return nil
	}
	if o.forwarded {
		if value, _ := wire.Field(head, "X-Forwarded-For"); len(value) == 0 {
			return nil
		}
	}
	r := o.replies[ask]
	if r == nil {
		r = o.newReply(ask)
	}
	o.lastHead, o.lastReply = append(o.lastHead[:0], head...), r
	return r
}

// newReply makes a reply and keeps it for the next who asks the same, but for
// upgrades, whose keys differ.
func (o *Origin) newReply(ask wire.Ask) *reply {
	r := &reply{ask: ask}
	if ask.Key != "" {
		r.data = wire.Upgraded(ask.Key)
		return r
	}
	r.plain = ask == wire.Ask{Size: ask.Size, Body: ask.Body}
	r.data = o.bytes(wire.Reply{Status: ask.Status, Size: ask.Size, Chunked: ask.Chunked, Close: ask.Close})
	o.replies[ask] = r
	return r
}

// bytes returns a prepared answer.
func (o *Origin) bytes(r wire.Reply) []byte {
	b, ok := o.answers[r]
	if !ok {
		b = r.Bytes()
		o.answers[r] = b
	}
	return b
}

// flush writes what is left of the answer, or as much as its pace allows; false means
// that there will be no more requests.
func (o *Origin) flush(fd int, c *conn) bool {
	for len(c.out) > 0 {
		if c.held {
			return true
		}
		piece := c.out
		if c.pace > 0 {
			piece = c.slow()
		}
		n, errno := epoll.Write(fd, piece)
		if errno == syscall.EAGAIN {
			return true
		}
		if errno != 0 {
			o.drop(fd)
			return false
		}
		if c.out = c.out[n:]; c.pace > 0 && len(c.out) > 0 {
			o.hold(fd, c, c.interval(n))
		}
	}
	if c.closing {
		o.part(fd, c)
		return false
	}
	return true
}
