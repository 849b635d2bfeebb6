package sock

// Listening sockets. Every option is set here, once, and inherited by what is accepted.

import (
	"errors"
	"io/fs"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"
)

// backlog is the length of the accept queue we ask for; the kernel caps it at net.core.somaxconn.
const backlog = 65535

// ListenAddr is where to listen: an IP address and port, or the path of a unix socket. With Dual, an unspecified
// IPv6 address takes IPv4 too.
type ListenAddr struct {
	Addr netip.AddrPort
	Dual bool
	Path string
}

// Probe binds the address alone for a moment, to find out whether another process, or another instance of this one,
// is there already: with SO_REUSEPORT it would join silently and get half of the connections.
func Probe(at ListenAddr) error {
	if at.Path != "" {
		return probeUnix(at.Path)
	}
	fd, err := bind(at, false)
	if err != nil {
		return err
	}
	return unix.Close(fd)
}

// probeUnix removes the socket that a dead process left behind, and only that.
func probeUnix(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode().Type() != fs.ModeSocket {
		return &os.PathError{Op: "bind", Path: path, Err: unix.EEXIST}
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	defer unix.Close(fd)
	switch err = unix.Connect(fd, &unix.SockaddrUnix{Name: path}); err {
	case unix.ECONNREFUSED:
		return os.Remove(path)
	case nil, unix.EAGAIN:
		return os.NewSyscallError("bind", unix.EADDRINUSE)
	}
	return os.NewSyscallError("connect", err)
}

// Listen opens a listening socket. Several may share a TCP address: one per loop.
func Listen(at ListenAddr) (fd int, err error) {
	if fd, err = Bind(at); err != nil {
		return -1, err
	}
	if err = Open(fd); err != nil {
		_ = unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// Bind is Listen for a socket to which the kernel leads no connection until it is opened.
func Bind(at ListenAddr) (fd int, err error) { return bind(at, true) }

// Open has a bound socket listen.
func Open(fd int) error { return os.NewSyscallError("listen", unix.Listen(fd, backlog)) }

func bind(at ListenAddr, shared bool) (fd int, err error) {
	family, sa := at.sockaddr()
	fd, err = unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	if err = prepare(fd, at, shared); err == nil {
		err = os.NewSyscallError("bind", unix.Bind(fd, sa))
	}
	if err != nil {
		_ = unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

func (at ListenAddr) sockaddr() (family int, sa unix.Sockaddr) {
	ip, port := at.Addr.Addr(), int(at.Addr.Port())
	switch {
	case at.Path != "":
		return unix.AF_UNIX, &unix.SockaddrUnix{Name: at.Path}
	case ip.Is4():
		return unix.AF_INET, &unix.SockaddrInet4{Port: port, Addr: ip.As4()}
	}
	return unix.AF_INET6, &unix.SockaddrInet6{Port: port, Addr: ip.As16()}
}

// option is one socket option of a listening TCP socket.
type option struct {
	name               string
	level, opt, value  int
	onlyV6, onlyShared bool
}

func prepare(fd int, at ListenAddr, shared bool) error {
	if at.Path != "" {
		return nil
	}
	v6only := 1
	if at.Dual {
		v6only = 0
	}
	for _, o := range []option{
		{name: "SO_REUSEADDR", level: unix.SOL_SOCKET, opt: unix.SO_REUSEADDR, value: 1},
		{name: "SO_REUSEPORT", level: unix.SOL_SOCKET, opt: unix.SO_REUSEPORT, value: 1, onlyShared: true},
		{name: "IPV6_V6ONLY", level: unix.IPPROTO_IPV6, opt: unix.IPV6_V6ONLY, value: v6only, onlyV6: true},
		{name: "TCP_NODELAY", level: unix.IPPROTO_TCP, opt: unix.TCP_NODELAY, value: 1},
		{name: "SO_KEEPALIVE", level: unix.SOL_SOCKET, opt: unix.SO_KEEPALIVE, value: 1},
		{name: "TCP_KEEPIDLE", level: unix.IPPROTO_TCP, opt: unix.TCP_KEEPIDLE, value: keepAliveIdle},
		{name: "TCP_KEEPINTVL", level: unix.IPPROTO_TCP, opt: unix.TCP_KEEPINTVL, value: keepAliveInterval},
		{name: "TCP_KEEPCNT", level: unix.IPPROTO_TCP, opt: unix.TCP_KEEPCNT, value: keepAliveProbes},
	} {
		if (o.onlyV6 && !at.Addr.Addr().Is6()) || (o.onlyShared && !shared) {
			continue
		}
		if err := unix.SetsockoptInt(fd, o.level, o.opt, o.value); err != nil {
			return os.NewSyscallError("setsockopt "+o.name, err)
		}
	}
	return nil
}
