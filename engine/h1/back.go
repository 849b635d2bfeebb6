package h1

// A server's connection, for one exchange: the request goes out, the answer comes in.
//
//	awaiting ─► answering ─► (tunneled) ─► detached
//
// The answer passes the same gate as requests do. What is not exactly one answer (bytes behind it, a second length, an
// endless row of interim answers) costs the connection, and as long as nothing of the answer has gone on, makes a 502.

import (
	"bytes"
	"syscall"

	"sluice/engine/exchange"
	"sluice/engine/flow"
	"sluice/engine/h1/wire"
	"sluice/engine/record"
	"sluice/engine/sock"
	"sluice/pool"
)

// Backs makes the backs of one loop.
type Backs struct {
	limits wire.Limits
	list   pool.FreeList[back]
}

// NewBacks returns the maker of a loop's backs.
func NewBacks() *Backs {
	return &Backs{limits: wire.Limits{Head: maxAnswerHead, Fields: maxAnswerFields}}
}

// New returns a back for one exchange on a connection that is connected, and idle if it was used before. The connection
// stays its caller's: it is to be closed, or used again, after Finish or Cancel.
func (n *Backs) New(conn *sock.Conn) exchange.Back {
	b := n.list.Get()
	*b = back{backs: n, conn: conn}
	b.body.decoder.Answer = true
	return b
}

// back is one exchange on a connection to a server.
type back struct {
	backs    *Backs
	conn     *sock.Conn
	x        *exchange.Exchange
	to       exchange.Attempt
	msg      wire.Message // of the answer
	body     dechunker
	scanned  int
	interims int
	asked    wire.Asked
	state    backState
	chunked  bool // the request's body is
}

// Begin implements exchange.Back.
func (b *back) Begin(x *exchange.Exchange, to exchange.Attempt) bool {
	room := headRoom(&x.Request)
	if room > maxWrittenHead {
		return false
	}
	b.x, b.to = x, to
	b.set(awaiting)
	f := wire.RequestFraming{Body: x.RequestBody, HasBody: x.RequestBody != 0}
	if x.RequestBody == exchange.Unknown {
		b.chunked = true
		f.Body = wire.Chunked
	}
	f.Upgrade = x.Request.Bytes(x.Upgrade)
	switch {
	case x.IsHead():
		b.asked = wire.AskedHead
	case x.Connect:
		b.asked = wire.AskedConnect
	}
	b.conn.Mark()
	b.conn.Commit(len(wire.AppendRequest(b.conn.Space(room), &x.Request, f)))
	b.conn.Own(b)
	b.conn.PeekBy(pool.Medium)
	b.conn.Peek(b)
	return true
}

// Sink implements exchange.Back.
func (b *back) Sink() flow.Sink {
	if b.state == tunneled {
		return b.conn
	}
	return (*requestSink)(b)
}

// Source implements exchange.Back.
func (b *back) Source() flow.Source {
	switch {
	case b.state == tunneled, b.msg.Body == wire.UntilClose:
		b.conn.Unbound()
		return b.conn
	case b.msg.Body == wire.Chunked:
		b.body.begin(b.conn, &b.x.ResponseTrailers)
		return &b.body
	}
	b.conn.Bound(b.msg.Body)
	return b.conn
}

// Switch implements exchange.Back.
func (b *back) Switch() {
	b.set(tunneled)
	b.conn.KeepAlive()
}

// Connected implements sock.Owner. The connection has been connected for long.
func (b *back) Connected(*sock.Conn) {}

// Broken implements sock.Owner. Once there is an answer its body goes on to the last byte that came, and fails then.
func (b *back) Broken(_ *sock.Conn, cause syscall.Errno) {
	switch b.state {
	case awaiting, tunneled:
		b.fail(record.Error{Kind: record.StreamReason(record.Back, cause), Retry: b.retry(), Cause: cause})
	case answering:
		if b.body.waiting && b.msg.Body == wire.Chunked {
			b.body.fail(cause)
		}
	}
}

// Peeked implements sock.Peeker.
func (b *back) Peeked(c *sock.Conn, seen []byte, eof bool) {
	for b.state == awaiting && len(seen) > 0 {
		in := wire.Input{Bytes: seen, Scanned: b.scanned, Limits: &b.backs.limits}
		n, bad := in.ParseResponse(b.asked, &b.x.Response, &b.msg)
		if bad != nil {
			b.fail(record.Error{Kind: bad.Reason, Detail: bad.Detail})
			return
		}
		if n == 0 {
			b.scanned = len(seen)
			break
		}
		b.scanned = 0
		c.Discard(n)
		seen = c.Ahead()
		b.head()
	}
	if b.state == awaiting && eof {
		b.fail(record.Error{Kind: record.AnswerCut, Retry: b.retry()})
	}
}

// retry is what a failure allows: an idle connection may have been closed before the request came, but not once a byte
// of an answer has; and a request of which nothing has left is as good as new.
func (b *back) retry() record.Retry {
	switch {
	case b.interims > 0 || b.scanned > 0:
		return record.RetryNo
	case b.conn.Unmoved():
		return record.RetryYes
	}
	return record.RetryIfReused
}

// head decides about a whole head.
func (b *back) head() {
	x := b.x
	switch status := x.Response.Status; {
	case status == 101:
		b.switches()
	case status < 200:
		b.interim()
	default:
		b.answer()
	}
}

// interim passes on a 1xx, which is not the answer yet.
func (b *back) interim() {
	if b.interims++; b.interims > maxInterims {
		b.fail(record.Error{Kind: record.AnswerBad, Detail: "too many interim answers"})
		return
	}
	b.to.Informed()
}

// switches judges a 101: it must have been asked for, and name what was.
func (b *back) switches() {
	x := b.x
	to := x.Response.Bytes(b.msg.Upgrade)
	if x.Upgrade.Len == 0 || len(to) == 0 || !offered(x.Request.Bytes(x.Upgrade), to) {
		b.fail(record.Error{Kind: record.AnswerBad, Detail: "the server switches to a protocol that was not asked for"})
		return
	}
	x.Protocol = b.msg.Upgrade
	b.answer()
}

// offered reports whether every protocol of the answer is one of the request's list.
func offered(list, to []byte) bool {
	for token := range bytes.SplitSeq(to, comma) {
		found := false
		for candidate := range bytes.SplitSeq(list, comma) {
			found = found || bytes.EqualFold(bytes.TrimSpace(candidate), bytes.TrimSpace(token))
		}
		if !found {
			return false
		}
	}
	return true
}

var comma = []byte(",")

// answer tells of the final answer.
func (b *back) answer() {
	x := b.x
	b.conn.EndPeek()
	b.set(answering)
	status := x.Response.Status
	x.Switching = status == 101 || b.asked == wire.AskedConnect && status < 300
	x.Bodiless = b.asked == wire.AskedHead || status == 204 || status == 304
	x.ResponseBody = b.msg.Body
	if b.msg.Body < 0 {
		x.ResponseBody = exchange.Unknown
	}
	b.to.Answered()
}

// Finish implements exchange.Back.
func (b *back) Finish() (reusable bool) {
	c := b.conn
	b.body.settle()
	reusable = b.state == answering && !b.msg.Close && !b.x.Sending() && b.whole() && c.Queued() == 0 &&
		len(c.Ahead()) == 0 && !c.PeerEnds() && c.Cause() == 0
	b.detach()
	return reusable
}

// whole reports whether the request has been sent whole, to the byte.
func (b *back) whole() bool {
	x := b.x
	return x.RequestBody == 0 || !x.Unfinished() && x.Up.Delivered() && (x.RequestBody < 0 || x.Up.Moved() == uint64(x.RequestBody))
}

// Cancel implements exchange.Back.
func (b *back) Cancel() { b.detach() }

func (b *back) detach() {
	b.conn.EndPeek()
	b.set(detached)
	backs := b.backs
	b.set(backUnused)
	*b = back{}
	backs.list.Put(b)
}

func (b *back) fail(err record.Error) {
	b.conn.EndPeek()
	b.to.Failed(&err)
}

// Panicked implements loop.Victim.
func (b *back) Panicked() {
	if b.x != nil {
		b.x.Panicked()
	}
}

// requestSink is the sink of the request's body: the server's connection, but for the framing.
type requestSink back

// Write implements flow.Sink.
func (r *requestSink) Write(f *flow.Flow, c *flow.Chunk, end bool) {
	writeBody(r.conn, f, c, bodyFraming{chunked: r.chunked, end: end, trailers: &r.x.RequestTrailers})
}

// Abort implements flow.Sink: the exchange cancels the back, and its connection is closed.
func (r *requestSink) Abort(f *flow.Flow, err error) { r.conn.Abort(f, err) }

// SpliceTo implements sock.Splicer.
func (r *requestSink) SpliceTo() *sock.Conn {
	if r.chunked {
		return nil
	}
	return r.conn
}
