package pool

// Pipe is an empty kernel pipe to splice through. R and W are its ends, both non-blocking. N is
// the number of bytes inside; whoever splices keeps it, because nobody can ask the kernel cheaply.
type Pipe struct {
	R, W int
	N    int

	next *Pipe // link of the idle list, nil while lent
	lent bool
}

// Opener makes and closes pipes. OSPipes is the kernel's; tests and the simulator bring their own.
type Opener interface {
	// Pipe2 opens a non-blocking pipe that does not survive exec, with room for size bytes if the
	// kernel grants it. An error means that there is none to be had now.
	Pipe2(size int) (r, w int, err error)

	// ClosePipe closes both ends, with whatever is inside.
	ClosePipe(r, w int)
}

// Pipes lends the pipes of one loop and keeps those that come back empty.
//
//	p := pipes.Get()
//	if p == nil {
//		... // none to be had now: copy instead
//	}
//	...
//	pipes.Put(p)
//
// Pipes cost two descriptors each and are limited per user by the kernel, so every open pipe, lent
// or idle, is counted against a budget that all loops share. To be without a pipe is normal: the
// caller copies. A refusal by the kernel is remembered, so that a proxy short of descriptors does
// not spend a failing system call on every transfer.
type Pipes struct {
	opener  Opener
	budget  *PipeBudget
	size    int
	top     *Pipe
	idle    int
	idleMax int
	backoff int // Gets that still go without asking the kernel
	headers FreeList[Pipe]
}

const (
	// DefaultIdlePipes is how many empty pipes a loop keeps: the bulk transfers that one core
	// starts and ends in a moment.
	DefaultIdlePipes = 64

	// pipeBackoff is how many Gets do without a pipe after the kernel refused one.
	pipeBackoff = 64

	// pipeReserve is how many idle pipes Trim leaves.
	pipeReserve = 4
)

// NewPipes returns an empty pool that opens pipes of size bytes (0 leaves the kernel's default of
// 64 KiB), counts them against the shared budget and keeps at most idleMax of them idle (0 means
// DefaultIdlePipes).
func NewPipes(opener Opener, budget *PipeBudget, size, idleMax int) *Pipes {
	if idleMax == 0 {
		idleMax = DefaultIdlePipes
	}
	return &Pipes{opener: opener, budget: budget, size: size, idleMax: idleMax}
}

// Get lends an empty pipe, or nil when there is none to be had now and the caller has to copy.
func (ps *Pipes) Get() *Pipe {
	p := ps.pop()
	if p == nil {
		p = ps.open()
	}
	if p != nil {
		p.lent = true
	}
	return p
}

// Put takes a pipe back. It should be empty; one that is not (N != 0) is closed, because what is
// inside belongs to nobody any more. Either way the next Get may ask the kernel again.
func (ps *Pipes) Put(p *Pipe) {
	if !p.lent {
		panic("pool: Pipe put back twice")
	}
	p.lent = false
	ps.backoff = 0
	if p.N != 0 || ps.idle >= ps.idleMax {
		ps.close(p)
		return
	}
	p.next, ps.top = ps.top, p
	ps.idle++
}

// InUse is the number of pipes lent and not yet put back.
func (ps *Pipes) InUse() int { return ps.headers.Live() - ps.idle }

// Idle is the number of open pipes kept for reuse.
func (ps *Pipes) Idle() int { return ps.idle }

// Trim closes idle pipes but for a few. The loop calls it when it has been quiet for a while, and
// when it is short of descriptors.
func (ps *Pipes) Trim() { ps.shrink(pipeReserve) }

// Close closes every idle pipe. Pipes still lent may be put back afterwards, and Close called
// again: it is how a loop that ends shows that it owes nothing.
func (ps *Pipes) Close() { ps.shrink(0) }

// open asks the kernel for a pipe, unless the budget is used up or it refused one lately.
func (ps *Pipes) open() *Pipe {
	if ps.backoff > 0 {
		ps.backoff--
		return nil
	}
	if !ps.budget.take() {
		return nil
	}
	r, w, err := ps.opener.Pipe2(ps.size)
	if err != nil { // EMFILE, ENFILE or EPERM: it will not be better in a microsecond
		ps.budget.give()
		ps.backoff = pipeBackoff
		return nil
	}
	p := ps.headers.Get()
	*p = Pipe{R: r, W: w}
	return p
}

// close returns both descriptors and the pipe's share of the budget.
func (ps *Pipes) close(p *Pipe) {
	ps.opener.ClosePipe(p.R, p.W)
	ps.budget.give()
	*p = Pipe{R: -1, W: -1}
	ps.headers.Put(p)
}

// pop removes the pipe put back last; nil when none is idle.
func (ps *Pipes) pop() *Pipe {
	p := ps.top
	if p != nil {
		ps.top, p.next = p.next, nil
		ps.idle--
	}
	return p
}

// shrink closes idle pipes until keep are left.
func (ps *Pipes) shrink(keep int) {
	for ps.idle > keep {
		ps.close(ps.pop())
	}
}
