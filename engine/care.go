package engine

// Stewards: one for each upstream, beside the loops.

import (
	"context"
	"sync"
	"time"

	"sluice/configs"
	"sluice/engine/lease"
	"sluice/engine/steward"
)

// discoverTimeout is how long the start waits for servers that have to be discovered.
const discoverTimeout = 5 * time.Second

// hireStewards makes the stewards of the snapshot's upstreams; nothing runs yet.
func (e *Engine) hireStewards(cfg *configs.Config) {
	for _, b := range e.snapshot.upstreams {
		e.stewards = append(e.stewards, steward.New(b.config, b.Upstream, b.known, steward.Options{
			Hooks: e, Log: e.events.logger(e.log), Resolvers: cfg.Runtime.Resolvers, Secure: e.vault.checksOf(b.Name),
		}))
	}
}

// startStewards waits until all of them know their servers, or have waited long enough.
func (e *Engine) startStewards() {
	ctx, cancel := context.WithTimeout(context.Background(), discoverTimeout)
	defer cancel()
	var all sync.WaitGroup
	for _, s := range e.stewards {
		all.Go(func() { s.Start(ctx) })
	}
	all.Wait()
}

// closeStewards ends them.
func (e *Engine) closeStewards() {
	for _, s := range e.stewards {
		s.Close()
	}
}

// Gone implements steward.Hooks: idle connections to b are closed on every loop.
func (e *Engine) Gone(b *lease.Backend) {
	for _, c := range e.cores {
		c.loop.Post(func() { c.dialer.Evict(b) })
	}
}

// Dead implements steward.Hooks: who waits for b is told so, on every loop.
func (e *Engine) Dead(b *lease.Backend) {
	used := b.InUse() > 0 // nobody begins with it any more
	for _, c := range e.cores {
		c.loop.Post(func() {
			c.dialer.Evict(b)
			if used {
				c.dialer.Forsake(b)
				c.origins.Abandon(b)
			}
		})
	}
}
