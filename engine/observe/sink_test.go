package observe

// What a sink can do to the log: hang, come back, break, fill up, take half a line.

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A reader that stops costs lines and nothing else; when it reads again, all that was
// not dropped arrives.
func TestHungReader(t *testing.T) {
	told, logger := newReports()
	r, w := blockingPipe(t)
	log := start("pipe", w, logger, 0)
	l := log.Lines()
	const sent = 40000 // several times what pipe and buffers hold
	for range sent {
		l.Conn(sample())
	}
	if l.Dropped() == 0 || !l.Pending() {
		t.Fatalf("%d lines dropped", l.Dropped())
	}
	if held := len(l.current.bytes); held > batchMax {
		t.Errorf("the buffer holds %d", held)
	}

	counted := make(chan uint64)
	go func() { counted <- countLines(t, r) }()
	flushAll(l)
	told.expect(t, "WARN access log is too slow")
	log.Close()
	if got := <-counted; got+l.Dropped() != sent {
		t.Errorf("%d lines arrived, %d dropped, %d sent", got, l.Dropped(), sent)
	}
	if len(told) != 0 {
		t.Errorf("told too much: %s", <-told)
	}
}

func TestCloseIsBounded(t *testing.T) {
	r, w := blockingPipe(t)
	log := start("pipe", w, nil, 0)
	l := log.Lines()
	for l.Dropped() == 0 {
		l.Conn(sample())
	}
	begun := time.Now()
	log.Close()
	if took := time.Since(begun); took < closeMax || took > 10*closeMax {
		t.Errorf("took %v", took)
	}
	r.Close() // frees the writer
	<-log.done
}

// A pipe whose reader is gone is told once, and once more when a new reader came.
func TestClosedPipeRecovers(t *testing.T) {
	told, logger := newReports()
	path := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path, nil); err == nil || !strings.Contains(err.Error(), "start the reader") {
		t.Errorf("a pipe without a reader: %v", err)
	}
	open := func() *os.File {
		r, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	first := open()
	w, err := openFile(path)
	if err != nil {
		t.Fatal(err)
	}
	log := start("fifo", w, logger, 0)
	l := log.Lines()
	first.Close()
	for range 5 {
		l.Conn(sample())
		flushAll(l)
	}
	told.expect(t, "ERROR access log cannot be written, its lines are dropped until it can err=write")
	if l.Dropped() != 5 || len(told) != 0 {
		t.Errorf("%d dropped, %d more reports", l.Dropped(), len(told))
	}

	second := open()
	l.Conn(sample())
	flushAll(l)
	told.expect(t, "INFO access log works again lines_dropped=5")
	log.Close()
	if got := countLines(t, second); got != 1 || l.Dropped() != 5 || len(told) != 0 {
		t.Errorf("%d lines arrived, %d dropped, %d more reports", got, l.Dropped(), len(told))
	}
}

// Between two tries a broken sink is left alone, so it cannot make the writer spin.
func TestBrokenSinkIsLeftAlone(t *testing.T) {
	told, logger := newReports()
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	log := start("full", full, logger, time.Hour)
	log.path = filepath.Join(t.TempDir(), "access.log")
	l := log.Lines()
	l.Conn(sample())
	flushAll(l)
	told.expect(t, "no space left on device")

	// The descriptor now leads to a file that would take everything.
	good, err := os.Create(log.path)
	if err != nil {
		t.Fatal(err)
	}
	defer good.Close()
	if err := syscall.Dup3(int(good.Fd()), int(full.Fd()), syscall.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	l.Conn(sample())
	flushAll(l)
	if info, _ := good.Stat(); info.Size() != 0 || l.Dropped() != 2 {
		t.Errorf("%d bytes written before the retry was due, %d dropped", info.Size(), l.Dropped())
	}

	// A reopened file is tried at once.
	if err := log.Reopen(); err != nil {
		t.Fatal(err)
	}
	l.Conn(sample())
	flushAll(l)
	told.expect(t, "INFO access log works again lines_dropped=2")
	log.Close()
	if got := countLines(t, good); got != 1 || len(told) != 0 {
		t.Errorf("%d lines, %d more reports", got, len(told))
	}
}

func TestFullDisk(t *testing.T) {
	told, logger := newReports()
	log, err := Open("/dev/full", logger)
	if err != nil {
		t.Fatal(err)
	}
	l := log.Lines()
	for range 3 {
		l.Conn(sample())
		flushAll(l)
	}
	log.Close()
	told.expect(t, "no space left on device")
	if l.Dropped() != 3 || len(told) != 0 {
		t.Errorf("%d dropped, %d more reports", l.Dropped(), len(told))
	}
}

// Another process may have made our stdout non-blocking: then a full pipe is an error in
// the middle of a line. Only that line may suffer.
func TestTornLineSpoilsNoOther(t *testing.T) {
	told, logger := newReports()
	r, w := blockingPipe(t)
	if err := syscall.SetNonblock(int(w.Fd()), true); err != nil {
		t.Fatal(err)
	}
	log := start("pipe", w, logger, 0)
	l := log.Lines()
	sent := uint64(0)
	for len(told) == 0 {
		for range 30 { // more than PIPE_BUF: such a write may be done in part
			l.Conn(sample())
			sent++
		}
		flushAll(l)
	}
	told.expect(t, "resource temporarily unavailable")

	var got []byte
	buf := make([]byte, 1<<20)
	n, err := r.Read(buf)
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, buf[:n]...)
	l.Conn(sample())
	sent++
	log.Close()
	rest, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	whole, torn := uint64(0), 0
	for line := range bytes.Lines(append(got, rest...)) {
		if json.Valid(line) {
			whole++
		} else {
			torn++
		}
	}
	if torn != 1 || whole+l.Dropped() != sent {
		t.Errorf("%d whole, %d torn, %d dropped, %d sent", whole, torn, l.Dropped(), sent)
	}
}

// In a process of its own: stdout is a pipe without a reader, and nobody has asked Go to
// ignore SIGPIPE.
func TestDeadStdoutDoesNotKill(t *testing.T) {
	if os.Getenv("OBSERVE_DEAD_STDOUT") != "" {
		log, err := Open("stdout", slog.New(slog.NewTextHandler(os.Stderr, nil)))
		if err != nil {
			t.Fatal(err)
		}
		l := log.Lines()
		l.Conn(sample())
		flushAll(l)
		log.Close()
		if l.Dropped() == 1 {
			os.Stderr.WriteString("survived\n")
		}
		os.Exit(0)
	}
	r, w := blockingPipe(t)
	r.Close()
	cmd := exec.Command(os.Args[0], "-test.run=^TestDeadStdoutDoesNotKill$")
	cmd.Env = append(os.Environ(), "OBSERVE_DEAD_STDOUT=1")
	var stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = w, &stderr
	err := cmd.Run()
	w.Close()
	if err != nil || !strings.Contains(stderr.String(), "broken pipe") || !strings.HasSuffix(stderr.String(), "survived\n") {
		t.Errorf("%v\n%s", err, stderr.String())
	}
}

func TestClosedStdoutIsAnError(t *testing.T) {
	const unused = 1 << 20
	_, err := openStd("stdout", unused, nil)
	if err == nil || !strings.Contains(err.Error(), "set log.access.to") {
		t.Error(err)
	}
}
