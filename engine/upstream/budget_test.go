package upstream

import (
	"testing"
	"time"

	"sluice/engine/lease"
	"sluice/internal/assert"
)

// load is an upstream with so many requests under way.
func load(t *testing.T, live int) *lease.Upstream {
	t.Helper()
	u := newRig(t, nil).proxy.Upstream
	for range live {
		u.Set().Backends()[0].Acquire()
	}
	return u
}

// serve counts so many requests, on two loops.
func (b *Budget) serve(n int) {
	for i := range n {
		b.Serve(i % 2)
	}
}

// take asks for so many, and returns how many are granted.
func (b *Budget) take(u *lease.Upstream, now time.Duration, percent, times int) (granted int) {
	for range times {
		if b.Take(u, int64(now), percent) {
			granted++
		}
	}
	return granted
}

// However little goes on, three retries at a time are no harm.
func TestTheFloorOfABudget(t *testing.T) {
	t.Parallel()
	u, b := load(t, 1), NewBudget(2)
	b.Begin(int64(time.Hour))
	assert.Equal(t, b.take(u, time.Hour, 20, 10), 3)
	assert.Equal(t, []uint64{b.Granted(), b.Refused()}, []uint64{3, 7})
	b.Done()
	b.Done()
	assert.Equal(t, b.take(u, time.Hour, 20, 10), 2)
	assert.Equal(t, b.take(u, time.Hour, 0, 10), 0) // off is off
	assert.Equal(t, []uint64{b.Granted(), b.Refused()}, []uint64{5, 25})
}

// Of many requests under way a fraction may be retried at a time: of those that are first tries.
func TestABudgetOfLiveRequests(t *testing.T) {
	t.Parallel()
	u := load(t, 100)
	for percent, want := range map[int]int{20: 16, 3: 3, 1: 3, 100: 50} {
		b := NewBudget(2)
		b.Begin(1) // none of them is recent
		if got := b.take(u, 1, percent, 200); got != want {
			t.Errorf("%d percent: %d of 100, want %d", percent, got, want)
		}
	}
}

// Many short requests are not seen under way; those of the last ten seconds count as well, until they have faded.
func TestABudgetOfRecentRequests(t *testing.T) {
	t.Parallel()
	const hour = time.Hour
	short := func() (*lease.Upstream, *Budget) {
		b := NewBudget(2)
		b.Begin(int64(hour))
		b.serve(1000)
		return load(t, 0), b
	}
	within := func(what string, got, least, most int) {
		t.Helper()
		if got < least || got > most {
			t.Errorf("%s: %d, want %d to %d", what, got, least, most)
		}
	}
	u, b := short()
	// 1,000 requests in a second have faded to 952 on average by its end.
	within("after a second", b.take(u, hour+time.Second, 20, 500), 187, 193)
	within("at once", b.take(u, hour+time.Second, 20, 500), 0, 0)
	for range int(b.running.Load()) {
		b.Done()
	}
	within("who is done makes room for three", b.take(u, hour+time.Second, 20, 500), 3, 3)

	u, b = short()
	b.take(u, hour+time.Second, 20, 1)
	within("ten seconds later", b.take(u, hour+11*time.Second, 20, 500), 68, 73)
	u, b = short()
	b.take(u, hour+time.Second, 20, 1)
	within("ten minutes later", b.take(u, hour+10*time.Minute, 20, 500), 2, 2) // with the one that runs

	u, b = short()
	before := NewBudget(2)
	before.serve(1000)
	before.Begin(int64(hour))
	before.Begin(int64(2 * hour)) // only the first counts
	within("begun twice", before.take(u, hour+time.Second, 20, 500), 187, 193)
}

// Retries of late count against those to come: a budget that is spent is not full again in a moment.
func TestASpentBudgetFillsUpSlowly(t *testing.T) {
	t.Parallel()
	u, b := load(t, 0), NewBudget(2)
	b.Begin(int64(time.Hour))
	b.serve(1000)
	now := time.Hour + time.Second
	spent := b.take(u, now, 20, 500)
	for range 10 { // as many requests again, in the same second and in the nine after it
		now += time.Second
		b.serve(1000)
		for range int(b.running.Load()) {
			b.Done()
		}
		spent += b.take(u, now, 20, 500)
	}
	if limit := 11_000 * 20 / 100; spent < limit*8/10 || spent > limit+3 {
		t.Errorf("%d retries of 11,000 requests, want up to %d", spent, limit)
	}
}
