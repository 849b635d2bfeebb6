package sock

// The queue, and messages that are written into it: what a codec does with a connection.

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"sluice/engine/flow"
	"sluice/engine/loop"
	"sluice/internal/assert"
	"sluice/pool"
)

// codec is a sink that frames chunks, as one would: something before each, something behind.
type codec struct {
	conn       *Conn
	head, tail string
}

func (k *codec) Write(f *flow.Flow, c *flow.Chunk, _ bool) {
	if k.head != "" {
		k.conn.Queue([]byte(k.head))
	}
	k.conn.WriteFramed(f, c, k.tail)
}

func (k *codec) Abort(f *flow.Flow, err error) { k.conn.Abort(f, err) }
func (k *codec) SpliceTo() *Conn               { return k.conn }

func TestFramedMessagesLeaveByOneCall(t *testing.T) {
	t.Parallel()
	small, large := pattern(100), pattern(smallWrite+1)
	for name, c := range map[string]struct {
		chunks []string
		want   []string // calls
	}{
		"small":                  {[]string{small}, []string{"send 106"}},
		"as small as may be":     {[]string{large[:smallWrite-2]}, []string{"send 4100"}},
		"large":                  {[]string{large}, []string{"send 4103"}},
		"several small ones":     {[]string{small, small, small}, []string{"send 318"}},
		"a large one in between": {[]string{small, large, small}, []string{"send 4209", "send 106"}},
	} {
		t.Run(name, func(t *testing.T) {
			d := openDesk(t)
			k := &codec{conn: d.conn, head: "head", tail: "\r\n"}
			var f flow.Flow
			want := ""
			for _, chunk := range c.chunks {
				want += "head" + chunk + "\r\n"
			}
			f.Start(d.loop, &text{chunks: slices.Clone(c.chunks)}, k, d)
			d.settle()
			assert.Equal(t, string(d.sys.wrote) == want, true)
			assert.Equal(t, d.sys.log, c.want)
			assert.Equal(t, d.flows, []error{nil})
			d.close()
		})
	}
}

// A socket that takes any number of bytes, and then any number more: each byte arrives once, and in order.
func TestFramedMessagesTornAtEveryByte(t *testing.T) {
	t.Parallel()
	for _, size := range []int{10, smallWrite + 1} {
		body := pattern(size)
		want := "head" + body + "\r\nhead" + body + "\r\n"
		tear := func(first, then int) {
			d := openDesk(t)
			var f flow.Flow
			d.sys.room = first
			f.Start(d.loop, &text{chunks: []string{body, body}}, &codec{d.conn, "head", "\r\n"}, d)
			d.settle()
			for rounds := 0; len(d.sys.wrote) < len(want); rounds++ {
				if rounds > len(want) {
					t.Fatalf("torn at %d: stuck at %d of %d", first, len(d.sys.wrote), len(want))
				}
				d.sys.room += then
				d.event(loop.Writable)
			}
			if string(d.sys.wrote) != want {
				t.Fatalf("torn at %d: wrong bytes", first)
			}
			assert.Equal(t, d.flows, []error{nil})
			assert.Equal(t, f.Moved(), uint64(2*size))
			d.close()
		}
		for at := range len(want) + 1 {
			if near := at % (size + 6); size < 100 || near < 9 || near > size-2 || at%97 == 0 { // all ends, and some of the middle
				tear(at, len(want))
			}
		}
		for step := 1; step < 9; step++ {
			tear(0, step)
		}
	}
}

// Bytes in a pipe do not pass through the queue: what frames them is written before and behind.
func TestFramedPipes(t *testing.T) {
	t.Parallel()
	data := pattern(1000)
	for _, head := range []string{"", "head"} {
		want := head + data + "\r\n"
		for at := range len(want) + 1 {
			d := openDesk(t)
			k := &codec{d.conn, head, "\r\n"}
			d.sys.pipe, d.sys.room = []byte(data), at
			pipe := &pool.Pipe{N: len(data)}
			var f flow.Flow
			f.Start(d.loop, &piped{pipe}, k, d)
			d.settle()
			d.sys.room = -1
			d.event(loop.Writable)
			if string(d.sys.wrote) != want {
				t.Fatalf("torn at %d: got %q … %q", at, d.sys.wrote[:min(8, len(d.sys.wrote))], d.sys.wrote[max(0, len(d.sys.wrote)-8):])
			}
			assert.Equal(t, pipe.N, 0)
			assert.Equal(t, f.Spliced(), true)
			assert.Equal(t, d.flows, []error{nil})
			d.close()
		}
	}
}

// piped is a source of one pipe.
type piped struct{ pipe *pool.Pipe }

func (p *piped) Proceed(f *flow.Flow)   { f.Send(flow.Chunk{Pipe: p.pipe}, true) }
func (p *piped) Stop(*flow.Flow, error) {}

// The queue against its model, a text: any sizes, torn anywhere.
func TestTheQueueGrowsAndEmpties(t *testing.T) {
	t.Parallel()
	for seed := range uint64(25) {
		rng := rand.New(rand.NewPCG(seed, 2))
		d := openDesk(t)
		d.sys.room = 0
		var want []byte
		fill := byte(0)
		for range 100 {
			switch rng.IntN(4) {
			case 0, 1:
				n := rng.IntN([]int{20, 5000, 30000, 70000}[rng.IntN(4)])
				space := d.conn.Space(n)
				if fits := d.conn.Queued()+n <= pool.Large.Size(); (space != nil) != fits {
					t.Fatalf("room for %d behind %d: %v", n, d.conn.Queued(), space != nil)
				}
				if space == nil {
					continue
				}
				if len(space) != 0 || cap(space) < n {
					t.Fatalf("a space of %d, %d for %d", len(space), cap(space), n)
				}
				use := rng.IntN(n + 1)
				fill++
				space = append(space, bytes.Repeat([]byte{fill}, use)...)
				want = append(want, space...)
				d.conn.Commit(use)
			case 2:
				d.settle()
			case 3:
				d.sys.room = rng.IntN(40000)
				d.event(loop.Writable)
			}
			assert.Equal(t, d.conn.Queued(), len(want)-len(d.sys.wrote))
			assert.Equal(t, d.net.Buffers.InUse() <= 1, true)
		}
		d.sys.room = -1
		d.event(loop.Writable)
		assert.Equal(t, bytes.Equal(d.sys.wrote, want), true)
		assert.Equal(t, d.net.Buffers.InUse(), 0)
		d.close()
	}
}

func TestTheQueuesLimits(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	assert.Panics(t, "too early", func() { d.conn.Space(1) })
	d.event(loop.Writable)
	d.sys.room = 0
	assert.Equal(t, d.conn.Space(64<<10+1) == nil, true)
	assert.Equal(t, d.net.Buffers.InUse(), 0)
	assert.Equal(t, cap(d.conn.Space(10)) >= 10, true)
	d.conn.Commit(0) // nothing after all
	assert.Equal(t, d.net.Buffers.InUse(), 0)
	d.conn.Queue(make([]byte, 64<<10))
	assert.Panics(t, "too many", func() { d.conn.Queue([]byte("x")) })
	assert.Equal(t, d.conn.Queued(), 64<<10)
	d.close()
}

func TestAwaitFlush(t *testing.T) {
	t.Parallel()
	d := openDesk(t)
	assert.Equal(t, d.conn.AwaitFlush(), true)
	d.conn.Queue([]byte("hello"))
	d.settle()
	assert.Equal(t, d.flushed, 0) // it was empty, and nobody asked since

	d.sys.room = 3
	d.conn.Queue([]byte("hello"))
	assert.Equal(t, d.conn.AwaitFlush(), false)
	d.settle()
	assert.Equal(t, d.flushed, 0)
	d.sys.room = -1
	d.event(loop.Writable)
	assert.Equal(t, d.flushed, 1)
	d.event(loop.Writable)
	assert.Equal(t, d.flushed, 1)

	d.sys.room = 0 // a chunk counts, and what is queued behind it
	var f flow.Flow
	f.Start(d.loop, &text{chunks: []string{pattern(9000)}}, &codec{d.conn, "", "tail"}, d)
	d.settle()
	assert.Equal(t, d.conn.AwaitFlush(), false)
	d.sys.room = 9000
	d.event(loop.Writable)
	assert.Equal(t, d.flushed, 1)
	d.sys.room = -1
	d.event(loop.Writable)
	assert.Equal(t, d.flushed, 2)
	assert.Equal(t, strings.HasSuffix(string(d.sys.wrote), "tail"), true)

	d.sys.room = 0
	d.conn.Queue([]byte("never"))
	assert.Equal(t, d.conn.AwaitFlush(), false)
	d.settle()
	d.close()
	assert.Equal(t, d.flushed, 2)
}

// An owner may queue more, or close, when it hears that everything has left.
func TestFlushedMayQueueAndClose(t *testing.T) {
	t.Parallel()
	d := openDesk(t)
	d.onFlush = func() {
		if d.flushed == 1 {
			d.conn.Queue([]byte(" two"))
			assert.Equal(t, d.conn.AwaitFlush(), false)
			return
		}
		d.conn.Close()
	}
	d.conn.Queue([]byte("one"))
	assert.Equal(t, d.conn.AwaitFlush(), false)
	d.settle()
	assert.Equal(t, string(d.sys.wrote), "one two")
	assert.Equal(t, d.flushed, 2)
	d.gone()
}

// An error takes what is queued with it, and is told once.
func TestTheQueueFails(t *testing.T) {
	t.Parallel()
	d := openDesk(t)
	d.sys.broken = unix.EPIPE
	d.conn.Queue([]byte("hello"))
	d.settle()
	assert.Equal(t, d.conn.Queued(), 0)
	assert.Equal(t, len(d.broken), 1)
	assert.Equal(t, d.broken[0], unix.EPIPE)
	d.conn.Reset()
	d.gone()
	assert.Equal(t, d.sys.log, []string{"reset", "close"})
}

func TestAllocFramedMessages(t *testing.T) {
	d := openDesk(t)
	d.sys.wrote = make([]byte, 0, 1<<20)
	k := &codec{d.conn, "head", "\r\n"}
	small, large := &endless{[]byte(pattern(100))}, &endless{[]byte(pattern(5000))}
	var f flow.Flow
	d.sys.silent = true
	assert.Allocs(t, 0, func() {
		d.sys.wrote, d.flows = d.sys.wrote[:0], d.flows[:0]
		f.Start(d.loop, small, k, d)
		d.settle()
		f.Start(d.loop, large, k, d)
		d.settle()
	})
	d.close()
}

// endless is a source that always gives the same chunk, as its last.
type endless struct{ chunk []byte }

func (e *endless) Proceed(f *flow.Flow)   { f.Send(flow.Chunk{Bytes: e.chunk}, true) }
func (e *endless) Stop(*flow.Flow, error) {}
