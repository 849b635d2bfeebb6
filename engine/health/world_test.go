package health

import (
	"context"
	"errors"
	"net"
	"os"
	"slices"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"sluice/configs"
)

// world is servers that exist in memory, on the bubble's clock.
type world struct {
	mu      sync.Mutex
	mood    map[string]mood // by address; a server without one is well
	starts  map[string][]time.Time
	current int
	most    int // checks under way at once
	events  []timedEvent
	trouble []error
}

type timedEvent struct {
	Event
	at time.Time
}

// mood is what a server does with a check that begins now.
type mood uint8

const (
	well mood = iota
	refuses
	hangs
	noDescriptor // ours, not the server's
)

func newWorld() *world { return &world{mood: map[string]mood{}, starts: map[string][]time.Time{}} }

func (w *world) set(address string, m mood) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.mood[address] = m
}

func (w *world) probe(ctx context.Context, t Target) finding {
	began := time.Now()
	w.mu.Lock()
	mood := w.mood[t.Address]
	w.starts[t.Address] = append(w.starts[t.Address], began)
	w.current++
	w.most = max(w.most, w.current)
	w.mu.Unlock()
	defer func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.current--
	}()
	switch mood {
	case refuses:
		return finding{Err: errors.New("connection refused")}
	case hangs:
		<-ctx.Done()
		return finding{Err: errors.New("no answer"), Took: time.Since(began)}
	case noDescriptor:
		return finding{Err: &fault{"too many open files", &net.OpError{Op: "dial", Err: os.NewSyscallError("socket", syscall.EMFILE)}}}
	}
	return finding{Detail: "connected"}
}

func (w *world) options() Options {
	return Options{
		Report: func(e Event) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.events = append(w.events, timedEvent{e, time.Now()})
		},
		Trouble: func(err error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.trouble = append(w.trouble, err)
		},
	}
}

func (w *world) monitor(check *configs.Check) *Monitor {
	return newMonitor(check, w.options(), w.probe, &gate{free: checksMax})
}

// awaitEvent returns the n-th event, from 0; the bubble's clock runs as long as it takes, up to a minute.
func (w *world) awaitEvent(t *testing.T, n int) timedEvent {
	t.Helper()
	for limit := time.Now().Add(time.Minute); time.Now().Before(limit); time.Sleep(10 * time.Millisecond) {
		synctest.Wait()
		if event, there := w.event(n); there {
			return event
		}
	}
	t.Fatalf("event %d does not come", n)
	return timedEvent{}
}

// checks returns when the checks of a server began.
func (w *world) checks(address string) []time.Time {
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.starts[address])
}

// load returns how many checks are under way, and how many were at most.
func (w *world) load() (current, most int) {
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.current, w.most
}

// troubles returns what was told of faults of our own.
func (w *world) troubles() []error {
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.trouble)
}

func (w *world) event(n int) (timedEvent, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if n >= len(w.events) {
		return timedEvent{}, false
	}
	return w.events[n], true
}

func (w *world) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.events)
}

func defaults() *configs.Check {
	return &configs.Check{Every: 5 * time.Second, Fast: time.Second, Timeout: 2 * time.Second, Fall: 3, Rise: 2}
}

func tcp(address string) Target { return Target{Name: address, Network: "tcp", Address: address} }
