package engine

// Stewards: one for each upstream, beside the loops.

import (
	"context"
	"sync"
	"time"

	"sluice/engine/lease"
	"sluice/engine/steward"
)

// discoverTimeout is how long a configuration waits for servers that have to be discovered.
const discoverTimeout = 5 * time.Second

// hireStewards makes the stewards of upstreams that have none; they do nothing yet.
func (e *Engine) hireStewards(g *generation) {
	for _, b := range g.upstreams {
		if b.steward != nil {
			continue
		}
		options := steward.Options{
			Hooks: e, Log: e.events.Logger(e.log), Resolvers: b.resolvers, Secure: g.vault.checksOf(b.config.Name),
		}
		if g.before != nil {
			if old := g.before.upstream(b.config.Name); old != nil {
				options.Before = old.steward
			}
		}
		b.steward = steward.New(b.config, b.Upstream, b.known, options)
	}
}

// discoverServers has new stewards find their servers, and waits until all have, or have waited long enough.
func (g *generation) discoverServers(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, discoverTimeout)
	defer cancel()
	var all sync.WaitGroup
	for _, s := range g.newStewards() {
		all.Go(func() { s.Discover(ctx) })
	}
	all.Wait()
}

// handStewards ends the stewards that are not needed any more, and has the new ones begin where they stood.
func (g *generation) handStewards() {
	var all sync.WaitGroup
	for _, s := range g.newStewards() {
		all.Go(func() { s.Start(context.Background()) }) // nothing is left to be waited for
	}
	if g.before != nil {
		for _, b := range g.before.upstreams {
			if g.upstream(b.config.Name) == nil {
				all.Go(b.steward.Close)
			}
		}
	}
	all.Wait()
}

// closeStewards ends all of them.
func (g *generation) closeStewards() {
	for _, b := range g.upstreams {
		b.steward.Close()
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
