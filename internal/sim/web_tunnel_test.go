package sim

// What goes through a connection that has been switched.

import "bytes"

type tunnelEnd struct {
	p     *peer
	ask   *ask
	side  int // 0 is the client's
	mine  []byte
	want  []byte
	from  int // where in the peer's stream it begins
	got   int
	after bool // it ends after the other side
	done  bool // the other side's end was seen in order
}

func newTunnelEnd(p *peer, a *ask, side int) *tunnelEnd {
	t := &tunnelEnd{p: p, ask: a, side: side, mine: a.up, want: a.down, after: p.w.chance(40)}
	if side == 1 {
		t.mine, t.want = a.down, a.up
	}
	if a.ends[side] != nil {
		p.w.fault("ask %d is switched twice", a.id)
	}
	a.ends[side] = t
	t.from = p.sent + len(p.out)
	if side == 0 && a.early {
		t.from = a.to
		return t
	}
	p.out = append(p.out, t.mine...)
	return t
}

func (t *tunnelEnd) other() *tunnelEnd { return t.ask.ends[1-t.side] }

// take judges bytes that have come.
func (t *tunnelEnd) take(b []byte) {
	if !bytes.HasPrefix(t.want[min(t.got, len(t.want)):], b) {
		t.p.w.fault("%s received %d bytes at %d that do not belong to the tunnel of ask %d", t.p.name, len(b), t.got, t.ask.id)
	}
	t.got += len(b)
}

// act ends the sender's half when its time has come.
func (t *tunnelEnd) act() {
	if len(t.p.out) == 0 && t.p.cutHow == endsAfter && (!t.after || t.p.sawEnd || t.other() != nil && t.other().after) {
		t.p.end()
	}
}

// ended judges the other side's end.
func (t *tunnelEnd) ended(cut bool) {
	if cut {
		return
	}
	t.done = true
	if o := t.other(); o != nil && !o.p.e.unix && !t.p.e.unix {
		switch sent := o.p.sent - o.from; {
		case !o.p.sentEnd:
			t.p.w.fault("%s sees an end that %s did not send", t.p.name, o.p.name)
		case t.got != sent:
			t.p.w.fault("%s sees the end of the tunnel after %d of %d bytes", t.p.name, t.got, sent)
		}
	}
	t.p.later()
}
