package engine

import (
	"log/slog"
	"time"
)

// events carries lines for operators from the loops to the log. A loop never waits for a log that does not take
// lines: beyond a few that are on their way, more are dropped; each kind is rare, and counted elsewhere too.
type events struct {
	queue chan func(*slog.Logger)
	done  chan struct{}
}

const (
	eventsWaiting = 64
	eventsClose   = time.Second
)

func newEvents(log *slog.Logger) *events {
	e := &events{queue: make(chan func(*slog.Logger), eventsWaiting), done: make(chan struct{})}
	go func() {
		defer close(e.done)
		for say := range e.queue {
			say(log)
		}
	}()
	return e
}

// say hands over one line. It may be called from a loop.
func (e *events) say(line func(*slog.Logger)) {
	select {
	case e.queue <- line:
	default:
	}
}

// close writes what is waiting, as far as the log takes it within a second. No loop may run any more.
func (e *events) close() {
	close(e.queue)
	select {
	case <-e.done:
	case <-time.After(eventsClose):
	}
}
