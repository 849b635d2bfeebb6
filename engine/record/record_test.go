package record

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"
)

func TestReasonTable(t *testing.T) {
	snake := regexp.MustCompile(`^[a-z]+(_[a-z]+)*$`)
	seen := map[string]Reason{}
	check := func(r Reason) {
		token := r.String()
		if !snake.MatchString(token) {
			t.Errorf("reason %d: token %q is not snake_case", r, token)
		}
		if other, dup := seen[token]; dup {
			t.Errorf("reasons %d and %d share the token %q", other, r, token)
		}
		seen[token] = r
		if text := r.Text(); !strings.HasSuffix(text, ".") || strings.Contains(text, "|") {
			t.Errorf("%s: text %q is not a sentence fit for a Markdown table", token, text)
		}
	}
	check(None)
	for r := range Reasons() {
		check(r)
	}
	if len(seen) != ReasonCount {
		t.Errorf("%d tokens for %d reasons", len(seen), ReasonCount)
	}
}

// A side and a class that contradict each other would send an operator to the wrong
// machine.
func TestReasonSidesAgree(t *testing.T) {
	for r := range Reasons() {
		prefix, _, _ := strings.Cut(r.String(), "_")
		switch {
		case r.Class() == ClassClient && r.Side() != Front,
			r.Class() == ClassServer && r.Side() != Back,
			r.Class() == ClassProxy && r.Side() != Self,
			r.Class() == ClassLimit && r.Side() != Self,
			prefix == "client" && r.Side() != Front,
			prefix == "server" && r.Side() != Back:
			t.Errorf("%s: side %s, class %s", r, r.Side(), r.Class())
		}
	}
}

// Only a lack of room passes by itself: a client that is told to come again after a fault would come for nothing.
func TestReasonsThatPass(t *testing.T) {
	passes := map[Reason]bool{UpstreamFull: true, QueueTimeout: true, Busy: true}
	for r := range Reasons() {
		if r.Passes() != passes[r] {
			t.Errorf("%s: %v", r, r.Passes())
		}
		if r.Passes() && (r.Status() != 503 || r.Class() != ClassLimit || r.Side() != Self) {
			t.Errorf("%s passes, but has status %d, class %s, side %s", r, r.Status(), r.Class(), r.Side())
		}
	}
	if None.Passes() {
		t.Error("nothing is wrong, and it passes")
	}
}

// What ejection and checks say of a server blames it, and has a status where it may end an exchange.
func TestReasonsOfServersThatFail(t *testing.T) {
	for r, want := range map[Reason]struct {
		token  string
		status int
	}{
		MarkedDown: {"marked_down", 504}, AnswerUnfit: {"answer_unfit", 502}, AnswerTimeout: {"answer_timeout", 504},
	} {
		if r.String() != want.token || r.Status() != want.status || r.Side() != Back || r.Class() != ClassServer {
			t.Errorf("%s: status %d, side %s, class %s", r, r.Status(), r.Side(), r.Class())
		}
	}
}

func TestReasonsStops(t *testing.T) {
	for r := range Reasons() {
		if r != None+1 {
			t.Fatalf("first reason is %s", r)
		}
		break
	}
}

func TestConnectReason(t *testing.T) {
	wrapped := &os.SyscallError{Syscall: "connect", Err: syscall.ECONNREFUSED}
	for _, c := range []struct {
		err   error
		kind  Reason
		retry Retry
	}{
		{syscall.ECONNREFUSED, ConnectRefused, RetryYes},
		{wrapped, ConnectRefused, RetryYes},
		{syscall.ECONNRESET, ConnectRefused, RetryYes},
		{syscall.ENOENT, ConnectRefused, RetryYes},
		{syscall.EAGAIN, ConnectRefused, RetryYes},
		{syscall.ETIMEDOUT, ConnectTimeout, RetryYes},
		{os.ErrDeadlineExceeded, ConnectTimeout, RetryYes},
		{context.DeadlineExceeded, ConnectTimeout, RetryYes},
		{syscall.EHOSTUNREACH, ConnectUnreachable, RetryYes},
		{syscall.ENETUNREACH, ConnectUnreachable, RetryYes},
		{syscall.EMFILE, FDExhausted, RetryNo},
		{syscall.ENFILE, FDExhausted, RetryNo},
		{syscall.EADDRNOTAVAIL, ConnectFailed, RetryYes},
		{syscall.EACCES, ConnectFailed, RetryYes},
		{errors.New("odd"), ConnectFailed, RetryYes},
		{&Error{Kind: UpstreamFull}, UpstreamFull, RetryNo},
	} {
		got := ConnectError(c.err)
		if got.Kind != c.kind || got.Retry != c.retry || !errors.Is(got, c.err) {
			t.Errorf("%v: got %v retry %d, want %s retry %d", c.err, got, got.Retry, c.kind, c.retry)
		}
	}
	if err := ConnectError(nil); err != nil {
		t.Errorf("nil became %v", err)
	}
}

func TestStreamReason(t *testing.T) {
	for _, c := range []struct {
		err                 error
		front, back, itself Reason
	}{
		{nil, None, None, None},
		{io.EOF, ClientEnd, ServerEnd, Internal},
		{syscall.ECONNRESET, ClientReset, ServerReset, Internal},
		{syscall.EPIPE, ClientReset, ServerReset, Internal},
		{fmt.Errorf("write: %w", syscall.EPIPE), ClientReset, ServerReset, Internal},
		{syscall.ETIMEDOUT, ClientLost, ServerLost, Internal},
		{syscall.EHOSTUNREACH, ClientLost, ServerLost, Internal},
		{syscall.EBADF, Internal, Internal, Internal},
		{&Error{Kind: TunnelIdle}, TunnelIdle, TunnelIdle, TunnelIdle},
	} {
		got := [3]Reason{StreamReason(Front, c.err), StreamReason(Back, c.err), StreamReason(Self, c.err)}
		if got != [3]Reason{c.front, c.back, c.itself} {
			t.Errorf("%v: got %v", c.err, got)
		}
	}
}

// Resets are common under load; giving them a meaning must not feed the GC.
func TestReasonOfErrnoDoesNotAllocate(t *testing.T) {
	var err error = syscall.ECONNRESET
	if n := testing.AllocsPerRun(100, func() { StreamReason(Front, err); ConnectReason(err) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestErrorText(t *testing.T) {
	err := &Error{Kind: ConnectRefused, Cause: syscall.ECONNREFUSED}
	if got := err.Error(); got != "connect_refused: connection refused" {
		t.Error(got)
	}
	if got := (&Error{Kind: NoServer}).Error(); got != "no_server" {
		t.Error(got)
	}
	if err.Side() != Back || err.Unwrap() != syscall.ECONNREFUSED {
		t.Errorf("side %s, cause %v", err.Side(), err.Unwrap())
	}
}

func TestConnIsSmall(t *testing.T) {
	if size := unsafe.Sizeof(Conn{}); size > 200 {
		t.Errorf("a Conn takes %d bytes; every idle tunnel holds one, so at most 200", size)
	}
}

func TestBetween(t *testing.T) {
	for _, c := range []struct {
		start, end int64
		want       Micros
	}{
		{0, 999, 0}, {0, 1000, 1}, {5000, 4000, 0}, {0, int64(time.Hour), 3_600_000_000},
		{0, int64(100 * time.Hour), math.MaxUint32},
	} {
		if got := Between(c.start, c.end); got != c.want {
			t.Errorf("Between(%d, %d) = %d, want %d", c.start, c.end, got, c.want)
		}
	}
}

func TestConnKeepsTheFirstEnding(t *testing.T) {
	c := Conn{Start: 1000}
	c.End(3000, ServerReset, fmt.Errorf("read: %w", syscall.ECONNRESET))
	c.End(9000, ClientEnd, nil)
	if c.Reason != ServerReset || c.Errno != syscall.ECONNRESET || c.Total != 2000 {
		t.Errorf("got %s, %v, %v", c.Reason, c.Errno, c.Total)
	}
}

func TestConnCountsAttempts(t *testing.T) {
	var c Conn
	for range 300 {
		c.Tried("a:1")
	}
	c.Tried("b:1")
	if c.Attempts != 255 || c.Server != "b:1" {
		t.Errorf("%d attempts, last %s", c.Attempts, c.Server)
	}
}
