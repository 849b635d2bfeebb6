package sock

// A dial to a local port where nobody listens may be given that very port, and meet itself.

import (
	"net/netip"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"sluice/internal/assert"
)

// mirror is the kernel, where every connection's own address is that of its peer. It counts who asks.
type mirror struct {
	Kernel
	local netip.AddrPort
	asked int
}

func (m *mirror) Local(int) netip.AddrPort {
	m.asked++
	return m.local
}

func TestADialThatMeetsItselfIsRefused(t *testing.T) {
	t.Parallel()
	s, o := serve(t, "tcp4"), newOwner()
	sys := &mirror{local: s.addr.Addr}
	w := newWorld(t, sys)
	var c *Conn
	w.call(func() {
		w.net.Ephemeral = s.addr.Addr.Port()
		var errno syscall.Errno
		c, errno = w.net.Dial(&s.addr, o)
		assert.Equal(t, errno, 0)
	})
	assert.Equal(t, <-o.broken, unix.ECONNREFUSED)
	w.call(func() { assert.Equal(t, c.Cause(), unix.ECONNREFUSED) })
	w.call(c.Reset)
	w.until(func() bool { return w.net.Open() == 0 })
	assert.Equal(t, len(o.broken)+len(o.connected), 0)
}

// The kernel is asked only where it could happen: not below the ports it chooses from, and not on unix sockets.
func TestADialAsksForItsAddressOnlyInDoubt(t *testing.T) {
	t.Parallel()
	for network, ephemeral := range map[string]func(port uint16) uint16{
		"tcp4": func(port uint16) uint16 { return port + 1 },
		"unix": func(uint16) uint16 { return 0 },
	} {
		t.Run(network, func(t *testing.T) {
			s := serve(t, network)
			sys := &mirror{local: s.addr.Addr}
			w := newWorld(t, sys)
			w.call(func() { w.net.Ephemeral = ephemeral(s.addr.Addr.Port()) })
			c, _ := w.dial(s, newOwner())
			w.call(func() { assert.Equal(t, sys.asked, 0) })
			w.close(c)
		})
	}
}
