package harness

import (
	"context"
	"fmt"
	"syscall"
	"time"

	"sluice/bench/report"
	"sluice/bench/rivals"
	"sluice/bench/scenarios"
)

// victim is which origin is killed.
const victim = 1

// faults are what happens to the proxy, or behind it, while the generator works.
type faults struct {
	cancel context.CancelFunc
	done   chan struct{}
	marks  []report.Mark // to be read after done is closed
}

// startFaults lets them happen at their times. The window begins when the generator
// has started and warmed up: that is known to some hundredths of a second.
func (h *Harness) startFaults(ctx context.Context, r run, a actors) *faults {
	ctx, cancel := context.WithCancel(ctx)
	f := &faults{cancel: cancel, done: make(chan struct{})}
	window := time.Now().Add(r.timing.Warm)
	at := func(part float64, what string, do func() error) bool {
		due := time.Duration(part * float64(r.timing.Window))
		select {
		case <-ctx.Done():
			return false
		case <-time.After(time.Until(window.Add(due))):
		}
		if err := do(); err != nil {
			what += " failed: " + err.Error()
		}
		f.marks = append(f.marks, report.Mark{At: time.Since(window), What: what})
		return true
	}
	go func() {
		defer close(f.done)
		switch r.sc.Fault {
		case scenarios.Reload:
			h.reload(a, at)
		case scenarios.Kill:
			one := a.stubs.running[victim]
			_ = at(scenarios.KillAt, "killed", func() error { return one.kill() }) &&
				at(scenarios.BackAt, "started again", func() error { return h.revive(ctx, one) })
		}
	}()
	return f
}

// reload gives the proxy another configuration each time: one more address to serve,
// one less.
func (h *Harness) reload(a actors, at func(float64, string, func() error) bool) {
	for _, part := range scenarios.ReloadAt {
		also, err := h.also(a.plan)
		if err != nil || a.plan.Also != "" {
			also.Also = ""
		}
		a.plan = also
		if !at(part, "reloaded", func() error { return a.proxy.Reload(also) }) {
			return
		}
	}
}

// also is the plan with one more address.
func (h *Harness) also(plan rivals.Plan) (rivals.Plan, error) {
	port, err := h.ports.take()
	plan.Also = fmt.Sprintf("127.0.0.1:%d", port)
	return plan, err
}

// end waits for what is under way and says what happened when.
func (f *faults) end() []report.Mark {
	f.cancel()
	<-f.done
	return f.marks
}

// kill ends an origin without warning.
func (s *stub) kill() error {
	s.Signal(syscall.SIGKILL)
	<-s.Done()
	return nil
}

// revive starts it again where it was.
func (h *Harness) revive(ctx context.Context, s *stub) error {
	p, _, err := h.serveOrigin(ctx, s.opt)
	if err != nil {
		return err
	}
	s.Process.Stop()
	s.Process = p
	return nil
}
