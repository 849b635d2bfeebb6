package door

// The order of the queue and the accounts of turns. That nobody is forgotten where several loops meet is tested with leases.

import (
	"testing"
	"time"

	"sluice/engine/loop"
	"sluice/engine/stat"
	"sluice/internal/assert"
)

// guest waits, and notes its turns.
type guest struct {
	name  string
	turns *[]string
}

func (g guest) Turn() { *g.turns = append(*g.turns, g.name) }

// porch is a door and a loop whose letters are read by hand.
type porch struct {
	*Door
	loop  *loop.Loop
	turns []string
}

func newPorch(limit, size int) *porch {
	return &porch{Door: New(limit, size, time.Second), loop: loop.New(loop.Config{Poller: mute{}, Stats: new(stat.Block)})}
}

func (p *porch) join(name string, again bool) *Ticket {
	return p.Join(Candidate{Who: guest{name, &p.turns}, Loop: p.loop, Again: again})
}

// read delivers what was posted, and returns who has been given a turn since.
func (p *porch) read() []string {
	p.loop.Posted()
	turns := p.turns
	p.turns = nil
	return turns
}

// mute is a poller of which nothing is wanted.
type mute struct{}

func (mute) Add(int) error              { return nil }
func (mute) AddListener(int) error      { return nil }
func (mute) Delete(int) error           { return nil }
func (mute) Wake() error                { return nil }
func (mute) Rouse()                     {}
func (mute) Arm(int64)                  {}
func (mute) Now() int64                 { return 1 }
func (mute) Wall() int64                { return 1 }
func (mute) Poll(loop.Dispatcher) error { return nil }
func (mute) Close() error               { return nil }

func TestPlacesAreCounted(t *testing.T) {
	t.Parallel()
	p := newPorch(2, 0)
	assert.Equal(t, []bool{p.Enter(), p.Enter(), p.Enter()}, []bool{true, true, false})
	p.Leave()
	assert.Equal(t, []int{p.InUse(), p.Limit(), New(0, 0, 0).Limit()}, []int{1, 2, 0})
	p.Leave()
	assert.Panics(t, "limit: more slots released than acquired", p.Leave)
}

func TestTurnsGoByArrival(t *testing.T) {
	t.Parallel()
	p := newPorch(1, 3)
	p.Enter()
	a, b, c := p.join("a", false), p.join("b", false), p.join("c", false)
	assert.Equal(t, p.join("d", false) == nil, true)
	assert.Equal(t, []int{p.Waiting(), p.Size(), int(p.Refused())}, []int{3, 3, 1})
	p.Leave()
	assert.Equal(t, p.read(), []string{"a"})
	assert.Equal(t, p.Rejoin(a), true) // it came to nothing
	p.Enter()
	p.Leave()
	assert.Equal(t, p.read(), []string{"a"})
	p.Admitted(a, true)
	p.Quit(b)
	p.Enter()
	p.Leave()
	assert.Equal(t, p.read(), []string{"c"})
	p.Admitted(c, true)
	assert.Equal(t, p.Waiting(), 0)
}

// Who has had a place before comes first, also where there is no room.
func TestThoseWhoHadAPlace(t *testing.T) {
	t.Parallel()
	p := newPorch(1, 1)
	p.Enter()
	p.join("new", false)
	again := p.join("again", true)
	assert.Equal(t, p.Waiting(), 2)
	assert.Equal(t, p.MayLook(again), true)
	p.Leave()
	assert.Equal(t, p.read(), []string{"again"})
	p.Admitted(again, true)
}

// A turn that nobody takes is the next one's: of a waiter that gives up with its turn, or that found a place by itself
// while its turn was on the way.
func TestTurnsThatAreLeft(t *testing.T) {
	t.Parallel()
	p := newPorch(2, 3)
	p.Enter()
	p.Enter()
	a, b := p.join("a", false), p.join("b", false)
	p.Leave() // to a
	p.Quit(a)
	assert.Equal(t, p.read(), []string{"b"})
	assert.Equal(t, p.Rejoin(b), true)
	c := p.join("c", false)
	p.Leave() // to b, who finds a place before the letter
	p.Admitted(b, false)
	assert.Equal(t, p.read(), []string{"c"})
	p.Admitted(c, true)
}

// While somebody has a turn, a newcomer does not look, but is sure to be given one after it.
func TestNobodyIsOvertaken(t *testing.T) {
	t.Parallel()
	p := newPorch(2, 3)
	p.Enter()
	p.Enter()
	a := p.join("a", false)
	p.Leave()
	b := p.join("b", false)
	assert.Equal(t, p.MayLook(b), false)
	assert.Equal(t, p.read(), []string{"a"})
	p.Admitted(a, true)
	assert.Equal(t, p.read(), []string{"b"})
	p.Admitted(b, true)
}

// A kick gives turn after turn, until one comes to nothing.
func TestKick(t *testing.T) {
	t.Parallel()
	p := newPorch(0, 3)
	a, b, _ := p.join("a", false), p.join("b", false), p.join("c", false)
	p.Kick()
	assert.Equal(t, p.read(), []string{"a"})
	p.Admitted(a, true)
	assert.Equal(t, p.read(), []string{"b"})
	p.Rejoin(b)
	assert.Equal(t, len(p.read()), 0)
}

// What the first has no use for may serve the second.
func TestPickyWaiters(t *testing.T) {
	t.Parallel()
	p := newPorch(0, 3)
	picky := p.Join(Candidate{Who: guest{"picky", &p.turns}, Loop: p.loop, Picky: true})
	p.join("modest", false)
	p.Nudge()
	assert.Equal(t, p.read(), []string{"picky"})
	p.Rejoin(picky)
	p.PassOn(picky)
	assert.Equal(t, p.read(), []string{"modest"})
}

// Other limits are for newcomers; who waits is given what there is more room for.
func TestLimitsThatChange(t *testing.T) {
	t.Parallel()
	p := newPorch(1, 2)
	p.Enter()
	a, b := p.join("a", false), p.join("b", false)
	p.Change(3, 1, time.Minute)
	assert.Equal(t, []any{p.InUse(), p.Limit(), p.Waiting(), p.Size(), p.Patience()}, []any{1, 3, 2, 1, time.Minute})
	assert.Equal(t, p.join("c", false) == nil, true)
	for i, one := range []*Ticket{a, b} {
		assert.Equal(t, p.read(), []string{"a", "b"}[i:i+1])
		assert.Equal(t, p.Enter(), true)
		p.Admitted(one, true)
	}
	p.Change(1, 1, time.Minute) // nobody is turned out
	assert.Equal(t, []any{p.InUse(), p.Enter()}, []any{3, false})
	p.Leave()
	p.Leave()
	assert.Equal(t, p.Enter(), false)
	p.Leave()
	assert.Equal(t, p.Enter(), true)
}
