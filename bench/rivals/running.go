package rivals

import (
	"fmt"

	"sluice/bench/meter"
	"sluice/bench/process"
)

// Running is a proxy at work. Its methods belong to one goroutine.
type Running struct {
	// Listen is the address it serves.
	Listen string

	proxy   *Proxy
	program *process.Process // nil for one that somebody else has started
}

// PIDs are the processes of the proxy: those it has started are among them. None if
// it runs elsewhere.
func (r *Running) PIDs() []int {
	switch {
	case r.program != nil:
		return meter.Tree(r.program.PID())
	case r.proxy.named.pid > 0:
		return meter.Tree(r.proxy.named.pid)
	}
	return nil
}

// Done is closed when the proxy has ended; never for one that somebody else started.
func (r *Running) Done() <-chan struct{} {
	if r.program == nil {
		return nil
	}
	return r.program.Done()
}

// Err says how an ended proxy ended. It must not be called before Done is closed.
func (r *Running) Err() error { return r.program.Err() }

// LastWords is what the proxy has complained about last, on one line.
func (r *Running) LastWords() string {
	if r.program == nil {
		return ""
	}
	return r.program.LastWords()
}

// Reload writes another configuration over the first and asks the proxy to take it.
// It does not wait until the proxy has done so.
func (r *Running) Reload(plan Plan) error {
	if r.program == nil {
		return fmt.Errorf("%s is not ours to reload", r.proxy.Name)
	}
	if _, err := r.proxy.write(plan); err != nil {
		return err
	}
	r.program.Signal(r.proxy.reload)
	return nil
}

// Stop ends the proxy and returns when it is gone. One that somebody else has
// started goes on.
func (r *Running) Stop() {
	if r.program != nil {
		r.program.Stop()
	}
}
