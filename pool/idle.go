package pool

// Idle keeps things that wait to be used again, for one loop and one purpose: the idle connections
// to one server, say. The one put last is taken first, because it is the least likely to have been
// given up by the far side; the one put first is the first to be evicted or to expire.
//
//	type conn struct {
//		idle pool.IdleLink[*conn]
//		...
//	}
//	if old, full := idle.Put(c, &c.idle, now); full {
//		old.Close()
//	}
//	c, ok := idle.Take()        // the newest
//	idle.Remove(&c.idle)        // closed by its peer meanwhile
//	c, ok = idle.Expire(now - timeout)
//
// The list runs through links inside the things themselves, so nothing allocates and one leaves
// from the middle in constant time. Idle never looks at what it holds. It belongs to one loop and
// has no lock; time is whatever clock the caller counts in, as long as it does not run backwards.
type Idle[C any] struct {
	// MaxIdle is how many things are kept. Zero keeps nothing: what is put comes straight back. It
	// may change at any time; a surplus leaves by Expire.
	MaxIdle int

	newest, oldest *IdleLink[C]
	len            int
}

// IdleLink is the place of one thing in an Idle, to be embedded in the thing. It must not be copied
// while it is in. The zero value is in none.
type IdleLink[C any] struct {
	newer, older *IdleLink[C]
	in           *Idle[C] // nil while the thing is in use
	thing        C
	at           int64
}

// In tells whether the thing of this link is idle now.
func (l *IdleLink[C]) In() bool { return l.in != nil }

// Put keeps c, whose link is l, as the newest. If that is one more than MaxIdle, the oldest is
// evicted and belongs to the caller again; it is c itself if MaxIdle is zero. The time now is in
// nanoseconds and not before that of an earlier Put. It panics if l is already in an Idle.
func (i *Idle[C]) Put(c C, l *IdleLink[C], now int64) (evicted C, was bool) {
	if l.in != nil {
		panic("pool: Idle.Put of a thing that is already idle")
	}
	*l = IdleLink[C]{older: i.newest, in: i, thing: c, at: now}
	if i.newest != nil {
		i.newest.newer = l
	} else {
		i.oldest = l
	}
	i.newest = l
	i.len++
	if i.len <= i.MaxIdle {
		return evicted, false
	}
	return i.unlink(i.oldest), true
}

// Take removes the newest and returns it, and false if there is none.
func (i *Idle[C]) Take() (c C, ok bool) {
	if i.newest == nil {
		return c, false
	}
	return i.unlink(i.newest), true
}

// Remove takes out the thing of link l, wherever it stands. It panics if it is not in this Idle.
func (i *Idle[C]) Remove(l *IdleLink[C]) {
	if l.in != i {
		panic("pool: Idle.Remove of a thing that is not in it")
	}
	i.unlink(l)
}

// Expire removes the oldest if it was put at or before that moment, in nanoseconds, and returns
// it; false if it is younger or there is none. To be called until it says false. With
// math.MaxInt64 it takes whatever is oldest, which empties the list.
func (i *Idle[C]) Expire(before int64) (c C, ok bool) {
	if i.oldest == nil || i.oldest.at > before {
		return c, false
	}
	return i.unlink(i.oldest), true
}

// Oldest returns when the oldest was put, in nanoseconds, for a timer; false if there is none.
func (i *Idle[C]) Oldest() (at int64, ok bool) {
	if i.oldest == nil {
		return 0, false
	}
	return i.oldest.at, true
}

// Len is the number of things that are idle.
func (i *Idle[C]) Len() int { return i.len }

// unlink takes l out and returns its thing. The link is left zero: it must not keep its thing, or
// its old neighbours, from the garbage collector.
func (i *Idle[C]) unlink(l *IdleLink[C]) C {
	if l.newer != nil {
		l.newer.older = l.older
	} else {
		i.newest = l.older
	}
	if l.older != nil {
		l.older.newer = l.newer
	} else {
		i.oldest = l.newer
	}
	i.len--
	c := l.thing
	*l = IdleLink[C]{}
	return c
}
