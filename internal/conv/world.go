package conv

// What a script happens in: an engine with its listener, two servers, and the connections between them.

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"sluice/configs"
	"sluice/engine"
	"sluice/engine/stat"
	"sluice/engine/upstream"
)

// world is one engine and those who talk through it.
type world struct {
	mode    Mode
	engine  *engine.Engine
	proxy   netip.AddrPort
	log     string // path
	errors  lockedBuffer
	servers map[string]*server // origin and other
	actors  map[string]*actor
	closed  map[string]*closed // silent and refused, if the script needs them
	given   *given
	own     *identity // nil without TLS
	pem     string    // its file

	draining sync.WaitGroup
}

// instances counts the engines of this process, which gives each an address of its own.
var instances atomic.Uint32

// proxyPort is one that nobody else uses on 127/8.
const proxyPort = 8099

// newWorld builds the world of a script. Its folder is for the log.
func newWorld(s *Script, m Mode, loops int, folder string) (w *world, err error) {
	n, pid := instances.Add(1), os.Getpid()
	w = &world{
		mode: m, given: &s.given, actors: make(map[string]*actor), servers: make(map[string]*server),
		closed: make(map[string]*closed), log: filepath.Join(folder, "access.log"),
		proxy: netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, byte(pid%100 + 100 + int(n>>8)%50), byte(pid / 100), byte(n)}), proxyPort),
	}
	if m.Front != 0 {
		if w.own, err = ourselves(); err != nil {
			return w, err
		}
		if w.pem, err = writeIdentity(folder); err != nil {
			return w, err
		}
	}
	var how net.ListenConfig
	if s.given.narrow {
		how.Control = narrowed
	}
	for _, name := range []string{"origin", "other"} {
		ln, err := how.Listen(context.Background(), "tcp4", "127.0.0.1:0")
		if err != nil {
			return w, err
		}
		w.servers[name] = newServer(ln.(*net.TCPListener), w.wrapServer(), m.Back != 0)
	}
	text := s.given.config(m, loops)
	for name, listens := range map[string]bool{"refused": false, "silent": true} {
		if !strings.Contains(text, "%{"+name+"}") {
			continue
		}
		if w.closed[name], err = newClosed(listens); err != nil {
			return w, err
		}
	}
	return w, w.start(text)
}

// start fills in the configuration and runs the engine.
func (w *world) start(text string) error {
	text = placeholder.ReplaceAllStringFunc(text, func(found string) string {
		value, _ := w.lookUp(found[2 : len(found)-1])
		return value
	})
	cfg, err := configs.Parse("script", []byte(text))
	if err != nil {
		return fmt.Errorf("%w\n%s", err, text)
	}
	if w.engine, err = engine.New(cfg, slog.New(slog.NewTextHandler(&w.errors, &slog.HandlerOptions{Level: slog.LevelError}))); err != nil {
		return err
	}
	return w.engine.Start()
}

// placeholder is one in a configuration, whose escapes are YAML's.
var placeholder = regexp.MustCompile(`%\{[a-z]+\}`)

// lookUp finds what a placeholder stands for.
func (w *world) lookUp(name string) (string, bool) {
	switch word, rest, _ := strings.Cut(name, " "); word {
	case "proxy":
		return w.proxy.String(), true
	case "proxy.port":
		return fmt.Sprint(w.proxy.Port()), true
	case "client.port":
		if a := w.actors["client"]; a != nil {
			return fmt.Sprint(a.conn.LocalAddr().(*net.TCPAddr).Port), true
		}
	case "log":
		return w.log, true
	case "cert", "ca":
		return w.pem, true
	case "scheme":
		return w.mode.scheme(), true
	case "secure":
		return map[bool]string{true: "; Secure"}[w.mode.Front != 0], true
	case "spliced":
		return fmt.Sprint(w.mode.Front+w.mode.Back == 0), true
	case "silent", "refused":
		if c := w.closed[word]; c != nil {
			return c.addr, true
		}
	case "origin", "other":
		return w.servers[word].listener.Addr().String(), true
	case "forwarded":
		return w.forwarded(rest), true
	case "hello":
		return string(w.own.hello(rest, w.mode.Front)), true
	case "label":
		address, known := w.lookUp(rest)
		sticky := upstream.NewSticky(&configs.Sticky{Cookie: "srv", Key: stickyKey}, nil)
		return sticky.Label("app", address), known
	}
	return "", false
}

// stickyKey is the key of all scripts with sticky sessions.
const stickyKey = "0123456789abcdef"

// forwarded is what the proxy adds to a request of a client on this machine.
func (w *world) forwarded(host string) string {
	if host == "" {
		host = "site.test"
	}
	return fmt.Sprintf("X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: %s\r\nX-Forwarded-Host: %s\r\nX-Forwarded-Port: %d\r\n", w.mode.scheme(), host, w.proxy.Port())
}

// actor finds who plays a part, and has a client connect, or a server accept, if nobody does yet.
func (w *world) actor(name string) (*actor, error) {
	if a := w.actors[name]; a != nil {
		return a, nil
	}
	if strings.HasPrefix(name, "client") {
		return w.connect(name, calling{})
	}
	a, err := w.servers[strings.TrimRight(name, "23456789")].next()
	if err == nil {
		a.name = name
		w.actors[name] = a
	}
	return a, err
}

// wrapServer is how a wire is made of a connection to a server.
func (w *world) wrapServer() func(*socket) Wire {
	if w.mode.Back == 0 {
		return func(c *socket) Wire { return c }
	}
	_, headed := w.given.introduced()
	return func(c *socket) Wire {
		s := w.own.newServer(c, w.mode.Back)
		if headed {
			if s.failed = s.readHeader(); s.failed != nil {
				return s
			}
		}
		s.handshake()
		return s
	}
}

// wrapClient makes a wire of a client's connection.
func (w *world) wrapClient(c *socket, how calling) Wire {
	if w.mode.Front == 0 || how.plain {
		return c
	}
	s := w.own.newClient(c, w.mode.Front, how.asks)
	s.shaken = w.settle // the client knows that it is done before the proxy does
	if s.header, _ = w.given.introduced(); !s.header {
		s.handshake()
	}
	return s
}

// calling is how a client connects.
type calling struct {
	from   string // an address of its own
	asks   string // for a server's name, by TLS
	narrow bool
	plain  bool // without TLS, whatever the mode is
}

func (w *world) connect(name string, how calling) (*actor, error) {
	c, err := how.dial(w.proxy)
	switch {
	case errors.Is(err, unix.ECONNRESET): // so early that connecting has heard of it
		w.actors[name] = &actor{name: name, over: unix.ECONNRESET}
		return w.actors[name], nil
	case err != nil:
		return nil, err
	}
	w.actors[name] = &actor{name: name, conn: c, wire: w.wrapClient(c, how)}
	return w.actors[name], nil
}

// settleTurns is how many turns of every loop are waited for: more than the steps in which anything goes through, of
// which a connection to a server takes the most.
const settleTurns = 6

// settle returns when the proxy has done what it can do, handshakes included: bytes arrive on the loopback network before the call that sent
// them returns, and the loops answer only once they have handled the events before.
func (w *world) settle() {
	w.turn()
	for deadline := time.Now().Add(patience); w.engine.TLS().UnderWay > 0 && time.Now().Before(deadline); {
		w.turn()
	}
	if w.own != nil {
		w.turn()
	}
}

func (w *world) turn() {
	for range settleTurns {
		w.engine.Counters()
	}
}

// drain tells the engine to finish.
func (w *world) drain() {
	w.draining.Go(func() { w.engine.Drain(context.Background()) })
}

// sealedMax is how many buffers of ciphertext a connection has at most.
const sealedMax = 2

// holds fails if the engine has more memory in use than so many buffers and pipes. It looks for a while, because what is
// wrong grows.
func (w *world) holds(most string) error {
	limit, err := strconv.ParseUint(most, 10, 32)
	if limit > 0 && w.mode.Front != 0 {
		limit += sealedMax
	}
	if limit > 0 && w.mode.Back != 0 {
		limit += sealedMax
	}
	for range settleTurns {
		total := stat.Sum(w.engine.Counters()...)
		if got := total.Get(stat.BuffersInUse) + total.Get(stat.PipesInUse); got > limit {
			return fmt.Errorf("%d buffers and pipes are in use", got)
		}
	}
	return err
}

// left finds everything that the script has not named.
func (w *world) left() (problems []error) {
	w.settle()
	for _, name := range []string{"origin", "other"} {
		waiting, err := w.servers[name].callers()
		if err != nil || waiting {
			problems = append(problems, errors.Join(fmt.Errorf("somebody has connected to %s", name), err))
		}
	}
	for _, a := range w.actors {
		if err := a.left(); err != nil {
			problems = append(problems, fmt.Errorf("at the end, %s %w", a.name, err))
		}
	}
	return problems
}

// close ends everything, and finds what has not come back.
func (w *world) close() (problems []error) {
	for _, a := range w.actors {
		if a.conn != nil {
			_ = a.conn.Close() // a reset one has been closed
		}
		a.writes.Wait()
	}
	for _, s := range w.servers {
		s.close()
	}
	for _, c := range w.closed {
		c.close()
	}
	if w.engine == nil {
		return nil
	}
	var total stat.Block
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for deadline := time.Now().Add(patience); ; <-ticker.C {
		total = stat.Sum(w.engine.Counters()...)
		if total.Get(stat.Active)+total.Get(stat.HTTPActive)+total.Get(stat.BuffersInUse)+total.Get(stat.PipesInUse) == 0 {
			break
		}
		if time.Now().After(deadline) {
			problems = append(problems, fmt.Errorf("not given back: %d connections, %d exchanges, %d buffers, %d pipes", total.Get(stat.Active),
				total.Get(stat.HTTPActive), total.Get(stat.BuffersInUse), total.Get(stat.PipesInUse)))
			break
		}
	}
	w.engine.Stop()
	w.draining.Wait()
	if text := w.errors.String(); text != "" {
		problems = append(problems, fmt.Errorf("the proxy says: %s", text))
	}
	return problems
}

// lookEvery is how often is looked whether everything has come back.
const lookEvery = time.Millisecond

// lockedBuffer is written to by the engine.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write implements io.Writer.
func (l *lockedBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

// String returns what was written.
func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
