package lease

// How an upstream takes over from the one of the same name in the configuration before. Nothing there is changed by
// compiling: a configuration that is refused leaves no trace. TakeOver is the moment from which the newer one counts, for
// all loops; each loop then moves what it keeps itself:
//
//	u, specs, issues := Compile(config, Deps{Before: old})  // servers of the same address share their state
//	u.TakeOver()                                            // once its servers are known
//	dialer.Move(b, u.Heir(b))                               // on each loop, for each server b of old

import (
	"slices"
	"time"

	"sluice/engine/door"
)

// bounds are the limits of a door.
type bounds struct {
	most, size int
	patience   time.Duration
}

// door is the one for an upstream with these bounds: that of the configuration before, if both have one, so that who is
// inside and who waits counts on. One that is new counts whoever comes from now on.
func (w bounds) door(limited bool, before *Upstream) *door.Door {
	switch {
	case !limited:
		return nil
	case before != nil && before.Door != nil:
		return before.Door
	}
	return door.New(w.most, w.size, w.patience)
}

// TakeOver makes u, which was compiled with Deps.Before, the one whose limits hold, and to which idle connections go. It is
// for whoever calls Replace, after the last Replace of the upstream before; without one it does nothing. Who has begun
// there finishes there: servers that u does not have remain usable for them.
func (u *Upstream) TakeOver() {
	before := u.before
	if before == nil {
		return
	}
	for _, b := range u.Set().Backends() {
		b.SetRemoved(false) // it may have left, and come back with this configuration
		b.state().present.Store(b)
	}
	for _, b := range before.all() {
		if u.Heir(b) == nil {
			b.state().present.Store(nil)
			u.mu.Lock()
			u.parting = append(u.parting, b)
			u.mu.Unlock()
		}
	}
	u.before = nil
	before.next.Store(u)
	u.forgetParted()
	switch {
	case u.Door != nil:
		u.Door.Change(u.bounds.most, u.bounds.size, u.bounds.patience)
	case before.Door != nil: // nothing is limited any more, so nobody need wait
		before.Door.Change(0, before.Door.Size(), before.Door.Patience())
	}
}

// Heir is the server of u that has the address of b; nil if there is none, or no u.
func (u *Upstream) Heir(b *Backend) *Backend {
	if u == nil {
		return nil
	}
	all := u.Set().Backends()
	if at := slices.IndexFunc(all, func(o *Backend) bool { return o.Addr == b.Addr }); at >= 0 {
		return all[at]
	}
	return nil
}

// forgetParted drops those of the configuration before that are not in use any more, or listed again.
func (u *Upstream) forgetParted() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.parting = slices.DeleteFunc(u.parting, func(b *Backend) bool { return b.InUse() == 0 || u.Heir(b) != nil })
}

// ancestor finds a server of the configuration before: as long as that is in force, or until nobody uses it any more.
func (u *Upstream) ancestor(same func(*Backend) bool) *Backend {
	var all []*Backend
	if u.before != nil {
		all = u.before.all()
	} else {
		u.mu.Lock()
		all = slices.Clone(u.parting)
		u.mu.Unlock()
	}
	if at := slices.IndexFunc(all, same); at >= 0 {
		return all[at]
	}
	return nil
}

// all are the servers of u, and those that have been its and are still in use.
func (u *Upstream) all() []*Backend {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.Concat(u.Set().Backends(), u.retired, u.parting)
}

// latest is the upstream that has taken over from u, if it treats connections alike and counts them at the same door: who
// waits, or tries again, finds the servers and limits of today. It is u as long as there is none.
func (u *Upstream) latest() *Upstream {
	for n := u.next.Load(); n != nil && n.Door == u.Door && n.Proxy == u.Proxy && n.tls == u.tls; n = u.next.Load() {
		u = n
	}
	return u
}

// lot is where idle connections to b are on a loop: where its heir has them, once they have moved there.
func (b *Backend) lot(loop int) *lot {
	at := &b.lots[loop]
	if !at.moved {
		return at
	}
	if now := b.state().present.Load(); now != nil && !now.lots[loop].moved && now.takes(b) {
		return &now.lots[loop]
	}
	return at
}

// takes reports whether connections to o, the same server in another configuration, are as good as b's own: what was said
// at their beginning is the same, so is who has to be there, and both count them, or neither.
func (b *Backend) takes(o *Backend) bool {
	return b.upstream.Proxy == o.upstream.Proxy && b.upstream.tls == o.upstream.tls && b.host == o.host && b.capped() == o.capped()
}

// Move gives the idle connections to b on this loop to its heir in another configuration, which has taken over; what is of
// no use there is closed. Those that are in use now follow when they are parked. A nil heir has everything closed.
func (d *Dialer) Move(b, heir *Backend) {
	from := &b.lots[d.net.Loop.Index()]
	from.moved = true
	if !from.listed {
		return
	}
	if heir != nil && heir.upstream.MaxIdle > 0 && heir.takes(b) {
		at := &heir.lots[d.net.Loop.Index()]
		for since, some := from.idle.Oldest(); some; since, some = from.idle.Oldest() {
			p, _ := from.idle.Expire(since)
			at.put(d, p, since)
		}
	}
	d.Evict(b)
}
