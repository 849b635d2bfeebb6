package loop

// Runner is the work of a Task.
type Runner interface {
	// Run does the work, on the task's own loop. The task is out of its queue by then and may be queued again.
	Run()
}

// Task is one piece of deferred work, embedded in the object it belongs to, so that queueing allocates nothing and
// a queue is never longer than the number of objects that exist. A task is in at most one queue at a time.
type Task struct {
	next   *Task
	runner Runner
	queued bool
}

// Bind says what the task runs. It is called once, before the first use.
func (t *Task) Bind(r Runner) { t.runner = r }

// Queued reports whether the task waits in a queue.
func (t *Task) Queued() bool { return t.queued }

// taskQueue is an intrusive FIFO of tasks.
type taskQueue struct{ head, tail *Task }

func (q *taskQueue) empty() bool { return q.head == nil }

func (q *taskQueue) push(t *Task) {
	t.queued = true
	if q.tail == nil {
		q.head = t
	} else {
		q.tail.next = t
	}
	q.tail = t
}

func (q *taskQueue) pop() *Task {
	t := q.head
	q.head = t.next
	if q.head == nil {
		q.tail = nil
	}
	t.next, t.queued = nil, false
	return t
}

// append moves all of other to the end of q.
func (q *taskQueue) append(other *taskQueue) {
	if other.head == nil {
		return
	}
	if q.tail == nil {
		q.head = other.head
	} else {
		q.tail.next = other.head
	}
	q.tail = other.tail
	*other = taskQueue{}
}
