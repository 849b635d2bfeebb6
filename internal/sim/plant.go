package sim

// Planted faults: each breaks one rule on behalf of the code under test, so that a test can show the checkers see it.

import (
	"bytes"
	"slices"
	"syscall"
)

type plantKind uint8

const (
	plantNone      plantKind = iota
	plantSwallow             // one byte is said to be written and is not
	plantCorrupt             // one byte is written as another
	plantEarlyEnd            // an error is reported as the end of the stream
	plantForgetful           // an edge is lost
	plantLeak                // a descriptor is never closed
	plantHurried             // the turn that closes descriptors comes within a batch, before hints for them
	plantLostField           // one field line is not written
	plantReuse               // every connection to a server is used again
	plantGentle              // connections that should be reset are closed in order
	plantResend              // every request that has failed is said to have been taken by nobody
	plantHoard               // a place at a server is taken past the door
	plants
)

// plant is a fault that strikes once, at the strike-th chance.
type plant struct {
	kind   plantKind
	strike int
}

// strikes counts down the chances of a kind.
func (p *plant) strikes(kind plantKind) bool {
	if p.kind != kind {
		return false
	}
	p.strike--
	return p.strike == 0
}

// write gives what is really written of b, and how many bytes are said to be besides.
func (p *plant) write(b []byte) (real []byte, swallowed int) {
	if at := bytes.Index(b, lostField); at >= 0 && p.strikes(plantLostField) {
		n := bytes.IndexByte(b[at+1:], '\n') + 1
		return slices.Delete(slices.Clone(b), at+1, at+1+n), n
	}
	switch {
	case len(b) < 2:
	case p.strikes(plantCorrupt):
		b = append([]byte(nil), b...)
		b[len(b)/2] ^= 0x40
	case p.strikes(plantSwallow):
		return b[1:], 1
	}
	return b, 0
}

// failure gives what an error is said to be. Without one, the count of 0 that comes with it is an end.
func (p *plant) failure(err syscall.Errno) syscall.Errno {
	if p.kind == plantEarlyEnd && err != syscall.EAGAIN {
		return 0
	}
	return err
}

// lostField is how the line that is lost begins, with the end of the one before it.
var lostField = []byte("\nX-")

func (p *plant) hurries() bool { return p.kind == plantHurried }

func (p *plant) forgets() bool { return p.strikes(plantForgetful) }

func (p *plant) leak() bool { return p.strikes(plantLeak) }
