package engine

// A running engine as operators see it, and what they can tell it.

import (
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"sluice/configs"
	"sluice/engine/observe"
	"sluice/engine/record"
	"sluice/internal/assert"
)

// runs starts a proxy on two loops.
func runs(t *testing.T, text string) *Engine {
	t.Helper()
	cfg, err := configs.Parse("test.yaml", []byte(text+"\nruntime: {loops: 2}\nlog: {access: {to: \"off\"}}\n"))
	assert.NoError(t, err)
	e := start(t, cfg)
	t.Cleanup(e.Stop)
	return e
}

// named is a server that sends its name to whoever connects and speaks.
func named(t *testing.T, name string) (addr string) {
	t.Helper()
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	assert.NoError(t, err)
	t.Cleanup(func() { _ = ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				for buf := make([]byte, 16); ; {
					if n, err := c.Read(buf); n == 0 || err != nil {
						return
					}
					_, _ = io.WriteString(c, name)
				}
			}()
		}
	}()
	return ln.Addr().String()
}

// who says something on a connection and returns the name of the server that answers.
func who(t *testing.T, c net.Conn) string {
	t.Helper()
	_, err := io.WriteString(c, "?")
	assert.NoError(t, err)
	buf := make([]byte, 1)
	_, err = io.ReadFull(c, buf)
	assert.NoError(t, err)
	return string(buf)
}

func TestViewOfAListener(t *testing.T) {
	t.Parallel()
	one, two := freePort(), freePort()
	e := runs(t, "listeners:\n  web: {bind: [\""+one+"\", \""+two+"\"], protocol: tcp, max_connections: 7, upstream: app}\nupstreams: {app: {servers: [\""+origin(t)+"\"]}}")
	greet(t, dial(t, "tcp4", one))
	c := dial(t, "tcp4", two)
	greet(t, c)
	want := observe.Listener{Name: "web", Protocol: "tcp", Addresses: []string{one, two}, Active: 2, Max: 7}
	assert.Equal(t, e.Listeners(), []observe.Listener{want})
	assert.Equal(t, []any{e.State(), e.Started().After(time.Now().Add(-time.Minute))}, []any{observe.ProxyRunning, true})
	echo(t, c, 16)
	assert.Eventually(t, func() bool { return e.Listeners()[0].Active == 1 })
	connections, exchanges := e.Reasons()
	assert.Equal(t, []uint64{connections.Get(int(record.ClientEnd)), exchanges.Get(int(record.Done))}, []uint64{1, 0})
	e.Stop()
	assert.Equal(t, len(e.Upstreams()), 0) // and nobody waits for one that has ended
}

func TestViewOfAnUpstream(t *testing.T) {
	t.Parallel()
	at, one, two := freePort(), webOrigin(t), webOrigin(t)
	e := runs(t, `
listeners: {web: {bind: "`+at+`", upstream: app}}
upstreams:
  other: {servers: ["127.0.0.1:1"], queue: {size: 3}, max_connections: 9}
  app:
    balance: first
    servers: ["`+one+`", {address: "`+two+`", weight: 3, backup: true, max_connections: 5}]`)
	c := dial(t, "tcp4", at)
	posts(t, c, "hello")
	posts(t, c, "again")
	all := e.Upstreams()
	assert.Equal(t, []string{all[0].Name, all[1].Name, all[1].Policy}, []string{"other", "app", "first"})
	assert.Equal(t, []int{all[0].Max, all[0].QueueSize, all[1].Max, all[1].InUse}, []int{9, 3, 0, 0})
	servers := all[1].Servers
	assert.Equal(t, len(servers), 2)
	assert.Equal(t, []any{servers[0].Name, servers[0].State, servers[0].Picks, servers[0].Idle, servers[0].Weight, servers[0].Backup},
		[]any{one, "up", uint64(2), 1, 1, false}) // one connection, kept by the loop of the client
	assert.Equal(t, []any{servers[1].Picks, servers[1].Idle, servers[1].Weight, servers[1].Backup, servers[1].Max},
		[]any{uint64(0), 0, 3, true, 5})
	_, exchanges := e.Reasons()
	assert.Equal(t, exchanges.Get(int(record.Done)), uint64(2))
}

// A server that drains gets nobody new; who is there stays.
func TestSetDraining(t *testing.T) {
	t.Parallel()
	at, a, b := freePort(), named(t, "a"), named(t, "b")
	e := runs(t, `
listeners: {web: {bind: "`+at+`", protocol: tcp, upstream: app}}
upstreams: {app: {balance: first, servers: ["`+a+`", "`+b+`"]}}`)
	stays := dial(t, "tcp4", at)
	assert.Equal(t, who(t, stays), "a")
	assert.NoError(t, e.SetDraining("app", a, true))
	for range 8 { // whatever loop they come to
		assert.Equal(t, who(t, dial(t, "tcp4", at)), "b")
	}
	assert.Equal(t, who(t, stays), "a")
	assert.Equal(t, e.Upstreams()[0].Servers[0].State, "draining")
	assert.NoError(t, e.SetDraining("app", a, false))
	for range 8 {
		assert.Equal(t, who(t, dial(t, "tcp4", at)), "a")
	}
}

// A weight counts from the next connection on; who waits for room gets it at the server that has come.
func TestSetWeight(t *testing.T) {
	t.Parallel()
	at, a, b := freePort(), named(t, "a"), named(t, "b")
	e := runs(t, `
listeners: {web: {bind: "`+at+`", protocol: tcp, upstream: app}}
upstreams:
  app:
    servers: [{address: "`+a+`", max_connections: 1}, {address: "`+b+`", weight: 0}]
    queue: {size: 4, timeout: 1m}`)
	first, second := dial(t, "tcp4", at), dial(t, "tcp4", at)
	_, err := io.WriteString(first, "?")
	assert.NoError(t, err)
	_, err = io.WriteString(second, "?")
	assert.NoError(t, err)
	assert.Eventually(t, func() bool { u := e.Upstreams()[0]; return u.Waiting == 1 && u.InUse == 1 })
	assert.NoError(t, e.SetWeight("app", b, 2))
	from := [2]string{}
	for i, c := range []net.Conn{first, second} {
		buf := make([]byte, 1)
		_, err = io.ReadFull(c, buf)
		assert.NoError(t, err)
		from[i] = string(buf)
	}
	if from != [2]string{"a", "b"} && from != [2]string{"b", "a"} {
		t.Errorf("answered by %v", from)
	}
	u := e.Upstreams()[0]
	assert.Equal(t, []int{u.Waiting, u.InUse, u.Servers[1].Weight, u.Servers[1].InUse}, []int{0, 2, 2, 1})
}

func TestWhatCannotBeSet(t *testing.T) {
	t.Parallel()
	server := origin(t)
	e := runs(t, "listeners: {web: {bind: \""+freePort()+"\", protocol: tcp, upstream: app}}\nupstreams: {app: {servers: [\""+server+"\"]}}")
	for name, err := range map[string]error{
		"no upstream nobody":     e.SetWeight("nobody", server, 1),
		"no upstream nobody ":    e.SetDraining("nobody", server, true),
		"no server 127.0.0.1:1":  e.SetWeight("app", "127.0.0.1:1", 1),
		"no server 127.0.0.1:1 ": e.SetDraining("app", "127.0.0.1:1", true),
	} {
		if err == nil || !strings.Contains(err.Error(), strings.TrimSpace(name)) {
			t.Errorf("%s: %v", name, err)
		}
	}
	assert.Equal(t, e.Upstreams()[0].Servers[0].Weight, 1)
	e.Stop()
	err := e.SetWeight("app", server, 1)
	if err == nil || err.Error() != "the proxy is ending" {
		t.Errorf("got %v", err)
	}
}
