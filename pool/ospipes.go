package pool

import (
	"bytes"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// OSPipes opens pipes of the kernel.
type OSPipes struct{}

// Pipe2 opens a non-blocking, close-on-exec pipe and asks for room for size bytes. The kernel may
// refuse the size (EPERM beyond the user's limits, EBUSY) and the pipe is good all the same, so
// that refusal is no error.
func (OSPipes) Pipe2(size int) (r, w int, err error) {
	var ends [2]int
	if err := unix.Pipe2(ends[:], unix.O_NONBLOCK|unix.O_CLOEXEC); err != nil {
		return -1, -1, err
	}
	if size > 0 {
		_, _ = unix.FcntlInt(uintptr(ends[1]), unix.F_SETPIPE_SZ, size)
	}
	return ends[0], ends[1], nil
}

// ClosePipe closes both ends. Close errors of a pipe carry no news: the descriptors are gone.
func (OSPipes) ClosePipe(r, w int) {
	_ = unix.Close(r)
	_ = unix.Close(w)
}

// ReadPipeLimits asks the system for its limits. It reads files, so it is for the start of the
// process and never for a loop. What cannot be read counts as the kernel's default.
func ReadPipeLimits() PipeLimits {
	limits := PipeLimits{Files: 1024, SoftPages: 16384, PageBytes: os.Getpagesize(), Privileged: mayExceedPipeLimits()}
	var files unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &files); err == nil {
		limits.Files = files.Cur
	}
	if text, err := os.ReadFile("/proc/sys/fs/pipe-user-pages-soft"); err == nil {
		if pages, err := strconv.Atoi(string(bytes.TrimSpace(text))); err == nil {
			limits.SoftPages = pages
		}
	}
	return limits
}

// mayExceedPipeLimits says whether the kernel exempts the process: the capabilities decide, not
// the user id, because root in a container often has neither.
func mayExceedPipeLimits() bool {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return false
	}
	return data[0].Effective&(1<<unix.CAP_SYS_RESOURCE|1<<unix.CAP_SYS_ADMIN) != 0
}
