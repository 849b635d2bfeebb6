package lease

import (
	"math/rand/v2"
	"testing"
)

// TestBoundHolds: whatever the keys, and most of them are the same one here, no
// server takes a connection that brings it above the bound.
func TestBoundHolds(t *testing.T) {
	for _, k := range keyed {
		for _, percent := range []int{100, 110, 125, 200} {
			rng := rand.New(rand.NewPCG(uint64(percent), 1))
			members := servers(1, 2, 3, 4, 10)
			c := NewSet(SetOptions{Policy: k.policy, Bound: percent}, members).NewCursor(0, 1)
			members[4].SetDown(true)
			all := 0
			for range 5000 {
				key := uint64(7)
				if rng.IntN(3) == 0 {
					key = rng.Uint64()
				}
				b := c.Pick(mix64(key), nil)
				b.Acquire()
				all++
				checkBound(t, members[:4], b, float64(percent)/100*float64(all)/10)
				if i := rng.IntN(4); rng.IntN(2) == 0 && members[i].InUse() > 0 {
					members[i].Release()
					all--
				}
			}
			if members[4].InUse() > 0 {
				t.Errorf("%v: a server that is down was picked", k.policy)
			}
		}
	}
}

// checkBound: fair is what a weight of 1 may have.
func checkBound(t *testing.T, members []Member, picked *Backend, fair float64) {
	t.Helper()
	for _, m := range members {
		if m.Backend == picked && float64(m.InUse()-1) >= fair*float64(m.Weight) {
			t.Fatalf("weight %d has %d connections, %.2f would be at the bound", m.Weight, m.InUse(), fair*float64(m.Weight))
		}
	}
}

// TestBoundIsConsistent: while nobody is at the bound nothing differs from the
// same policy without; and a key that has to go on goes where it would if its
// server were down.
func TestBoundIsConsistent(t *testing.T) {
	for _, k := range keyed {
		members := servers(10, 10, 10, 10)
		free := newSet(k.policy, members).NewCursor(0, 1)
		bounded := NewSet(SetOptions{Policy: k.policy, Bound: 125}, members).NewCursor(0, 1)
		for _, m := range members {
			for range 100 {
				m.Acquire()
			}
		}
		full := members[1].Backend
		standIns := map[uint64]*Backend{}
		for key := range uint64(2000) {
			a, b := free.Pick(mix64(key), nil), bounded.Pick(mix64(key), nil)
			if a != b {
				t.Fatalf("%v: key %d goes to %s instead of %s below the bound", k.policy, key, b.Name, a.Name)
			}
			if a == full {
				full.SetDown(true)
				standIns[key] = free.Pick(mix64(key), nil)
				full.SetDown(false)
			}
		}
		for range 50 {
			full.Acquire()
		}
		for key, standIn := range standIns {
			if b := bounded.Pick(mix64(key), nil); b != standIn {
				t.Fatalf("%v: key %d goes on to %s, want %s", k.policy, key, name(b), standIn.Name)
			}
			if b := free.Pick(mix64(key), nil); b != full {
				t.Fatalf("%v: key %d moved without a bound", k.policy, key)
			}
		}
	}
}

// TestBoundMeasuresThoseWhoServe: the share of servers that are down is others'
// to carry, or all of them would be at the bound and it would mean nothing.
func TestBoundMeasuresThoseWhoServe(t *testing.T) {
	for _, k := range keyed {
		members := equalServers(4)
		members[0].SetDown(true)
		members[1].SetDown(true)
		c := NewSet(SetOptions{Policy: k.policy, Bound: 125}, members).NewCursor(0, 1)
		for range 1000 {
			c.Pick(mix64(7), nil).Acquire() // one key for all
		}
		most, least := max(members[2].InUse(), members[3].InUse()), min(members[2].InUse(), members[3].InUse())
		if most != 625 || least != 375 {
			t.Errorf("%v: %d and %d connections, want 125 %% of half and the rest", k.policy, most, least)
		}
	}
}
