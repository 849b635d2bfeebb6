// Package roster lists what is alive on a loop, such as the connections of a service that are not over, and tells who waits for
// there to be nothing.
package roster

// Place is an object's place in a roster, embedded in it so that joining allocates nothing.
type Place[T any] struct{ prev, next T }

// Placed is a pointer to an object with a place.
type Placed[T any] interface {
	comparable
	// Seat is the object's place in its roster.
	Seat() *Place[T]
}

// Roster lists live objects. The zero value is an empty one.
type Roster[T Placed[T]] struct {
	first   T
	live    int
	onEmpty func()
}

// Live is the number of objects in the roster.
func (r *Roster[T]) Live() int { return r.live }

// Join adds x.
func (r *Roster[T]) Join(x T) {
	var none T
	at := x.Seat()
	at.prev, at.next = none, r.first
	if r.first != none {
		r.first.Seat().prev = x
	}
	r.first = x
	r.live++
}

// Leave takes x out.
func (r *Roster[T]) Leave(x T) {
	var none T
	at := x.Seat()
	if at.prev != none {
		at.prev.Seat().next = at.next
	} else {
		r.first = at.next
	}
	if at.next != none {
		at.next.Seat().prev = at.prev
	}
	at.prev, at.next = none, none
	r.live--
}

// Each calls fn for every object; fn may have that one leave.
func (r *Roster[T]) Each(fn func(x T)) {
	var none T
	for x := r.first; x != none; {
		next := x.Seat().next
		fn(x)
		x = next
	}
}

// WhenEmpty has fn called once the roster is empty and everything that left is freed: at once, or by a later Freed.
func (r *Roster[T]) WhenEmpty(fn func()) {
	r.onEmpty = fn
	r.Freed()
}

// Freed says that an object that has left is gone for good.
func (r *Roster[T]) Freed() {
	if r.live == 0 && r.onEmpty != nil {
		fn := r.onEmpty
		r.onEmpty = nil
		fn()
	}
}
