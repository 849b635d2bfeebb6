package lease

// How a server stands with those who are not policies.

import "sluice/engine/record"

// Upstream is the upstream whose server b is.
func (b *Backend) Upstream() *Upstream { return b.upstream }

// Is reports whether b and o are the same server, perhaps with different limits.
func (b *Backend) Is(o *Backend) bool { return b != nil && b.state() == o.state() }

// Doubt makes b look as if its last n uses had failed: the next failure counts for more, a success ends it.
func (b *Backend) Doubt(n int) { b.state().inARow.Store(int32(max(n, 0))) }

// Admits reports whether b's condition lets it be picked; whether it has room is another question.
func (s *Set) Admits(b *Backend) bool { return s.admits(b.state().flags.Load()) }

// Full reports whether there is a server to pick, not among tried, were it not at its limit.
func (s *Set) Full(tried *Tried) bool {
	if tried.Full() {
		return false
	}
	for _, m := range s.members {
		if m.Weight > 0 && s.Admits(m.Backend) && !tried.Has(m.Backend) {
			return true
		}
	}
	return false
}

// Spare reports whether there is a server to go to that is neither b nor among tried, with room, if that matters.
func (u *Upstream) Spare(b *Backend, tried *Tried, room bool) bool {
	set := u.Set()
	for _, m := range set.members {
		if m.Backend != b && m.Weight > 0 && set.Admits(m.Backend) && !tried.Has(m.Backend) && (!room || m.InUse() < m.limit()) {
			return !tried.Full()
		}
	}
	return false
}

// whyNobody tells why no server was found for somebody who has been at those tried.
func (u *Upstream) whyNobody(tried *Tried) record.Reason {
	if u.Set().Full(tried) {
		return record.UpstreamFull
	}
	return record.NoServer
}

// Observe takes in how long the server let one request, or one connection, wait.
// It may be called from every loop for every request.
func (b *Backend) Observe(nanoseconds int64) { b.state().latency.Observe(nanoseconds) }

// Latency is the average in nanoseconds; 0 if there is none.
func (b *Backend) Latency() int64 {
	average, _ := b.state().latency.Load()
	return average
}

// Decay is called about once a second. It halves the average of a server that
// has had no sample for a second or two, so that one that was slow, and is
// therefore not asked, is asked again.
func (b *Backend) Decay() { b.state().latency.Decay() }

// Forget drops the average, for a server that begins anew.
func (b *Backend) Forget() { b.state().latency.Forget() }
