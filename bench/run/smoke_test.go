package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"sluice/bench/report"
	"sluice/bench/rivals"
	"sluice/bench/scenarios"
)

// TestMain lets the test binary play every role the harness starts: the tools,
// and a stand-in for sluice that understands just its configuration here.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "origin", "load":
			main()
			return
		case "version":
			fmt.Println("stand-in 0.0.1")
			return
		case "run":
			standIn(os.Args[3])
			return
		}
	}
	os.Exit(m.Run())
}

var (
	bindPattern   = regexp.MustCompile(`bind: "([^"]+)"`)
	serverPattern = regexp.MustCompile(`- "([^"]+)"`)
)

// standIn is a proxy of the protocol that the configuration names.
func standIn(config string) {
	text, err := os.ReadFile(config)
	if err != nil {
		panic(err)
	}
	l, err := net.Listen("tcp4", string(bindPattern.FindSubmatch(text)[1]))
	if err != nil {
		panic(err)
	}
	server := string(serverPattern.FindSubmatch(text)[1])
	if strings.Contains(string(text), "protocol: http") {
		standInHTTP(l, server)
		return
	}
	for {
		front, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			back, err := net.Dial("tcp4", server)
			if err != nil {
				front.Close()
				return
			}
			go relay(back, front)
			relay(front, back)
		}()
	}
}

// standInHTTP keeps as many connections to the origin as a scenario of this test
// has clients.
func standInHTTP(l net.Listener, server string) {
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: server})
	proxy.Transport = &http.Transport{MaxIdleConnsPerHost: 1000}
	_ = http.Serve(l, proxy)
}

// relay passes bytes and the end of the stream in one direction.
func relay(to, from net.Conn) {
	_, _ = io.Copy(to, from)
	_ = to.(*net.TCPConn).CloseWrite()
}

// TestHarness runs every scenario for a moment through the stand-in.
func TestHarness(t *testing.T) {
	t.Setenv("GORACE", "atexit_sleep_ms=0") // or each child of a race build lingers for a second
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	h, err := newHarness(rivals.Find(t.Context(), self, "")[:1])
	if err != nil {
		t.Fatal(err)
	}
	h.Progress = func(line string) {
		t.Log(line)
		lines = append(lines, line)
	}
	table := scenarios.All()
	for i := range table {
		table[i].Full = scenarios.Timing{Rounds: 2, Warm: 100 * time.Millisecond, Window: 200 * time.Millisecond}
		table[i].Load.Size = min(table[i].Load.Size, 1<<20) // the race detector makes 10 MiB slow
		table[i].Load.Connections = min(table[i].Load.Connections, 100)
		table[i].Share = min(table[i].Share, 0.1) // a busy machine slows the stand-in after its peak is known
	}
	r := report.Report{Command: "test", Machine: report.ThisMachine(true), Sections: h.Run(t.Context(), table)}
	for _, section := range r.Sections {
		if only := section.Series[0]; only.Missing != "" || len(only.Rounds) != 2 {
			t.Errorf("%s: %d rounds, %s", section.Name, len(only.Rounds), only.Missing)
		}
		for _, round := range section.Series[0].Rounds {
			if round.Failed != "" || round.Result.Failures() != 0 {
				t.Errorf("%s: %s, errors %v", section.Name, round.Failed, round.Result)
			}
		}
	}
	if want := 2*len(table) + 3; len(lines) != want { // the peak rate is looked for three times
		t.Errorf("%d progress lines, want %d", len(lines), want)
	}
	folder := t.TempDir()
	if err := r.Write(folder); err != nil {
		t.Fatal(err)
	}
	files, _ := filepath.Glob(filepath.Join(folder, "bench", "results", "*.json"))
	if len(files) != len(table) {
		t.Errorf("%d result files", len(files))
	}
	page := string(r.Markdown())
	if strings.Contains(page, os.TempDir()+"/") || strings.Contains(page, self) {
		t.Error("the page has a path of this machine")
	}
}

// TestProxyThatFails: a proxy that ends at start is a row that says so.
func TestProxyThatFails(t *testing.T) {
	script := filepath.Join(t.TempDir(), "broken")
	if err := os.WriteFile(script, []byte("#!/bin/sh\n[ $1 = version ] && echo v1.0 && exit 0\necho no such key >&2\nexit 1\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	h, err := newHarness(rivals.Find(t.Context(), script, "")[:1])
	if err != nil {
		t.Fatal(err)
	}
	h.Rounds, h.Progress = 1, func(string) {}
	sections := h.Run(t.Context(), scenarios.All()[:1])
	if got := sections[0].Series[0].Rounds[0].Failed; !strings.Contains(got, "no such key") {
		t.Errorf("the round failed with %q", got)
	}
}

func TestOptions(t *testing.T) {
	for only, want := range map[string]int{"tcp-idle": 1, "http-rate": 2, "http-rate-50": 1, "tcp": 4, "": len(scenarios.All())} {
		c := &benchCommand{}
		if only != "" {
			c.Only = []string{only}
		}
		if picked, err := c.scenarios(); err != nil || len(picked) != want {
			t.Errorf("%q picks %d scenarios, %v", only, len(picked), err)
		}
	}
	for _, bad := range []string{"tcp-smal", "htt", "http-", "-"} {
		if _, err := (&benchCommand{Only: []string{bad}}).scenarios(); err == nil {
			t.Errorf("the scenario %q is accepted", bad)
		}
	}
	if _, err := (&benchCommand{Against: []string{"envoy"}}).proxies(t.Context()); err == nil {
		t.Error("an unknown proxy is accepted")
	}
	if got := commandLine([]string{"--quick", "--sluice=/a/b/sluice", "--out", "/x/y"}); strings.Contains(got, "/a") || strings.Contains(got, "/x") {
		t.Errorf("command line %q", got)
	}
	got := twoDashes([]string{"-only", "x", "--quick", "-h", "-", "-rounds=3"})
	if want := []string{"--only", "x", "--quick", "-h", "-", "--rounds=3"}; !slices.Equal(got, want) {
		t.Errorf("twoDashes = %q", got)
	}
}

// TestPartialRunsPrint: only a full run, or one told where, writes files.
func TestPartialRunsPrint(t *testing.T) {
	folder := t.TempDir()
	t.Chdir(folder)
	r := &report.Report{Date: time.Now()}
	for _, c := range []*benchCommand{{Only: []string{"http"}}, {Quick: true}, {Rounds: 1}, {Base: "x"}, {Against: []string{"nginx"}}} {
		if err := c.deliver(r); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat("BENCHMARKS.md"); err == nil {
		t.Error("a partial run has written the page")
	}
	if err := (&benchCommand{}).deliver(r); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat("BENCHMARKS.md"); err != nil {
		t.Error("a full run has written no page")
	}
}
