package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"sluice/bench/harness"
	"sluice/bench/report"
	"sluice/bench/rivals"
	"sluice/bench/scenarios"
)

type benchCommand struct {
	Only    []string `help:"Scenarios to run, by name or by the beginning of it up to a dash (default all)." placeholder:"NAME,..." env:"SCENARIO"`
	Against []string `help:"Proxies to measure: sluice, nginx, haproxy (default all)." placeholder:"NAME,..."`
	Quick   bool     `help:"Few short rounds, under four minutes in all."`
	Rounds  int      `help:"Rounds per scenario; 0 = as the scenario says." default:"0" env:"ROUNDS"`
	Out     string   `help:"Folder for BENCHMARKS.md and bench/results/. Without it a full run writes here, a partial one prints." type:"path"`
	Sluice  string   `help:"The sluice binary." default:"./bin/sluice"`
	Base    string   `help:"Another sluice binary to compare the first with, in the same rounds." placeholder:"FILE"`
}

// Run measures and writes or prints the report; an interrupt ends it early and
// still reports what is complete.
func (c *benchCommand) Run() error {
	table, err := c.scenarios()
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second interrupt kills
	proxies, err := c.proxies(ctx)
	if err != nil {
		return err
	}
	h, err := newHarness(proxies)
	if err != nil {
		return err
	}
	h.Quick, h.Rounds = c.Quick, c.Rounds
	started := time.Now()
	sections := h.Run(ctx, table)
	return c.deliver(&report.Report{
		Command: commandLine(os.Args[1:]), Date: started, Quick: c.Quick, Interrupted: ctx.Err() != nil,
		Machine: report.ThisMachine(h.ProxyCPU >= 0), Sections: sections,
	})
}

// deliver writes the report; one of a partial run is printed instead, so that a
// look at one scenario does not replace the page of all.
func (c *benchCommand) deliver(r *report.Report) error {
	out := c.Out
	if out == "" {
		if c.partial() {
			_, err := os.Stdout.Write(r.Summary())
			return err
		}
		out = "."
	}
	if err := r.Write(out); err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "%s: BENCHMARKS.md and bench/results/ written\n", time.Since(r.Date).Round(time.Second))
	return nil
}

// partial reports whether this is less than, or other than, the run that is quoted.
func (c *benchCommand) partial() bool {
	return len(c.Only) > 0 || len(c.Against) > 0 || c.Quick || c.Rounds > 0 || c.Base != ""
}

// scenarios picks the rows that --only names.
func (c *benchCommand) scenarios() ([]scenarios.Scenario, error) {
	var picked []scenarios.Scenario
	known := map[string]bool{}
	for _, sc := range scenarios.All() {
		chosen := len(c.Only) == 0
		for end := range len(sc.Name) + 1 {
			if end < len(sc.Name) && sc.Name[end] != '-' {
				continue
			}
			known[sc.Name[:end]] = true
			chosen = chosen || slices.Contains(c.Only, sc.Name[:end])
		}
		if chosen {
			picked = append(picked, sc)
		}
	}
	return picked, unknown(c.Only, slices.Sorted(maps.Keys(known)))
}

// proxies picks those that --against names.
func (c *benchCommand) proxies(ctx context.Context) ([]*rivals.Proxy, error) {
	if err := unknown(c.Against, []string{rivals.Sluice, rivals.Nginx, rivals.HAProxy}); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(rivals.Find(ctx, c.Sluice, c.Base), func(p *rivals.Proxy) bool {
		return len(c.Against) > 0 && !slices.Contains(c.Against, p.Name)
	}), nil
}

func unknown(asked, known []string) error {
	for _, name := range asked {
		if !slices.Contains(known, name) {
			return fmt.Errorf("%q is none of %s", name, strings.Join(known, ", "))
		}
	}
	return nil
}

// newHarness decides who runs where: the proxy on the first core, the tools on
// the second. With one core there is nothing to separate.
func newHarness(proxies []*rivals.Proxy) (*harness.Harness, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	h := &harness.Harness{Self: self, Proxies: proxies, ProxyCPU: 0, ToolCPU: 1, Progress: progress(time.Now())}
	if runtime.NumCPU() < 2 {
		h.ProxyCPU, h.ToolCPU = -1, -1
	}
	return h, raiseDescriptors()
}

// raiseDescriptors lifts the soft limit on descriptors to the hard one for all
// children: Go does so for itself only and gives children the old one, unless it
// was set explicitly.
func raiseDescriptors() error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("descriptor limit: %w", err)
	}
	limit.Cur = limit.Max
	return syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)
}

// progress prints a line per run with the time since the start.
func progress(start time.Time) func(string) {
	return func(line string) {
		fmt.Fprintf(os.Stderr, "%6s  %s\n", time.Since(start).Round(time.Second), line)
	}
}

// commandLine is how to repeat the run, without paths of this machine.
func commandLine(args []string) string {
	words := []string{"go run ./bench/run"}
	for _, arg := range args {
		name, value, found := strings.Cut(arg, "=")
		if !found {
			name, value = "", arg
		} else {
			name += "="
		}
		if filepath.IsAbs(value) {
			value = filepath.Base(value)
		}
		words = append(words, name+value)
	}
	return strings.Join(words, " ")
}
