package loop

// Work that would hold a loop up is done by workers: a few goroutines for all loops, behind a queue with an end.
//
//	loop                         workers                     loop
//	Submit(l, &job) ─► queue ─► one of them: work.Run() ─► l's own goroutine: work.Done()
//
// Each loop has a queue of its own, and workers take from them in turn: a loop that is flooded delays its own work, not
// that of the others. A full queue says so at once, when there is still somebody to be told.

import (
	"math"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"

	"sluice/engine/stat"
)

// Work is what a Job does.
type Work interface {
	// Run does the work on a worker's goroutine. It has what it works on to itself until Done, and touches nothing else
	// that belongs to a loop.
	Run()
	// Done is called on the loop that submitted the job, once for each Submit, also when Run has panicked, and whatever
	// has become of those who wanted the work. Only the end of the loop comes before it.
	Done()
}

// Job is one piece of work, embedded in the object it belongs to. It is at most once under way.
type Job struct {
	next  *Job
	work  Work
	crash *crash
	busy  bool
}

// crash is a panic on its way to the loop.
type crash struct {
	value any
	stack []byte
}

// Bind says what the job does. It is called once, before the first use.
func (j *Job) Bind(w Work) { j.work = w }

// Busy reports whether the job is under way: submitted, and Done not called yet. It belongs to the job's loop.
func (j *Job) Busy() bool { return j.busy }

// Crashed reports, from Done on, whether Run has panicked. The loop has counted and reported that.
func (j *Job) Crashed() bool { return j.crash != nil }

// jobQueue is an intrusive FIFO of jobs.
type jobQueue struct{ head, tail *Job }

func (q *jobQueue) push(j *Job) {
	if q.tail == nil {
		q.head = j
	} else {
		q.tail.next = j
	}
	q.tail = j
}

func (q *jobQueue) pop() *Job {
	j := q.head
	if q.head = j.next; q.head == nil {
		q.tail = nil
	}
	j.next = nil
	return j
}

// desk is where one loop and the workers exchange jobs.
type desk struct {
	loop    *Loop
	todo    jobQueue
	waiting int // in todo
	done    jobQueue
	collect func() // the letter that fetches done; posted when the first job lies there
}

// Workers runs jobs. It is shared by all loops.
type Workers struct {
	count int
	limit int
	wait  sync.WaitGroup
	total atomic.Uint64

	mu      sync.Mutex // guards the desks: taken twice per job and side, for a few pointers
	some    *sync.Cond // there is a job, or no more will come
	desks   []*desk
	waiting int // in all queues
	turn    int // the desk to be served next
	closed  bool
	atEnd   func()
}

// NewWorkers starts count workers with room for limit jobs of each loop in their queue.
func NewWorkers(count, limit int) *Workers { return newWorkers(count, limit, nil) }

// newWorkers starts workers that begin with prepare, if there is any.
func newWorkers(count, limit int, prepare func()) *Workers {
	w := &Workers{count: count, limit: limit}
	w.some = sync.NewCond(&w.mu)
	w.wait.Add(count)
	for range count {
		go w.work(prepare)
	}
	return w
}

// Submit queues j for a worker; l is the calling loop. It reports false at once when l's queue is full, but for so many
// places that are spared for others: then nothing happens, and Done is not called.
func (w *Workers) Submit(l *Loop, j *Job, spare int) bool {
	return w.queue(l, j, max(w.limit-spare, 1))
}

// Insist is Submit whatever the limit: for the end of work that has been begun, whose amount is bounded otherwise. Only where
// the workers have ended, nothing happens.
func (w *Workers) Insist(l *Loop, j *Job) { w.queue(l, j, math.MaxInt) }

func (w *Workers) queue(l *Loop, j *Job, most int) bool {
	if j.busy {
		panic("loop: a job was submitted twice")
	}
	if !w.push(l, j, most) {
		return false
	}
	w.some.Signal() // not under the lock, which a worker that wakes up takes first
	return true
}

func (w *Workers) push(l *Loop, j *Job, most int) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	d := w.desk(l)
	if w.closed || d.waiting >= most {
		return false
	}
	j.busy, j.crash = true, nil
	d.todo.push(j)
	d.waiting++
	w.waiting++
	return true
}

// desk finds the desk of l. There are as many as loops: a handful.
func (w *Workers) desk(l *Loop) *desk {
	for _, d := range w.desks {
		if d.loop == l {
			return d
		}
	}
	d := &desk{loop: l}
	d.collect = func() { w.collect(d) }
	w.desks = append(w.desks, d)
	return d
}

// Waiting is the number of jobs no worker has begun yet.
func (w *Workers) Waiting() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.waiting
}

// Finished is the number of jobs that have been run since the start.
func (w *Workers) Finished() uint64 { return w.total.Load() }

// AtEnd has each worker call fn as its last act, on its own thread; where there are none, Close does. It replaces what was said
// before.
func (w *Workers) AtEnd(fn func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.atEnd = fn
}

// bye is a worker's last act.
func (w *Workers) bye() {
	w.mu.Lock()
	fn := w.atEnd
	w.mu.Unlock()
	if fn != nil {
		fn()
	}
}

// Close ends the workers after the jobs they are at. It is called when the loops have ended: jobs that still wait are
// dropped.
func (w *Workers) Close() {
	w.mu.Lock()
	w.closed = true
	w.some.Broadcast()
	w.mu.Unlock()
	w.wait.Wait()
	if w.count == 0 {
		w.bye()
	}
}

// work is the life of a worker.
func (w *Workers) work(prepare func()) {
	defer w.wait.Done()
	defer w.bye()
	if prepare != nil {
		prepare()
	}
	for {
		d, j := w.next()
		if j == nil {
			return
		}
		j.run()
		w.total.Add(1)
		w.finish(d, j)
	}
}

// Step does the next job on the caller's goroutine, if there is one: for those who start no workers, because they decide
// themselves when work is done, as a simulator does.
func (w *Workers) Step() bool {
	if w.Waiting() == 0 {
		return false
	}
	d, j := w.next()
	if j == nil {
		return false
	}
	j.run()
	w.total.Add(1)
	w.finish(d, j)
	return true
}

// next waits for a job and takes it off the queue of the desk whose turn it is.
func (w *Workers) next() (*desk, *Job) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.waiting == 0 && !w.closed {
		w.some.Wait()
	}
	if w.closed {
		return nil, nil
	}
	at := w.turn % len(w.desks)
	for w.desks[at].waiting == 0 {
		at = (at + 1) % len(w.desks)
	}
	d := w.desks[at]
	w.turn = at + 1
	w.waiting--
	d.waiting--
	return d, d.todo.pop()
}

func (j *Job) run() {
	defer func() {
		if value := recover(); value != nil {
			j.crash = &crash{value, debug.Stack()}
		}
	}()
	j.work.Run()
}

// finish lays j on its loop's desk. One letter fetches all that lies there.
func (w *Workers) finish(d *desk, j *Job) {
	w.mu.Lock()
	first := d.done.head == nil
	d.done.push(j)
	w.mu.Unlock()
	if first && !d.loop.Post(d.collect) {
		w.forget(d)
	}
}

// forget drops the desk of a loop that has ended, and all that lies on it.
func (w *Workers) forget(d *desk) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.waiting -= d.waiting
	w.desks = slices.DeleteFunc(w.desks, func(one *desk) bool { return one == d })
}

// collectMax is how many finished jobs a loop takes at once, between events. What follows a job may be a whole request.
const collectMax = 32

// collect calls Done of what lies on d, on its loop.
func (w *Workers) collect(d *desk) {
	w.mu.Lock()
	var jobs jobQueue
	for n := 0; d.done.head != nil && n < collectMax; n++ {
		jobs.push(d.done.pop())
	}
	more := d.done.head != nil
	w.mu.Unlock()
	if more {
		d.loop.Post(d.collect)
	}
	for jobs.head != nil {
		d.loop.finish(jobs.pop())
		d.loop.settle()
	}
}

// finish tells of one job's end.
func (l *Loop) finish(j *Job) {
	defer l.rescue(j.work)
	j.busy = false
	if j.crash != nil {
		l.stats.Inc(stat.Panics)
		if l.report != nil {
			l.report(j.crash.value, j.crash.stack)
		}
	}
	j.work.Done()
}
