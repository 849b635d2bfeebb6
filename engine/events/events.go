// Package events carries lines for operators from the loops to the log.
package events

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"
)

// Events carries lines for operators from the loops to the log. A loop never waits for a log that does not take
// lines: beyond a few that are on their way, more are dropped; each kind is rare, and counted elsewhere too.
type Events struct {
	queue chan func(*slog.Logger)
	done  chan struct{}
	lost  atomic.Uint64 // lines dropped since the last that was taken
}

const (
	eventsWaiting = 1024
	eventsClose   = time.Second
)

// New returns Events whose lines go to log. The owner closes them.
func New(log *slog.Logger) *Events {
	e := &Events{queue: make(chan func(*slog.Logger), eventsWaiting), done: make(chan struct{})}
	go func() {
		defer close(e.done)
		for say := range e.queue {
			say(log)
			if n := e.lost.Swap(0); n > 0 {
				log.Warn("lines for operators were dropped: too many at once for the log", "lines", n)
			}
		}
	}()
	return e
}

// Say hands over one line. It may be called from a loop.
func (e *Events) Say(line func(*slog.Logger)) {
	select {
	case e.queue <- line:
	default:
		e.lost.Add(1)
	}
}

// Logger returns a logger like log whose lines are handed over as by Say, for those who must not wait either.
func (e *Events) Logger(log *slog.Logger) *slog.Logger { return slog.New(patient{e, log.Handler()}) }

// patient is a slog.Handler that leaves the work to the events' goroutine.
type patient struct {
	events *Events
	slog.Handler
}

// Handle implements slog.Handler.
func (p patient) Handle(_ context.Context, r slog.Record) error {
	p.events.Say(func(*slog.Logger) { _ = p.Handler.Handle(context.Background(), r) })
	return nil
}

// WithAttrs implements slog.Handler.
func (p patient) WithAttrs(attrs []slog.Attr) slog.Handler {
	return patient{p.events, p.Handler.WithAttrs(attrs)}
}

// WithGroup implements slog.Handler.
func (p patient) WithGroup(name string) slog.Handler {
	return patient{p.events, p.Handler.WithGroup(name)}
}

// Close writes what is waiting, as far as the log takes it within a second. No loop may run any more.
func (e *Events) Close() {
	close(e.queue)
	select {
	case <-e.done:
	case <-time.After(eventsClose):
	}
}
