package e2e

// Back-pressure, bulk, and what connections cost while nothing moves. These tests measure, so that they use the binary
// without the race detector and do not run beside each other.

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sluice/internal/assert"
)

// measured starts the simple configuration with the binary to measure.
func measured(t testing.TB, address string) *proxy {
	t.Helper()
	return command{plain: true, config: fmt.Sprintf(simple, address)}.run(t)
}

// resident is the memory that the process has, in bytes.
func (p *proxy) resident() int {
	p.t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	assert.NoError(p.t, err)
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	return atoi(p.t, strings.Fields(rest)[0]) << 10
}

// descriptors is the number of files the process has open.
func (p *proxy) descriptors() int {
	p.t.Helper()
	all, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.cmd.Process.Pid))
	assert.NoError(p.t, err)
	return len(all)
}

// cpu is the processor time that the process has used.
func (p *proxy) cpu() time.Duration {
	p.t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	assert.NoError(p.t, err)
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')'):]))
	ticks := atoi(p.t, fields[12]) + atoi(p.t, fields[13]) // utime and stime, of 10 ms each
	return time.Duration(ticks) * 10 * time.Millisecond
}

// narrow gives a listener's or a client's sockets small kernel buffers, so that little is under way.
func narrow(_, _ string, raw syscall.RawConn) error {
	return raw.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, 16<<10)
		_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_SNDBUF, 16<<10)
	})
}

// narrowStation is a station whose connections have small buffers.
func narrowStation(t testing.TB) *origin {
	t.Helper()
	l, err := (&net.ListenConfig{Control: narrow}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	assert.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	return &origin{t, l}
}

func narrowDial(t testing.TB, address string) *end {
	t.Helper()
	c, err := connect(net.Dialer{Control: narrow}, "tcp", address)
	assert.NoError(t, err)
	return newEnd(t, c)
}

// A reader who stops stops the sender. The proxy keeps a buffer or a pipe, whatever the sender has.
func TestPressureStoppedReaderStopsSender(t *testing.T) {
	for _, name := range []string{"server sends", "client sends"} {
		t.Run(name, func(t *testing.T) {
			sender, reader, p := stalling(t, name == "server sends")
			before := p.resident()
			sent := sender.floods()
			if grown := p.resident() - before; grown > 4*mebibyte {
				t.Errorf("%d bytes under way cost %d bytes of memory", sent, grown)
			}
			used := p.cpu()
			sender.hearsNothing(300 * time.Millisecond)
			if used = p.cpu() - used; used > 50*time.Millisecond {
				t.Errorf("a stalled connection used the processor for %v of 300ms", used)
			}
			got := make([]byte, 256<<10) // the reader goes on
			_, err := io.ReadFull(reader, got)
			assert.NoError(t, err)
			isPattern(t, got)
		})
	}
}

// stalling is a connection whose reader has small buffers.
func stalling(t testing.TB, serverSends bool) (sender, reader *end, p *proxy) {
	t.Helper()
	if serverSends {
		o := station(t)
		p = measured(t, o.address())
		reader = narrowDial(t, p.addr(1))
		return o.accept(), reader, p
	}
	o := narrowStation(t)
	p = measured(t, o.address())
	sender = p.dial(1)
	return sender, o.accept(), p
}

// crowd is many connections, full those of them that have filled everything on their way.
const crowd, full = 2000, 50

// Answers that nobody reads: 2,000 that stop in the kernel's buffers cost next to nothing, 50 that have filled
// everything on the way cost a 64 KiB buffer or a pipe each, and the next client is served meanwhile.
func TestPressureManyStalled(t *testing.T) {
	o := station(t)
	p := measured(t, o.address())
	before := p.resident()
	var clients, origins []*end
	for range crowd {
		clients, origins = append(clients, narrowDial(t, p.addr(1))), append(origins, o.accept())
	}
	flood(t, origins, 64<<10)
	flood(t, origins[:full], 256*mebibyte)
	grown := p.resident() - before
	t.Logf("%d bytes in all", grown)
	if grown > crowd*(8<<10)+full*(72<<10) {
		t.Errorf("stalled connections cost %d bytes", grown)
	}
	next := narrowDial(t, p.addr(1))
	server := o.accept()
	next.says("hello")
	server.hears("hello")
	for i := range clients {
		clients[i].resets()
	}
	assert.Eventually(t, func() bool { return p.descriptors() < 250 })
	for i := range origins {
		assert.Eventually(t, origins[i].isBroken)
	}
}

// flood has all senders send at the same time, until they have sent enough or nobody takes any more for a moment.
func flood(t testing.TB, senders []*end, enough int) {
	var all sync.WaitGroup
	for _, sender := range senders {
		all.Go(func() {
			chunk := pattern(0, 64<<10)
			for sent := 0; sent < enough; {
				_ = sender.SetWriteDeadline(time.Now().Add(300 * time.Millisecond))
				n, err := sender.Write(chunk)
				sent += n
				switch {
				case errors.Is(err, os.ErrDeadlineExceeded) && n == 0:
					return
				case err != nil && !errors.Is(err, os.ErrDeadlineExceeded):
					t.Errorf("after %d bytes: %v", sent, err)
					return
				case sent > 128*mebibyte:
					t.Error("128 MiB left and nobody reads them: there is no back-pressure")
					return
				}
			}
		})
	}
	all.Wait()
}

// Connections that have talked and are silent now hold neither a buffer nor the processor.
func TestPressureIdleHoldsNothing(t *testing.T) {
	o := station(t)
	p := measured(t, o.address())
	meet := func() (client, server *end) {
		client, server = p.dial(1), o.accept()
		client.says("question")
		server.hears("question")
		server.says("answer")
		client.hears("answer")
		return client, server
	}
	for range 50 { // what is allocated once
		meet()
	}
	before := p.resident()
	for range crowd {
		meet()
	}
	perEach := (p.resident() - before) / crowd
	t.Logf("%d bytes each", perEach)
	if perEach > 4<<10 { // make bench keeps the exact account
		t.Errorf("an idle connection costs %d bytes", perEach)
	}
	client, _ := meet()
	used := p.cpu()
	client.hearsNothing(time.Second)
	if used = p.cpu() - used; used > 50*time.Millisecond {
		t.Errorf("%d idle connections used the processor for %v of a second", crowd, used)
	}
}

// 200 MiB each way at the same time arrive as they were sent, by splice, with a reader that is slow for a while.
func TestPressureBulkBothWays(t *testing.T) {
	const size = 200 * mebibyte
	o := station(t)
	p := measured(t, o.address())
	client, server := p.dial(1), o.accept()
	var all sync.WaitGroup
	var hesitations atomic.Int64
	for _, way := range []struct {
		from, to *end
		slow     bool
	}{{client, server, false}, {server, client, true}} {
		all.Go(func() {
			if err := sendBulk(way.from, size); err != nil {
				t.Errorf("sending: %v", err)
			}
		})
		all.Go(func() {
			got, n, err := receiveBulk(way.to, way.slow, &hesitations)
			if err != nil || n != size || got != bulkSum(size) {
				t.Errorf("received %d bytes of %d (%v), hash %x, want %x", n, size, err, got[:4], bulkSum(size))
			}
		})
	}
	all.Wait()
	line := p.next()
	assert.Equal(t, line.Up, int64(size))
	assert.Equal(t, line.Down, int64(size))
	assert.Equal(t, line.Spliced, true)
	if hesitations.Load() == 0 {
		t.Error("the slow reader was not slow")
	}
}

// bulkSum is the hash of n bytes of the pattern.
var bulkSum = func() func(n int) [32]byte {
	var once sync.Once
	var sum [32]byte
	return func(n int) [32]byte {
		once.Do(func() {
			hash := sha256.New()
			_, _ = io.CopyN(hash, &patterns{}, int64(n))
			sum = [32]byte(hash.Sum(nil))
		})
		return sum
	}
}()

// patterns is the endless pattern.
type patterns struct{ at int }

func (r *patterns) Read(b []byte) (int, error) {
	n := copy(b, patternBytes[r.at:])
	r.at = (r.at + n) % patternSize
	return n, nil
}

// sendBulk sends n bytes of the pattern and ends.
func sendBulk(e *end, n int) error {
	if err := e.SetDeadline(time.Now().Add(4 * patience)); err != nil {
		return err
	}
	if _, err := io.CopyN(struct{ io.Writer }{e}, &patterns{}, int64(n)); err != nil {
		return err
	}
	return e.tcp().CloseWrite()
}

// receiveBulk reads to the end. The slow one waits before every read of the first 8 MiB.
func receiveBulk(e *end, slow bool, hesitations *atomic.Int64) (sum [32]byte, n int, err error) {
	hash, buffer := sha256.New(), make([]byte, 64<<10)
	pause := time.NewTicker(2 * time.Millisecond)
	defer pause.Stop()
	for {
		if slow && n < 8*mebibyte {
			<-pause.C
			hesitations.Add(1)
		}
		got, err := e.Read(buffer)
		_, _ = hash.Write(buffer[:got])
		n += got
		if err == io.EOF {
			return [32]byte(hash.Sum(nil)), n, nil
		}
		if err != nil {
			return sum, n, err
		}
	}
}
