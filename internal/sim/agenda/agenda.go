// Package agenda is what will happen in a simulated world: the network's deliveries, the actors' steps. Moments that are
// equal come in the order in which they were planned, so that a seed always plays the same way.
package agenda

import "container/heap"

// Agenda is a list of appointments. The zero value is empty.
type Agenda struct {
	heap appointments
	seq  uint64
}

type appointment struct {
	at  int64
	seq uint64
	do  func()
}

type appointments []appointment

// Len, Less and Swap implement sort.Interface.
func (a appointments) Len() int { return len(a) }

// Less orders by time.
func (a appointments) Less(i, j int) bool {
	return a[i].at < a[j].at || (a[i].at == a[j].at && a[i].seq < a[j].seq)
}

// Swap swaps.
func (a appointments) Swap(i, j int) { a[i], a[j] = a[j], a[i] }

// Push implements heap.Interface.
func (a *appointments) Push(x any) { *a = append(*a, x.(appointment)) }

// Pop implements heap.Interface.
func (a *appointments) Pop() any {
	last := len(*a) - 1
	x := (*a)[last]
	(*a)[last] = appointment{}
	*a = (*a)[:last]
	return x
}

// Add plans do for a moment.
func (a *Agenda) Add(at int64, do func()) {
	a.seq++
	heap.Push(&a.heap, appointment{at, a.seq, do})
}

// Next is the moment of the next appointment, or false.
func (a *Agenda) Next() (int64, bool) {
	if len(a.heap) == 0 {
		return 0, false
	}
	return a.heap[0].at, true
}

// Take takes the next appointment off the list. There must be one.
func (a *Agenda) Take() (do func()) { return heap.Pop(&a.heap).(appointment).do }
