package cli

import (
	"bufio"
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sluice/bench/harness"
	"sluice/bench/load"
	"sluice/bench/report"
	"sluice/bench/rivals"
	"sluice/bench/scenarios"
)

// self is this test binary, in all its roles.
func self(t *testing.T) string {
	t.Helper()
	t.Setenv("GORACE", "atexit_sleep_ms=0") // or each child of a race build lingers for a second
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// brief makes scenarios last for a moment each.
func brief(table []scenarios.Scenario) []scenarios.Scenario {
	for i := range table {
		sc := &table[i]
		sc.Quick = scenarios.Timing{Rounds: 1, Warm: 50 * time.Millisecond, Window: 150 * time.Millisecond}
		if sc.Fault != "" {
			sc.Quick.Window = 600 * time.Millisecond
		}
		sc.Load.Size = min(sc.Load.Size, 1<<20) // the race detector makes 10 MiB slow
		sc.Load.Connections = min(sc.Load.Connections, 50)
		sc.Share = min(sc.Share, 0.1) // a busy machine slows the stand-in after its peak is known
	}
	return table
}

// newHarness is one for these proxies.
func newHarness(t *testing.T, proxies ...*rivals.Proxy) *harness.Harness {
	t.Helper()
	h, err := (&runCommand{Quick: true}).harness(proxies)
	if err != nil {
		t.Fatal(err)
	}
	h.Progress = func(s harness.Step) { t.Log(s) }
	return h
}

// TestHarness runs every scenario for a moment through the stand-in. What it cannot do
// is a row that quotes it.
func TestHarness(t *testing.T) {
	path := self(t)
	h := newHarness(t, rivals.Find(t.Context(), path, "")[0])
	table := brief(scenarios.All())
	r := report.Report{Command: "test", Machine: report.ThisMachine(true), Sections: h.Run(t.Context(), table)}
	if len(r.Sections) != len(table) {
		t.Fatalf("%d sections of %d scenarios", len(r.Sections), len(table))
	}
	for _, section := range r.Sections {
		for _, s := range section.Series {
			able := section.Scenario.Protocol != rivals.TLS && s.Balance != "least_time"
			if refused := strings.HasPrefix(s.Missing, "cannot yet serve this: proxy.conf:1:1: unknown: "); able == refused || able != (len(s.Rounds) == 1) {
				t.Errorf("%s, %s: %d rounds, %s", section.Name, s.Title(), len(s.Rounds), s.Missing)
			}
			for _, round := range s.Rounds {
				judge(t, &section, &round)
			}
		}
	}
	folder := t.TempDir()
	if err := r.Write(folder); err != nil {
		t.Fatal(err)
	}
	if back, err := report.Read(filepath.Join(folder, "bench", "results", report.ResultFile)); err != nil || len(back.Sections) != len(table) {
		t.Errorf("the results read back: %v", err)
	}
	page := string(r.Markdown())
	if strings.Contains(page, os.TempDir()+"/") || strings.Contains(page, path) {
		t.Error("the page has a path of this machine")
	}
}

// judge wants a round to have done something, without errors; and with faults, that
// they took place.
func judge(t *testing.T, section *report.Section, round *report.Round) {
	t.Helper()
	r := round.Result
	if round.Failed != "" || r == nil || r.Units == 0 {
		t.Errorf("%s: failed: %s, %+v", section.Name, round.Failed, r)
		return
	}
	if section.Scenario.Fault == "" && r.Failures() != 0 {
		t.Errorf("%s: errors %v", section.Name, r.Errors)
	}
	marks := 0
	for _, m := range round.Marks {
		if !strings.Contains(m.What, "failed") {
			marks++
		}
	}
	if want := map[bool]int{true: 2}[section.Scenario.Fault != ""]; marks != want {
		t.Errorf("%s: marks %+v", section.Name, round.Marks)
	}
	if section.Scenario.Fault != "" && len(r.Buckets) == 0 {
		t.Errorf("%s has no timeline", section.Name)
	}
}

// TestSyscalls counts them, or says why it cannot.
func TestSyscalls(t *testing.T) {
	h := newHarness(t, rivals.Find(t.Context(), self(t), "")[0])
	h.Quick, h.Rounds = false, 1
	sc, _ := scenarios.ByName("http-small")
	sc.Full = brief([]scenarios.Scenario{sc})[0].Quick
	s := h.Run(t.Context(), []scenarios.Scenario{sc})[0].Series[0]
	if s.Calls == nil && s.Untraced == "" {
		t.Errorf("neither system calls nor a reason: %+v", s)
	}
	if s.Calls != nil && s.Calls.PerUnit() < 1 {
		t.Errorf("%v system calls per request", s.Calls.PerUnit())
	}
}

// TestNamedProxy: one that runs already and finds the stub where it was told.
func TestNamedProxy(t *testing.T) {
	self(t)
	free, err := net.Listen("tcp4", "127.0.2.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	free.Close()
	server := httptest.NewServer(forward(address))
	defer server.Close()
	p, err := rivals.Named("mine=" + server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	h := newHarness(t, p)
	h.Origin = address
	c := runCommand{Only: []string{"http-small", "tcp-small", "http-reload"}}
	table, err := c.scenarios()
	if err != nil {
		t.Fatal(err)
	}
	for _, section := range h.Run(t.Context(), brief(table)) {
		s := section.Series[0]
		if section.Name == "http-small" {
			judge(t, &section, &s.Rounds[0])
		} else if !strings.Contains(s.Missing, "named by its address") {
			t.Errorf("%s: %+v", section.Name, s)
		}
	}
}

// TestURL: a proxy, or a site, with an origin of its own.
func TestURL(t *testing.T) {
	self(t)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.RequestURI() != "/a?b=c" {
			w.WriteHeader(http.StatusInternalServerError)
		}
	}))
	defer server.Close()
	c := runCommand{URL: server.URL + "/a?b=c", Only: []string{"url-keep", "url-rate-50"}}
	table, err := c.scenarios()
	if err != nil {
		t.Fatal(err)
	}
	proxies, err := c.proxies(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	sections := newHarness(t, proxies...).Run(t.Context(), brief(table))
	for _, section := range sections {
		judge(t, &section, &section.Series[0].Rounds[0])
	}
	page := string((&report.Report{Sections: sections}).Summary())
	if !strings.Contains(page, "| site | throughput, requests per second |") || strings.Contains(page, "Where sluice is behind") {
		t.Errorf("the page:\n%s", page)
	}
	for _, bad := range []string{"ftp://a/", "http://", "http://u:p@a/", "a/b", "http://a b/"} {
		if _, err := (&runCommand{URL: bad}).scenarios(); err == nil {
			t.Errorf("%q is a URL", bad)
		}
	}
	if secure, err := (&runCommand{URL: "https://a.example"}).scenarios(); err != nil || secure[0].Load.Protocol != load.HTTPS || secure[0].Load.Path != "/" {
		t.Errorf("https: %v", err)
	}
}

// TestProxyThatFails: a proxy that ends at start is a row that says so.
func TestProxyThatFails(t *testing.T) {
	self(t)
	script := filepath.Join(t.TempDir(), "broken")
	if err := os.WriteFile(script, []byte("#!/bin/sh\n[ $1 = version ] && echo v1.0 && exit 0\n[ $1 = check ] && exit 0\necho no such key >&2\nexit 1\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	h := newHarness(t, rivals.Find(t.Context(), script, "")[0])
	sections := h.Run(t.Context(), scenarios.All()[:1])
	if got := sections[0].Series[0].Rounds[0].Failed; !strings.Contains(got, "no such key") {
		t.Errorf("the round failed with %q", got)
	}
}

// TestInterrupt runs the verb itself and interrupts it: what is complete is written.
func TestInterrupt(t *testing.T) {
	path, folder := self(t), t.TempDir()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, path, Verb, "--only", "http-small", "--against", "sluice", "--quick", "--rounds", "500", "--out", folder)
	errors, err := command.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(errors)
	for lines.Scan() && !strings.Contains(lines.Text(), "1/500 sluice") {
		t.Log(lines.Text())
	}
	if err := command.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	for lines.Scan() {
		t.Log(lines.Text())
	}
	if err := command.Wait(); err != nil {
		t.Fatalf("it ended with %v", err)
	}
	page, err := os.ReadFile(filepath.Join(folder, "BENCHMARKS.md"))
	if err != nil || !strings.Contains(string(page), "**This run was interrupted**") || !strings.Contains(string(page), "sluice bench --only http-small") {
		t.Errorf("%v, the page:\n%s", err, page)
	}
	back, err := report.Read(filepath.Join(folder, "bench", "results", report.ResultFile))
	if err != nil || !back.Interrupted || len(back.Sections[0].Series[0].Rounds) == 0 {
		t.Errorf("the results: %v", err)
	}
}

func TestOptions(t *testing.T) {
	for only, want := range map[string]int{"tcp-idle": 1, "http-rate": 4, "http-rate-50": 1, "tcp": 5, "tls": 5, "": len(scenarios.All())} {
		c := &runCommand{}
		if only != "" {
			c.Only = []string{only}
		}
		if picked, err := c.scenarios(); err != nil || len(picked) != want {
			t.Errorf("%q picks %d scenarios, %v", only, len(picked), err)
		}
	}
	for _, bad := range []string{"tcp-smal", "htt", "http-", "-"} {
		if _, err := (&runCommand{Only: []string{bad}}).scenarios(); err == nil {
			t.Errorf("the scenario %q is accepted", bad)
		}
	}
	for _, bad := range []runCommand{
		{Against: []string{"envoy"}}, {Against: []string{"envoy=here"}}, {Against: []string{"envoy=127.0.0.1:80"}},
		{URL: "http://127.0.0.1/", Against: []string{"nginx"}},
	} {
		if _, err := bad.proxies(t.Context()); err == nil {
			t.Errorf("%+v is accepted", bad)
		}
	}
	picked, err := (&runCommand{Sluice: "/none", Against: []string{"nginx", "mine=127.0.0.1:80"}, Origin: "127.0.2.1:1"}).proxies(t.Context())
	if err != nil || !slices.Equal(titles(picked), []string{"nginx", "nginx tuned", "mine"}) {
		t.Errorf("picked %q, %v", titles(picked), err)
	}
	if got := commandLine([]string{"bench", "--quick", "--sluice=/a/b/sluice", "--out", "/x/y"}); got != "sluice bench --quick --sluice=sluice --out y" {
		t.Errorf("command line %q", got)
	}
}

func titles(all []*rivals.Proxy) (names []string) {
	for _, p := range all {
		names = append(names, p.Title())
	}
	return names
}

// TestStepAside: the proxy is the file that was called, the tools are a copy of it,
// which is gone afterwards.
func TestStepAside(t *testing.T) {
	path, folder, temporary := self(t), t.TempDir(), t.TempDir()
	t.Setenv("TMPDIR", temporary)
	command := exec.CommandContext(t.Context(), path, Verb, "--only", "http-small", "--against", "sluice", "--quick", "--out", folder)
	if text, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	back, err := report.Read(filepath.Join(folder, "bench", "results", report.ResultFile))
	if err != nil {
		t.Fatal(err)
	}
	if got := back.Sections[0].Series[0]; got.Version != filepath.Base(path) || len(got.Rounds) != 1 || got.Rounds[0].Failed != "" {
		t.Errorf("measured was %+v", got)
	}
	if left, _ := os.ReadDir(temporary); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
	c := &runCommand{Sluice: "/some/where/else"}
	if _, err := c.stepAside(); err != nil || c.Sluice != "/some/where/else" {
		t.Errorf("another sluice: %q, %v", c.Sluice, err)
	}
}

// TestPartialRunsPrint: only a full run, or one told where, writes files.
func TestPartialRunsPrint(t *testing.T) {
	folder := t.TempDir()
	t.Chdir(folder)
	r := &report.Report{Date: time.Now()}
	for _, c := range []*runCommand{{Only: []string{"http"}}, {Quick: true}, {Rounds: 1}, {Base: "x"}, {Against: []string{"nginx"}}, {URL: "x"}} {
		if err := c.deliver(r); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat("BENCHMARKS.md"); err == nil {
		t.Error("a partial run has written the page")
	}
	if err := (&runCommand{}).deliver(r); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat("BENCHMARKS.md"); err != nil {
		t.Error("a full run has written no page")
	}
}

// TestCompareCommand: its error is the exit status.
func TestCompareCommand(t *testing.T) {
	write := func(perUnit time.Duration) string {
		sc, _ := scenarios.ByName("http-small")
		s := report.Series{Proxy: "sluice", Setting: "default"}
		for i := range 7 {
			r := &load.Result{Units: 1000, Wall: time.Second}
			r.Proxy.Total = 1000*perUnit + time.Duration(i)*time.Microsecond
			s.Rounds = append(s.Rounds, report.Round{Result: r})
		}
		folder := t.TempDir()
		whole := &report.Report{Sections: []report.Section{{Name: sc.Name, Scenario: sc, Series: []report.Series{s}}}}
		if err := whole.Write(folder); err != nil {
			t.Fatal(err)
		}
		return filepath.Join(folder, "bench", "results", report.ResultFile)
	}
	fast, slow := write(10*time.Microsecond), write(15*time.Microsecond)
	if err := (&compareCommand{fast, slow}).Run(); err == nil || !strings.Contains(err.Error(), "1 of sluice's numbers") {
		t.Errorf("slower: %v", err)
	}
	if err := (&compareCommand{slow, fast}).Run(); err != nil {
		t.Errorf("faster: %v", err)
	}
	if err := (&compareCommand{slow, "/none"}).Run(); err == nil {
		t.Error("a file that is not there is compared")
	}
}
