package observe

// The writer is the only goroutine of the access log and the only one that may wait for
// the sink. After a failed write the sink counts as broken: batches are dropped, and
// once a second one is tried again. That costs at most one system call a second, for a
// disk that is full as for a pipe whose reader will never come back.

import (
	"bytes"
	"log/slog"
	"os"
	"time"
)

const (
	// retryAfter is how long a broken sink is left alone.
	retryAfter = time.Second
	// slowReportEvery keeps a sink that is slow all day from filling the other log.
	slowReportEvery = time.Minute
)

// writer feeds one sink. All fields belong to its goroutine.
type writer struct {
	log    *AccessLog
	sink   *os.File
	logger *slog.Logger
	retry  time.Duration // retryAfter, but for tests

	broken   bool
	torn     bool // the sink's last byte is not the end of a line
	retryAt  time.Time
	reported uint64 // lines dropped that the logger knows of
	slowAt   time.Time
}

// run writes until the log is closed, then writes the rest.
func (w *writer) run() {
	defer close(w.log.done)
	defer func() { w.sink.Close() }() // the sink of then, not of now
	for {
		select {
		case <-w.log.wake:
			w.round()
		case <-w.log.quit:
			w.round()
			for _, l := range w.log.all() {
				w.write(l, l.current)
			}
			w.slowAt = time.Time{} // the last count is told in any case
			w.reportSlow()
			return
		}
	}
}

// round takes one batch of every loop, so that a busy loop does not starve another.
func (w *writer) round() {
	w.adopt()
	for _, l := range w.log.all() {
		// The slot is emptied and the batch given back only after the write: until
		// then the loop finds no free batch and leaves the writer alone.
		if b := l.full.Swap(nil); b != nil {
			w.write(l, b)
			b.reset()
			l.free.Store(b)
		}
	}
	w.reportSlow()
}

// adopt takes over a file that Reopen has opened. A new file deserves a new chance.
func (w *writer) adopt() {
	file := w.log.next.Swap(nil)
	if file == nil {
		return
	}
	w.sink.Close()
	w.sink = file
	w.torn = false
	w.retryAt = time.Time{}
}

// write puts one batch of l into the sink, or drops it and counts its lines.
func (w *writer) write(l *Lines, b *batch) {
	if b.lines == 0 {
		return
	}
	if w.broken && time.Now().Before(w.retryAt) {
		l.dropped.Add(b.lines)
		return
	}
	n, err := w.put(b.bytes)
	if err != nil {
		l.dropped.Add(b.lines - uint64(bytes.Count(b.bytes[:n], newline)))
		w.fail(err)
		return
	}
	if w.broken {
		w.broken = false
		w.reported = w.dropped()
		w.logger.Info("access log works again", "lines_dropped", w.reported)
	}
}

var newline = []byte{'\n'}

// put writes p after ending a line that an earlier failure left torn, so that one
// failure spoils one line only. It returns how much of p was written.
func (w *writer) put(p []byte) (int, error) {
	if w.torn {
		if _, err := w.sink.Write(newline); err != nil {
			return 0, err
		}
		w.torn = false
	}
	n, err := w.sink.Write(p)
	if n > 0 {
		w.torn = p[n-1] != '\n'
	}
	return n, err
}

// fail marks the sink as broken; only the first failure in a row is told.
func (w *writer) fail(err error) {
	w.retryAt = time.Now().Add(w.retry)
	if w.broken {
		return
	}
	w.broken = true
	w.logger.Error("access log cannot be written, its lines are dropped until it can", "err", err)
}

// reportSlow tells of lines that the loops had to drop because the sink did not fail
// but took too long.
func (w *writer) reportSlow() {
	dropped := w.dropped()
	if w.broken || dropped == w.reported || time.Since(w.slowAt) < slowReportEvery {
		return
	}
	w.slowAt = time.Now()
	w.logger.Warn("access log is too slow, lines were dropped", "lines_dropped", dropped)
	w.reported = dropped
}

// dropped returns the lines lost so far on all loops.
func (w *writer) dropped() uint64 {
	var n uint64
	for _, l := range w.log.all() {
		n += l.Dropped()
	}
	return n
}
