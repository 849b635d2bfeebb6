package e2e

// Who may come in, and how many.

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"sluice/internal/assert"
)

// At max_connections the others wait in the kernel's backlog, and are served when there is room.
func TestLimitsMaxConnections(t *testing.T) {
	t.Parallel()
	p := run(t, `
listeners: {front: {bind: ["127.0.0.1:PORT1", "unix:front.sock"], protocol: tcp, upstream: back, max_connections: 5}}
upstreams: {back: {servers: "%s"}}
runtime: {loops: 2}
`, greeter(t, "one").address())
	var inside, waiting []*end
	for range 5 {
		e := p.dial(1)
		e.hears("one\n")
		inside = append(inside, e)
	}
	for range 6 {
		waiting = append(waiting, p.dial(1))
	}
	waiting = append(waiting, dial(t, "unix", p.dir+"/front.sock"))
	for _, e := range waiting {
		e.hearsNothing(20 * time.Millisecond)
	}
	assert.Eventually(t, func() bool { return p.stderr.has("max_connections is reached") })
	// One goes, one comes, until all have been served.
	for range waiting {
		inside[0].resets()
		e := anyOf(t, waiting)
		inside = append(inside[1:], waiting[e])
		waiting = append(waiting[:e:e], waiting[e+1:]...)
	}
	assert.Equal(t, len(waiting), 0)
}

// anyOf waits until one of the ends hears the greeting and returns which.
func anyOf(t testing.TB, ends []*end) (which int) {
	t.Helper()
	assert.Eventually(t, func() bool {
		for i, e := range ends {
			assert.NoError(t, e.SetReadDeadline(time.Now().Add(time.Millisecond)))
			switch n, err := e.Read(make([]byte, 4)); {
			case n == 4:
				which = i
				assert.NoError(t, e.SetReadDeadline(time.Now().Add(patience)))
				return true
			case !errors.Is(err, os.ErrDeadlineExceeded):
				t.Fatalf("a client that should wait hears %d bytes and %v", n, err)
			}
		}
		return false
	})
	return which
}

// Each client address has its own limit; a place that is left is free again.
func TestLimitsPerIP(t *testing.T) {
	t.Parallel()
	p := run(t, `
listeners: {front: {bind: "127.0.0.1:PORT1", protocol: tcp, upstream: back, max_connections_per_ip: 2}}
upstreams: {back: {servers: "%s"}}
runtime: {loops: 2}
`, greeter(t, "one").address())
	first := dialFrom(t, "127.0.0.5", p.addr(1))
	first.hears("one\n")
	dialFrom(t, "127.0.0.5", p.addr(1)).hears("one\n")
	dialFrom(t, "127.0.0.5", p.addr(1)).hearsReset()
	assert.Equal(t, p.ends("per_ip_limit").Side, "self")
	dialFrom(t, "127.0.0.6", p.addr(1)).hears("one\n")
	first.resets()
	p.ends("client_reset")
	dialFrom(t, "127.0.0.5", p.addr(1)).hears("one\n")
}

// With PROXY headers the address in the header counts, not the load balancer's in front.
func TestLimitsPerIPGoByProxyHeader(t *testing.T) {
	t.Parallel()
	p := run(t, `
listeners: {front: {bind: "127.0.0.1:PORT1", protocol: tcp, upstream: back, max_connections_per_ip: 1, proxy_protocol: require}}
upstreams: {back: {servers: "%s"}}
runtime: {loops: 2}
`, greeter(t, "one").address())
	for n := range 5 {
		e := p.dial(1)
		e.says(fmt.Sprintf("PROXY TCP4 192.0.2.%d 198.51.100.1 1000 443\r\n", n))
		e.hears("one\n")
	}
	e := p.dial(1)
	e.says("PROXY TCP4 192.0.2.3 198.51.100.1 1001 443\r\n")
	e.hearsReset()
	assert.Equal(t, p.ends("per_ip_limit").Client, "192.0.2.3:1001")
}

// A listener judges the socket's peer, before a byte is read.
func TestLimitsListenerClientIP(t *testing.T) {
	needsIPv6(t)
	t.Parallel()
	p := run(t, `
listeners:
  some: {bind: ":PORT1", protocol: tcp, upstream: back, client_ip: {allow: [127.0.0.0/24, "::1"], deny: 127.0.0.3}}
  v4: {bind: ":PORT2", protocol: tcp, upstream: back, client_ip: {deny: "::/0"}}
upstreams: {back: {servers: "%s"}}
runtime: {loops: 2}
`, greeter(t, "one").address())
	for _, row := range []struct {
		from   string
		port   int
		served bool
	}{
		{"127.0.0.2", 1, true},
		{"::1", 1, true},
		{"127.0.0.3", 1, false},
		{"127.0.1.2", 1, false},
		{"127.0.0.3", 2, true}, // IPv4 on a socket of both families is IPv4, not an IPv6 address
		{"::1", 2, false},
	} {
		t.Run(fmt.Sprintf("%s to %d", row.from, row.port), func(t *testing.T) {
			address := p.addr(row.port)
			if strings.Contains(row.from, ":") {
				address = fmt.Sprintf("[::1]:%d", p.port(row.port))
			}
			e := dialFrom(t, row.from, address)
			if row.served {
				e.hears("one\n")
				own := e.local()
				e.resets()
				assert.Equal(t, p.ends("client_reset").Client, own)
				return
			}
			e.hearsReset()
			line := p.ends("denied")
			host, _, _ := cutAddress(line.Client)
			assert.Equal(t, host, row.from)
			assert.Equal(t, line.Upstream, "")
		})
	}
}

// A route judges the client, as a PROXY header told it.
func TestLimitsRouteClientIP(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := run(t, `
listeners: {front: {bind: "127.0.0.1:PORT1", protocol: tcp, proxy_protocol: accept}}
routes: {name: way, upstream: back, client_ip: {allow: [10.0.0.0/8, 127.0.0.1], deny: 10.1.0.0/16, deny_file: "%s"}}
upstreams: {back: {servers: "%s"}}
runtime: {loops: 2}
`, denyFile(t, dir), greeter(t, "one").address())
	for _, row := range []struct {
		client string
		served bool
	}{
		{"10.2.0.1", true},
		{"10.1.0.1", false},    // denied although allowed
		{"10.3.3.3", false},    // in the file
		{"10.4.5.6", false},    // in a network of the file
		{"192.0.2.1", false},   // not allowed
		{"2001:db8::1", false}, // likewise
	} {
		t.Run(row.client, func(t *testing.T) {
			e := p.dial(1)
			family := "TCP4"
			if strings.Contains(row.client, ":") {
				family = "TCP6"
			}
			e.says(fmt.Sprintf("PROXY %s %s %s 1000 443\r\n", family, row.client, row.client))
			if row.served {
				e.hears("one\n")
				e.resets()
				p.ends("client_reset")
				return
			}
			e.hearsReset()
			line := p.ends("denied")
			assert.Equal(t, line.Route, "way")
			assert.Equal(t, line.Attempts, 0)
		})
	}
	t.Run("no header", func(t *testing.T) {
		e := p.dial(1)
		e.says("hello")
		e.hears("one\nhello")
	})
}

func denyFile(t testing.TB, dir string) string {
	t.Helper()
	return writeFile(t, dir+"/blocked.txt", "# blocked\n10.3.3.3\n\n10.4.0.0/16 # all of them\n")
}
