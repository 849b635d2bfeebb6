package sock

// What is queued ahead of the chunks: PROXY headers on their way to a server.

import (
	"slices"
	"syscall"
	"testing"

	"sluice/engine/flow"
	"sluice/engine/loop"
	"sluice/internal/assert"
)

func TestQueueLeavesWithTheFirstChunk(t *testing.T) {
	t.Parallel()
	sys := new(spy)
	w := newWorld(t, sys)
	c, p, o := w.connect()
	f := new(flow.Flow)
	w.call(func() {
		f.Start(w.loop, &text{chunks: []string{"chunk", "again"}, open: true}, c, o)
		c.Queue([]byte("pre"))
		c.Queue([]byte("fix "))
	})
	receive(t, p, "prefix chunkagain")
	w.call(func() {
		assert.Equal(t, sys.log, []string{"write 7+5", "write 5"})
		sys.log = nil
		f.Cancel()
		c.Queue([]byte("alone"))
	})
	receive(t, p, "alone")
	w.call(func() { assert.Equal(t, sys.log, []string{"write 5"}) })
	w.close(c)
}

// A prefix and a chunk that the socket takes in pieces arrive in order, each byte once.
func TestQueueInPieces(t *testing.T) {
	t.Parallel()
	for _, most := range []int{97, 4095, 4096, 4097, 7000} {
		for _, with := range []string{"", pattern(3000)} {
			sys := new(spy)
			sys.write = func(fd int, p []byte) (int, syscall.Errno) { return Kernel{}.Write(fd, p[:min(len(p), most)]) }
			sys.writeParts = func(fd int, p *Parts) (int, syscall.Errno) {
				joined := slices.Concat(p[0], p[1], p[2])
				return Kernel{}.Write(fd, joined[:min(len(joined), most)])
			}
			w := newWorld(t, sys)
			c, p, o := w.connect()
			prefix := pattern(4096)
			f := new(flow.Flow)
			w.call(func() {
				c.Queue([]byte(prefix))
				if with != "" {
					f.Start(w.loop, &text{chunks: []string{with}, open: true}, c, o)
				}
			})
			for range (4096+3000)/most + 2 { // the kernel has room, so the test says so in its place
				w.call(func() { c.Ready(loop.Writable) })
			}
			receive(t, p, prefix+with)
			w.call(f.Cancel)
			w.close(c)
		}
	}
}
