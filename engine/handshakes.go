package engine

// Who does the handshakes of TLS: workers beside the loops, where a listener or an upstream speaks it. Signing and key
// exchange take hundreds of microseconds, for which no loop has the time.

import (
	"sluice/configs"
	"sluice/engine/certs"
	"sluice/engine/loop"
	"sluice/engine/machine"
	"sluice/engine/seal"
	"sluice/engine/sock"
)

// handshakes are the workers of all loops, and the handshakes they are at. A nil one is that of a proxy without TLS.
type handshakes struct {
	workers []*loop.Workers // each is one: a handshake stays with the thread that it has begun on
	pool    *seal.Pool
}

// startHandshakes starts the workers that cfg needs, which may be none. The owner closes them when the loops have ended.
func startHandshakes(cfg *configs.Config) *handshakes {
	count := machine.Workers(cfg)
	if count == 0 {
		return nil
	}
	h := new(handshakes)
	for range count {
		h.workers = append(h.workers, loop.NewBackground(1, seal.Queue))
	}
	h.pool = seal.NewPool(h.workers...)
	h.pool.Explain = certs.Explain
	return h
}

// employ starts the workers once something speaks TLS; they stay for the life of the process. Loops hear of them when they
// enter a generation.
func (e *Engine) employ(cfg *configs.Config) {
	if e.shakes == nil {
		e.shakes = startHandshakes(cfg)
	}
}

// serve has the handshakes of net's connections done here.
func (h *handshakes) serve(net *sock.Net) {
	if h != nil {
		net.Handshakes = h.pool
	}
}

// places is how many processors of the Go scheduler the workers want.
func (h *handshakes) places() int {
	if h == nil {
		return 0
	}
	return len(h.workers)
}

// load is how many handshakes are under way, and how many steps of them wait for a worker.
func (h *handshakes) load() (underWay, waiting int) {
	if h == nil {
		return 0, 0
	}
	return int(h.pool.Under()), h.pool.Waiting()
}

// close ends the workers. No loop may run any more.
func (h *handshakes) close() {
	if h == nil {
		return
	}
	for _, w := range h.workers {
		w.Close()
	}
}
