package e2e

// The proxy as a child process: its ports, its access log, its operator's log, its end.

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"sluice/internal/assert"
)

// patience bounds every single wait. It is spent by failing tests only.
const patience = 30 * time.Second

// simple is the shortest useful configuration: one listener, one server.
const simple = `
listeners: {front: {bind: "127.0.0.1:PORT1", protocol: tcp, upstream: back}}
upstreams: {back: {servers: ["%s"]}}
runtime: {loops: 2}
`

// entry is a line of the access log, as far as tests look at it.
type entry struct {
	Reason, Side, Error, Detail       string
	Client, Peer                      string
	Listener, Route, Upstream, Server string
	SNI, ALPN                         string
	Method, Host, Target, Version     string // from here to Request: of HTTP
	Status                            int
	UpstreamStatus                    int `json:"upstream_status"`
	Reused                            bool
	Request                           int
	Attempts                          int
	Up                                int64   `json:"bytes_up"`
	Down                              int64   `json:"bytes_down"`
	Connect                           float64 `json:"connect_ms"`
	Queue                             float64 `json:"queue_ms"`
	Hello                             float64 `json:"hello_ms"`
	Total                             float64 `json:"total_ms"`
	Spliced                           bool
	TLS, Cipher                       string
	Resumed                           bool
	ClientCert                        string  `json:"client_cert"`
	Handshake                         float64 `json:"handshake_ms"`
}

// proxy is the binary at work.
type proxy struct {
	t       testing.TB
	dir     string // where its file is
	ports   map[string]int
	cmd     *exec.Cmd
	entries chan entry // the access log on stdout
	stderr  *text
	ended   chan struct{}
	err     error // of Wait; read after ended is closed
}

// command says how to start the binary, for tests that are not content with run.
type command struct {
	plain  bool     // without the race detector
	shell  string   // run before it in the same process, such as "ulimit -n 40"
	args   []string // default: run -c sluice.yaml
	config string   // with PORT1, PORT2, … for free ports
	stdout *os.File // default: the access log is read by the test
	stderr *os.File // default: kept for said; without it the binary is taken to be up once PORT1 answers
}

// run starts the binary with a configuration and waits until it listens. The rest are values for the verbs in it.
func run(t testing.TB, config string, values ...any) *proxy {
	t.Helper()
	return command{config: fmt.Sprintf(config, values...)}.run(t)
}

// run starts the binary, again with other ports should somebody have taken one in between.
func (c command) run(t testing.TB) *proxy {
	t.Helper()
	for range 5 {
		p := c.start(t)
		if p.up(c) {
			return p
		}
		if said := p.stderr.String(); !strings.Contains(said, "is in use") {
			t.Fatalf("the proxy ended before it listened:\n%s", said)
		}
	}
	t.Fatal("found no free port in five attempts")
	return nil
}

// start starts the binary and does not wait. The test's end ends it.
func (c command) start(t testing.TB) *proxy {
	t.Helper()
	p := &proxy{t: t, dir: t.TempDir(), ports: map[string]int{}, entries: make(chan entry, 1<<16), stderr: &text{}, ended: make(chan struct{})}
	p.write("sluice.yaml", p.fill(c.config))
	p.cmd = c.build(p)
	p.cmd.Dir = p.dir
	p.cmd.Env = environment()
	p.cmd.WaitDelay = patience // for the pipes, should somebody else hold them open
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	switch {
	case c.stdout != nil:
		p.cmd.Stdout = c.stdout
	case len(c.args) > 0 && c.args[0] == "check":
		p.cmd.Stdout = p.stderr // it has no access log
	default:
		p.cmd.Stdout = p.reader()
	}
	if c.stderr != nil {
		p.cmd.Stderr = c.stderr
	} else {
		p.cmd.Stderr = p.stderr
	}
	startHere(t, p.cmd)
	go func() {
		p.err = p.cmd.Wait()
		close(p.ended)
	}()
	t.Cleanup(p.close)
	return p
}

// environment spares every child the second that the race detector waits at its end; reports are written at once.
func environment() []string { return append(os.Environ(), "GORACE=atexit_sleep_ms=0") }

func (c command) build(p *proxy) *exec.Cmd {
	path, err := product()
	if c.plain {
		path, err = plain()
	}
	assert.NoError(p.t, err)
	args := c.args
	if args == nil {
		args = []string{"run", "-c", "sluice.yaml"}
	}
	for i := range args {
		args[i] = p.fill(args[i])
	}
	if c.shell == "" {
		return exec.Command(path, args...)
	}
	return exec.Command("sh", append([]string{"-c", c.shell + ` && exec "$0" "$@"`, path}, args...)...)
}

// startHere starts cmd from a thread that lives as long as this process: Pdeathsig goes by threads.
func startHere(t testing.TB, cmd *exec.Cmd) {
	t.Helper()
	started := make(chan error)
	starts <- func() { started <- cmd.Start() }
	assert.NoError(t, <-started)
}

var starts = starter()

// up waits until the proxy listens and reports false if it ended instead.
func (p *proxy) up(c command) bool {
	p.t.Helper()
	listens := func() bool { return p.stderr.has("msg=listening") }
	if c.stderr != nil {
		listens = func() bool {
			conn, err := net.Dial("tcp", p.addr(1))
			if err == nil {
				conn.Close()
			}
			return err == nil
		}
	}
	assert.Eventually(p.t, func() bool { return p.over() || listens() })
	return !p.over()
}

// fill replaces PORT1, PORT2, … in text; the same word means the same port for the life of p.
func (p *proxy) fill(text string) string {
	for n := 1; n <= 9; n++ {
		word := "PORT" + strconv.Itoa(n)
		if !strings.Contains(text, word) {
			continue
		}
		if p.ports[word] == 0 {
			p.ports[word] = freePort(p.t)
		}
		text = strings.ReplaceAll(text, word, strconv.Itoa(p.ports[word]))
	}
	return text
}

// write puts a file beside the configuration and returns its path.
func (p *proxy) write(name, content string) string {
	path := filepath.Join(p.dir, name)
	assert.NoError(p.t, os.WriteFile(path, []byte(content), 0o644))
	return path
}

// addr is port n on the IPv4 loopback.
func (p *proxy) addr(n int) string { return loopback(p.port(n)) }

func (p *proxy) port(n int) int { return p.ports["PORT"+strconv.Itoa(n)] }

// dial connects to port n.
func (p *proxy) dial(n int) *end { return dial(p.t, "tcp", p.addr(n)) }

// reader parses the access log.
func (p *proxy) reader() io.Writer {
	out, in := io.Pipe()
	go func() {
		decoder := json.NewDecoder(out)
		for {
			var e entry
			if err := decoder.Decode(&e); err != nil {
				if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrClosedPipe) {
					p.t.Errorf("the access log is not JSON: %v", err)
				}
				out.Close()
				close(p.entries)
				return
			}
			p.entries <- e
		}
	}()
	p.t.Cleanup(func() { in.Close() })
	return in
}

// next is the next line of the access log.
func (p *proxy) next() entry {
	p.t.Helper()
	select {
	case e, ok := <-p.entries:
		if !ok {
			p.t.Fatalf("the access log is over; stderr:\n%s", p.stderr)
		}
		return e
	case <-time.After(patience):
		p.t.Fatalf("no line in the access log; stderr:\n%s", p.stderr)
	}
	return entry{}
}

// ends checks the reason of the next line of the access log and returns the line.
func (p *proxy) ends(reason string) entry {
	p.t.Helper()
	e := p.next()
	if e.Reason != reason {
		p.t.Fatalf("the connection ended as %+v, want reason %q", e, reason)
	}
	return e
}

// reasons counts the next n lines by reason.
func (p *proxy) reasons(n int) map[string]int {
	p.t.Helper()
	counts := map[string]int{}
	for range n {
		counts[p.next().Reason]++
	}
	return counts
}

// signal sends s to the proxy.
func (p *proxy) signal(s syscall.Signal) { assert.NoError(p.t, p.cmd.Process.Signal(s)) }

// over reports whether the proxy has ended.
func (p *proxy) over() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

// exits waits for the proxy's end and checks its status.
func (p *proxy) exits(status int) {
	p.t.Helper()
	select {
	case <-p.ended:
	case <-time.After(patience):
		p.t.Fatalf("the proxy still runs; stderr:\n%s", p.stderr)
	}
	if got := p.cmd.ProcessState.ExitCode(); got != status {
		p.t.Fatalf("exit status %d (%v), want %d; stderr:\n%s", got, p.cmd.ProcessState, status, p.stderr)
	}
}

// close ends the proxy fast, and looks for what must never be in its log.
func (p *proxy) close() {
	if !p.over() {
		_ = p.cmd.Process.Signal(syscall.SIGINT)
	}
	select {
	case <-p.ended:
	case <-time.After(patience):
		p.t.Errorf("the proxy did not end on SIGINT")
		_ = p.cmd.Process.Kill()
		<-p.ended
	}
	for _, bad := range []string{"DATA RACE", "panic", "fatal error", "a fault in the proxy"} {
		if p.stderr.has(bad) {
			p.t.Errorf("the proxy's log has %q in it:\n%s", bad, p.stderr)
		}
	}
}

// text collects what a process writes.
type text struct {
	mu  sync.Mutex
	all strings.Builder
}

func (s *text) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all.Write(b)
}

func (s *text) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all.String()
}

func (s *text) has(part string) bool { return strings.Contains(s.String(), part) }

// count is the number of times that part was written.
func (s *text) count(part string) int { return strings.Count(s.String(), part) }

// Ports come from below the range out of which the kernel serves outgoing connections, so that none of the many that
// run meanwhile takes one between the look here and the bind of the child.
const firstPort, ports = 12000, 18000

var nextPort atomic.Uint32

func init() { nextPort.Store(rand.Uint32N(ports)) }

// freePort finds a port that is free on every address.
func freePort(t testing.TB) int {
	t.Helper()
	for range ports {
		port := firstPort + int(nextPort.Add(1)%ports)
		if bindable(":"+strconv.Itoa(port)) && bindable(loopback(port)) {
			return port
		}
	}
	t.Fatal("no free port")
	return 0
}

func bindable(address string) bool {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return false
	}
	return l.Close() == nil
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
