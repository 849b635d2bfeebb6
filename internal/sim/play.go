package sim

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

// tunnels is the play of passthrough: bytes go through as they are.
type tunnels struct{ *World }

func (t tunnels) build() rig {
	if t.plan.pair {
		t.cover.hit(PairRun)
		return t.pairRig(t.World)
	}
	return newRelayRig(t.World)
}

func (t tunnels) client(i int) { t.newClient(i) }

func (t tunnels) origin(e *end) { t.newOrigin(e) }

func (t tunnels) judge() {
	t.checkRecords()
	for _, a := range t.actors {
		t.checkActor(a)
	}
}
