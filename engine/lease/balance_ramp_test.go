package lease

import (
	"testing"
)

// TestRampShares: one of four servers starts slowly. It gets the part of its
// share that its ramp says; the rest goes to the others. A policy in which the
// others' shares grow by that may give it a little more.
func TestRampShares(t *testing.T) {
	const picks = 100_000
	forEachPolicy(t, func(t *testing.T, p Policy) {
		for _, ramp := range []int{10, 250, 500, 900, 1000} {
			members := servers(20, 20, 20, 20)
			members[0].SetRamp(ramp)
			of := 4.0
			if p == First {
				of = 1
			}
			r := float64(ramp) / 1000
			least, most := picks*r/of, max(picks*r/(of-1+r), picks*r/of)
			got := float64(shares(newSet(p, members), picks, func(*Backend) {})[members[0].Backend])
			if slack := 0.05*most + 50; got < least-slack || got > most+slack {
				t.Errorf("ramp %d: %v of %d picks, want %.0f to %.0f", ramp, got, picks, least, most)
			}
		}
	})
}

// TestRampByLoad: policies that go by load must not fill a newcomer because it
// is empty: it is to have its share of the connections, not of the picks.
func TestRampByLoad(t *testing.T) {
	for _, p := range []Policy{LeastConn, P2C, LeastTime} {
		members := equalServers(5)
		for _, m := range members {
			m.Observe(5e6)
		}
		members[4].SetRamp(100)
		shares(newSet(p, members), 4100, func(b *Backend) { b.Acquire() })
		if n := members[4].InUse(); n < 70 || n > 130 {
			t.Errorf("%v: a ramp of 100 brings %d of 4100 connections, want about 100", p, n)
		}
	}
}

// TestRampIsNoRefusal: when all others cannot serve, the ramping one does; when
// all ramp alike, they share as if none did.
func TestRampIsNoRefusal(t *testing.T) {
	forEachPolicy(t, func(t *testing.T, p Policy) {
		members := servers(20, 20, 20, 20)
		for i, m := range members {
			m.SetRamp(0)
			m.SetDown(i != 2)
		}
		members[1].Backup = true
		members[1].SetDown(false)
		if got := shares(newSet(p, members), 1000, func(*Backend) {}); got[members[2].Backend] != 1000 {
			t.Errorf("the only primary got %d of 1000", got[members[2].Backend])
		}
		members[1].Backup = false
		for _, m := range members {
			m.SetDown(false)
		}
		got := shares(newSet(p, members), 10_000, func(*Backend) {})
		for i, m := range members {
			if n := got[m.Backend]; p != First && (n < 2250 || n > 2750) {
				t.Errorf("all ramping: server %d got %d of 10000", i, n)
			}
		}
	})
}

// TestRampOverTried: a retry finds the ramping server too.
func TestRampOverTried(t *testing.T) {
	forEachPolicy(t, func(t *testing.T, p Policy) {
		members := equalServers(2)
		members[1].SetRamp(1)
		var tried Tried
		tried.Add(members[0].Backend)
		if b := newSet(p, members).NewCursor(0, 1).Pick(5, &tried); b != members[1].Backend {
			t.Errorf("picked %v", name(b))
		}
	})
}

// TestRampKeyed: as the ramp rises a key comes home once and stays; keys of
// others never move; and all of that is the same on every loop.
func TestRampKeyed(t *testing.T) {
	for _, k := range keyed {
		members := servers(10, 10, 10, 10)
		s, home := newSet(k.policy, members), members[3].Backend
		want := owners(k.policy, members)
		for key := range uint64(2000) {
			came := false
			for ramp := 0; ramp <= 1000; ramp += 50 {
				home.SetRamp(ramp)
				a, b := s.NewCursor(0, 1).Pick(mix64(key), nil), s.NewCursor(1, 9).Pick(mix64(key), nil)
				if a != b {
					t.Fatalf("%v: two loops disagree", k.policy)
				}
				if want[key] != home.Addr.String() && a.Addr.String() != want[key] || came && a != home {
					t.Fatalf("%v: at ramp %d a key wandered to %s", k.policy, ramp, a.Name)
				}
				came = a == home
			}
			if came != (want[key] == home.Addr.String()) {
				t.Fatalf("%v: after the ramp a key is not where it was", k.policy)
			}
		}
	}
}
