package engine

// The engine on real sockets: from a text to connections, and back to nothing.

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sluice/configs"
	"sluice/engine/stat"
	"sluice/internal/assert"
)

// serves is a server that talks with whoever connects, and hangs up.
func serves(t *testing.T, talk func(c net.Conn)) (addr string) {
	t.Helper()
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	assert.NoError(t, err)
	t.Cleanup(func() { _ = ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				talk(c)
			}()
		}
	}()
	return ln.Addr().String()
}

// repeats is a server that answers each read with the same bytes, by one write.
func repeats(t *testing.T, answer string) (addr string) {
	t.Helper()
	return serves(t, func(c net.Conn) {
		request, bytes := make([]byte, 16<<10), []byte(answer)
		for {
			if n, err := c.Read(request); n == 0 || err != nil {
				return
			}
			if _, err := c.Write(bytes); err != nil {
				return
			}
		}
	})
}

// origin is a server that sends back what it gets, end included.
func origin(t *testing.T) (addr string) {
	t.Helper()
	return serves(t, func(c net.Conn) {
		// By plain reads and writes: io.Copy between sockets would keep pipes of its own.
		_, _ = io.Copy(struct{ io.Writer }{c}, struct{ io.Reader }{c})
	})
}

// ports counts the addresses that freePort has given out.
var ports atomic.Uint32

// freePort is an address of this test alone, on the loopback network, where no client gets its own address.
func freePort() string {
	pid, n := os.Getpid(), ports.Add(1)
	return fmt.Sprintf("127.%d.%d.%d:%d", pid%200+10, pid/200%256, n%256, 8080+n/256) // the tests may be run many times over
}

// parse loads a configuration that forwards binds to one server on two loops.
func parse(t *testing.T, server string, binds ...string) *configs.Config {
	t.Helper()
	text := "listeners:\n  web:\n    bind:\n"
	for _, bind := range binds {
		text += fmt.Sprintf("      - %q\n", bind)
	}
	text += fmt.Sprintf("    protocol: tcp\n    upstream: app\nupstreams:\n  app: {servers: [%q]}\n", server) +
		"runtime: {loops: 2}\nlog: {access: {to: \"off\"}}\n"
	cfg, err := configs.Parse("test.yaml", []byte(text))
	assert.NoError(t, err)
	return cfg
}

func start(t *testing.T, cfg *configs.Config) *Engine {
	t.Helper()
	e, err := New(cfg, slog.New(slog.DiscardHandler))
	assert.NoError(t, err)
	assert.NoError(t, e.Start())
	return e
}

func dial(t *testing.T, network, addr string) net.Conn {
	t.Helper()
	c, err := net.Dial(network, addr)
	assert.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	assert.NoError(t, c.SetDeadline(time.Now().Add(30*time.Second)))
	return c
}

// echo sends n bytes and an end, wants both back, and closes.
func echo(t *testing.T, c net.Conn, n int) {
	t.Helper()
	data := bytes.Repeat([]byte("0123456789abcdef"), n/16)
	go func() {
		_, _ = c.Write(data)
		_ = c.(interface{ CloseWrite() error }).CloseWrite()
	}()
	got, err := io.ReadAll(c)
	assert.NoError(t, err)
	assert.Equal(t, bytes.Equal(got, data), true)
	assert.NoError(t, c.Close())
}

// greet proves that a connection has reached the origin.
func greet(t *testing.T, c net.Conn) {
	t.Helper()
	_, err := c.Write([]byte("hi"))
	assert.NoError(t, err)
	_, err = io.ReadFull(c, make([]byte, 2))
	assert.NoError(t, err)
}

func descriptors(t *testing.T) int {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	assert.NoError(t, err)
	return len(all)
}

// kinds counts the process's descriptors by what they are, to say what leaks.
func kinds(t *testing.T) map[string]int {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	assert.NoError(t, err)
	count := make(map[string]int)
	for _, one := range all {
		what, _ := os.Readlink("/proc/self/fd/" + one.Name())
		kind, _, _ := strings.Cut(what, ":[")
		count[kind]++
	}
	return count
}

// Not parallel: it counts the process's descriptors and goroutines.
func TestALifeLeavesNothingBehind(t *testing.T) {
	server, at := origin(t), freePort()
	path := t.TempDir() + "/sluice.sock"
	echo(t, dial(t, "tcp4", server), 16) // the runtime opens its own poller for the first socket
	files, goroutines := 0, runtime.NumGoroutine()
	for round := range 3 {
		e := start(t, parse(t, server, at, "unix:"+path))
		assert.Equal(t, e.Addresses(), []string{at, "unix:" + path})
		for range 8 {
			echo(t, dial(t, "tcp4", at), 160)
		}
		echo(t, dial(t, "tcp4", at), 8<<20) // large enough for pipes
		echo(t, dial(t, "unix", path), 1<<20)
		idle := dial(t, "tcp4", at)
		greet(t, idle)
		total := stat.Sum(e.Counters()...)
		assert.Equal(t, total.Get(stat.Accepted), uint64(11))
		assert.Equal(t, total.Get(stat.BytesSpliced) > 0, true)
		assert.Equal(t, total.Get(stat.Panics), uint64(0))
		assert.Equal(t, idle.Close(), nil)
		assert.Equal(t, e.Drain(context.Background()), 0)
		assert.NoError(t, e.Wait())
		assert.Equal(t, e.Active(), 0)
		_, err := os.Lstat(path)
		assert.Equal(t, errors.Is(err, os.ErrNotExist), true)
		// The origin's side ends by itself.
		assert.Eventually(t, func() bool { return runtime.NumGoroutine() <= goroutines })
		if round == 0 {
			files = descriptors(t)
		}
	}
	t.Logf("%d descriptors after the first life, now %v", files, kinds(t))
	assert.Eventually(t, func() bool { return descriptors(t) <= files })
}

func TestNewWithoutStartIsGivenBackByStop(t *testing.T) {
	e, err := New(parse(t, origin(t), freePort()), slog.New(slog.DiscardHandler))
	assert.NoError(t, err)
	stopped := make(chan struct{})
	go func() {
		e.Stop()
		close(stopped)
	}()
	select {
	case <-stopped:
	case <-time.After(10 * time.Second):
		t.Fatal("Stop of an engine that was never started does not return")
	}
}

func TestDrainLetsConnectionsFinish(t *testing.T) {
	t.Parallel()
	at := freePort()
	e := start(t, parse(t, origin(t), at))
	c := dial(t, "tcp4", at)
	greet(t, c)
	done := make(chan int)
	go func() { done <- e.Drain(context.Background()) }()
	assert.Eventually(t, func() bool { // nobody new
		late, err := net.Dial("tcp4", at)
		if err == nil {
			_ = late.Close()
		}
		return errors.Is(err, unix.ECONNREFUSED)
	})
	greet(t, c)                                                  // the old one goes on
	assert.Eventually(t, func() bool { return e.Active() == 1 }) // who came late and went has been noticed
	echo(t, c, 1600)
	assert.Equal(t, <-done, 0)
	assert.NoError(t, e.Wait())
}

func TestDrainCutsWhatDoesNotFinish(t *testing.T) {
	t.Parallel()
	at := freePort()
	e := start(t, parse(t, origin(t), at))
	c := dial(t, "tcp4", at)
	greet(t, c)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	assert.Equal(t, e.Drain(ctx), 1)
	_, err := c.Read(make([]byte, 1))
	assert.Equal(t, errors.Is(err, unix.ECONNRESET), true)
}

func TestStopCutsAtOnceAndMayBeRepeated(t *testing.T) {
	t.Parallel()
	at := freePort()
	e := start(t, parse(t, origin(t), at))
	var all []net.Conn
	for range 5 {
		c := dial(t, "tcp4", at)
		greet(t, c)
		all = append(all, c)
	}
	e.Stop()
	for _, c := range all {
		_, err := c.Read(make([]byte, 1))
		assert.Equal(t, errors.Is(err, unix.ECONNRESET), true)
	}
	e.Stop()
	assert.Equal(t, e.Drain(context.Background()), 0)
	assert.Equal(t, len(e.Counters()), 0)
}

// Two instances on one address: the second one says so, instead of sharing the connections silently.
func TestASecondInstanceIsRefused(t *testing.T) {
	t.Parallel()
	at, path := freePort(), t.TempDir()+"/s"
	cfg := parse(t, origin(t), at, "unix:"+path)
	e := start(t, cfg)
	_, err := New(cfg, slog.New(slog.DiscardHandler))
	if err == nil {
		t.Fatal("two instances share one address")
	}
	issues, ok := errors.AsType[configs.Issues](err)
	assert.Equal(t, ok, true)
	assert.Equal(t, len(issues), 2) // both, at once
	for i, want := range []string{"test.yaml:4:9: ", "test.yaml:5:9: "} {
		if text := issues[i].Error(); !strings.HasPrefix(text, want) || !strings.Contains(text, "in use") {
			t.Errorf("got %s", text)
		}
	}
	echo(t, dial(t, "unix", path), 16) // and the first one is still there
	e.Stop()
	start(t, cfg).Stop()
}

// When one address is taken, the others are given back.
func TestAFailedNewBindsNothing(t *testing.T) {
	t.Parallel()
	free, taken, path := freePort(), origin(t), t.TempDir()+"/s"
	_, err := New(parse(t, taken, free, "unix:"+path, taken), slog.New(slog.DiscardHandler))
	assert.Equal(t, err != nil, true)
	_, err = net.Dial("tcp4", free)
	assert.Equal(t, errors.Is(err, unix.ECONNREFUSED), true)
	_, err = os.Lstat(path)
	assert.Equal(t, errors.Is(err, os.ErrNotExist), true)
}
