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
	b := &Backend{Weight: 1, MaxConnections: 2}
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
	b := &Backend{Weight: 1}
	b.Acquire()
	b.Release()
	defer func() {
		if recover() == nil {
			t.Error("a second Release of one Acquire went unnoticed")
		}
	}()
	b.Release()
}

func TestBackendUsable(t *testing.T) {
	b := &Backend{Weight: 1}
	for name, set := range map[string]func(bool){"down": b.SetDown, "draining": b.SetDraining} {
		set(true)
		if b.Usable() {
			t.Errorf("usable while %s", name)
		}
		set(false)
		if !b.Usable() {
			t.Errorf("not usable after %s ended", name)
		}
	}
	b.SetDown(true)
	b.SetDraining(true)
	b.SetDown(false)
	if b.Usable() || b.Down() || !b.Draining() {
		t.Error("ending down ended draining too")
	}
	if (&Backend{}).Usable() {
		t.Error("usable with weight 0")
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
	first := &Backend{Weight: 1, MaxConnections: 1}
	first.Acquire()
	first.SetDown(true)
	first.Fail()
	second := &Backend{Weight: 5, MaxConnections: 3}
	second.Inherit(first)
	third := &Backend{Weight: 5, MaxConnections: 2}
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
// what picks read. An allocation of 192 bytes is aligned to 64.
func TestBackendLayout(t *testing.T) {
	var b Backend
	if at, size := unsafe.Offsetof(b.own), unsafe.Sizeof(b); at%64 != 0 || size%64 != 0 {
		t.Errorf("live state at %d of %d bytes, want multiples of 64", at, size)
	}
	if size := unsafe.Sizeof(b.own); size != 64 {
		t.Errorf("live state has %d bytes, want a line of 64", size)
	}
}
