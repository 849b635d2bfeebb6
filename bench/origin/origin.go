// Package origin is the stub server behind the proxies: it answers each request
// with as many bytes as the request names, once it has read and checked the
// request's own body, as cheaply as it can, so that the machine's time goes to
// the proxy under test.
//
// One goroutine, one epoll instance, answers built once per size. A connection
// is a file descriptor, the rest of the answer being written and at most a
// partial head. It never closes first, unless a request is not what it should
// be: it answers a client's end of stream with its own.
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
	// Forwarded refuses requests without X-Forwarded-For, so that a proxy cannot
	// look cheap by leaving it out.
	Forwarded bool `json:"forwarded,omitempty"`
	// Polite hands the core over after each event, to a generator on the same core
	// that has a schedule to keep.
	Polite bool `json:"polite,omitempty"`
	// Stop is a descriptor that becomes readable or closed when the origin shall
	// end: its standard input, so that it ends with its parent. -1 for none.
	Stop int `json:"-"`
}

const (
	// backlog is what the kernel grants by default (net.core.somaxconn).
	backlog = 4096
	// readSize takes a 64 KiB body in one read; small requests touch only as much
	// of the buffer as they fill.
	readSize = 128 << 10
	// maxPartial bounds requests that wait for their turn or their end; a head of
	// ours has some hundred bytes.
	maxPartial = 32 << 10
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
	due     []byte // the answer to a request whose body is still coming
	body    int    // how long that body is, and how much of it has come
	seen    int
	out     []byte // what is left of the current answer
}

// Stats count what an origin has seen since its start.
type Stats struct {
	// Connections were accepted: with a pool in the proxy, few.
	Connections int64 `json:"connections"`
	// Requests were answered.
	Requests int64 `json:"requests"`
}

// Origin is a listening stub server. It belongs to one goroutine.
type Origin struct {
	port      int
	forwarded bool
	polite    bool
	poller    *epoll.Poller
	accept    map[int32]bool
	conns     []conn
	buf       []byte
	answers   map[int][]byte
	stats     Stats
	// lastHead, lastAnswer and lastBody short-cut the usual case that every request
	// is the same as the one before.
	lastHead   []byte
	lastAnswer []byte
	lastBody   int
}

// New opens the listeners; the first address picks the port for the others.
func New(opt Options) (*Origin, error) {
	poller, err := epoll.New()
	if err != nil {
		return nil, err
	}
	o := &Origin{
		forwarded: opt.Forwarded, polite: opt.Polite, poller: poller, accept: map[int32]bool{},
		buf: make([]byte, readSize), answers: map[int][]byte{},
	}
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

// Stats returns the counts; not while Serve runs.
func (o *Origin) Stats() Stats { return o.stats }

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
			if o.polite {
				epoll.Yield()
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
		o.stats.Connections++
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
		n, ok := o.next(c, b)
		if !ok {
			o.drop(fd)
			return false
		}
		if n == 0 {
			break
		}
		b = b[n:]
		if len(c.out) > 0 && !o.flush(fd, c) {
			return false
		}
	}
	if len(b) > maxPartial+readSize {
		o.drop(fd)
		return false
	}
	c.partial = append(c.partial[:0], b...)
	return true
}

// next takes a head, or what there is of the body after it, and sets out when
// that completes a request. It returns how many bytes it took, 0 if more must
// come first, and false for a request that is not what it should be.
func (o *Origin) next(c *conn, b []byte) (n int, ok bool) {
	if c.due != nil {
		n = min(len(b), c.body-c.seen)
		if !wire.Match(b[:n], int64(c.seen)) {
			return 0, false
		}
		c.seen += n
	} else {
		end := bytes.Index(b, []byte(wire.HeadEnd))
		if end < 0 {
			return 0, len(b) <= maxPartial
		}
		n = end + len(wire.HeadEnd)
		if c.due, c.body = o.answer(b[:n]); c.due == nil {
			return 0, false
		}
		c.seen = 0
	}
	if c.seen == c.body {
		c.out, c.due = c.due, nil
		o.stats.Requests++
	}
	return n, true
}

// answer returns the prebuilt answer to a head and how many bytes of body it
// announces; nil for a head that asks nonsense.
func (o *Origin) answer(head []byte) (answer []byte, body int) {
	if bytes.Equal(head, o.lastHead) {
		return o.lastAnswer, o.lastBody
	}
	ask, ok := wire.Parse(head)
	if !ok {
		return nil, 0
	}
	if o.forwarded {
		if value, _ := wire.Field(head, "X-Forwarded-For"); len(value) == 0 {
			return nil, 0
		}
	}
	answer, ok = o.answers[ask.Size]
	if !ok {
		answer = wire.Answer(ask.Size)
		o.answers[ask.Size] = answer
	}
	o.lastHead, o.lastAnswer, o.lastBody = append(o.lastHead[:0], head...), answer, ask.Body
	return answer, ask.Body
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
