package sock

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sluice/internal/assert"
)

// acceptor keeps what it is given until the test closes it.
type acceptor struct {
	refuse  bool
	admits  int
	conns   chan *Conn
	now     *atomic.Int64 // connections inside, over all loops
	most    *atomic.Int64
	dropped int
}

func newAcceptor() *acceptor {
	return &acceptor{conns: make(chan *Conn, 1000), now: new(atomic.Int64), most: new(atomic.Int64)}
}

func (a *acceptor) Admit(netip.AddrPort) bool { a.admits++; return !a.refuse }

func (a *acceptor) Accept(c *Conn, _ *Gate) {
	c.Own(newOwner())
	inside := a.now.Add(1)
	for {
		most := a.most.Load()
		if inside <= most || a.most.CompareAndSwap(most, inside) {
			break
		}
	}
	a.conns <- c
}

func (a *acceptor) Dropped(netip.AddrPort, syscall.Errno) { a.dropped++ }

// release ends one connection.
func (a *acceptor) release(w *world, c *Conn, g *Gate) {
	w.call(func() {
		c.Close()
		a.now.Add(-1)
		g.Release()
	})
}

// loopbacks counts the addresses that loopback has given out.
var loopbacks atomic.Uint32

// loopback is an address of this test alone. The loopback network has sixteen million of them, and their ports are in
// nobody's way: a client's own address is always 127.0.0.1.
func loopback() ListenAddr {
	n := loopbacks.Add(1)
	ip := netip.AddrFrom4([4]byte{127, byte(os.Getpid()%200 + 10), byte(os.Getpid() / 200), byte(n)})
	return ListenAddr{Addr: netip.AddrPortFrom(ip, 8080)}
}

// listen makes a listener at an address on w's loop; it is closed with the test.
func (w *world) listen(at ListenAddr, c ListenerConfig) *Listener {
	w.t.Helper()
	fd, err := Listen(at)
	assert.NoError(w.t, err)
	c.FD, c.Unix = fd, at.Path != ""
	var l *Listener
	w.call(func() { l, err = NewListener(w.net, c) })
	assert.NoError(w.t, err)
	w.t.Cleanup(func() { w.call(l.Close) })
	return l
}

func (w *world) to(a *acceptor) []Target { return []Target{{Net: w.net, Acceptor: a}} }

// clients opens n connections to an address, which the kernel completes by itself.
func clients(t *testing.T, at ListenAddr, n int) (all []net.Conn) {
	t.Helper()
	network, addr := "tcp4", at.Addr.String()
	if at.Path != "" {
		network, addr = "unix", at.Path
	}
	for range n {
		c, err := net.DialTimeout(network, addr, 30*time.Second)
		assert.NoError(t, err)
		assert.NoError(t, c.SetDeadline(time.Now().Add(30*time.Second)))
		t.Cleanup(func() { _ = c.Close() })
		all = append(all, c)
	}
	return all
}

func TestAcceptsWhatWaits(t *testing.T) {
	t.Parallel()
	w, a, g := newWorld(t, Kernel{}), newAcceptor(), NewGate(0)
	at := loopback()
	w.listen(at, ListenerConfig{Gate: g, Targets: w.to(a)})
	all := clients(t, at, 5*acceptMax)
	seen := make(map[string]bool)
	for range all {
		c := <-a.conns
		w.call(func() { seen[c.Peer().String()] = c.Local() == at.Addr })
		a.release(w, c, g)
	}
	for _, c := range all {
		assert.Equal(t, seen[c.LocalAddr().String()], true)
	}
	assert.Equal(t, g.Used(), 0)
}

// A dual listener reports IPv4 clients as IPv4.
func TestAddressesAreUnmapped(t *testing.T) {
	t.Parallel()
	w, a, g := newWorld(t, Kernel{}), newAcceptor(), NewGate(0)
	port := uint16(20_000 + os.Getpid()%10_000) // below the ports that clients get
	at := ListenAddr{Addr: netip.AddrPortFrom(netip.IPv6Unspecified(), port), Dual: true}
	if err := Probe(at); errors.Is(err, unix.EAFNOSUPPORT) {
		t.Skip("this machine has no IPv6")
	}
	w.listen(at, ListenerConfig{Gate: g, Targets: w.to(a)})
	client := clients(t, ListenAddr{Addr: netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), port)}, 1)[0]
	c := <-a.conns
	w.call(func() {
		assert.Equal(t, c.Peer().String(), client.LocalAddr().String())
		assert.Equal(t, c.Local().String(), client.RemoteAddr().String())
	})
	a.release(w, c, g)
}

func TestRefusedPeersAreReset(t *testing.T) {
	t.Parallel()
	w, a, g := newWorld(t, Kernel{}), newAcceptor(), NewGate(1)
	a.refuse = true
	at := loopback()
	w.listen(at, ListenerConfig{Gate: g, Targets: w.to(a)})
	for range 3 {
		c, err := net.Dial("tcp4", at.Addr.String())
		if err == nil { // the reset may be faster than the dialer
			assert.NoError(t, c.SetDeadline(time.Now().Add(10*time.Second)))
			_, err = c.Read(make([]byte, 1))
			_ = c.Close()
		}
		assert.Equal(t, errors.Is(err, unix.ECONNRESET), true)
	}
	w.call(func() { assert.Equal(t, a.admits, 3) })
	assert.Equal(t, g.Used(), 0)
}

// max_connections is exact over two loops, and each release lets the next one in although no edge tells anybody.
func TestGateIsExactOverTwoLoops(t *testing.T) {
	t.Parallel()
	const limit, total = 3, 40
	g, at := NewGate(limit), loopback()
	worlds := []*world{newWorld(t, Kernel{}), newWorld(t, Kernel{})}
	accs := []*acceptor{newAcceptor(), newAcceptor()}
	accs[1].now, accs[1].most = accs[0].now, accs[0].most
	for i, w := range worlds {
		w.listen(at, ListenerConfig{Gate: g, Targets: w.to(accs[i])})
	}
	clients(t, at, total)
	for range total {
		select {
		case c := <-accs[0].conns:
			accs[0].release(worlds[0], c, g)
		case c := <-accs[1].conns:
			accs[1].release(worlds[1], c, g)
		case <-time.After(10 * time.Second):
			t.Fatal("a paused loop does not accept again")
		}
	}
	assert.Equal(t, accs[0].most.Load(), limit)
	assert.Equal(t, g.Used(), 0)
}

func TestTwoLoopsShareOnePort(t *testing.T) {
	t.Parallel()
	g, at := NewGate(0), loopback()
	worlds := []*world{newWorld(t, Kernel{}), newWorld(t, Kernel{})}
	accs := []*acceptor{newAcceptor(), newAcceptor()}
	for i, w := range worlds {
		w.listen(at, ListenerConfig{Gate: g, Targets: w.to(accs[i])})
	}
	const total = 64
	clients(t, at, total)
	assert.Eventually(t, func() bool { return len(accs[0].conns)+len(accs[1].conns) == total })
	for i, w := range worlds {
		if len(accs[i].conns) == 0 {
			t.Errorf("loop %d got none of %d connections", i, total)
		}
		for len(accs[i].conns) > 0 {
			accs[i].release(w, <-accs[i].conns, g)
		}
	}
}

// A unix socket has one listener, which hands its connections to the loops in turn.
func TestUnixListenerHandsOutInTurn(t *testing.T) {
	t.Parallel()
	g, at := NewGate(0), ListenAddr{Path: t.TempDir() + "/s"}
	worlds := []*world{newWorld(t, Kernel{}), newWorld(t, Kernel{})}
	accs := []*acceptor{newAcceptor(), newAcceptor()}
	targets := append(worlds[0].to(accs[0]), worlds[1].to(accs[1])...)
	worlds[0].listen(at, ListenerConfig{Gate: g, Targets: targets})
	clients(t, at, 10)
	for i, w := range worlds {
		for range 5 {
			c := <-accs[i].conns
			w.call(func() { assert.Equal(t, c.Peer(), netip.AddrPort{}) })
			accs[i].release(w, c, g)
		}
	}
}

// Out of descriptors: said once, over by itself, and that is said only when it has lasted.
func TestDescriptorShortage(t *testing.T) {
	t.Parallel()
	sys, failures := new(spy), 0
	sys.accept = func(fd int) (int, netip.AddrPort, syscall.Errno) {
		if failures++; failures <= 3 {
			return -1, netip.AddrPort{}, unix.EMFILE
		}
		return Kernel{}.Accept(fd)
	}
	w, a, g := newWorld(t, sys), newAcceptor(), NewGate(5)
	at := loopback()
	var reports []syscall.Errno
	w.listen(at, ListenerConfig{Gate: g, Targets: w.to(a), Report: func(err syscall.Errno) { reports = append(reports, err) }})
	clients(t, at, 3)
	for range 3 {
		a.release(w, <-a.conns, g)
	}
	w.call(func() {
		assert.Equal(t, reports, []syscall.Errno{unix.EMFILE})
		g.short.Store(w.loop.Now() - int64(shortageOver)) // it has worked for long enough by now
	})
	clients(t, at, 1)
	a.release(w, <-a.conns, g)
	w.call(func() { assert.Equal(t, reports, []syscall.Errno{unix.EMFILE, 0}) })
	assert.Equal(t, g.Used(), 0)
}

func TestCloseTakesWhatWaits(t *testing.T) {
	t.Parallel()
	w, a, g := newWorld(t, Kernel{}), newAcceptor(), NewGate(5)
	at := loopback()
	fd, err := Listen(at)
	assert.NoError(t, err)
	all := clients(t, at, 7)
	w.call(func() {
		l, err := NewListener(w.net, ListenerConfig{FD: fd, Gate: g, Targets: w.to(a)})
		assert.NoError(t, err)
		l.Close()
		l.Close()
	})
	assert.Equal(t, len(a.conns), 5) // as far as the limit allows
	for range 5 {
		a.release(w, <-a.conns, g)
	}
	ends := make(map[bool]int)
	for _, c := range all {
		_, err := c.Read(make([]byte, 1))
		ends[errors.Is(err, unix.ECONNRESET)]++
	}
	assert.Equal(t, ends, map[bool]int{false: 5, true: 2})
	_, err = net.Dial("tcp4", at.Addr.String())
	assert.Equal(t, errors.Is(err, unix.ECONNREFUSED), true)
}

func TestProbe(t *testing.T) {
	t.Parallel()
	at := loopback()
	assert.NoError(t, Probe(at))
	fd, err := Listen(at)
	assert.NoError(t, err)
	assert.Equal(t, errors.Is(Probe(at), unix.EADDRINUSE), true) // although a shared socket could join
	shared, err := Listen(at)
	assert.NoError(t, err)
	assert.NoError(t, errors.Join(unix.Close(fd), unix.Close(shared)))
	assert.NoError(t, Probe(at))

	other := ListenAddr{Addr: netip.MustParseAddrPort("192.0.2.1:80")}
	assert.Equal(t, errors.Is(Probe(other), unix.EADDRNOTAVAIL), true)
}

func TestProbeOfUnixSockets(t *testing.T) {
	t.Parallel()
	at := ListenAddr{Path: t.TempDir() + "/s"}
	assert.NoError(t, Probe(at))
	fd, err := Listen(at)
	assert.NoError(t, err)
	assert.Equal(t, errors.Is(Probe(at), unix.EADDRINUSE), true)
	assert.NoError(t, unix.Close(fd)) // the file of a dead process stays
	assert.NoError(t, Probe(at))
	_, err = os.Lstat(at.Path)
	assert.Equal(t, errors.Is(err, os.ErrNotExist), true)

	assert.NoError(t, os.WriteFile(at.Path, []byte("precious"), 0o600))
	assert.Equal(t, errors.Is(Probe(at), unix.EEXIST), true)
	text, err := os.ReadFile(at.Path)
	assert.NoError(t, err)
	assert.Equal(t, string(text), "precious")
}

// Accepted sockets inherit what was set once on the listener.
func TestOptionsAreInherited(t *testing.T) {
	t.Parallel()
	w, a, g := newWorld(t, Kernel{}), newAcceptor(), NewGate(0)
	at := loopback()
	w.listen(at, ListenerConfig{Gate: g, Targets: w.to(a)})
	clients(t, at, 1)
	c := <-a.conns
	for opt, want := range map[[2]int]int{
		{unix.IPPROTO_TCP, unix.TCP_NODELAY}:  1,
		{unix.SOL_SOCKET, unix.SO_KEEPALIVE}:  1,
		{unix.IPPROTO_TCP, unix.TCP_KEEPIDLE}: keepAliveIdle,
		{unix.IPPROTO_TCP, unix.TCP_KEEPCNT}:  keepAliveProbes,
	} {
		got, err := unix.GetsockoptInt(int(c.fd), opt[0], opt[1])
		assert.NoError(t, err)
		assert.Equal(t, got, want)
	}
	a.release(w, c, g)
}

// Slots may be given back on any loop, at any time, and none is lost.
func TestGateUnderContention(t *testing.T) {
	t.Parallel()
	g := NewGate(4)
	var inside, most atomic.Int64
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 2000 {
				if !g.acquire() {
					continue
				}
				n := inside.Add(1)
				for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
				}
				inside.Add(-1)
				g.Release()
			}
		})
	}
	all.Wait()
	assert.Equal(t, g.Used(), 0)
	if most.Load() > 4 {
		t.Fatalf("%d were inside at once", most.Load())
	}
}

// A listener that works for others keeps its descriptor and what waits in its queue; a pause ends with the limit that
// made it.
func TestListenersChange(t *testing.T) {
	t.Parallel()
	w, one, two := newWorld(t, Kernel{}), newAcceptor(), newAcceptor()
	full, open, at := NewGate(1), NewGate(0), loopback()
	l := w.listen(at, ListenerConfig{Gate: full, Targets: w.to(one)})
	clients(t, at, 1)
	first := <-one.conns
	clients(t, at, 2) // both wait in the queue
	w.until(func() bool { return l.paused })
	w.call(func() { l.Change(ListenerConfig{Gate: full, Targets: w.to(two)}) })
	assert.Equal(t, len(two.conns), 0)
	one.release(w, first, full)
	second := <-two.conns
	w.until(func() bool { return l.paused })
	w.call(func() { l.Change(ListenerConfig{Gate: open, Targets: w.to(one)}) })
	third := <-one.conns
	assert.Equal(t, []int64{full.Used(), open.Used()}, []int64{1, 1})
	two.release(w, second, full)
	one.release(w, third, open)
}

// A limit that is raised lets in who waits; one that is lowered turns nobody out.
func TestGatesChange(t *testing.T) {
	t.Parallel()
	w, a, g, at := newWorld(t, Kernel{}), newAcceptor(), NewGate(1), loopback()
	l := w.listen(at, ListenerConfig{Gate: g, Targets: w.to(a)})
	clients(t, at, 4)
	all := []*Conn{<-a.conns}
	w.until(func() bool { return l.paused })
	g.SetMax(3)
	all = append(all, <-a.conns, <-a.conns)
	w.until(func() bool { return l.paused })
	g.SetMax(2)
	a.release(w, all[0], g)
	assert.Equal(t, []int64{g.Used(), g.Max()}, []int64{2, 2})
	a.release(w, all[1], g)
	all = append(all, <-a.conns)
	g.SetMax(0)
	a.release(w, all[2], g)
	a.release(w, all[3], g)
}
