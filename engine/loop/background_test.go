package loop

import (
	"testing"

	"golang.org/x/sys/unix"

	"sluice/internal/assert"
)

// thread notes the priority of the thread it runs on.
type thread struct {
	nice int
	done chan struct{}
}

func (n *thread) Run() {
	raw, _ := unix.Getpriority(unix.PRIO_PROCESS, 0)
	n.nice = 20 - raw // what the system call returns is never negative
	close(n.done)
}

func (n *thread) Done() {}

func TestBackgroundWorkersStandBack(t *testing.T) {
	l, _ := newFake(1)
	own := func(w *Workers) int {
		defer w.Close()
		n := &thread{done: make(chan struct{})}
		var j Job
		j.Bind(n)
		assert.Equal(t, w.Submit(l, &j, 0), true)
		<-n.done
		return n.nice
	}
	assert.Equal(t, own(NewBackground(1, 1)), backgroundNice)
	usual := own(NewWorkers(1, 1))
	if usual >= backgroundNice {
		t.Errorf("workers of the usual kind have nice %d", usual)
	}
}
