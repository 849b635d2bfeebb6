package e2e

// Shortage: of descriptors, of readers for the logs, of room on the disk.

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"sluice/internal/assert"
)

// Descriptors run out: one line says so, nothing spins, and when there are some again every loop accepts.
func TestShortageOfDescriptors(t *testing.T) {
	t.Parallel()
	p := command{
		plain: true, shell: "ulimit -n 64",
		config: fmt.Sprintf(`
listeners: {front: {bind: "127.0.0.1:PORT1", protocol: tcp, upstream: back, max_connections: 1000}}
upstreams: {back: {servers: "%s"}}
runtime: {loops: 2}
`, greeter(t, "one").address()),
	}.run(t)
	var clients []*end
	for range 120 {
		clients = append(clients, p.dial(1))
	}
	assert.Eventually(t, func() bool { return p.stderr.has("out of descriptors") })

	used := p.cpu()
	p.quiet(time.Second)
	if used = p.cpu() - used; used > 150*time.Millisecond {
		t.Errorf("the proxy used the processor for %v of a second in which it could do nothing", used)
	}
	assert.Equal(t, p.stderr.count("out of descriptors"), 1)

	for _, e := range clients {
		if !e.isCut() {
			e.resets()
		}
	}
	// Both loops are back when as many clients as hash to both are all served.
	served := 0
	assert.Eventually(t, func() bool {
		e := p.dial(1)
		defer e.Close()
		if name, err := readLine(e); err == nil && name == "one" {
			served++
		} else {
			served = 0
		}
		return served == 40
	})
	// It is said to be over when accepting has worked for some seconds.
	assert.Eventually(t, func() bool {
		asks(t, p.addr(1))
		return p.stderr.has("accepting connections again")
	})
	assert.Equal(t, p.stderr.count("out of descriptors"), 1)
}

// max_connections: auto stays below the limit of open files: the rest waits, nobody is cut.
func TestShortageIsAvoidedByAuto(t *testing.T) {
	t.Parallel()
	p := command{shell: "ulimit -n 128", config: fmt.Sprintf(simple, greeter(t, "one").address())}.run(t)
	var waiting []*end
	for range 100 {
		waiting = append(waiting, p.dial(1))
	}
	for len(waiting) > 0 {
		i := anyOf(t, waiting)
		waiting[i].resets()
		waiting = append(waiting[:i:i], waiting[i+1:]...)
	}
	assert.Equal(t, p.reasons(100), map[string]int{"client_reset": 100})
	assert.Equal(t, p.stderr.has("out of descriptors"), false)
}

// quiet lets time pass in which the proxy is watched; it must live through it.
func (p *proxy) quiet(d time.Duration) {
	p.t.Helper()
	select {
	case <-p.ended:
		p.t.Fatalf("the proxy has ended; stderr:\n%s", p.stderr)
	case <-time.After(d):
	}
}

// deadPipe is a pipe that nobody reads any more.
func deadPipe(t testing.TB) *os.File {
	t.Helper()
	r, w, err := os.Pipe()
	assert.NoError(t, err)
	t.Cleanup(func() { w.Close() })
	assert.NoError(t, r.Close())
	return w
}

func TestShortageOfReadersOfStdout(t *testing.T) {
	t.Parallel()
	p := command{config: fmt.Sprintf(simple, greeter(t, "one").address()), stdout: deadPipe(t)}.run(t)
	assert.Equal(t, spread(t, p, 20), map[string]int{"one": 20})
	assert.Eventually(t, func() bool { return p.stderr.has("access log cannot be written") })
	assert.Equal(t, spread(t, p, 20), map[string]int{"one": 20})
	assert.Equal(t, p.stderr.count("access log cannot be written"), 1)
	p.signal(syscall.SIGTERM)
	p.exits(0)
}

func TestShortageOfReadersOfBothLogs(t *testing.T) {
	t.Parallel()
	p := command{config: fmt.Sprintf(simple, greeter(t, "one").address()), stdout: deadPipe(t), stderr: deadPipe(t)}.run(t)
	assert.Equal(t, spread(t, p, 20), map[string]int{"one": 20})
	p.signal(syscall.SIGHUP) // has a line written
	assert.Equal(t, spread(t, p, 20), map[string]int{"one": 20})
	p.signal(syscall.SIGTERM)
	p.exits(0)
}

// A reader who hangs does not slow connections down; what finds no room is dropped and counted.
func TestShortageOfPatience(t *testing.T) {
	t.Parallel()
	r, w, err := os.Pipe()
	assert.NoError(t, err)
	defer r.Close()
	defer w.Close()
	p := command{config: fmt.Sprintf(simple, greeter(t, "one").address()), stdout: w}.run(t)
	assert.Equal(t, spread(t, p, 400), map[string]int{"one": 400}) // more than a pipe holds
	p.signal(syscall.SIGTERM)
	p.exits(0)
}

func TestShortageOfDisk(t *testing.T) {
	t.Parallel()
	p := run(t, simple+"log: {access: {to: /dev/full}}", greeter(t, "one").address())
	assert.Equal(t, spread(t, p, 20), map[string]int{"one": 20})
	assert.Eventually(t, func() bool { return p.stderr.has(syscall.ENOSPC.Error()) })
	assert.Equal(t, spread(t, p, 20), map[string]int{"one": 20})
	assert.Equal(t, p.stderr.count("access log cannot be written"), 1)
	p.signal(syscall.SIGTERM)
	p.exits(0)
}

// A log that cannot be opened is an error at start and not a surprise later.
func TestShortageOfFolders(t *testing.T) {
	t.Parallel()
	p := command{config: fmt.Sprintf(simple, nobody(t)) + "log: {access: {to: nowhere/access.log}}"}.start(t)
	p.exits(1)
	if !p.stderr.has("nowhere/access.log") || !p.stderr.has(syscall.ENOENT.Error()) {
		t.Errorf("stderr says\n%s", p.stderr)
	}
}

// A stderr that takes nothing, such as a stopped pager's, keeps the proxy neither from serving nor from ending.
func TestShortageOfReadersOfStderr(t *testing.T) {
	t.Parallel()
	for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		t.Run(s.String(), func(t *testing.T) {
			t.Parallel()
			p := command{config: fmt.Sprintf(simple, greeter(t, "one").address()), stderr: fullPipe(t)}.run(t)
			for range 100 { // each has a line written
				p.signal(syscall.SIGHUP)
			}
			assert.Equal(t, spread(t, p, 20), map[string]int{"one": 20})
			began := time.Now()
			p.signal(s)
			p.exits(0)
			if took := time.Since(began); took > 4*time.Second {
				t.Errorf("took %v to end", took)
			}
		})
	}
}

// fullPipe is a pipe without room, whose reader is there and does not read.
func fullPipe(t testing.TB) *os.File {
	t.Helper()
	r, w, err := os.Pipe()
	assert.NoError(t, err)
	t.Cleanup(func() {
		r.Close()
		w.Close()
	})
	assert.NoError(t, w.SetWriteDeadline(time.Now().Add(500*time.Millisecond)))
	n, err := w.Write(make([]byte, 64*mebibyte))
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("a pipe takes %d bytes and %v", n, err)
	}
	return w
}

// check makes no access log, which a service of another user could not write then; run does.
func TestShortageIsNotMadeByCheck(t *testing.T) {
	t.Parallel()
	config := fmt.Sprintf(simple, greeter(t, "one").address()) + "log: {access: {to: access.log}}\n"
	checked := command{args: []string{"check", "-c", "sluice.yaml"}, config: config}.start(t)
	checked.exits(0)
	_, err := os.Lstat(filepath.Join(checked.dir, "access.log"))
	assert.Equal(t, os.IsNotExist(err), true)
	p := command{config: config}.run(t)
	_, err = os.Lstat(filepath.Join(p.dir, "access.log"))
	assert.NoError(t, err)
}

// A folder where the access log cannot be made is reported with its place, by check and by run alike.
func TestShortageOfRights(t *testing.T) {
	t.Parallel()
	locked := t.TempDir()
	assert.NoError(t, os.Chmod(locked, 0o555))
	unprivileged := ""
	if os.Geteuid() == 0 { // rights do not bind root, but do bind it without this capability
		tool(t, "setpriv")
		unprivileged = `exec setpriv --bounding-set=-dac_override "$0" "$@"; true`
	}
	for _, verb := range []string{"check", "run"} {
		t.Run(verb, func(t *testing.T) {
			t.Parallel()
			p := command{
				args: []string{verb, "-c", "sluice.yaml"}, shell: unprivileged,
				config: fmt.Sprintf(simple, nobody(t)) + fmt.Sprintf("log: {access: {to: %q}}\n", filepath.Join(locked, "access.log")),
			}.start(t)
			p.exits(1)
			p.saysOnStderr("sluice.yaml:5:")
			p.saysOnStderr(filepath.Join(locked, "access.log"))
			p.saysOnStderr(syscall.EACCES.Error())
		})
	}
}

// A max_connections that the limit of open files does not allow is warned about at start; one that fits is not.
func TestShortageIsForeseen(t *testing.T) {
	t.Parallel()
	for most, warned := range map[int]bool{1000: true, 10: false} {
		p := command{shell: "ulimit -n 512", config: fmt.Sprintf(`
listeners: {front: {bind: "127.0.0.1:PORT1", protocol: tcp, upstream: back, max_connections: %d}}
upstreams: {back: {servers: "%s"}}
runtime: {loops: 2}
`, most, greeter(t, "one").address())}.run(t)
		assert.Equal(t, p.stderr.has("level=WARN"), warned)
		assert.Equal(t, p.stderr.has(fmt.Sprintf("listener=front max_connections=%d room=", most)), warned)
		assert.Equal(t, p.stderr.has("ulimit -n"), warned)
		assert.Equal(t, asks(t, p.addr(1)), "one")
	}
}
