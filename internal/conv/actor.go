package conv

// A connection's end that a script plays, of a client or of a server.

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
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
	// readSize is how much is read at once, if it is there.
	readSize = 64 << 10
	// shownMax is how much of what came is shown when it is wrong.
	shownMax = 2000
	// dripEvery is the time between two bytes of those that come slowly.
	dripEvery = 10 * time.Millisecond
	// narrowBuffer is what the kernel takes for those that are narrow.
	narrowBuffer = 4 << 10
)

// actor is one side of one connection.
type actor struct {
	name   string
	conn   *socket
	wire   Wire
	buf    []byte // received, not yet expected; a part of room
	room   []byte
	over   error          // how the other side has ended, once known: io.EOF or another error
	seen   bool           // the script has seen the end
	closed bool           // the script has ended it, so that the other side may do as it likes
	writes sync.WaitGroup // in the background
	broken error          // how the last of those has failed
}

func narrowed(_, _ string, c syscall.RawConn) error {
	var err error
	wrong := c.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, narrowBuffer) })
	return errors.Join(wrong, err)
}

// send sends bytes, behind those that are still being sent. Many are sent in the background: those that do not arrive are
// missed by whoever expects them.
func (a *actor) send(b []byte) error {
	if a.conn == nil {
		return a.over
	}
	a.writes.Wait()
	if err := a.conn.SetWriteDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	if len(b) <= atOnce {
		_, err := a.wire.Write(b)
		return err
	}
	a.writes.Go(func() { _, a.broken = a.wire.Write(b) })
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

// cut sends FIN without close_notify.
func (a *actor) cut() error {
	a.writes.Wait()
	a.closed = true
	return a.conn.CloseWrite()
}

// expectAlert reads the alert that ends TLS, and what follows it.
func (a *actor) expectAlert(text string) error {
	a.seen = true
	var err error
	for err == nil {
		err = a.fill()
	}
	if want := "remote error: tls: " + text; a.over == nil || a.over.Error() != want {
		return fmt.Errorf("the stream is over by %q, wanted: %s", err, want)
	}
	return nil
}

// fill reads once more. It fails when nothing more will come.
func (a *actor) fill() error {
	if a.over != nil {
		return a.over
	}
	n, err := a.read(patience)
	switch {
	case n > 0:
		return nil
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("nothing came for %v", patience)
	}
	return err
}

// hears reports whether anything comes within a time, be it the end.
func (a *actor) hears(within time.Duration) bool {
	n, err := a.read(within)
	return n > 0 || !errors.Is(err, os.ErrDeadlineExceeded)
}

// read reads once, and notes the end of the stream.
func (a *actor) read(within time.Duration) (n int, err error) {
	if err := a.conn.SetReadDeadline(time.Now().Add(within)); err != nil {
		return 0, err
	}
	n, err = a.wire.Read(a.spare())
	a.buf = a.buf[:len(a.buf)+n]
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		a.over = err
	}
	return n, err
}

// spare is room behind what was received.
func (a *actor) spare() []byte {
	if len(a.buf) == 0 {
		if a.room == nil {
			a.room = make([]byte, readSize)
		}
		a.buf = a.room[:0]
	}
	if cap(a.buf)-len(a.buf) < readSize/2 {
		a.room = append(make([]byte, 0, len(a.buf)+readSize), a.buf...)
		a.buf, a.room = a.room, a.room[:cap(a.room)]
	}
	return a.buf[len(a.buf):cap(a.buf)]
}

// expect reads what matches the pattern.
func (a *actor) expect(pattern []piece) error {
	m := matcher{pieces: slices.Clone(pattern)}
	var seen []byte // its beginning, to be shown
	for {
		n, v := m.take(a.buf)
		if v == matched {
			a.buf = a.buf[n:]
			return nil
		}
		seen = append(seen, a.buf[:min(n, max(shownMax-len(seen), 0))]...)
		a.buf = a.buf[n:]
		err := errors.New("something else came")
		if v == partial {
			err = a.fill()
		}
		if err != nil {
			return fmt.Errorf("%w\n  got\n%s  want\n%s", err, show(append(seen, a.buf...)), showPattern(pattern))
		}
	}
}

// expectOver reads the end of the stream; behind anything, if how says so.
func (a *actor) expectOver(how string) error {
	a.seen = true
	for err := error(nil); err == nil; {
		if err = a.fill(); err != nil && a.over == nil {
			return fmt.Errorf("%w, wanted: %s", err, how)
		}
		if len(a.buf) > 0 && how != "cut" && how != "rest" {
			return fmt.Errorf("bytes before the %s:\n%s", how, show(a.buf))
		}
		a.buf = a.buf[:0]
	}
	reset, ended := errors.Is(a.over, syscall.ECONNRESET) || errors.Is(a.over, syscall.EPIPE), a.over == io.EOF
	if ended || a.over == errTruncated {
		// The kernel tells of a reset once, be it by a failed write.
		a.writes.Wait()
		reset = reset || errors.Is(a.broken, syscall.ECONNRESET) || errors.Is(a.broken, syscall.EPIPE)
	}
	switch how {
	case "end":
		ended = ended && !reset
	case "reset", "cut":
		ended = reset
	default:
		ended = ended || reset || a.over == errTruncated
	}
	if !ended {
		return fmt.Errorf("the stream is over by %q, wanted: %s", a.over, how)
	}
	return nil
}

// quiet fails if anything has come that was not read.
func (a *actor) quiet() error {
	if len(a.buf) > 0 {
		return fmt.Errorf("has received\n%s", show(a.buf))
	}
	if a.over != nil {
		return fmt.Errorf("its stream is over: %w", a.over)
	}
	a.conn.atOnce = true
	_, err := a.read(patience)
	a.conn.atOnce = false
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil
	}
	return a.quiet()
}

// left fails if there is anything that the script has not named. Where the script has ended the stream, the other side may
// have answered with its own end.
func (a *actor) left() error {
	if a.seen {
		return nil
	}
	err := a.quiet()
	if err != nil && a.closed && len(a.buf) == 0 {
		return nil
	}
	return err
}
