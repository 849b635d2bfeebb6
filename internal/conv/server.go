package conv

// Where the proxy connects to. Without TLS, connections wait in the kernel until the script names them. With TLS they are
// accepted when they come, because the proxy waits for a handshake: so they are where they would be without.

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// server is a listening socket.
type server struct {
	listener *net.TCPListener
	wrap     func(*socket) Wire

	ready chan *actor // with TLS: those that were accepted, and have done their handshakes; nil without
	wait  sync.WaitGroup
}

// callersMax bounds who is accepted and not named.
const callersMax = 64

func newServer(ln *net.TCPListener, wrap func(*socket) Wire, eager bool) *server {
	s := &server{listener: ln, wrap: wrap}
	if eager {
		s.ready = make(chan *actor, callersMax)
		s.wait.Go(s.serve)
	}
	return s
}

// serve accepts, one after the other: the script names them in this order.
func (s *server) serve() {
	for {
		c, err := s.listener.AcceptTCP()
		if err != nil {
			close(s.ready)
			return
		}
		s.ready <- s.actor(c)
	}
}

func (s *server) actor(c *net.TCPConn) *actor {
	a := &actor{conn: &socket{TCPConn: c}}
	a.wire = s.wrap(a.conn)
	return a
}

// next is the next connection; it waits for one.
func (s *server) next() (*actor, error) {
	if s.ready != nil {
		select {
		case a := <-s.ready:
			return a, nil
		case <-time.After(patience):
			return nil, fmt.Errorf("no new connection came for %v", patience)
		}
	}
	if err := s.listener.SetDeadline(time.Now().Add(patience)); err != nil {
		return nil, err
	}
	c, err := s.listener.AcceptTCP()
	if err != nil {
		return nil, fmt.Errorf("no new connection came: %w", err)
	}
	return s.actor(c), nil
}

// callers reports whether somebody has come who was not named.
func (s *server) callers() (waiting bool, err error) {
	if len(s.ready) > 0 {
		return true, nil
	}
	raw, err := s.listener.SyscallConn()
	if err != nil {
		return false, err
	}
	wrong := raw.Control(func(fd uintptr) {
		poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		var n int
		for err = unix.EINTR; err == unix.EINTR; {
			n, err = unix.Poll(poll, 0)
		}
		waiting = n > 0
	})
	return waiting, errors.Join(wrong, err)
}

// close ends it, and those nobody has named.
func (s *server) close() {
	_ = s.listener.Close()
	if s.ready == nil {
		return
	}
	for a := range s.ready {
		_ = a.conn.Close()
	}
	s.wait.Wait()
}
