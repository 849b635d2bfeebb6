// Package engine is the façade: it compiles a configuration, opens its sockets, and runs one loop per core.
//
//	e, err := engine.New(cfg, logger) // everything that can be wrong is wrong here
//	err = e.Start()                   // accepting
//	e.Drain(ctx)                      // no new connections; those that exist finish
//
// It is the only place where the rooms of the house are wired together.
package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"sluice/configs"
	"sluice/engine/observe"
	"sluice/engine/record"
	"sluice/engine/sock"
	"sluice/engine/stat"
	"sluice/engine/steward"
	"sluice/pool"
)

// Engine is a proxy: made by New, running from Start to Drain or Stop. Its methods may be called from any goroutine.
type Engine struct {
	// Version is the program's, for those who look; to be set before Start.
	Version string

	log      *slog.Logger
	events   *events
	access   *observe.AccessLog
	pipes    *pool.PipeBudget
	pipeSize int // bytes
	snapshot *snapshot
	sockets  *sockets
	vault    *vault
	shakes   *handshakes
	gates    []*sock.Gate // by listener; those with max_connections: auto share one
	cores    []*core
	stewards []*steward.Steward // by upstream
	admins   []*observe.Admin
	started  time.Time
	stage    atomic.Value // a string, as observe.View names it

	loops  sync.WaitGroup
	ending sync.Once
	begun  atomic.Bool // Start was called
	failed error       // of a loop; read after loops is done
	mu     sync.Mutex
	over   chan struct{}
}

// New compiles cfg, opens its listening sockets and the access log, and builds the loops. Nothing is accepted before
// Start. An error in the configuration or the machine's answer to it is configs.Issues.
func New(cfg *configs.Config, log *slog.Logger) (*Engine, error) {
	e := &Engine{log: log, over: make(chan struct{}), started: time.Now()}
	e.stage.Store(observe.ProxyStarting)
	e.events = newEvents(log)
	if issues := e.open(cfg); len(issues) > 0 {
		if e.access != nil {
			e.access.Close()
		}
		e.sockets.close()
		e.vault.close()
		e.events.close()
		return nil, issues
	}
	e.hireStewards(cfg)
	if issues := e.openAdmin(cfg); len(issues) > 0 {
		e.discard()
		return nil, issues
	}
	e.pipeSize, e.pipes = pipePlan(cfg)
	e.makeGates(cfg)
	e.shakes = startHandshakes(cfg)
	for i := range loopCount(cfg) {
		c, err := newCore(i, e)
		if err != nil {
			e.discard()
			return nil, fmt.Errorf("cannot make an event loop: %w; %s", err, descriptorHint)
		}
		e.cores = append(e.cores, c)
	}
	return e, nil
}

// open compiles the configuration and opens what it names, and returns everything that is wrong with either.
func (e *Engine) open(cfg *configs.Config) (issues configs.Issues) {
	loops := loopCount(cfg)
	e.vault, issues = e.openVault(cfg)
	var more configs.Issues
	e.snapshot, more = compile(cfg, loops, e.vault)
	issues = append(issues, more...)
	var err error
	if e.access, err = observe.Open(cfg.Log.Access.To, e.log); err != nil {
		issues = append(issues, explainLog(cfg, err))
	}
	e.sockets, more = openSockets(cfg, loops)
	return append(issues, more...)
}

// discard takes back what New has opened.
func (e *Engine) discard() {
	for _, c := range e.cores {
		c.loop.Stop()
		_ = c.loop.Run() // closes its poller
	}
	e.sockets.close()
	e.closeAdmins()
	e.closeStewards()
	e.shakes.close()
	e.vault.close()
	e.events.close()
	e.access.Close()
}

func (e *Engine) makeGates(cfg *configs.Config) {
	most := maxConnections(cfg)
	if most < fewConnections {
		e.log.Warn("only few connections fit the limit of open files or runtime.memory", "max_connections", most, "hint", descriptorHint)
	}
	auto := sock.NewGate(most)
	for _, l := range cfg.Listeners {
		gate := auto
		if int64(l.MaxConnections) > most {
			e.log.Warn("max_connections is more than the limit of open files or runtime.memory allows", "listener", l.Name,
				"max_connections", l.MaxConnections, "room", most, "hint", descriptorHint)
		}
		if l.MaxConnections > 0 {
			gate = sock.NewGate(int64(l.MaxConnections))
		}
		e.gates = append(e.gates, gate)
	}
}

// Start runs the loops and begins to accept; when it returns nil, every listener does.
func (e *Engine) Start() error {
	e.begun.Store(true)
	boundMemory(e.snapshot.config)
	makeRoom(len(e.cores), e.shakes.places())
	e.startStewards()
	for _, c := range e.cores {
		e.loops.Add(1)
		go e.run(c)
	}
	go e.bury()
	errs := make(chan error, len(e.cores))
	for i, c := range e.cores {
		c.loop.Post(func() { errs <- e.listen(i, c) })
	}
	var err error
	for range e.cores {
		select {
		case failed := <-errs:
			err = errors.Join(err, failed)
		case <-e.over: // a loop broke before it could answer
			return e.failed
		}
	}
	e.sockets.open = nil // the loops have them all
	if err != nil {
		e.Stop()
		return err
	}
	e.stage.CompareAndSwap(observe.ProxyStarting, observe.ProxyRunning)
	e.serveAdmins()
	return nil
}

// bury closes everything once the loops have ended.
func (e *Engine) bury() {
	e.loops.Wait()
	e.shakes.close()
	e.vault.close()
	e.closeAdmins()
	e.closeStewards()
	e.events.close()
	e.access.Close()
	e.sockets.unlink()
	close(e.over)
}

func (e *Engine) run(c *core) {
	defer e.loops.Done()
	if err := c.loop.Run(); err != nil {
		e.mu.Lock()
		e.failed = errors.Join(e.failed, err)
		e.mu.Unlock()
		// Its sockets would go on to collect connections that nobody takes: better no proxy than half of one.
		e.events.say(func(log *slog.Logger) {
			log.Error("an event loop failed; stopping", "loop", c.loop.Index(), "error", err)
		})
		go e.Stop()
	}
}

// listen makes listeners of the sockets of one loop. It runs on that loop.
func (e *Engine) listen(index int, c *core) error {
	c.begin()
	var errs error
	for _, s := range e.sockets.open {
		if s.loop != index {
			continue
		}
		l, err := sock.NewListener(c.net, sock.ListenerConfig{
			FD: s.fd, Unix: s.unix, Gate: e.gates[s.listener], Targets: e.targets(index, s),
			Report: e.shortage(e.snapshot.config.Listeners[s.listener].Name),
			Full:   e.full(c, s.listener),
		})
		if err != nil {
			errs = errors.Join(errs, err)
			continue
		}
		c.listeners = append(c.listeners, l)
	}
	return errs
}

// targets is who takes a socket's connections: its own loop, or every loop in turn for a unix socket, which cannot be
// opened once per loop.
func (e *Engine) targets(index int, s socket) []sock.Target {
	if !s.unix {
		c := e.cores[index]
		return []sock.Target{{Net: c.net, Acceptor: c.services[s.listener]}}
	}
	var all []sock.Target
	for _, c := range e.cores {
		all = append(all, sock.Target{Net: c.net, Acceptor: c.services[s.listener]})
	}
	return all
}

// Drain stops accepting, waits until every connection is over or ctx is done, and ends the engine. It reports how many
// connections had to be cut.
func (e *Engine) Drain(ctx context.Context) (cut int) {
	e.stage.Store(observe.ProxyDraining)
	e.onLoops((*core).closeListeners)
	e.sockets.unlink() // at once: a successor may bind there while this one drains
	// Only now, because a listener that closes may have handed its last connections to other loops.
	empty := make(chan struct{}, 1)
	var services sync.WaitGroup
	for _, c := range e.cores {
		services.Add(len(c.services))
		c.loop.Post(func() { c.drain(services.Done) })
	}
	go func() {
		services.Wait()
		empty <- struct{}{}
	}()
	select {
	case <-empty:
	case <-e.over:
	case <-ctx.Done():
		cut = e.Active()
	}
	patience := departTime
	if deadline, ok := ctx.Deadline(); ok {
		patience = max(patience, time.Until(deadline))
	}
	e.end(record.DrainTimeout, patience)
	return cut
}

// onLoops runs fn on every loop that has not ended, and waits for all of them.
func (e *Engine) onLoops(fn func(*core)) {
	done := make(chan struct{}, len(e.cores))
	asked := 0
	for _, c := range e.cores {
		if c.loop.Post(func() { fn(c); done <- struct{}{} }) {
			asked++
		}
	}
	for range asked {
		select {
		case <-done:
		case <-e.over:
			return
		}
	}
}

// Stop ends every connection and the engine at once.
func (e *Engine) Stop() { e.end(record.Stopped, departTime) }

func (e *Engine) end(why record.Reason, patience time.Duration) {
	e.ending.Do(func() {
		if !e.begun.Load() {
			e.discard()
			close(e.over)
			return
		}
		for _, c := range e.cores {
			c.loop.Post(func() { c.leave(why, patience) })
		}
	})
	<-e.over
}

// Wait returns when the engine has ended, with the error of a loop that broke.
func (e *Engine) Wait() error {
	<-e.over
	return e.failed
}

// Active is the number of connections that are not over.
func (e *Engine) Active() int {
	total := stat.Sum(e.Counters()...)
	return int(total.Get(stat.Active))
}

// Counters copies every loop's counters, each on its own loop. A loop that has ended gives none.
func (e *Engine) Counters() []stat.Block {
	var mu sync.Mutex
	var blocks []stat.Block
	e.onLoops(func(c *core) {
		mu.Lock()
		defer mu.Unlock()
		blocks = append(blocks, c.copy())
	})
	mu.Lock()
	defer mu.Unlock()
	return slices.Clone(blocks)
}

// copy fills in what is counted elsewhere and returns the loop's counters. It runs on the loop.
func (c *core) copy() stat.Block {
	c.stats.Set(stat.BuffersInUse, uint64(c.net.Buffers.InUse()))
	c.stats.Set(stat.PipesInUse, uint64(c.net.Pipes.InUse()))
	c.stats.Set(stat.LogLinesDropped, c.lines.Dropped())
	return c.stats
}

// Addresses are the configured addresses, for the line that says where the proxy listens.
func (e *Engine) Addresses() []string {
	var all []string
	for _, l := range e.snapshot.config.Listeners {
		for _, bind := range l.Bind {
			all = append(all, bind.V.String())
		}
	}
	return all
}

// Totals is what the engine has done, for its last line: connections by the reason of their end, and bytes. It is
// complete once Wait has returned.
func (e *Engine) Totals() []any {
	<-e.over
	var blocks []stat.Block
	reasons := stat.NewVector(record.ReasonCount)
	for _, c := range e.cores {
		blocks = append(blocks, c.copy())
		reasons = stat.SumVectors(reasons, c.reasons)
		for _, s := range c.services {
			reasons = stat.SumVectors(reasons, s.Reasons())
		}
	}
	sum := stat.Sum(blocks...)
	totals := []any{
		"accepted", sum.Get(stat.Accepted), "bytes_up", sum.Get(stat.BytesUp), "bytes_down", sum.Get(stat.BytesDown),
	}
	if dropped := sum.Get(stat.LogLinesDropped); dropped > 0 {
		totals = append(totals, "log_lines_dropped", dropped)
	}
	for reason := range record.Reasons() {
		if n := reasons.Get(int(reason)); n > 0 {
			totals = append(totals, reason.String(), n)
		}
	}
	return totals
}

// Reopen opens the access log again, after its file was rotated away.
func (e *Engine) Reopen() error { return e.access.Reopen() }
