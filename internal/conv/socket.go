package conv

import (
	"errors"
	"io"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// socket is a TCP connection whose reads can be told not to wait.
type socket struct {
	*net.TCPConn
	atOnce bool // reads give what is there already
	ended  bool // FIN has been read
}

// Read implements io.Reader. Without waiting, what has not come yet is as late as what has not come in time.
func (s *socket) Read(p []byte) (n int, err error) {
	if s.atOnce {
		n, err = s.readNow(p)
	} else {
		n, err = s.TCPConn.Read(p)
	}
	s.ended = s.ended || err == io.EOF
	return n, err
}

func (s *socket) readNow(p []byte) (n int, err error) {
	raw, err := s.SyscallConn()
	if err != nil {
		return 0, err
	}
	wrong := raw.Control(func(fd uintptr) {
		for err = unix.EINTR; err == unix.EINTR; {
			n, _, err = unix.Recvfrom(int(fd), p, unix.MSG_DONTWAIT)
		}
	})
	switch {
	case errors.Join(wrong, err) == nil && n == 0 && len(p) > 0:
		return 0, io.EOF
	case err == unix.EAGAIN:
		return 0, os.ErrDeadlineExceeded
	}
	return max(n, 0), errors.Join(wrong, err)
}
