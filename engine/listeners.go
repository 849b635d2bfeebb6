package engine

// Opening listening sockets: every address is probed alone before it is shared, so that an address in use is an
// error with a name and not a silent half of the traffic.

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"

	"sluice/configs"
	"sluice/engine/sock"
)

// socket is one open listening socket, on its way to a loop.
type socket struct {
	fd       int
	loop     int
	listener int // index into the configuration's
	unix     bool
}

// sockets are all the listening sockets of a configuration.
type sockets struct {
	open []socket

	mu    sync.Mutex
	files []socketFile // of unix sockets, removed when they are closed
}

// socketFile is the file of a unix socket, by name and identity: a successor may have put its own in the same place.
type socketFile struct {
	path string
	info os.FileInfo
}

// openSockets binds every address, and says which ones it could not.
func openSockets(cfg *configs.Config, loops int) (*sockets, configs.Issues) {
	s := &sockets{}
	var issues configs.Issues
	for i := range cfg.Listeners {
		for _, bind := range cfg.Listeners[i].Bind {
			if err := s.openOne(bind.V, i, loops); err != nil {
				message, hint := explainBind(bind.V, err)
				issues = append(issues, cfg.Issue(bind.At, message, hint))
			}
		}
	}
	return s, issues
}

func (s *sockets) openOne(bind configs.Address, listener, loops int) error {
	at, err := listenAddr(bind)
	if err != nil {
		return err
	}
	if err = sock.Probe(at); err != nil {
		return err
	}
	if at.Path != "" {
		loops = 1
	}
	for loop := range loops {
		fd, err := sock.Listen(at)
		if err != nil {
			return err
		}
		home := loop
		if at.Path != "" {
			home = 0
		}
		s.open = append(s.open, socket{fd: fd, loop: home, listener: listener, unix: at.Path != ""})
	}
	if at.Path == "" {
		return nil
	}
	info, err := os.Lstat(at.Path)
	s.files = append(s.files, socketFile{at.Path, info})
	return err
}

// close takes back what no loop has taken.
func (s *sockets) close() {
	for _, one := range s.open {
		_ = unix.Close(one.fd)
	}
	s.open = nil
	s.unlink()
}

// unlink removes the files of unix sockets, where they are still ours. It may be called more than once.
func (s *sockets) unlink() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.files {
		if now, err := os.Lstat(f.path); err == nil && os.SameFile(f.info, now) {
			_ = os.Remove(f.path)
		}
	}
	s.files = nil
}

func listenAddr(bind configs.Address) (sock.ListenAddr, error) {
	switch {
	case bind.Network == "unix":
		return sock.ListenAddr{Path: bind.Path}, nil
	case bind.Host == "":
		return anyAddr(bind.Port), nil
	}
	ip, err := netip.ParseAddr(bind.Host)
	return sock.ListenAddr{Addr: netip.AddrPortFrom(ip.Unmap(), bind.Port)}, err
}

// anyAddr is every address of this machine: both families by one socket, or IPv4 alone where there is no IPv6.
func anyAddr(port uint16) sock.ListenAddr {
	fd, err := unix.Socket(unix.AF_INET6, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return sock.ListenAddr{Addr: netip.AddrPortFrom(netip.IPv4Unspecified(), port)}
	}
	_ = unix.Close(fd)
	return sock.ListenAddr{Addr: netip.AddrPortFrom(netip.IPv6Unspecified(), port), Dual: true}
}

// explainBind says what went wrong and what to do about it.
func explainBind(bind configs.Address, err error) (message, hint string) {
	switch {
	case errors.Is(err, unix.EADDRINUSE) && bind.Network == "unix":
		return fmt.Sprintf("%s is in use: a process accepts connections on it", bind), "stop that process or choose another path"
	case errors.Is(err, unix.EADDRINUSE):
		return fmt.Sprintf("address %s is in use", bind),
			fmt.Sprintf("another process, perhaps another sluice, listens there (ss -ltnp 'sport = :%d' shows it): stop it or choose another port", bind.Port)
	case errors.Is(err, unix.EACCES) && bind.Network != "unix":
		return fmt.Sprintf("no permission to bind %s", bind), "ports below 1024 need the capability CAP_NET_BIND_SERVICE"
	case errors.Is(err, unix.EADDRNOTAVAIL):
		return fmt.Sprintf("this machine has no address %s", bind.Host), "ip addr shows the ones it has; \":port\" means all of them"
	case errors.Is(err, unix.EEXIST):
		return fmt.Sprintf("%s exists and is not a socket", bind), "remove the file or choose another path"
	case errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE):
		return fmt.Sprintf("no descriptor left to listen on %s", bind), descriptorHint
	case errors.Is(err, fs.ErrNotExist) && bind.Network == "unix":
		return fmt.Sprintf("cannot listen on %s: its folder does not exist", bind), "create the folder " + filepath.Dir(bind.Path)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Sprintf("no permission to listen on %s", bind), "let the proxy's user write to the folder " + filepath.Dir(bind.Path)
	}
	return fmt.Sprintf("cannot listen on %s: %s", bind, err), ""
}
