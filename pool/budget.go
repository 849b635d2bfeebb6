package pool

import "sync/atomic"

// PipeBudget counts the open pipes of all loops together against one maximum. It is the only part
// of this package that goroutines share.
type PipeBudget struct {
	max  int64
	open atomic.Int64
}

// NewPipeBudget returns a budget of max pipes; with 0 or less nobody gets any.
func NewPipeBudget(max int) *PipeBudget { return &PipeBudget{max: int64(max)} }

// Open is the number of pipes now open, lent or idle, over all loops.
func (b *PipeBudget) Open() int { return int(b.open.Load()) }

// Max is the number of pipes that may be open at once.
func (b *PipeBudget) Max() int { return int(b.max) }

// take claims one pipe. It is exact: the count never passes the maximum, not even for a moment,
// and a claim is refused only when all are taken.
func (b *PipeBudget) take() bool {
	for {
		n := b.open.Load()
		if n >= b.max {
			return false
		}
		if b.open.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// give returns one claimed pipe.
func (b *PipeBudget) give() {
	if b.open.Add(-1) < 0 {
		panic("pool: PipeBudget returned more often than taken")
	}
}

// PipeLimits is what bounds the number of pipes of a process.
type PipeLimits struct {
	Files      uint64 // descriptors the process may have open (RLIMIT_NOFILE)
	SoftPages  int    // fs.pipe-user-pages-soft: pipe pages a user may have at full size; 0 = no limit
	PageBytes  int    // size of a page
	Privileged bool   // the process has a capability that lifts SoftPages
}

// pipeFileShare is the part of the descriptors that pipes may take: one in four. The rest is for
// the sockets, without which a pipe is useless.
const pipeFileShare = 4

// MaxPipes is how many pipes of size bytes (0 = 64 KiB) fit the limits. Beyond SoftPages the
// kernel makes pipes of two pages, through which splicing costs more than copying, so an
// unprivileged process stops there.
func (l PipeLimits) MaxPipes(size int) int {
	if size == 0 {
		size = Large.Size()
	}
	most := int(min(l.Files/(2*pipeFileShare), 1<<20)) // two descriptors each; capped as RLIM_INFINITY is no number
	if l.Privileged || l.SoftPages == 0 {
		return most
	}
	pages := (size + l.PageBytes - 1) / l.PageBytes
	return min(most, l.SoftPages/pages)
}
