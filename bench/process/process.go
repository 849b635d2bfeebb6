// Package process starts the programs of a benchmark pinned to a core and ends
// them again, by their process id and with everything they started.
//
// Affinity is set on the thread that forks, so that the child has it from its
// first instruction: a Go program then counts its processors correctly, and a
// master's workers inherit it.
package process

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"sluice/bench/meter"
)

// Spec says what to start.
type Spec struct {
	Argv []string
	// Env is added to the harness's environment.
	Env []string
	// CPU is the core to pin to; negative = any.
	CPU int
	// Stop is the signal that ends the program at once but tidily; 0 = SIGTERM.
	Stop syscall.Signal
}

// Process is a running program. Its methods belong to one goroutine.
type Process struct {
	// Out is the program's standard output; nil unless Start was asked for it.
	Out *os.File
	// in is held open: its end tells a stub that the harness is gone.
	in     io.WriteCloser
	cmd    *exec.Cmd
	stop   syscall.Signal
	errors tail
	done   chan struct{}
	err    error // of Wait; read after done is closed
}

const (
	// grace is how long a program may take to end before it is killed.
	grace = 3 * time.Second
	// tailSize is how much of the standard error is kept for messages.
	tailSize = 4 << 10
)

// Start starts a program. With pipe, its standard output can be read from Out;
// without, it is discarded. The child gets its own process group, so that an
// interrupt from the terminal reaches the harness alone, and dies with it.
func Start(spec Spec, pipe bool) (*Process, error) {
	p := &Process{cmd: exec.Command(spec.Argv[0], spec.Argv[1:]...), stop: spec.Stop, done: make(chan struct{})}
	if p.stop == 0 {
		p.stop = syscall.SIGTERM
	}
	p.cmd.Env = append(p.cmd.Environ(), spec.Env...)
	p.cmd.Stderr = &p.errors
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	var err error
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	// A pipe of our own: that of exec.Cmd is closed when the child ends, with
	// what has not been read yet. WaitDelay does not wait for a descendant that
	// keeps the standard error open.
	var out *os.File
	if pipe {
		if p.Out, out, err = os.Pipe(); err != nil {
			return nil, err
		}
		defer out.Close()
		p.cmd.Stdout = out
	}
	p.cmd.WaitDelay = time.Second
	if err := startPinned(p.cmd, spec.CPU); err != nil {
		p.close()
		return nil, fmt.Errorf("start %s: %w", filepath.Base(spec.Argv[0]), err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// startPinned borrows a thread, moves it to the core, forks and moves it back.
func startPinned(cmd *exec.Cmd, cpu int) error {
	if cpu < 0 {
		return cmd.Start()
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var before, pinned unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		return err
	}
	pinned.Set(cpu)
	if err := unix.SchedSetaffinity(0, &pinned); err != nil {
		return fmt.Errorf("pin to core %d: %w", cpu, err)
	}
	err := cmd.Start()
	if back := unix.SchedSetaffinity(0, &before); err == nil {
		err = back
	}
	return err
}

// PID is the program's process id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Done is closed when the program has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Err says how an ended program ended, with the last of its standard error; nil
// for success. It must not be called before Done is closed.
func (p *Process) Err() error {
	if p.err == nil {
		return nil
	}
	return fmt.Errorf("%w: %s", p.err, p.errors.String())
}

// Signal sends the program a signal: to reload, or to die at once. A program that
// has ended gets none.
func (p *Process) Signal(s syscall.Signal) { _ = p.cmd.Process.Signal(s) }

// LastWords is the end of what the program has written to its standard error so far,
// on one line.
func (p *Process) LastWords() string { return p.errors.String() }

// CloseInput ends the program's standard input, by which a stub knows that it is
// no longer needed.
func (p *Process) CloseInput() { _ = p.in.Close() }

// Stop ends the program and its descendants and returns when it is gone. A
// descendant is killed only if it is still in the program's process group, in
// case its id has been given to somebody else in the meantime.
func (p *Process) Stop() {
	family := meter.Tree(p.PID())
	defer p.close()
	_ = p.in.Close()
	_ = p.cmd.Process.Signal(p.stop)
	select {
	case <-p.done:
	case <-time.After(grace):
		_ = p.cmd.Process.Kill()
		<-p.done
	}
	for _, pid := range family[1:] {
		if group, err := syscall.Getpgid(pid); err == nil && group == p.PID() {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}

func (p *Process) close() {
	_ = p.in.Close()
	if p.Out != nil {
		_ = p.Out.Close()
	}
}

// tail keeps the end of what is written to it.
type tail struct {
	mu  sync.Mutex
	buf []byte
}

// Write implements io.Writer; it never fails.
func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, b...)
	if len(t.buf) > tailSize {
		t.buf = bytes.Clone(t.buf[len(t.buf)-tailSize:])
	}
	return len(b), nil
}

// String returns what was kept on one line.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.Join(strings.Fields(string(t.buf)), " ")
}
