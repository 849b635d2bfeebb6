package report

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"sluice/bench/load"
	"sluice/bench/scenarios"
)

// everything is a report with numbers in every scenario, all of them invented.
func everything(t *testing.T) *Report {
	t.Helper()
	r := &Report{}
	for _, sc := range scenarios.All() {
		s := Section{Name: sc.Name, What: sc.What, Scenario: sc, Peak: &Peak{Proxy: "nginx", Rate: 50_000}}
		for i, one := range []Series{
			{Proxy: "sluice", Setting: "default"}, {Proxy: "nginx", Setting: "default"}, {Proxy: "nginx", Setting: "tuned"},
			{Proxy: "haproxy", Setting: "default", Missing: "not installed"}, {Proxy: "mine", Setting: "default"},
		} {
			if one.Missing == "" {
				one.Rounds = invented(t, &sc, 10+i)
			}
			s.Series = append(s.Series, one)
		}
		r.Sections = append(r.Sections, s)
	}
	return r
}

func invented(t *testing.T, sc *scenarios.Scenario, perUnit int) []Round {
	t.Helper()
	all := rounds(perUnit, perUnit+1)
	h := hdrhistogram.New(int64(time.Microsecond), int64(time.Minute), 3)
	for i := range int64(5000) {
		if err := h.RecordValue(int64(time.Microsecond) * (100 + i*int64(perUnit))); err != nil {
			t.Fatal(err)
		}
	}
	text, err := h.Encode(hdrhistogram.V2CompressedEncodingCookieBase)
	if err != nil {
		t.Fatal(err)
	}
	for i := range all {
		result := all[i].Result
		result.Histogram, result.Units = string(text), 1000*max(sc.Share, 0.1)
		if sc.Load.Mode == load.Hold {
			result.Held = &load.Held{Connections: 9000, Alive: 9000, MemoryBefore: 10 << 20, MemoryHeld: 20 << 20}
		}
		if sc.Fault != "" {
			all[i].Faulty, all[i].Marks = true, []Mark{{At: time.Second / 10, What: "killed"}}
			result.Buckets = []load.Bucket{{Answers: 5, Max: time.Second}, {Errors: 3}, {Answers: 7, Max: 2 * time.Millisecond}}
		}
	}
	return all
}

// TestPictures draws all there are: each is well-formed, says who is who, is linked on
// the page and nothing in it lies outside.
func TestPictures(t *testing.T) {
	r := everything(t)
	folder := t.TempDir()
	if err := r.Write(folder); err != nil {
		t.Fatal(err)
	}
	page := string(r.Markdown())
	want := []string{
		"cpu-http", "cpu-tcp", "cpu-tls", "throughput-latency", "http-rate-30-latency", "http-rate-50-latency", "http-rate-70-latency",
		"http-rate-90-latency", "http-slow-throughput", "http-slow-latency", "http-reload-time", "http-kill-time",
	}
	for _, name := range want {
		text, err := os.ReadFile(filepath.Join(folder, "bench", "results", name+".svg"))
		if err != nil {
			t.Error(err)
			continue
		}
		for _, word := range []string{"sluice", "nginx tuned", "mine", "sans-serif"} {
			if !bytes.Contains(text, []byte(word)) && !(name == "throughput-latency" && word == "nginx tuned") {
				t.Errorf("%s lacks %q", name, word)
			}
		}
		if bytes.Contains(text, []byte("NaN")) || bytes.Contains(text, []byte("Inf")) || bytes.Contains(text, []byte(">haproxy<")) {
			t.Errorf("%s has what is no number, or somebody without any", name)
		}
		wellFormed(t, name, text)
		if !strings.Contains(page, "](bench/results/"+name+".svg)") {
			t.Errorf("%s is not on the page", name)
		}
	}
	if files, _ := filepath.Glob(filepath.Join(folder, "bench", "results", "*.svg")); len(files) != len(want) {
		t.Errorf("%d pictures, want %d: %v", len(files), len(want), files)
	}
}

func wellFormed(t *testing.T, name string, text []byte) {
	t.Helper()
	for d := xml.NewDecoder(bytes.NewReader(text)); ; {
		_, err := d.Token()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			return
		}
	}
}

// TestBalancePicture has a dot for each row, and the targets where the healthy one puts
// them.
func TestBalancePicture(t *testing.T) {
	s := slowSection(t)
	for i := range s.Series {
		// Invented latencies reach up to 5,000 × 4 µs, plus a tenth of a millisecond.
		s.Series[i].Rounds = invented(t, &s.Scenario, 4)
	}
	across, up := s.Scenario.Metrics[0], s.Scenario.Metrics[2]
	if x, found := s.bound(across); !found || x != 80 {
		t.Errorf("the target is at %v requests per second, %v", x, found)
	}
	if y, found := s.bound(up); !found || y < 3*18 || y > 3*20 {
		t.Errorf("the target is at %v ms, %v", y, found)
	}
	drawn := s.balancePicture()
	if len(drawn) != 1 || !strings.Contains(drawn[0].caption, "p95, p99") {
		t.Fatalf("%d pictures", len(drawn))
	}
	text, err := drawn[0].svg()
	if err != nil {
		t.Fatal(err)
	}
	for i := range s.Series {
		if title := s.Series[i].Title(); !bytes.Contains(text, []byte(">"+title+"<")) {
			t.Errorf("no dot for %s", title)
		}
	}
	s.Series = s.Series[2:] // without the healthy row there are dots, but no targets
	if _, found := s.bound(up); found || len(s.balancePicture()) != 1 {
		t.Error("a target beside a row that is not there")
	}
}

// TestNothingToDraw: a page without numbers has no pictures and no links to any.
func TestNothingToDraw(t *testing.T) {
	r := everything(t)
	for i := range r.Sections {
		for j := range r.Sections[i].Series {
			r.Sections[i].Series[j].Rounds = nil
		}
	}
	if got := r.pictures(); len(got) != 0 {
		t.Errorf("pictures of nothing: %v", got)
	}
	if page := string(r.Markdown()); strings.Contains(page, "![") || strings.Contains(page, "All together") {
		t.Error("the page links pictures that are not there")
	}
}

func TestTicks(t *testing.T) {
	for us, want := range map[float64]string{1: "1 µs", 500: "500 µs", 2000: "2 ms", 1e6: "1 s"} {
		if got := microText(us); got != want {
			t.Errorf("microText(%v) = %s", us, got)
		}
	}
	for v, want := range map[float64]string{0: "0", 0.5: "0.5", 999: "999", 20_000: "20k", 1.5e6: "1.5M"} {
		if got := countShort(v); got != want {
			t.Errorf("countShort(%v) = %s", v, got)
		}
	}
	for rough, want := range map[float64]float64{0: 1, 0.3: 0.5, 1: 1, 1.1: 2, 7: 10, 30: 50} {
		if got := niceStep(rough); got < want*0.999 || got > want*1.001 {
			t.Errorf("niceStep(%v) = %v", rough, got)
		}
	}
	labels := ""
	for _, tick := range percentTicks(4) {
		labels += tick.Label + ","
	}
	if labels != "0 %,50 %,90 %,99 %,99.9 %,99.99 %," {
		t.Errorf("labels of percentiles: %s", labels)
	}
}
