package meter

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Syscalls are the system calls that processes made while they were traced.
type Syscalls struct {
	// Total is the sum of Calls; Failed of those returned an error (EAGAIN, mostly).
	Total  int64 `json:"total"`
	Failed int64 `json:"failed"`
	// Calls counts by name.
	Calls map[string]int64 `json:"calls"`
}

// ErrNoTrace says that system calls cannot be counted here: there is no strace, or
// it may not attach.
var ErrNoTrace = errors.New("not available")

const (
	// attachTimeout bounds how long strace may take to attach to all threads, and to
	// end when it is asked to.
	attachTimeout = 10 * time.Second
	// traceTail is how much of strace's own words goes into an error.
	traceTail = 200
)

// Trace is strace at work. It slows the traced processes many times over, so what
// they do meanwhile counts only as calls, never as time.
type Trace struct {
	cmd     *exec.Cmd
	summary *os.File
	words   *bufio.Reader // its standard error
}

// StartTrace attaches to all threads of the processes, and to those they start, and
// returns when it is attached: what they do from then on is counted. Processes that
// are idle at that moment and at Stop are counted exactly. The error wraps ErrNoTrace
// if it cannot be done on this machine.
func StartTrace(pids []int) (*Trace, error) {
	path, err := exec.LookPath("strace")
	if err != nil {
		return nil, fmt.Errorf("%w: strace is not installed", ErrNoTrace)
	}
	// The table goes to a file without a name to clean up: /dev/fd/3 in the child.
	summary, err := os.CreateTemp("", "bench-strace-")
	if err != nil {
		return nil, err
	}
	_ = os.Remove(summary.Name())
	args := []string{"-c", "-f", "-o", "/dev/fd/3"}
	for _, pid := range pids {
		args = append(args, "-p", strconv.Itoa(pid))
	}
	t := &Trace{cmd: exec.Command(path, args...), summary: summary}
	t.cmd.ExtraFiles = []*os.File{summary}
	t.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGINT}
	words, err := t.cmd.StderrPipe()
	if err == nil {
		err = t.cmd.Start()
	}
	if err != nil {
		_ = summary.Close()
		return nil, fmt.Errorf("%w: %w", ErrNoTrace, err)
	}
	t.words = bufio.NewReader(words)
	if err := t.attached(pids); err != nil {
		_, _ = t.Stop()
		return nil, fmt.Errorf("%w: %w", ErrNoTrace, err)
	}
	return t, nil
}

// attached reads strace's words until it has said of each process that it is there:
// "strace: Process 42 attached", perhaps "with 3 threads", or why it is not.
func (t *Trace) attached(pids []int) error {
	giveUp := time.AfterFunc(attachTimeout, func() { _ = t.cmd.Process.Kill() })
	defer giveUp.Stop()
	missing := map[string]bool{}
	for _, pid := range pids {
		missing[strconv.Itoa(pid)] = true
	}
	for len(missing) > 0 {
		line, err := t.words.ReadString('\n')
		words := strings.Fields(line)
		switch {
		case err != nil:
			return errors.New("strace ended before it was attached")
		case len(words) > 3 && words[1] == "Process" && words[3] == "attached":
			delete(missing, words[2])
		default:
			return errors.New(strings.TrimSpace(line))
		}
	}
	return nil
}

// Stop detaches and returns what was counted.
func (t *Trace) Stop() (*Syscalls, error) {
	defer t.summary.Close()
	_ = t.cmd.Process.Signal(syscall.SIGINT)
	giveUp := time.AfterFunc(attachTimeout, func() { _ = t.cmd.Process.Kill() })
	defer giveUp.Stop()
	words, _ := io.ReadAll(t.words)
	_ = t.cmd.Wait() // it ends by the signal it was sent
	if _, err := t.summary.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	table, err := io.ReadAll(t.summary)
	if err != nil {
		return nil, err
	}
	counts, err := parseStrace(table)
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, words[:min(len(words), traceTail)])
	}
	return counts, nil
}

// CountSyscalls traces the processes for a while.
func CountSyscalls(pids []int, d time.Duration) (*Syscalls, error) {
	t, err := StartTrace(pids)
	if err != nil {
		return nil, err
	}
	time.Sleep(d)
	return t.Stop()
}

// parseStrace reads the table of strace -c. Between the two rules of dashes stands a
// line per call: percent, seconds, microseconds per call, calls, errors if there were
// any, and the name. No call at all leaves no table.
func parseStrace(table []byte) (*Syscalls, error) {
	const calls, failed, short, long = 3, 4, 5, 6
	counts := &Syscalls{Calls: map[string]int64{}}
	rules := 0
	for line := range bytes.Lines(table) {
		fields := strings.Fields(string(line))
		if len(fields) > 0 && strings.HasPrefix(fields[0], "---") {
			rules++
			continue
		}
		if rules != 1 {
			continue
		}
		if len(fields) != short && len(fields) != long {
			return nil, fmt.Errorf("a line of strace with %d fields: %q", len(fields), line)
		}
		n, err := strconv.ParseInt(fields[calls], 10, 64)
		if err != nil {
			return nil, fmt.Errorf("a line of strace without a count: %q", line)
		}
		if len(fields) == long {
			bad, err := strconv.ParseInt(fields[failed], 10, 64)
			if err != nil {
				return nil, fmt.Errorf("a line of strace without a count of errors: %q", line)
			}
			counts.Failed += bad
		}
		counts.Calls[fields[len(fields)-1]] += n
		counts.Total += n
	}
	return counts, nil
}
