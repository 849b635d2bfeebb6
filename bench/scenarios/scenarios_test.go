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
	}
}

// TestQuickIsQuick adds up what a quick run of everything takes.
func TestQuickIsQuick(t *testing.T) {
	const (
		startAndStop = 500 * time.Millisecond
		fillAndAsk   = 2 * time.Second
	)
	var sum time.Duration
	for _, sc := range All() {
		proxies := 1 + 2*len(sc.Settings)
		run := sc.Quick.Warm + sc.Quick.Window + startAndStop
		if sc.Load.Mode == load.Hold {
			run += fillAndAsk
		}
		sum += time.Duration(proxies*sc.Quick.Rounds) * run
	}
	if sum > 2*time.Minute {
		t.Errorf("a quick run takes about %v", sum)
	}
}

func TestMetrics(t *testing.T) {
	r := &load.Result{Units: 100, Wall: 10 * time.Second, Held: &load.Held{MemoryBefore: 1000, MemoryHeld: 3000}}
	r.Proxy.Total = 2 * time.Millisecond
	for name, c := range map[string]struct{ got, want float64 }{
		"cpu":    {cpuPerUnit(r), 20},
		"memory": {memoryPerTunnel(r), 20},
		"idle":   {idleCPU(r), 0.2},
	} {
		if c.got != c.want {
			t.Errorf("%s = %v, want %v", name, c.got, c.want)
		}
	}
}
