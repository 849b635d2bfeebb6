// Bounded load: a keyed policy sends every client of one office, or every
// request for one page, to one server, however many they are. With a bound a
// server takes no more than so many percent of its fair share, and the rest
// goes on to whom the key would go if it were down. (Mirrokni, Thorup,
// Zadimoghaddam, "Consistent Hashing with Bounded Loads", SODA 2018.)
//
// Fair is the share by weight of all that usable members have in use, the new
// connection included, and rounded up. So somebody always has room: were all at
// the bound, together they would have more than all there is.

package lease

// bound is in percent of the fair share; 0 is none.
type bound int64

// fits reports whether one more connection keeps m within the bound.
func (b bound) fits(m *member, t tier, q *Query) bool { return b == 0 || b.holds(m, t, q) }

// holds is fits where there is a bound. An idle member needs no look at the
// others; else all of them are summed up, once for each question: of a thousand
// that takes 4 µs.
func (b bound) holds(m *member, t tier, q *Query) bool {
	n := int64(m.live.inUse.Load())
	if n == 0 {
		return true
	}
	if q.weight == 0 {
		q.inUse, q.weight = t.inUse(q)
	}
	// n + 1 ≤ ⌈b/100 · (inUse+1) · own/weight⌉, without its divisions
	return n*100*q.weight < int64(b)*(q.inUse+1)*int64(m.weight)
}

// inUse sums up connections and weights of the usable members.
func (t tier) inUse(q *Query) (inUse, weight int64) {
	for i := range t {
		if m := &t[i]; m.usable(q) {
			inUse += int64(m.live.inUse.Load())
			weight += int64(m.weight)
		}
	}
	return inUse, weight
}
