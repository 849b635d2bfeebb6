// Package assert holds the few helpers every test of the house shares.
//
//	assert.Equal(t, got, want)
//	assert.NoError(t, err)
//	assert.Panics(t, "released twice", func() { b.Release() })
//	assert.Allocs(t, 0, func() { relay(chunk) })
//	assert.Eventually(t, func() bool { return accepted.Load() == 2 })
//	assert.Moves(t, "door", [][]state{shut: {open}, open: {shut}}, doorAt)
//
// Each stops its test at the first failure, so that a test reads as a straight line. It is for
// tests only: production code states what must hold with a plain panic.
package assert

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
)

const (
	// eventuallyWithin is generous because it is only ever spent by a test that fails.
	eventuallyWithin = 30 * time.Second
	// eventuallyEvery is short beside any network round trip a test waits for.
	eventuallyEvery = 2 * time.Millisecond
	// allocRuns averages out the odd allocation of the runtime itself.
	allocRuns = 200
)

// Equal fails the test unless got and want are deeply equal. Texts of several lines are reported
// by their first differing line.
func Equal[T any](t testing.TB, got, want T) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Fatal(difference(got, want))
	}
}

// NoError fails the test if err is not nil.
func NoError(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("unexpected error: %v", err)
	}
}

// Panics fails the test unless f panics with a value whose text contains want: a panic that does
// not say what was misused is half a panic.
func Panics(t testing.TB, want string, f func()) {
	t.Helper()
	value, panicked := catch(f)
	switch {
	case !panicked:
		t.Fatalf("no panic, want one that says %q", want)
	case !strings.Contains(fmt.Sprint(value), want):
		t.Fatalf("panic says %q, want %q in it", fmt.Sprint(value), want)
	}
}

// Allocs fails the test if one call of f allocates more than want times on average. The race
// detector allocates on its own account, so under it f runs once, for its races, and the count
// is left to the run without it: make test runs every test with Alloc in its name a second
// time. internal/tidy checks that a test which counts allocations is named so.
func Allocs(t testing.TB, want float64, f func()) {
	t.Helper()
	if RaceEnabled {
		f()
		t.Log("allocations not counted: the race detector allocates too; make test counts them in its second pass")
		return
	}
	if got := testing.AllocsPerRun(allocRuns, f); got > want {
		t.Fatalf("%v allocations in a call, want at most %v", got, want)
	}
}

// Eventually fails the test unless cond becomes true within half a minute. It calls cond on the
// test's own goroutine: what cond reads must be safe to read from there.
func Eventually(t testing.TB, cond func() bool) {
	t.Helper()
	if !poll(eventuallyWithin, cond) {
		t.Fatalf("condition still false after %v", eventuallyWithin)
	}
}

// poll asks cond until it says true or the time is over.
func poll(within time.Duration, cond func() bool) bool {
	ticker := time.NewTicker(eventuallyEvery)
	defer ticker.Stop()
	for deadline := time.Now().Add(within); !cond(); <-ticker.C {
		if time.Now().After(deadline) {
			return false
		}
	}
	return true
}

// catch runs f and returns what it panicked with.
func catch(f func()) (value any, panicked bool) {
	panicked = true // also for a panic(nil) of old and for runtime.Goexit
	defer func() { value = recover() }()
	f()
	return nil, false
}
