package harness

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sluice/bench/load"
	"sluice/bench/origin"
	"sluice/bench/report"
	"sluice/bench/rivals"
	"sluice/bench/scenarios"
)

// everybody is all proxies, whether they are installed or not.
func everybody(t *testing.T) *Harness {
	t.Helper()
	return &Harness{Proxies: rivals.Find(t.Context(), filepath.Join(t.TempDir(), "none"), ""), ProxyCPU: -1, ToolCPU: -1}
}

// TestDurations adds up what runs of everything take.
func TestDurations(t *testing.T) {
	for name, c := range map[string]struct {
		quick bool
		want  time.Duration
	}{
		"full":  {false, 28 * time.Minute},
		"quick": {true, 110 * time.Second},
	} {
		h := everybody(t)
		h.Quick = c.quick
		sum := h.Estimate(scenarios.All())
		t.Logf("a %s run takes about %v", name, sum)
		if sum > c.want {
			t.Errorf("a %s run takes about %v", name, sum)
		}
	}
}

func TestContestants(t *testing.T) {
	for name, want := range map[string]string{
		"http-many": "sluice, nginx, haproxy",
		"http-10m":  "sluice, nginx, nginx tuned, haproxy, haproxy tuned",
		"http-slow": "sluice p2c, sluice p2c healthy, sluice least_conn, sluice least_time, sluice round_robin, nginx least_conn, haproxy leastconn",
		"http-kill": "sluice, sluice checked, nginx, nginx tuned, haproxy, haproxy tuned",
	} {
		sc, _ := scenarios.ByName(name)
		section := report.Section{}
		var got []string
		for _, c := range everybody(t).contestants(&sc, &section) {
			got = append(got, c.series.Title())
		}
		if strings.Join(got, ", ") != want {
			t.Errorf("%s: %s", name, strings.Join(got, ", "))
		}
	}
	h := everybody(t)
	h.Quick = true
	if sc, _ := scenarios.ByName("http-10m"); len(h.contestants(&sc, nil)) != 3 {
		t.Error("a quick run is not of the default setting alone")
	}
}

// TestBehaviours: a row may have other origins than its scenario.
func TestBehaviours(t *testing.T) {
	sc, _ := scenarios.ByName("http-slow")
	for _, c := range everybody(t).contestants(&sc, nil) {
		r := run{sc: &sc, contestant: c}
		want := len(sc.Behaviours)
		if c.variant.Name == "healthy" {
			want = 1
		}
		if got := r.behaviours(); len(got) != want || got[0] != sc.Behaviours[0] {
			t.Errorf("%s %s: origins %+v", c.proxy.Name, c.variant.Row(), got)
		}
	}
}

// TestMissingIsARow: what is not there is not measured, and says so.
func TestMissingIsARow(t *testing.T) {
	h := everybody(t)
	h.Proxies = h.Proxies[:1]
	sc, _ := scenarios.ByName("http-small")
	if got := h.scenario(t.Context(), sc).Series[0]; !strings.Contains(got.Missing, "no binary") || len(got.Rounds) != 0 {
		t.Errorf("series %+v", got)
	}
}

func TestApart(t *testing.T) {
	opt := origin.Options{Addresses: []string{"a", "b"}, Behaviours: []origin.Behaviour{{Delay: 1}, {Delay: 2}}}
	if all := apart(opt, false); len(all) != 1 || len(all[0].Addresses) != 2 {
		t.Errorf("together: %+v", all)
	}
	all := apart(opt, true)
	if len(all) != 2 || !slices.Equal(all[1].Addresses, []string{"b"}) || all[1].Behaviours[0].Delay != 2 {
		t.Errorf("apart: %+v", all)
	}
	if all := apart(origin.Options{}, true); all != nil {
		t.Errorf("no origin: %+v", all)
	}
}

func TestDescribe(t *testing.T) {
	sc, _ := scenarios.ByName("http-reload")
	r := &report.Round{Faulty: true, Result: &load.Result{Units: 10, Wall: time.Second, Errors: map[string]int64{"eof": 2}}}
	if got := describe(&sc, r); !strings.Contains(got, "2 requests") || strings.Contains(got, "INVALID") {
		t.Errorf("a round with provoked errors: %s", got)
	}
	if r.Faulty = false; !strings.HasSuffix(describe(&sc, r), "INVALID") {
		t.Errorf("a round with errors: %s", describe(&sc, r))
	}
}

// TestThin: of hundreds of rounds, only what cannot be computed again is kept.
func TestThin(t *testing.T) {
	full := func() *load.Result {
		return &load.Result{Histogram: "x", Curve: make([]load.Point, 3), Buckets: make([]load.Bucket, 3)}
	}
	still, moved := full(), full()
	thin(still, &scenarios.Scenario{})
	thin(moved, &scenarios.Scenario{Fault: scenarios.Kill})
	if still.Curve != nil || still.Buckets != nil || len(moved.Buckets) != 3 {
		t.Errorf("%+v, %+v", still, moved)
	}
}

func TestMessage(t *testing.T) {
	for words, want := range map[string]string{
		`time=2026-01-01T00:00:00Z level=WARN msg="SIGHUP is ignored: restart" x=1`: "SIGHUP is ignored: restart",
		"[NOTICE] loading": "[NOTICE] loading",
	} {
		if got := message(words); got != want {
			t.Errorf("message(%q) = %q", words, got)
		}
	}
}
