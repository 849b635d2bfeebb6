package e2e

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"sluice/internal/assert"
)

// One listener has addresses of every kind; each of them is served.
func TestListenersBindSeveralAddresses(t *testing.T) {
	needsIPv6(t)
	t.Parallel()
	p := run(t, `
listeners:
  front: {bind: ["127.0.0.1:PORT1", "[::1]:PORT1", "127.0.0.1:PORT2", "unix:front.sock"], protocol: tcp, upstream: back}
  second: {bind: ":PORT3", protocol: tcp, upstream: back}
upstreams: {back: {servers: "%s"}}
runtime: {loops: 2}
`, greeter(t, "one").address())
	socket := filepath.Join(p.dir, "front.sock")
	for _, c := range []struct{ network, address, listener string }{
		{"tcp", p.addr(1), "front"},
		{"tcp", fmt.Sprintf("[::1]:%d", p.port(1)), "front"},
		{"tcp", p.addr(2), "front"},
		{"unix", socket, "front"},
		{"unix", socket, "front"}, // from the other loop
		{"tcp", p.addr(3), "second"},
		{"tcp", fmt.Sprintf("[::1]:%d", p.port(3)), "second"},
	} {
		client := dial(t, c.network, c.address)
		client.hears("one\n")
		client.says("again")
		client.hears("again")
		client.fin()
		client.hearsEnd()
		line := p.ends("client_end")
		assert.Equal(t, line.Listener, c.listener)
		want := client.local()
		if c.network == "unix" {
			want = "unix"
		}
		assert.Equal(t, line.Client, want)
	}
	p.signal(syscall.SIGTERM)
	p.exits(0)
	_, err := os.Stat(socket)
	assert.Equal(t, os.IsNotExist(err), true)
}

// Servers are given by IP address of either family, by name and by path.
func TestListenersReachServersOfEveryKind(t *testing.T) {
	needsIPv6(t)
	t.Parallel()
	path := filepath.Join(t.TempDir(), "server.sock")
	v4, v6 := greeter(t, "v4"), stationAt(t, "tcp", "[::1]:0").serves(greets("v6"))
	stationAt(t, "unix", path).serves(greets("unix"))
	_, port, err := net.SplitHostPort(v4.address())
	assert.NoError(t, err)
	for _, c := range []struct{ server, name, logged string }{
		{v4.address(), "v4", v4.address()},
		{v6.address(), "v6", v6.address()},
		{"unix:" + path, "unix", "unix:" + path},
		{"localhost:" + port, "v4", "localhost:" + port + " (127.0.0.1)"},
	} {
		t.Run(c.server, func(t *testing.T) {
			p := run(t, simple, c.server)
			assert.Equal(t, asks(t, p.addr(1)), c.name)
			assert.Equal(t, p.ends("client_end").Server, c.logged)
		})
	}
}

// A socket file that a killed process left behind is no obstacle.
func TestListenersTakeOverDeadSocketFiles(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "left.sock")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	assert.NoError(t, err)
	l.SetUnlinkOnClose(false)
	assert.NoError(t, l.Close())
	run(t, `
listeners: {front: {bind: "unix:%s", protocol: tcp, upstream: back}}
upstreams: {back: {servers: "%s"}}
`, path, greeter(t, "one").address())
	dial(t, "unix", path).hears("one\n")
}

// Two loops have a socket each, and connections that land on either are served.
func TestListenersShareLoadOverLoops(t *testing.T) {
	t.Parallel()
	p := run(t, simple, greeter(t, "one").address())
	assert.Equal(t, listening(t, p.port(1)), 2)
	const clients = 200
	var all sync.WaitGroup
	for range clients {
		all.Go(func() {
			c, err := net.Dial("tcp", p.addr(1))
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			if name, err := readLine(c); name != "one" {
				t.Errorf("heard %q and %v", name, err)
			}
		})
	}
	all.Wait()
	counts := p.reasons(clients)
	assert.Equal(t, counts["client_end"]+counts["client_reset"], clients)
}

// Accepted connections are probed by keepalive, which they inherit from the listener.
func TestListenersKeepAlive(t *testing.T) {
	t.Parallel()
	o := station(t)
	p := run(t, simple, o.address())
	client, server := p.dial(1), o.accept()
	client.says("x")
	server.hears("x")
	const established, keepalive = "01", "02"
	assert.Eventually(t, func() bool {
		for _, fields := range tcpTable(t, p.port(1)) {
			if fields[3] == established && strings.HasPrefix(fields[5], keepalive+":") {
				return true
			}
		}
		return false
	})
}

// listening counts the kernel's listening IPv4 sockets on a port.
func listening(t testing.TB, port int) (n int) {
	t.Helper()
	for _, fields := range tcpTable(t, port) {
		if fields[3] == "0A" {
			n++
		}
	}
	return n
}

// tcpTable is the kernel's IPv4 sockets with this local port: the fields are described in proc(5).
func tcpTable(t testing.TB, port int) (found [][]string) {
	t.Helper()
	table, err := os.ReadFile("/proc/net/tcp")
	assert.NoError(t, err)
	for _, line := range lines(string(table)) {
		fields := strings.Fields(line)
		if len(fields) > 5 && strings.HasSuffix(fields[1], fmt.Sprintf(":%04X", port)) {
			found = append(found, fields)
		}
	}
	return found
}

// Where servers speak first nobody waits for the client, not even beside listeners that read hellos.
func TestListenersLetServersSpeakFirst(t *testing.T) {
	t.Parallel()
	p := run(t, `
listeners:
  mail: {bind: "127.0.0.1:PORT1", protocol: tcp, upstream: back}
  edge: {bind: "127.0.0.1:PORT2", protocol: tcp}
routes: {listeners: edge, sni: a.example.com, upstream: back}
upstreams: {back: {servers: "%s"}}
`, greeter(t, "220 ready").address())
	client := p.dial(1)
	client.hears("220 ready\n")
	client.fin()
	client.hearsEnd()
	assert.Equal(t, p.ends("client_end").Hello, 0.0)
}
