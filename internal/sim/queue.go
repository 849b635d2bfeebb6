package sim

// queue is a FIFO of bytes: a socket's buffer, or a pipe.
type queue struct {
	bytes []byte
	head  int
}

func (q *queue) len() int { return len(q.bytes) - q.head }

func (q *queue) push(p []byte) {
	if q.head > 0 && q.head >= len(q.bytes)/2 {
		q.bytes = q.bytes[:copy(q.bytes, q.bytes[q.head:])]
		q.head = 0
	}
	q.bytes = append(q.bytes, p...)
}

// peek returns the first n bytes, which stay.
func (q *queue) peek(n int) []byte { return q.bytes[q.head : q.head+n] }

func (q *queue) drop(n int) {
	q.head += n
	if q.head == len(q.bytes) {
		q.bytes, q.head = q.bytes[:0], 0
	}
}

func (q *queue) pop(p []byte) int {
	n := min(len(p), q.len())
	copy(p, q.peek(n))
	q.drop(n)
	return n
}

func (q *queue) clear() { q.bytes, q.head = q.bytes[:0], 0 }
