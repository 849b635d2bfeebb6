package lease

import (
	"slices"
	"strconv"
	"testing"
)

func TestParsePolicy(t *testing.T) {
	words := []string{"round_robin", "least_conn", "p2c", "random", "first", "hash", "maglev"}
	for i, word := range words {
		p, ok := ParsePolicy(word)
		if !ok || p != Policy(i) || p.String() != word {
			t.Errorf("ParsePolicy(%q) = %v, %v", word, p, ok)
		}
	}
	for _, word := range []string{"", "P2C", "ip_hash"} {
		if p, ok := ParsePolicy(word); ok {
			t.Errorf("ParsePolicy(%q) = %v, want an error", word, p)
		}
	}
}

func TestNewSetKeepsEveryone(t *testing.T) {
	backends := servers(1, 0, 2)
	backends[2].Backup = true
	s := NewSet(LeastConn, backends)
	want := slices.Clone(backends)
	backends[0] = nil // the caller's slice is the caller's
	if s.Policy() != LeastConn || !slices.Equal(s.Backends(), want) {
		t.Errorf("Backends() = %v, want all in the order given", s.Backends())
	}
}

func TestNewSetRefusesWeights(t *testing.T) {
	for _, w := range []int{-1, MaxWeight + 1} {
		t.Run(strconv.Itoa(w), func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("accepted")
				}
			}()
			NewSet(P2C, servers(w))
		})
	}
}

// TestCursorsDoNotWalkInStep: loops with one seed must not all begin with the
// same server, yet the same loop must repeat itself, for replays.
func TestCursorsDoNotWalkInStep(t *testing.T) {
	for _, p := range []Policy{RoundRobin, LeastConn, P2C, Random} {
		t.Run(p.String(), func(t *testing.T) {
			s := NewSet(p, equalServers(100))
			starts := map[*Backend]bool{}
			for loop := range 16 {
				a, b := s.NewCursor(loop, 7).Pick(0, nil), s.NewCursor(loop, 7).Pick(0, nil)
				if a != b {
					t.Fatalf("loop %d does not repeat itself", loop)
				}
				starts[a] = true
			}
			if len(starts) < 12 {
				t.Errorf("16 loops start at only %d of 100 servers", len(starts))
			}
		})
	}
}

func TestBackupsOnlyWhenNoPrimary(t *testing.T) {
	forEachPolicy(t, func(t *testing.T, p Policy) {
		backends := servers(1, 1, 1, 1)
		primaries, backups := backends[:2], backends[2:]
		for _, b := range backups {
			b.Backup = true
		}
		c := NewSet(p, backends).NewCursor(0, 1)
		expect := func(when string, among []*Backend, tried *Tried) {
			t.Helper()
			for key := range uint64(200) {
				if b := c.Pick(mix64(key), tried); !slices.Contains(among, b) {
					t.Fatalf("%s: picked %v", when, name(b))
				}
			}
		}
		expect("all up", primaries, nil)
		primaries[0].SetDown(true)
		expect("one primary up", primaries[1:], nil)
		var tried Tried
		tried.Add(primaries[1])
		expect("the other tried", backups, &tried)
		primaries[1].SetDraining(true)
		expect("no primary", backups, nil)
		backups[0].SetDown(true)
		expect("one backup", backups[1:], nil)
		primaries[0].SetDown(false)
		expect("a primary is back", primaries[:1], nil)
	})
}

func TestPickNil(t *testing.T) {
	forEachPolicy(t, func(t *testing.T, p Policy) {
		if b := NewSet(p, nil).NewCursor(0, 1).Pick(1, nil); b != nil {
			t.Errorf("no members: picked %v", b.Name)
		}
		if b := NewSet(p, servers(0, 0)).NewCursor(0, 1).Pick(1, nil); b != nil {
			t.Errorf("all of weight 0: picked %v", b.Name)
		}
		backends := servers(1, 2, 3)
		c := NewSet(p, backends).NewCursor(0, 1)
		var tried Tried
		for range backends {
			b := c.Pick(1, &tried)
			if b == nil || tried.Has(b) {
				t.Fatalf("attempt %d picked %v", tried.Len()+1, name(b))
			}
			tried.Add(b)
		}
		if b := c.Pick(1, &tried); b != nil {
			t.Errorf("all tried: picked %v", b.Name)
		}
		for _, b := range backends {
			b.MaxConnections = 1
		}
		c = NewSet(p, backends).NewCursor(0, 1)
		for range backends {
			if !c.Pick(1, nil).Acquire() {
				t.Fatal("picked a full server")
			}
		}
		if b := c.Pick(1, nil); b != nil {
			t.Errorf("all full: picked %v", b.Name)
		}
	})
}

func TestPickStopsAtMaxAttempts(t *testing.T) {
	forEachPolicy(t, func(t *testing.T, p Policy) {
		c := NewSet(p, equalServers(MaxAttempts+5)).NewCursor(0, 1)
		var tried Tried
		for range MaxAttempts {
			tried.Add(c.Pick(1, &tried))
		}
		if b := c.Pick(1, &tried); b != nil {
			t.Errorf("attempt %d: picked %v", MaxAttempts+1, b.Name)
		}
	})
}
