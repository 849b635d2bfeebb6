package pool

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"sluice/internal/assert"
)

func TestOSPipesCarryBytesAndNeverBlock(t *testing.T) {
	ps := NewPipes(OSPipes{}, NewPipeBudget(1), 128<<10, 0)
	p := ps.Get()
	n, err := unix.Write(p.W, []byte("hello"))
	assert.NoError(t, err)
	assert.Equal(t, n, 5)
	var buf [16]byte
	n, err = unix.Read(p.R, buf[:])
	assert.NoError(t, err)
	assert.Equal(t, string(buf[:n]), "hello")
	_, err = unix.Read(p.R, buf[:])
	assert.Equal(t, err, error(unix.EAGAIN))

	for _, fd := range []int{p.R, p.W} {
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
		assert.NoError(t, err)
		assert.Equal(t, flags&unix.FD_CLOEXEC, unix.FD_CLOEXEC)
	}
	size, err := unix.FcntlInt(uintptr(p.W), unix.F_GETPIPE_SZ, 0)
	assert.NoError(t, err)
	t.Logf("asked for %d bytes, the kernel gave %d", 128<<10, size)

	r := p.R
	ps.Put(p)
	ps.Close()
	_, err = unix.FcntlInt(uintptr(r), unix.F_GETFD, 0)
	assert.Equal(t, err, error(unix.EBADF))
}

func TestOSPipesToleratesARefusedSize(t *testing.T) {
	r, w, err := OSPipes{}.Pipe2(1 << 40) // no kernel grants this
	assert.NoError(t, err)
	OSPipes{}.ClosePipe(r, w)
}

func TestReadPipeLimits(t *testing.T) {
	limits := ReadPipeLimits()
	assert.Equal(t, limits.PageBytes, os.Getpagesize())
	assert.Equal(t, limits.Files > 0, true)
	assert.Equal(t, limits.MaxPipes(0) > 0, true)
	t.Logf("%+v: %d pipes", limits, limits.MaxPipes(0))
}
