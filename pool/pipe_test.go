package pool

import (
	"math"
	"sync"
	"syscall"
	"testing"

	"sluice/internal/assert"
)

// fakePipes is an Opener that hands out numbers and knows which are open.
type fakePipes struct {
	next  int
	open  map[int]bool
	asked int
	err   error
}

func (o *fakePipes) Pipe2(int) (r, w int, err error) {
	o.asked++
	if o.err != nil {
		return -1, -1, o.err
	}
	if o.open == nil {
		o.open = make(map[int]bool)
	}
	r, w = o.next, o.next+1
	o.next += 2
	o.open[r] = true
	return r, w, nil
}

func (o *fakePipes) ClosePipe(r, w int) {
	if w != r+1 || !o.open[r] {
		panic("closed a pipe that is not open")
	}
	delete(o.open, r)
}

func TestPipesReuseTheLastPut(t *testing.T) {
	opener, budget := &fakePipes{}, NewPipeBudget(8)
	ps := NewPipes(opener, budget, 0, 0)
	a, b := ps.Get(), ps.Get()
	assert.Equal(t, [3]int{ps.InUse(), ps.Idle(), budget.Open()}, [3]int{2, 0, 2})
	ps.Put(a)
	ps.Put(b)
	assert.Equal(t, [3]int{ps.InUse(), ps.Idle(), budget.Open()}, [3]int{0, 2, 2})
	assert.Equal(t, ps.Get() == b, true)
	assert.Equal(t, ps.Get() == a, true)
	assert.Equal(t, opener.asked, 2)
}

func TestPipesCloseWhatIsNotEmpty(t *testing.T) {
	opener, budget := &fakePipes{}, NewPipeBudget(1)
	ps := NewPipes(opener, budget, 0, 0)
	p := ps.Get()
	p.N = 5
	ps.Put(p)
	assert.Equal(t, len(opener.open), 0)
	assert.Equal(t, [3]int{ps.InUse(), ps.Idle(), budget.Open()}, [3]int{0, 0, 0})
	assert.Equal(t, ps.Get().N, 0) // its place in the budget is free again
}

func TestPipesPanicOnADoublePut(t *testing.T) {
	ps := NewPipes(&fakePipes{}, NewPipeBudget(2), 0, 0)
	kept, closed := ps.Get(), ps.Get()
	closed.N = 1
	ps.Put(kept)
	ps.Put(closed)
	assert.Panics(t, "Pipe put back twice", func() { ps.Put(kept) })
	assert.Panics(t, "Pipe put back twice", func() { ps.Put(closed) })
}

func TestPipesStayWithinTheBudget(t *testing.T) {
	opener, budget := &fakePipes{}, NewPipeBudget(2)
	ps := NewPipes(opener, budget, 0, 0)
	first := ps.Get()
	ps.Get()
	assert.Equal(t, ps.Get() == nil, true)
	assert.Equal(t, opener.asked, 2) // no system call for what the budget refuses
	ps.Put(first)
	assert.Equal(t, ps.Get() == first, true)
}

func TestPipesBoundIdleAndTrim(t *testing.T) {
	opener, budget := &fakePipes{}, NewPipeBudget(100)
	ps := NewPipes(opener, budget, 0, 10)
	var lent []*Pipe
	for range 20 {
		lent = append(lent, ps.Get())
	}
	for _, p := range lent {
		ps.Put(p)
	}
	assert.Equal(t, [2]int{ps.Idle(), len(opener.open)}, [2]int{10, 10})
	ps.Trim()
	assert.Equal(t, [2]int{ps.Idle(), len(opener.open)}, [2]int{pipeReserve, pipeReserve})
	ps.Close()
	assert.Equal(t, [3]int{ps.Idle(), len(opener.open), budget.Open()}, [3]int{0, 0, 0})
}

func TestPipesBackOffAfterARefusal(t *testing.T) {
	for _, refusal := range []error{syscall.EMFILE, syscall.ENFILE, syscall.EPERM} {
		opener, budget := &fakePipes{}, NewPipeBudget(100)
		ps := NewPipes(opener, budget, 0, 0)
		held := ps.Get()
		opener.err, opener.asked = refusal, 0
		for range 1 + pipeBackoff {
			assert.Equal(t, ps.Get() == nil, true)
		}
		assert.Equal(t, opener.asked, 1)
		assert.Equal(t, budget.Open(), 1) // a refusal costs nothing of the budget
		ps.Get()
		assert.Equal(t, opener.asked, 2) // asks again after the back-off, and is refused again

		held.N = 1
		ps.Put(held) // closed: descriptors came free
		opener.err = nil
		assert.Equal(t, ps.Get() != nil, true)
	}
}

func TestPipesAllocs(t *testing.T) {
	ps := NewPipes(&fakePipes{}, NewPipeBudget(4), 0, 0)
	assert.Allocs(t, 0, func() {
		a, b := ps.Get(), ps.Get()
		ps.Put(a)
		ps.Put(b)
	})
}

// Several loops with pools of their own fight for one budget; it is neither overdrawn nor, while
// pipes are left, wrongly refused.
func TestPipeBudgetIsExactOverLoops(t *testing.T) {
	const loops, most, turns = 8, 20, 2000
	budget := NewPipeBudget(most)
	var wg sync.WaitGroup
	for range loops {
		wg.Go(func() {
			ps := NewPipes(&fakePipes{}, budget, 0, 1)
			var lent []*Pipe
			for turn := range turns {
				if p := ps.Get(); p != nil {
					lent = append(lent, p)
				}
				if open := budget.Open(); open > most {
					t.Errorf("%d pipes open, budget is %d", open, most)
				}
				if len(lent) > 0 && turn%3 != 0 {
					ps.Put(lent[0])
					lent = lent[1:]
				}
			}
			for _, p := range lent {
				ps.Put(p)
			}
			ps.Close()
		})
	}
	wg.Wait()
	assert.Equal(t, budget.Open(), 0)

	var claimed, refused int
	for range most + 5 {
		if budget.take() {
			claimed++
		} else {
			refused++
		}
	}
	assert.Equal(t, [2]int{claimed, refused}, [2]int{most, 5})
}

// Goroutines that start at once claim exactly as many pipes as there are.
func TestPipeBudgetHandsOutAll(t *testing.T) {
	const most = 1000
	budget := NewPipeBudget(most)
	start, claims := make(chan struct{}), make([]int, 8)
	var wg sync.WaitGroup
	for i := range claims {
		wg.Go(func() {
			<-start
			for budget.take() {
				claims[i]++
			}
		})
	}
	close(start)
	wg.Wait()
	sum := 0
	for _, n := range claims {
		sum += n
	}
	assert.Equal(t, sum, most)
}

func TestPipeBudgetPanicsWhenOverpaid(t *testing.T) {
	assert.Panics(t, "returned more often than taken", NewPipeBudget(1).give)
}

func TestMaxPipes(t *testing.T) {
	for _, c := range []struct {
		name   string
		limits PipeLimits
		size   int
		want   int
	}{
		{"descriptors bind", PipeLimits{Files: 1024, SoftPages: 16384, PageBytes: 4096}, 0, 128},
		{"pages bind", PipeLimits{Files: 1 << 20, SoftPages: 16384, PageBytes: 4096}, 0, 1024},
		{"larger pipes are fewer", PipeLimits{Files: 1 << 20, SoftPages: 16384, PageBytes: 4096}, 256 << 10, 256},
		{"size is rounded up to pages", PipeLimits{Files: 1 << 20, SoftPages: 100, PageBytes: 4096}, 4097, 50},
		{"privileged", PipeLimits{Files: 1 << 20, SoftPages: 16384, PageBytes: 4096, Privileged: true}, 0, 1 << 17},
		{"no soft limit", PipeLimits{Files: 1 << 20, PageBytes: 4096}, 0, 1 << 17},
		{"unlimited descriptors", PipeLimits{Files: math.MaxUint64, PageBytes: 4096}, 0, 1 << 20},
	} {
		t.Run(c.name, func(t *testing.T) { assert.Equal(t, c.limits.MaxPipes(c.size), c.want) })
	}
}
