package conv

// A connection's end that a script plays, of a client or of a server.

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// patience is how long anything that is to happen may take. It is only ever spent by a script that fails.
	patience = 10 * time.Second
	// atOnce is how many bytes are sent without a goroutine of their own: what the kernel takes in any case.
	atOnce = 32 << 10
	// narrowBuffer is what a narrow client's kernel takes for it.
	narrowBuffer = 4 << 10
)

// actor is one side of one connection.
type actor struct {
	name   string
	conn   *net.TCPConn
	wire   Wire
	buf    []byte         // received, not yet expected
	over   error          // how the other side has ended, once known: io.EOF or another error
	seen   bool           // the script has seen the end
	closed bool           // the script has ended it, so that the other side may do as it likes
	writes sync.WaitGroup // in the background
}

func narrowed(_, _ string, c syscall.RawConn) error {
	var err error
	wrong := c.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, narrowBuffer) })
	return errors.Join(wrong, err)
}

// send sends bytes, behind those that are still being sent.
func (a *actor) send(b []byte) error {
	if len(b) <= atOnce {
		a.writes.Wait()
		_, err := a.wire.Write(b)
		return err
	}
	a.writes.Wait()
	a.writes.Go(func() { _, _ = a.wire.Write(b) }) // what has not arrived is missed elsewhere
	return nil
}

// end sends FIN.
func (a *actor) end() error {
	a.writes.Wait()
	a.closed = true
	return a.wire.CloseWrite()
}

// reset sends RST.
func (a *actor) reset() error {
	a.closed, a.seen = true, true
	return errors.Join(a.conn.SetLinger(0), a.conn.Close())
}

// fill reads once more. It fails when nothing more will come.
func (a *actor) fill() error {
	if a.over != nil {
		return a.over
	}
	if err := a.conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	room := make([]byte, 64<<10)
	n, err := a.wire.Read(room)
	a.buf = append(a.buf, room[:n]...)
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("nothing came for %v", patience)
	case err != nil:
		a.over = err
	}
	if n > 0 {
		return nil
	}
	return err
}

// expect reads what matches the pattern.
func (a *actor) expect(pattern []piece) error {
	for {
		n, v := match(pattern, a.buf)
		if v == matched {
			a.buf = a.buf[n:]
			return nil
		}
		err := errors.New("something else came")
		if v == partial {
			err = a.fill()
		}
		if err != nil {
			return fmt.Errorf("%w\n  got\n%s  want\n%s", err, show(a.buf), showPattern(pattern))
		}
	}
}

// expectOver reads the end of the stream; behind anything, if cut.
func (a *actor) expectOver(how string) error {
	a.seen = true
	for err := error(nil); err == nil; {
		if err = a.fill(); err != nil && a.over == nil {
			return fmt.Errorf("%w, wanted: %s", err, how)
		}
		if len(a.buf) > 0 && how != "cut" {
			return fmt.Errorf("bytes before the %s:\n%s", how, show(a.buf))
		}
	}
	a.buf = nil
	reset := errors.Is(a.over, syscall.ECONNRESET)
	switch {
	case how == "close" && (reset || a.over == io.EOF), how == "end" && a.over == io.EOF, how != "end" && reset:
		return nil
	}
	return fmt.Errorf("the stream is over by %q, wanted: %s", a.over, how)
}

// quiet fails if anything has come that was not read.
func (a *actor) quiet() error {
	if len(a.buf) > 0 {
		return fmt.Errorf("has received\n%s", show(a.buf))
	}
	if a.over != nil {
		return fmt.Errorf("its stream is over: %w", a.over)
	}
	raw, err := a.conn.SyscallConn()
	if err != nil {
		return err
	}
	room := make([]byte, 2000)
	var n int
	if wrong := raw.Control(func(fd uintptr) { n, _, err = unix.Recvfrom(int(fd), room, unix.MSG_PEEK|unix.MSG_DONTWAIT) }); wrong != nil {
		return wrong
	}
	switch {
	case err == unix.EAGAIN:
		return nil
	case err != nil:
		return fmt.Errorf("its stream is over: %w", err)
	case n == 0:
		return errors.New("its stream is over: EOF")
	}
	return fmt.Errorf("has received\n%s", show(room[:n]))
}

// left fails if there is anything that the script has not named.
func (a *actor) left() error {
	if a.seen {
		return nil
	}
	err := a.quiet()
	if err != nil && a.closed && len(a.buf) == 0 && !hasBytes(a.conn) {
		return nil
	}
	return err
}

// hasBytes reports whether there are bytes to be read.
func hasBytes(c *net.TCPConn) (some bool) {
	raw, err := c.SyscallConn()
	if err != nil {
		return false
	}
	_ = raw.Control(func(fd uintptr) {
		n, _, err := unix.Recvfrom(int(fd), make([]byte, 1), unix.MSG_PEEK|unix.MSG_DONTWAIT)
		some = err == nil && n > 0
	})
	return some
}
