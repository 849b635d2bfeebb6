package epoll

import (
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// ParseIPv4 turns dotted text into the four bytes the kernel wants.
func ParseIPv4(text string) ([4]byte, error) {
	address, err := netip.ParseAddr(text)
	if err != nil {
		return [4]byte{}, err
	}
	if !address.Is4() {
		return [4]byte{}, fmt.Errorf("%q is not an IPv4 address", text)
	}
	return address.As4(), nil
}

// Dialer opens non-blocking connections to one address.
type Dialer struct {
	// To is the remote address.
	To unix.SockaddrInet4
	// Sources is how many loopback addresses the connections come from in turn;
	// 0 leaves the choice to the kernel. A port pair stays in TIME_WAIT for a
	// minute, so connection churn needs more pairs than one source offers.
	Sources int
	next    int
}

// Dial starts a connection and returns its descriptor. Writable reports its end;
// over loopback it is usually established already.
func (d *Dialer) Dial() (fd int, err error) {
	fd, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	if err = d.bind(fd); err == nil {
		err = unix.Connect(fd, &d.To)
	}
	if err != nil && err != unix.EINPROGRESS {
		_ = unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// bind picks the source address and leaves the port to connect, which may then
// reuse a port for a different destination.
func (d *Dialer) bind(fd int) error {
	if d.Sources == 0 {
		return nil
	}
	const perNet = 250
	d.next = (d.next + 1) % d.Sources
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1); err != nil {
		return err
	}
	source := [4]byte{127, 1, byte(d.next / perNet), byte(1 + d.next%perNet)}
	return unix.Bind(fd, &unix.SockaddrInet4{Addr: source})
}
