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
	"slices"

	"golang.org/x/sys/unix"

	"sluice/configs"
	"sluice/engine/sock"
)

// address is one address that is listened on. A reload that names it again keeps its sockets with all that waits in their
// queues, whatever its listener is called by then.
type address struct {
	at      sock.ListenAddr
	station int         // whose it is
	fds     []int       // by loop, until the loops have them; a unix socket has one, on the first loop
	closed  bool        // bound, and to listen only when the loops take it: connections to it are still another address's
	info    os.FileInfo // of the file of a unix socket: a successor may have put its own in the same place
}

// addresses are all that a configuration listens on.
type addresses []*address

// openSockets binds the addresses of cfg that are not among those before, and says which ones it could not.
func openSockets(cfg *configs.Config, loops int, before addresses) (all addresses, issues configs.Issues) {
	for i := range cfg.Listeners {
		for _, bind := range cfg.Listeners[i].Bind {
			a, err := openOne(bind.V, loops, before)
			if err != nil {
				message, hint := explainBind(bind.V, err)
				issues = append(issues, cfg.Issue(bind.At, message, hint))
				continue
			}
			a.station = i
			all = append(all, a)
		}
	}
	return all, issues
}

func openOne(bind configs.Address, loops int, before addresses) (*address, error) {
	at, err := listenAddr(bind)
	if err != nil {
		return nil, err
	}
	if old := before.find(at); old != nil {
		return &address{at: at, info: old.info}, nil
	}
	a := &address{at: at, closed: before.overlap(at)}
	if !a.closed {
		if err = sock.Probe(at); err != nil {
			return nil, err
		}
	}
	open := sock.Listen
	if a.closed {
		open = sock.Bind
	}
	if at.Path != "" {
		loops = 1
	}
	for range loops {
		fd, err := open(at)
		if err != nil {
			addresses{a}.close()
			return nil, err
		}
		a.fds = append(a.fds, fd)
	}
	if at.Path != "" {
		if a.info, err = os.Lstat(at.Path); err != nil {
			addresses{a}.close()
		}
	}
	return a, err
}

// find returns the address that is at; nil if there is none.
func (all addresses) find(at sock.ListenAddr) *address {
	if i := slices.IndexFunc(all, func(a *address) bool { return a.at == at }); i >= 0 {
		return all[i]
	}
	return nil
}

// overlap reports whether one of them has the port of at, and either is every address of the machine. Probing would meet
// ourselves then; the kernel lets sockets of one user share them.
func (all addresses) overlap(at sock.ListenAddr) bool {
	return at.Path == "" && slices.ContainsFunc(all, func(a *address) bool {
		return a.at.Path == "" && a.at.Addr.Port() == at.Addr.Port() && (a.at.Addr.Addr().IsUnspecified() || at.Addr.Addr().IsUnspecified())
	})
}

// close takes back what no loop has taken, as if it had never been opened.
func (all addresses) close() {
	for _, a := range all {
		if a.fds == nil {
			continue // it was open before
		}
		for _, fd := range a.fds {
			_ = unix.Close(fd)
		}
		a.fds = nil
		a.unlink()
	}
}

// unlink removes the file of a unix socket, where it is still ours. It may be called more than once.
func (a *address) unlink() {
	if a.info == nil {
		return
	}
	if now, err := os.Lstat(a.at.Path); err == nil && os.SameFile(a.info, now) {
		_ = os.Remove(a.at.Path)
	}
	a.info = nil
}

// unlink removes the files of those that are not among rest.
func (all addresses) unlink(rest addresses) {
	for _, a := range all {
		if rest.find(a.at) == nil {
			a.unlink()
		}
	}
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
