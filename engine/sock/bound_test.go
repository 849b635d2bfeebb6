package sock

// Flows that end before their stream does: bodies whose length is known.

import (
	"crypto/sha256"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"sluice/engine/flow"
	"sluice/engine/loop"
	"sluice/engine/stat"
	"sluice/internal/assert"
)

// bounded takes n bytes off the desk's connection.
func (d *desk) bounded(n int64) (*collector, *flow.Flow) {
	k, f := new(collector), new(flow.Flow)
	d.conn.Bound(n)
	f.Start(d.loop, d.conn, k, d)
	d.settle()
	return k, f
}

// Messages behind each other, in pieces of any size: each flow gets exactly its own, and the rest stays for the next.
func TestBoundIsExact(t *testing.T) {
	t.Parallel()
	for seed := range uint64(100) {
		rng := rand.New(rand.NewPCG(seed, 3))
		d := openDesk(t)
		var sizes []int
		total := 0
		for range 1 + rng.IntN(6) {
			n := 1 + rng.IntN([]int{5, 300, 40_000}[rng.IntN(3)])
			sizes, total = append(sizes, n), total+n
		}
		data := pattern(total)
		for at := 0; at < total; {
			n := min(total-at, 1+rng.IntN([]int{3, 1000, 70_000}[rng.IntN(3)]))
			d.sys.incoming = append(d.sys.incoming, data[at:at+n])
			at += n
		}
		peeks := rng.IntN(2) == 0
		for _, n := range sizes {
			if peeks { // as a codec would, for the head before a body
				d.conn.Peek(&peeker{enough: 1})
				d.event(loop.Readable)
			}
			k, f := d.bounded(int64(n))
			for range 2 * total {
				if f.Over() {
					break
				}
				d.event(loop.Readable)
			}
			if string(k.got) != data[:n] || k.ends != 1 {
				t.Fatalf("seed %d: %d bytes and %d ends instead of %d", seed, len(k.got), k.ends, n)
			}
			data = data[n:]
		}
		assert.Equal(t, len(d.conn.Ahead()), 0)
		d.close()
	}
}

// What was read beyond a flow's share lies in the same buffer as the chunk that is in flight. Whoever reads on must not
// touch that chunk, whatever room it makes for itself.
func TestSurplusSharesItsBufferWithTheChunkInFlight(t *testing.T) {
	t.Parallel()
	for _, more := range []int{1, 100, 3000, 4096, 20_000} {
		for _, body := range []int{1, 10, 4000} {
			d := openDesk(t)
			data := pattern(body + 60 + more)
			k, f := &collector{hold: true}, new(flow.Flow)
			d.conn.Bound(int64(body))
			f.Start(d.loop, d.conn, k, d)
			d.settle()
			d.give(data[:body+60])
			assert.Equal(t, f.Stalled(), true)
			assert.Equal(t, string(k.chunk.Bytes), data[:body])
			look := &peeker{}
			d.conn.Peek(look)
			d.settle()
			assert.Equal(t, look.seen, data[body:body+60])
			for rest := data[body+60:]; rest != ""; {
				n := min(700, len(rest))
				d.give(rest[:n])
				rest = rest[n:]
			}
			assert.Equal(t, look.seen == data[body:], true)
			if string(k.chunk.Bytes) != data[:body] {
				t.Fatalf("%d more bytes have changed the chunk in flight", more)
			}
			k.take()
			d.settle()
			assert.Equal(t, d.flows, []error{nil})
			d.conn.EndPeek()
			d.conn.Discard(60 + more)
			assert.Equal(t, d.net.Buffers.InUse(), 0)
			d.close()
		}
	}
}

func TestAStreamThatEndsBeforeItsBound(t *testing.T) {
	t.Parallel()
	for name, ev := range map[string]loop.Events{"seen before": loop.Readable | loop.ReadShut, "found out": loop.Readable} {
		for _, came := range []string{"", "some"} {
			t.Run(name, func(t *testing.T) {
				d := openDesk(t)
				k, f := d.bounded(10)
				if came != "" {
					d.sys.incoming = []string{came}
				}
				d.sys.ended = true
				d.event(ev)
				d.event(loop.Readable | loop.ReadShut)
				assert.Equal(t, d.flows, []error{io.ErrUnexpectedEOF})
				assert.Equal(t, k.abort, io.ErrUnexpectedEOF)
				assert.Equal(t, string(k.got), came)
				assert.Equal(t, k.ends, 0)
				assert.Equal(t, f.Moved(), uint64(len(came)))
				d.close()
			})
		}
	}
	t.Run("by a reset", func(t *testing.T) {
		d := openDesk(t)
		k, _ := d.bounded(10)
		d.give("some")
		d.sys.broken = unix.ECONNRESET
		d.event(loop.Readable | loop.Failed | loop.Hangup)
		assert.Equal(t, d.flows, []error{unix.ECONNRESET})
		assert.Equal(t, string(k.got), "some")
		d.close()
	})
	t.Run("exactly at it", func(t *testing.T) {
		d := openDesk(t)
		k, _ := d.bounded(4)
		d.sys.ended = true
		d.sys.incoming = []string{"some"}
		d.event(loop.Readable | loop.ReadShut)
		assert.Equal(t, d.flows, []error{nil})
		assert.Equal(t, []any{string(k.got), k.ends}, []any{"some", 1})
		d.close()
	})
}

func TestUnboundIsTheStreamsOwnEnd(t *testing.T) {
	t.Parallel()
	d := openDesk(t)
	k, _ := d.bounded(4)
	d.give("some", "thing")
	assert.Equal(t, string(k.got), "some")
	d.conn.Unbound()
	rest, f := new(collector), new(flow.Flow)
	f.Start(d.loop, d.conn, rest, d)
	d.settle()
	d.sys.ended = true
	d.event(loop.Readable | loop.ReadShut)
	assert.Equal(t, string(rest.got), "thing")
	assert.Equal(t, rest.ends, 1)
	assert.Equal(t, d.flows, []error{nil, nil})
	d.close()
}

// A long body goes by splice, to its last byte and not one further.
func TestSpliceKeepsToItsBound(t *testing.T) {
	t.Parallel()
	const size, behind = 6<<20 + 4321, "HTTP/1.1 200 OK\r\n\r\n"
	w := newWorld(t, Kernel{})
	o := newOwner()
	from, in := w.dial(serve(t, "tcp4"), o)
	to, out := w.dial(serve(t, "tcp4"), o)
	var f flow.Flow
	w.call(func() {
		from.Bound(size)
		f.Start(w.loop, from, message{to}, o)
	})
	data := pattern(size)
	go func() { _, _ = io.WriteString(in, data+behind) }()
	got := make([]byte, size)
	_, err := io.ReadFull(out, got)
	assert.NoError(t, err)
	assert.Equal(t, sha256.Sum256(got) == sha256.Sum256([]byte(data)), true)
	assert.NoError(t, <-o.ended)
	look := &peeker{}
	w.call(func() {
		assert.Equal(t, f.Spliced(), true)
		assert.Equal(t, f.Moved(), uint64(size))
		assert.Equal(t, w.loop.Stats().Get(stat.BytesSpliced) > size/2, true)
		from.Peek(look)
		assert.Equal(t, w.net.Pipes.InUse(), 0) // a connection that waits holds none
	})
	w.until(func() bool { return strings.HasPrefix(look.seen, behind) })
	w.call(func() {
		assert.Equal(t, look.seen, behind)
		from.Close()
		to.Close()
	})
}

// message is a sink for which the end of the flow is not the end of the stream.
type message struct{ conn *Conn }

func (k message) Write(f *flow.Flow, c *flow.Chunk, _ bool) { k.conn.WriteFramed(f, c, "") }
func (k message) Abort(f *flow.Flow, err error)             { k.conn.Abort(f, err) }
func (k message) SpliceTo() *Conn                           { return k.conn }
