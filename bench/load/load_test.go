package load

import (
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"sluice/bench/origin"
	"sluice/bench/wire"
)

// TestMain gives the servers of the tests processors of their own: a loop that waits
// in a raw system call keeps the one it has.
func TestMain(m *testing.M) {
	runtime.GOMAXPROCS(8)
	os.Exit(m.Run())
}

// startOrigin serves until the test ends and returns its address.
func startOrigin(t *testing.T, behaviours ...origin.Behaviour) string {
	t.Helper()
	stopRead, stopWrite, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	o, err := origin.New(origin.Options{Addresses: []string{"127.0.0.1"}, Behaviours: behaviours, Stop: int(stopRead.Fd())})
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- o.Serve() }()
	t.Cleanup(func() {
		stopWrite.Close()
		if err := <-served; err != nil {
			t.Error(err)
		}
		o.Close()
		stopRead.Close()
	})
	return fmt.Sprintf("127.0.0.1:%d", o.Port())
}

func TestModesAgainstTheOrigin(t *testing.T) {
	target := startOrigin(t)
	self := []int{os.Getpid()}
	for _, c := range []struct {
		mode        Mode
		connections int
		size        int
		post        int
		rate        float64
	}{
		{mode: Keep, connections: 16, size: 60},
		{mode: Keep, connections: 2, size: 1 << 20},
		{mode: Keep, connections: 2, size: 60, post: 3 << 20}, // more than a socket takes at once
		{mode: Churn, connections: 16, size: 60},
		{mode: Hold, connections: 200, size: 60},
		{mode: Open, connections: 16, size: 60, rate: 2000},
	} {
		t.Run(fmt.Sprintf("%s-%d-%d", c.mode, c.size, c.post), func(t *testing.T) {
			r, err := Run(Options{
				Target: target, Mode: c.mode, Connections: c.connections, Size: c.size, Sources: 4, Post: c.post, Rate: c.rate,
				Warm: 50 * time.Millisecond, Window: 200 * time.Millisecond, Watch: self, Origin: self,
			})
			if err != nil {
				t.Fatal(err)
			}
			if r.Failures() != 0 {
				t.Errorf("errors: %v", r.Errors)
			}
			if r.Units <= 0 || r.Latency == nil || r.Latency.P50 > r.Latency.P999 || r.Wall < 200*time.Millisecond {
				t.Errorf("implausible result: %+v %+v", r, r.Latency)
			}
			if c.mode == Hold && (r.Held.Connections != 200 || r.Held.Alive != 200 || r.Held.MemoryHeld <= 0) {
				t.Errorf("held: %+v", r.Held)
			}
			if c.mode == Open && (r.Schedule.Sent < 200 || r.Schedule.Sent > 800 || r.Schedule.Lag == nil) {
				t.Errorf("schedule of about 400 requests: %+v", r.Schedule)
			}
			if c.mode != Hold && r.Proxy.Total <= 0 {
				t.Errorf("no processor time: %+v", r.Proxy)
			}
		})
	}
}

// TestErrorsAreNamed answers wrongly in every way the generator knows.
func TestErrorsAreNamed(t *testing.T) {
	good := string(wire.Answer(60))
	for want, answer := range map[kind]string{
		kindStatus:  strings.Replace(good, "200", "503", 1),
		kindLength:  strings.Replace(good, "Length: 60", "Length: 61", 1),
		kindContent: good[:len(good)-1] + "!",
		kindEOF:     good[:len(good)-1],
		kindHead:    "SSH-2.0-x\r\n\r\n",
	} {
		t.Run(string(want), func(t *testing.T) {
			l, err := net.Listen("tcp4", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			go answerAll(l, answer)
			r, err := Run(Options{Target: l.Addr().String(), Mode: Churn, Connections: 1, Size: 60, Window: 60 * time.Millisecond})
			if r == nil || r.Latency != nil {
				t.Fatalf("result %+v, error %v", r, err)
			}
			if r.Errors[string(want)] == 0 || len(r.Errors) != 1 {
				t.Errorf("errors = %v, want only %q", r.Errors, want)
			}
		})
	}
}

// TestScheduleCountsTheWait has a server that answers one request in all: what was
// due behind it was late through no fault of the generator.
func TestScheduleCountsTheWait(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	const pause = 300 * time.Millisecond // long beside the time a machine with much else to do takes from us
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		request := make([]byte, len(wire.Request(60)))
		for n := 0; ; n++ {
			if _, err := io.ReadFull(c, request); err != nil {
				return
			}
			if n == 5 {
				<-time.After(pause)
			}
			_, _ = c.Write(wire.Answer(60))
		}
	}()
	self := []int{os.Getpid()}
	r, err := Run(Options{
		Target: l.Addr().String(), Mode: Open, Connections: 1, Size: 60, Rate: 100,
		Window: 2 * pause, Watch: self, Origin: self,
	})
	if err != nil || r.Failures() != 0 {
		t.Fatalf("errors %v, %v", r.Errors, err)
	}
	// About thirty requests were due in the pause, each waited for its rest.
	if r.Latency.Max < pause || r.Latency.P90 < pause/2 {
		t.Errorf("the pause is missing from %+v", r.Latency)
	}
	if r.Schedule.Lag.P90 > r.Latency.P90/2 {
		t.Errorf("the generator is blamed for the pause: %+v", r.Schedule.Lag)
	}
}

func TestValid(t *testing.T) {
	kept := &Schedule{Lag: &Latency{P999: MaxLag}}
	late := &Schedule{Lag: &Latency{P999: MaxLag + 1}}
	for name, c := range map[string]struct {
		result Result
		want   bool
	}{
		"work":    {Result{Units: 1}, true},
		"nothing": {Result{}, false},
		"errors":  {Result{Units: 1, Errors: map[string]int64{"eof": 1}}, false},
		"kept":    {Result{Units: 1, Schedule: kept}, true},
		"late":    {Result{Units: 1, Schedule: late}, false},
		"crowded": {Result{Units: 1, Schedule: kept, Others: 2 * MaxOthers}, false},
		"closed":  {Result{Units: 1, Others: 2 * MaxOthers}, true},
		"unsent":  {Result{Units: 1, Schedule: &Schedule{}}, false},
	} {
		if got := c.result.Valid(); got != c.want {
			t.Errorf("%s: valid = %v", name, got)
		}
	}
}

func TestRingTakesTurns(t *testing.T) {
	r := newRing(3)
	for i := range int32(10) {
		r.put(i)
		r.put(i + 100)
		if got, ok := r.take(); !ok || got != i {
			t.Fatalf("take = %d, %v, want %d", got, ok, i)
		}
		if got, ok := r.take(); !ok || got != i+100 {
			t.Fatalf("take = %d, %v, want %d", got, ok, i+100)
		}
	}
	if _, ok := r.take(); ok || !r.empty() {
		t.Error("an empty ring gives something")
	}
}

// answerAll gives every connection the same bytes and ends the stream.
func answerAll(l net.Listener, answer string) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		request := make([]byte, len(wire.Request(60)))
		if _, err := io.ReadFull(c, request); err == nil {
			_, _ = io.WriteString(c, answer)
		}
		_ = c.Close()
	}
}

func TestRefusedConnectionsAreErrors(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	target := l.Addr().String()
	l.Close()
	r, err := Run(Options{Target: target, Mode: Keep, Connections: 2, Size: 60, Window: 10 * time.Millisecond})
	if err == nil || r.Errors["connect"] < 2 {
		t.Errorf("result %+v, error %v", r, err)
	}
}
