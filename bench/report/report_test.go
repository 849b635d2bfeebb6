package report

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sluice/bench/load"
	"sluice/bench/meter"
	"sluice/bench/scenarios"
)

// rounds makes rounds of 1,000 units with the given processor time per unit in
// microseconds; a negative one is a failed round.
func rounds(perUnit ...int) []Round {
	var all []Round
	for _, v := range perUnit {
		if v < 0 {
			all = append(all, Round{Failed: "load generator: ended without a result"})
			continue
		}
		total := time.Duration(v) * time.Microsecond * 1000
		all = append(all, Round{Result: &load.Result{
			Units: 1000, Wall: time.Second, Proxy: meter.CPU{Total: total, User: total / 4, System: total - total/4},
			Latency: &load.Latency{P50: 500 * time.Microsecond, P90: time.Millisecond, P99: 2 * time.Millisecond, P999: 3 * time.Millisecond},
		}})
	}
	return all
}

func section(t *testing.T, name string, series ...Series) Section {
	t.Helper()
	for _, sc := range scenarios.All() {
		if sc.Name == name {
			return Section{Name: sc.Name, What: sc.What, Scenario: sc, Series: series}
		}
	}
	t.Fatalf("no scenario %s", name)
	return Section{}
}

// rowWith returns the only line of the verdict table that has all the words.
func rowWith(t *testing.T, page string, words ...string) string {
	t.Helper()
	_, verdict, _ := strings.Cut(page, "## Verdict\n\n")
	verdict, _, _ = strings.Cut(verdict, "\n## ")
	for line := range strings.Lines(verdict) {
		found := true
		for _, w := range words {
			found = found && strings.Contains(line, w)
		}
		if found {
			return line
		}
	}
	t.Fatalf("no row with %q in\n%s", words, verdict)
	return ""
}

func fixed(t *testing.T) *Report {
	disturbed := rounds(12, 12, 12)
	for i := range disturbed {
		disturbed[i].Result.Others = 30
	}
	erring := rounds(100, 100, 100)
	erring[1].Result.Errors = map[string]int64{"reset": 3, "eof": 1}
	return &Report{
		Command: "sluice bench", Date: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		Machine: Machine{CPU: "Test CPU", Cores: 2, Pinned: true, Kernel: "Linux 6", Go: "go1.26"},
		Sections: []Section{
			section(t, "tcp-small",
				Series{Proxy: "sluice", Setting: "default", Version: "0.1", Rounds: rounds(10, 11, 12)},
				Series{Proxy: "nginx", Setting: "default", Version: "1.22", Rounds: disturbed},
				Series{Proxy: "haproxy", Setting: "default", Missing: "haproxy is not installed"}),
			section(t, "tcp-bulk",
				Series{Proxy: "sluice", Setting: "default", Rounds: rounds(50, 50, 50)},
				Series{Proxy: "nginx", Setting: "default", Rounds: erring},
				Series{Proxy: "nginx", Setting: "tuned", Rounds: rounds(80, -1, 80)}),
		},
	}
}

func TestVerdicts(t *testing.T) {
	page := string(fixed(t).Markdown())
	for _, c := range []struct{ row, want []string }{
		// 10/12, 11/12, 12/12: the median passes, the range is over 15 %.
		{[]string{"tcp-small", "| nginx |"}, []string{"0.92 (0.83 – 1.00)", "≤ 1.00 ×", "pass, noisy (spread 18 %)", "30 % of the machine"}},
		{[]string{"tcp-small", "haproxy"}, []string{"haproxy is not installed"}},
		{[]string{"tcp-bulk", "| nginx |"}, []string{"0.50 (0.50 – 0.50)", "pass; nginx had errors: 1 eof, 3 reset; 1 of 3 rounds of nginx are not valid"}},
		{[]string{"tcp-bulk", "| nginx tuned |"}, []string{"0.62 (0.62 – 0.62)", "**MISS**; nginx tuned had errors: 1 failed rounds"}},
	} {
		row := rowWith(t, page, c.row...)
		for _, want := range c.want {
			if !strings.Contains(row, want) {
				t.Errorf("row %v lacks %q:\n%s", c.row, want, row)
			}
		}
	}
	for _, want := range []string{"| sluice | 12.5 | 37.5 |", "Test CPU", "- nginx 1.22", "Round 2 of nginx tuned failed", "| nginx | 1,000 |"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
}

func TestAbsoluteTargets(t *testing.T) {
	held := Round{Result: &load.Result{
		Units: 9000, Wall: 10 * time.Second, Proxy: meter.CPU{Total: 500 * time.Microsecond},
		Held: &load.Held{Connections: 9000, Alive: 9000, MemoryBefore: 10 << 20, MemoryHeld: 10<<20 + 9000*3000},
	}}
	r := Report{Sections: []Section{section(t, "tcp-idle", Series{Proxy: "sluice", Setting: "default", Rounds: []Round{held}})}}
	page := string(r.Markdown())
	if row := rowWith(t, page, "memory"); !strings.Contains(row, "≤ 2,048") || !strings.Contains(row, "3,000") || !strings.Contains(row, "**MISS**") {
		t.Errorf("memory row: %s", row)
	}
	if row := rowWith(t, page, "idle CPU"); !strings.Contains(row, "≤ 0.100") || !strings.Contains(row, "pass") {
		t.Errorf("idle row: %s", row)
	}
}

func TestSluiceNotMeasured(t *testing.T) {
	r := Report{Sections: []Section{section(t, "tcp-small", Series{Proxy: "nginx", Setting: "default", Rounds: rounds(10)})}}
	if row := rowWith(t, string(r.Markdown()), "nginx"); !strings.Contains(row, "sluice: not measured") || strings.Contains(row, "pass") {
		t.Errorf("row: %s", row)
	}
}

// TestErrorsMakeARoundInvalid: such a round has no part in a number, and sluice
// does not pass with one.
func TestErrorsMakeARoundInvalid(t *testing.T) {
	erring := func(at int, perUnit ...int) []Round {
		all := rounds(perUnit...)
		all[at].Result.Errors = map[string]int64{"status": 2}
		return all
	}
	r := Report{Sections: []Section{
		section(t, "http-small", Series{Proxy: "sluice", Setting: "default", Rounds: rounds(10, 10, 10)},
			Series{Proxy: "nginx", Setting: "default", Rounds: erring(1, 20, 1, 20)}),
		section(t, "http-many", Series{Proxy: "sluice", Setting: "default", Rounds: erring(1, 10, 10, 10)},
			Series{Proxy: "nginx", Setting: "default", Rounds: rounds(20, 20, 20)}),
		section(t, "http-10k", Series{Proxy: "sluice", Setting: "default", Rounds: rounds(10)},
			Series{Proxy: "haproxy", Setting: "default", Rounds: erring(0, 20)}),
	}}
	page := string(r.Markdown())
	for name, want := range map[string][]string{
		"http-small": {"0.50 (0.50 – 0.50)", "pass; nginx had errors: 2 status; 1 of 3 rounds of nginx are not valid"},
		"http-many":  {"0.50 (0.50 – 0.50)", "**MISS**; sluice had errors: 2 status; 1 of 3 rounds of sluice are not valid"},
		"http-10k":   {"| – |", "haproxy had errors: 2 status; 1 of 1 rounds of haproxy are not valid"},
	} {
		row := rowWith(t, page, "| "+name+" |")
		for _, part := range want {
			if !strings.Contains(row, part) {
				t.Errorf("%s lacks %q:\n%s", name, part, row)
			}
		}
	}
}

func TestRates(t *testing.T) {
	scheduled := func(lag time.Duration, p999 ...time.Duration) []Round {
		all := rounds(make([]int, len(p999))...)
		for i, v := range p999 {
			all[i].Result.Latency.P999 = v
			all[i].Result.Schedule = &load.Schedule{Rate: 1000, Sent: 1000, Lag: &load.Latency{P50: lag / 2, P999: lag}}
		}
		return all
	}
	const ms = time.Millisecond
	late := scheduled(2*load.MaxLag, 1*ms)
	late[0].Result.Errors = map[string]int64{"unsent": 3} // nobody's fault
	rates := section(t, "http-rate-70",
		Series{Proxy: "sluice", Setting: "default", Rounds: scheduled(load.MaxLag, 2*ms, 2*ms)},
		Series{Proxy: "nginx", Setting: "default", Rounds: scheduled(load.MaxLag, 4*ms, 4*ms)},
		Series{Proxy: "haproxy", Setting: "default", Rounds: append(late, scheduled(load.MaxLag, 1*ms)...)})
	rates.Peak = &Peak{Proxy: "nginx", Rate: 40_000}
	page := string((&Report{Sections: []Section{rates}}).Summary())
	if row := rowWith(t, page, "p99.9", "| nginx |"); !strings.Contains(row, "0.50 (0.50 – 0.50) | ahead | ≤ 1.00 × | pass") {
		t.Errorf("row: %s", row)
	}
	if row := rowWith(t, page, "p99.9", "| haproxy |"); !strings.Contains(row, "2.00 (2.00 – 2.00)") ||
		!strings.Contains(row, "**MISS**; 1 of 2 rounds of haproxy are not valid, in 1 the schedule was not kept") {
		t.Errorf("row: %s", row)
	}
	if row := rowWith(t, page, "p50", "| nginx |"); strings.Contains(row, "≤") {
		t.Errorf("p50 has a target: %s", row)
	}
	for _, want := range []string{"nginx reached 40,000 requests per second", "28,000 were scheduled", "| 1 of 2 |"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
}

func TestTargetsBySettingAndBase(t *testing.T) {
	r := Report{Sections: []Section{section(t, "http-10m",
		Series{Proxy: "sluice", Setting: "default", Rounds: rounds(80)},
		Series{Proxy: "sluice", Setting: "base", Rounds: rounds(100)},
		Series{Proxy: "nginx", Setting: "default", Rounds: rounds(100)},
		Series{Proxy: "nginx", Setting: "tuned", Rounds: rounds(100)},
	)}}
	page := string(r.Markdown())
	for peer, want := range map[string]string{"nginx": "≤ 0.50 × | **MISS**", "nginx tuned": "≤ 0.90 × | pass", "sluice base": "0.80 (0.80 – 0.80) | ahead (one round) | – |"} {
		if row := rowWith(t, page, "| "+peer+" |"); !strings.Contains(row, want) {
			t.Errorf("row of %s: %s", peer, row)
		}
	}
}

// TestLossesArePlain: what is behind is listed, and what was not measured, too.
func TestLossesArePlain(t *testing.T) {
	slow := section(t, "http-slow",
		Series{Proxy: "sluice", Setting: "default", Balance: "p2c", Rounds: rounds(10, 10)},
		Series{Proxy: "sluice", Setting: "default", Balance: "least_time", Missing: "cannot yet serve this: no such word"},
		Series{Proxy: "nginx", Setting: "default", Balance: "least_conn", Rounds: rounds(10, 10)})
	slow.Series[0].Rounds[0].Result.Units, slow.Series[0].Rounds[1].Result.Units = 500, 500
	r := &Report{Sections: []Section{slow, section(t, "http-small",
		Series{Proxy: "sluice", Setting: "default", Rounds: rounds(12, 13)}, Series{Proxy: "nginx", Setting: "default", Rounds: rounds(10, 10)},
		Series{Proxy: "haproxy", Setting: "default", Rounds: rounds(20, 20)})}}
	page := string(r.Markdown())
	for _, want := range []string{
		"## Where sluice is behind", "- `http-slow`, throughput: 500 beside nginx least_conn's 1,000 requests per second, × 0.50 (0.50 – 0.50): behind\n",
		"- `http-small`, CPU: 12.5 beside nginx's 10 µs per request, × 1.25 (1.20 – 1.30): behind\n",
		"- sluice least_time: cannot yet serve this: no such word (`http-slow`)",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q:\n%s", want, page)
		}
	}
	if strings.Contains(page, "haproxy's 20") {
		t.Error("a row in which sluice is ahead is among the losses")
	}
	if row := rowWith(t, page, "throughput", "nginx least_conn"); !strings.Contains(row, "behind") {
		t.Errorf("row: %s", row)
	}
}

// slowSection is http-slow with all rows of sluice, each of two equal rounds.
func slowSection(t *testing.T) Section {
	t.Helper()
	s := section(t, "http-slow")
	for _, v := range s.Scenario.Variants["sluice"] {
		s.Series = append(s.Series, Series{Proxy: "sluice", Setting: "default", Balance: v.Balance, Variant: v.Name, Rounds: rounds(10, 10)})
	}
	return s
}

// TestTargetsBesideARow: what is promised is judged beside the healthy row, what is there
// for contrast is shown beside it; a row that is missing keeps nothing.
func TestTargetsBesideARow(t *testing.T) {
	s := slowSection(t)
	for row, units := range map[string]float64{"p2c": 850, "p2c healthy": 1000, "round_robin": 100} {
		for i := range s.ours(row).Rounds {
			s.ours(row).Rounds[i].Result.Units = units
		}
	}
	page := string((&Report{Sections: []Section{s}}).Summary())
	for _, c := range []struct{ row, want []string }{
		{[]string{"throughput", "(p2c)"}, []string{"| 850 (p2c) | sluice p2c healthy | 1,000 | 0.85 (0.85 – 0.85) | – | ≥ 0.80 × | pass |"}},
		{[]string{"throughput", "(round_robin)"}, []string{"| 0.10 (0.10 – 0.10) | – | ≥ 0.80 × | not kept, for contrast |"}},
	} {
		if row := rowWith(t, page, c.row...); !strings.Contains(row, c.want[0]) {
			t.Errorf("row: %s", row)
		}
	}
	if strings.Contains(page, "behind\n") || !strings.Contains(page, "| sluice p2c healthy | throughput, requests per second | 1,000 |") {
		t.Errorf("rows of sluice are no losses, and stand in the details:\n%s", page)
	}
	s.ours("p2c").Rounds[0].Result.Units, s.ours("p2c").Rounds[1].Result.Units = 790, 790
	page = string((&Report{Sections: []Section{s}}).Summary())
	if row := rowWith(t, page, "throughput", "(p2c)"); !strings.Contains(row, "≥ 0.80 × | **MISS** |") {
		t.Errorf("row: %s", row)
	}
	s.ours("p2c healthy").Missing = "cannot yet serve this: no such word"
	s.ours("p2c healthy").Rounds = nil
	page = string((&Report{Sections: []Section{s}}).Summary())
	if row := rowWith(t, page, "throughput", "(p2c)"); !strings.Contains(row, "sluice p2c healthy: cannot yet serve this") || strings.Contains(row, "MISS") {
		t.Errorf("row: %s", row)
	}
}

// TestBaseRowByRow: a second sluice is compared with the first in the same row.
func TestBaseRowByRow(t *testing.T) {
	s := slowSection(t)
	for _, one := range slices.Clone(s.Series) {
		one.Setting = "base"
		s.Series = append(s.Series, one)
	}
	n := 0
	for _, c := range (&Report{Sections: []Section{s}}).comparisons() {
		if n++; c.sluice.row() != c.peer.row() || c.peer.Setting != "base" || c.sluice.Setting == "base" {
			t.Errorf("%s is beside %s", c.sluice.Title(), c.peer.Title())
		}
	}
	if want := len(s.Series) / 2 * len(s.Scenario.Metrics); n != want {
		t.Errorf("%d comparisons, want %d", n, want)
	}
}

// TestProvokedErrorsCount: where errors are what is measured, they do not void it.
func TestProvokedErrorsCount(t *testing.T) {
	faulty := func(failed int64) []Round {
		all := rounds(10, 10)
		for i := range all {
			all[i].Faulty = true
			all[i].Marks = []Mark{{At: time.Second, What: "killed"}}
			if failed > 0 {
				all[i].Result.Errors = map[string]int64{"status": failed}
			}
		}
		return all
	}
	page := string((&Report{Sections: []Section{
		section(t, "http-reload", Series{Proxy: "sluice", Setting: "default", Rounds: faulty(3)}, Series{Proxy: "nginx", Setting: "default", Rounds: faulty(6)}),
		section(t, "http-kill", Series{Proxy: "sluice", Setting: "default", Rounds: faulty(9)}, Series{Proxy: "nginx", Setting: "default", Rounds: faulty(6)},
			Series{Proxy: "nginx", Setting: "tuned", Rounds: faulty(9)}, Series{Proxy: "haproxy", Setting: "default", Rounds: faulty(0)}),
	}}).Markdown())
	if row := rowWith(t, page, "http-reload", "failed", "≤ 0"); !strings.Contains(row, "| 3 | – |") || !strings.Contains(row, "**MISS**") {
		t.Errorf("row: %s", row)
	}
	if !strings.Contains(page, "- `http-kill`, failed: 9 beside haproxy's 0 requests: behind\n") {
		t.Errorf("no ratio to nothing, but a loss:\n%s", page)
	}
	if row := rowWith(t, page, "http-kill", "failed", "| nginx tuned |"); !strings.Contains(row, "even") {
		t.Errorf("row: %s", row)
	}
	if row := rowWith(t, page, "http-kill", "failed", "| nginx |"); !strings.Contains(row, "| 9 | nginx | 6 |") || strings.Contains(row, "not valid") {
		t.Errorf("row: %s", row)
	}
}

func TestWriteAndRead(t *testing.T) {
	folder := t.TempDir()
	r := fixed(t)
	r.Sections[0].Series[0].Calls = &Calls{Units: 100, Total: 410, ByName: map[string]int64{"read": 200, "write": 200, "futex": 10}}
	r.Sections = append(r.Sections, slowSection(t))
	if err := r.Write(folder); err != nil {
		t.Fatal(err)
	}
	back, err := Read(filepath.Join(folder, "bench", "results", ResultFile))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(back.Markdown()), string(r.Markdown()); got != want {
		t.Errorf("what was read makes another page:\n%s", got)
	}
	if page := string(r.Markdown()); !strings.Contains(page, "4.10 | read 2.00, write 2.00 |") {
		t.Errorf("no system calls in\n%s", page)
	}
	for _, bad := range []string{"", "{", "{}"} {
		path := filepath.Join(folder, "bad.json")
		if err := os.WriteFile(path, []byte(bad), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Read(path); err == nil {
			t.Errorf("%q is a report", bad)
		}
	}
}

func TestSpread(t *testing.T) {
	if s := newSpread([]float64{3, 1, 2, 10}); s.median != 2.5 || s.low != 1 || s.high != 10 || !s.noisy() {
		t.Errorf("spread = %+v", s)
	}
	if s := newSpread(nil); s.n != 0 || s.noisy() {
		t.Errorf("empty spread = %+v", s)
	}
	for v, want := range map[float64]string{0: "0", 0.0523: "0.052", 1.234: "1.23", 12.34: "12.3", 123.5: "124", 1234567: "1,234,567", -5000: "-5,000"} {
		if got := number(v, 1); got != want {
			t.Errorf("number(%v) = %s, want %s", v, got, want)
		}
	}
}
