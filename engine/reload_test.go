package engine

// Reloads on real sockets: what is kept, what changes, and that nothing piles up.

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"weak"

	"golang.org/x/sys/unix"

	"sluice/configs"
	"sluice/engine/observe"
	"sluice/engine/record"
	"sluice/engine/stat"
	"sluice/internal/assert"
)

// desk is an engine whose configuration the test writes.
type desk struct {
	*testing.T
	*Engine
	book *logbook
	mu   sync.Mutex
	text string
}

// open starts an engine with a configuration. It has two loops and no access log, unless the text says otherwise.
func open(t *testing.T, text string) *desk {
	t.Helper()
	d := &desk{T: t, book: &logbook{}, text: text}
	cfg, err := d.load(t.Context())
	assert.NoError(t, err)
	d.Engine, err = New(cfg, slog.New(slog.NewTextHandler(d.book, nil)))
	assert.NoError(t, err)
	d.Load = d.load
	assert.NoError(t, d.Start())
	t.Cleanup(d.Stop)
	return d
}

func (d *desk) load(context.Context) (*configs.Config, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	text := d.text
	if !strings.Contains(text, "runtime:") {
		text += "\nruntime: {loops: 2}\n"
	}
	if !strings.Contains(text, "log:") {
		text += "\nlog: {access: {to: \"off\"}}\n"
	}
	return configs.Parse("test.yaml", []byte(text))
}

// write is what an editor does.
func (d *desk) write(text string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.text = text
}

// reload takes another text, and wants it to be taken.
func (d *desk) reload(text string) observe.Reloaded {
	d.Helper()
	d.write(text)
	done, err := d.Reload()
	assert.NoError(d, err)
	return done
}

// upstream is a backing that is at work.
func (d *desk) upstream(name string) *backing { return d.now.Load().upstream(name) }

// shop is an HTTP listener and one of TCP, with a server each.
func shop(web, db, server string) string {
	return fmt.Sprintf(`
listeners:
  web: {bind: %q, upstream: app}
  db: {bind: %q, protocol: tcp, upstream: data}
upstreams:
  app: {servers: [%q]}
  data: {servers: [%q]}
`, web, db, server, server)
}

// What changes is told, what does not goes on as the same thing.
func TestReloadKeepsWhatIsTheSame(t *testing.T) {
	t.Parallel()
	web, db, more := freePort(), freePort(), freePort()
	server := origin(t)
	base := shop(web, db, server)
	d := open(t, base)
	type things struct{ web, db, app, data any }
	now := func() things {
		g := d.now.Load()
		return things{g.shares[0].services[0], g.shares[0].services[1], d.upstream("app"), d.upstream("data")}
	}
	for _, c := range []struct {
		name, from, to, changes string
		web, db, app, data      bool // kept
	}{
		{"nothing", "", "", "", true, true, true, true},
		{"the file's look", "\nlisteners:", "\n# a comment\n\nlisteners:", "", true, true, true, true},
		{"a server's weight", fmt.Sprintf("app: {servers: [%q]}", server), fmt.Sprintf("app: {servers: [{address: %q, weight: 2}]}", server), "upstreams: app changed", true, true, false, true},
		{"a timeout of a listener", "upstream: app}", "upstream: app, timeouts: {idle: 7s}}", "listeners: web changed", false, true, true, true},
		{"a limit of a listener", "upstream: app}", "upstream: app, max_connections: 7}", "listeners: web changed", true, true, true, true},
		{"where a listener leads", "upstream: data}", "upstream: app}", "listeners: db changed; routes: @db changed", true, true, true, true},
		{"a route", "upstreams:", "routes: [{name: extra, paths: /x, respond: {status: 204}}]\nupstreams:", "routes: extra new", true, true, true, true},
		{"an address more", fmt.Sprintf("bind: %q, upstream", web), fmt.Sprintf("bind: [%q, %q], upstream", web, more), "listeners: web changed", true, true, true, true},
		{"a name", "  web:", "  www:", "listeners: www new, web gone; routes: @www new, @web gone", false, true, true, true},
		{"a protocol", "  web: {", "  web: {protocol: tcp, ", "listeners: web changed", false, true, true, true},
		{"how names are looked up", "upstreams:", "runtime: {loops: 2, resolvers: 127.0.0.1}\nupstreams:", "runtime", true, true, true, true},
	} {
		before := now()
		done := d.reload(strings.Replace(base, c.from, c.to, 1))
		assert.Equal(t, strings.Join(done.Changes, "; "), c.changes)
		after := now()
		for i, kept := range map[string][3]any{
			"web": {before.web, after.web, c.web}, "db": {before.db, after.db, c.db}, "app": {before.app, after.app, c.app}, "data": {before.data, after.data, c.data},
		} {
			if (kept[0] == kept[1]) != kept[2] {
				t.Errorf("%s: %s is kept: %v, want %v", c.name, i, kept[0] == kept[1], kept[2])
			}
		}
		assert.Equal(t, dial(t, "tcp4", web).Close(), nil)
		d.reload(base)
	}
	assert.Equal(t, d.Configuration().Generation, 23)
	assert.Equal(t, d.Configuration().Reloads, uint64(22))
}

// A refused reload is told with everything that is wrong, and changes nothing at all.
func TestReloadRefused(t *testing.T) {
	t.Parallel()
	web, db, taken, path := freePort(), freePort(), origin(t), t.TempDir()+"/s"
	base := shop(web, db, origin(t))
	d := open(t, base)
	g := d.now.Load()
	c := dial(t, "tcp4", db)
	greet(t, c)
	untouched := freePort()
	for text, want := range map[string][]string{
		strings.Replace(base, "protocol: tcp", "protcol: tcp", 1): {"test.yaml:4:", "protocol"},
		strings.Replace(base, fmt.Sprintf("%q, upstream", web), fmt.Sprintf("[%q, %q, \"unix:%s\", \"203.0.113.1:80\"], upstream", untouched, taken, path), 1): {
			"test.yaml:3:", "address " + taken + " is in use", "no address 203.0.113.1"},
		base + "log: {access: {to: /nowhere/access.log}}\n":                                                   {"/nowhere/access.log"},
		base + fmt.Sprintf("admin: {bind: %q}\n", taken):                                                      {"address " + taken + " is in use"},
		strings.Replace(base, "upstreams:", "upstreams:\n  more: {servers: [\"no-such-host.invalid:1\"]}", 1): {"no-such-host.invalid does not resolve"},
	} {
		d.write(text)
		_, err := d.Reload()
		if err == nil {
			t.Fatalf("taken:\n%s", text)
		}
		for _, part := range want {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%q is missing in:\n%v", part, err)
			}
		}
		seen := d.Configuration()
		assert.Equal(t, []any{seen.Generation, seen.Refusal.Why}, []any{1, err.Error()})
	}
	assert.Equal(t, d.now.Load() == g, true)
	assert.Equal(t, d.Configuration().Refused, uint64(5))
	assert.Equal(t, len(listeningAt(t, untouched)), 0)
	_, err := os.Lstat(path)
	assert.Equal(t, errors.Is(err, os.ErrNotExist), true)
	greet(t, c)
	echo(t, dial(t, "tcp4", db), 160)
	d.reload(base)
	assert.Equal(t, d.Configuration().Refusal == nil, true)
	assert.Equal(t, strings.Count(d.book.String(), "reload refused: "), 5)
}

// String is what has been written.
func (l *logbook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// forget throws away what has been written.
func (l *logbook) forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = bytes.Buffer{}
}

// listeningAt tells the inodes of the sockets that listen at an address: two of the same are the same socket.
func listeningAt(t *testing.T, addr string) (inodes []string) {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	assert.NoError(t, err)
	for _, one := range all {
		var fd int
		_, _ = fmt.Sscan(one.Name(), &fd)
		if on, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN); err != nil || on == 0 {
			continue
		}
		name, err := unix.Getsockname(fd)
		if err != nil {
			continue
		}
		at := ""
		switch sa := name.(type) {
		case *unix.SockaddrInet4:
			at = fmt.Sprintf("%s:%d", net.IP(sa.Addr[:]), sa.Port)
		case *unix.SockaddrUnix:
			at = "unix:" + sa.Name
		}
		if at == addr {
			inode, _ := os.Readlink("/proc/self/fd/" + one.Name())
			inodes = append(inodes, inode)
		}
	}
	return inodes
}

// Sockets go by their address, whatever the listener is called and does; files of unix sockets with them.
func TestReloadKeepsSockets(t *testing.T) {
	t.Parallel()
	server, one, two, path := origin(t), freePort(), freePort(), t.TempDir()+"/s"
	text := func(name, protocol string, binds ...string) string {
		return fmt.Sprintf("listeners: {%s: {bind: [%q], protocol: %s, upstream: app}}\nupstreams: {app: {servers: [%q]}}\n",
			name, strings.Join(binds, `", "`), protocol, server)
	}
	fix := func(s string) string { return strings.ReplaceAll(s, `\"`, `"`) }
	d := open(t, fix(text("a", "tcp", one, "unix:"+path)))
	first, file := listeningAt(t, one), listeningAt(t, "unix:"+path)
	assert.Equal(t, []int{len(first), len(file)}, []int{2, 1})
	for _, next := range []string{
		text("b", "tcp", one, "unix:"+path), text("b", "http", "unix:"+path, one), text("a", "tcp", one, two, "unix:"+path), text("a", "tcp", one, "unix:"+path),
	} {
		d.reload(fix(next))
		assert.Equal(t, listeningAt(t, one), first)
		assert.Equal(t, listeningAt(t, "unix:"+path), file)
		assert.Equal(t, len(listeningAt(t, two)) > 0, strings.Contains(next, two))
	}
	echo(t, dial(t, "unix", path), 160)
	d.reload(fix(text("a", "tcp", two)))
	assert.Equal(t, []int{len(listeningAt(t, one)), len(listeningAt(t, two)), len(listeningAt(t, "unix:"+path))}, []int{0, 2, 0})
	_, err := os.Lstat(path)
	assert.Equal(t, errors.Is(err, os.ErrNotExist), true)
	echo(t, dial(t, "tcp4", two), 160)
	_, err = net.Dial("tcp4", one)
	assert.Equal(t, errors.Is(err, unix.ECONNREFUSED), true)
}

// From every address of the machine to one of them, and back: we do not stand in our own way.
func TestReloadOfOverlappingAddresses(t *testing.T) {
	t.Parallel()
	server := origin(t)
	host, _, err := net.SplitHostPort(freePort())
	assert.NoError(t, err)
	port := fmt.Sprint(20_000 + os.Getpid()%10_000) // below the ports that clients get
	text := func(bind string) string {
		return fmt.Sprintf("listeners: {a: {bind: %q, protocol: tcp, upstream: app}}\nupstreams: {app: {servers: [%q]}}\n", bind, server)
	}
	d := open(t, text("0.0.0.0:"+port))
	for _, bind := range []string{host + ":" + port, "0.0.0.0:" + port, ":" + port} {
		d.reload(text(bind))
		echo(t, dial(t, "tcp4", host+":"+port), 160)
	}
}

// Tunnels live on through changes of everything around them, and count as they should.
func TestReloadLeavesTunnelsAlone(t *testing.T) {
	t.Parallel()
	at, server := freePort(), origin(t)
	text := func(listener, upstream string) string {
		return fmt.Sprintf("listeners: {a: {bind: %q, protocol: tcp, upstream: app, %s}}\nupstreams: {app: {servers: [%q], %s}}\n", at, listener, server, upstream)
	}
	d := open(t, text("max_connections: 3", "max_connections: 2"))
	one := dial(t, "tcp4", at)
	greet(t, one)
	d.reload(text("max_connections: 3, timeouts: {tunnel: 7m}", "max_connections: 2, queue: {size: 4}"))
	greet(t, one)
	two := dial(t, "tcp4", at)
	greet(t, two)
	seen := d.Upstreams()[0]
	assert.Equal(t, []int{seen.InUse, seen.Servers[0].InUse, seen.QueueSize, d.Listeners()[0].Active}, []int{2, 2, 4, 2})
	three := dial(t, "tcp4", at) // waits: both places are taken, one of them by the generation before
	_, err := three.Write([]byte("hi"))
	assert.NoError(t, err)
	assert.Eventually(t, func() bool { return d.Upstreams()[0].Waiting == 1 })
	d.reload(text("max_connections: 3, timeouts: {tunnel: 8m}", "max_connections: 2, queue: {size: 5}, timeouts: {connect: 1s}"))
	assert.Equal(t, d.Upstreams()[0].Waiting, 1)
	assert.NoError(t, one.Close())
	_, err = io.ReadFull(three, make([]byte, 2))
	assert.NoError(t, err)
	greet(t, two)
	assert.Equal(t, d.now.Load().stations[0].gate.Used(), int64(2))
	d.reload(text("max_connections: 3", "max_connections: 2"))
	assert.NoError(t, two.Close())
	assert.NoError(t, three.Close())
	assert.Eventually(t, func() bool { return d.Active() == 0 && d.Upstreams()[0].InUse == 0 })
	assert.Equal(t, d.now.Load().stations[0].gate.Used(), int64(0))
	connections, _ := d.Reasons()
	assert.Equal(t, connections.Get(int(record.ClientEnd))+connections.Get(int(record.ServerEnd))+connections.Get(int(record.ClientReset)), uint64(3))
}

// A listener that is gone lets its connections finish, and is seen as long as it has some.
func TestReloadWithoutAListener(t *testing.T) {
	t.Parallel()
	web, db, server := freePort(), freePort(), webOrigin(t)
	d := open(t, shop(web, db, server))
	c, tunnel := dial(t, "tcp4", web), dial(t, "tcp4", db)
	posts(t, c, "before")
	posts(t, tunnel, "before")
	d.reload(fmt.Sprintf("listeners: {other: {bind: %q, upstream: app}}\nupstreams: {app: {servers: [%q]}}\n", freePort(), server))
	seen := d.Listeners()
	assert.Equal(t, len(seen), 3)
	for _, l := range seen[1:] {
		assert.Equal(t, []any{l.Active, len(l.Addresses)}, []any{1, 0})
	}
	posts(t, tunnel, "after")
	request, err := http.NewRequest("GET", "http://x/", http.NoBody)
	assert.NoError(t, err)
	assert.NoError(t, request.Write(c))
	in := bufio.NewReader(c)
	answer, err := http.ReadResponse(in, request)
	assert.NoError(t, err)
	assert.Equal(t, []any{answer.StatusCode, answer.Close}, []any{200, true})
	_, err = io.ReadAll(in)
	assert.NoError(t, err)
	assert.NoError(t, c.Close())
	assert.NoError(t, tunnel.Close())
	assert.Eventually(t, func() bool { return len(d.Listeners()) == 1 && d.Active() == 0 })
}

// Idle connections to servers stay with their servers, also when the upstream is another one.
func TestReloadKeepsIdleConnections(t *testing.T) {
	t.Parallel()
	at, server, other := freePort(), webOrigin(t), webOrigin(t)
	text := func(more string) string {
		return fmt.Sprintf("listeners: {web: {bind: %q, upstream: app}}\nupstreams: {app: {servers: [%s]}}\nruntime: {loops: 1}\n", at, more)
	}
	first := fmt.Sprintf("%q", server)
	d := open(t, text(first))
	c := dial(t, "tcp4", at)
	reused := func() uint64 { n := stat.Sum(d.Counters()...); return n.Get(stat.HTTPBackReused) }
	posts(t, c, "a")
	for i, more := range []string{
		first + fmt.Sprintf(", {address: %q, weight: 0}", other), fmt.Sprintf("{address: %q, weight: 3}", server), first, first,
	} {
		d.reload(text(more))
		assert.Equal(t, d.Upstreams()[0].Servers[0].Idle, 1)
		posts(t, c, "b")
		assert.Equal(t, reused(), uint64(i+1))
	}
	d.reload(text(fmt.Sprintf("%q", other)))
	assert.Eventually(t, func() bool { n := stat.Sum(d.Counters()...); return n.Get(stat.HTTPBackIdle) == 0 })
	posts(t, c, "c")
}

// HUPs come in storms; reloads come one by one, and the last HUP is not lost.
func TestReloadStorm(t *testing.T) {
	t.Parallel()
	d := open(t, shop(freePort(), freePort(), origin(t)))
	began, run := make(chan struct{}, 10), make(chan struct{})
	var loads atomic.Int32
	load := d.load
	d.Engine.reloads.mu.Lock() // nobody reads it meanwhile
	d.Load = func(ctx context.Context) (*configs.Config, error) {
		loads.Add(1)
		began <- struct{}{}
		<-run
		return load(ctx)
	}
	d.Engine.reloads.mu.Unlock()
	d.AskReload()
	<-began
	var all sync.WaitGroup
	for range 100 {
		d.AskReload()
		all.Go(func() {
			if done, err := d.Reload(); err != nil || done.Generation != 3 {
				t.Errorf("generation %d, %v", done.Generation, err)
			}
		})
	}
	assert.Eventually(t, func() bool { d.reloads.mu.Lock(); defer d.reloads.mu.Unlock(); return d.reloads.next != nil })
	// All of them have to have asked; one more would be a reload more.
	for asked := false; !asked; asked = waiting(t, "(*Engine).Reload") == 100 {
		runtime.Gosched()
	}
	close(run)
	all.Wait()
	assert.Equal(t, []any{loads.Load(), d.Configuration().Generation}, []any{int32(2), 3})
}

// waiting counts the goroutines that are in a function.
func waiting(t *testing.T, name string) int {
	t.Helper()
	stacks := make([]byte, 4<<20)
	n := 0
	for _, one := range strings.Split(string(stacks[:runtime.Stack(stacks, true)]), "\n\n") {
		if strings.Contains(one, name) && strings.Contains(one, "chan receive") {
			n++
		}
	}
	return n
}

// A proxy that ends takes no other configuration, and does not wait for one that is being read.
func TestReloadAtTheEnd(t *testing.T) {
	t.Parallel()
	at := freePort()
	d := open(t, shop(at, freePort(), origin(t)))
	reading := make(chan struct{})
	d.Load = func(ctx context.Context) (*configs.Config, error) {
		close(reading)
		<-ctx.Done()
		return nil, ctx.Err()
	}
	outcome := make(chan error)
	go func() {
		_, err := d.Reload()
		outcome <- err
	}()
	<-reading
	assert.Equal(t, d.Drain(t.Context()), 0)
	assert.Equal(t, <-outcome, errEnding)
	_, err := d.Reload()
	assert.Equal(t, err, errEnding)
	d.Load = nil
	_, err = d.Reload()
	assert.Equal(t, err, errNoFile)
}

// Whatever a configuration was made of is gone when the next one is there, though a tunnel of each goes on.
func TestATunnelKeepsNoGeneration(t *testing.T) {
	at, db, server := freePort(), freePort(), webOrigin(t)
	text := func(n int) string {
		return fmt.Sprintf(`
listeners:
  web: {bind: %q, upstream: app, timeouts: {idle: %ds}}
  db: {bind: %q, protocol: tcp, upstream: data, timeouts: {tunnel: %dm}}
upstreams:
  app: {servers: [%q], timeouts: {connect: %ds}}
  data: {servers: [%q], timeouts: {connect: %ds}}
`, at, n, db, n, server, n, server, n)
	}
	d := open(t, text(1))
	type shadow struct {
		g *weakly[generation]
		p *weakly[httpPlan]
		c *weakly[configs.Config]
	}
	var old []shadow
	var tunnels []net.Conn
	for n := range 10 {
		g := d.now.Load()
		old = append(old, shadow{weaklyTo(g), weaklyTo(g.stations[0].plan.(*httpPlan)), weaklyTo(g.config)})
		c := dial(t, "tcp4", db)
		posts(t, c, "hello")
		tunnels = append(tunnels, c)
		d.reload(text(n + 2))
	}
	for i, s := range old {
		assert.Eventually(t, func() bool { runtime.GC(); return s.g.gone() && s.p.gone() && s.c.gone() })
		posts(t, tunnels[i], "still here")
	}
}

type weakly[T any] struct{ weak.Pointer[T] }

func weaklyTo[T any](p *T) *weakly[T] { return &weakly[T]{weak.Make(p)} }

func (w *weakly[T]) gone() bool { return w.Value() == nil }

// Not parallel: it counts the process's descriptors, goroutines and memory.
func TestAThousandReloadsLeaveNothingBehind(t *testing.T) {
	at, db, extra, server, path := freePort(), freePort(), freePort(), webOrigin(t), t.TempDir()+"/s"
	log := t.TempDir() + "/access.log"
	text := func(n int) string {
		more := ""
		if n%2 == 1 {
			more = fmt.Sprintf(", %q, \"unix:%s\"", extra, path)
		}
		return fmt.Sprintf(`
listeners:
  web: {bind: [%q%s], upstream: app, timeouts: {idle: %ds}, max_connections_per_ip: 9}
  db: {bind: %q, protocol: tcp, upstream: data, max_connections: %d}
routes:
  - {name: r, paths: /x%d, respond: {status: 204}}
upstreams:
  app: {servers: [{address: %q, weight: %d}], sticky: s, max_connections: %d, check: {tcp: true, every: %ds}}
  data: {servers: [%q]}
log: {access: {to: %s%d}}
runtime: {loops: 2}
`, at, more, n%50+1, db, n%100+1, n, server, n%5+1, n%7+10, n%9+5, server, log, n%3)
	}
	d := open(t, text(0))
	c, tunnel := dial(t, "tcp4", at), dial(t, "tcp4", db)
	posts(t, tunnel, "hello")
	assert.NoError(t, tunnel.SetDeadline(time.Now().Add(5*time.Minute)))
	measure := func() (files, goroutines int, heap uint64) {
		assert.Eventually(t, func() bool { // what has been closed goes in its own time
			files, goroutines = descriptors(t), runtime.NumGoroutine()
			runtime.Gosched()
			return files == descriptors(t) && goroutines == runtime.NumGoroutine()
		})
		var m runtime.MemStats
		d.book.forget()
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&m)
		return files, goroutines, m.HeapAlloc
	}
	rounds := 1000
	if testing.Short() {
		rounds = 100
	}
	var files, goroutines int
	var heap uint64
	for n := range rounds + 100 {
		if n == 100 { // by now everything has its size
			files, goroutines, heap = measure()
		}
		d.reload(text(n + 1))
		if n%10 == 0 {
			c = dial(t, "tcp4", at)
			posts(t, c, "hello")
			assert.NoError(t, c.Close())
		}
	}
	posts(t, tunnel, "still here")
	assert.Eventually(t, func() bool {
		nowFiles, nowGoroutines, nowHeap := measure()
		return nowFiles <= files+2 && nowGoroutines <= goroutines+2 && nowHeap <= heap+(1<<20) // less than any generation, a thousand times
	})
	nowFiles, nowGoroutines, nowHeap := measure()
	t.Logf("descriptors %d → %d, goroutines %d → %d, heap %d → %d KiB", files, nowFiles, goroutines, nowGoroutines, heap>>10, nowHeap>>10)
	assert.Eventually(t, func() bool { // what has retired is forgotten with its last connection; the tunnel's is left
		var left atomic.Int32
		d.onLoops(func(c *core) { left.Add(int32(len(c.retired))) })
		return left.Load() <= 1
	})
}
