package lease

// How a server stands with those who are not policies.

import "sluice/engine/record"

// Upstream is the upstream whose server b is.
func (b *Backend) Upstream() *Upstream { return b.upstream }

// Doubt makes b look as if its last n uses had failed: the next failure counts for more, a success ends it.
func (b *Backend) Doubt(n int) { b.state().inARow.Store(int32(max(n, 0))) }

// Admits reports whether b's condition lets it be picked; whether it has room is another question.
func (s *Set) Admits(b *Backend) bool { return s.admits(b.state().flags.Load()) }

// Full reports whether there is a server to pick, not among tried, were it not at its limit.
func (s *Set) Full(tried *Tried) bool {
	for _, m := range s.members {
		if m.Weight > 0 && s.Admits(m.Backend) && !tried.Has(m.Backend) {
			return true
		}
	}
	return false
}

// Spare reports whether there is a server to go to that is neither b nor among tried.
func (u *Upstream) Spare(b *Backend, tried *Tried) bool {
	set := u.Set()
	for _, m := range set.members {
		if m.Backend != b && m.Weight > 0 && set.Admits(m.Backend) && !tried.Has(m.Backend) {
			return true
		}
	}
	return false
}

// whyNobody tells why no server was found although none was tried.
func (u *Upstream) whyNobody() record.Reason {
	if u.Set().Full(nil) {
		return record.UpstreamFull
	}
	return record.NoServer
}
