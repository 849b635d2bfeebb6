package events

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"sluice/internal/assert"
)

// slowLog is a slog.Handler that takes lines while open is closed, and keeps them.
type slowLog struct {
	*slowLines
	prefix string
}

type slowLines struct {
	mu    sync.Mutex
	lines []string
	open  chan struct{}
	taken chan struct{} // a line has come, before open is looked at
}

func newSlowLog() slowLog {
	return slowLog{slowLines: &slowLines{open: make(chan struct{}), taken: make(chan struct{}, 1)}}
}

func (l slowLog) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelInfo }

func (l slowLog) Handle(_ context.Context, r slog.Record) error {
	select {
	case l.taken <- struct{}{}:
	default:
	}
	<-l.open
	line := l.prefix + r.Message
	r.Attrs(func(a slog.Attr) bool { line += " " + a.String(); return true })
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, line)
	return nil
}

func (l slowLog) WithAttrs(attrs []slog.Attr) slog.Handler {
	l.prefix += fmt.Sprint(attrs)
	return l
}

func (l slowLog) WithGroup(name string) slog.Handler {
	l.prefix += name + "."
	return l
}

// Lines come out as they went in: in order, none lost, with all that belongs to them.
func TestEventsComeInOrder(t *testing.T) {
	t.Parallel()
	to := newSlowLog()
	close(to.open)
	e := New(slog.New(to))
	log := e.Logger(slog.New(to)).With("upstream", "app").WithGroup("g")
	var want []string
	for i := range eventsWaiting / 2 {
		log.Info("line", "i", i)
		log.Debug("not enabled")
		e.Say(func(log *slog.Logger) { log.Warn("said", "i", i) })
		want = append(want, fmt.Sprintf("[upstream=app]g.line i=%d", i), fmt.Sprintf("said i=%d", i))
	}
	e.Close()
	assert.Equal(t, strings.Join(to.lines, "\n"), strings.Join(want, "\n"))
}

func numbers(n int) (list []string) {
	for i := range n {
		list = append(list, fmt.Sprint(i))
	}
	return list
}

// A log that takes nothing keeps nobody waiting. What was said first is kept, and the rest dropped; and when the log is back,
// so are the lines.
func TestABlockedLogBlocksNobody(t *testing.T) {
	t.Parallel()
	to := newSlowLog()
	e := New(slog.New(to))
	log := e.Logger(slog.New(to))
	log.Info("0")
	<-to.taken // it is stuck with this one
	for i := 1; i < 2*eventsWaiting; i++ {
		log.Info(fmt.Sprint(i))
	}
	close(to.open)
	e.Close()
	assert.Equal(t, len(to.lines), eventsWaiting+2)
	assert.Equal(t, slices.DeleteFunc(to.lines, func(line string) bool { return strings.Contains(line, "were dropped") }), numbers(eventsWaiting+1))
}

// The end of the proxy does not wait for such a log for ever.
func TestABlockedLogAtTheEnd(t *testing.T) {
	t.Parallel()
	to := newSlowLog()
	e := New(slog.New(to))
	e.Logger(slog.New(to)).Info("stuck")
	began := time.Now()
	e.Close()
	if took := time.Since(began); took < eventsClose || took > 10*eventsClose {
		t.Errorf("it took %v", took)
	}
	close(to.open)
	<-e.done
}
