// Package observe is how the proxy is watched and told: the access log, metrics, the admin API
// and the control socket. view.go is what they see of the proxy.
//
// The access log never blocks a loop. Each loop appends lines to a buffer of its own
// (lines.go; encode.go, exchange.go); one writer goroutine takes full buffers and writes them
// (writer.go). A sink that hangs, fills up or goes away costs lines, which are counted,
// and nothing else:
//
//	log, err := observe.Open("/var/log/sluice/access.log", logger)
//	lines := log.Lines()      // once per loop
//	lines.Conn(&record)       // on the loop, when a connection has ended
//	lines.Exchange(&record)   // or an HTTP exchange
//	lines.Flush()             // on the loop, by a timer while lines.Pending()
package observe

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// closeMax bounds Close: a sink that has not taken the last lines by then hangs.
const closeMax = time.Second

// AccessLog is one sink and the writer that feeds it. Its methods may be called from any
// goroutine. A log that is off has no writer, and its methods do nothing.
type AccessLog struct {
	path  string // of the file, "" for stdout, stderr and off
	off   bool
	wake  chan struct{} // one slot: a writer that is already woken needs no more
	quit  chan struct{}
	done  chan struct{} // closed by the writer when all is written
	close sync.Once

	next atomic.Pointer[os.File] // reopened file on its way to the writer

	mu    sync.Mutex // never taken by a loop once it has its Lines
	lines []*Lines
}

// Open starts the access log to "stdout", "stderr", a file, or nowhere ("off"). A file
// is created with mode 0640 and appended to. An error names the file and says what to
// do. Trouble with the sink later on is told to logger, once when it begins and once
// when it is over; nil tells nobody.
func Open(to string, logger *slog.Logger) (*AccessLog, error) {
	switch to {
	case "off":
		return &AccessLog{off: true}, nil
	case "stdout":
		return openStd(to, syscall.Stdout, logger)
	case "stderr":
		return openStd(to, syscall.Stderr, logger)
	}
	file, err := openFile(to)
	if err != nil {
		return nil, err
	}
	a := start(to, file, logger, retryAfter)
	a.path = to
	return a, nil
}

// Check tells whether Open would succeed, without creating anything: a log that a check as root had made could not
// be written by a service that is not.
func Check(to string) error {
	switch to {
	case "off", "stdout", "stderr":
		return nil
	}
	if _, err := os.Stat(to); errors.Is(err, fs.ErrNotExist) {
		if err := unix.Access(filepath.Dir(to), unix.W_OK|unix.X_OK); err != nil {
			return explain(to, err)
		}
		return nil
	}
	file, err := openFile(to)
	if err != nil {
		return err
	}
	return file.Close()
}

// start runs the writer on sink, which the log owns from now on. A broken sink is tried
// again after retry.
func start(name string, sink *os.File, logger *slog.Logger, retry time.Duration) *AccessLog {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	a := &AccessLog{
		wake: make(chan struct{}, 1),
		quit: make(chan struct{}),
		done: make(chan struct{}),
	}
	w := &writer{log: a, sink: sink, logger: logger.With("to", name), retry: retry}
	go w.run()
	return a
}

// openStd gives the log a descriptor of its own. Go kills a process that writes to a
// broken pipe on descriptor 1 or 2; on any other the write just fails.
func openStd(name string, std int, logger *slog.Logger) (*AccessLog, error) {
	const lowest = 3
	fd, _, errno := syscall.Syscall(syscall.SYS_FCNTL, uintptr(std), syscall.F_DUPFD_CLOEXEC, lowest)
	if errno != 0 {
		return nil, fmt.Errorf("access log: %s cannot be used (%w): connect it, or set log.access.to to a file or off", name, errno)
	}
	return start(name, os.NewFile(fd, name), logger, retryAfter), nil
}

// openFile opens path for appending. O_NONBLOCK is for named pipes: without a reader
// opening one would hang; other files ignore it.
func openFile(path string) (*os.File, error) {
	const flags = os.O_APPEND | os.O_CREATE | os.O_WRONLY | syscall.O_NONBLOCK
	file, err := os.OpenFile(path, flags, 0o640)
	if err != nil {
		return nil, explain(path, err)
	}
	return file, nil
}

// explain says what to do about a file that cannot be opened.
func explain(path string, err error) error {
	advice := "choose another log.access.to"
	switch {
	case errors.Is(err, syscall.ENOENT):
		advice = "create the folder " + filepath.Dir(path)
	case errors.Is(err, os.ErrPermission):
		advice = "let the proxy's user write there"
	case errors.Is(err, syscall.EISDIR):
		advice = "name a file, not a folder"
	case errors.Is(err, syscall.ENXIO):
		advice = "start the reader of this pipe first"
	}
	if !errors.As(err, new(*fs.PathError)) {
		err = &fs.PathError{Op: "open", Path: path, Err: err}
	}
	return fmt.Errorf("access log: %w: %s", err, advice)
}

// Lines returns a new buffer for one loop, which owns it; nil if the log is off.
func (a *AccessLog) Lines() *Lines {
	if a.off {
		return nil
	}
	l := newLines(a)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.lines = append(a.lines, l)
	return l
}

// Reopen opens the file by its path again, after it was renamed by a log rotation. If
// that fails the old file stays in use and the error says why. Lines handed over
// before may still go to the old file. Without a file there is nothing to do.
func (a *AccessLog) Reopen() error {
	if a.path == "" {
		return nil
	}
	file, err := openFile(a.path)
	if err != nil {
		return err
	}
	if unused := a.next.Swap(file); unused != nil {
		unused.Close()
	}
	a.wakeWriter()
	return nil
}

// Close writes what is left, the lines still with the loops included, and closes the
// sink. It returns after a second even if the sink hangs; the writer is then left
// behind. No loop may use its Lines any more when Close is called.
func (a *AccessLog) Close() {
	if a.off {
		return
	}
	a.close.Do(func() { close(a.quit) })
	timeout := time.NewTimer(closeMax)
	defer timeout.Stop()
	select {
	case <-a.done:
	case <-timeout.C:
	}
}

// wakeWriter tells the writer that there is something to do. It never blocks.
func (a *AccessLog) wakeWriter() {
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

// all returns the Lines given out so far.
func (a *AccessLog) all() []*Lines {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.lines[:len(a.lines):len(a.lines)]
}
