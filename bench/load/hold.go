package load

import (
	"fmt"

	"sluice/bench/meter"
)

// hold opens all connections, a few at a time, each with one exchange; lets them
// rest; measures a window in which nothing happens; and finally asks each for
// one more answer, because memory saved by losing connections is not saved.
func (g *generator) hold() (*Result, error) {
	if err := g.fill(); err != nil {
		return nil, err
	}
	if err := g.runFor(g.opt.Warm); err != nil {
		return nil, err
	}
	first, err := g.openWindow(meter.Full)
	if err != nil {
		return nil, err
	}
	if err := g.runFor(g.opt.Window); err != nil {
		return nil, err
	}
	last, err := g.closeWindow(meter.Full)
	if err != nil {
		return nil, err
	}
	held := g.idle
	alive, err := g.ask()
	if err != nil {
		return nil, err
	}
	r := g.result(first, last)
	r.Units = float64(held)
	r.Held = &Held{
		Connections: held, Alive: alive, Wakes: last.proxy.Wakes - first.proxy.Wakes,
		MemoryBefore: g.rest.Memory - g.rest.Files, MemoryHeld: first.proxy.Memory - first.proxy.Files,
	}
	if held == 0 {
		return r, fmt.Errorf("no connection could be opened (errors: %v)", r.Errors)
	}
	return r, nil
}

// fill dials every slot once, with one exchange each, holdAtOnce under way at a
// time.
func (g *generator) fill() error {
	for opened := 0; ; {
		for ; opened < len(g.conns) && g.pending < holdAtOnce; opened++ {
			g.dial(&g.conns[opened])
		}
		if opened == len(g.conns) && g.pending == 0 {
			return nil
		}
		if err := g.turn(); err != nil {
			return err
		}
	}
}

// ask sends one more request over each held connection and counts the answers.
func (g *generator) ask() (alive int, err error) {
	before := g.n.answers
	for asked := 0; ; {
		for ; asked < len(g.conns) && g.pending < holdAtOnce; asked++ {
			if c := &g.conns[asked]; c.fd >= 0 {
				g.idle--
				g.clock()
				g.send(c, 1, g.now)
			}
		}
		if asked == len(g.conns) && g.pending == 0 {
			return int(g.n.answers - before), nil
		}
		if err := g.turn(); err != nil {
			return 0, err
		}
	}
}
