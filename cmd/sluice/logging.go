package main

import (
	"log/slog"
	"os"
	"time"
)

const (
	// linesWaiting is how many of operators' lines may wait for stderr.
	linesWaiting = 256
	// lastLines is how long the process waits for stderr to take the last of them.
	lastLines = time.Second
)

// lineWriter writes to stderr without ever waiting for it: a terminal that was stopped or a pipe that nobody reads must
// not keep the proxy from hearing signals. What does not fit is dropped.
type lineWriter struct {
	lines chan []byte
	done  chan struct{}
}

func newLineWriter() *lineWriter {
	w := &lineWriter{lines: make(chan []byte, linesWaiting), done: make(chan struct{})}
	go func() {
		defer close(w.done)
		for line := range w.lines {
			_, _ = os.Stderr.Write(line)
		}
	}()
	return w
}

// Write implements io.Writer. The handler above reuses p.
func (w *lineWriter) Write(p []byte) (int, error) {
	select {
	case w.lines <- append([]byte(nil), p...):
	default:
	}
	return len(p), nil
}

// Close writes what waits, as far as stderr takes it in time. Nothing may be written afterwards.
func (w *lineWriter) Close() {
	close(w.lines)
	select {
	case <-w.done:
	case <-time.After(lastLines):
	}
}

// logger writes operators' lines of the level and above to w; stdout belongs to the access log.
func logger(level slog.Leveler, w *lineWriter) *slog.Logger {
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: level}))
}
