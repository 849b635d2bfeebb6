package report

import (
	"math"
	"strings"
	"testing"
)

// TestRankCut checks against tables of the rank-sum test: with two-sided 5 % and equal
// numbers n, the critical value of U is one less than the cut.
func TestRankCut(t *testing.T) {
	for n, want := range map[int]int{3: 0, 4: 1, 5: 3, 6: 6, 7: 9, 8: 14, 10: 24} {
		if got := rankCut(n, n, 0.025); got != want {
			t.Errorf("rankCut(%d, %d, 0.025) = %d, want %d", n, n, got, want)
		}
	}
	for n, want := range map[int]int{4: 0, 5: 1, 6: 3, 7: 5, 8: 8, 10: 17} {
		if got := rankCut(n, n, 0.005); got != want {
			t.Errorf("rankCut(%d, %d, 0.005) = %d, want %d", n, n, got, want)
		}
	}
	total := 0.0
	for _, w := range rankWays(3, 4) {
		total += w
	}
	if total != 35 { // 7 over 3
		t.Errorf("%v ways to mix 3 and 4", total)
	}
}

func TestRatioInterval(t *testing.T) {
	first := []float64{10, 11, 12, 13, 14, 15, 16}
	double := make([]float64, len(first))
	for i, v := range first {
		double[i] = 2 * v
	}
	ratio, low, high, ok := ratioInterval(first, double)
	if !ok || math.Abs(ratio-2) > 1e-9 || low <= 1 || low >= 2 || high <= 2 {
		t.Errorf("doubled: %v (%v to %v), %v", ratio, low, high, ok)
	}
	if ratio, low, high, ok = ratioInterval(first, first); !ok || ratio != 1 || low >= 1 || high <= 1 {
		t.Errorf("unchanged: %v (%v to %v), %v", ratio, low, high, ok)
	}
	if _, low, _, ok = ratioInterval(first[:4], double); !ok || low <= 1 {
		t.Error("four rounds beside seven are too few")
	}
	if ratio, _, _, ok = ratioInterval(first[:2], double[:2]); ok || ratio == 0 {
		t.Errorf("two rounds are enough to tell: %v", ratio)
	}
	if _, _, _, ok = ratioInterval(nil, first); ok {
		t.Error("nothing is enough to tell")
	}
}

// run makes a report of http-small; peer is nginx.
func run(t *testing.T, ours, peer []int) *Report {
	t.Helper()
	return &Report{Machine: Machine{CPU: "Test CPU"}, Sections: []Section{section(t, "http-small",
		Series{Proxy: "sluice", Setting: "default", Rounds: rounds(ours...)},
		Series{Proxy: "nginx", Setting: "default", Rounds: rounds(peer...)})}}
}

func TestCompare(t *testing.T) {
	steady := []int{100, 101, 102, 103, 104, 105, 106}
	slower := []int{120, 121, 122, 123, 124, 125, 126}
	for name, c := range map[string]struct {
		before, after *Report
		worse         int
		want          string
	}{
		"worse":           {run(t, steady, steady), run(t, slower, steady), 1, "**worse**"},
		"better":          {run(t, slower, steady), run(t, steady, steady), 0, "better"},
		"the same":        {run(t, steady, steady), run(t, steady, steady), 0, "no change that can be told apart from noise"},
		"another machine": {run(t, steady, steady), run(t, slower, slower), 0, "no change that can be told apart from noise"},
		"too few":         {run(t, steady[:2], steady[:2]), run(t, slower[:2], steady[:2]), 0, "too few rounds to tell (2 and 2)"},
		"noise":           {run(t, steady, steady), run(t, []int{90, 130, 101, 95, 108, 99, 120}, steady), 0, "no change that can be told apart from noise"},
	} {
		got := Compare(c.before, c.after)
		page := string(got.Markdown())
		ours, peers, _ := strings.Cut(page, "## Peers")
		if got.Worse() != c.worse || !strings.Contains(ours, c.want) || !strings.Contains(ours, "beside peers") {
			t.Errorf("%s: %d worse\n%s", name, got.Worse(), page)
		}
		if strings.Contains(peers, "| sluice |") || !strings.Contains(peers, "| nginx |") {
			t.Errorf("%s: the peers are\n%s", name, peers)
		}
	}
	if c := Compare(run(t, steady, steady), &Report{}); !c.Empty() || c.Worse() != 0 {
		t.Error("runs without anything in common are compared")
	}
}

// TestCompareWithoutPeers: then the numbers stand for themselves; a peer of another
// version is none.
func TestCompareWithoutPeers(t *testing.T) {
	before, after := run(t, []int{100, 101, 102, 103, 104, 105}, []int{10, 10, 10, 10, 10, 10}), run(t, []int{150, 151, 152, 153, 154, 155}, []int{30, 30, 30, 30, 30, 30})
	after.Sections[0].Series[1].Version = "2"
	c := Compare(before, after)
	if page := string(c.Markdown()); c.Worse() != 1 || strings.Contains(page, "% beside peers") {
		t.Errorf("%d worse\n%s", c.Worse(), page)
	}
	after.Machine.CPU = "Another CPU"
	if page := string(Compare(before, after).Markdown()); !strings.Contains(page, "The machines differ") {
		t.Error("another machine is not mentioned")
	}
}

// TestCompareRows: each row of a proxy is lined up with itself.
func TestCompareRows(t *testing.T) {
	slow := func(change float64) *Report {
		s := slowSection(t)
		for i := range s.Series {
			s.Series[i].Rounds = rounds(1, 1, 1, 1, 1, 1)
			for j := range s.Series[i].Rounds {
				s.Series[i].Rounds[j].Result.Units = 1000 + float64(j)
			}
		}
		for j := range s.ours("p2c healthy").Rounds {
			s.ours("p2c healthy").Rounds[j].Result.Units *= change
		}
		return &Report{Sections: []Section{s}}
	}
	c := Compare(slow(1), slow(0.5))
	page := string(c.Markdown())
	if c.Worse() != 1 || strings.Count(page, "| throughput,") != 5 || !strings.Contains(page, "| sluice p2c healthy | throughput, requests per second | 1,003 | 501 |") {
		t.Errorf("%d worse:\n%s", c.Worse(), page)
	}
}

// TestMoreIsBetter: a throughput that falls has become worse.
func TestMoreIsBetter(t *testing.T) {
	slow := func(units float64) *Report {
		s := Series{Proxy: "sluice", Setting: "default", Balance: "p2c", Rounds: rounds(1, 1, 1, 1, 1, 1)}
		for i := range s.Rounds {
			s.Rounds[i].Result.Units = units + float64(i)
		}
		return &Report{Sections: []Section{section(t, "http-slow", s)}}
	}
	if n := Compare(slow(1000), slow(500)).Worse(); n != 1 {
		t.Errorf("%d numbers are worse when half as much is done", n)
	}
	if n := Compare(slow(500), slow(1000)).Worse(); n != 0 {
		t.Errorf("%d numbers are worse when twice as much is done", n)
	}
}
