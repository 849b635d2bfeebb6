package sim

// The network: where clients arrive, and the servers that can be dialed.

import (
	"fmt"
	"net/netip"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"sluice/engine/sock"
)

// listenAt is the proxy's own address.
var listenAt = netip.MustParseAddrPort("192.0.2.1:443")

// listener is a listening socket with its queue of connections nobody has accepted yet.
type listener struct {
	w        *World
	file     *file
	queue    []*end
	peers    []netip.AddrPort
	since    []int64 // when each came
	unix     bool
	accepted int
	closed   bool
}

func (w *World) listen(isUnix bool) *listener {
	l := &listener{w: w, unix: isUnix}
	l.file = &file{listener: l}
	w.files.open(l.file)
	return l
}

// connect is a client's SYN: the connection is complete, and waits.
func (l *listener) connect(name string, from netip.AddrPort) (*end, bool) {
	if l.closed {
		return nil, false
	}
	near, far := l.w.newPair(name, l.unix)
	if l.w.secure {
		l.w.office.veil(far, true)
	}
	l.queue = append(l.queue, near)
	l.peers = append(l.peers, from)
	l.since = append(l.since, l.w.now)
	return far, true
}

func (l *listener) accept() (*end, netip.AddrPort, syscall.Errno) {
	w := l.w
	if w.files.short {
		w.cover.hit(AcceptEMFILE)
		return nil, netip.AddrPort{}, unix.EMFILE
	}
	if len(l.queue) == 0 {
		return nil, netip.AddrPort{}, unix.EAGAIN
	}
	e, peer := l.queue[0], l.peers[0]
	if w.now-l.since[0] > int64(time.Second) {
		w.cover.hit(BacklogWait)
	}
	l.queue, l.peers, l.since = l.queue[1:], l.peers[1:], l.since[1:]
	if w.chance(w.plan.aborts) {
		w.cover.hit(AcceptAborted)
		w.progress = true
		e.orphan = true
		e.abort()
		return nil, netip.AddrPort{}, unix.ECONNABORTED
	}
	l.accepted++
	if l.unix {
		peer = netip.AddrPort{}
	}
	return e, peer, 0
}

// close resets what nobody accepted.
func (l *listener) close() {
	l.closed = true
	l.w.poller.unlevel(l.file)
	for _, e := range l.queue {
		e.orphan = true
		e.abort()
	}
	l.queue = nil
}

// manner is how a server answers a dial.
type manner uint8

const (
	accepts manner = iota
	acceptsLate
	refuses
	refusesLate
	hangs
	unreachable
	manners
)

// server is one address that may be dialed.
type server struct {
	w      *World
	name   string
	addr   sock.Addr
	manner manner
	moody  bool // it draws its manner for each dial
	dials  int
	nears  []*end // the proxy's ends of connections to it
}

// newServer adds a server; the first of a world is mostly a good one.
func (w *World) newServer() *server {
	s := &server{w: w, moody: w.chance(20)}
	n := len(w.servers)
	s.addr.Addr = netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(n + 1)}), 80)
	s.name = s.addr.Addr.String()
	if w.chance(10) {
		s.addr = sock.Addr{Path: fmt.Sprintf("/run/server%d", n)}
		s.name = s.addr.Path
	}
	if !w.chance(60) {
		s.manner = manner(w.rng.IntN(int(manners)))
	}
	w.servers = append(w.servers, s)
	return s
}

func (w *World) server(to *sock.Addr) *server {
	for _, s := range w.servers {
		if s.addr == *to {
			return s
		}
	}
	return nil
}

func (s *server) dial() (int, syscall.Errno) {
	w := s.w
	s.dials++
	how := s.manner
	if s.moody {
		how = manner(w.rng.IntN(int(manners)))
	}
	isUnix := s.addr.Path != ""
	switch {
	case how == unreachable:
		w.cover.hit(DialUnreachable)
		return -1, unix.EHOSTUNREACH
	case isUnix && how != accepts && how != acceptsLate:
		return -1, unix.ECONNREFUSED
	}
	near, far := w.newPair(fmt.Sprintf("%s#%d", s.name, s.dials), isUnix)
	near.server = s
	s.nears = append(s.nears, near)
	fd := w.newFile(near)
	if isUnix || (how == accepts && w.chance(20)) {
		w.play.origin(far)
		return fd, 0
	}
	near.connecting = true
	s.answer(how, near, far)
	return fd, 0
}

// answer plans how a dial comes out.
func (s *server) answer(how manner, near, far *end) {
	w := s.w
	wait := w.delay(near.latency) + 1
	switch how {
	case acceptsLate:
		wait += w.rng.Int64N(2 * int64(timeoutConnect))
	case refusesLate:
		wait += w.rng.Int64N(int64(timeoutConnect))
	case hangs:
		w.cover.hit(DialHung)
		wait += int64(2 * time.Minute)
	}
	w.after(wait, func() {
		if near.orphan {
			return // given up meanwhile
		}
		near.connecting, near.openedAt = false, w.now
		switch how {
		case accepts, acceptsLate:
			w.play.origin(far)
			near.wake()
		case hangs:
			near.cut(unix.ETIMEDOUT)
		default:
			w.cover.hit(DialRefused)
			near.cut(unix.ECONNREFUSED)
		}
	})
}
