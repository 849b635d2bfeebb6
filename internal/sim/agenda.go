package sim

import "container/heap"

// agenda is what will happen in the world: the network's deliveries, the actors' steps. Moments that are equal come
// in the order in which they were planned, so that a seed always plays the same way.
type agenda struct {
	heap appointments
	seq  uint64
}

type appointment struct {
	at  int64
	seq uint64
	do  func()
}

type appointments []appointment

func (a appointments) Len() int { return len(a) }
func (a appointments) Less(i, j int) bool {
	return a[i].at < a[j].at || (a[i].at == a[j].at && a[i].seq < a[j].seq)
}
func (a appointments) Swap(i, j int) { a[i], a[j] = a[j], a[i] }
func (a *appointments) Push(x any)   { *a = append(*a, x.(appointment)) }
func (a *appointments) Pop() any {
	last := len(*a) - 1
	x := (*a)[last]
	(*a)[last] = appointment{}
	*a = (*a)[:last]
	return x
}

// after plans do in d nanoseconds.
func (w *World) after(d int64, do func()) {
	w.agenda.seq++
	heap.Push(&w.agenda.heap, appointment{w.now + d, w.agenda.seq, do})
}

// next is the moment of the next appointment, or false.
func (a *agenda) next() (int64, bool) {
	if len(a.heap) == 0 {
		return 0, false
	}
	return a.heap[0].at, true
}

// catchUp does everything that is due.
func (w *World) catchUp() {
	for {
		at, ok := w.agenda.next()
		if !ok || at > w.now {
			return
		}
		w.progress = true
		heap.Pop(&w.agenda.heap).(appointment).do()
	}
}
