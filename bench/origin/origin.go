// Package origin is the stub server behind the proxies: it answers each request
// with as many bytes as the request names, once it has read and checked the
// request's own body, as cheaply as it can, so that the machine's time goes to
// the proxy under test.
//
// One goroutine, one epoll instance, answers built once per size. A connection
// is a file descriptor, the rest of the answer being written and at most a
// partial head. It never closes first, unless a request is not what it should
// be or closing is what was asked for: it answers a client's end of stream with its
// own.
//
// Misbehaviour costs nothing where it is not asked for: http.go has the plain way of a
// request, behave.go the detour over delays and faults, timers.go their clock.
// websocket.go and raw.go answer what is not HTTP.
package origin

import (
	"fmt"
	"math/rand/v2"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"sluice/bench/epoll"
	"sluice/bench/wire"
)

const (
	// backlog is what the kernel grants by default (net.core.somaxconn).
	backlog = 4096
	// readSize takes a 64 KiB body in one read; small requests touch only as much
	// of the buffer as they fill.
	readSize = 128 << 10
	// maxPartial bounds requests that wait for their turn or their end; a head of
	// ours has some hundred bytes.
	maxPartial = 32 << 10
	// acceptsPerTurn keeps a burst of connections from starving the others,
	// movesPerTurn a stream.
	acceptsPerTurn = 64
	movesPerTurn   = 16
	// idleWait is how long to wait with nothing to wait for, in milliseconds.
	idleWait = 1000
	// stopSlot marks the event of Options.Stop; slots from 0 on are descriptors.
	stopSlot = -1
)

// role is what a connection speaks.
type role uint8

const (
	roleHTTP role = iota
	roleWebSocket
	roleEcho
	roleDown
	roleUp
	roleDrain // it has had its last answer, and its end is awaited
)

// conn is one connection; its descriptor is its index in the table.
type conn struct {
	open    bool
	ended   bool // the client's end of stream is known: read until it shows
	held    bool // nothing is written or read before a timer says so, or ever
	hung    bool // ever
	closing bool // the answer under way is the last one
	role    role
	gen     int32 // the life of this descriptor, to tell stale timers
	at      *address
	partial []byte // requests not answered yet, the last perhaps incomplete
	due     *reply // the answer to a request whose body is still coming
	seen    int    // how much of that body has come
	out     []byte // what is left of the current answer
	pace    int    // how many bytes per second of it; 0 = all
	offset  int64  // of a stream
	frames  *frames
}

// busy reports whether the next request has to wait.
func (c *conn) busy() bool { return len(c.out) > 0 || c.held }

// address is a listener and its behaviour.
type address struct {
	Behaviour
	role  role
	plain bool // answers at once and without faults
	count int  // requests so far, if it is not plain
}

// Stats count what an origin has seen since its start.
type Stats struct {
	// Connections were accepted: with a pool in the proxy, few.
	Connections int64 `json:"connections"`
	// Requests were answered, or were to have been.
	Requests int64 `json:"requests"`
	// Messages are those of WebSocket, and Bytes those echoed or taken from streams.
	Messages int64 `json:"messages,omitempty"`
	Bytes    int64 `json:"bytes,omitempty"`
	// Damaged counts streams that were not what had been sent, and were reset.
	Damaged int64 `json:"damaged,omitempty"`
}

// Origin is a listening stub server. It belongs to one goroutine.
type Origin struct {
	port      int
	forwarded bool
	polite    bool
	poller    *epoll.Poller
	accept    map[int32]*address
	conns     []conn
	buf       []byte
	period    []byte // of a stream
	answers   map[wire.Reply][]byte
	replies   map[wire.Ask]*reply
	again     []epoll.Token // streams that have more to do than a turn allows
	timers    timers
	random    *rand.Rand
	base      time.Time
	stats     Stats
	// lastHead and lastReply short-cut the usual case that every request is the same
	// as the one before.
	lastHead  []byte
	lastReply *reply
}

// New opens the listeners; the first address picks the port for the others.
func New(opt Options) (*Origin, error) {
	if err := opt.validate(); err != nil {
		return nil, err
	}
	poller, err := epoll.New()
	if err != nil {
		return nil, err
	}
	o := &Origin{
		port: opt.Port, forwarded: opt.Forwarded, polite: opt.Polite, poller: poller,
		accept: map[int32]*address{}, buf: make([]byte, readSize), period: make([]byte, wire.Period),
		answers: map[wire.Reply][]byte{}, replies: map[wire.Ask]*reply{},
		random: rand.New(rand.NewPCG(3, 4)), base: time.Now(),
	}
	wire.Fill(o.period)
	for i, text := range opt.Addresses {
		if err := o.listen(text, newAddress(opt.Behaviours, i)); err != nil {
			o.Close()
			return nil, fmt.Errorf("listen on %s: %w", text, err)
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

// newAddress picks the behaviour of the i-th one.
func newAddress(all []Behaviour, i int) *address {
	var a address
	switch {
	case len(all) == 1:
		a.Behaviour = all[0]
	case len(all) > 0:
		a.Behaviour = all[i]
	}
	a.plain = a.Behaviour == Behaviour{}
	switch {
	case a.Echo:
		a.role = roleEcho
	case a.Stream == streamDown:
		a.role = roleDown
	case a.Stream == streamUp:
		a.role = roleUp
	}
	return &a
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

func (o *Origin) listen(text string, a *address) error {
	ip, err := epoll.ParseIPv4(text)
	if err != nil {
		return err
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	o.accept[int32(fd)] = a
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
	for {
		events, err := o.wait()
		if err != nil {
			return fmt.Errorf("epoll_wait: %w", err)
		}
		for _, e := range events {
			if e.Slot == stopSlot {
				return nil
			}
			if a := o.accept[e.Slot]; a != nil {
				o.acceptAll(int(e.Slot), a)
			} else {
				o.serve(int(e.Slot), e)
			}
			if o.polite {
				epoll.Yield()
			}
		}
		o.resume()
		o.fireTimers()
	}
}

// wait waits for events, and no longer than until something else is to be done.
func (o *Origin) wait() ([]epoll.Event, error) {
	switch {
	case len(o.again) > 0:
		return o.poller.Wait(0)
	case len(o.timers) > 0:
		return o.poller.WaitFor(max(0, o.timers[0].at-time.Since(o.base)))
	}
	return o.poller.Wait(idleWait)
}

func (o *Origin) acceptAll(listener int, a *address) {
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
		c := &o.conns[fd]
		*c = conn{open: true, role: a.role, gen: c.gen + 1, at: a, partial: c.partial[:0]}
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
	switch c.role {
	case roleHTTP:
		o.serveHTTP(fd, c)
	case roleWebSocket:
		o.serveFrames(fd, c)
	case roleEcho:
		o.serveEcho(fd, c)
	case roleDown:
		o.serveDown(fd, c)
	case roleUp:
		o.serveUp(fd, c)
	case roleDrain:
		o.drain(fd, c)
	}
}

// resume goes on with the streams that had more to do than a turn allows.
func (o *Origin) resume() {
	due := len(o.again)
	for _, t := range o.again {
		if c := &o.conns[t.Slot]; c.open && c.gen == t.Gen {
			o.serve(int(t.Slot), epoll.Event{})
		}
	}
	o.again = append(o.again[:0], o.again[due:]...)
}

// read takes what a client has sent into the origin's one buffer. It is nil when there is
// nothing now, or when the stream has ended or failed: the connection is closed then.
func (o *Origin) read(fd int) []byte {
	n, errno := epoll.Read(fd, o.buf)
	if errno == syscall.EAGAIN {
		return nil
	}
	if errno != 0 || n == 0 {
		o.drop(fd)
		return nil
	}
	return o.buf[:n]
}

// drop closes a connection once.
func (o *Origin) drop(fd int) {
	c := &o.conns[fd]
	if !c.open {
		return
	}
	*c = conn{gen: c.gen, partial: c.partial[:0]}
	_ = unix.Close(fd)
}
