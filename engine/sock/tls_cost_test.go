package sock

// What TLS costs beyond crypto/tls: nothing per record, little per connection, little per handshake.

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"sluice/engine/loop"
	"sluice/engine/seal"
	"sluice/engine/stat"
	"sluice/internal/assert"
	"sluice/pool"
)

// steady is a kernel that gives what lies in it and takes everything, without an allocation.
type steady struct {
	*tape
	in  []byte
	out int
}

func (s *steady) Read(_ int, p []byte) (int, syscall.Errno) {
	n := copy(p, s.in)
	if s.in = s.in[n:]; n == 0 {
		return 0, unix.EAGAIN
	}
	return n, 0
}

func (s *steady) Write(_ int, p []byte) (int, syscall.Errno) {
	s.out += len(p)
	return len(p), 0
}

func (s *steady) WriteParts(_ int, p *Parts) (int, syscall.Errno) {
	s.out += p.Len()
	return p.Len(), 0
}

// servant discards what it is shown and answers.
type servant struct {
	answer []byte
	served int
}

func (v *servant) Peeked(c *Conn, b []byte, _ bool) {
	v.served += len(b)
	c.Discard(len(b))
	if v.answer != nil {
		c.Queue(v.answer)
	}
}

// steadySafe is an open connection on a steady kernel, with a servant.
func steadySafe(t testing.TB, version uint16, answer int) (*safe, *steady, *servant) {
	t.Helper()
	s := openSafe(t, seal.Server, only(serverConfig(), version), clientConfig())
	k := &steady{tape: s.sys}
	s.net.Sys = k
	v := new(servant)
	if answer > 0 {
		v.answer = make([]byte, answer)
	}
	s.conn.Peek(v)
	return s, k, v
}

// ask has the far side's n records of a size arrive and be answered.
func (s *safe) ask(k *steady, request []byte) {
	s.far.out = s.far.out[:0]
	_, _ = s.far.tls.Write(request)
	k.in = s.far.out
	s.loop.Event(7, loop.Readable)
	s.turns()
}

// turns runs what was deferred.
func (s *safe) turns() {
	for s.poller.roused {
		s.poller.roused = false
		s.loop.Turn()
	}
}

// In a steady state only crypto/tls allocates: 24 bytes for each read of the kernel that begins a record.
func TestTLSAllocations(t *testing.T) {
	for _, version := range versions {
		s, k, v := steadySafe(t, version, 200)
		request := make([]byte, 300)
		for range 10 {
			s.ask(k, request)
		}
		before := v.served
		assert.Allocs(t, 1, func() { s.ask(k, request) })
		assert.Equal(t, v.served > before, true)
		answer := make([]byte, 100)
		assert.Allocs(t, 0, func() {
			s.conn.Queue(answer)
			s.turns()
		})
		s.net.Sys = k.tape
		s.close()
	}
}

// An idle connection holds what crypto/tls holds, and of ours less than a kilobyte.
func TestTLSIdleMemory(t *testing.T) {
	const conns, most = 200, 10 << 10 // of which crypto/tls has about 8.6 KiB
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	keep, config := make([]*layer, conns), serverConfig()
	for i := range keep {
		workers := loop.NewWorkers(1, 1)
		pool := seal.NewPool(workers)
		s := newSafeOn(t, pool, seal.Server, config, clientConfig())
		s.shake()
		workers.Close() // they know the loop, which is large
		k := &steady{tape: s.sys}
		s.net.Sys = k
		s.conn.Peek(&servant{answer: make([]byte, 200)})
		for range 3 {
			s.ask(k, make([]byte, 300))
		}
		assert.Equal(t, s.net.Buffers.InUse(), 0)
		keep[i] = s.conn.layer
		keep[i].conn = nil // a desk is large
	}
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&after)
	each := int(after.HeapAlloc-before.HeapAlloc) / conns
	t.Logf("%d bytes each, %d of them ours", each, unsafe.Sizeof(layer{})+unsafe.Sizeof(seal.Session{}))
	if each > most {
		t.Errorf("an idle connection holds %d bytes", each)
	}
	runtime.KeepAlive(keep)
}

func BenchmarkTLSOpen(b *testing.B) {
	for _, size := range []int{100, 1 << 10, 16 << 10} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			s, k, v := steadySafe(b, tls.VersionTLS13, 0)
			request := make([]byte, size)
			for range 100 {
				s.ask(k, request)
			}
			v.served = 0
			b.SetBytes(int64(size))
			b.ReportAllocs()
			var sealing time.Duration
			for b.Loop() {
				began := time.Now()
				s.far.out = s.far.out[:0]
				_, _ = s.far.tls.Write(request)
				sealing += time.Since(began)
				k.in = s.far.out
				s.loop.Event(7, loop.Readable)
				s.turns()
			}
			b.ReportMetric(float64(b.Elapsed()-sealing)/float64(b.N), "ns-open/op")
		})
	}
}

func BenchmarkTLSSeal(b *testing.B) {
	for _, size := range []int{100, 1 << 10, 16 << 10, 64 << 10} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			s, _, _ := steadySafe(b, tls.VersionTLS13, 0)
			for range 20 {
				s.conn.write(make([]byte, 16<<10))
			}
			data := make([]byte, size)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				s.conn.write(data)
			}
		})
	}
}

// cpu is the processor time of the process so far.
func cpu() time.Duration {
	var u syscall.Rusage
	must(syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// handshakes has n clients, some at a time, shake hands with a listener, and returns the processor time of each, both
// sides together.
func handshakes(b *testing.B, address string) {
	config := clientConfig()
	config.CurvePreferences = []tls.CurveID{tls.X25519}
	const clients = 4
	begin := cpu()
	done := make(chan struct{})
	for i := range clients {
		go func() {
			defer func() { done <- struct{}{} }()
			for n := i; n < b.N; n += clients {
				c, err := tls.Dial("tcp4", address, config)
				must(err)
				must(c.NetConn().(*net.TCPConn).SetLinger(0))
				_ = c.NetConn().Close()
			}
		}()
	}
	for range clients {
		<-done
	}
	b.ReportMetric(float64(cpu()-begin)/float64(b.N)/1000, "µs-cpu/op")
}

func benchConfig() *tls.Config {
	config := only(serverConfig(), tls.VersionTLS13)
	config.CurvePreferences = []tls.CurveID{tls.X25519}
	return config
}

// BenchmarkHandshake compares the two ways to do a handshake, ECDSA P-256 and X25519 in TLS 1.3: steps on a worker, and a
// goroutine for each connection. The client's share is the same in both.
func BenchmarkHandshake(b *testing.B) {
	b.Run("goroutines", func(b *testing.B) {
		ln, err := net.Listen("tcp4", "127.0.0.1:0")
		must(err)
		defer ln.Close()
		config := benchConfig()
		go func() {
			for {
				c, err := ln.Accept()
				if err != nil {
					return
				}
				go func() {
					s := tls.Server(c, config)
					_ = s.Handshake()
					_, _ = s.Read(make([]byte, 1))
					_ = c.Close()
				}()
			}
		}()
		handshakes(b, ln.Addr().String())
	})
	b.Run("steps", func(b *testing.B) {
		w, address := benchWorld(b)
		handshakes(b, address)
		w.loop.Post(w.loop.Stop)
		<-w.over
	})
}

// benchWorld accepts on a loop and has every connection secured.
func benchWorld(b *testing.B) (*world, string) {
	p, err := loop.OpenEpoll()
	must(err)
	w := &world{over: make(chan struct{}), loop: loop.New(loop.Config{Poller: p, Stats: new(stat.Block)})}
	w.net = NewNet(w.loop, Kernel{}, pool.NewArena(0), pool.NewPipes(pool.OSPipes{}, pool.NewPipeBudget(0), 0, 0))
	workers := loop.NewWorkers(1, seal.Queue)
	w.net.Handshakes = seal.NewPool(workers)
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK, 0)
	must(err)
	must(unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	must(unix.Listen(fd, 1024))
	accept := &securing{config: benchConfig(), net: w.net}
	_, err = NewListener(w.net, ListenerConfig{FD: fd, Gate: NewGate(0), Targets: []Target{{w.net, accept}}})
	must(err)
	go func() {
		defer close(w.over)
		must(w.loop.Run())
		workers.Close()
	}()
	return w, Kernel{}.Local(fd).String()
}

// securing is an Acceptor and the owner of its connections: it has them secured, and closes them when they end.
type securing struct {
	config *tls.Config
	net    *Net
}

func (a *securing) Admit(netip.AddrPort) bool { return true }
func (a *securing) Accept(c *Conn, g *Gate)   { c.Own(&securedOne{a, g}) }

func (a *securing) Dropped(netip.AddrPort, syscall.Errno) {}

type securedOne struct {
	*securing
	gate *Gate
}

func (o *securedOne) Connected(c *Conn) {
	c.Secure(Security{Config: o.config, Deadline: o.net.Loop.Now() + int64(10*time.Second)})
}

func (o *securedOne) Broken(c *Conn, _ syscall.Errno)    { o.end(c) }
func (o *securedOne) Unsecured(c *Conn, _ *seal.Failure) { o.end(c) }
func (o *securedOne) Secured(c *Conn)                    { c.Peek(o) }
func (o *securedOne) Peeked(c *Conn, _ []byte, eof bool) {
	if eof && c.Cause() == 0 {
		o.end(c)
	}
}

func (o *securedOne) end(c *Conn) {
	c.Drop()
	o.gate.Release()
}
