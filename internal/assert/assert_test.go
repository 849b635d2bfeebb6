package assert

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"
)

// spy is a testing.TB that remembers the failure instead of failing.
type spy struct {
	testing.TB
	failure string
	logged  string
}

func (s *spy) Helper()         {}
func (s *spy) Log(args ...any) { s.logged = fmt.Sprint(args...) }
func (s *spy) Fatal(args ...any) {
	s.failure = fmt.Sprint(args...)
	runtime.Goexit()
}
func (s *spy) Fatalf(format string, args ...any) { s.Fatal(fmt.Sprintf(format, args...)) }

// spied runs f with a spy; Fatal leaves its goroutine as it would leave a test's.
func spied(f func(t testing.TB)) *spy {
	s := &spy{}
	done := make(chan struct{})
	go func() {
		defer close(done)
		f(s)
	}()
	<-done
	return s
}

func TestHelpersFailWithTheReason(t *testing.T) {
	type point struct{ X, Y int }
	for _, c := range []struct {
		name string
		fail func(t testing.TB)
		want string
	}{
		{"int", func(t testing.TB) { Equal(t, 1, 2) }, "got  1\nwant 2"},
		{"text", func(t testing.TB) { Equal(t, "a ", "a") }, "got  \"a \"\nwant \"a\""},
		{"struct", func(t testing.TB) { Equal(t, point{1, 2}, point{1, 3}) }, "got  {X:1 Y:2}\nwant {X:1 Y:3}"},
		{"lines", func(t testing.TB) { Equal(t, "a\nb\nc", "a\nB\nc") }, "line 2 differs (got 3 lines, want 3)\ngot  \"b\"\nwant \"B\""},
		{"short", func(t testing.TB) { Equal(t, []byte("a\n"), []byte("a\n\nb")) }, "line 3 differs (got 2 lines, want 3)\ngot  (the text has ended)"},
		{"type", func(t testing.TB) { Equal[any](t, int8(1), int16(1)) }, "got  int8 1\nwant int16, which prints the same"},
		{"error", func(t testing.TB) { NoError(t, errors.New("broken")) }, "unexpected error: broken"},
		{"calm", func(t testing.TB) { Panics(t, "twice", func() {}) }, "no panic"},
		{"other panic", func(t testing.TB) { Panics(t, "twice", func() { panic("thrice") }) }, "panic says \"thrice\""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := spied(c.fail).failure; !strings.Contains(got, c.want) {
				t.Fatalf("failure says\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}

func TestHelpersPass(t *testing.T) {
	calls := 0
	s := spied(func(t testing.TB) {
		Equal(t, []string{"a"}, []string{"a"})
		NoError(t, nil)
		Panics(t, "two", func() { panic(errors.New("one, two")) })
		Eventually(t, func() bool { calls++; return calls == 3 })
	})
	Equal(t, s.failure, "")
	Equal(t, calls, 3)
}

func TestPollGivesUp(t *testing.T) {
	Equal(t, poll(3*time.Millisecond, func() bool { return false }), false)
}

// sink keeps the compiler from proving that the allocation is not needed.
var sink *[64]byte

func TestAllocsCountsOrSaysWhyNot(t *testing.T) {
	s := spied(func(t testing.TB) { Allocs(t, 0, func() { sink = new([64]byte) }) })
	if RaceEnabled {
		Equal(t, s.failure, "")
		Equal(t, strings.Contains(s.logged, "race detector"), true)
		return
	}
	Equal(t, s.failure, "1 allocations in a call, want at most 0")
	Equal(t, spied(func(t testing.TB) { Allocs(t, 1, func() { sink = new([64]byte) }) }).failure, "")
}
