package scenarios

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"sluice/bench/load"
	"sluice/bench/rivals"
	"sluice/bench/wire"
)

func TestTable(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, sc := range All() {
		if slices.Contains(names, sc.Name) {
			t.Errorf("%s is there twice", sc.Name)
		}
		names = append(names, sc.Name)
		if !strings.Contains(string(readme), "| `"+sc.Name+"` |") {
			t.Errorf("%s is not in the README's table", sc.Name)
		}
		if sc.What == "" || sc.Origins < 1 || sc.Load.Connections < 1 || sc.Load.Size < 1 || sc.Load.Size > wire.MaxBody {
			t.Errorf("%s is incomplete: %+v", sc.Name, sc)
		}
		if !slices.Contains(sc.Settings, rivals.Default) {
			t.Errorf("%s leaves out sluice, which has the default setting only", sc.Name)
		}
		limits := 0
		for _, m := range sc.Metrics {
			limits += len(m.Limits)
		}
		if limits == 0 {
			t.Errorf("%s has no target", sc.Name)
		}
		if sc.Protocol != strings.Split(sc.Name, "-")[0] || (sc.Share > 0) != (sc.Load.Mode == load.Open) {
			t.Errorf("%s is of the protocol %q and has a share of %v", sc.Name, sc.Protocol, sc.Share)
		}
	}
}

// TestDurations adds up what runs of everything take.
func TestDurations(t *testing.T) {
	for name, c := range map[string]struct {
		timing func(Scenario) Timing
		want   time.Duration
	}{
		"full":  {func(sc Scenario) Timing { return sc.Full }, 20 * time.Minute},
		"quick": {func(sc Scenario) Timing { return sc.Quick }, 4 * time.Minute},
	} {
		var sum time.Duration
		for _, sc := range All() {
			sum += estimate(sc, c.timing(sc))
		}
		t.Logf("a %s run takes about %v", name, sum)
		if sum > c.want {
			t.Errorf("a %s run takes about %v", name, sum)
		}
	}
}

// estimate says how long a scenario takes.
func estimate(sc Scenario, timing Timing) time.Duration {
	const (
		startAndStop = 400 * time.Millisecond
		fillAndAsk   = 2 * time.Second
	)
	run := timing.Warm + timing.Window + startAndStop
	if sc.Load.Mode == load.Hold {
		run += fillAndAsk
	}
	proxies := 1 + 2*len(sc.Settings)
	if sc.Share > 0 {
		proxies++ // finding the peak of both rivals, once for two scenarios
	}
	return time.Duration(proxies*timing.Rounds) * run
}

func TestLimitsName(t *testing.T) {
	for _, c := range []struct {
		limit          Limit
		proxy, setting string
		want           bool
	}{
		{Limit{Rival: rivals.Nginx}, rivals.Nginx, rivals.Tuned, true},
		{Limit{Rival: rivals.Nginx, Setting: rivals.Default}, rivals.Nginx, rivals.Tuned, false},
		{Limit{Rival: rivals.Nginx}, rivals.HAProxy, rivals.Default, false},
		{Limit{}, rivals.Sluice, rivals.Default, true},
		{Limit{}, rivals.Nginx, rivals.Default, false},
	} {
		if got := c.limit.For(c.proxy, c.setting); got != c.want {
			t.Errorf("%+v is for %s %s: %v", c.limit, c.proxy, c.setting, got)
		}
	}
}

func TestMetrics(t *testing.T) {
	r := &load.Result{Units: 100, Wall: 10 * time.Second, Held: &load.Held{MemoryBefore: 1000, MemoryHeld: 3000}}
	r.Proxy.Total = 2 * time.Millisecond
	for name, c := range map[string]struct{ got, want float64 }{
		"cpu":    {cpuPerUnit(r), 20},
		"memory": {memoryPerConnection(r), 20},
		"idle":   {idleCPU(r), 0.2},
	} {
		if c.got != c.want {
			t.Errorf("%s = %v, want %v", name, c.got, c.want)
		}
	}
}
