package lease

// Places of servers with a limit are given back when the connection is closed, not when somebody has asked for that: a
// descriptor is closed in a later turn of its loop, and whoever gets the place meanwhile, on another loop, would knock at
// the server before its predecessor has said goodbye.

import "sluice/engine/loop"

// partingTurns is how many turns it takes until a connection that was closed or reset is gone for the kernel, too: one
// for the descriptor, and one for those whose own task was still queued.
const partingTurns = 2

// parting waits for connections to be gone.
type parting struct {
	dialer  *Dialer
	backend *Backend // whose place is given back; may be nil
	then    func()   // may be nil
	task    loop.Task
	turns   int8
}

// LetGo gives back a place at b whose connection has just been closed or reset, or was never made.
func (d *Dialer) LetGo(b *Backend) {
	if b.upstream == nil || b.upstream.Door == nil {
		b.Release()
		return
	}
	d.part(b, nil)
}

// part waits until what was closed before is gone.
func (d *Dialer) part(b *Backend, then func()) {
	p := d.partings.Get()
	*p = parting{dialer: d, backend: b, then: then}
	p.task.Bind(p)
	d.net.Loop.Later(&p.task)
}

// Run implements loop.Runner.
func (p *parting) Run() {
	if p.turns++; p.turns < partingTurns {
		p.dialer.net.Loop.Later(&p.task)
		return
	}
	d, b, then := p.dialer, p.backend, p.then
	p.backend, p.then = nil, nil
	d.partings.Put(p)
	if b != nil {
		b.Release()
	}
	if then != nil {
		then()
	}
}
