package sock

// Lingering: a connection that is to be reset while the kernel still holds bytes for its peer.
//
// A reset destroys what was written but has not been acknowledged, yet those bytes were received before the reset
// and have to arrive before it. So the descriptor alone stays for a moment, without a connection, a buffer or an
// event, and a timer looks after it: when everything has arrived, when nothing moves any more, or when its time is
// over, the reset goes out.

import "sluice/engine/loop"

type linger struct {
	net     *Net
	timer   loop.Timer
	task    loop.Task // closes, in a later turn
	fd      int
	unsent  int   // bytes, at the last look
	stalled int64 // since when they have not become fewer
	until   int64 // the end in any case
}

// linger takes over fd if it holds unacknowledged bytes and there is room. The caller resets it otherwise.
func (n *Net) linger(fd int) bool {
	unsent := n.Sys.Unsent(fd)
	if unsent == 0 || len(n.lingering) >= lingerMax {
		return false
	}
	now := n.Loop.Now()
	g := n.lingers.Get()
	*g = linger{net: n, fd: fd, unsent: unsent, stalled: now, until: now + int64(lingerTotal)}
	g.timer.Bind(g)
	g.task.Bind(g)
	n.lingering[g] = struct{}{}
	n.Loop.Start(&g.timer, now+int64(lingerTick))
	return true
}

// Expired looks after the bytes.
func (g *linger) Expired(*loop.Timer) {
	now := g.net.Loop.Now()
	unsent := g.net.Sys.Unsent(g.fd)
	if unsent < g.unsent {
		g.unsent, g.stalled = unsent, now
	}
	if unsent == 0 || now-g.stalled >= int64(lingerStall) || now >= g.until {
		g.end()
		return
	}
	g.net.Loop.Start(&g.timer, now+int64(lingerTick))
}

// end resets the peer, in a later turn: as with every other descriptor, an event for it may wait in this batch.
func (g *linger) end() {
	g.net.Sys.ResetOnClose(g.fd)
	g.net.Loop.Later(&g.task)
}

// Run closes the descriptor, unless Shut has done so.
func (g *linger) Run() {
	if _, here := g.net.lingering[g]; !here {
		return
	}
	g.net.Sys.Close(g.fd)
	delete(g.net.lingering, g)
	g.net.lingers.Put(g)
}

// Shut resets what still lingers, when the loop is about to stop.
func (n *Net) Shut() {
	for g := range n.lingering {
		n.Loop.Cancel(&g.timer)
		if !g.task.Queued() {
			n.Sys.ResetOnClose(g.fd)
		}
		n.Sys.Close(g.fd)
	}
	clear(n.lingering)
	for g := range n.leaving {
		g.end()
	}
}

// Lingering is the number of connections that wait for their last bytes to arrive.
func (n *Net) Lingering() int { return len(n.lingering) }
