package sock

import (
	"strings"
	"testing"

	"sluice/internal/assert"
	"sluice/pool"
)

// peeker notes what it is shown, and ends when it has seen enough.
type peeker struct {
	enough int
	seen   string
	calls  int
	eofs   int
	done   func(c *Conn)
}

func (k *peeker) Peeked(c *Conn, b []byte, eof bool) {
	k.calls++
	if !strings.HasPrefix(string(b), k.seen) {
		panic("what was shown before is not shown again")
	}
	k.seen = string(b)
	if eof {
		k.eofs++
	}
	if k.enough > 0 && len(b) >= k.enough {
		c.EndPeek()
		if k.done != nil {
			k.done(c)
		}
	}
}

// pattern is n bytes that differ from their neighbours.
func pattern(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7 + i>>8)
	}
	return string(b)
}

func TestPeekGrowsDiscardsAndHandsOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Kernel{})
	for size, class := range map[int]pool.Class{1: pool.Small, 4000: pool.Small, 4097: pool.Medium, 20_000: pool.Large, 60_000: pool.Large} {
		c, p, o := w.connect()
		data := pattern(size)
		k := &peeker{enough: size}
		w.call(func() {
			c.Peek(k)
			assert.Equal(t, w.net.Buffers.InUse(), 0) // waiting costs no buffer
		})
		send(t, p, data)
		w.until(func() bool { return k.seen == data })
		w.call(func() {
			assert.Equal(t, c.head.Class(), class)
			c.Discard(1)
		})
		send(t, p, "and more")
		assert.NoError(t, p.CloseWrite())
		got, _ := w.collect(c, o)
		assert.NoError(t, <-o.ended)
		w.call(func() { assert.Equal(t, string(got.got) == data[1:]+"and more", true) })
		assert.Equal(t, got.ends, 1)
		w.close(c)
	}
}

func TestPeekSeesTheEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Kernel{})
	for _, data := range []string{"abc", ""} {
		c, p, o := w.connect()
		send(t, p, data)
		assert.NoError(t, p.CloseWrite())
		k := new(peeker)
		w.call(func() { c.Peek(k) })
		w.until(func() bool { return k.eofs == 1 })
		assert.Equal(t, k.seen, data)
		w.call(c.EndPeek)
		got, _ := w.collect(c, o)
		assert.NoError(t, <-o.ended)
		w.call(func() {
			assert.Equal(t, string(got.got), data)
			assert.Equal(t, got.ends, 1)
			// The other direction may live for long: what was needed to look must be home.
			assert.Equal(t, w.net.Buffers.InUse(), 0)
		})
		w.close(c)
	}
}

// All that was read may be dropped, the peek goes on, and the buffer is home in between.
func TestDiscardOfEverything(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Kernel{})
	c, p, _ := w.connect()
	k := &peeker{enough: 6}
	k.done = func(c *Conn) {
		c.Discard(6)
		k.seen = ""
		c.Peek(k)
	}
	w.call(func() { c.Peek(k) })
	for round := 1; round <= 3; round++ {
		send(t, p, "header")
		w.until(func() bool { return k.calls >= round && k.seen == "" && w.net.Buffers.InUse() == 0 })
	}
	w.close(c)
}

func TestPeekerMayCloseTheConnection(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Kernel{})
	for _, end := range []func(*Conn){(*Conn).Close, (*Conn).Reset} {
		c, p, _ := w.connect()
		k := &peeker{enough: 1, done: end}
		w.call(func() { c.Peek(k) })
		send(t, p, "x")
		w.until(func() bool { return w.net.Open() == 0 && w.net.Lingering() == 0 })
		assert.Equal(t, k.calls, 1)
	}
}
