// Package origin is the stub server behind the proxies: it answers each request
// with as many bytes as the request names, as cheaply as it can, so that the
// machine's time goes to the proxy under test.
//
// One goroutine, one epoll instance, answers built once per size. A connection
// is a file descriptor, the rest of the answer being written and at most a
// partial request. It never closes first: it answers a client's end of stream
// with its own.
package origin

import (
	"bytes"
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"

	"sluice/bench/epoll"
	"sluice/bench/wire"
)

// Options say where to listen.
type Options struct {
	// Addresses are IPv4 addresses that all get the same port: a proxy that
	// connects to several has several times the ephemeral ports to do it from.
	Addresses []string `json:"addresses"`
	// Stop is a descriptor that becomes readable or closed when the origin shall
	// end: its standard input, so that it ends with its parent. -1 for none.
	Stop int `json:"-"`
}

const (
	// backlog is what the kernel grants by default (net.core.somaxconn).
	backlog = 4096
	// readSize holds hundreds of requests; none of ours is near it.
	readSize = 16 << 10
	// acceptsPerTurn keeps a burst of connections from starving the others.
	acceptsPerTurn = 64
	// stopSlot marks the event of Options.Stop; slots from 0 on are descriptors.
	stopSlot = -1
)

// conn is one connection; fd is its index in the table.
type conn struct {
	open    bool
	ended   bool   // the client's end of stream is known: read until it shows
	partial []byte // requests not answered yet, the last perhaps incomplete
	out     []byte // what is left of the current answer
}

// Origin is a listening stub server. It belongs to one goroutine.
type Origin struct {
	port    int
	poller  *epoll.Poller
	accept  map[int32]bool
	conns   []conn
	buf     []byte
	answers map[int][]byte
	// lastHead and lastAnswer short-cut the usual case that every request is the
	// same as the one before.
	lastHead   []byte
	lastAnswer []byte
}

// New opens the listeners; the first address picks the port for the others.
func New(opt Options) (*Origin, error) {
	poller, err := epoll.New()
	if err != nil {
		return nil, err
	}
	o := &Origin{poller: poller, accept: map[int32]bool{}, buf: make([]byte, readSize), answers: map[int][]byte{}}
	for _, address := range opt.Addresses {
		if err := o.listen(address); err != nil {
			o.Close()
			return nil, fmt.Errorf("listen on %s: %w", address, err)
		}
	}
	if opt.Stop >= 0 {
		if err := poller.AddLevel(opt.Stop, epoll.Token{Slot: stopSlot}); err != nil {
			o.Close()
			return nil, fmt.Errorf("watch the stop descriptor: %w", err)
		}
	}
	return o, nil
}

// Port is the TCP port all addresses share.
func (o *Origin) Port() int { return o.port }

// Close closes every socket.
func (o *Origin) Close() {
	for fd := range o.conns {
		if o.conns[fd].open {
			o.drop(fd)
		}
	}
	for fd := range o.accept {
		_ = unix.Close(int(fd))
	}
	_ = o.poller.Close()
}

func (o *Origin) listen(address string) error {
	ip, err := epoll.ParseIPv4(address)
	if err != nil {
		return err
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	o.accept[int32(fd)] = true
	// NODELAY is inherited by accepted sockets: no call per connection.
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err != nil {
		return err
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
		return err
	}
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: ip, Port: o.port}); err != nil {
		return err
	}
	bound, err := unix.Getsockname(fd)
	if err != nil {
		return err
	}
	o.port = bound.(*unix.SockaddrInet4).Port
	if err := unix.Listen(fd, backlog); err != nil {
		return err
	}
	return o.poller.AddLevel(fd, epoll.Token{Slot: int32(fd)})
}

// Serve runs until the stop descriptor fires (nil) or epoll fails.
func (o *Origin) Serve() error {
	const wait = 1000 // milliseconds; nothing depends on it
	for {
		events, err := o.poller.Wait(wait)
		if err != nil {
			return fmt.Errorf("epoll_wait: %w", err)
		}
		for _, e := range events {
			switch {
			case e.Slot == stopSlot:
				return nil
			case o.accept[e.Slot]:
				o.acceptAll(int(e.Slot))
			default:
				o.serve(int(e.Slot), e)
			}
		}
	}
}

func (o *Origin) acceptAll(listener int) {
	for range acceptsPerTurn {
		fd, _, err := unix.Accept4(listener, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
		if err != nil {
			return // EAGAIN, or a client that has gone already; the level trigger repeats the rest
		}
		for fd >= len(o.conns) {
			o.conns = append(o.conns, conn{})
		}
		if err := o.poller.Add(fd, epoll.Token{Slot: int32(fd)}); err != nil {
			_ = unix.Close(fd)
			continue
		}
		o.conns[fd] = conn{open: true, partial: o.conns[fd].partial[:0]}
	}
}

// serve handles one event. A descriptor number that was closed and accepted anew
// within a batch may get an event of its predecessor; it then reads EAGAIN.
func (o *Origin) serve(fd int, e epoll.Event) {
	c := &o.conns[fd]
	if !c.open {
		return
	}
	c.ended = c.ended || e.Ended
	if len(c.out) > 0 && !(o.flush(fd, c) && o.take(fd, c, nil)) {
		return
	}
	// While an answer is under way nothing is read: what the client sends stays
	// in the kernel, and the write that ends the answer comes back here.
	for len(c.out) == 0 {
		n, errno := epoll.Read(fd, o.buf)
		if errno == syscall.EAGAIN {
			return
		}
		if errno != 0 || n == 0 {
			o.drop(fd)
			return
		}
		if !o.take(fd, c, o.buf[:n]) || n < len(o.buf) && !c.ended {
			return
		}
	}
}

// take answers the requests in what was kept and what was read, and keeps what
// cannot be answered yet; false means the connection is gone.
func (o *Origin) take(fd int, c *conn, b []byte) bool {
	if len(c.partial) > 0 {
		c.partial = append(c.partial, b...)
		b = c.partial
	}
	for len(c.out) == 0 {
		end := bytes.Index(b, []byte(wire.HeadEnd))
		if end < 0 {
			break
		}
		end += len(wire.HeadEnd)
		if c.out = o.answer(b[:end]); c.out == nil || !o.flush(fd, c) {
			o.drop(fd)
			return false
		}
		b = b[end:]
	}
	if len(b) > 2*readSize {
		o.drop(fd)
		return false
	}
	c.partial = append(c.partial[:0], b...)
	return true
}

// answer returns the prebuilt answer to a head, nil for one that asks nonsense.
func (o *Origin) answer(head []byte) []byte {
	if bytes.Equal(head, o.lastHead) {
		return o.lastAnswer
	}
	size, ok := wire.Size(head)
	if !ok {
		return nil
	}
	answer, ok := o.answers[size]
	if !ok {
		answer = wire.Answer(size)
		o.answers[size] = answer
	}
	o.lastHead, o.lastAnswer = append(o.lastHead[:0], head...), answer
	return answer
}

// flush writes what is left of the answer; false means the connection failed.
func (o *Origin) flush(fd int, c *conn) bool {
	for len(c.out) > 0 {
		n, errno := epoll.Write(fd, c.out)
		if errno == syscall.EAGAIN {
			return true
		}
		if errno != 0 {
			o.drop(fd)
			return false
		}
		c.out = c.out[n:]
	}
	return true
}

// drop closes a connection once.
func (o *Origin) drop(fd int) {
	c := &o.conns[fd]
	if !c.open {
		return
	}
	*c = conn{partial: c.partial[:0]}
	_ = unix.Close(fd)
}
