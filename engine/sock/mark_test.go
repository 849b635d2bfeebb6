package sock

import (
	"testing"

	"golang.org/x/sys/unix"

	"sluice/engine/flow"
	"sluice/engine/loop"
	"sluice/internal/assert"
)

// A peer knows nothing of a request of which no byte has left, and may know of one of which a single byte has.
func TestMark(t *testing.T) {
	t.Parallel()
	d := openDesk(t)
	d.conn.Mark()
	assert.Equal(t, d.conn.Unmoved(), true)
	d.sys.room = 0
	d.conn.Queue([]byte("request"))
	d.settle()
	assert.Equal(t, d.conn.Unmoved(), true)
	d.sys.room = 1
	d.event(loop.Writable)
	assert.Equal(t, []any{string(d.sys.wrote), d.conn.Unmoved()}, []any{"r", false})
	d.sys.room = -1
	d.event(loop.Writable)
	assert.Equal(t, d.conn.Unmoved(), false)
	d.conn.Mark() // the next one is another
	assert.Equal(t, d.conn.Unmoved(), true)
	d.conn.Queue([]byte("again"))
	d.settle()
	assert.Equal(t, []any{string(d.sys.wrote), d.conn.Unmoved()}, []any{"requestagain", false})
	d.close()
}

// A queue that is lost to an error has not left.
func TestMarkOfABrokenConnection(t *testing.T) {
	t.Parallel()
	d := openDesk(t)
	d.conn.Mark()
	d.sys.broken = unix.EPIPE
	d.conn.Queue([]byte("request"))
	d.settle()
	assert.Equal(t, []any{len(d.broken), d.conn.Unmoved(), d.conn.Queued()}, []any{1, true, 0})
	d.close()
}

// What is queued leaves with a chunk, too: in one piece, or only the first bytes of it.
func TestMarkWithAChunk(t *testing.T) {
	t.Parallel()
	for _, size := range []int{10, smallWrite + 1} {
		for room, unmoved := range map[int]bool{0: true, 1: false, -1: false} {
			d := openDesk(t)
			d.conn.Mark()
			d.sys.room = room
			f := new(flow.Flow)
			d.conn.Queue([]byte("head"))
			f.Start(d.loop, &text{chunks: []string{pattern(size)}, open: true}, d.conn, d)
			d.settle()
			if got := d.conn.Unmoved(); got != unmoved {
				t.Errorf("a chunk of %d bytes and room for %d: unmoved is %v", size, room, got)
			}
			d.sys.room = -1
			d.event(loop.Writable)
			assert.Equal(t, []any{len(d.sys.wrote), d.conn.Unmoved()}, []any{4 + size, false})
			f.Cancel()
			d.close()
		}
	}
}
