package harness

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"sluice/bench/load"
	"sluice/bench/meter"
	"sluice/bench/origin"
	"sluice/bench/process"
	"sluice/bench/report"
	"sluice/bench/rivals"
	"sluice/bench/scenarios"
	"sluice/bench/wire"
)

const (
	// readyTimeout is how long a proxy may take from start to first answer.
	readyTimeout = 10 * time.Second
	// readyEvery is how often it is asked.
	readyEvery = 10 * time.Millisecond
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

// run is what one run consists of.
type run struct {
	sc    scenarios.Scenario
	proxy *rivals.Proxy
	dir   string
}

// measure starts the three processes, lets the generator work and ends them. A
// result may come with an error.
func (h *Harness) measure(ctx context.Context, r run, got *report.Round) error {
	stub, origins, err := h.startOrigin(ctx, r.sc)
	if err != nil {
		return fmt.Errorf("origin: %w", err)
	}
	defer stub.Stop()
	port, err := h.ports.take()
	if err != nil {
		return err
	}
	listen := fmt.Sprintf("127.0.0.1:%d", port)
	plan := rivals.Plan{Dir: r.dir, Protocol: r.sc.Protocol, Listen: listen, Origins: origins}
	proxy, err := r.proxy.Start(plan, h.ProxyCPU)
	if err != nil {
		return err
	}
	defer proxy.Stop()
	if err := waitReady(ctx, proxy, listen); err != nil {
		return fmt.Errorf("%s: %w", r.proxy.Name, err)
	}
	t, opt := h.timing(r.sc), r.sc.Load
	opt.Target, opt.Warm, opt.Window = listen, t.Warm, t.Window
	opt.Watch, opt.Origin = meter.Tree(proxy.PID()), []int{stub.PID()}
	if got.Result, err = h.generate(ctx, opt); err != nil {
		return err
	}
	// The origin says what it has seen when it is asked to end.
	stub.CloseInput()
	if err := readJSON(ctx, stub, &got.Origin); err != nil {
		return fmt.Errorf("origin: %w", err)
	}
	return nil
}

// role is this executable playing one of the tools. The collector and the
// scheduler's own interruptions would only disturb a single busy goroutine.
func (h *Harness) role(name string, options any) (*process.Process, error) {
	text, err := json.Marshal(options)
	if err != nil {
		return nil, err
	}
	return process.Start(process.Spec{
		Argv: []string{h.Self, name, string(text)},
		Env:  []string{"GODEBUG=asyncpreemptoff=1"},
		CPU:  h.ToolCPU,
	}, true)
}

// startOrigin starts the stub and returns the addresses it serves.
func (h *Harness) startOrigin(ctx context.Context, sc scenarios.Scenario) (*process.Process, []string, error) {
	opt := origin.Options{Forwarded: sc.Protocol == rivals.HTTP, Polite: sc.Load.Mode == load.Open}
	for i := range sc.Origins {
		opt.Addresses = append(opt.Addresses, fmt.Sprintf("127.0.2.%d", i+1))
	}
	stub, err := h.role("origin", opt)
	if err != nil {
		return nil, nil, err
	}
	var ready struct{ Port int }
	if err := readJSON(ctx, stub, &ready); err != nil {
		stub.Stop()
		return nil, nil, err
	}
	origins := make([]string, sc.Origins)
	for i, address := range opt.Addresses {
		origins[i] = fmt.Sprintf("%s:%d", address, ready.Port)
	}
	return stub, origins, nil
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

// waitReady asks for a small answer until it comes.
func waitReady(ctx context.Context, proxy *process.Process, address string) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	every := time.NewTicker(readyEvery)
	defer every.Stop()
	for {
		err := exchange(ctx, address)
		if err == nil {
			return nil
		}
		select {
		case <-proxy.Done():
			return fmt.Errorf("ended at start: %w", proxy.Err())
		case <-ctx.Done():
			return fmt.Errorf("does not serve: %w", err)
		case <-every.C:
		}
	}
}

// exchange asks an address for one small answer and compares it.
func exchange(ctx context.Context, address string) error {
	const size = 8
	var dialer net.Dialer
	c, err := dialer.DialContext(ctx, "tcp4", address)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(time.Second)); err != nil {
		return err
	}
	if _, err := c.Write(wire.Request(size)); err != nil {
		return err
	}
	// A proxy may add fields, so this is not a comparison of bytes.
	answer, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK || len(body) != size || !wire.Match(body, 0) {
		return fmt.Errorf("answers %s with %q", answer.Status, body)
	}
	return nil
}
