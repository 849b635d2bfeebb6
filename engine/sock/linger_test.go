package sock

// Lingering in virtual time, over a kernel that says how many bytes are unsent.

import (
	"fmt"
	"testing"
	"time"

	"sluice/engine/loop"
	"sluice/engine/stat"
	"sluice/internal/assert"
	"sluice/pool"
)

// still is a poller without descriptors whose clock moves when the test says so.
type still struct {
	now, armed int64
	roused     bool
}

func (p *still) Add(int) error              { return nil }
func (p *still) AddListener(int) error      { return nil }
func (p *still) Delete(int) error           { return nil }
func (p *still) Wake() error                { return nil }
func (p *still) Rouse()                     { p.roused = true }
func (p *still) Arm(at int64)               { p.armed = at }
func (p *still) Now() int64                 { return p.now }
func (p *still) Wall() int64                { return p.now }
func (p *still) Poll(loop.Dispatcher) error { return nil }
func (p *still) Close() error               { return nil }

// unsentSys knows of each descriptor how many bytes it has not sent.
type unsentSys struct {
	Sys
	unsent func(fd int) int
	log    []string
}

func (s *unsentSys) Unsent(fd int) int   { return s.unsent(fd) }
func (s *unsentSys) ResetOnClose(fd int) { s.log = append(s.log, fmt.Sprint("reset ", fd)) }
func (s *unsentSys) Close(fd int)        { s.log = append(s.log, fmt.Sprint("close ", fd)) }

func TestLingerEnds(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		unsent func(elapsed time.Duration) int
		after  time.Duration
	}{
		"when everything has arrived": {func(at time.Duration) int { return max(0, 3-int(at/lingerTick)) }, 3 * lingerTick},
		"by stall":                    {func(time.Duration) int { return 10 }, lingerStall},
		"by stall after progress":     {func(at time.Duration) int { return max(100, 110-int(at/lingerTick)) }, 10*lingerTick + lingerStall},
		"by its time as a whole":      {func(at time.Duration) int { return 1<<30 - int(at) }, lingerTotal},
	} {
		t.Run(name, func(t *testing.T) {
			p := &still{now: 1e9}
			began := p.now
			sys := &unsentSys{unsent: func(int) int { return c.unsent(time.Duration(p.now - began)) }}
			l := loop.New(loop.Config{Poller: p, Stats: new(stat.Block)})
			n := NewNet(l, sys, pool.NewArena(0), nil)
			assert.Equal(t, n.linger(7), true)
			for len(sys.log) == 0 && p.now < began+2*int64(lingerTotal) {
				p.now = p.armed
				l.Tick()
			}
			took := time.Duration(p.now - began)
			if took < c.after || took > c.after+2*lingerTick {
				t.Fatalf("lingered for %v, want %v", took, c.after)
			}
			assert.Equal(t, sys.log, []string{"reset 7"}) // closed in a later turn
			assert.Equal(t, p.roused, true)
			l.Turn()
			assert.Equal(t, sys.log, []string{"reset 7", "close 7"})
			assert.Equal(t, n.Lingering(), 0)
		})
	}
}

func TestLingerIsBoundedAndShut(t *testing.T) {
	t.Parallel()
	p, sys := &still{}, &unsentSys{unsent: func(fd int) int { return fd % 2 }}
	l := loop.New(loop.Config{Poller: p, Stats: new(stat.Block)})
	n := NewNet(l, sys, pool.NewArena(0), nil)
	assert.Equal(t, n.linger(2), false) // nothing to wait for
	for i := range lingerMax {
		assert.Equal(t, n.linger(2*i+1), true)
	}
	assert.Equal(t, n.linger(9999), false)
	assert.Equal(t, n.Lingering(), lingerMax)
	n.Shut()
	assert.Equal(t, len(sys.log), 2*lingerMax)
	assert.Equal(t, n.Lingering(), 0)
	for range 10 { // nothing comes after it
		p.now += int64(time.Second)
		l.Tick()
		l.Turn()
	}
	assert.Equal(t, len(sys.log), 2*lingerMax)
}

// A loop that stops may do so between the reset of a lingering descriptor and its close.
func TestShutBetweenResetAndClose(t *testing.T) {
	t.Parallel()
	p, left := &still{}, 1
	sys := &unsentSys{unsent: func(int) int { return left }}
	l := loop.New(loop.Config{Poller: p, Stats: new(stat.Block)})
	n := NewNet(l, sys, pool.NewArena(0), nil)
	assert.Equal(t, n.linger(7), true)
	left, p.now = 0, p.armed
	l.Tick()
	n.Shut()
	l.Turn()
	closes := 0
	for _, line := range sys.log {
		if line == "close 7" {
			closes++
		}
	}
	assert.Equal(t, closes, 1)
}
