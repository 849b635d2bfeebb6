package lease

// Leases on real loops and real sockets. A server that never answers is a descriptor that never becomes ready.

import (
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"sluice/engine/loop"
	"sluice/engine/record"
	"sluice/engine/sock"
	"sluice/engine/stat"
	"sluice/internal/assert"
	"sluice/pool"
)

// silent is a path that slowSys dials for ever.
const silent = "/silent"

// slowSys is the kernel with servers that never answer (a timer that nobody sets is never ready), and with a shortage of descriptors when told so.
type slowSys struct {
	sock.Kernel
	short bool
	full  bool
}

func (s *slowSys) Write(fd int, p []byte) (int, syscall.Errno) {
	if s.full {
		return 0, syscall.EAGAIN
	}
	return s.Kernel.Write(fd, p)
}

func (s *slowSys) Dial(to *sock.Addr) (int, syscall.Errno) {
	switch {
	case s.short:
		return -1, syscall.EMFILE
	case strings.HasPrefix(to.Path, silent):
		const monotonic = 1
		fd, _, err := syscall.RawSyscall(syscall.SYS_TIMERFD_CREATE, monotonic, syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
		return int(fd), err
	}
	return s.Kernel.Dial(to)
}

// bench is one running loop with a dialer.
type bench struct {
	t      *testing.T
	sys    *slowSys
	loop   *loop.Loop
	net    *sock.Net
	dialer *Dialer
	over   chan struct{}
}

func newBench(t *testing.T, index int) *bench {
	t.Helper()
	p, err := loop.OpenEpoll()
	assert.NoError(t, err)
	b := &bench{t: t, sys: new(slowSys), over: make(chan struct{})}
	report := func(value any, stack []byte) { t.Errorf("panic: %v\n%s", value, stack) }
	b.loop = loop.New(loop.Config{Index: index, Poller: p, Stats: new(stat.Block), Report: report})
	b.net = sock.NewNet(b.loop, b.sys, pool.NewArena(0), pool.NewPipes(pool.OSPipes{}, pool.NewPipeBudget(0), 0, 0))
	b.dialer = NewDialer(b.net)
	go func() {
		defer close(b.over)
		if err := b.loop.Run(); err != nil {
			t.Error(err)
		}
	}()
	t.Cleanup(b.end)
	return b
}

// end checks that nothing is left.
func (b *bench) end() {
	if !b.t.Failed() {
		assert.Eventually(b.t, func() (empty bool) {
			b.call(func() { empty = b.dialer.Pending() == 0 && b.net.Open() == 0 })
			return empty
		})
	}
	b.loop.Post(b.loop.Stop)
	<-b.over
}

// call runs fn on the loop and waits for it.
func (b *bench) call(fn func()) {
	b.t.Helper()
	done := make(chan struct{})
	b.loop.Post(func() {
		fn()
		close(done)
	})
	select {
	case <-done:
	case <-b.over:
		b.t.Fatal("the loop has ended")
	}
}

// outcome is what a taker was told in the end.
type outcome struct {
	conn  *sock.Conn
	from  *Backend
	why   record.Reason
	cause syscall.Errno
	about string
}

// taker notes what it is told.
type taker struct {
	tried  []string
	told   chan outcome
	trying func()
}

func newTaker() *taker { return &taker{told: make(chan outcome, 4)} }

func (k *taker) Trying(b *Backend) {
	k.tried = append(k.tried, b.Name)
	if k.trying != nil {
		k.trying()
	}
}

func (k *taker) Leased(c *sock.Conn, b *Backend) {
	c.Own(quiet{})
	k.told <- outcome{conn: c, from: b}
}
func (k *taker) Unleased(why record.Reason, cause syscall.Errno, detail string) {
	k.told <- outcome{why: why, cause: cause, about: detail}
}

// quiet owns a connection and does not care.
type quiet struct{}

func (quiet) Connected(*sock.Conn)             {}
func (quiet) Broken(*sock.Conn, syscall.Errno) {}

// upstreamOf makes an upstream of backends for as many loops.
func upstreamOf(policy Policy, loops int, backends ...*Backend) *Upstream {
	members := make([]Member, len(backends))
	for i, b := range backends {
		members[i] = Member{Backend: b, Weight: 1}
	}
	return upstreamWith(policy, loops, members)
}

func upstreamWith(policy Policy, loops int, members []Member) *Upstream {
	u := &Upstream{Name: "app", Connect: time.Second, options: SetOptions{Policy: policy}, loops: loops}
	g := &generation{set: newSet(policy, members)}
	for i := range loops {
		g.cursors = append(g.cursors, g.set.NewCursor(i, 1))
	}
	u.now.Store(g)
	return u
}

// alive is a backend that accepts, refusing one whose port was closed, and mute one that never answers.
func alive(t *testing.T, name string) *Backend {
	t.Helper()
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	assert.NoError(t, err)
	t.Cleanup(func() { _ = ln.Close() })
	return &Backend{Name: name, Addr: Endpoint{Addr: ln.Addr().(*net.TCPAddr).AddrPort()}}
}

// refusing uses addresses of the loopback network on which nobody listens.
func refusing(name string) *Backend {
	return &Backend{Name: name, Addr: Endpoint{Addr: netip.MustParseAddrPort("127.9.8.7:1")}}
}

func mute(name string) *Backend {
	return &Backend{Name: name, Addr: Endpoint{Path: silent + name}}
}

func absent(t *testing.T, name string) *Backend {
	return &Backend{Name: name, Addr: Endpoint{Path: t.TempDir() + "/nobody"}}
}

// seek begins a lease and returns it with its taker.
func (b *bench) seek(u *Upstream, connect time.Duration) (*taker, *Lease) {
	k := newTaker()
	var l *Lease
	b.call(func() {
		l = b.dialer.Begin(Ask{From: u, Connect: connect, Taker: k})
		if len(k.tried)+len(k.told) > 0 {
			b.t.Error("the taker hears something before Begin has returned")
		}
	})
	return k, l
}

// give closes a connection and waits until its places are free, which they are when it is gone.
func (b *bench) give(o outcome) {
	gone := make(chan struct{})
	b.call(func() {
		o.conn.Close()
		b.dialer.LetGo(o.from)
		b.dialer.part(parting{then: func() { close(gone) }})
	})
	<-gone
}

func TestFailoverInOrder(t *testing.T) {
	t.Parallel()
	b := newBench(t, 0)
	all := []*Backend{refusing("refused"), mute("mute"), absent(t, "absent"), alive(t, "alive"), alive(t, "spare")}
	u := upstreamOf(First, 1, all...)
	k, _ := b.seek(u, 30*time.Millisecond)
	o := <-k.told
	assert.Equal(t, k.tried, []string{"refused", "mute", "absent", "alive"})
	assert.Equal(t, o.from == all[3], true)
	b.call(func() {
		stats := b.loop.Stats()
		assert.Equal(t, stats.Get(stat.ConnectAttempts), uint64(4))
		assert.Equal(t, stats.Get(stat.ConnectFailures), uint64(3))
		assert.Equal(t, stats.Get(stat.Retries), uint64(3))
		assert.Equal(t, b.dialer.Pending(), 0)
	})
	for i, failures := range []uint64{1, 1, 1, 0, 0} {
		assert.Equal(t, all[i].Failures(), failures)
	}
	assert.Equal(t, all[3].InUse(), 1)
	b.give(o)
	for _, one := range all {
		assert.Equal(t, one.InUse(), 0)
	}
}

func TestBackupsComeLast(t *testing.T) {
	t.Parallel()
	b := newBench(t, 0)
	u := upstreamWith(P2C, 1, []Member{
		{Backend: alive(t, "backup"), Weight: 1, Backup: true}, {Backend: refusing("one"), Weight: 1}, {Backend: mute("two"), Weight: 1},
	})
	k, _ := b.seek(u, 20*time.Millisecond)
	o := <-k.told
	assert.Equal(t, len(k.tried), 3)
	assert.Equal(t, k.tried[2], "backup")
	b.give(o)
}

func TestNobodyLeft(t *testing.T) {
	t.Parallel()
	b := newBench(t, 0)
	down, full, draining := refusing("down"), mute("full"), refusing("draining")
	down.SetDown(true)
	draining.SetDraining(true)
	full.MaxConnections = 1
	assert.Equal(t, full.Acquire(), true)
	var many []*Backend
	for range MaxAttempts + 3 {
		many = append(many, refusing("many"))
	}
	for name, c := range map[string]struct {
		all   []*Backend
		want  outcome
		tried int
	}{
		"the last failure tells why":     {[]*Backend{mute("a"), refusing("b")}, outcome{why: record.ConnectRefused, cause: syscall.ECONNREFUSED}, 2},
		"a timeout":                      {[]*Backend{refusing("a"), mute("b")}, outcome{why: record.ConnectTimeout, cause: syscall.ETIMEDOUT}, 2},
		"no unix socket":                 {[]*Backend{absent(t, "a")}, outcome{why: record.ConnectRefused, cause: syscall.ENOENT}, 1},
		"all down":                       {[]*Backend{down, draining}, outcome{why: record.NoServer}, 0},
		"all full":                       {[]*Backend{down, full}, outcome{why: record.UpstreamFull}, 0},
		"one failed, one full":           {[]*Backend{full, refusing("a")}, outcome{why: record.ConnectRefused, cause: syscall.ECONNREFUSED}, 1},
		"not more attempts than allowed": {many, outcome{why: record.ConnectRefused, cause: syscall.ECONNREFUSED}, MaxAttempts},
	} {
		k, _ := b.seek(upstreamOf(First, 1, c.all...), 20*time.Millisecond)
		o := <-k.told
		if o != c.want || len(k.tried) != c.tried {
			t.Errorf("%s: got %v after %v", name, o, k.tried)
		}
	}
	assert.Equal(t, full.InUse(), 1)
}

// Without descriptors no server can be reached: the others are not blamed for it.
func TestDescriptorShortageTriesNobodyElse(t *testing.T) {
	t.Parallel()
	b := newBench(t, 0)
	b.call(func() { b.sys.short = true })
	first, second := alive(t, "a"), alive(t, "b")
	k, _ := b.seek(upstreamOf(First, 1, first, second), time.Second)
	assert.Equal(t, <-k.told, outcome{why: record.FDExhausted, cause: syscall.EMFILE})
	assert.Equal(t, k.tried, []string{"a"})
	assert.Equal(t, first.InUse()+second.InUse(), 0)
}

func TestMaxConnectionsIsExactOverTwoLoops(t *testing.T) {
	t.Parallel()
	benches := []*bench{newBench(t, 0), newBench(t, 1)}
	one, two := alive(t, "one"), alive(t, "two")
	one.MaxConnections, two.MaxConnections = 5, 2
	u := upstreamOf(LeastConn, 2, one, two)
	takers := make([][]*taker, 2)
	for i, b := range benches {
		for range 20 {
			k := newTaker()
			takers[i] = append(takers[i], k)
			b.loop.Post(func() { b.dialer.Begin(Ask{From: u, Connect: 5 * time.Second, Taker: k}) })
		}
	}
	leased, full := 0, 0
	for i, b := range benches {
		for _, k := range takers[i] {
			o := <-k.told
			if o.conn == nil {
				assert.Equal(t, o.why, record.UpstreamFull)
				full++
				continue
			}
			leased++
			t.Cleanup(func() { b.give(o) })
		}
	}
	assert.Equal(t, []int{leased, full}, []int{7, 33})
	assert.Equal(t, one.InUse(), 5)
	assert.Equal(t, two.InUse(), 2)
}

func TestCancel(t *testing.T) {
	t.Parallel()
	t.Run("before the first attempt", func(t *testing.T) {
		t.Parallel()
		b, k, one := newBench(t, 0), newTaker(), alive(t, "a")
		b.call(func() {
			b.dialer.Begin(Ask{From: upstreamOf(First, 1, one), Connect: time.Second, Taker: k}).Cancel()
			b.dialer.Begin(Ask{From: upstreamOf(First, 1, one), Connect: time.Second, Taker: k}).Cancel()
		})
		b.call(func() { assert.Equal(t, b.dialer.Pending(), 0) })
		assert.Equal(t, len(k.tried)+len(k.told), 0)
		assert.Equal(t, one.Picks(), uint64(0))
	})
	t.Run("while dialing", func(t *testing.T) {
		t.Parallel()
		b, one, two := newBench(t, 0), mute("a"), alive(t, "b")
		k, l := b.seek(upstreamOf(First, 1, one, two), 30*time.Millisecond)
		b.call(func() {
			assert.Equal(t, one.InUse(), 1)
			l.Cancel()
			assert.Equal(t, one.InUse(), 0)
			assert.Equal(t, b.dialer.Pending(), 0)
		})
		b.after(60 * time.Millisecond)
		assert.Equal(t, k.tried, []string{"a"})
		assert.Equal(t, len(k.told), 0)
	})
	t.Run("during the second attempt", func(t *testing.T) {
		t.Parallel()
		b, one, two := newBench(t, 0), absent(t, "a"), mute("b")
		k, l := b.seek(upstreamOf(First, 1, one, two), 30*time.Millisecond)
		b.call(func() { l.Cancel() })
		b.after(60 * time.Millisecond)
		assert.Equal(t, k.tried, []string{"a", "b"})
		assert.Equal(t, len(k.told), 0)
		assert.Equal(t, one.InUse()+two.InUse(), 0)
	})
}

// after waits on the loop's own clock.
func (b *bench) after(d time.Duration) {
	w := &pause{done: make(chan struct{})}
	w.timer.Bind(w)
	b.call(func() { b.loop.Start(&w.timer, b.loop.Now()+int64(d)) })
	<-w.done
}

type pause struct {
	timer loop.Timer
	done  chan struct{}
}

func (w *pause) Expired(*loop.Timer) { close(w.done) }

// A taker that panics costs itself only: the place at the server is given back by what it tears down.
func TestAPanicInTheTakerReachesTheTaker(t *testing.T) {
	t.Parallel()
	p, err := loop.OpenEpoll()
	assert.NoError(t, err)
	l := loop.New(loop.Config{Poller: p, Stats: new(stat.Block)})
	d := NewDialer(sock.NewNet(l, new(slowSys), pool.NewArena(0), nil))
	k := &fragile{taker: newTaker()}
	k.trying = func() { panic("trying") }
	one := mute("a")
	k.lease = d.Begin(Ask{From: upstreamOf(First, 1, one), Connect: time.Second, Taker: k})
	l.Event(0, 0)
	assert.Equal(t, k.panicked, 1)
	assert.Equal(t, one.InUse(), 0)
	assert.Equal(t, d.Pending(), 0)
	assert.NoError(t, p.Close())
}

type fragile struct {
	*taker
	lease    *Lease
	panicked int
}

func (f *fragile) Panicked() {
	f.panicked++
	f.lease.Cancel()
}
