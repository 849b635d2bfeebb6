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
	"sluice/engine/events"
	"sluice/engine/machine"
	"sluice/engine/observe"
	"sluice/engine/record"
	"sluice/engine/sock"
	"sluice/engine/stat"
	"sluice/pool"
)

// Engine is a proxy: made by New, running from Start to Drain or Stop. Its methods may be called from any goroutine.
type Engine struct {
	// Version is the program's, for those who look; to be set before Start, as the next two.
	Version string
	// Load reads the configuration again, for a reload; nil if there is nothing that could be read.
	Load func(context.Context) (*configs.Config, error)
	// Level is that of the log, which log.level of a new configuration sets; nil if nobody minds.
	Level *slog.LevelVar

	log      *slog.Logger
	events   *events.Events
	pipes    *pool.PipeBudget
	pipeSize int         // bytes
	unease   func()      // takes back what was asked of the collector
	shakes   *handshakes // nil until something speaks TLS; changed by whoever holds turn, before the loops hear of it
	loopsMax int         // for the life of the process
	cores    []*core
	auto     *sock.Gate     // of all listeners with max_connections: auto
	control  *observe.Admin // nil unless Attend was called
	started  time.Time
	stage    atomic.Value // a string, as observe.View names it

	now     atomic.Pointer[generation] // at work
	turn    sync.RWMutex               // held by whoever changes now or the stage, or looks at what changes with it
	reloads reloads
	parting sync.WaitGroup  // what a reload has replaced, and closes by the way
	life    context.Context // ends when no reload makes sense any more
	endLife context.CancelFunc

	loops  sync.WaitGroup
	ending sync.Once
	begun  atomic.Bool // Start was called
	failed error       // of a loop
	mu     sync.Mutex  // guards failed
	over   chan struct{}
}

// New compiles cfg, opens its listening sockets and the access log, and builds the loops. Nothing is accepted before
// Start. An error in the configuration or the machine's answer to it is configs.Issues.
func New(cfg *configs.Config, log *slog.Logger) (*Engine, error) {
	e := &Engine{log: log, over: make(chan struct{}), started: time.Now(), loopsMax: machine.Loops(cfg), auto: sock.NewGate(0)}
	e.life, e.endLife = context.WithCancel(context.Background())
	e.stage.Store(observe.ProxyStarting)
	e.events = events.New(log)
	g, issues := e.prepare(e.life, cfg, nil)
	if len(issues) > 0 {
		e.events.Close()
		return nil, issues
	}
	g.since = e.started
	e.now.Store(g)
	e.pipeSize, e.pipes = machine.Pipes(cfg)
	e.employ(cfg)
	for i := range e.loopsMax {
		c, err := newCore(i, e, machine.AmpleBuffers(cfg))
		if err != nil {
			e.discard()
			return nil, fmt.Errorf("cannot make an event loop: %w; %s", err, descriptorHint)
		}
		e.cores = append(e.cores, c)
	}
	g.equip(e.cores)
	g.openGates(e.auto)
	return e, nil
}

// discard takes back what New has opened.
func (e *Engine) discard() {
	for _, c := range e.cores {
		c.loop.Stop()
		_ = c.loop.Run() // closes its poller
	}
	e.now.Load().discard()
	e.shakes.close()
	if e.control != nil {
		e.control.Close()
	}
	e.events.Close()
}

// Start runs the loops and begins to accept; when it returns nil, every listener does.
func (e *Engine) Start() error {
	g := e.now.Load()
	e.begun.Store(true)
	machine.BoundMemory(g.config)
	e.unease = machine.EaseCollector(g.config)
	machine.MakeRoom(len(e.cores), e.shakes.places())
	g.discoverServers(e.life)
	g.handStewards()
	for _, c := range e.cores {
		e.loops.Add(1)
		go e.run(c)
	}
	go func() {
		e.loops.Wait()
		e.close()
		close(e.over)
	}()
	if err := e.enter(g); err != nil {
		e.Stop()
		return err
	}
	e.stage.CompareAndSwap(observe.ProxyStarting, observe.ProxyRunning)
	if g.admin != nil {
		g.admin.Serve()
	}
	if e.control != nil {
		e.control.Serve()
	}
	return nil
}

// close closes what is beside the loops, when these have ended.
func (e *Engine) close() {
	e.endLife()
	e.reloads.shut()
	e.shakes.close()
	e.unease()
	g := e.now.Load()
	e.closeAdmins()
	g.closeStewards()
	g.vault.close(nil)
	e.events.Close()
	g.access.Close()
	g.addresses.unlink(nil)
	e.parting.Wait()
}

func (e *Engine) run(c *core) {
	defer e.loops.Done()
	defer close(c.gone)
	if err := c.loop.Run(); err != nil {
		e.mu.Lock()
		e.failed = errors.Join(e.failed, err)
		e.mu.Unlock()
		// Its sockets would go on to collect connections that nobody takes: better no proxy than half of one.
		e.events.Say(func(log *slog.Logger) {
			log.Error("an event loop failed; stopping", "loop", c.loop.Index(), "error", err)
		})
		go e.Stop()
	}
}

// failure is what has ended a loop before its time.
func (e *Engine) failure() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.failed
}

// drainFrom stops everything that is not for those who are here already: after it, there is no other generation.
func (e *Engine) drainFrom() *generation {
	e.endLife() // a reload that waits for something need not wait longer
	e.turn.Lock()
	defer e.turn.Unlock()
	e.stage.Store(observe.ProxyDraining)
	return e.now.Load()
}

// EndReloads refuses all reloads from now on. Drain and Stop do so too, but not at once.
func (e *Engine) EndReloads() { e.endLife() }

// Drain stops accepting, waits until every connection is over or ctx is done, and ends the engine. It reports how many
// connections had to be cut.
func (e *Engine) Drain(ctx context.Context) (cut int) {
	g := e.drainFrom()
	e.onLoops((*core).closeListeners)
	g.addresses.unlink(nil) // at once: a successor may bind there while this one drains
	// Only now, because a listener that closes may have handed its last connections to other loops.
	empty := make(chan struct{}, 1)
	var services sync.WaitGroup
	for _, c := range e.cores {
		services.Add(1)
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
	done := make([]chan struct{}, len(e.cores))
	for i, c := range e.cores {
		done[i] = make(chan struct{})
		c.loop.Post(func() {
			defer close(done[i])
			fn(c)
		})
	}
	for i, c := range e.cores {
		if !e.begun.Load() {
			return
		}
		select {
		case <-done[i]:
		case <-c.gone:
		}
	}
}

// Stop ends every connection and the engine at once.
func (e *Engine) Stop() { e.end(record.Stopped, departTime) }

func (e *Engine) end(why record.Reason, patience time.Duration) {
	e.ending.Do(func() {
		e.drainFrom()
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
	return e.failure()
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
	c.stats.Set(stat.LogLinesDropped, c.lost+c.lines.Dropped())
	return c.stats
}

// Config is the configuration that is in force.
func (e *Engine) Config() *configs.Config { return e.now.Load().config }

// Addresses are the configured addresses, for the line that says where the proxy listens.
func (e *Engine) Addresses() []string {
	var all []string
	for _, l := range e.Config().Listeners {
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
		reasons = stat.SumVectors(reasons, c.reasons, c.ended())
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
func (e *Engine) Reopen() error {
	e.turn.RLock()
	defer e.turn.RUnlock()
	return e.now.Load().access.Reopen()
}
