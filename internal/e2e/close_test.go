package e2e

// What a half-close, a reset and a vanished peer on one side become on the other.

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sluice/internal/assert"
)

const mebibyte = 1 << 20

// The client ends first and still gets all of a long answer.
func TestCloseClientEndsFirst(t *testing.T) {
	t.Parallel()
	o := station(t)
	p := run(t, simple, o.address())
	client, server := p.dial(1), o.accept()
	client.says("question")
	client.fin()
	server.hears("question")
	server.hearsEnd()
	go func() {
		_, err := server.Write(pattern(0, mebibyte))
		if err == nil {
			err = server.Close()
		}
		if err != nil {
			t.Errorf("the server cannot answer: %v", err)
		}
	}()
	answer, err := io.ReadAll(client)
	assert.NoError(t, err)
	assert.Equal(t, len(answer), mebibyte)
	isPattern(t, answer)
	line := p.ends("client_end")
	assert.Equal(t, line.Side, "front")
	assert.Equal(t, line.Up, int64(len("question")))
	assert.Equal(t, line.Down, int64(mebibyte))
}

// The server ends first and still gets all that the client has to say.
func TestCloseServerEndsFirst(t *testing.T) {
	t.Parallel()
	o := station(t)
	p := run(t, simple, o.address())
	client, server := p.dial(1), o.accept()
	server.says("bye")
	server.fin()
	client.hears("bye")
	client.hearsEnd()
	go func() {
		_, err := client.Write(pattern(0, mebibyte))
		if err == nil {
			err = client.Close()
		}
		if err != nil {
			t.Errorf("the client cannot go on: %v", err)
		}
	}()
	rest, err := io.ReadAll(server)
	assert.NoError(t, err)
	assert.Equal(t, len(rest), mebibyte)
	isPattern(t, rest)
	line := p.ends("server_end")
	assert.Equal(t, line.Side, "back")
	assert.Equal(t, line.Up, int64(mebibyte))
}

// couple is a connection through the proxy, seen from the side that breaks it.
type couple struct {
	name            string
	breaker, victim *end
	reason          string
}

// bothWays runs body with the client as the one who breaks the connection, then with the server.
func bothWays(t *testing.T, body func(t *testing.T, p *proxy, c couple)) {
	t.Parallel()
	for _, name := range []string{"client", "server"} {
		t.Run(name+" breaks", func(t *testing.T) {
			t.Parallel()
			o := station(t)
			p := run(t, simple, o.address())
			client, server := p.dial(1), o.accept()
			client.says("hello")
			server.hears("hello")
			c := couple{name, client, server, "client_reset"}
			if name == "server" {
				c = couple{name, server, client, "server_reset"}
			}
			body(t, p, c)
		})
	}
}

func TestCloseResetIsReset(t *testing.T) {
	bothWays(t, func(t *testing.T, p *proxy, c couple) {
		c.breaker.resets()
		assert.Equal(t, len(c.victim.hearsReset()), 0)
		line := p.ends(c.reason)
		assert.Equal(t, line.Error, syscall.ECONNRESET.Error())
	})
}

// A half that has ended in order does not hide a later reset of the other.
func TestCloseResetAfterHalfClose(t *testing.T) {
	bothWays(t, func(t *testing.T, p *proxy, c couple) {
		c.victim.fin()
		c.breaker.hearsEnd()
		c.breaker.says("more")
		c.victim.hears("more")
		c.breaker.resets()
		c.victim.hearsReset()
		p.ends(c.reason)
	})
}

// What was received before the reset is delivered, to a reader who takes his time too.
func TestCloseDataBeforeResetArrives(t *testing.T) {
	bothWays(t, func(t *testing.T, p *proxy, c couple) {
		const size = 100 << 10
		c.victim.says("ready")
		c.breaker.hears("ready")
		c.breaker.says(string(pattern(0, size)))
		assert.Eventually(t, func() bool { return c.breaker.unsent() == 0 }) // the proxy's machine has it all
		c.breaker.resets()
		assert.Eventually(t, c.victim.isBroken)
		got := c.victim.hearsReset()
		assert.Equal(t, len(got), size)
		isPattern(t, got)
		p.ends(c.reason)
	})
}

// The victim does not read, every buffer on the way is full, and it hears of the reset all the same.
func TestCloseResetPassesStalledDirection(t *testing.T) {
	bothWays(t, func(t *testing.T, p *proxy, c couple) {
		sent := c.breaker.floods()
		c.breaker.resets()
		began := time.Now()
		p.ends(c.reason)
		assert.Eventually(t, c.victim.isBroken)
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("heard of it after %v", took)
		}
		got, err := io.ReadAll(c.victim)
		if !errors.Is(err, syscall.ECONNRESET) {
			t.Fatalf("after %d bytes: %v, want a reset", len(got), err)
		}
		if len(got) == 0 || len(got) > sent {
			t.Fatalf("%d bytes arrived of %d", len(got), sent)
		}
		isPattern(t, got)
	})
}

// The one who does not read resets, while the other is stalled in the middle of sending.
func TestCloseResetReachesStalledSender(t *testing.T) {
	bothWays(t, func(t *testing.T, p *proxy, c couple) {
		c.victim.floods()
		c.breaker.resets()
		assert.Eventually(t, c.victim.isBroken)
		_, err := c.victim.Write([]byte("more"))
		if !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE) {
			t.Fatalf("writing on gives %v, want a reset", err)
		}
		p.ends(c.reason)
	})
}

// An origin is killed in the middle of a long answer. Its kernel decides between FIN and RST; the client hears the same
// at once, the log puts the blame on the server, and the next client is told that nobody is there.
func TestCloseOriginIsKilled(t *testing.T) {
	t.Parallel()
	address := nobody(t)
	_, port, _ := cutAddress(address)
	socat := startTool(t, "socat", "-u", "/dev/zero", "TCP-LISTEN:"+port+",bind=127.0.0.1,reuseaddr")
	p := run(t, simple, address)
	assert.Eventually(t, func() bool { return listening(t, atoi(t, port)) == 1 })
	client := p.dial(1)
	_, err := io.CopyN(io.Discard, client, 8*mebibyte)
	assert.NoError(t, err)
	socat.kill()
	_, err = io.Copy(io.Discard, client)
	if err != nil && !errors.Is(err, syscall.ECONNRESET) {
		t.Fatalf("the client hears %v, want an end or a reset", err)
	}
	assert.NoError(t, client.Close())
	line := p.next()
	assert.Equal(t, line.Side, "back")
	if line.Down < 8*mebibyte {
		t.Fatalf("%d bytes delivered according to the log, at least %d were", line.Down, 8*mebibyte)
	}
	next := p.dial(1)
	next.hearsReset()
	p.ends("connect_refused")
}

// A client that leaves before it has a server leaves nothing behind.
func TestCloseClientGoneWhileConnecting(t *testing.T) {
	t.Parallel()
	p := run(t, simple, deaf(t))
	p.dial(1).resets()
	p.ends("client_gone")
}

// What the client said, and that it ended, before there was a server is not lost.
func TestCloseEarlyEndReachesServer(t *testing.T) {
	t.Parallel()
	o := station(t)
	p := run(t, balanced, fmt.Sprintf("balance: first, servers: [%q, %q]", deaf(t), o.address()), 1)
	client := p.dial(1)
	client.says("question")
	client.fin()
	server := o.accept()
	server.hears("question")
	server.hearsEnd()
	server.says("answer")
	server.fin()
	client.hears("answer")
	client.hearsEnd()
	assert.Equal(t, p.ends("client_end").Attempts, 2)
}

// A server that has taken the client's word and then resets is not replaced: nobody knows what it has done with it.
func TestCloseServerResetsAtFirstWord(t *testing.T) {
	t.Parallel()
	rude := station(t).serves(func(c net.Conn) {
		_, _ = c.Read(make([]byte, 1))
		_ = c.(*net.TCPConn).SetLinger(0)
	})
	p := run(t, balanced, fmt.Sprintf("balance: first, servers: [%q, %q]", rude.address(), greeter(t, "polite").address()), 1)
	client := p.dial(1)
	client.says("transfer the money")
	client.hearsReset()
	assert.Equal(t, p.ends("server_reset").Attempts, 1)
}

// Unix sockets know no reset; their ends arrive in order all the same.
func TestCloseOnUnixSockets(t *testing.T) {
	t.Parallel()
	o := stationAt(t, "unix", t.TempDir()+"/back.sock")
	p := run(t, `
listeners: {front: {bind: "unix:front.sock", protocol: tcp, upstream: back}}
upstreams: {back: {servers: "%s"}}
runtime: {loops: 2}
`, o.address())
	for range 4 { // on both loops
		client, server := dial(t, "unix", p.dir+"/front.sock"), o.accept()
		client.says("question")
		client.fin()
		server.hears("question")
		server.hearsEnd()
		server.says("answer")
		server.fin()
		client.hears("answer")
		client.hearsEnd()
		p.ends("client_end")
	}
}

// Urgent data belongs to another age. Nothing is promised for its byte, but nothing behind it gets stuck.
func TestCloseUrgentDataIsNoObstacle(t *testing.T) {
	t.Parallel()
	o := station(t)
	p := run(t, simple, o.address())
	client, server := p.dial(1), o.accept()
	client.says("before")
	server.hears("before")
	raw, err := client.tcp().SyscallConn()
	assert.NoError(t, err)
	assert.NoError(t, raw.Control(func(fd uintptr) { err = unix.Sendto(int(fd), []byte("!"), unix.MSG_OOB, nil) }))
	assert.NoError(t, err)
	client.says("behind")
	client.fin()
	rest, err := io.ReadAll(server)
	assert.NoError(t, err)
	assert.Equal(t, strings.TrimPrefix(string(rest), "!"), "behind")
}

// Clients and servers of every temper at once, on both loops: nothing is mixed up, nothing is left behind, and each
// connection has its line in the log.
func TestCloseCrowdOfAllTempers(t *testing.T) {
	t.Parallel()
	const workers, each = 8, 60
	o := station(t).serves(func(c net.Conn) {
		temper, _ := readLine(c)
		switch temper {
		case "server resets":
			_ = c.(*net.TCPConn).SetLinger(0)
		case "server ends":
			_ = c.(*net.TCPConn).CloseWrite()
			_, _ = io.Copy(io.Discard, c)
		default:
			_, _ = io.Copy(c, c)
		}
	})
	p := run(t, simple, o.address())
	before := p.descriptors()
	var all sync.WaitGroup
	for w := range workers {
		all.Go(func() {
			for n := range each {
				if err := visit(p.addr(1), w+n); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	counts := p.reasons(workers * each)
	assert.Equal(t, counts["internal"], 0)
	if counts["client_end"] < workers*each/5 || counts["client_reset"] == 0 || counts["server_reset"] == 0 || counts["server_end"] == 0 {
		t.Errorf("%v", counts)
	}
	// Pipes and the like are kept for the next ones, within reason.
	assert.Eventually(t, func() bool { return p.descriptors() < before+40 })
}

// visit is one client of the crowd.
func visit(address string, temper int) error {
	c, err := connect(net.Dialer{}, "tcp", address)
	if err != nil {
		return err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	switch temper % 5 {
	case 0:
		_, err = io.WriteString(c, "server resets\n")
		_, _ = io.Copy(io.Discard, c)
	case 1:
		_, _ = io.WriteString(c, "server ends\n")
		_, err = io.Copy(io.Discard, c)
	case 2:
		_, err = io.WriteString(c, "client resets\n")
		_ = c.(*net.TCPConn).SetLinger(0)
	default:
		err = echo(c.(*net.TCPConn), 1<<(temper%21))
	}
	return err
}

// echo sends size bytes, ends, and wants them back.
func echo(c *net.TCPConn, size int) error {
	sent := make(chan error, 1)
	go func() {
		_, err := io.WriteString(c, "echo\n")
		if err == nil {
			_, err = c.Write(pattern(0, size))
		}
		sent <- errors.Join(err, c.CloseWrite())
	}()
	got, err := io.ReadAll(c)
	if !bytes.Equal(got, pattern(0, size)) {
		err = errors.Join(err, fmt.Errorf("%d bytes came back of %d, or others", len(got), size))
	}
	return errors.Join(err, <-sent)
}

// Who reads evenly, however slowly, gets all that had arrived before the reset, and then the reset.
func TestCloseResetWaitsForSlowReaders(t *testing.T) {
	bothWays(t, func(t *testing.T, p *proxy, c couple) {
		c.victim.says("ready")
		c.breaker.hears("ready")
		assert.NoError(t, c.victim.tcp().SetReadBuffer(32<<10))
		type heard struct {
			bytes []byte
			err   error
		}
		done := make(chan heard, 1)
		go func() {
			bytes, err := readEvenly(c.victim, 32<<10, 150*time.Millisecond)
			done <- heard{bytes, err}
		}()
		c.breaker.says(string(pattern(0, mebibyte)))
		assert.Eventually(t, func() bool { return c.breaker.unsent() == 0 }) // the proxy's machine has it all
		c.breaker.resets()
		got := <-done
		assert.Equal(t, len(got.bytes), mebibyte)
		isPattern(t, got.bytes)
		assert.Equal(t, errors.Is(got.err, syscall.ECONNRESET), true)
		p.ends(c.reason)
	})
}

// readEvenly reads up to n bytes at every tick until there is an error, and returns all of them and the error.
func readEvenly(r io.Reader, n int, every time.Duration) (all []byte, err error) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for piece := make([]byte, n); err == nil; <-tick.C {
		n, err = r.Read(piece)
		all = append(all, piece[:n]...)
	}
	return all, err
}
