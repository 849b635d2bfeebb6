package conv

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// closed is an address where nobody gets in: its socket does not listen, or its queue is full, so that it never answers.
type closed struct {
	addr string
	fds  []int
}

func newClosed(listens bool) (*closed, error) {
	s := &closed{}
	fd, err := s.socket(0)
	if err != nil {
		return s, err
	}
	if err = unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return s, err
	}
	at, err := unix.Getsockname(fd)
	if err != nil {
		return s, err
	}
	s.addr = fmt.Sprintf("127.0.0.1:%d", at.(*unix.SockaddrInet4).Port)
	if !listens {
		return s, nil
	}
	if err = unix.Listen(fd, 0); err != nil {
		return s, err
	}
	for range 4 { // a queue of 0 has room for one, and what waits beyond it is nobody's business
		c, err := s.socket(unix.SOCK_NONBLOCK)
		if err != nil {
			return s, err
		}
		if err = unix.Connect(c, at); err != nil && err != unix.EINPROGRESS {
			return s, err
		}
	}
	return s, nil
}

func (s *closed) socket(flags int) (int, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|flags, 0)
	if err == nil {
		s.fds = append(s.fds, fd)
	}
	return fd, err
}

func (s *closed) close() {
	for _, fd := range s.fds {
		_ = unix.Close(fd)
	}
}
