package scenarios

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

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
		opt := sc.Load
		if sc.What == "" || sc.Origins < 1 || opt.Connections < 1 || opt.Size > wire.MaxBody || opt.Size < 1 && opt.Message < 1 {
			t.Errorf("%s is incomplete: %+v", sc.Name, sc)
		}
		if !slices.Contains(sc.Settings, rivals.Default) {
			t.Errorf("%s leaves out sluice, which has the default setting only", sc.Name)
		}
		if sc.Protocol != strings.Split(sc.Name, "-")[0] || (sc.Share > 0) != (opt.Mode == load.Open) {
			t.Errorf("%s is of the protocol %q and has a share of %v", sc.Name, sc.Protocol, sc.Share)
		}
		if len(sc.Metrics) == 0 || sc.Full.Rounds < 1 || sc.Quick.Rounds != 1 || sc.Full.Window < sc.Quick.Window {
			t.Errorf("%s: metrics and timing: %+v", sc.Name, sc)
		}
		if (sc.Protocol == rivals.TLS) != (opt.TLS != nil) {
			t.Errorf("%s: the generator and the proxies do not agree about TLS", sc.Name)
		}
	}
}

// TestTargetsStand: these are promises, and the page shows whether they are kept.
func TestTargetsStand(t *testing.T) {
	want := map[string]int{
		"tcp-small": 2, "tcp-bulk": 2, "tcp-connect": 2, "tcp-idle": 2, "http-small": 2, "http-many": 2, "http-10k": 2, "http-100k": 2,
		"http-10m": 4, "http-post": 2, "http-connect": 2, "http-idle": 1, "http-rate-50": 2, "http-rate-70": 2, "http-slow": 3, "http-reload": 1,
		"tls-small": 2, "tls-10m": 2, "tls-connect": 2, "tls-resume": 2, "tls-idle": 1,
	}
	for _, sc := range All() {
		limits := 0
		for _, m := range sc.Metrics {
			for _, l := range m.Limits {
				if !l.Contrast {
					limits++
				}
			}
		}
		if limits != want[sc.Name] {
			t.Errorf("%s has %d targets, want %d", sc.Name, limits, want[sc.Name])
		}
	}
}

// TestSlowOrigins: three promises beside the healthy row, and taking turns as what does
// not keep them.
func TestSlowOrigins(t *testing.T) {
	sc := httpSlow()
	want := map[string][]Limit{
		"throughput": {{Row: "p2c", AtLeast: 0.8}, {Row: "round_robin", AtLeast: 0.8, Contrast: true}},
		"p95":        {{Row: "least_conn", AtMost: 3}, {Row: "round_robin", AtMost: 3, Contrast: true}},
		"p99":        {{Row: "least_time", AtMost: 3}, {Row: "round_robin", AtMost: 3, Contrast: true}},
	}
	for _, m := range sc.Metrics {
		for i := range want[m.Name] {
			want[m.Name][i].Beside = "p2c healthy"
		}
		if !slices.Equal(m.Limits, want[m.Name]) {
			t.Errorf("%s: %+v", m.Name, m.Limits)
		}
	}
	for _, v := range sc.Variants[rivals.Sluice] {
		if own := len(v.Behaviours) > 0; own != (v.Row() == "p2c healthy") || own && v.Behaviours[0].Delay != promptDelay {
			t.Errorf("%s has the origins %+v", v.Row(), v.Behaviours)
		}
	}
	// The arithmetic of the load, at what two cores do.
	const least, most = 25_000, 70_000
	half := float64(sc.Load.Connections) / 2
	if slow := half / slowDelay.Seconds(); slow > 0.05*least {
		t.Errorf("%.0f requests a second at slow servers are too many among %d", slow, least)
	}
	if prompt := half / promptDelay.Seconds(); prompt < 0.8*most {
		t.Errorf("%.0f requests a second at prompt servers are too few beside %d", prompt, most)
	}
}

// TestRowsExist: a limit that speaks of a row that is not there would never be judged.
func TestRowsExist(t *testing.T) {
	for _, sc := range All() {
		rows := map[string]bool{}
		for _, v := range sc.Variants[rivals.Sluice] {
			if rows[v.Row()] {
				t.Errorf("%s has two rows %q", sc.Name, v.Row())
			}
			rows[v.Row()] = true
		}
		for _, m := range sc.Metrics {
			for _, l := range m.Limits {
				if (l.Row != "" || l.Beside != "") && !(rows[l.Row] && rows[l.Beside] && l.Rival == "") {
					t.Errorf("%s, %s: no rows for %+v", sc.Name, m.Name, l)
				}
			}
		}
	}
}

func TestKeeps(t *testing.T) {
	for _, c := range []struct {
		limit Limit
		value float64
		want  bool
	}{
		{Limit{AtMost: 3}, 3, true}, {Limit{AtMost: 3}, 3.01, false}, {Limit{}, 0, true}, {Limit{}, 1, false},
		{Limit{AtLeast: 0.8}, 0.8, true}, {Limit{AtLeast: 0.8}, 0.79, false}, {Limit{AtLeast: 0.8}, 5, true},
	} {
		if got := c.limit.Keeps(c.value); got != c.want {
			t.Errorf("%+v keeps %v: %v", c.limit, c.value, got)
		}
	}
}

func TestForURL(t *testing.T) {
	for _, sc := range ForURL("a.example", "/x?y=1") {
		if sc.Origins != 0 || sc.Load.Host != "a.example" || sc.Load.Path != "/x?y=1" || sc.Load.Expect != load.Any || len(sc.Metrics) == 0 {
			t.Errorf("%s: %+v", sc.Name, sc)
		}
		if _, found := ByName(sc.Name); !found {
			t.Errorf("%s is not found by its name", sc.Name)
		}
	}
	if _, found := ByName("nothing"); found {
		t.Error("a scenario that is not there is found")
	}
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
		{Limit{Row: "least_conn", Beside: "p2c"}, rivals.Sluice, rivals.Default, false},
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
		"rate":   {unitsPerSecond(r), 10},
		"none":   {longest(r), 0},
		"curve":  {percentile("p95", 95, nil).Of(r), 0},
	} {
		if c.got != c.want {
			t.Errorf("%s = %v, want %v", name, c.got, c.want)
		}
	}
}

// TestPercentile reads back what a histogram was given.
func TestPercentile(t *testing.T) {
	h := hdrhistogram.New(int64(time.Microsecond), int64(time.Minute), 3)
	for ms := range int64(100) {
		if err := h.RecordValue((ms + 1) * int64(time.Millisecond)); err != nil {
			t.Fatal(err)
		}
	}
	text, err := h.Encode(hdrhistogram.V2CompressedEncodingCookieBase)
	if err != nil {
		t.Fatal(err)
	}
	r := &load.Result{Histogram: string(text)}
	if got := percentile("p95", 95, nil).Of(r); got < 94.9 || got > 95.2 {
		t.Errorf("the 95th percentile of 1 to 100 ms is %v ms", got)
	}
	if h := Histogram(&load.Result{Histogram: "nonsense"}); h != nil {
		t.Error("nonsense is a histogram")
	}
}
