package cli

import (
	"context"
	"errors"
	"fmt"
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

// runCommand is the command that measures. Its flags say what and how long.
type runCommand struct {
	Only    []string `help:"Scenarios to run, by name or by the beginning of it up to a dash (default all)." placeholder:"NAME,..." env:"SCENARIO"`
	Against []string `help:"Proxies to measure: sluice, nginx, haproxy (default all three), and others that run already, as NAME=HOST:PORT@PID." placeholder:"NAME,..."`
	Quick   bool     `help:"One short round of each, under two minutes in all."`
	Rounds  int      `help:"Rounds per scenario; 0 = as the scenario says." default:"0" env:"ROUNDS"`
	Out     string   `help:"Folder for BENCHMARKS.md and bench/results/. Without it a full run writes here, a partial one prints." type:"path"`
	Sluice  string   `help:"The sluice binary (default this one)." placeholder:"FILE" type:"path"`
	Base    string   `help:"Another sluice binary to compare the first with, in the same rounds." placeholder:"FILE" type:"path"`
	Origin  string   `help:"Where the stub origin listens, for proxies that are set up to use it." placeholder:"IPV4:PORT"`
	URL     string   `name:"url" help:"Ask the proxies named in --against for this URL, which their own origins serve; without --against, the URL's host." placeholder:"URL"`
	List    bool     `help:"List the scenarios and end."`
}

// Run measures and writes or prints the report; an interrupt ends it early and
// still reports what is complete.
func (c *runCommand) Run() error {
	table, err := c.scenarios()
	if err != nil {
		return err
	}
	if c.List {
		for _, sc := range table {
			fmt.Printf("%-15s %s\n", sc.Name, sc.What)
		}
		return nil
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second interrupt kills
	remove, err := c.stepAside()
	if err != nil {
		return err
	}
	defer remove()
	proxies, err := c.proxies(ctx)
	if err != nil {
		return err
	}
	started := time.Now()
	lines := newProgress(os.Stderr, started)
	h, err := c.harness(proxies)
	if err != nil {
		return err
	}
	h.Progress = lines.step
	lines.say("%d scenarios, about %s", len(table), h.Estimate(table).Round(time.Second))
	sections := h.Run(ctx, table)
	lines.close()
	return c.deliver(&report.Report{
		Command: commandLine(os.Args[1:]), Date: started, Quick: c.Quick, Interrupted: ctx.Err() != nil,
		Machine: report.ThisMachine(h.ProxyCPU >= 0), Sections: sections,
	})
}

// deliver writes the report; one of a partial run is printed instead, so that a
// look at one scenario does not replace the page of all.
func (c *runCommand) deliver(r *report.Report) error {
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
func (c *runCommand) partial() bool {
	return len(c.Only) > 0 || len(c.Against) > 0 || c.Quick || c.Rounds > 0 || c.Base != "" || c.URL != ""
}

// scenarios picks the rows that --only names: of the table, or of those for a URL.
func (c *runCommand) scenarios() ([]scenarios.Scenario, error) {
	all := scenarios.All()
	if c.URL != "" {
		where, err := parseURL(c.URL)
		if err != nil {
			return nil, err
		}
		all = where.scenarios()
	}
	var picked []scenarios.Scenario
	var known []string
	for _, sc := range all {
		names := beginnings(sc.Name)
		known = append(known, names...)
		if len(c.Only) == 0 || slices.ContainsFunc(names, func(name string) bool { return slices.Contains(c.Only, name) }) {
			picked = append(picked, sc)
		}
	}
	slices.Sort(known)
	return picked, unknown(c.Only, slices.Compact(known))
}

// beginnings of a name end where a dash does: "http", "http-rate", "http-rate-50".
func beginnings(name string) (all []string) {
	for i := range name {
		if name[i] == '-' {
			all = append(all, name[:i])
		}
	}
	return append(all, name)
}

// proxies picks those that --against names.
func (c *runCommand) proxies(ctx context.Context) ([]*rivals.Proxy, error) {
	var ours []string
	var named []*rivals.Proxy
	for _, one := range c.Against {
		if !strings.Contains(one, "=") {
			ours = append(ours, one)
			continue
		}
		p, err := rivals.Named(one)
		if err != nil {
			return nil, err
		}
		named = append(named, p)
	}
	if err := unknown(ours, []string{rivals.Sluice, rivals.Nginx, rivals.HAProxy}); err != nil {
		return nil, fmt.Errorf("%w, nor is it NAME=HOST:PORT@PID", err)
	}
	switch {
	case c.URL != "" && len(ours) > 0:
		return nil, errors.New("with --url, name proxies as NAME=HOST:PORT@PID: those that are started here know only the stub origin")
	case c.URL != "" && len(named) == 0:
		return c.hostOfURL(ctx)
	case c.URL != "":
		return named, nil
	case len(named) > 0 && c.Origin == "":
		return nil, errors.New("a proxy named by its address must find the origin: say where the stub shall listen (--origin), or use the proxy's own (--url)")
	}
	found := slices.DeleteFunc(rivals.Find(ctx, c.Sluice, c.Base), func(p *rivals.Proxy) bool {
		return len(ours) > 0 && !slices.Contains(ours, p.Name)
	})
	return append(found, named...), nil
}

func unknown(asked, known []string) error {
	for _, name := range asked {
		if !slices.Contains(known, name) {
			return fmt.Errorf("%q is none of %s", name, strings.Join(known, ", "))
		}
	}
	return nil
}

// harness decides who runs where: the proxy on the first core, the tools on the
// second. With one core there is nothing to separate.
func (c *runCommand) harness(proxies []*rivals.Proxy) (*harness.Harness, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	h := &harness.Harness{
		Self: []string{self, Verb}, Proxies: proxies, ProxyCPU: 0, ToolCPU: 1,
		Quick: c.Quick, Rounds: c.Rounds, Origin: c.Origin,
	}
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

// commandLine is how to repeat the run, without paths of this machine.
func commandLine(args []string) string {
	words := []string{"sluice"}
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
