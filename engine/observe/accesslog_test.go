package observe

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// reports collects what the log tells the operator.
type reports chan string

func (r reports) Enabled(context.Context, slog.Level) bool { return true }
func (r reports) WithAttrs([]slog.Attr) slog.Handler       { return r }
func (r reports) WithGroup(string) slog.Handler            { return r }
func (r reports) Handle(_ context.Context, record slog.Record) error {
	text := record.Level.String() + " " + record.Message
	record.Attrs(func(a slog.Attr) bool { text += " " + a.String(); return true })
	r <- text
	return nil
}

// expect waits for the next report and checks it.
func (r reports) expect(t *testing.T, want string) {
	t.Helper()
	if got := <-r; !strings.Contains(got, want) {
		t.Errorf("report %q does not contain %q", got, want)
	}
}

func newReports() (reports, *slog.Logger) {
	r := make(reports, 100)
	return r, slog.New(r)
}

// settle waits until the writer has given the batch back: it is done with it.
func settle(l *Lines) {
	for l.free.Load() == nil {
		runtime.Gosched()
	}
}

// flushAll hands over what is pending and waits until the writer is done with it.
func flushAll(l *Lines) {
	settle(l)
	l.Flush()
	settle(l)
}

// blockingPipe is what a shell connects to stdout: writes to it hang in the kernel.
func blockingPipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	var fds [2]int
	if err := syscall.Pipe2(fds[:], syscall.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	return os.NewFile(uintptr(fds[0]), "reader"), os.NewFile(uintptr(fds[1]), "writer")
}

// countLines checks that all lines are whole and returns how many there are.
func countLines(t *testing.T, r io.Reader) uint64 {
	t.Helper()
	var n uint64
	for s := bufio.NewScanner(r); s.Scan(); n++ {
		if !json.Valid(s.Bytes()) {
			t.Fatalf("line %d is torn: %q", n, s.Bytes())
		}
	}
	return n
}

func TestOff(t *testing.T) {
	log, err := Open("off", nil)
	if err != nil {
		t.Fatal(err)
	}
	l := log.Lines()
	l.Conn(sample())
	l.Flush()
	if l.Pending() || l.Dropped() != 0 || log.Reopen() != nil {
		t.Error("a log that is off does something")
	}
	log.Close()
}

func TestLinesReachTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "access.log")
	log, err := Open(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	a, b := log.Lines(), log.Lines()
	a.Conn(sample())
	if !a.Pending() || b.Pending() {
		t.Error("Pending does not tell who has lines")
	}
	flushAll(a)
	if a.Pending() {
		t.Error("lines are pending after a flush")
	}
	a.Conn(sample()) // left to Close
	b.Conn(sample())
	log.Close()
	log.Close() // twice is harmless

	text, err := os.ReadFile(path)
	if err != nil || string(text) != strings.Repeat(string(appendConn(nil, new(clock), sample())), 3) {
		t.Errorf("%v, %s", err, text)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm()&^0o640 != 0 {
		t.Errorf("mode %v (%v), want at most 0640", info.Mode(), err)
	}
}

// A busy loop does not wait for its timer.
func TestFullBufferIsHandedOver(t *testing.T) {
	r, w := blockingPipe(t)
	log := start("pipe", w, nil, 0)
	l := log.Lines()
	for l.free.Load() != nil {
		l.Conn(sample())
		if len(l.current.bytes) > handOverAt+lineMax {
			t.Fatal("a full buffer was kept")
		}
	}
	if _, err := r.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	go io.Copy(io.Discard, r)
	log.Close()
}

func TestConnDoesNotAllocate(t *testing.T) {
	log, err := Open("/dev/null", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	l, r := log.Lines(), sample()
	if n := testing.AllocsPerRun(5000, func() { l.Conn(r) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestRotation(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "logs")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "access.log")
	log, err := Open(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	l := log.Lines()
	write := func(n int) {
		for range n {
			l.Conn(sample())
		}
		flushAll(l)
	}
	write(1)
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	write(2) // not told yet: still the old file
	if err := log.Reopen(); err != nil {
		t.Fatal(err)
	}
	write(4)
	moved := dir + ".gone"
	if err := os.Rename(dir, moved); err != nil {
		t.Fatal(err)
	}
	if err := log.Reopen(); err == nil || !strings.Contains(err.Error(), "create the folder "+dir) {
		t.Errorf("reopening in a missing folder: %v", err)
	}
	write(8) // the file in use stays in use
	log.Close()

	for name, want := range map[string]uint64{"access.log.1": 3, "access.log": 12} {
		f, err := os.Open(filepath.Join(moved, name))
		if err != nil {
			t.Fatal(err)
		}
		if got := countLines(t, f); got != want {
			t.Errorf("%s has %d lines, want %d", name, got, want)
		}
		f.Close()
	}
}

func TestOpenErrors(t *testing.T) {
	dir := t.TempDir()
	for path, want := range map[string]string{
		dir:                                    "name a file, not a folder",
		filepath.Join(dir, "no", "access.log"): "create the folder " + filepath.Join(dir, "no"),
	} {
		_, err := Open(path, nil)
		if err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// Loops, rotations and a scrape at the same time, for the race detector; every line is
// either in one of the files or counted as dropped.
func TestEverythingAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "access.log")
	log, err := Open(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	const loops, each = 4, 3000
	var running sync.WaitGroup
	all := make([]*Lines, loops)
	for i := range all {
		all[i] = log.Lines()
		running.Go(func() {
			for n := range each {
				all[i].Conn(sample())
				if n%100 == 0 {
					all[i].Flush()
				}
			}
		})
	}
	files := []string{path}
	for _, suffix := range []string{".1", ".2", ".3"} {
		if err := os.Rename(path, path+suffix); err != nil {
			t.Fatal(err)
		}
		if err := log.Reopen(); err != nil {
			t.Fatal(err)
		}
		all[0].Dropped()
		files = append(files, path+suffix)
	}
	running.Wait()
	log.Close()

	var total uint64
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		total += countLines(t, f)
		f.Close()
	}
	for _, l := range all {
		total += l.Dropped()
	}
	if total != loops*each {
		t.Errorf("%d lines accounted for, %d sent", total, loops*each)
	}
}
