package sim

// What worlds with TLS have besides: workers that do a step of a handshake when the seed says so, which may be long after
// everybody has forgotten about it, and the veils through which clients speak.

import (
	"crypto/tls"
	"time"

	"sluice/engine/lease"
	"sluice/engine/loop"
	"sluice/engine/seal"
)

// office is where handshakes are worked on.
type office struct {
	w       *World
	workers *loop.Workers
	pool    *seal.Pool
	planned int // steps on the agenda
	veils   []*veiled
	cache   tls.ClientSessionCache

	toServers *tls.Config // of the proxy
}

// drawTLS changes a plan to one with TLS, and draws what there is besides.
func (w *World) drawTLS() {
	p := &w.plan
	if p.pair {
		p.pair = false
		w.drawRelay(p)
	}
	p.unix, p.hello = false, false
	p.late = []int{0, 0, 10, 50}[w.rng.IntN(4)]
	p.desk = seal.Queue
	if w.chance(15) {
		p.desk = w.between(1, 2)
	}
	p.older = []int{0, 20, 100}[w.rng.IntN(3)]
	p.updates = []int{0, 10}[w.rng.IntN(2)]
	p.back = w.backs && w.chance(40)
}

func (o *office) init(w *World) {
	if o.w = w; !w.secure {
		return
	}
	o.workers = loop.NewWorkers(0, w.plan.desk)
	o.pool = seal.NewPool(o.workers)
	o.cache = tls.NewLRUClientSessionCache(0)
	o.toServers = o.clientTLS()
}

// employ plans a moment for each step that was asked for.
func (o *office) employ() {
	if o.workers == nil {
		return
	}
	for ; o.planned < o.workers.Waiting(); o.planned++ {
		d := o.w.delay(3 * time.Millisecond)
		if o.w.chance(o.w.plan.late) {
			d = o.w.delay(2 * timeoutShake)
		}
		o.w.after(d, func() {
			if o.w.chance(50) {
				o.step()
				return
			}
			o.w.poller.beside = append(o.w.poller.beside, o.step)
		})
	}
}

// Peer implements lease.TLSPeers, for all servers of a world.
func (o *office) Peer(string) lease.TLSPeer { return o }

// Config implements lease.TLSPeer.
func (o *office) Config() *tls.Config { return o.toServers }

// Explain implements lease.TLSPeer.
func (o *office) Explain(err error) string { return err.Error() }

func (o *office) step() {
	o.w.trace("-- a step of a handshake")
	o.planned--
	o.workers.Step()
}

// close ends the veils' and the pool's coroutines.
func (o *office) close() {
	for _, v := range o.veils {
		_ = v.Close()
	}
	if o.workers != nil {
		o.workers.Close()
	}
}

// leftovers says what was not given back.
func (o *office) leftovers(report func(string, int)) {
	if o.pool != nil {
		report("handshakes under way", int(o.pool.Under()))
		report("steps of handshakes", o.workers.Waiting())
	}
}

// leavesShake leaves in the middle of a handshake, if that is what the script says.
func (a *actor) leavesShake() bool {
	v := a.e.veil
	if v == nil || a.script.shakeCut == 0 || v.Over() || v.flown < a.script.shakeCut {
		return false
	}
	a.w.cover.hit(ShakeLeft)
	switch a.script.ending {
	case vanishes, vanishesFar:
		a.vanish()
	case resets:
		a.reset()
	default:
		a.cut = true
		a.finish()
	}
	return true
}

// unveil goes on with what came behind a PROXY header: it is for the veil, if there is one.
func (a *actor) unveil() bool {
	v := a.e.veil
	if v == nil {
		return false
	}
	v.Feed(a.unknown)
	a.unknown = nil
	a.e.tend(true)
	return true
}
