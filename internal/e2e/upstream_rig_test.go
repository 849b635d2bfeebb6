package e2e

// What the tests of upstreams share: origins that are processes of their own, so that they can be stopped and killed like
// real ones; a throng that asks without pause; and the admin API as an operator uses it.
//
//	a := process(t, "a")                        // answers with its name
//	p := run(t, watched, a.address, b.address)  // with an admin address on PORT2
//	a.hangs(); p.turns(a.address, "down"); a.wakes()

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"sluice/internal/assert"
)

// originEnv has this test binary be an origin instead: "name@address".
const originEnv = "SLUICE_E2E_ORIGIN"

// An origin process closes its port on shut and opens it again on reopen.
const shut, reopen = syscall.SIGUSR1, syscall.SIGUSR2

func init() {
	if name, address, ok := strings.Cut(os.Getenv(originEnv), "@"); ok {
		fmt.Fprintln(os.Stderr, serveAs(name, address))
		os.Exit(1)
	}
}

// serveAs is the life of an origin process: every path answers with its name.
func serveAs(name, address string) error {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, shut, reopen)
	for {
		l, err := net.Listen("tcp", address)
		if err != nil {
			return err
		}
		server := &http.Server{Handler: names(name)}
		go func() { _ = server.Serve(l) }()
		fmt.Println("serving")
		<-signals
		_ = server.Close()
		fmt.Println("shut")
		<-signals
	}
}

// child is an origin process, or the place where it was and will be.
type child struct {
	t             testing.TB
	name, address string
	cmd           *exec.Cmd
	said          *text
	ended         chan struct{}
}

// process starts an origin process on a port of its own. The test's end ends it.
func process(t testing.TB, name string) *child {
	t.Helper()
	c := &child{t: t, name: name, address: nobody(t)}
	c.starts()
	t.Cleanup(c.dies)
	return c
}

// starts starts it, for the first time or again, and waits until it serves.
func (c *child) starts() {
	c.t.Helper()
	c.cmd, c.said, c.ended = exec.Command(os.Args[0]), &text{}, make(chan struct{})
	c.cmd.Env = append(environment(), originEnv+"="+c.name+"@"+c.address)
	c.cmd.Stdout, c.cmd.Stderr = c.said, c.said
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	startHere(c.t, c.cmd)
	cmd, ended := c.cmd, c.ended
	go func() {
		_ = cmd.Wait()
		close(ended)
	}()
	c.says("serving", 1)
}

// says waits until the process has said a word for the nth time.
func (c *child) says(word string, n int) {
	c.t.Helper()
	assert.Eventually(c.t, func() bool { return c.said.count(word) >= n })
}

// dies is kill -9.
func (c *child) dies() {
	_ = c.cmd.Process.Kill()
	<-c.ended
}

// hangs has it stop as it stands: the kernel still takes connections for it. wakes ends that.
func (c *child) hangs() {
	c.t.Helper()
	c.signal(syscall.SIGSTOP)
	assert.Eventually(c.t, c.isStopped)
}

func (c *child) wakes() { c.signal(syscall.SIGCONT) }

// isStopped reports whether every thread has heard the signal.
func (c *child) isStopped() bool {
	stats, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", c.cmd.Process.Pid))
	assert.NoError(c.t, err)
	for _, path := range stats {
		stat, err := os.ReadFile(path)
		if _, after, _ := bytes.Cut(stat, []byte(") ")); err != nil || !bytes.HasPrefix(after, []byte("T ")) {
			return false
		}
	}
	return len(stats) > 0
}

// refuses has it close its port in good order; opens ends that.
func (c *child) refuses() {
	c.t.Helper()
	before := c.said.count("shut")
	c.signal(shut)
	c.says("shut", before+1)
}

func (c *child) opens() {
	c.t.Helper()
	before := c.said.count("serving")
	c.signal(reopen)
	c.says("serving", before+1)
}

func (c *child) signal(s syscall.Signal) {
	c.t.Helper()
	assert.NoError(c.t, c.cmd.Process.Signal(s))
}

// throng is clients who ask without pause, each on one connection that is kept.
type throng struct {
	t        testing.TB
	p        *proxy
	stop     atomic.Bool
	answered atomic.Int64
	cut      atomic.Int64 // answers that had begun and did not end
	all      sync.WaitGroup
	mu       sync.Mutex
	failed   []string
	took     []moment
}

// moment is one answer: when it was asked for, and how long it took.
type moment struct {
	at   time.Time
	took time.Duration
}

// throng sends n clients to port 1.
func (p *proxy) throng(n int, path string) *throng {
	c := &throng{t: p.t, p: p}
	for range n {
		b := p.browser()
		c.all.Go(func() {
			var took []moment
			for !c.stop.Load() {
				began := time.Now()
				c.judges(b.does("GET", path, nil))
				took = append(took, moment{began, time.Since(began)})
			}
			c.mu.Lock()
			defer c.mu.Unlock()
			c.took = append(c.took, took...)
		})
	}
	p.t.Cleanup(func() { c.stop.Store(true) })
	return c
}

func (c *throng) judges(a answer, err error) {
	switch {
	case err == nil && a.StatusCode == http.StatusOK:
		c.answered.Add(1)
	case err != nil && a.Response != nil && a.StatusCode == http.StatusOK:
		c.cut.Add(1)
	default:
		c.mu.Lock()
		defer c.mu.Unlock()
		status := 0
		if a.Response != nil {
			status = a.StatusCode
		}
		c.failed = append(c.failed, fmt.Sprintf("%s: status %d, error %v, %s", time.Now().Format("15:04:05.000"), status, err, a.body))
	}
}

// goesOn waits for n more answers.
func (c *throng) goesOn(n int64) {
	c.t.Helper()
	until := c.answered.Load() + n
	c.p.waits(func() bool { return c.answered.Load() >= until })
}

// leaves ends the throng, of whom nobody may have been disappointed.
func (c *throng) leaves() {
	c.t.Helper()
	c.stop.Store(true)
	c.all.Wait()
	const shown = 10
	if n := len(c.failed); n > 0 {
		c.t.Errorf("%d requests failed beside %d that were answered:\n%s", n, c.answered.Load(), strings.Join(c.failed[:min(n, shown)], "\n"))
	}
}

// server is what the API tells of a server, as far as tests look at it.
type server struct {
	Name, State, Cause  string
	Weight, Idle, Picks int
	InUse               int `json:"in_use"`
	Failures, Ejections int
	SlowStart           int `json:"slow_start_permille"`
	Check               struct{ At, State, Detail string }
}

// upstream is what it tells of an upstream.
type upstream struct {
	Name           string
	Panic          bool
	InUse          int `json:"in_use"`
	Waiting        int
	Retries        int
	RetriesRefused int `json:"retries_refused"`
	QueueFull      int `json:"queue_full"`
	QueueTimeouts  int `json:"queue_timeouts"`
	Servers        []server
}

// admin sends a request to the admin address, which is on port 2, and returns the answer's text.
func (p *proxy) admin(method, path, body string) string {
	p.t.Helper()
	return p.adminOn(2, method, path, body)
}

// adminOn is admin where the address is on another port.
func (p *proxy) adminOn(port int, method, path, body string) string {
	p.t.Helper()
	r, err := http.NewRequest(method, "http://"+p.addr(port)+path, strings.NewReader(body))
	assert.NoError(p.t, err)
	response, err := (&http.Client{Timeout: patience}).Do(r)
	assert.NoError(p.t, err)
	defer response.Body.Close()
	all, err := io.ReadAll(response.Body)
	assert.NoError(p.t, err)
	if response.StatusCode != http.StatusOK {
		p.t.Fatalf("%s %s: %d\n%s", method, path, response.StatusCode, all)
	}
	return string(all)
}

// upstream is the only upstream, as it is now.
func (p *proxy) upstream() upstream {
	p.t.Helper()
	var got struct{ Upstreams []upstream }
	assert.NoError(p.t, json.NewDecoder(bytes.NewBufferString(p.admin("GET", "/api/upstreams", ""))).Decode(&got))
	assert.Equal(p.t, len(got.Upstreams), 1)
	return got.Upstreams[0]
}

// server is one of its servers.
func (p *proxy) server(name string) server {
	p.t.Helper()
	for _, s := range p.upstream().Servers {
		if s.Name == name {
			return s
		}
	}
	p.t.Fatalf("there is no server %s", name)
	return server{}
}

// tells sends a command about a server of the upstream "back" and returns what the server is now.
func (p *proxy) tells(name, command, body string) (s server) {
	p.t.Helper()
	answer := p.admin("POST", "/api/upstreams/back/servers/"+url.PathEscape(name)+"/"+command, body)
	assert.NoError(p.t, json.Unmarshal([]byte(answer), &s))
	return s
}

// turns waits until a server is in a state.
func (p *proxy) turns(name, state string) {
	p.t.Helper()
	assert.Eventually(p.t, func() bool { return p.server(name).State == state })
}

// metric is the value of one series, written with its labels in order; the test fails without it.
func (p *proxy) metric(series string) string {
	p.t.Helper()
	for _, line := range strings.Split(p.admin("GET", "/metrics", ""), "\n") {
		if value, ok := strings.CutPrefix(line, series+" "); ok {
			return value
		}
	}
	p.t.Fatalf("there is no series %s", series)
	return ""
}

// logged counts the lines of the operator's log that have all of the words.
func (p *proxy) logged(words ...string) (n int) {
	for _, line := range strings.Split(p.stderr.String(), "\n") {
		missing := false
		for _, word := range words {
			missing = missing || !strings.Contains(line, word)
		}
		if !missing {
			n++
		}
	}
	return n
}

// logs waits for a line of the operator's log that has all of the words, for the nth time.
func (p *proxy) logs(n int, words ...string) {
	p.t.Helper()
	assert.Eventually(p.t, func() bool { return p.logged(words...) >= n })
	assert.Equal(p.t, p.logged(words...), n)
}

// asksAtOnce sends n requests from as many clients and waits for all answers.
func (p *proxy) asksAtOnce(n int, method, path string) []answer {
	p.t.Helper()
	answers, errs := make([]answer, n), make([]error, n)
	var all sync.WaitGroup
	for i := range n {
		b := p.browser()
		all.Go(func() { answers[i], errs[i] = b.does(method, path, nil) })
	}
	all.Wait()
	assert.NoError(p.t, errors.Join(errs...))
	return answers
}
