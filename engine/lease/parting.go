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
	release func(*Backend) // gives back a place at backend; may be nil
	backend *Backend
	closed  *Backend // to which there is one connection less; may be nil
	then    func()   // may be nil
	task    loop.Task
	turns   int8
}

// LetGo gives back a place at b whose connection has just been closed or reset.
func (d *Dialer) LetGo(b *Backend) {
	if b.upstream == nil || b.upstream.Door == nil {
		b.Release()
		return
	}
	d.part(parting{release: (*Backend).Release, backend: b, closed: b})
}

// MoveOn is LetGo for somebody who goes on to another server: the place at the upstream's door is kept. It reports
// whether there is one, which belongs into Ask.Inside.
func (d *Dialer) MoveOn(b *Backend) (inside bool) { return d.moveOn(b, true) }

// moveOn is MoveOn with or without a connection that has been closed.
func (d *Dialer) moveOn(b *Backend, closed bool) (inside bool) {
	if b.upstream == nil || b.upstream.Door == nil {
		b.exit()
		return false
	}
	what := parting{release: (*Backend).moveOn, backend: b}
	if closed {
		what.closed = b
	}
	d.part(what)
	return true
}

// moveOn gives back the place at the server, which may be what somebody at the door waits for.
func (b *Backend) moveOn() {
	b.exit()
	b.upstream.Door.Stir()
}

// part waits until what was closed before is gone.
func (d *Dialer) part(what parting) {
	p := d.partings.Get()
	*p = what
	p.dialer = d
	p.task.Bind(p)
	d.net.Loop.Later(&p.task)
}

// Run implements loop.Runner.
func (p *parting) Run() {
	if p.turns++; p.turns < partingTurns {
		p.dialer.net.Loop.Later(&p.task)
		return
	}
	d, release, b, closed, then := p.dialer, p.release, p.backend, p.closed, p.then
	p.release, p.backend, p.closed, p.then = nil, nil, nil, nil
	d.partings.Put(p)
	if closed != nil {
		closed.hungUp()
	}
	if release != nil {
		release(b)
	}
	if then != nil {
		then()
	}
}
