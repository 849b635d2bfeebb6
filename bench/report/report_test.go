package report

import (
	"encoding/json"
	"os"
	"path/filepath"
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
	verdict, _, _ := strings.Cut(page, "\n## tcp")
	for line := range strings.Lines(verdict) {
		found := strings.HasPrefix(line, "| tcp")
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
		Command: "go run ./bench/run", Date: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
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
		{[]string{"tcp-bulk", "| nginx |"}, []string{"0.50 (0.50 – 0.50)", "pass; nginx had errors: 1 eof, 3 reset"}},
		{[]string{"tcp-bulk", "| nginx tuned |"}, []string{"0.62 (0.62 – 0.62)", "**MISS**; nginx tuned had errors: 1 failed rounds"}},
	} {
		row := rowWith(t, page, c.row...)
		for _, want := range c.want {
			if !strings.Contains(row, want) {
				t.Errorf("row %v lacks %q:\n%s", c.row, want, row)
			}
		}
	}
	for _, want := range []string{"25 / 75 %", "Test CPU", "- nginx 1.22", "Round 2 of nginx tuned failed", "| nginx | 1,000 |"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
}

func TestAbsoluteTargets(t *testing.T) {
	held := Round{Result: &load.Result{
		Units: 9000, Wall: 10 * time.Second, Proxy: meter.CPU{Total: 500 * time.Microsecond},
		Held: &load.Held{Tunnels: 9000, Alive: 9000, MemoryBefore: 10 << 20, MemoryHeld: 10<<20 + 9000*3000},
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
	if row := rowWith(t, string(r.Markdown()), "nginx"); !strings.Contains(row, "sluice was not measured") || strings.Contains(row, "pass") {
		t.Errorf("row: %s", row)
	}
}

func TestWriteKeepsOtherScenarios(t *testing.T) {
	folder := t.TempDir()
	r := fixed(t)
	if err := r.Write(folder); err != nil {
		t.Fatal(err)
	}
	r.Sections = r.Sections[:1]
	if err := r.Write(folder); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"tcp-small", "tcp-bulk"} {
		text, err := os.ReadFile(filepath.Join(folder, "bench", "results", name+".json"))
		if err != nil {
			t.Fatal(err)
		}
		var back Report
		if err := json.Unmarshal(text, &back); err != nil || len(back.Sections) != 1 || back.Sections[0].Name != name {
			t.Errorf("%s: %v, %+v", name, err, back.Sections)
		}
		if got := back.Sections[0].Series[0].Rounds[0].Result.Proxy.Total; got <= 0 {
			t.Errorf("%s lost its numbers", name)
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
