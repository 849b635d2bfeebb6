package sock

import (
	"crypto/sha256"
	"io"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sluice/engine/flow"
	"sluice/engine/stat"
	"sluice/internal/assert"
	"sluice/pool"
)

// passage is a flow from one peer to another through two connections.
type passage struct {
	flow     flow.Flow
	from, to *Conn
	in, out  peer
	owner    *owner
}

func (w *world) passage(network string) *passage {
	o := newOwner()
	p := &passage{owner: o}
	p.from, p.in = w.dial(serve(w.t, network), o)
	p.to, p.out = w.dial(serve(w.t, network), o)
	w.call(func() { p.flow.Start(w.loop, p.from, p.to, o) })
	return p
}

// bulk sends n bytes through and compares them; with end, the stream ends too.
func (p *passage) bulk(t *testing.T, n int, end bool) {
	t.Helper()
	data := pattern(n)
	go func() {
		_, _ = io.WriteString(p.in, data)
		if end {
			_ = p.in.CloseWrite()
		}
	}()
	got := make([]byte, n)
	_, err := io.ReadFull(p.out, got)
	assert.NoError(t, err)
	assert.Equal(t, sha256.Sum256(got) == sha256.Sum256([]byte(data)), true)
}

func (p *passage) close(w *world) {
	w.call(func() {
		p.flow.Cancel()
		p.from.Close()
		p.to.Close()
	})
}

func TestBulkGoesBySplice(t *testing.T) {
	t.Parallel()
	for _, network := range []string{"tcp4", "unix"} {
		t.Run(network, func(t *testing.T) {
			w := newWorld(t, Kernel{})
			p := w.passage(network)
			p.bulk(t, 8<<20, true)
			receiveEnd(t, p.out)
			assert.NoError(t, <-p.owner.ended)
			w.call(func() {
				spliced := w.loop.Stats().Get(stat.BytesSpliced)
				assert.Equal(t, p.flow.Spliced(), true)
				assert.Equal(t, p.flow.Moved(), uint64(8<<20))
				if spliced < 4<<20 || spliced > 8<<20-spliceAfter {
					t.Errorf("%d bytes were spliced", spliced)
				}
				assert.Equal(t, w.net.Pipes.InUse(), 0)
			})
			p.close(w)
		})
	}
}

func TestSmallMessagesAreNeverSpliced(t *testing.T) {
	t.Parallel()
	sys := new(spy)
	w := newWorld(t, sys)
	p := w.passage("tcp4")
	message := pattern(smallRead - 1)
	for range 3 * spliceAfter / smallRead {
		send(t, p.in, message)
		receive(t, p.out, message)
	}
	w.call(func() { assert.Equal(t, strings.Contains(strings.Join(sys.log, " "), "splice"), false) })
	p.close(w)
}

// A bulk run that turns into small messages gives its pipe back and copies again.
func TestSpliceIsGivenUpForSmallMessages(t *testing.T) {
	t.Parallel()
	sys := new(spy)
	w := newWorld(t, sys)
	p := w.passage("tcp4")
	p.bulk(t, 4<<20, false)
	for range 5 {
		send(t, p.in, "small")
		receive(t, p.out, "small")
	}
	w.call(func() {
		assert.Equal(t, p.flow.Spliced(), true)
		assert.Equal(t, w.net.Pipes.InUse(), 0)
		assert.Equal(t, p.from.run, 0)
		sys.log = nil
	})
	send(t, p.in, "small")
	receive(t, p.out, "small")
	w.call(func() { assert.Equal(t, sys.log, []string{"write 5"}) })
	p.close(w)
}

func TestWithoutSpliceItCopies(t *testing.T) {
	t.Parallel()
	t.Run("the kernel refuses", func(t *testing.T) {
		t.Parallel()
		sys, calls := new(spy), 0
		sys.spliceIn = func(int, int, int) (int, syscall.Errno) { calls++; return 0, unix.EINVAL }
		w := newWorld(t, sys)
		p := w.passage("tcp4")
		p.bulk(t, 4<<20, true)
		receiveEnd(t, p.out)
		assert.NoError(t, <-p.owner.ended)
		w.call(func() {
			assert.Equal(t, calls, 1)
			assert.Equal(t, p.flow.Spliced(), false)
		})
		p.close(w)
	})
	t.Run("no pipes", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, Kernel{})
		w.call(func() { w.net.Pipes = pool.NewPipes(pool.OSPipes{}, pool.NewPipeBudget(0), 0, 0) })
		p := w.passage("tcp4")
		p.bulk(t, 4<<20, true)
		receiveEnd(t, p.out)
		assert.NoError(t, <-p.owner.ended)
		w.call(func() { assert.Equal(t, p.flow.Spliced(), false) })
		p.close(w)
	})
}

// A pipe that holds bytes nobody will take is not lent again.
func TestCutBulkLeavesNoBytesInThePipe(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Kernel{})
	p := w.passage("tcp4")
	go func() { _, _ = io.WriteString(p.in, pattern(64<<20)) }()
	assert.Eventually(t, func() (filled bool) {
		stalled := false
		w.call(func() { stalled, filled = p.flow.Stalled(), p.from.pipe != nil && p.from.pipe.N > 0 })
		if stalled && !filled { // a sender that is held up is copied from: it goes on, and may be faster next time
			assert.NoError(t, p.out.SetDeadline(time.Now().Add(10*time.Second)))
			_, err := io.CopyN(io.Discard, p.out, 64<<10)
			assert.NoError(t, err)
		}
		return stalled && filled
	})
	w.call(func() {
		p.flow.Cancel()
		p.from.Reset()
		p.to.Reset()
		assert.Equal(t, w.net.Pipes.InUse()+w.net.Pipes.Idle(), 0)
	})
}

func TestAllocRelayedChunks(t *testing.T) {
	for name, size := range map[string]int{"small": 100, "bulk": 64 << 10} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, Kernel{})
			p := w.passage("tcp4")
			p.bulk(t, 4<<20, false) // reach the steady state
			for range 3 {
				p.bulk(t, size, false)
			}
			in, out := blocking(t, p.in), blocking(t, p.out)
			chunk := make([]byte, size)
			before := w.count(stat.BytesSpliced)
			assert.Allocs(t, 0, func() {
				if n, err := unix.Write(in, chunk); n != size || err != nil {
					t.Fatal(n, err)
				}
				for left := size; left > 0; {
					n, err := unix.Read(out, chunk[:left])
					if n <= 0 {
						t.Fatal(n, err)
					}
					left -= n
				}
			})
			// One chunk alone may fall into the pieces of a small transfer; of hundreds, most do not.
			if spliced := w.count(stat.BytesSpliced) > before; spliced != (name == "bulk") && !assert.RaceEnabled {
				t.Errorf("spliced: %v", spliced)
			}
			p.close(w)
		})
	}
}

// blocking is a descriptor of p's socket whose calls block.
func blocking(t *testing.T, p peer) int {
	t.Helper()
	raw, err := p.SyscallConn()
	assert.NoError(t, err)
	fd := -1
	assert.NoError(t, raw.Control(func(f uintptr) { fd, err = unix.Dup(int(f)) }))
	assert.NoError(t, err)
	assert.NoError(t, unix.SetNonblock(fd, false))
	t.Cleanup(func() { _ = unix.Close(fd) })
	return fd
}
