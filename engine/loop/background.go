package loop

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// backgroundNice is how far background workers stand back. Against a loop that wants the whole core they get a tenth of it,
// so that those who come are served even then; and all of it while the loop waits, which it mostly does. Further back, a
// worker could keep the Go runtime waiting, which has to stop every thread for a moment now and then.
const backgroundNice = 10

// NewBackground starts workers that stand back behind everything else in the process: for calculations that are long and
// may come in crowds, such as handshakes. A loop that wakes up goes first, and at once; without that, it would wait until
// the worker on its core has had its share, which is as long as several requests, or as a whole handshake.
//
// Each worker keeps a thread of its own for that, whose priority nobody else may inherit. Coroutines that it makes run on
// that thread only.
func NewBackground(count, limit int) *Workers { return newWorkers(count, limit, standBack) }

// standBack makes the calling goroutine's thread one that waits for others. The thread ends with the goroutine. Where the
// kernel refuses, which it does to no one who asks for less, the worker works on as it is.
func standBack() {
	runtime.LockOSThread()
	_ = unix.Setpriority(unix.PRIO_PROCESS, 0, backgroundNice) // 0: of the calling thread
}
