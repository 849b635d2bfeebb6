package observe

import (
	"fmt"
	"os"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"sluice/engine/record"
	"sluice/engine/stat"
	"sluice/internal/assert"
)

func scrapeFake(open bool) string {
	s := scraper{view: newFakeProxy()}
	return string(s.scrape(open))
}

// steady leaves out what differs from run to run: the numbers of the process and the version of Go.
func steady(text string) string {
	text = regexp.MustCompile(`(?m)^(process|go)_\w+ .*$`).ReplaceAllStringFunc(text, func(line string) string {
		name, _, _ := strings.Cut(line, " ")
		return name + " N"
	})
	return strings.ReplaceAll(text, runtime.Version(), "GO")
}

// golden compares got with a file of testdata, or makes it anew.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := "testdata/" + name
	if *update {
		assert.NoError(t, os.MkdirAll("testdata", 0o755))
		assert.NoError(t, os.WriteFile(path, []byte(got), 0o644))
	}
	want, err := os.ReadFile(path)
	assert.NoError(t, err)
	assert.Equal(t, got, string(want))
}

// What loops count, and reasons that never were, are the business of TestEveryCounterIsShown: the text stays short, and as it is
// when one more is counted.
func TestMetricsText(t *testing.T) {
	text := steady(scrapeFake(false))
	for id := range stat.IDs() {
		text = regexp.MustCompile(`(?m)^(# \w+ )?`+id.Row().Name+`[ {].*\n`).ReplaceAllString(text, "")
	}
	golden(t, "metrics.prom", regexp.MustCompile(`(?m)^.*reason=.* 0\n`).ReplaceAllString(text, ""))
}

// OpenMetrics says the same in slightly other words.
func TestOpenMetricsText(t *testing.T) {
	plain, open := steady(scrapeFake(false)), steady(scrapeFake(true))
	body, ended := strings.CutSuffix(open, "# EOF\n")
	assert.Equal(t, ended, true)
	counters := regexp.MustCompile(`(?m)^# TYPE (\w+)_total counter$`).FindAllStringSubmatch(plain, -1)
	for _, m := range counters {
		plain = strings.ReplaceAll(plain, "# TYPE "+m[1]+"_total ", "# TYPE "+m[1]+" ")
		plain = strings.ReplaceAll(plain, "# HELP "+m[1]+"_total ", "# HELP "+m[1]+" ")
	}
	if len(counters) < 30 {
		t.Fatalf("only %d counters", len(counters))
	}
	assert.Equal(t, body, plain)
}

// What promtool check metrics would say, and more.
func TestMetricsAreWellFormed(t *testing.T) {
	for _, complaint := range lint(scrapeFake(false)) {
		t.Error(complaint)
	}
}

// The lint itself must be able to complain.
func TestLintComplains(t *testing.T) {
	const head = "# HELP a_total A.\n# TYPE a_total counter\n"
	for text, want := range map[string]string{
		"# HELP a A.\n# TYPE a counter\na 1\n":                 "a counter must end in _total",
		"# HELP a_total A.\n# TYPE a_total gauge\na_total 1\n": "only counters end in _total",
		"a 1\n":                                          "sample outside its family",
		head + "b 1\n":                                   "sample outside its family",
		head + "a_total 1\na_total 2\n":                  "series twice",
		head + "a_total{x=\"1\"} 2\n" + head:             "family twice",
		head + "a_total{x=1} 2\n":                        "not a sample",
		head + "a_total{x=\"\"\"} 2\n":                   "not a sample",
		head + "a_total x\n":                             "not a number",
		"# TYPE a_total counter\n# HELP a_total A.\n":    "TYPE without HELP before it",
		"# HELP a_total no full stop\n":                  "help is no sentence",
		"# HELP a_total A.\n# TYPE a_total histogramm\n": "unknown type",
	} {
		complaints := lint(text)
		if len(complaints) == 0 || !strings.Contains(strings.Join(complaints, "\n"), want) {
			t.Errorf("%q: %v, want %q", text, complaints, want)
		}
	}
}

var sampleLine = regexp.MustCompile(`^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{[a-z_]+="(?:[^"\\\n]|\\[\\"n])*"(?:,[a-z_]+="(?:[^"\\\n]|\\[\\"n])*")*\})? (\S+)$`)

// lint checks a text in the dialect of Prometheus.
func lint(text string) (complaints []string) {
	families, series := make(map[string]bool), make(map[string]bool)
	var help, family string
	for i, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		complain := func(what string) { complaints = append(complaints, fmt.Sprintf("line %d: %s: %s", i+1, what, line)) }
		words := strings.SplitN(line, " ", 4)
		switch {
		case strings.HasPrefix(line, "# HELP "):
			help = words[2]
			if families[help] {
				complain("family twice")
			}
			families[help] = true
			if !strings.HasSuffix(line, ".") {
				complain("help is no sentence")
			}
		case strings.HasPrefix(line, "# TYPE "):
			family = words[2]
			total := strings.HasSuffix(family, "_total")
			switch {
			case family != help:
				complain("TYPE without HELP before it")
			case words[3] != "counter" && words[3] != "gauge":
				complain("unknown type")
			case words[3] == "counter" && !total:
				complain("a counter must end in _total")
			case words[3] == "gauge" && total:
				complain("only counters end in _total")
			}
		default:
			m := sampleLine.FindStringSubmatch(line)
			if m == nil {
				complain("not a sample")
				continue
			}
			if m[1] != family {
				complain("sample outside its family")
			}
			if series[m[1]+m[2]] {
				complain("series twice")
			}
			series[m[1]+m[2]] = true
			if _, err := strconv.ParseFloat(m[3], 64); err != nil {
				complain("not a number")
			}
		}
	}
	return complaints
}

// No counter exists that the metrics do not show, and no reason.
func TestEveryCounterIsShown(t *testing.T) {
	text := scrapeFake(false)
	sum := stat.Sum(newFakeProxy().Counters()...)
	for id := range stat.IDs() {
		row, labels := id.Row(), ""
		if row.Label != "" {
			labels = "{" + row.Label + "}"
		}
		if line := fmt.Sprintf("\n%s%s %d\n", row.Name, labels, sum.Get(id)); !strings.Contains(text, line) {
			t.Errorf("no line %q", line)
		}
	}
	for r := range record.Reasons() {
		if n := strings.Count(text, `{reason="`+r.String()+`",`); n != 2 {
			t.Errorf("%s is shown %d times", r, n)
		}
	}
}

func TestAccept(t *testing.T) {
	for accept, want := range map[string]bool{
		"":                             false,
		"*/*":                          false,
		"text/plain":                   false,
		"application/openmetrics-text": true,
		"application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2": true,
		"application/openmetrics-text;q=0.2, text/plain;q=0.5":  false,
		"application/openmetrics-text;q=0":                      false,
		"application/openmetrics-text;q=x":                      false,
		";;;, application/openmetrics-text; version=\"1.0.0\" ": true,
	} {
		if got := wantsOpenMetrics(accept); got != want {
			t.Errorf("%q: %v", accept, got)
		}
	}
}

func FuzzLabel(f *testing.F) {
	for _, seed := range []string{"", "app", `a"b`, "a\nb", `a\`, `\n`, "\xff", "é\u202e", "\x00"} {
		f.Add(seed)
	}
	unescape := strings.NewReplacer(`\\`, `\`, `\"`, `"`, `\n`, "\n")
	f.Fuzz(func(t *testing.T, value string) {
		text := label("l", value)
		if !sampleLine.MatchString("m{" + text + "} 1") {
			t.Fatalf("%q is no label", text)
		}
		inner := strings.TrimSuffix(strings.TrimPrefix(text, `l="`), `"`)
		if got := unescape.Replace(inner); got != strings.ToValidUTF8(value, "\uFFFD") || !utf8.ValidString(inner) {
			t.Fatalf("%q reads as %q", value, got)
		}
	})
}

// manyServers is a configuration as large as they come: 1,000 upstreams of four servers.
func manyServers() *fakeProxy {
	p := newFakeProxy()
	p.upstreams = nil
	for i := range 1000 {
		u := Upstream{Name: fmt.Sprintf("upstream-%d", i), Policy: "p2c"}
		for j := range 4 {
			u.Servers = append(u.Servers, Server{Name: fmt.Sprintf("10.0.%d.%d:8080", i/250, 4*(i%250)+j), State: ServerUp, Check: &Checked{At: time.Now(), OK: true}})
		}
		p.upstreams = append(p.upstreams, u)
	}
	return p
}

// Samples cost no allocation: there are 19 of each server, and only its labels are made, once in a scrape.
func TestScrapeAllocatesLabelsOnly(t *testing.T) {
	const servers, each = 4000, 8
	s := scraper{view: manyServers()}
	s.scrape(false)
	assert.Allocs(t, servers*each, func() { s.scrape(false) })
}

func BenchmarkScrapeOfThousandUpstreams(b *testing.B) {
	s := scraper{view: manyServers()}
	for b.Loop() {
		b.SetBytes(int64(len(s.scrape(false))))
	}
}
