package e2e

// The command line, as the README says.

import (
	"bytes"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"sluice/internal/assert"
)

// sluice runs the binary to its end and returns what it printed and its exit status.
func sluice(t testing.TB, args ...string) (stdout, stderr string, status int) {
	t.Helper()
	path, err := product()
	assert.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), path, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr, cmd.Dir, cmd.Env = &out, &errs, t.TempDir(), environment()
	_ = cmd.Run()
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

func TestVerbsVersion(t *testing.T) {
	t.Parallel()
	out, _, status := sluice(t, "version")
	assert.Equal(t, status, 0)
	assert.Equal(t, strings.HasPrefix(out, "sluice "), true)
	assert.Equal(t, strings.Count(out, "\n"), 1)
}

// Wrong command lines say what is wrong and do not exit with 0; help does.
func TestVerbsMistakes(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		args string
		want string
	}{
		{"", "expected one of"},
		{"serve", "serve"},
		{"run --config x.yaml --bogus", "--bogus"},
		{"proxy --tcp --from :1", "--to"},
		{"proxy --tcp --to 127.0.0.1:1", "--from"},
		{"proxy --from 127.0.0.1:1 --to https://127.0.0.1:2,127.0.0.1:3", "a server without https://"},
		{"proxy --tcp --from 8080 --to 127.0.0.1:2", "--from: \"8080\" is not an address"},
		{"proxy --tcp --from :8080 --to 127.0.0.1", "--to: \"127.0.0.1\" is not an address"},
		{"run", "sluice.yaml"}, // the default, which is not there
		{"reload", "no sluice runs with"},
		{"upgrade", "upgrade"}, // a verb that is not built does not exist
	} {
		t.Run(row.args, func(t *testing.T) {
			out, errs, status := sluice(t, strings.Fields(row.args)...)
			if status == 0 || !strings.Contains(errs, row.want) {
				t.Errorf("status %d, stdout %q, stderr:\n%s\nwant in it: %s", status, out, errs, row.want)
			}
		})
	}
	out, _, status := sluice(t, "--help")
	assert.Equal(t, status, 0)
	for _, verb := range []string{"run", "check", "proxy", "demo", "reload", "status", "version"} {
		assert.Equal(t, strings.Contains(out, verb), true)
	}
}

func TestVerbsCheckCounts(t *testing.T) {
	t.Parallel()
	path := writeFile(t, t.TempDir()+"/ok.yaml", "listeners: {a: {bind: \":1\", protocol: tcp, upstream: u}}\nupstreams: {u: {servers: [\"127.0.0.1:1\"]}}\n")
	out, errs, status := sluice(t, "check", "-c", path)
	assert.Equal(t, status, 0)
	assert.Equal(t, errs, "")
	assert.Equal(t, strings.Contains(out, "1 listener"), true)
}

// proxy needs no file: several servers behind one address, and paths.
func TestVerbsProxy(t *testing.T) {
	t.Parallel()
	one, two := greeter(t, "one"), greeter(t, "two")
	for _, args := range [][]string{
		{"proxy", "--from", "127.0.0.1:PORT1", "--to", one.address() + "," + two.address(), "--tcp"},
		{"proxy", "--tcp", "--from=127.0.0.1:PORT1", "--to=" + one.address(), "--to=" + two.address()},
	} {
		p := command{args: args}.run(t)
		seen := map[string]int{}
		assert.Eventually(t, func() bool {
			seen[asks(t, p.addr(1))]++
			return seen["one"] > 0 && seen["two"] > 0
		})
		assert.Equal(t, len(seen), 2)
		p.ends("client_end")
		p.signal(syscall.SIGTERM)
		p.exits(0)
	}
}

func TestVerbsProxyUnixToUnix(t *testing.T) {
	t.Parallel()
	o := stationAt(t, "unix", t.TempDir()+"/back.sock").serves(greets("one"))
	p := command{args: []string{"proxy", "--tcp", "--from", "unix:front.sock", "--to", o.address()}}.run(t)
	client := dial(t, "unix", p.dir+"/front.sock")
	client.hears("one\n")
	client.fin()
	client.hearsEnd()
	assert.Equal(t, p.ends("client_end").Client, "unix")
}

// Without --tcp it speaks HTTP: one connection's requests go to both servers.
func TestVerbsProxyHTTP(t *testing.T) {
	t.Parallel()
	one, two := site(t, names("one")), site(t, names("two"))
	p := command{args: []string{"proxy", "--from", "127.0.0.1:PORT1", "--to", one.address + "," + two.address}}.run(t)
	client, seen := p.browser(), map[string]int{}
	assert.Eventually(t, func() bool {
		seen[client.gets("/").body]++
		return seen["one"] > 0 && seen["two"] > 0
	})
	assert.Equal(t, len(seen), 2)
	assert.Equal(t, p.ends("done").Method, "GET")
	client.leaves()
	p.signal(syscall.SIGTERM)
	p.exits(0)
}

// demo says what to try; what it says works, and its end is quick whatever is under way.
func TestVerbsDemo(t *testing.T) {
	t.Parallel()
	p := command{args: []string{"demo", "--listen", "127.0.0.1:PORT1"}}.run(t)
	p.saysOnStderr("curl -i http://" + p.addr(1) + "/")
	client, seen := p.browser(), map[string]bool{}
	for range 4 {
		seen[client.gets("/path").body] = true
	}
	assert.Equal(t, len(seen), 2) // the two origins take turns
	for answer := range seen {
		assert.Equal(t, strings.Contains(answer, "/path"), true)
	}
	page := client.gets("/", "Accept", "text/html", "X-Tea", "<green>")
	for _, want := range []string{"</html>", "<th>X-Tea<td>&lt;green&gt;", page.Header.Get("X-Origin") + "</b> answered"} {
		if !strings.Contains(page.body, want) {
			t.Errorf("the page is\n%s\nwant in it %s", page.body, want)
		}
	}
	has(t, client.gets("/headers", "X-Tea", "green").body, "GET /headers HTTP/1.1\n", "X-Tea: green\n", "X-Forwarded-For: 127.0.0.1\n")
	big := p.dial(1)
	big.asksFor("/big")
	_, fields := big.hearsHead()
	assert.Equal(t, slices.Contains(fields, "Content-Length: 268435456"), true)
	big.hears(strings.Repeat("\x00", mebibyte))

	reader := p.dial(1)
	reader.asksFor("/slow")
	assert.Equal(t, strings.TrimSpace(reader.hearsLine()), "HTTP/1.1 200 OK")
	began := time.Now()
	p.signal(syscall.SIGINT)
	p.exits(0)
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("took %v to end, with a drain of 30s to wait for", took)
	}
}

// The demo's address being taken is said in terms of the demo.
func TestVerbsDemoElsewhere(t *testing.T) {
	t.Parallel()
	taken := station(t).address()
	_, errs, status := sluice(t, "demo", "--listen", taken)
	assert.Equal(t, status, 1)
	assert.Equal(t, strings.HasPrefix(errs, "--listen: address "+taken+" is in use\n"), true)
	_, errs, status = sluice(t, "demo", "--listen", "8080")
	assert.Equal(t, status, 1)
	assert.Equal(t, strings.HasPrefix(errs, "--listen: \"8080\" is not an address"), true)
}
