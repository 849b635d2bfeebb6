package health

import (
	"slices"
	"sync"
)

// gate bounds the checks under way in the process. A monitor that finds it closed stands in line, with one seat however many of its
// servers are due, and is woken when its turn has come. So an upstream of a thousand hanging servers does not keep another one waiting
// for longer than one check per upstream in the line.
type gate struct {
	mu   sync.Mutex
	free int
	line []*seat // empty while free > 0
}

// seat is a monitor's place at a gate. The gate's mutex guards what changes.
type seat struct {
	wake    func() // must not block; called with the gate's mutex held
	queued  bool
	granted bool // its turn has come: a slot is kept for it
}

// processGate is the one that all monitors share.
var processGate = &gate{free: checksMax}

// take gets a slot, or puts s in line and is false.
func (g *gate) take(s *seat) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case s.granted:
		s.granted = false
		return true
	case g.free > 0:
		g.free--
		return true
	case !s.queued:
		s.queued = true
		g.line = append(g.line, s)
	}
	return false
}

// put gives a slot back.
func (g *gate) put() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.pass()
}

// leave says that s wants nothing any more: it gives up its place in line, or the slot kept for it.
func (g *gate) leave(s *seat) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if s.queued {
		s.queued = false
		g.line = slices.DeleteFunc(g.line, func(other *seat) bool { return other == s })
	}
	if s.granted {
		s.granted = false
		g.pass()
	}
}

// pass hands a slot to the first in line, or keeps it.
func (g *gate) pass() {
	if len(g.line) == 0 {
		g.free++
		return
	}
	next := g.line[0]
	g.line = slices.Delete(g.line, 0, 1)
	next.queued, next.granted = false, true
	next.wake()
}
