package record

import (
	"fmt"
	"net/http"
	"syscall"
	"testing"
	"unsafe"
)

// A status that HTTP does not know, or one that would tell a client that all is well, must
// not be in the table; an ending in order is nobody's error.
func TestReasonStatuses(t *testing.T) {
	for r := range Reasons() {
		status := r.Status()
		if status != 0 && (status < 400 || http.StatusText(status) == "") {
			t.Errorf("%s: status %d", r, status)
		}
		if status != 0 && r.Class() == ClassOK {
			t.Errorf("%s is in order, yet has status %d", r, status)
		}
		if r.Side() == Front && status >= 500 && r != NotImplemented && r != VersionNotSupported {
			t.Errorf("%s: the client's fault is answered with %d", r, status)
		}
		if r.Side() == Back && r != ServerEnd && (status < 502 || status > 504) {
			t.Errorf("%s: a server's fault is answered with %d", r, status)
		}
	}
}

func TestExchangeIsSmall(t *testing.T) {
	if size := unsafe.Sizeof(Exchange{}); size > 264 {
		t.Errorf("an Exchange takes %d bytes; every running exchange holds one, so at most 264", size)
	}
}

func TestExchangeKeepsTheFirstEnding(t *testing.T) {
	x := Exchange{Start: 1000}
	x.End(3000, ServerReset, fmt.Errorf("read: %w", syscall.ECONNRESET))
	x.End(9000, Done, nil)
	if x.Reason != ServerReset || x.Errno != syscall.ECONNRESET || x.Total != 2000 {
		t.Errorf("got %s, %v, %v", x.Reason, x.Errno, x.Total)
	}
	early := Exchange{Start: 1000}
	if early.End(10, Done, nil); early.Total != 0 {
		t.Errorf("a clock that went back gave %v", early.Total)
	}
}

func TestExchangeCountsAttempts(t *testing.T) {
	var x Exchange
	for range 300 {
		x.Tried("a:1", true)
	}
	if !x.Reused {
		t.Error("a pooled connection is forgotten")
	}
	x.Tried("b:1", false)
	if x.Attempts != 255 || x.Server != "b:1" || x.Reused {
		t.Errorf("%d attempts, last %s, reused %v", x.Attempts, x.Server, x.Reused)
	}
}

func TestExchangeDoesNotAllocate(t *testing.T) {
	var err error = &Error{Kind: ServerReset, Cause: syscall.ECONNRESET}
	if n := testing.AllocsPerRun(100, func() {
		var x Exchange
		x.Tried("a:1", true)
		x.End(1, StreamReason(Back, err), err)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
