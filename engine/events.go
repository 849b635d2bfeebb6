package engine

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"
)

// events carries lines for operators from the loops to the log. A loop never waits for a log that does not take
// lines: beyond a few that are on their way, more are dropped; each kind is rare, and counted elsewhere too.
type events struct {
	queue chan func(*slog.Logger)
	done  chan struct{}
	lost  atomic.Uint64 // lines dropped since the last that was taken
}

const (
	eventsWaiting = 1024
	eventsClose   = time.Second
)

func newEvents(log *slog.Logger) *events {
	e := &events{queue: make(chan func(*slog.Logger), eventsWaiting), done: make(chan struct{})}
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

// say hands over one line. It may be called from a loop.
func (e *events) say(line func(*slog.Logger)) {
	select {
	case e.queue <- line:
	default:
		e.lost.Add(1)
	}
}

// logger returns a logger like log whose lines are handed over as by say, for those who must not wait either.
func (e *events) logger(log *slog.Logger) *slog.Logger { return slog.New(patient{e, log.Handler()}) }

// patient is a slog.Handler that leaves the work to the events' goroutine.
type patient struct {
	events *events
	slog.Handler
}

// Handle implements slog.Handler.
func (p patient) Handle(_ context.Context, r slog.Record) error {
	p.events.say(func(*slog.Logger) { _ = p.Handler.Handle(context.Background(), r) })
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

// close writes what is waiting, as far as the log takes it within a second. No loop may run any more.
func (e *events) close() {
	close(e.queue)
	select {
	case <-e.done:
	case <-time.After(eventsClose):
	}
}
