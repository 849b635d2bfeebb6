package discover

// The life of a watcher: look, tell, sleep, again.
//
//	look ──► answered? ──► changed? ──► Update
//	  ▲          └► failed? ──► Trouble, once a series
//	  └── sleep: as long as the answer is good, or 1 s, 2 s, 4 s ... 30 s after failures
//
// Every sleep is spread by a tenth, so that the watchers of a hundred proxies do not ask in step.

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"

	"sluice/engine/watch"
)

// A source can be looked up. Its methods are called by one goroutine.
type source interface {
	// look says what there is now. When ctx is done it returns soon, and what it returns then is not used if it was cancelled.
	look(ctx context.Context) result
	// wait returns after d, when something may have changed, or when ctx is done.
	wait(ctx context.Context, d time.Duration)
	// close frees what the source holds.
	close()
}

// A result is what one look has brought.
type result struct {
	found    []Found
	answered bool          // found is to be used, even if it is empty
	good     time.Duration // how long until the next look is due; 0 = not said
	err      error         // why found is missing or incomplete
	news     bool          // err is worth telling even if the last look failed, too
}

// A Watcher follows one Spec until Close.
type Watcher struct {
	spec    Spec
	options Options
	source  source

	cancel context.CancelFunc
	done   chan struct{}         // closed when the goroutine has ended
	first  chan struct{}         // closed when Update has heard the first answer
	cause  atomic.Pointer[error] // why the last look was not a whole success; nil if it was

	// Of the goroutine alone.
	list     []Found
	answered bool
	failures int // looks in a row that were not a whole success
}

// New begins to follow spec, which is taken as valid; an unknown Kind panics. The functions of options are called by the
// watcher's own goroutine, one at a time, possibly before New returns and never after Close has. They must not call Close.
func New(spec Spec, options Options) *Watcher {
	options = options.withDefaults()
	return follow(spec, options, newSource(spec, options))
}

// newSource makes what spec asks for.
func newSource(spec Spec, options Options) source {
	switch spec.Kind {
	case "dns":
		return &dnsSource{book: newBook(options), name: spec.Name, port: spec.Port}
	case "srv":
		return &srvSource{book: newBook(options), name: spec.Name}
	case "file":
		return &fileSource{book: newBook(options), text: watch.File{Path: spec.Path, Max: fileMax}, news: watch.NewNotifier(spec.Path), refuses: options.Refuses}
	}
	panic("discover: unknown kind " + spec.Kind)
}

// follow starts the goroutine.
func follow(spec Spec, options Options, s source) *Watcher {
	ctx, cancel := context.WithCancel(context.Background())
	w := &Watcher{
		spec:    spec,
		options: options,
		source:  s,
		cancel:  cancel,
		done:    make(chan struct{}),
		first:   make(chan struct{}),
	}
	go w.run(ctx)
	return w
}

// First waits until Update has heard the first answer, so that a proxy does not open its listeners without servers. If ctx ends
// before, the error says what is in the way; the watcher goes on trying.
func (w *Watcher) First(ctx context.Context) error {
	select {
	case <-w.first:
		return nil
	case <-w.done:
		return fmt.Errorf("%s is not resolved: its watcher is closed", w.spec)
	case <-ctx.Done():
	}
	if cause := w.cause.Load(); cause != nil {
		return fmt.Errorf("%s is not resolved yet: %w", w.spec, *cause)
	}
	return fmt.Errorf("%s is not resolved yet: %w", w.spec, context.Cause(ctx))
}

// Close ends the watcher and waits until it has ended; what it was asking is abandoned. It may be called twice.
func (w *Watcher) Close() {
	w.cancel()
	<-w.done
}

// run is the goroutine.
func (w *Watcher) run(ctx context.Context) {
	defer close(w.done)
	defer w.source.close()
	for {
		r := w.look(ctx)
		if ctx.Err() != nil {
			return // a look that was cut short is neither an answer nor a failure
		}
		w.hear(r)
		w.source.wait(ctx, w.due(r))
		if ctx.Err() != nil {
			return
		}
	}
}

// look asks the source, with a bound, and brings its list into form.
func (w *Watcher) look(ctx context.Context) result {
	ctx, cancel := context.WithTimeout(ctx, roundTimeout)
	defer cancel()
	r := w.source.look(ctx)
	var dropped int
	if r.found, dropped = tidy(r.found); dropped > 0 && r.err == nil {
		r.err = fmt.Errorf("%d servers are more than %d: the last %d in the order of addresses are left out", listMax+dropped, listMax, dropped)
	}
	return r
}

// hear tells the owner what is new.
func (w *Watcher) hear(r result) {
	troubled := w.failures > 0
	if r.err != nil {
		w.failures++
		w.cause.Store(&r.err)
	} else {
		w.failures = 0
		w.cause.Store(nil)
	}
	if r.answered && !(w.answered && slices.Equal(r.found, w.list)) {
		w.list = slices.Clone(r.found)
		w.options.Update(r.found)
	}
	if r.answered && !w.answered {
		w.answered = true
		close(w.first)
	}
	switch {
	case r.err != nil && (!troubled || r.news):
		w.options.Trouble(r.err)
	case r.err == nil && troubled:
		w.options.Recovered()
	}
}

// due is how long to sleep after r.
func (w *Watcher) due(r result) time.Duration {
	good := r.good
	if r.err != nil {
		again := backoff(w.failures)
		if good == 0 || again < good {
			good = again
		}
	}
	return spread(good)
}

// backoff is the time between the nth failure in a row, from 1, and the next attempt.
func backoff(n int) time.Duration {
	const doublings = 5 // 32 s, which is above backoffMax
	return min(backoffMin<<min(n-1, doublings), backoffMax)
}

// spread returns d, up to a tenth more or less.
func spread(d time.Duration) time.Duration {
	tenth := d / 10
	return d - tenth + rand.N(2*tenth+1)
}

// clampTTL is how long an answer with that TTL is believed.
func clampTTL(ttl time.Duration) time.Duration { return min(max(ttl, freshMin), freshMax) }

// sleep is the wait of sources that nobody wakes.
func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
