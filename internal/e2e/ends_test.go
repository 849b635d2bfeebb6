package e2e

// The two ends of a connection, and what they say to each other. Everything happens on the test's own goroutine, so
// that a script reads from top to bottom and fails where it stands.

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sluice/internal/assert"
)

// end is one end of a connection.
type end struct {
	t testing.TB
	net.Conn
}

func newEnd(t testing.TB, c net.Conn) *end {
	t.Cleanup(func() { c.Close() })
	e := &end{t, c}
	e.waits()
	return e
}

// waits gives what comes next all patience, however long ago the connection was made.
func (e *end) waits() {
	e.t.Helper()
	assert.NoError(e.t, e.SetDeadline(time.Now().Add(patience)))
}

// dial connects to address.
func dial(t testing.TB, network, address string) *end {
	t.Helper()
	c, err := connect(net.Dialer{}, network, address)
	assert.NoError(t, err)
	return newEnd(t, c)
}

// dialFrom connects to address from one of this machine's own addresses, such as 127.0.0.7.
func dialFrom(t testing.TB, ip, address string) *end {
	t.Helper()
	c, err := connect(net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(ip)}}, "tcp", address)
	assert.NoError(t, err)
	return newEnd(t, c)
}

// connect dials. A reset may overtake the news that the connection stands; it is then what the first read reports, as
// it would have been a moment later.
func connect(d net.Dialer, network, address string) (net.Conn, error) {
	c, err := d.Dial(network, address)
	if errors.Is(err, syscall.ECONNRESET) {
		nowhere, _ := net.Pipe()
		return cut{nowhere}, nil
	}
	return c, err
}

// cut is a connection that was reset before anybody could use it.
type cut struct{ net.Conn }

func (cut) Read([]byte) (int, error)  { return 0, syscall.ECONNRESET }
func (cut) Write([]byte) (int, error) { return 0, syscall.EPIPE }

// says sends s.
func (e *end) says(s string) {
	e.t.Helper()
	e.waits()
	if _, err := io.WriteString(e, s); err != nil && !e.isCut() {
		e.t.Fatalf("cannot say %.60q: %v", s, err)
	}
}

// isCut reports whether the connection was over before it began: nothing can be said then, and a reset be heard.
func (e *end) isCut() bool {
	_, is := e.Conn.(cut)
	return is
}

// hears waits for exactly want.
func (e *end) hears(want string) {
	e.t.Helper()
	e.waits()
	got := make([]byte, len(want))
	n, err := io.ReadFull(e, got)
	if err != nil || string(got) != want {
		e.t.Fatalf("heard %.200q (%v), want %.200q", got[:n], err, want)
	}
}

// hearsLine is the next line. It reads byte by byte, so that it takes nothing that comes after.
func (e *end) hearsLine() string {
	e.t.Helper()
	e.waits()
	line, err := readLine(e)
	if err != nil {
		e.t.Fatalf("heard %q instead of a line: %v", line, err)
	}
	return line
}

func readLine(r io.Reader) (string, error) {
	var line []byte
	for one := make([]byte, 1); ; line = append(line, one[0]) {
		if _, err := io.ReadFull(r, one); err != nil {
			return string(line), err
		}
		if one[0] == '\n' {
			return string(line), nil
		}
	}
}

// hearsEnd waits for the end of the stream, without a byte before it.
func (e *end) hearsEnd() {
	e.t.Helper()
	e.waits()
	if rest, err := io.ReadAll(e); err != nil || len(rest) > 0 {
		e.t.Fatalf("heard %.60q (%d bytes) and %v, want the end of the stream", rest, len(rest), err)
	}
}

// hearsReset waits for a reset and returns what came before it.
func (e *end) hearsReset() []byte {
	e.t.Helper()
	e.waits()
	before, err := io.ReadAll(e)
	if !errors.Is(err, syscall.ECONNRESET) {
		e.t.Fatalf("heard %.60q (%d bytes) and %v, want a reset", before, len(before), err)
	}
	return before
}

// hearsNothing checks that nothing arrives, not even an end, for a while.
func (e *end) hearsNothing(d time.Duration) {
	e.t.Helper()
	assert.NoError(e.t, e.SetReadDeadline(time.Now().Add(d)))
	n, err := e.Read(make([]byte, 1))
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		e.t.Fatalf("heard %d bytes and %v, want silence for %v", n, err, d)
	}
	assert.NoError(e.t, e.SetReadDeadline(time.Now().Add(patience)))
}

// fin ends e's direction and keeps listening.
func (e *end) fin() {
	e.t.Helper()
	half, ok := e.Conn.(interface{ CloseWrite() error })
	if !ok {
		e.t.Fatalf("%T has no halves", e.Conn)
	}
	assert.NoError(e.t, half.CloseWrite())
}

// resets cuts the connection with a RST. A unix socket has none, and is closed.
func (e *end) resets() {
	e.t.Helper()
	if tcp, ok := e.Conn.(*net.TCPConn); ok {
		assert.NoError(e.t, tcp.SetLinger(0))
	}
	assert.NoError(e.t, e.Close())
}

func (e *end) tcp() *net.TCPConn { return e.Conn.(*net.TCPConn) }

// local is e's own address, as logs write it.
func (e *end) local() string { return e.LocalAddr().String() }

// isBroken asks the kernel whether the connection has failed, without reading from it.
func (e *end) isBroken() bool {
	raw, err := e.Conn.(syscall.Conn).SyscallConn()
	assert.NoError(e.t, err)
	fds := []unix.PollFd{{Events: 0}}
	assert.NoError(e.t, raw.Control(func(fd uintptr) {
		fds[0].Fd, err = int32(fd), unix.EINTR
		for err == unix.EINTR {
			_, err = unix.Poll(fds, 0)
		}
	}))
	assert.NoError(e.t, err)
	return fds[0].Revents&unix.POLLERR != 0
}

// floods sends a pattern until nobody takes any more for a moment, and returns the number of bytes that left.
func (e *end) floods() (sent int) {
	e.t.Helper()
	chunk := pattern(0, patternSize)
	for {
		assert.NoError(e.t, e.SetWriteDeadline(time.Now().Add(300*time.Millisecond)))
		n, err := e.Write(chunk[sent%patternSize:])
		sent += n
		if errors.Is(err, os.ErrDeadlineExceeded) {
			assert.NoError(e.t, e.SetWriteDeadline(time.Now().Add(patience)))
			return sent
		}
		assert.NoError(e.t, err)
		if sent > 256<<20 {
			e.t.Fatal("256 MiB left and nobody reads them: there is no back-pressure")
		}
	}
}

// patternSize is a prime number, so that no buffer's size divides it and a shift shows.
const patternSize = 65521

var patternBytes = func() []byte {
	b := make([]byte, patternSize)
	for i := range b {
		b[i] = byte(i ^ i>>8)
	}
	return b
}()

// pattern is n bytes of the endless pattern, from offset at.
func pattern(at, n int) []byte {
	at %= patternSize
	return bytes.Repeat(patternBytes, (at+n)/patternSize+1)[at : at+n]
}

// isPattern checks that b is the pattern's beginning.
func isPattern(t testing.TB, b []byte) {
	t.Helper()
	if !bytes.Equal(b, pattern(0, len(b))) {
		t.Fatalf("%d bytes arrived, and not as they were sent", len(b))
	}
}

// lines splits output into lines without blanks around them.
func lines(s string) (all []string) {
	scanner := bufio.NewScanner(strings.NewReader(s))
	for scanner.Scan() {
		all = append(all, strings.TrimSpace(scanner.Text()))
	}
	return all
}

// unsent is the number of bytes that e's kernel has and the peer's has not acknowledged.
func (e *end) unsent() (n int) {
	raw, err := e.Conn.(syscall.Conn).SyscallConn()
	assert.NoError(e.t, err)
	assert.NoError(e.t, raw.Control(func(fd uintptr) { n, err = unix.IoctlGetInt(int(fd), unix.TIOCOUTQ) }))
	assert.NoError(e.t, err)
	return n
}

// cutAddress parts host and port.
func cutAddress(address string) (host, port string, ok bool) {
	host, port, err := net.SplitHostPort(address)
	return host, port, err == nil
}

func atoi(t testing.TB, s string) int {
	t.Helper()
	n, err := strconv.Atoi(s)
	assert.NoError(t, err)
	return n
}

// writeFile makes a file and returns its path.
func writeFile(t testing.TB, path, content string) string {
	t.Helper()
	assert.NoError(t, os.WriteFile(path, []byte(content), 0o644))
	return path
}

// hearsAll is everything up to the end of the stream.
func (e *end) hearsAll() string {
	e.t.Helper()
	e.waits()
	all, err := io.ReadAll(e)
	assert.NoError(e.t, err)
	return string(all)
}

// hasBytes asks the kernel whether something has arrived for e, without reading it.
func (e *end) hasBytes() (some bool) {
	raw, err := e.Conn.(syscall.Conn).SyscallConn()
	assert.NoError(e.t, err)
	assert.NoError(e.t, raw.Control(func(fd uintptr) {
		n, err := unix.IoctlGetInt(int(fd), unix.TIOCINQ) // also called FIONREAD
		some = err == nil && n > 0
	}))
	return some
}
