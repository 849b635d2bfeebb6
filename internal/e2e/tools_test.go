package e2e

// Programs of others: the ones users put in front of and behind a proxy.

import (
	"context"
	"net"
	"os/exec"
	"runtime"
	"syscall"
	"testing"

	"sluice/internal/assert"
)

// childTool is a running program.
type childTool struct {
	cmd   *exec.Cmd
	said  *text
	ended chan struct{}
}

// kill ends the program at once, by its process id.
func (c *childTool) kill() {
	_ = c.cmd.Process.Kill()
	<-c.ended
}

func toolCommand(t testing.TB, name string, args ...string) *exec.Cmd {
	t.Helper()
	return exec.Command(tool(t, name), args...)
}

// outputOf runs a program to its end and returns what it printed on both streams.
func outputOf(t testing.TB, name string, args ...string) string {
	t.Helper()
	path := tool(t, name)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	out, err := exec.CommandContext(ctx, path, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
	return string(out)
}

// startTool starts a helper program and ends it with the test. Its output shows when the test fails.
func startTool(t testing.TB, name string, args ...string) *childTool {
	t.Helper()
	c := &childTool{cmd: toolCommand(t, name, args...), said: &text{}, ended: make(chan struct{})}
	c.cmd.Stdout, c.cmd.Stderr = c.said, c.said
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	startHere(t, c.cmd)
	go func() {
		_ = c.cmd.Wait()
		close(c.ended)
	}()
	t.Cleanup(func() {
		c.kill()
		if t.Failed() {
			t.Logf("%s said:\n%s", name, c.said)
		}
	})
	return c
}

// answersAt waits until something listens at address.
func answersAt(t testing.TB, address string) {
	t.Helper()
	assert.Eventually(t, func() bool {
		c, err := net.Dial("tcp", address)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
}

// starter runs what starts processes on a thread of its own that never ends.
func starter() chan<- func() {
	work := make(chan func())
	go func() {
		runtime.LockOSThread()
		for f := range work {
			f()
		}
	}()
	return work
}
