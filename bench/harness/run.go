package harness

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"sluice/bench/load"
	"sluice/bench/origin"
	"sluice/bench/report"
	"sluice/bench/rivals"
	"sluice/bench/scenarios"
)

// run is what one run consists of.
type run struct {
	contestant
	sc     *scenarios.Scenario
	timing scenarios.Timing
	dir    string // its own, removed afterwards
}

// behaviours are those of the origins behind this contestant.
func (r *run) behaviours() []origin.Behaviour {
	if len(r.variant.Behaviours) > 0 {
		return r.variant.Behaviours
	}
	return r.sc.Behaviours
}

// inDirectory calls do with a directory that is removed afterwards.
func inDirectory(do func(dir string) error) error {
	dir, err := os.MkdirTemp("", "bench-")
	if err != nil {
		return fmt.Errorf("no temporary directory: %w", err)
	}
	defer os.RemoveAll(dir)
	// A proxy started by root may have a worker with fewer rights and files to write.
	if err := os.Chmod(dir, 0o711); err != nil {
		return fmt.Errorf("no temporary directory: %w", err)
	}
	if err = do(dir); err != nil {
		// A path of this machine says nothing to a reader.
		return fmt.Errorf("%s", strings.ReplaceAll(err.Error(), dir, "DIR"))
	}
	return nil
}

// round runs one proxy once.
func (h *Harness) round(ctx context.Context, r run) (got report.Round) {
	// Setting up and ending take seconds, whatever is slower hangs.
	ctx, cancel := context.WithTimeout(ctx, r.timing.Warm+r.timing.Window+time.Minute)
	defer cancel()
	got.Faulty = r.sc.Fault != ""
	err := inDirectory(func(dir string) error {
		r.dir = dir
		return h.measure(ctx, r, &got)
	})
	if err != nil {
		got.Failed = err.Error()
	}
	return got
}

// measure starts the processes, lets the generator work and ends them. A result may
// come with an error.
func (h *Harness) measure(ctx context.Context, r run, got *report.Round) error {
	stubs, err := h.startOrigins(ctx, r)
	if err != nil {
		return fmt.Errorf("origin: %w", err)
	}
	defer stubs.stop()
	plan, err := h.plan(r, stubs.addresses)
	if err != nil {
		return err
	}
	proxy, err := r.proxy.Start(plan, h.ProxyCPU)
	if err != nil {
		return err
	}
	defer proxy.Stop()
	if err := waitReady(ctx, proxy, asker(r.sc, plan, proxy.Listen)); err != nil {
		return fmt.Errorf("%s: %w", r.proxy.Name, err)
	}
	faults := h.startFaults(ctx, r, actors{stubs, proxy, plan})
	got.Result, err = h.generate(ctx, h.options(r, plan, actors{stubs, proxy, plan}))
	got.Marks = faults.end()
	if err != nil {
		return err
	}
	thin(got.Result, r.sc)
	got.Origin, err = stubs.stats(ctx)
	return err
}

// plan is what the proxy is to be set up for.
func (h *Harness) plan(r run, origins []string) (rivals.Plan, error) {
	port, err := h.ports.take()
	if err != nil {
		return rivals.Plan{}, err
	}
	plan := rivals.Plan{
		Dir: r.dir, Protocol: r.sc.Protocol, Listen: fmt.Sprintf("127.0.0.1:%d", port), Origins: origins,
		Balance: r.variant.Balance, Check: r.variant.Check, Upgrade: r.sc.Load.Protocol == load.WebSocket,
		Failover: r.sc.Fault == scenarios.Kill, Reload: r.sc.Fault == scenarios.Reload,
	}
	if r.sc.Protocol == rivals.TLS {
		plan.TLS, err = rivals.NewCertificate(r.dir)
	}
	return plan, err
}

// actors are the processes of a run and what they have been told.
type actors struct {
	stubs *stubs
	proxy *rivals.Running
	plan  rivals.Plan
}

// options completes those of the scenario.
func (h *Harness) options(r run, plan rivals.Plan, a actors) load.Options {
	opt := r.sc.Load
	opt.Target, opt.Warm, opt.Window = a.proxy.Listen, r.timing.Warm, r.timing.Window
	if r.timing.Connections > 0 {
		opt.Connections = r.timing.Connections
	}
	if opt.TLS != nil && plan.TLS != nil {
		secure := *opt.TLS
		secure.CA = plan.TLS.CA
		opt.TLS = &secure
	}
	// The time of a process that ends within the window cannot be read afterwards.
	if r.sc.Fault != scenarios.Reload {
		opt.Watch = a.proxy.PIDs()
	}
	if r.sc.Fault != scenarios.Kill {
		opt.Origin = a.stubs.pids()
	}
	return opt
}

// thin leaves out what the histogram says too, and the timeline of a window in which
// nothing happened: there are hundreds of rounds.
func thin(r *load.Result, sc *scenarios.Scenario) {
	if r == nil {
		return
	}
	if r.Histogram != "" {
		r.Curve = nil
	}
	if sc.Fault == "" {
		r.Buckets = nil
	}
}
