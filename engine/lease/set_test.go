package lease

import (
	"slices"
	"testing"
)

func TestParsePolicy(t *testing.T) {
	words := []string{"round_robin", "least_conn", "p2c", "random", "first", "hash", "maglev", "least_time"}
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
	members := servers(1, 0, 2)
	members[2].Backup = true
	s := newSet(LeastConn, members)
	want := []*Backend{members[0].Backend, members[1].Backend, members[2].Backend}
	members[0] = Member{} // the caller's slice is the caller's
	if s.Policy() != LeastConn || !slices.Equal(s.Backends(), want) {
		t.Errorf("Backends() = %v, want all in the order given", s.Backends())
	}
}

func TestNewSetRefuses(t *testing.T) {
	for what, o := range map[string]struct {
		bound, weight int
	}{"a negative weight": {0, -1}, "a weight too large": {0, MaxWeight + 1}, "a bound below the fair share": {99, 1}, "a negative bound": {-1, 1}} {
		t.Run(what, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("accepted")
				}
			}()
			NewSet(SetOptions{Policy: Maglev, Bound: o.bound}, servers(o.weight))
		})
	}
}

// TestNewSetAroundOldBackends: new weights find the connections, the state and
// the average where the old ones left them.
func TestNewSetAroundOldBackends(t *testing.T) {
	members := equalServers(2)
	old := newSet(LeastConn, members)
	members[0].Acquire()
	members[0].Observe(5000)
	members[1].SetEjected(true)
	members[0].Weight, members[1].Weight = 0, 7
	s := newSet(LeastConn, members)
	if got := s.Members(); got[0].InUse() != 1 || got[0].Latency() != 5000 || !got[1].Ejected() || got[1].Weight != 7 {
		t.Error("live state was lost")
	}
	if b := s.NewCursor(0, 1).Pick(0, nil); b != nil {
		t.Errorf("picked %s, of weight 0 or ejected", b.Name)
	}
	if members[1].SetEjected(false); s.NewCursor(0, 1).Pick(0, nil) != members[1].Backend {
		t.Error("the one with a weight was not picked")
	}
	if got := old.Members(); got[0].Weight != 1 || got[1].Weight != 1 {
		t.Error("the old set has changed")
	}
}

// TestJudge: u is a primary that is up, d one that is down, e ejected, g
// draining, r removed, 0 one of weight 0 that is up; in capitals, the backups.
func TestJudge(t *testing.T) {
	for _, c := range []struct {
		members       string
		threshold     int
		usable, total int
		panicking     bool
	}{
		{"uuuu", 50, 4, 4, false},
		{"uudd", 50, 2, 4, false}, // half is enough
		{"uded", 50, 1, 4, true},
		{"dddd", 50, 0, 4, true},
		{"dddd", 0, 0, 4, false}, // off
		{"dddu", 100, 1, 4, true},
		{"uuuu", 100, 4, 4, false},
		{"dddU", 50, 0, 3, false}, // a backup is up
		{"dddDE", 50, 0, 3, true},
		{"dddG", 50, 0, 3, true},
		{"dddR", 50, 0, 3, true},
		{"ugrgr", 50, 1, 1, false}, // those that leave are missed by nobody
		{"u0d0", 50, 1, 2, false},
		{"0d00", 50, 0, 1, true},
		{"gUU", 50, 2, 2, false}, // backups alone are left
		{"gUDD", 50, 1, 3, false},
		{"gDDD", 50, 0, 3, true},
		{"ggg", 50, 0, 0, false},
		{"", 50, 0, 0, false},
	} {
		members := make([]Member, len(c.members))
		for i, m := range equalServers(len(c.members)) {
			state := c.members[i] | 0x20
			m.Backup = state != c.members[i]
			if state == '0' {
				m.Weight = 0
			}
			m.SetDown(state == 'd')
			m.SetEjected(state == 'e')
			m.SetDraining(state == 'g')
			m.SetRemoved(state == 'r')
			members[i] = m
		}
		s := NewSet(SetOptions{Panic: c.threshold}, members)
		if s.Panicking() != c.panicking {
			t.Errorf("%q: a new set panics: %v", c.members, s.Panicking())
		}
		if usable, total, panicking := s.Judge(); usable != c.usable || total != c.total || panicking != c.panicking {
			t.Errorf("%q below %d %%: %d of %d, panic %v; want %d of %d, %v",
				c.members, c.threshold, usable, total, panicking, c.usable, c.total, c.panicking)
		}
	}
}

// TestPanic: while the set panics everybody serves but those who leave, and no
// longer.
func TestPanic(t *testing.T) {
	forEachPolicy(t, func(t *testing.T, p Policy) {
		members := servers(10, 10, 10, 10, 10, 10)
		members[0].SetDown(true)
		members[1].SetEjected(true)
		members[2].SetDown(true)
		members[4].SetDraining(true)
		members[5].SetRemoved(true)
		s := NewSet(SetOptions{Policy: p, Panic: 50}, members)
		served := func() (who [6]bool) {
			got := shares(s, 2000, func(*Backend) {})
			for i, m := range members {
				who[i] = got[m.Backend] > 0
			}
			return who
		}
		want := [6]bool{true, true, true, true, false, false}
		if p == First {
			want = [6]bool{true}
		}
		if got := served(); !s.Panicking() || got != want {
			t.Errorf("in panic %v serve", got)
		}
		members[2].SetDown(false)
		if _, _, panicking := s.Judge(); panicking {
			t.Fatal("panic at half")
		}
		want = [6]bool{2: true, 3: p != First}
		if got := served(); got != want {
			t.Errorf("after it %v serve", got)
		}
	})
}

// TestCursorsDoNotWalkInStep: loops with one seed must not all begin with the
// same server, yet the same loop must repeat itself, for replays.
func TestCursorsDoNotWalkInStep(t *testing.T) {
	for _, p := range []Policy{RoundRobin, LeastConn, P2C, Random, LeastTime} {
		t.Run(p.String(), func(t *testing.T) {
			s := newSet(p, equalServers(100))
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
		members := servers(1, 1, 1, 1)
		primaries, backups := members[:2], members[2:]
		for i := range backups {
			backups[i].Backup = true
		}
		c := newSet(p, members).NewCursor(0, 1)
		expect := func(when string, among []Member, tried *Tried) {
			t.Helper()
			for key := range uint64(200) {
				if b := c.Pick(mix64(key), tried); !slices.ContainsFunc(among, func(m Member) bool { return m.Backend == b }) {
					t.Fatalf("%s: picked %v", when, name(b))
				}
			}
		}
		expect("all up", primaries, nil)
		primaries[0].SetDown(true)
		expect("one primary up", primaries[1:], nil)
		var tried Tried
		tried.Add(primaries[1].Backend)
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
		if b := newSet(p, nil).NewCursor(0, 1).Pick(1, nil); b != nil {
			t.Errorf("no members: picked %v", b.Name)
		}
		if b := newSet(p, servers(0, 0)).NewCursor(0, 1).Pick(1, nil); b != nil {
			t.Errorf("all of weight 0: picked %v", b.Name)
		}
		members := servers(1, 2, 3)
		c := newSet(p, members).NewCursor(0, 1)
		var tried Tried
		for range members {
			b := c.Pick(1, &tried)
			if b == nil || tried.Has(b) {
				t.Fatalf("attempt %d picked %v", tried.Len()+1, name(b))
			}
			tried.Add(b)
		}
		if b := c.Pick(1, &tried); b != nil {
			t.Errorf("all tried: picked %v", b.Name)
		}
		for _, b := range members {
			b.MaxConnections = 1
		}
		c = newSet(p, members).NewCursor(0, 1)
		for range members {
			if !c.Pick(1, nil).Acquire() {
				t.Fatal("picked a full server")
			}
		}
		if b := c.Pick(1, nil); b != nil {
			t.Errorf("all full: picked %v", b.Name)
		}
	})
}

// TestPickForgets: what one connection has tried is nothing to the next one.
func TestPickForgets(t *testing.T) {
	forEachPolicy(t, func(t *testing.T, p Policy) {
		members := equalServers(1)
		c := newSet(p, members).NewCursor(0, 1)
		var tried Tried
		tried.Add(members[0].Backend)
		if b := c.Pick(1, &tried); b != nil {
			t.Errorf("picked %v again", b.Name)
		}
		if c.Pick(1, nil) == nil || c.Pick(1, &Tried{}) == nil {
			t.Error("the next connection is refused what the last one tried")
		}
	})
}

func TestPickStopsAtMaxAttempts(t *testing.T) {
	forEachPolicy(t, func(t *testing.T, p Policy) {
		c := newSet(p, equalServers(MaxAttempts+5)).NewCursor(0, 1)
		var tried Tried
		for range MaxAttempts {
			tried.Add(c.Pick(1, &tried))
		}
		if b := c.Pick(1, &tried); b != nil {
			t.Errorf("attempt %d: picked %v", MaxAttempts+1, b.Name)
		}
	})
}
