package e2e

// Who gets a connection, and who gets it instead.

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"sluice/internal/assert"
)

// balanced is one listener in front of an upstream that the test writes.
const balanced = `
listeners: {front: {bind: "127.0.0.1:PORT1", protocol: tcp, upstream: back}}
upstreams: {back: {%s, timeouts: {connect: 300ms}}}
runtime: {loops: %d}
`

// servers starts a greeter for each name and lists them as configurations do, each with the keys behind its name:
// "a weight: 2". The name "none" is a server that refuses, "deaf" one that does not answer.
func servers(t testing.TB, names ...string) string {
	t.Helper()
	var list []string
	for _, words := range names {
		name, keys, _ := strings.Cut(words, " ")
		var address string
		switch name {
		case "none":
			address = nobody(t)
		case "deaf":
			address = deaf(t)
		default:
			address = greeter(t, name).address()
		}
		if keys != "" {
			keys = ", " + keys
		}
		list = append(list, fmt.Sprintf(`{address: "%s"%s}`, address, keys))
	}
	return "servers: [" + strings.Join(list, ", ") + "]"
}

// spread connects n times, one after the other, and counts who answered.
func spread(t testing.TB, p *proxy, n int) map[string]int {
	t.Helper()
	counts := map[string]int{}
	for range n {
		counts[asks(t, p.addr(1))]++
	}
	return counts
}

// holds connects n times, keeps the connections, and counts who answered.
func holds(t testing.TB, p *proxy, n int) map[string]int {
	t.Helper()
	counts := map[string]int{}
	for range n {
		_, name := greeted(t, p.addr(1))
		counts[name]++
	}
	return counts
}

func TestBalanceRoundRobinGoesByWeight(t *testing.T) {
	t.Parallel()
	p := run(t, balanced, "balance: round_robin, "+servers(t, "a", "b weight: 2", "c weight: 3"), 1)
	assert.Equal(t, spread(t, p, 60), map[string]int{"a": 10, "b": 20, "c": 30})
}

func TestBalanceRoundRobinIsSmooth(t *testing.T) {
	t.Parallel()
	p := run(t, balanced, "balance: round_robin, "+servers(t, "a", "b"), 1)
	before := ""
	for range 10 {
		name := asks(t, p.addr(1))
		if name == before {
			t.Fatalf("%s twice in a row", name)
		}
		before = name
	}
}

func TestBalanceLeastConnEvensOut(t *testing.T) {
	t.Parallel()
	p := run(t, balanced, "balance: least_conn, "+servers(t, "a", "b", "c weight: 2"), 1)
	assert.Equal(t, holds(t, p, 12), map[string]int{"a": 3, "b": 3, "c": 6})
}

// p2c is exact about nothing, but open connections never pile up at one server.
func TestBalanceP2CIsTheDefaultAndEvensOut(t *testing.T) {
	t.Parallel()
	p := run(t, balanced, servers(t, "a", "b", "c"), 2)
	for name, n := range holds(t, p, 60) {
		if n < 14 || n > 26 {
			t.Errorf("%s has %d of 60 connections", name, n)
		}
	}
}

func TestBalanceRandomGoesByWeight(t *testing.T) {
	t.Parallel()
	p := run(t, balanced, "balance: random, "+servers(t, "a", "b weight: 3"), 2)
	// A fair draw leaves these bounds less than once in a million runs.
	if counts := spread(t, p, 200); counts["a"] < 20 || counts["a"] > 85 || counts["a"]+counts["b"] != 200 {
		t.Errorf("%v", counts)
	}
}

// first fills a server to its limit, then the next.
func TestBalanceFirstFillsInOrder(t *testing.T) {
	t.Parallel()
	p := run(t, balanced, "balance: first, "+servers(t, "a max_connections: 2", "b max_connections: 3", "c"), 2)
	var order string
	var held []*end
	for range 7 {
		e, name := greeted(t, p.addr(1))
		held, order = append(held, e), order+name
	}
	assert.Equal(t, order, "aabbbcc")
	held[1].resets()
	p.ends("client_reset")
	assert.Equal(t, asks(t, p.addr(1)), "a")
}

// A client stays at its server, whichever loop it lands on, and all servers have clients.
func TestBalanceHashesByClient(t *testing.T) {
	t.Parallel()
	for _, policy := range []string{"hash", "maglev"} {
		t.Run(policy, func(t *testing.T) {
			t.Parallel()
			p := run(t, balanced, "balance: "+policy+", hash_on: client_ip, "+servers(t, "a", "b", "c"), 2)
			counts := map[string]int{}
			for n := range 40 {
				ip := fmt.Sprintf("127.0.1.%d", n+1)
				home := dialFrom(t, ip, p.addr(1)).hearsLine()
				for range 3 {
					assert.Equal(t, dialFrom(t, ip, p.addr(1)).hearsLine(), home)
				}
				counts[home]++
			}
			assert.Equal(t, len(counts), 3)
		})
	}
}

func TestBalanceHashesBySNI(t *testing.T) {
	t.Parallel()
	for _, policy := range []string{"hash", "maglev"} {
		t.Run(policy, func(t *testing.T) {
			t.Parallel()
			p := run(t, `
listeners: {front: {bind: "127.0.0.1:PORT1", protocol: tcp}}
routes: {sni: "*", upstream: back}
upstreams: {back: {balance: %s, hash_on: sni, %s}}
runtime: {loops: 2}
`, policy, servers(t, "a", "b", "c"))
			homes := map[string]int{}
			for n := range 30 {
				hello := string(helloBytes(&tls.Config{ServerName: fmt.Sprintf("site%d.example.com", n)}))
				home := ""
				for range 3 {
					e := p.dial(1)
					e.says(hello)
					name := e.hearsLine()
					if home != "" && home != name {
						t.Fatalf("site %d went to %s, then to %s", n, home, name)
					}
					home = name
				}
				homes[home]++
			}
			assert.Equal(t, len(homes), 3)
		})
	}
}

// Whatever the policy, a server that refuses or does not answer costs the client nothing but time.
func TestBalanceFailsOver(t *testing.T) {
	t.Parallel()
	for _, policy := range []string{"round_robin", "least_conn", "p2c", "random", "first", "hash", "maglev"} {
		for _, broken := range []string{"none", "deaf"} {
			t.Run(policy+" "+broken, func(t *testing.T) {
				t.Parallel()
				p := run(t, balanced, "eject: off, balance: "+policy+", "+servers(t, broken, "works"), 1)
				again := 0
				for n := range 8 {
					client := dialFrom(t, fmt.Sprintf("127.0.2.%d", n+1), p.addr(1))
					assert.Equal(t, client.hearsLine(), "works")
					client.resets()
					line := p.ends("client_reset")
					again += line.Attempts - 1
					if broken == "deaf" && line.Attempts == 2 && line.Connect < 300 {
						t.Errorf("gave up after %v ms, the limit is 300", line.Connect)
					}
				}
				if policy == "first" {
					assert.Equal(t, again, 8)
				}
			})
		}
	}
}

// A backup is chosen while no other server can be reached, and only then.
func TestBalanceBackup(t *testing.T) {
	t.Parallel()
	t.Run("primaries refuse", func(t *testing.T) {
		t.Parallel()
		p := run(t, balanced, "balance: round_robin, "+servers(t, "none", "spare backup: true", "none"), 2)
		assert.Equal(t, spread(t, p, 5), map[string]int{"spare": 5})
		assert.Equal(t, p.ends("client_end").Attempts, 3)
	})
	t.Run("one primary works", func(t *testing.T) {
		t.Parallel()
		p := run(t, balanced, "balance: round_robin, "+servers(t, "none", "works", "spare backup: true"), 2)
		assert.Equal(t, spread(t, p, 10), map[string]int{"works": 10})
	})
	t.Run("primaries are full", func(t *testing.T) {
		t.Parallel()
		p := run(t, balanced, servers(t, "small max_connections: 2", "spare backup: true"), 2)
		assert.Equal(t, holds(t, p, 5), map[string]int{"small": 2, "spare": 3})
	})
}

// max_connections of a server is exact, whatever the loops do at the same moment, and a place is used again.
func TestBalanceServerLimitIsExact(t *testing.T) {
	t.Parallel()
	for _, policy := range []string{"round_robin", "least_conn", "p2c", "random", "first", "hash", "maglev"} {
		t.Run(policy, func(t *testing.T) {
			t.Parallel()
			p := run(t, balanced, "balance: "+policy+", "+servers(t, "a max_connections: 5", "b max_connections: 7"), 2)
			held, counts := rush(t, p, 40)
			assert.Equal(t, counts, map[string]int{"a": 5, "b": 7, "": 28})
			assert.Equal(t, p.reasons(28), map[string]int{"upstream_full": 28})
			for _, e := range held[:3] {
				e.resets()
			}
			assert.Equal(t, p.reasons(3), map[string]int{"client_reset": 3})
			_, counts = rush(t, p, 10)
			assert.Equal(t, counts["a"]+counts["b"], 3)
		})
	}
}

// rush connects n times at once; it returns the connections that were served and counts the servers.
func rush(t testing.TB, p *proxy, n int) (held []*end, counts map[string]int) {
	t.Helper()
	var all sync.WaitGroup
	var mu sync.Mutex
	counts = map[string]int{}
	for range n {
		all.Go(func() {
			c, err := connect(net.Dialer{}, "tcp", p.addr(1))
			if err != nil {
				t.Error(err)
				return
			}
			t.Cleanup(func() { c.Close() })
			if err = c.SetDeadline(time.Now().Add(patience)); err != nil {
				t.Error(err)
			}
			e := &end{t, c}
			name, _ := readLine(e)
			mu.Lock()
			defer mu.Unlock()
			counts[name]++
			if name != "" {
				held = append(held, e)
			}
		})
	}
	all.Wait()
	return held, counts
}

// Without a server that works the client is reset, and the log says what the last one did.
func TestBalanceNobodyWorks(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name, reason string
		attempts     int
		broken       []string
	}{
		{"all refuse", "connect_refused", 2, []string{"none", "none"}},
		{"no answer", "connect_timeout", 1, []string{"deaf"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			p := run(t, balanced, servers(t, row.broken...), 2)
			p.dial(1).hearsReset()
			line := p.ends(row.reason)
			assert.Equal(t, line.Attempts, row.attempts)
			assert.Equal(t, line.Side, "back")
		})
	}
}

// A path without a socket and a socket nobody accepts on are failures like any other.
func TestBalanceUnixServersFailOver(t *testing.T) {
	t.Parallel()
	p := run(t, `
listeners: {front: {bind: "127.0.0.1:PORT1", protocol: tcp, upstream: back}}
upstreams: {back: {balance: first, servers: ["unix:nowhere.sock", "%s"]}}
`, greeter(t, "works").address())
	assert.Equal(t, asks(t, p.addr(1)), "works")
	assert.Equal(t, p.ends("client_end").Attempts, 2)
}

// A rack of dead servers does not hide the backup behind them.
func TestBalanceManyRefusalsBeforeTheBackup(t *testing.T) {
	t.Parallel()
	names := append(slices.Repeat([]string{"none"}, 20), "spare backup: true")
	for _, policy := range []string{"p2c", "round_robin", "first"} {
		t.Run(policy, func(t *testing.T) {
			t.Parallel()
			p := run(t, balanced, "balance: "+policy+", "+servers(t, names...), 2)
			assert.Equal(t, spread(t, p, 10), map[string]int{"spare": 10})
			if line := p.ends("client_end"); line.Attempts < 10 {
				t.Errorf("served at attempt %d, so this test shows nothing", line.Attempts)
			}
		})
	}
}

// Where a server of this machine is down and its port is one the kernel gives to outgoing connections too, a dial may
// be given that very port and meet itself. Here it is the only port there is, so that each dial would; a unix socket
// leads into the network namespace where that is so.
func TestBalanceNobodyMeetsHimself(t *testing.T) {
	t.Parallel()
	const alone = `ip link set lo up && echo 40000 40000 > /proc/sys/net/ipv4/ip_local_port_range`
	for _, name := range []string{"unshare", "ip"} {
		tool(t, name)
	}
	if out, err := exec.Command("unshare", "-n", "sh", "-c", alone).CombinedOutput(); err != nil {
		t.Skipf("this machine lets nobody make a network of his own: %v %s", err, out)
	}
	p := command{
		shell: `exec unshare -n sh -c '` + alone + ` && exec "$0" "$@"' "$0" "$@"; true`,
		config: `
listeners: {front: {bind: "unix:front.sock", protocol: tcp, upstream: back}}
upstreams: {back: {servers: "127.0.0.1:40000"}}
runtime: {loops: 2}
`}.run(t)
	for range 20 {
		client := dial(t, "unix", filepath.Join(p.dir, "front.sock"))
		_, _ = client.Write([]byte("echo")) // the proxy may have hung up
		if heard, _ := io.ReadAll(client); len(heard) > 0 {
			t.Fatalf("the client hears itself: %q", heard)
		}
		p.ends("connect_refused")
	}
}
