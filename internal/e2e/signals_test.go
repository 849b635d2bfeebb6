package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"sluice/internal/assert"
)

// TERM and QUIT stop accepting, let what runs finish, and exit with 0.
func TestSignalsTermLetsConnectionsFinish(t *testing.T) {
	t.Parallel()
	for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGQUIT} {
		t.Run(s.String(), func(t *testing.T) {
			t.Parallel()
			o := station(t)
			p := run(t, simple, o.address())
			client, server := p.dial(1), o.accept()
			client.says("question")
			server.hears("question")
			p.signal(s)
			assert.Eventually(t, func() bool { return listening(t, p.port(1)) == 0 })
			_, err := net.Dial("tcp", p.addr(1))
			assert.Equal(t, errors.Is(err, syscall.ECONNREFUSED), true)
			client.says("more")
			server.hears("more")
			server.says("answer")
			client.hears("answer")
			assert.Equal(t, p.over(), false)
			client.fin()
			server.hearsEnd()
			server.fin()
			client.hearsEnd()
			p.exits(0)
			p.ends("client_end") // the last line is written
		})
	}
}

// runtime.drain bounds the patience.
func TestSignalsTermIsBoundedByDrain(t *testing.T) {
	t.Parallel()
	o := station(t)
	p := run(t, `
listeners: {front: {bind: "127.0.0.1:PORT1", protocol: tcp, upstream: back}}
upstreams: {back: {servers: "%s"}}
runtime: {loops: 2, drain: 300ms}
`, o.address())
	client, server := p.dial(1), o.accept()
	client.says("question")
	server.hears("question")
	began := time.Now()
	p.signal(syscall.SIGTERM)
	client.hearsReset()
	server.hearsReset()
	if took := time.Since(began); took < 300*time.Millisecond {
		t.Errorf("cut after %v", took)
	}
	p.exits(0)
	assert.Equal(t, p.ends("drain_timeout").Side, "self")
}

// Those who wait in the backlog when the signal comes are served.
func TestSignalsTermServesTheQueue(t *testing.T) {
	t.Parallel()
	o := station(t)
	p := run(t, simple, o.address())
	p.signal(syscall.SIGSTOP) // connections pile up in the kernel
	var clients []*end
	for range 20 {
		clients = append(clients, p.dial(1))
	}
	p.signal(syscall.SIGTERM)
	p.signal(syscall.SIGCONT)
	for range clients {
		server := o.accept()
		server.says("welcome")
		server.fin()
	}
	for _, client := range clients {
		client.hears("welcome")
		client.fin()
		client.hearsEnd()
	}
	p.exits(0)
}

// At max_connections the queue cannot be served any more; those inside are, and the end comes all the same.
func TestSignalsTermAtTheLimit(t *testing.T) {
	t.Parallel()
	p := run(t, `
listeners: {front: {bind: "127.0.0.1:PORT1", protocol: tcp, upstream: back, max_connections: 1}}
upstreams: {back: {servers: "%s"}}
runtime: {loops: 2}
`, greeter(t, "one").address())
	inside := p.dial(1)
	inside.hears("one\n")
	outside := p.dial(1)
	p.signal(syscall.SIGTERM)
	outside.hearsReset()
	inside.says("still here")
	inside.hears("still here")
	inside.fin()
	inside.hearsEnd()
	p.exits(0)
}

// INT is fast, and so is a second signal of any kind while TERM waits.
func TestSignalsFastEnd(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name    string
		signals []syscall.Signal
	}{
		{"INT", []syscall.Signal{syscall.SIGINT}},
		{"TERM TERM", []syscall.Signal{syscall.SIGTERM, syscall.SIGTERM}},
		{"TERM INT", []syscall.Signal{syscall.SIGTERM, syscall.SIGINT}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			o := station(t)
			p := run(t, simple, o.address())
			client, server := p.dial(1), o.accept()
			client.says("question")
			server.hears("question")
			began := time.Now()
			for i, s := range row.signals {
				p.signal(s)
				if i == 0 && len(row.signals) > 1 {
					assert.Eventually(t, func() bool { return p.stderr.has("stopping") })
				}
			}
			p.exits(0)
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("took %v, with a drain of 30s to wait for", took)
			}
			client.hearsReset()
			server.hearsReset()
			p.next() // the last line is written, fast or not
		})
	}
}

// HUP and USR1 do not kill, and do not disturb.
func TestSignalsHarmless(t *testing.T) {
	t.Parallel()
	o := station(t)
	p := run(t, simple, o.address())
	client, server := p.dial(1), o.accept()
	for _, s := range []syscall.Signal{syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGPIPE} {
		p.signal(s)
		client.says("question")
		server.hears("question")
	}
	assert.Eventually(t, func() bool {
		return p.stderr.has("the configuration is reloaded") && p.stderr.has("reopened the access log")
	})
	p.dial(1).says("x")
	o.accept().hears("x")
	// While draining, too.
	p.signal(syscall.SIGTERM)
	assert.Eventually(t, func() bool { return p.stderr.has("stopping") })
	p.signal(syscall.SIGHUP)
	p.signal(syscall.SIGUSR1)
	server.says("answer")
	client.hears("answer")
}

// After a rename, USR1 has the access log begin a new file of the old name; no line is lost.
func TestSignalsUSR1ReopensTheLog(t *testing.T) {
	t.Parallel()
	p := run(t, simple+"log: {access: {to: access.log}}", greeter(t, "one").address())
	path, old := filepath.Join(p.dir, "access.log"), filepath.Join(p.dir, "access.log.1")
	asks(t, p.addr(1))
	assert.Eventually(t, func() bool { return len(logFile(t, path)) == 1 })
	assert.NoError(t, os.Rename(path, old))
	asks(t, p.addr(1))
	assert.Eventually(t, func() bool { return len(logFile(t, old)) == 2 })
	p.signal(syscall.SIGUSR1)
	assert.Eventually(t, func() bool { return p.stderr.has("reopened the access log") })
	asks(t, p.addr(1))
	assert.Eventually(t, func() bool { return len(logFile(t, path)) == 1 })
	assert.Equal(t, len(logFile(t, old)), 2)
	info, err := os.Stat(path)
	assert.NoError(t, err)
	assert.Equal(t, info.Mode().Perm()&^0o640, os.FileMode(0))
}

// logFile parses an access log; one that does not exist is empty.
func logFile(t testing.TB, path string) (all []entry) {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	for line := range bytes.Lines(content) {
		if !bytes.HasSuffix(line, []byte("\n")) {
			return all // the rest of it is on its way
		}
		var e entry
		assert.NoError(t, json.Unmarshal(line, &e))
		all = append(all, e)
	}
	return all
}

// A successor may take the place of a unix socket while the old instance still serves its last connections, and keeps
// it when that one ends.
func TestSignalsTermLeavesTheSocketToASuccessor(t *testing.T) {
	t.Parallel()
	const config = `
listeners: {front: {bind: "unix:%s", protocol: tcp, upstream: back}}
upstreams: {back: {servers: "%s"}}
runtime: {loops: 2}
`
	path := filepath.Join(t.TempDir(), "front.sock")
	gone := func() bool {
		_, err := os.Lstat(path)
		return os.IsNotExist(err)
	}
	o := station(t)
	old := run(t, config, path, o.address())
	client, server := dial(t, "unix", path), o.accept()
	client.says("question")
	server.hears("question")
	old.signal(syscall.SIGTERM)
	assert.Eventually(t, gone) // at once, not at the end

	successor := run(t, config, path, greeter(t, "two").address())
	dial(t, "unix", path).hears("two\n")
	server.says("answer")
	client.hears("answer")
	assert.Equal(t, old.over(), false)
	client.fin()
	server.hearsEnd()
	server.fin()
	client.hearsEnd()
	old.exits(0)

	last := dial(t, "unix", path)
	last.hears("two\n")
	last.fin()
	last.hearsEnd()
	successor.signal(syscall.SIGINT)
	successor.exits(0)
	assert.Equal(t, gone(), true)
}

// The last line for operators sums up: connections by the reason of their end, and bytes.
func TestSignalsLastLineHasTotals(t *testing.T) {
	t.Parallel()
	p := run(t, simple, greeter(t, "one").address())
	assert.Equal(t, spread(t, p, 3), map[string]int{"one": 3})
	client := p.dial(1)
	client.says("question")
	client.hears("one\nquestion")
	client.resets()
	p.reasons(4)
	p.signal(syscall.SIGTERM)
	p.exits(0)
	said := lines(p.stderr.String())
	last := said[len(said)-1] + " "
	for _, want := range []string{"msg=stopped ", "accepted=4 ", "bytes_up=8 ", "bytes_down=24 ", "client_end=3 ", "client_reset=1 "} {
		if !strings.Contains(last, want) {
			t.Errorf("the last line is\n%s\nwant in it %s", last, want)
		}
	}
	assert.Equal(t, strings.Contains(last, "server_"), false) // what did not happen is not listed
}

// Nor does it remove a socket that somebody has put in the place of its own.
func TestSignalsTermKnowsItsOwnSocket(t *testing.T) {
	t.Parallel()
	const config = `
listeners: {front: {bind: "unix:%s", protocol: tcp, upstream: back}}
upstreams: {back: {servers: "%s"}}
`
	path := filepath.Join(t.TempDir(), "front.sock")
	old := run(t, config, path, greeter(t, "one").address())
	assert.NoError(t, os.Remove(path))
	run(t, config, path, greeter(t, "two").address())
	old.signal(syscall.SIGTERM)
	old.exits(0)
	dial(t, "unix", path).hears("two\n")
}
