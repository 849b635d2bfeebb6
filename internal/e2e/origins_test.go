package e2e

// Servers of the test's own: some are told every word, some have one temper for life, some are not there at all.

import (
	"context"
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sluice/internal/assert"
)

// origin is a server of the test's own.
type origin struct {
	t testing.TB
	net.Listener
}

// station is an origin whose every word the test says: see accept.
func station(t testing.TB) *origin { return stationAt(t, "tcp", "127.0.0.1:0") }

func stationAt(t testing.TB, network, address string) *origin {
	t.Helper()
	l, err := net.Listen(network, address)
	assert.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	return &origin{t, l}
}

// address is the origin's, as configurations write it.
func (o *origin) address() string {
	if o.Addr().Network() == "unix" {
		return "unix:" + o.Addr().String()
	}
	return o.Addr().String()
}

// accept waits for the proxy to connect.
func (o *origin) accept() *end {
	o.t.Helper()
	if l, ok := o.Listener.(interface{ SetDeadline(time.Time) error }); ok {
		assert.NoError(o.t, l.SetDeadline(time.Now().Add(patience)))
	}
	c, err := o.Accept()
	assert.NoError(o.t, err)
	return newEnd(o.t, c)
}

// serves lets handle have every connection, each on a goroutine of its own. The connection is closed afterwards.
func (o *origin) serves(handle func(net.Conn)) *origin {
	ctx, cancel := context.WithCancel(context.Background())
	o.t.Cleanup(cancel)
	go func() {
		for {
			c, err := o.Accept()
			if err != nil {
				return
			}
			go func() {
				stop := context.AfterFunc(ctx, func() { c.Close() })
				defer stop()
				defer c.Close()
				handle(c)
			}()
		}
	}()
	return o
}

// greeter is an origin that says its name before anything is asked, and then repeats what it hears until the end.
func greeter(t testing.TB, name string) *origin { return station(t).serves(greets(name)) }

func greets(name string) func(net.Conn) {
	return func(c net.Conn) {
		if _, err := io.WriteString(c, name+"\n"); err == nil {
			_, _ = io.Copy(c, c)
		}
	}
}

// nobody is an address where nobody listens.
func nobody(t testing.TB) string { return loopback(freePort(t)) }

// deaf is a server that does not answer at all: its queue is full, so the kernel drops every further SYN.
func deaf(t testing.TB) string {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	assert.NoError(t, err)
	t.Cleanup(func() { unix.Close(fd) })
	assert.NoError(t, unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	assert.NoError(t, unix.Listen(fd, 0))
	name, err := unix.Getsockname(fd)
	assert.NoError(t, err)
	address := loopback(name.(*unix.SockaddrInet4).Port)
	for range 8 {
		c, err := net.DialTimeout("tcp", address, 500*time.Millisecond)
		if err != nil {
			return address
		}
		t.Cleanup(func() { c.Close() })
	}
	t.Fatal("a full queue still takes connections")
	return ""
}

// greeted connects and returns the connection and the name of the server it reached; "" if it was cut instead.
func greeted(t testing.TB, address string) (*end, string) {
	t.Helper()
	e := dial(t, "tcp", address)
	name, err := readLine(e)
	if err != nil && !errors.Is(err, syscall.ECONNRESET) {
		t.Fatalf("neither greeted nor reset: %v", err)
	}
	return e, name
}

// asks connects, hears the name of the server it reaches, and hangs up in order.
func asks(t testing.TB, address string) string {
	t.Helper()
	e, name := greeted(t, address)
	if name != "" {
		e.fin()
		e.hearsEnd()
	}
	_ = e.Close()
	return name
}
