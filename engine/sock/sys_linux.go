package sock

// The kernel behind the Sys seam.
//
// Calls on non-blocking descriptors use RawSyscall: they return in microseconds (a splice of a whole pipe in less than
// a hundred), so telling the scheduler about each of them buys nothing, and costs: after 20 µs it would take the
// processor away from the loop and hand it back, two futexes and a wake-up each time.

import (
	"encoding/binary"
	"net/netip"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Keepalive of long connections: with these a vanished peer is noticed after two minutes.
const (
	keepAliveIdle     = 60 // seconds
	keepAliveInterval = 15 // seconds
	keepAliveProbes   = 4
)

// Kernel is the Sys of production.
type Kernel struct{}

// sockaddr is large enough for every family we speak.
type sockaddr = unix.RawSockaddrAny

// Accept implements Sys.
func (Kernel) Accept(fd int) (int, netip.AddrPort, syscall.Errno) {
	var sa sockaddr
	for {
		size := uintptr(unsafe.Sizeof(sa))
		nfd, _, err := syscall.RawSyscall6(unix.SYS_ACCEPT4, uintptr(fd), uintptr(unsafe.Pointer(&sa)),
			uintptr(unsafe.Pointer(&size)), unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0, 0)
		if err == 0 {
			return int(nfd), addrPort(&sa), 0
		}
		if err != unix.EINTR {
			return -1, netip.AddrPort{}, err
		}
	}
}

// addrPort reads an IP address, IPv4-mapped ones as IPv4; any other family gives the zero AddrPort.
func addrPort(sa *sockaddr) netip.AddrPort {
	switch sa.Addr.Family {
	case unix.AF_INET:
		in := (*unix.RawSockaddrInet4)(unsafe.Pointer(sa))
		return netip.AddrPortFrom(netip.AddrFrom4(in.Addr), networkOrder(in.Port))
	case unix.AF_INET6:
		in := (*unix.RawSockaddrInet6)(unsafe.Pointer(sa))
		return netip.AddrPortFrom(netip.AddrFrom16(in.Addr).Unmap(), networkOrder(in.Port))
	}
	return netip.AddrPort{}
}

// networkOrder converts a port between the kernel's byte order and ours, in either direction.
func networkOrder(port uint16) uint16 {
	return binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(&port))[:])
}

// Dial implements Sys.
func (Kernel) Dial(to *Addr) (int, syscall.Errno) {
	var sa sockaddr
	size, ok := fill(&sa, to)
	if !ok {
		return -1, unix.EINVAL
	}
	r, _, err := syscall.RawSyscall(unix.SYS_SOCKET, uintptr(sa.Addr.Family), unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != 0 {
		return -1, err
	}
	fd := int(r)
	_, _, err = syscall.RawSyscall(unix.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(&sa)), size)
	if err == 0 || err == unix.EINPROGRESS || err == unix.EINTR {
		return fd, 0
	}
	_ = unix.Close(fd)
	return -1, err
}

// NoDelay implements Sys.
func (Kernel) NoDelay(fd int) { setInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1) }

// fill writes to into sa and returns the length the kernel is told.
func fill(sa *sockaddr, to *Addr) (size uintptr, ok bool) {
	ip := to.Addr.Addr()
	switch {
	case to.Path != "":
		un := (*unix.RawSockaddrUnix)(unsafe.Pointer(sa))
		if len(to.Path) >= len(un.Path) {
			return 0, false
		}
		un.Family = unix.AF_UNIX
		for i := range len(to.Path) {
			un.Path[i] = int8(to.Path[i])
		}
		return unsafe.Offsetof(un.Path) + uintptr(len(to.Path)) + 1, true
	case ip.Is4() || ip.Is4In6():
		in := (*unix.RawSockaddrInet4)(unsafe.Pointer(sa))
		in.Family, in.Port, in.Addr = unix.AF_INET, networkOrder(to.Addr.Port()), ip.As4()
		return unsafe.Sizeof(*in), true
	case ip.Is6():
		in := (*unix.RawSockaddrInet6)(unsafe.Pointer(sa))
		in.Family, in.Port, in.Addr = unix.AF_INET6, networkOrder(to.Addr.Port()), ip.As16()
		return unsafe.Sizeof(*in), true
	}
	return 0, false
}

// Read implements Sys. recv and send go straight to the socket, where read and write pass through the file layer; and
// a send can be told not to raise SIGPIPE.
func (Kernel) Read(fd int, p []byte) (int, syscall.Errno) {
	return transfer(unix.SYS_RECVFROM, fd, p)
}

// Write implements Sys.
func (Kernel) Write(fd int, p []byte) (int, syscall.Errno) {
	return transfer(unix.SYS_SENDTO, fd, p)
}

// transfer passes MSG_NOSIGNAL to both: it means nothing to recv.
func transfer(trap uintptr, fd int, p []byte) (int, syscall.Errno) {
	for {
		n, _, err := syscall.RawSyscall6(trap, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)),
			unix.MSG_NOSIGNAL, 0, 0)
		if err == 0 {
			return int(n), 0
		}
		if err != unix.EINTR {
			return 0, err
		}
	}
}

// WriteParts implements Sys.
func (Kernel) WriteParts(fd int, p *Parts) (int, syscall.Errno) {
	var iov [len(p)]unix.Iovec
	parts := 0
	for _, b := range p {
		if len(b) > 0 {
			iov[parts].Base = unsafe.SliceData(b)
			iov[parts].SetLen(len(b))
			parts++
		}
	}
	msg := unix.Msghdr{Iov: &iov[0]}
	msg.SetIovlen(parts)
	for {
		n, _, err := syscall.RawSyscall(unix.SYS_SENDMSG, uintptr(fd), uintptr(unsafe.Pointer(&msg)), unix.MSG_NOSIGNAL)
		if err == 0 {
			return int(n), 0
		}
		if err != unix.EINTR {
			return 0, err
		}
	}
}

// SpliceIn implements Sys.
func (Kernel) SpliceIn(fd, pipe, n int) (int, syscall.Errno) { return splice(fd, pipe, n) }

// SpliceOut implements Sys.
func (Kernel) SpliceOut(pipe, fd, n int) (int, syscall.Errno) { return splice(pipe, fd, n) }

func splice(from, to, n int) (int, syscall.Errno) {
	for {
		r, _, err := syscall.RawSyscall6(unix.SYS_SPLICE, uintptr(from), 0, uintptr(to), 0, uintptr(n),
			unix.SPLICE_F_MOVE|unix.SPLICE_F_NONBLOCK)
		if err == 0 {
			return int(r), 0
		}
		if err != unix.EINTR {
			return 0, err
		}
	}
}

// ShutdownWrite implements Sys.
func (Kernel) ShutdownWrite(fd int) syscall.Errno {
	_, _, err := syscall.RawSyscall(unix.SYS_SHUTDOWN, uintptr(fd), unix.SHUT_WR, 0)
	return err
}

// Close implements Sys.
func (Kernel) Close(fd int) { _, _, _ = syscall.RawSyscall(unix.SYS_CLOSE, uintptr(fd), 0, 0) }

// ResetOnClose implements Sys.
func (Kernel) ResetOnClose(fd int) {
	linger := unix.Linger{Onoff: 1, Linger: 0}
	_, _, _ = syscall.RawSyscall6(unix.SYS_SETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_LINGER,
		uintptr(unsafe.Pointer(&linger)), unsafe.Sizeof(linger), 0)
}

// Failure implements Sys.
func (Kernel) Failure(fd int) syscall.Errno {
	value, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err != nil {
		return unix.EBADF
	}
	return syscall.Errno(value)
}

// Unsent implements Sys.
func (Kernel) Unsent(fd int) int {
	n, err := unix.IoctlGetInt(fd, unix.SIOCOUTQ)
	if err != nil {
		return 0
	}
	return n
}

// Local implements Sys.
func (Kernel) Local(fd int) netip.AddrPort {
	var sa sockaddr
	size := uintptr(unsafe.Sizeof(sa))
	_, _, err := syscall.RawSyscall(unix.SYS_GETSOCKNAME, uintptr(fd), uintptr(unsafe.Pointer(&sa)), uintptr(unsafe.Pointer(&size)))
	if err != 0 {
		return netip.AddrPort{}
	}
	return addrPort(&sa)
}

// KeepAlive implements Sys.
func (Kernel) KeepAlive(fd int) {
	setInt(fd, unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1)
	setInt(fd, unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, keepAliveIdle)
	setInt(fd, unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, keepAliveInterval)
	setInt(fd, unix.IPPROTO_TCP, unix.TCP_KEEPCNT, keepAliveProbes)
}

// QuickAck implements Sys.
func (Kernel) QuickAck(fd int) { setInt(fd, unix.IPPROTO_TCP, unix.TCP_QUICKACK, 1) }

// setInt sets an option whose failure costs comfort, not correctness.
func setInt(fd, level, option, value int) {
	v := int32(value)
	_, _, _ = syscall.RawSyscall6(unix.SYS_SETSOCKOPT, uintptr(fd), uintptr(level), uintptr(option),
		uintptr(unsafe.Pointer(&v)), unsafe.Sizeof(v), 0)
}
