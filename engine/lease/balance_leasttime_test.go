package lease

import (
	"container/heap"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// closedLoop simulates clients that each send a request, wait for the answer,
// and send the next one. Servers answer after an exponentially distributed time
// around their mean, in nanoseconds. Once a simulated second the averages age.
type closedLoop struct {
	cursor  *Cursor
	members []Member
	mean    map[*Backend]float64
	rng     *rand.Rand
	answers answerHeap
	now     float64
	ticked  float64
	served  map[*Backend]int // requests begun
}

type answer struct {
	at, took float64
	from     *Backend
}

type answerHeap []answer

func (h answerHeap) Len() int           { return len(h) }
func (h answerHeap) Less(i, j int) bool { return h[i].at < h[j].at }
func (h answerHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *answerHeap) Push(x any)        { *h = append(*h, x.(answer)) }
func (h *answerHeap) Pop() any {
	last := len(*h) - 1
	x := (*h)[last]
	*h = (*h)[:last]
	return x
}

func newClosedLoop(p Policy, members []Member, mean func(i int) float64) *closedLoop {
	l := &closedLoop{
		cursor: newSet(p, members).NewCursor(0, 1), members: members, rng: rand.New(rand.NewPCG(1, 2)),
		mean: map[*Backend]float64{}, served: map[*Backend]int{},
	}
	for i, m := range members {
		l.mean[m.Backend] = mean(i)
	}
	return l
}

func (l *closedLoop) send() {
	b := l.cursor.Pick(l.rng.Uint64(), nil)
	b.Acquire()
	l.served[b]++
	took := l.mean[b] * l.rng.ExpFloat64()
	heap.Push(&l.answers, answer{l.now + took, took, b})
}

// run has clients send until so many requests are answered, then waits for
// nobody.
func (l *closedLoop) run(clients, requests int) {
	for range clients {
		l.send()
	}
	for range requests {
		a := heap.Pop(&l.answers).(answer)
		for l.now = a.at; l.now-l.ticked >= 1e9; l.ticked += 1e9 {
			for _, m := range l.members {
				m.Decay()
			}
		}
		a.from.Release()
		a.from.Observe(int64(a.took))
		l.send()
	}
}

// TestLeastTimeAvoidsTheSlow: half of the servers take 50 times as long. They
// must get less than 1 % of the requests, whether all members are looked at or
// eight of them, and the others must share as if the slow ones did not exist.
func TestLeastTimeAvoidsTheSlow(t *testing.T) {
	const requests = 50_000
	for _, c := range []struct{ servers, clients int }{{2, 16}, {2, 256}, {4, 64}, {8, 64}, {20, 16}, {20, 64}, {100, 64}} {
		t.Run(fmt.Sprintf("%d servers, %d clients", c.servers, c.clients), func(t *testing.T) {
			l := newClosedLoop(LeastTime, equalServers(c.servers), func(i int) float64 { return []float64{5e6, 250e6}[i%2] })
			l.run(c.clients, requests)
			slow, all := 0, 0
			for i, m := range l.members {
				all += l.served[m.Backend]
				if i%2 == 1 {
					slow += l.served[m.Backend]
				}
			}
			if share := float64(slow) / float64(all); share >= 0.01 {
				t.Errorf("slow servers got %.2f %%", 100*share)
			}
			for i, m := range l.members {
				want := float64(all-slow) / float64(c.servers/2)
				if got := float64(l.served[m.Backend]); i%2 == 0 && math.Abs(got-want) > 0.2*want {
					t.Errorf("server %d got %v, want %.0f ± 20 %%", i, got, want)
				}
			}
		})
	}
}

// TestLeastTimeRecovers: a server that was slow gets its share again once it is
// not, and one that becomes slow loses it.
func TestLeastTimeRecovers(t *testing.T) {
	l := newClosedLoop(LeastTime, equalServers(4), func(int) float64 { return 5e6 })
	changing := l.members[0].Backend
	share := func(mean float64) float64 {
		l.mean[changing] = mean
		l.run(0, 100_000) // 8 s: the change, and some time after it
		before := l.served[changing]
		l.run(0, 100_000)
		return float64(l.served[changing]-before) / 100_000
	}
	l.run(64, 0)
	for _, phase := range []struct{ mean, least, most float64 }{{5e6, 0.2, 0.3}, {250e6, 0, 0.01}, {5e6, 0.2, 0.3}} {
		if got := share(phase.mean); got < phase.least || got > phase.most {
			t.Errorf("at %v ms: a share of %.3f, want %v to %v", phase.mean/1e6, got, phase.least, phase.most)
		}
	}
}

// TestLeastTimeNewcomer: nothing is known of a server, so it is tried, but it is
// not sent everything until it has answered; nor is one that was slow long ago.
func TestLeastTimeNewcomer(t *testing.T) {
	for what, prepare := range map[string]func(*Backend){
		"new":   func(*Backend) {},
		"stale": func(b *Backend) { b.Observe(50e6); decay(b, 12) },
	} {
		members := equalServers(4)
		prepare(members[3].Backend)
		for _, m := range members[:3] {
			m.Observe(20e6)
		}
		c := newSet(LeastTime, members).NewCursor(0, 1)
		for range 40 {
			c.Pick(0, nil).Acquire()
		}
		if n := members[3].InUse(); n < 9 || n > 11 {
			t.Errorf("the %s server has %d of 40 requests before its first answer, want about 10", what, n)
		}
	}
}

func decay(b *Backend, times int) {
	for range times {
		b.Decay()
	}
}

// TestLeastTimePrefersTheFaster: of idle servers the faster one is picked,
// whatever the weights; differences below the floor are none.
func TestLeastTimePrefersTheFaster(t *testing.T) {
	members := servers(1, MaxWeight)
	members[0].Observe(1e6)
	members[1].Observe(2e6)
	if got := shares(newSet(LeastTime, members), 1000, func(*Backend) {}); got[members[0].Backend] != 1000 {
		t.Errorf("the faster of two idle servers got %d of 1000", got[members[0].Backend])
	}
	members = equalServers(2)
	members[0].Observe(latencyFloor / 10)
	members[1].Observe(latencyFloor)
	if got := shares(newSet(LeastTime, members), 10_000, func(*Backend) {}); got[members[0].Backend] < 4500 || got[members[0].Backend] > 5500 {
		t.Errorf("one of two equally fast servers got %d of 10000", got[members[0].Backend])
	}
}
