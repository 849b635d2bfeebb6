package sock

// A loop with real descriptors, and what the tests put around it: peers of the standard library, owners that pass on
// what they are told, sources with a text and sinks that collect one.

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"sluice/engine/flow"
	"sluice/engine/loop"
	"sluice/engine/stat"
	"sluice/internal/assert"
	"sluice/pool"
)

// world is one running loop.
type world struct {
	t    *testing.T
	loop *loop.Loop
	net  *Net
	over chan struct{}
}

// newWorld runs a loop whose connections use sys. At the end of the test it checks that everything came home.
func newWorld(t *testing.T, sys Sys) *world {
	t.Helper()
	p, err := loop.OpenEpoll()
	assert.NoError(t, err)
	w := &world{t: t, over: make(chan struct{})}
	report := func(value any, stack []byte) { t.Errorf("panic: %v\n%s", value, stack) }
	w.loop = loop.New(loop.Config{Poller: p, Stats: new(stat.Block), Report: report})
	w.net = NewNet(w.loop, sys, pool.NewArena(0), pool.NewPipes(pool.OSPipes{}, pool.NewPipeBudget(16), 0, 0))
	go func() {
		defer close(w.over)
		if err := w.loop.Run(); err != nil {
			t.Error(err)
		}
	}()
	t.Cleanup(w.end)
	return w
}

func (w *world) end() {
	if !w.t.Failed() {
		w.until(func() bool { return w.net.Open()+w.net.Lingering() == 0 })
		w.call(func() {
			assert.Equal(w.t, w.net.Buffers.InUse(), 0)
			assert.Equal(w.t, w.net.Pipes.InUse(), 0)
		})
	}
	w.loop.Post(func() {
		w.net.Shut()
		w.net.Pipes.Close()
		w.loop.Stop()
	})
	<-w.over
}

// call runs fn on the loop and waits for it. A fatal failure inside fn ends the loop's goroutine, and the test.
func (w *world) call(fn func()) {
	w.t.Helper()
	done := make(chan struct{})
	w.loop.Post(func() {
		fn()
		close(done)
	})
	select {
	case <-done:
	case <-w.over:
		w.t.Fatal("the loop has ended")
	}
}

// until waits for something that is true on the loop.
func (w *world) until(cond func() bool) {
	w.t.Helper()
	assert.Eventually(w.t, func() (ok bool) {
		w.call(func() { ok = cond() })
		return ok
	})
}

// count reads one of the loop's counters.
func (w *world) count(id stat.ID) (n uint64) {
	w.call(func() { n = w.loop.Stats().Get(id) })
	return n
}

// owner passes on what it is told of a connection and of flows.
type owner struct {
	connected chan *Conn
	broken    chan syscall.Errno
	ended     chan error
}

func newOwner() *owner {
	return &owner{connected: make(chan *Conn, 1), broken: make(chan syscall.Errno, 4), ended: make(chan error, 4)}
}

func (o *owner) Connected(c *Conn)                   { o.connected <- c }
func (o *owner) Broken(_ *Conn, cause syscall.Errno) { o.broken <- cause }
func (o *owner) Ended(_ *flow.Flow, err error)       { o.ended <- err }

// server is a listener of the standard library.
type server struct {
	net.Listener
	addr Addr
}

// serve listens on a network and address; unix sockets get a path of their own.
func serve(t *testing.T, network string) *server {
	t.Helper()
	at := map[string]string{"tcp4": "127.0.0.1:0", "tcp6": "[::1]:0", "unix": t.TempDir() + "/s"}[network]
	ln, err := net.Listen(network, at)
	if err != nil && network == "tcp6" {
		t.Skipf("this machine has no IPv6 loopback: %v", err)
	}
	assert.NoError(t, err)
	t.Cleanup(func() { _ = ln.Close() })
	s := &server{Listener: ln}
	if network == "unix" {
		s.addr.Path = at
	} else {
		s.addr.Addr = ln.Addr().(*net.TCPAddr).AddrPort()
	}
	return s
}

// peer is the other end of a connection: *net.TCPConn or *net.UnixConn.
type peer interface {
	net.Conn
	CloseWrite() error
	SyscallConn() (syscall.RawConn, error)
}

func (s *server) accept(t *testing.T) peer {
	t.Helper()
	c, err := s.Accept()
	assert.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	assert.NoError(t, c.SetDeadline(time.Now().Add(30*time.Second)))
	return c.(peer)
}

// dial connects to s and returns both ends.
func (w *world) dial(s *server, o *owner) (*Conn, peer) {
	w.t.Helper()
	var errno syscall.Errno
	w.call(func() { _, errno = w.net.Dial(&s.addr, o) })
	assert.Equal(w.t, errno, 0)
	p := s.accept(w.t)
	return <-o.connected, p
}

// connect is dial over IPv4.
func (w *world) connect() (*Conn, peer, *owner) {
	w.t.Helper()
	o := newOwner()
	c, p := w.dial(serve(w.t, "tcp4"), o)
	return c, p, o
}

// reset makes a peer cut its connection.
func reset(t *testing.T, p peer) {
	t.Helper()
	assert.NoError(t, p.(*net.TCPConn).SetLinger(0))
	assert.NoError(t, p.Close())
}

func send(t *testing.T, p peer, text string) {
	t.Helper()
	_, err := p.Write([]byte(text))
	assert.NoError(t, err)
}

// receive reads as many bytes as want has.
func receive(t *testing.T, p peer, want string) {
	t.Helper()
	got := make([]byte, len(want))
	_, err := io.ReadFull(p, got)
	assert.NoError(t, err)
	assert.Equal(t, string(got), want)
}

// receiveEnd reads the end of the stream.
func receiveEnd(t *testing.T, p peer) {
	t.Helper()
	n, err := p.Read(make([]byte, 1))
	assert.Equal(t, fmt.Sprint(n, err), "0 EOF")
}

// collector is a sink that keeps what it is given. With hold it takes a chunk only when it is told to.
type collector struct {
	got   []byte
	ends  int
	abort error
	hold  bool
	flow  *flow.Flow
	chunk *flow.Chunk
}

func (k *collector) Write(f *flow.Flow, c *flow.Chunk, end bool) {
	if end {
		k.ends++
	}
	k.flow, k.chunk = f, c
	if !k.hold {
		k.take()
	}
}

func (k *collector) take() {
	k.got = append(k.got, k.chunk.Bytes...)
	k.flow.Advance(k.chunk.Len())
	k.flow.Done()
}

func (k *collector) Abort(_ *flow.Flow, err error) { k.abort = err }

// text is a source of chunks, each a piece of memory that nobody owns.
type text struct {
	chunks  []string
	open    bool // no end after the last chunk: more may be added
	fail    error
	stopped error
}

func (x *text) Proceed(f *flow.Flow) {
	switch {
	case len(x.chunks) > 0:
		one := x.chunks[0]
		x.chunks = x.chunks[1:]
		f.Send(flow.Chunk{Bytes: []byte(one)}, len(x.chunks) == 0 && !x.open)
	case x.fail != nil:
		f.Fail(x.fail)
	case !x.open:
		f.Send(flow.Chunk{}, true)
	}
}

func (x *text) Stop(_ *flow.Flow, err error) { x.stopped = err }

// collect starts a flow from c into a new collector.
func (w *world) collect(c *Conn, o *owner) (*collector, *flow.Flow) {
	k, f := new(collector), new(flow.Flow)
	w.call(func() { f.Start(w.loop, c, k, o) })
	return k, f
}

// feed starts a flow of chunks into c.
func (w *world) feed(c *Conn, x *text, o *owner) *flow.Flow {
	f := new(flow.Flow)
	w.call(func() { f.Start(w.loop, x, c, o) })
	return f
}

func (w *world) close(c *Conn) { w.call(c.Close) }

// spy is the kernel with a say in some of its calls. Its functions run on the loop.
type spy struct {
	Kernel
	accept     func(fd int) (int, netip.AddrPort, syscall.Errno)
	write      func(fd int, p []byte) (int, syscall.Errno)
	writeParts func(fd int, p *Parts) (int, syscall.Errno)
	read       func(fd int, p []byte) (int, syscall.Errno)
	spliceIn   func(fd, pipe, n int) (int, syscall.Errno)
	log        []string
}

func (s *spy) Accept(fd int) (int, netip.AddrPort, syscall.Errno) {
	if s.accept != nil {
		return s.accept(fd)
	}
	return s.Kernel.Accept(fd)
}

func (s *spy) Read(fd int, p []byte) (int, syscall.Errno) {
	if s.read != nil {
		return s.read(fd, p)
	}
	return s.Kernel.Read(fd, p)
}

func (s *spy) Write(fd int, p []byte) (int, syscall.Errno) {
	s.log = append(s.log, fmt.Sprintf("write %d", len(p)))
	if s.write != nil {
		return s.write(fd, p)
	}
	return s.Kernel.Write(fd, p)
}

func (s *spy) WriteParts(fd int, p *Parts) (int, syscall.Errno) {
	line := fmt.Sprintf("write %d+%d", len(p[0]), len(p[1]))
	if len(p[2]) > 0 {
		line += fmt.Sprintf("+%d", len(p[2]))
	}
	s.log = append(s.log, line)
	if s.writeParts != nil {
		return s.writeParts(fd, p)
	}
	return s.Kernel.WriteParts(fd, p)
}

func (s *spy) SpliceIn(fd, pipe, n int) (int, syscall.Errno) {
	s.log = append(s.log, "splice")
	if s.spliceIn != nil {
		return s.spliceIn(fd, pipe, n)
	}
	return s.Kernel.SpliceIn(fd, pipe, n)
}

func (s *spy) ShutdownWrite(fd int) syscall.Errno {
	s.log = append(s.log, "shutdown")
	return s.Kernel.ShutdownWrite(fd)
}
