package epoll

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestEventsCarryTokensAndEnds(t *testing.T) {
	p, err := New()
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pair[0])
	if err := p.Add(pair[0], Token{Slot: 7, Gen: 3}); err != nil {
		t.Fatal(err)
	}
	one := func() Event {
		t.Helper()
		events, err := p.Wait(1000)
		if err != nil || len(events) != 1 {
			t.Fatalf("events %v, %v", events, err)
		}
		return events[0]
	}
	if e := one(); e.Slot != 7 || e.Gen != 3 || e.Readable || !e.Writable {
		t.Errorf("fresh socket: %+v", e)
	}
	if n, errno := Write(pair[1], []byte("abc")); n != 3 || errno != 0 {
		t.Fatalf("write = %d, %v", n, errno)
	}
	if e := one(); !e.Readable || e.Ended {
		t.Errorf("after data: %+v", e)
	}
	buf := make([]byte, 8)
	if n, errno := Read(pair[0], buf); n != 3 || errno != 0 {
		t.Errorf("read = %d, %v", n, errno)
	}
	if _, errno := Read(pair[0], buf); errno != unix.EAGAIN {
		t.Errorf("read of an empty socket = %v", errno)
	}
	unix.Close(pair[1])
	if e := one(); !e.Readable || !e.Ended {
		t.Errorf("after the end: %+v", e)
	}
	Yield()
	if events, err := p.Wait(0); err != nil || len(events) != 0 {
		t.Errorf("an edge came twice: %v, %v", events, err)
	}
}

// TestWaitFor waits for less than the smallest wait of Wait, and the same on a kernel
// that cannot.
func TestWaitFor(t *testing.T) {
	p, err := New()
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	for _, p.coarse = range []bool{false, true} {
		const d = 300 * time.Microsecond
		began := time.Now()
		events, err := p.WaitFor(d)
		if took := time.Since(began); err != nil || len(events) != 0 || took < d {
			t.Errorf("coarse %v: %v, %v after %v", p.coarse, events, err, took)
		}
	}
}

func TestParseIPv4(t *testing.T) {
	if ip, err := ParseIPv4("127.0.2.16"); err != nil || ip != [4]byte{127, 0, 2, 16} {
		t.Errorf("ParseIPv4 = %v, %v", ip, err)
	}
	for _, bad := range []string{"", "::1", "localhost"} {
		if _, err := ParseIPv4(bad); err == nil {
			t.Errorf("%q accepted", bad)
		}
	}
}
