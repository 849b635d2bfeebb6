package h1

// A chunked body as the source of a flow. Whatever came in one read goes on as one piece: the framing between its chunks
// is squeezed out in place. The bytes stay in the connection's own buffer until the sink has taken them.

import (
	"io"

	"sluice/engine/exchange"
	"sluice/engine/flow"
	"sluice/engine/h1/wire"
	"sluice/engine/record"
	"sluice/engine/sock"
)

// dechunker is the source of a chunked body.
type dechunker struct {
	conn    *sock.Conn
	flow    *flow.Flow // it waits for a chunk
	decoder wire.Decoder
	most    int64 // bytes of data that are accepted; 0 is no bound
	taken   int64 // bytes of data so far
	held    int   // bytes ahead in the connection whose data is with the sink
	bad     *wire.Bad
	waiting bool
	done    bool // the last chunk and the trailers have been read
}

// begin takes the body off conn, from what is ahead on. Trailers are put into trailers.
func (d *dechunker) begin(conn *sock.Conn, trailers *exchange.Head) {
	answer := d.decoder.Answer
	*d = dechunker{conn: conn}
	d.decoder.Trailers, d.decoder.Answer = trailers, answer
}

func (d *dechunker) reset() {
	if d.conn != nil {
		*d = dechunker{decoder: wire.Decoder{Answer: d.decoder.Answer}}
	}
}

// settle drops what the sink has taken: behind it is the next message.
func (d *dechunker) settle() {
	if d.held > 0 {
		d.conn.Discard(d.held)
		d.held = 0
	}
}

// Proceed implements flow.Source.
func (d *dechunker) Proceed(f *flow.Flow) {
	d.flow, d.waiting = f, true
	d.settle()
	switch {
	case d.bad != nil:
		d.refuse()
	case d.done:
		d.send(nil, true)
	default:
		d.conn.Peek(d)
	}
}

// Stop implements flow.Source.
func (d *dechunker) Stop(*flow.Flow, error) {
	d.waiting = false
	if d.conn != nil && !d.done {
		d.conn.EndPeek()
	}
}

// Peeked implements sock.Peeker.
func (d *dechunker) Peeked(c *sock.Conn, b []byte, eof bool) {
	data, consumed := d.squeeze(b)
	switch {
	case d.bad != nil && len(data) == 0:
		d.refuse()
	case d.most > 0 && d.taken > d.most:
		d.fail(&record.Error{Kind: record.BodyTooLarge})
	case len(data) > 0:
		// The end goes by itself, even if it is here: only the next Proceed says that the bytes may be discarded.
		d.held = consumed
		c.EndPeek()
		d.send(data, false)
	case d.done:
		c.Discard(consumed)
		c.EndPeek()
		d.send(nil, true)
	case eof && c.Cause() != 0:
		d.fail(c.Cause())
	case eof:
		d.fail(io.ErrUnexpectedEOF)
	default:
		c.Discard(consumed)
	}
}

// squeeze decodes all of b and moves the data of its chunks together. What comes before a fault still goes on.
func (d *dechunker) squeeze(b []byte) (data []byte, consumed int) {
	for !d.done {
		piece, n, done, bad := d.decoder.Next(b[consumed:])
		if bad != nil {
			d.bad = bad
			break
		}
		consumed += n
		d.done = done
		d.taken += int64(len(piece))
		switch {
		case data == nil:
			data = piece
		case len(piece) > 0:
			data = append(data, piece...) // within b: data ends before piece begins
		}
		if n == 0 {
			break
		}
	}
	return data, consumed
}

func (d *dechunker) send(data []byte, end bool) {
	d.waiting = false
	d.flow.Send(flow.Chunk{Bytes: data}, end)
}

func (d *dechunker) refuse() { d.fail(&record.Error{Kind: d.bad.Reason, Detail: d.bad.Detail}) }

func (d *dechunker) fail(err error) {
	d.conn.EndPeek()
	d.waiting = false
	d.flow.Fail(err)
}
