package harness

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"time"

	"sluice/bench/load"
	"sluice/bench/origin"
	"sluice/bench/process"
	"sluice/bench/rivals"
	"sluice/bench/scenarios"
)

const (
	// firstPort and lastPort bound where proxies listen: below the range from
	// which the kernel takes ports of outgoing connections.
	firstPort = 20000
	lastPort  = 29999
)

// ports hands out listening ports, each only once in a long while, so that no
// run meets the connections in TIME_WAIT of an earlier one.
type ports struct{ next int }

func (p *ports) take() (int, error) {
	for range lastPort - firstPort {
		p.next = (p.next + 1) % (lastPort - firstPort)
		port := firstPort + p.next
		l, err := net.Listen("tcp4", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			continue
		}
		return port, l.Close()
	}
	return 0, fmt.Errorf("no free port from %d to %d", firstPort, lastPort)
}

// role is this program playing one of the tools. The collector and the scheduler's
// own interruptions would only disturb a single busy goroutine.
func (h *Harness) role(name string, options any) (*process.Process, error) {
	text, err := json.Marshal(options)
	if err != nil {
		return nil, err
	}
	return process.Start(process.Spec{
		Argv: append(slices.Clone(h.Self), name, string(text)),
		Env:  []string{"GODEBUG=asyncpreemptoff=1"},
		CPU:  h.ToolCPU,
	}, true)
}

// stubs are the origins of a run: one process for all addresses, or one for each if
// one of them is to be killed.
type stubs struct {
	addresses []string
	running   []*stub
}

// stub is an origin with what it takes to start it again.
type stub struct {
	*process.Process
	opt origin.Options
}

// startOrigins starts what the run wants.
func (h *Harness) startOrigins(ctx context.Context, r run) (*stubs, error) {
	s, sc, behaviours := &stubs{}, r.sc, r.behaviours()
	opt := origin.Options{Forwarded: sc.Protocol != rivals.TCP, Polite: sc.Load.Mode == load.Open}
	for i := range sc.Origins {
		opt.Addresses = append(opt.Addresses, fmt.Sprintf("127.0.2.%d", i+1))
		if n := len(behaviours); n > 0 {
			opt.Behaviours = append(opt.Behaviours, behaviours[i%n])
		}
	}
	if h.Origin != "" && sc.Origins == 1 {
		host, port, err := net.SplitHostPort(h.Origin)
		if err != nil {
			return nil, err
		}
		if opt.Port, err = strconv.Atoi(port); err != nil {
			return nil, err
		}
		opt.Addresses = []string{host}
	}
	for _, one := range apart(opt, sc.Fault == scenarios.Kill) {
		if err := h.startOrigin(ctx, s, one); err != nil {
			s.stop()
			return nil, err
		}
	}
	return s, nil
}

// apart gives each address a process of its own, if asked to; none at all if there
// is no address.
func apart(opt origin.Options, parted bool) []origin.Options {
	if len(opt.Addresses) == 0 {
		return nil
	}
	if !parted {
		return []origin.Options{opt}
	}
	var all []origin.Options
	for i, address := range opt.Addresses {
		one := opt
		one.Addresses = []string{address}
		if len(opt.Behaviours) > 0 {
			one.Behaviours = opt.Behaviours[i : i+1]
		}
		all = append(all, one)
	}
	return all
}

// startOrigin starts one process and notes what it serves.
func (h *Harness) startOrigin(ctx context.Context, s *stubs, opt origin.Options) error {
	p, port, err := h.serveOrigin(ctx, opt)
	if err != nil {
		return err
	}
	opt.Port = port
	s.running = append(s.running, &stub{p, opt})
	for _, address := range opt.Addresses {
		s.addresses = append(s.addresses, fmt.Sprintf("%s:%d", address, port))
	}
	return nil
}

// serveOrigin starts a process and returns when it serves.
func (h *Harness) serveOrigin(ctx context.Context, opt origin.Options) (*process.Process, int, error) {
	p, err := h.role("origin", opt)
	if err != nil {
		return nil, 0, err
	}
	var ready struct{ Port int }
	if err := readJSON(ctx, p, &ready); err != nil {
		p.Stop()
		return nil, 0, err
	}
	return p, ready.Port, nil
}

// pids are the processes.
func (s *stubs) pids() []int {
	var all []int
	for _, one := range s.running {
		all = append(all, one.PID())
	}
	return all
}

// stats asks the origins to end and adds up what they have seen. One that was killed
// has taken its first counts with it.
func (s *stubs) stats(ctx context.Context) (sum origin.Stats, err error) {
	for _, one := range s.running {
		one.CloseInput()
		var seen origin.Stats
		if err := readJSON(ctx, one.Process, &seen); err != nil {
			return sum, fmt.Errorf("origin: %w", err)
		}
		sum.Connections += seen.Connections
		sum.Requests += seen.Requests
	}
	return sum, nil
}

// stop ends what is still running.
func (s *stubs) stop() {
	for _, one := range s.running {
		one.Stop()
	}
}

// generate runs the generator to its end. A result may come with an error.
func (h *Harness) generate(ctx context.Context, opt load.Options) (*load.Result, error) {
	generator, err := h.role("load", opt)
	if err != nil {
		return nil, err
	}
	defer generator.Stop()
	result := new(load.Result)
	if err := readJSON(ctx, generator, result); err != nil {
		return nil, fmt.Errorf("load generator: %w", err)
	}
	select {
	case <-generator.Done():
		return result, generator.Err()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// readJSON reads one line of JSON from a tool; if the tool ends without one, its
// own message is the error.
func readJSON(ctx context.Context, p *process.Process, into any) error {
	stop := context.AfterFunc(ctx, func() { _ = p.Out.SetReadDeadline(time.Now()) })
	defer stop()
	line, err := bufio.NewReader(p.Out).ReadBytes('\n')
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, io.EOF):
		<-p.Done()
		return fmt.Errorf("ended without a result: %w", p.Err())
	case err != nil:
		return err
	}
	return json.Unmarshal(line, into)
}
