package sim

import "time"

// A play is what a world is about: who talks to whom, through which code, and what must hold of it. The kernel, the
// network and time are the same for all.

type play interface {
	// draw makes the plan, build the code under test.
	draw() plan
	build() rig
	// client brings the i-th client in, origin gives the far end of a dialed connection to somebody.
	client(i int)
	origin(e *end)
	// inspect is called after each batch of events, atRest when time is about to pass, judge when all is over.
	inspect()
	atRest()
	judge()
}

// rig is what stands between clients and origins.
type rig interface {
	start(fd int)
	close()
	active() int
	// leftovers says what was not given back.
	leftovers(report func(what string, n int))
}

// begin brings the world to life.
func (w *World) begin() {
	w.listener = w.listen(w.plan.unix)
	w.rig.start(w.listener.file.fd)
	within := time.Second
	if w.plan.crowd {
		within = 20 * time.Millisecond
	}
	for i := range w.plan.clients {
		w.after(w.rng.Int64N(int64(within)), func() { w.play.client(i) })
	}
	if w.plan.shortage {
		w.after(w.delay(time.Second), func() { w.files.short = true })
		w.after(int64(time.Second)+w.delay(time.Second), func() { w.files.short = false })
	}
}
