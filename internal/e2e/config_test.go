package e2e

// What is wrong with a configuration is said before anything runs: where, what, and what to do.

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sluice/internal/assert"
)

// broken has one of each kind of mistake.
const broken = `listeners:
  front:
    bind: "127.0.0.1:PORT1"
    protcol: tcp
    protocol: tcp
    timeouts: {hello: 5}
    upstream: bakc
upstreams:
  back: {servers: ["127.0.0.1"], balance: roundrobin}
  spare: {servers: ["127.0.0.1:1"], max_conections: 5}
runtime: {memory: 64Mb}
cache: {}
`

// All mistakes come at once, each with its place, its line and a hint, from check and from run alike; nothing starts.
func TestConfigErrorsAllAtOnce(t *testing.T) {
	t.Parallel()
	for _, verb := range []string{"check", "run"} {
		t.Run(verb, func(t *testing.T) {
			t.Parallel()
			p := command{args: []string{verb, "-c", "sluice.yaml"}, config: broken}.start(t)
			p.exits(1)
			assert.Equal(t, len(p.entries), 0)
			for _, want := range []string{
				"sluice.yaml:4:5: unknown key \"protcol\"\n    4 |     protcol: tcp\n      |     ^\n  hint: did you mean \"protocol\"?\n",
				"sluice.yaml:6:23: ",
				"    6 |     timeouts: {hello: 5}\n      |                       ^\n",
				"sluice.yaml:9:20: \"127.0.0.1\" is not an address\n",
				"sluice.yaml:9:43: ",
				"sluice.yaml:10:37: unknown key \"max_conections\"\n",
				"sluice.yaml:11:19: ",
				"sluice.yaml:12:1: unknown key \"cache\"\n   12 | cache: {}\n",
			} {
				p.saysOnStderr(want)
			}
			assert.Equal(t, p.stderr.count("msg=listening"), 0)
		})
	}
}

// saysOnStderr waits for text on stderr, with PORT words filled in.
func (p *proxy) saysOnStderr(want string) {
	p.t.Helper()
	want = p.fill(want)
	for deadline := time.Now().Add(patience); !p.stderr.has(want); time.Sleep(time.Millisecond) {
		if p.over() && !p.stderr.has(want) || time.Now().After(deadline) {
			p.t.Errorf("stderr says\n%s\nwant in it\n%s", p.stderr, want)
			return
		}
	}
}

func TestConfigNamesAreLookedUpAtStart(t *testing.T) {
	t.Parallel()
	for _, verb := range []string{"check", "run"} {
		t.Run(verb, func(t *testing.T) {
			t.Parallel()
			p := command{args: []string{verb, "-c", "sluice.yaml"}, config: `
listeners: {front: {bind: "127.0.0.1:PORT1", protocol: tcp, upstream: back}}
upstreams:
  back: {servers: ["nowhere.invalid:80", "127.0.0.1:1", "neither.invalid:80"]}
`}.start(t)
			p.exits(1)
			p.saysOnStderr("sluice.yaml:4:20: the name nowhere.invalid does not resolve")
			p.saysOnStderr("sluice.yaml:4:57: the name neither.invalid does not resolve")
			p.saysOnStderr("hint: check the spelling")
		})
	}
}

func TestConfigFilesAreReadAtStart(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	for _, row := range []struct{ name, path, want string }{
		{"missing", "nowhere.txt", "no such file or directory"},
		{"a folder", folder, "is not a regular file"},
		{"not addresses", writeFile(t, filepath.Join(folder, "bad.txt"), "10.0.0.1\n10.0.0.300\n"), "bad.txt:2"},
	} {
		for _, verb := range []string{"check", "run"} {
			t.Run(verb+" "+row.name, func(t *testing.T) {
				t.Parallel()
				p := command{args: []string{verb, "-c", "sluice.yaml"}, config: fmt.Sprintf(`
listeners: {front: {bind: "127.0.0.1:PORT1", protocol: tcp}}
routes: {upstream: back, client_ip: {deny_file: %q}}
upstreams: {back: {servers: "127.0.0.1:1"}}
`, row.path)}.start(t)
				p.exits(1)
				p.saysOnStderr(row.want)
			})
		}
	}
}

// A configuration that is not there, or is a folder, is named.
func TestConfigFileItself(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"nowhere.yaml", "."} {
		for _, verb := range []string{"check", "run"} {
			p := command{args: []string{verb, "-c", path}}.start(t)
			p.exits(1)
			p.saysOnStderr(path + ": ")
		}
	}
}

// Variables of the environment stand for values; one that is not set is an error with its place.
func TestConfigVariables(t *testing.T) {
	t.Parallel()
	const config = `
listeners: {front: {bind: "127.0.0.1:PORT1", protocol: tcp, upstream: back}}
upstreams: {back: {servers: "%s"}}
`
	o := greeter(t, "one")
	p := command{shell: "export E2E_SERVER=" + o.address(), config: fmt.Sprintf(config, "${E2E_SERVER}")}.run(t)
	p.dial(1).hears("one\n")
	p = command{config: fmt.Sprintf(config, "${E2E_NOT_SET:-"+o.address()+"}")}.run(t)
	p.dial(1).hears("one\n")
	p = command{config: fmt.Sprintf(config, "${E2E_NOT_SET}")}.start(t)
	p.exits(1)
	p.saysOnStderr("sluice.yaml:3:")
	p.saysOnStderr("E2E_NOT_SET")
}

// JSON is the same language.
func TestConfigJSON(t *testing.T) {
	t.Parallel()
	p := run(t, `{"listeners": {"front": {"bind": "127.0.0.1:PORT1", "protocol": "tcp", "upstream": "back"}},
		"upstreams": {"back": {"servers": ["%s"]}}}`, greeter(t, "one").address())
	p.dial(1).hears("one\n")
}

// An address that somebody has is an error: another program, another sluice that would share it, a live unix socket.
// check does not mind: it is asked while the proxy runs.
func TestConfigAddressInUse(t *testing.T) {
	t.Parallel()
	first := run(t, `
listeners: {front: {bind: ["127.0.0.1:PORT1", ":PORT2", "unix:front.sock"], protocol: tcp, upstream: back}}
upstreams: {back: {servers: "127.0.0.1:1"}}
runtime: {loops: 2}
`)
	foreign := station(t).address()
	socket := filepath.Join(first.dir, "front.sock")
	for _, row := range []struct{ name, bind, want string }{
		{"another program", foreign, "address " + foreign + " is in use"},
		{"another sluice", first.addr(1), "address " + first.addr(1) + " is in use"},
		{"another sluice on every address", first.addr(2), "address " + first.addr(2) + " is in use"},
		{"every address, one is taken", fmt.Sprintf(":%d", first.port(1)), "is in use"},
		{"a unix socket", "unix:" + socket, "front.sock is in use"},
	} {
		t.Run(row.name, func(t *testing.T) {
			config := fmt.Sprintf("listeners: {front: {bind: [\"127.0.0.1:PORT1\", %q], protocol: tcp, upstream: back}}\nupstreams: {back: {servers: \"127.0.0.1:1\"}}\n", row.bind)
			p := command{config: config}.start(t)
			p.exits(1)
			p.saysOnStderr("sluice.yaml:1:")
			p.saysOnStderr(row.want)
			p.saysOnStderr("hint: ")
			assert.Equal(t, p.stderr.count("in use"), 1) // the free address is not to blame
			checked := command{args: []string{"check", "-c", "sluice.yaml"}, config: config}.start(t)
			checked.exits(0)
		})
	}
	c, err := net.Dial("unix", socket)
	assert.NoError(t, err) // the second instance has not taken it away
	assert.NoError(t, c.Close())
}

// A file where a unix socket should be is not removed.
func TestConfigFileInTheWay(t *testing.T) {
	t.Parallel()
	path := writeFile(t, filepath.Join(t.TempDir(), "precious"), "words")
	p := command{config: fmt.Sprintf("listeners: {front: {bind: \"unix:%s\", protocol: tcp, upstream: back}}\nupstreams: {back: {servers: \"127.0.0.1:1\"}}\n", path)}.start(t)
	p.exits(1)
	p.saysOnStderr("exists and is not a socket")
	content, err := os.ReadFile(path)
	assert.NoError(t, err)
	assert.Equal(t, string(content), "words")
}

// An address that this machine does not have is explained.
func TestConfigAddressOfAnotherMachine(t *testing.T) {
	t.Parallel()
	p := command{config: "listeners: {front: {bind: \"203.0.113.1:PORT1\", protocol: tcp, upstream: back}}\nupstreams: {back: {servers: \"127.0.0.1:1\"}}\n"}.start(t)
	p.exits(1)
	p.saysOnStderr("sluice.yaml:1:27: this machine has no address 203.0.113.1")
}

// What has no effect is a warning, and no obstacle.
func TestConfigWarnings(t *testing.T) {
	t.Parallel()
	config := strings.ReplaceAll(simple, "upstreams: {", "upstreams: {lonely: {servers: \"127.0.0.1:1\"}, ")
	p := command{args: []string{"check", "-c", "sluice.yaml"}, config: fmt.Sprintf(config, nobody(t))}.start(t)
	p.exits(0)
	p.saysOnStderr("warning: sluice.yaml:3:13: ")
	p.saysOnStderr("lonely")
	run(t, config, nobody(t)).saysOnStderr("warning: ")
}

// Two listeners of one configuration cannot have an address both; which one would get a connection is anybody's guess.
func TestConfigAddressesOverlap(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ name, one, two string }{
		{"the same", "127.0.0.1:PORT1", "127.0.0.1:PORT1"},
		{"every address and one", ":PORT1", "127.0.0.1:PORT1"},
		{"one and every IPv4 address", "127.0.0.1:PORT1", "0.0.0.0:PORT1"},
		{"a path", "unix:front.sock", "unix:front.sock"},
	} {
		for _, verb := range []string{"check", "run"} {
			t.Run(verb+" "+row.name, func(t *testing.T) {
				t.Parallel()
				p := command{args: []string{verb, "-c", "sluice.yaml"}, config: fmt.Sprintf(`
listeners:
  one: {bind: %q, protocol: tcp, upstream: back}
  two: {bind: %q, protocol: tcp, upstream: back}
upstreams: {back: {servers: "127.0.0.1:1"}}
`, row.one, row.two)}.start(t)
				p.exits(1)
				p.saysOnStderr("sluice.yaml:4:15: ")
				p.saysOnStderr(strings.TrimPrefix(row.two, "unix:"))
				assert.Equal(t, p.stderr.count("msg=listening"), 0)
			})
		}
	}
}
