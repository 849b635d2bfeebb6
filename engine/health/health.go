// Package health asks servers whether they serve. A Monitor belongs to one upstream: it is given the servers to watch, asks each of
// them again and again, and reports when one goes down or comes up again:
//
//	monitor := health.New(upstream.Check, health.Options{Report: func(e health.Event) { … }})
//	monitor.Watch(targets)   // again whenever the set of servers changes
//	monitor.Hurry(id)        // traffic has seen an error: do not wait for the next turn
//	monitor.Close()
//
// The room stands beside the loops and not on them: checks may wait, so they have goroutines and real time. One goroutine per monitor
// keeps the schedule, whatever the number of servers; a check has one of its own until it has its answer or its timeout. A server has
// at most one check under way, and the process at most checksMax: servers that hang cannot pile anything up.
//
// What a check found out becomes a verdict in state.go: fall failures in a row bring a server down, rise successes up again. A server
// that hangs or refuses is reported within every + fall × (fast + timeout), one that is back within rise × every, provided that
// fast and timeout are below every; jitter adds up to a tenth to the intervals.
//
// Faults of our own, such as a shortage of file descriptors, say nothing about a server: such a check is skipped and leaves the state alone.
package health

import (
	"context"
	"crypto/tls"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"sluice/configs"
)

// ID is the identity of a server within its upstream.
type ID struct {
	Network string // "tcp" or "unix"
	Address string // an IP address and a port, or the path of a socket; names are not looked up
}

// Target is a server to watch.
type Target struct {
	Name    string // as the user wrote it, without a scheme: "app.internal:8080"; what follows a blank is ignored
	Network string // as in ID
	Address string // as in ID
	Down    bool   // where a new target starts; one that is watched already keeps its own state
	// Past is what an earlier monitor with the same check knew of a new target, which goes on from there; nil if there was
	// none. It is of no use where it says something else than Down.
	Past *Status
}

// ID returns the identity of t.
func (t Target) ID() ID { return ID{t.Network, t.Address} }

// Event is a server that went down or came up.
type Event struct {
	ID    ID
	Name  string        // the target's
	Up    bool          // where it is now
	Cause string        // what the last check found, for people: "connection refused", "answered 200"; at most causeMax bytes
	After int           // checks in a row that said so
	Took  time.Duration // by the last of them
}

// Status is what a monitor knows about a server.
type Status struct {
	State    string        // "up", "falling", "down" or "rising"
	Up       bool          // it is up or falling: it gets traffic
	Since    time.Time     // when Up became what it is, or when the server was first watched
	Last     time.Time     // end of the last check that was not skipped; zero before the first
	OK       bool          // the last check passed
	Took     time.Duration // by the last check
	Detail   string        // what the last check found, as an Event's Cause
	InARow   int           // the last checks which contradict Up
	Checks   uint64        // all that were not skipped
	Failures uint64        // those that failed
	Skipped  uint64        // those that failed by our own fault and count for nothing
}

// Options is what a Monitor needs beside the check. Its functions are called by the monitor's own goroutine, one after the other; they
// must return soon, because the schedule waits for them, and must not call Close, which would wait for them.
type Options struct {
	ProxyProtocol string      // "v1" or "v2": the header that each connection begins with; anything else is none
	Report        func(Event) // hears of every transition; may be nil
	Trouble       func(error) // hears of faults of our own, the first of a minute; may be nil
	// Secure returns what is needed for TLS with a server that the user calls host, which may change from one check to the next; for
	// checks with TLS. Unlike the rest it is called by any goroutine.
	Secure func(host string) *tls.Config
}

// Monitor watches the servers of one upstream. Its methods may be called from any goroutine. Hurry and Status take no lock, so that
// loops may call them.
type Monitor struct {
	check   *configs.Check
	options Options
	probe   func(context.Context, Target) finding
	gate    *gate
	random  func() float64 // in [0, 1)

	mu      sync.Mutex // guards started, and writers of watched
	started bool
	watched atomic.Pointer[roster] // what Watch said last; a roster never changes
	wake    chan struct{}          // something changed that the schedule should look at
	results chan result
	stop    context.CancelFunc
	stopped context.Context
	running sync.WaitGroup // the schedule and the checks under way

	schedule
}

// roster is the servers to watch.
type roster map[ID]*target

// target is a server under watch. What is not atomic belongs to the schedule.
type target struct {
	id      ID
	spec    atomic.Pointer[Target] // replaced by Watch
	status  atomic.Pointer[Status] // replaced by the schedule; the value never changes
	hurried atomic.Bool            // traffic has seen an error since the last check began

	health health
	began  time.Time // the last check
	due    time.Time // the next one
	place  int       // in the queue, or notQueued while a check is under way
	cancel context.CancelFunc
}

// New returns a monitor that watches nothing yet and takes nothing from the machine before Watch. The check is shared and never changed.
func New(check *configs.Check, options Options) *Monitor {
	return newMonitor(check, options, newProber(check, options).probe, processGate)
}

func newMonitor(check *configs.Check, options Options, probe func(context.Context, Target) finding, g *gate) *Monitor {
	m := &Monitor{check: check, options: options, probe: probe, gate: g, random: rand.Float64,
		wake: make(chan struct{}, 1), results: make(chan result)}
	m.stopped, m.stop = context.WithCancel(context.Background())
	m.seat.wake = m.rouse
	m.watched.Store(&roster{})
	return m
}

// Watch replaces the set of servers. Those that stay keep their state and their place in the schedule; checks of those that left are
// cancelled, and at most an event that is just being reported may still come. New ones are first checked within spreadMax.
// After Close it does nothing.
func (m *Monitor) Watch(targets []Target) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.stopped.Err() != nil {
		return
	}
	old, next := *m.watched.Load(), make(roster, len(targets))
	for _, spec := range targets {
		t := old[spec.ID()]
		if t == nil {
			t = newTarget(spec)
		}
		t.spec.Store(&spec)
		next[t.id] = t
	}
	m.watched.Store(&next)
	if !m.started {
		m.started = true
		m.running.Go(m.run)
	}
	m.rouse()
}

func newTarget(spec Target) *target {
	t := &target{id: spec.ID(), place: notQueued}
	if spec.Down {
		t.health.state = down
	}
	past := spec.Past
	if past == nil || past.Up == spec.Down {
		t.status.Store(&Status{State: t.health.state.String(), Up: t.health.serves(), Since: time.Now()})
		return t
	}
	t.began, t.health.against = past.Last, past.InARow
	if past.InARow > 0 {
		t.health.move([...]state{up: falling, down: rising}[t.health.state])
	}
	t.status.Store(past)
	return t
}

// Hurry asks for a check at once, because traffic has seen an error of the server. It is for servers that are up: one that is down is
// not news. However often it is called, two checks begin at least Check.Fast apart. A server that is not watched is ignored.
func (m *Monitor) Hurry(id ID) {
	t := (*m.watched.Load())[id]
	if t != nil && t.hurried.CompareAndSwap(false, true) {
		m.rouse()
	}
}

// Status returns what is known of a server; false if it is not watched.
func (m *Monitor) Status(id ID) (Status, bool) {
	t := (*m.watched.Load())[id]
	if t == nil {
		return Status{}, false
	}
	return *t.status.Load(), true
}

// Statuses returns what is known of all servers. The map is the caller's.
func (m *Monitor) Statuses() map[ID]Status {
	all := make(map[ID]Status)
	for id, t := range *m.watched.Load() {
		all[id] = *t.status.Load()
	}
	return all
}

// Close cancels all checks and returns when nothing runs any more: no event comes after it.
func (m *Monitor) Close() {
	m.mu.Lock()
	m.stop()
	m.mu.Unlock()
	m.running.Wait()
}

// rouse has the schedule look around. One call is as good as many.
func (m *Monitor) rouse() {
	select {
	case m.wake <- struct{}{}:
	default:
	}
}
