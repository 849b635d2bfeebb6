package lease

import (
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"unsafe"
)

func TestEndpointString(t *testing.T) {
	for want, e := range map[string]Endpoint{
		"10.0.0.1:80":   {Addr: netip.MustParseAddrPort("10.0.0.1:80")},
		"10.0.0.2:80":   {Addr: netip.MustParseAddrPort("[::ffff:10.0.0.2]:80")},
		"[::1]:443":     {Addr: netip.MustParseAddrPort("[::1]:443")},
		"unix:/run/app": {Path: "/run/app"},
	} {
		if got := e.String(); got != want {
			t.Errorf("String() = %q, want %q", got, want)
		}
	}
}

func TestBackendLimit(t *testing.T) {
	b := &Backend{MaxConnections: 2}
	for i := range 2 {
		if !b.Usable() || !b.Acquire() {
			t.Fatalf("connection %d of 2 refused", i+1)
		}
	}
	if b.Usable() || b.Acquire() {
		t.Fatal("a third connection was allowed")
	}
	b.Release()
	if b.InUse() != 1 || !b.Acquire() {
		t.Fatal("the released place was not given again")
	}
	if b.Picks() != 3 {
		t.Errorf("Picks() = %d, want the 3 that succeeded", b.Picks())
	}
}

func TestBackendReleasePanics(t *testing.T) {
	b := &Backend{}
	b.Acquire()
	b.Release()
	defer func() {
		if recover() == nil {
			t.Error("a second Release of one Acquire went unnoticed")
		}
	}()
	b.Release()
}

// TestBackendState: causes come and go without each other, and the worst one is
// what is said.
func TestBackendState(t *testing.T) {
	b := &Backend{}
	causes := []struct {
		set   func(bool)
		get   func() bool
		state State
		word  string
	}{
		{func(bool) {}, func() bool { return true }, Up, "up"},
		{b.SetDraining, b.Draining, Draining, "draining"},
		{b.SetEjected, b.Ejected, Ejected, "ejected"},
		{b.SetDown, b.Down, Down, "down"},
		{b.SetRemoved, b.Removed, Removed, "removed"},
	}
	b.SetRamp(123)
	for _, c := range causes {
		if c.set(true); !c.get() || b.State() != c.state || b.State().String() != c.word || b.Usable() != (c.state == Up) {
			t.Errorf("%s: state %v, usable %v", c.word, b.State(), b.Usable())
		}
	}
	for i := len(causes) - 1; i > 0; i-- {
		if causes[i].set(false); causes[i].get() || b.State() != causes[i-1].state {
			t.Errorf("after %s ended: %v", causes[i].word, b.State())
		}
	}
	if !b.Usable() || b.Ramp() != 123 {
		t.Errorf("usable %v, ramp %d, want the ramp of 123 and nothing else", b.Usable(), b.Ramp())
	}
}

func TestBackendRamp(t *testing.T) {
	b := &Backend{}
	for _, c := range []struct{ set, want int }{{0, 0}, {1, 1}, {999, 999}, {1000, 1000}, {-5, 0}, {5000, 1000}} {
		b.SetDown(true)
		if b.SetRamp(c.set); b.Ramp() != c.want || !b.Down() {
			t.Errorf("SetRamp(%d): %d, down %v", c.set, b.Ramp(), b.Down())
		}
	}
	if (&Backend{}).Ramp() != 1000 {
		t.Error("a new server ramps")
	}
}

func TestFailuresInARow(t *testing.T) {
	b := &Backend{}
	b.Succeeded()
	for i := 1; i <= 3; i++ {
		if n := b.Failed(); n != i {
			t.Errorf("failure %d is number %d of the row", i, n)
		}
	}
	b.Succeeded()
	if n := b.Failed(); n != 1 || b.Failures() != 4 {
		t.Errorf("after a success: %d in a row, %d in all, want 1 and 4", n, b.Failures())
	}
}

// TestBackendLimitExact sends two loops to the same last place at the same
// moment, twenty thousand times: exactly one of them may have it.
func TestBackendLimitExact(t *testing.T) {
	const loops, rounds = 2, 20_000
	backends := make([]Backend, rounds)
	for i := range backends {
		backends[i].MaxConnections = 3
	}
	var arrived atomic.Int64
	var won [loops]int
	var wg sync.WaitGroup
	for loop := range loops {
		wg.Go(func() {
			for i := range backends {
				b := &backends[i]
				b.Acquire()
				meet(&arrived, int64(loops*(i+1)))
				for range i * loop % 256 { // whoever arrives last leaves first: make up for it
					arrived.Load()
				}
				if b.Acquire() {
					won[loop]++
				}
			}
		})
	}
	wg.Wait()
	if won[0]+won[1] != rounds {
		t.Errorf("%d and %d connections got the last of %d places", won[0], won[1], rounds)
	}
	for i := range backends {
		if n := backends[i].InUse(); n != 3 {
			t.Fatalf("%d connections in use with max_connections 3", n)
		}
	}
}

// meet returns once everyone has arrived, for all of them at nearly the same
// moment: it spins, and yields only where there is no second core to wait for.
func meet(arrived *atomic.Int64, everyone int64) {
	arrived.Add(1)
	for spins := 0; arrived.Load() < everyone; spins++ {
		if spins > 1000 {
			runtime.Gosched()
		}
	}
}

func TestBackendInherit(t *testing.T) {
	first := &Backend{MaxConnections: 1}
	first.Acquire()
	first.SetDown(true)
	first.Failed()
	second := &Backend{MaxConnections: 3}
	second.Inherit(first)
	third := &Backend{MaxConnections: 2}
	third.Inherit(second)

	if third.InUse() != 1 || !third.Down() || third.Failures() != 1 || third.Picks() != 1 {
		t.Fatal("live state was lost over two reloads")
	}
	if !third.Acquire() || third.Acquire() {
		t.Error("the new limit does not count the old connections")
	}
	first.Release()
	if third.InUse() != 1 {
		t.Error("a connection from before the reload was released elsewhere")
	}
	if third.shared != &first.own {
		t.Error("a generation in between is kept alive")
	}
}

// TestBackendLayout: what connections write must not share a cache line with
// what picks read. An allocation of 256 bytes is aligned to 64.
func TestBackendLayout(t *testing.T) {
	var b Backend
	if at, size := unsafe.Offsetof(b.own), unsafe.Sizeof(b); at%64 != 0 || size%64 != 0 {
		t.Errorf("live state at %d of %d bytes, want multiples of 64", at, size)
	}
	if size := unsafe.Sizeof(b.own); size != 64 {
		t.Errorf("live state has %d bytes, want a line of 64", size)
	}
}
