package sock

// A connection without a network: its loop's clock stands, and its kernel takes and gives exactly what the test says.

import (
	"fmt"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sluice/engine/flow"
	"sluice/engine/loop"
	"sluice/engine/stat"
	"sluice/internal/assert"
	"sluice/pool"
)

// tape is a kernel with one socket. What is written is kept; room is what it still takes.
type tape struct {
	Sys
	wrote    []byte
	room     int // bytes; below 0 it has no end
	pipe     []byte
	incoming []string // what each read gives, at most
	ended    bool     // a read behind it gives the end
	broken   syscall.Errno
	unsent   int
	log      []string
	silent   bool // no log of what is sent
	joined   []byte
	dials    int // the first is descriptor 7
	acked    int // times it was asked to acknowledge at once
}

func (s *tape) note(format string, args ...any) { s.log = append(s.log, fmt.Sprintf(format, args...)) }

func (s *tape) Dial(*Addr) (int, syscall.Errno) { s.dials++; return 6 + s.dials, 0 }
func (s *tape) NoDelay(int)                     {}
func (s *tape) Local(int) netip.AddrPort        { return netip.AddrPort{} }
func (s *tape) Failure(int) syscall.Errno       { return s.broken }
func (s *tape) Unsent(int) int                  { return s.unsent }
func (s *tape) Close(int)                       { s.note("close") }
func (s *tape) ResetOnClose(int)                { s.note("reset") }
func (s *tape) ShutdownWrite(int) syscall.Errno { s.note("shutdown"); return 0 }

func (s *tape) QuickAck(int) { s.acked++ }

func (s *tape) Read(_ int, p []byte) (int, syscall.Errno) {
	switch {
	case len(s.incoming) > 0:
		n := copy(p, s.incoming[0])
		if s.incoming[0] = s.incoming[0][n:]; s.incoming[0] == "" {
			s.incoming = s.incoming[1:]
		}
		return n, 0
	case s.broken != 0:
		return 0, s.broken
	case s.ended:
		return 0, 0
	}
	return 0, unix.EAGAIN
}

func (s *tape) Write(_ int, p []byte) (int, syscall.Errno) { return s.take(p) }

func (s *tape) WriteParts(_ int, p *Parts) (int, syscall.Errno) {
	s.joined = s.joined[:0]
	for _, part := range p {
		s.joined = append(s.joined, part...)
	}
	return s.take(s.joined)
}

func (s *tape) SpliceOut(_, _, n int) (int, syscall.Errno) {
	n, err := s.take(s.pipe[:n])
	s.pipe = s.pipe[n:]
	return n, err
}

func (s *tape) take(p []byte) (int, syscall.Errno) {
	n := len(p)
	if s.room >= 0 {
		n = min(n, s.room)
		s.room -= n
	}
	switch {
	case s.broken != 0:
		return 0, s.broken
	case n == 0 && len(p) > 0:
		return 0, unix.EAGAIN
	}
	if !s.silent {
		s.note("send %d", n)
	}
	s.wrote = append(s.wrote, p[:n]...)
	return n, 0
}

// desk is one open connection on a tape. It is its owner.
type desk struct {
	t       testing.TB
	poller  *still
	sys     *tape
	loop    *loop.Loop
	net     *Net
	conn    *Conn
	flushed int
	ended   int // by the peer
	broken  []syscall.Errno
	flows   []error // ends of flows
	onFlush func()
}

func newDesk(t testing.TB) *desk {
	t.Helper()
	d := &desk{t: t, poller: &still{now: int64(time.Hour)}, sys: &tape{room: -1}}
	d.loop = loop.New(loop.Config{Poller: d.poller, Stats: new(stat.Block), Report: func(value any, stack []byte) {
		t.Errorf("panic: %v\n%s", value, stack)
	}})
	d.net = NewNet(d.loop, d.sys, pool.NewArena(0), pool.NewPipes(pool.OSPipes{}, pool.NewPipeBudget(0), 0, 0))
	var err syscall.Errno
	d.conn, err = d.net.Dial(&Addr{Addr: netip.MustParseAddrPort("192.0.2.1:80")}, d)
	assert.Equal(t, err, 0)
	return d
}

// openDesk has the connection connected.
func openDesk(t testing.TB) *desk {
	d := newDesk(t)
	d.event(loop.Writable)
	return d
}

func (d *desk) Connected(*Conn)                   {}
func (d *desk) Broken(_ *Conn, err syscall.Errno) { d.broken = append(d.broken, err) }
func (d *desk) PeerEnded(*Conn)                   { d.ended++ }
func (d *desk) Ended(_ *flow.Flow, err error)     { d.flows = append(d.flows, err) }
func (d *desk) Flushed(*Conn) {
	d.flushed++
	if d.onFlush != nil {
		d.onFlush()
	}
}

// event hands over hints, and lets the loop do all that follows.
func (d *desk) event(ev loop.Events) {
	d.loop.Event(7, ev)
	d.settle()
}

func (d *desk) settle() {
	d.loop.Event(9999, 0)
	for d.poller.roused {
		d.poller.roused = false
		d.loop.Turn()
	}
}

// pass lets time go by.
func (d *desk) pass(by time.Duration) {
	end := d.poller.now + int64(by)
	for d.poller.armed != 0 && d.poller.armed <= end {
		d.poller.now, d.poller.armed = max(d.poller.now, d.poller.armed), 0
		d.loop.Tick()
		d.settle()
	}
	d.poller.now = end
	d.settle()
}

// give has bytes arrive, each piece by a read of its own.
func (d *desk) give(pieces ...string) {
	d.sys.incoming = append(d.sys.incoming, pieces...)
	d.event(loop.Readable)
}

// close ends the connection and checks that nothing is left of it.
func (d *desk) close() {
	d.t.Helper()
	d.conn.Close()
	d.gone()
}

func (d *desk) gone() {
	d.t.Helper()
	d.settle()
	assert.Equal(d.t, d.net.Open()+d.net.Leaving(), 0)
	assert.Equal(d.t, d.net.Buffers.InUse(), 0)
}
