package load

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sluice/bench/origin"
	"sluice/bench/wire"
)

const testWindow = 250 * time.Millisecond

// run generates load for a moment; errors are those of the test, unless it wants some.
func run(t *testing.T, opt Options) *Result {
	t.Helper()
	return runFor(t, opt, 1)
}

// runFor is run for some answers at the least. On a machine with much else to do the moment is twice as long each time
// until there are as many.
func runFor(t *testing.T, opt Options, answers int64) *Result {
	t.Helper()
	opt.Warm, opt.Window = 50*time.Millisecond, testWindow
	for {
		r, err := Run(opt)
		if err != nil {
			t.Fatal(err)
		}
		if r.Units > 0 && (r.Answers >= answers || opt.Stream != "") {
			return r
		}
		if opt.Window *= 2; opt.Window > 20*time.Second {
			t.Fatalf("not done enough: %+v", r)
		}
	}
}

func clean(t *testing.T, r *Result) {
	t.Helper()
	if r.Failures() != 0 {
		t.Errorf("errors: %v", r.Errors)
	}
}

func TestPipeline(t *testing.T) {
	target := startOrigin(t)
	for _, opt := range []Options{
		{Size: 60, Pipeline: 16},
		{Size: 1 << 20, Pipeline: 3},
		{Size: 60, Post: 300_000, Pipeline: 4}, // more than a socket takes at once
		{Protocol: WebSocket, Message: 1000, Pipeline: 8},
	} {
		opt.Target, opt.Mode, opt.Connections = target, Keep, 4
		clean(t, runFor(t, opt, int64(opt.Connections*opt.Pipeline)+1)) // one that was asked for after the first answers
	}
}

// TestResultAddsUp compares what is told in several ways.
func TestResultAddsUp(t *testing.T) {
	r := run(t, Options{Target: startOrigin(t), Mode: Keep, Connections: 4, Size: 60, Watch: []int{os.Getpid()}})
	clean(t, r)
	var answers int64
	longest := time.Duration(0)
	for _, b := range r.Buckets {
		answers += b.Answers
		longest = max(longest, b.Max)
	}
	if len(r.Buckets) != 3 || answers < r.Answers*8/10 || answers > r.Answers || longest > r.Latency.Max*101/100 {
		t.Errorf("%d buckets with %d of %d answers, the longest %v of %v", len(r.Buckets), answers, r.Answers, longest, r.Latency.Max)
	}
	last := r.Curve[len(r.Curve)-1]
	if len(r.Curve) > 70 || last.Quantile != 1 || last.Value != r.Latency.Max || last.Count < r.Answers*9/10 {
		t.Errorf("%d points up to %+v", len(r.Curve), last)
	}
	for i, p := range r.Curve[1:] {
		if before := r.Curve[i]; p.Quantile <= before.Quantile || p.Value < before.Value || p.Count < before.Count {
			t.Errorf("the curve falls from %+v to %+v", before, p)
		}
	}
	if r.Histogram == "" || r.Memory.Rest <= 0 || r.Memory.Load <= 0 || r.Connects != 0 {
		t.Errorf("%q, %+v, %d connections", r.Histogram, r.Memory, r.Connects)
	}
	perAnswer := float64(len(wire.Answer(60)))
	if in := float64(r.BytesIn) / float64(r.Answers); in < 0.99*perAnswer || in > 1.01*perAnswer {
		t.Errorf("%v bytes per answer of %v", in, perAnswer)
	}
}

func TestMessages(t *testing.T) {
	raw, http := startOrigin(t, origin.Behaviour{Echo: true}), startOrigin(t)
	for _, opt := range []Options{
		{Protocol: TCP, Mode: Keep, Message: 60},
		{Protocol: TCP, Mode: Keep, Message: 60, Pipeline: 5},
		{Protocol: TCP, Mode: Keep, Message: 4 << 20}, // more than all sockets on the way hold
		{Protocol: TCP, Mode: Churn, Message: 60},
		{Protocol: TCP, Mode: Open, Message: 60, Rate: 500},
		{Protocol: TCP, Mode: Hold, Message: 60},
		{Protocol: WebSocket, Mode: Keep, Message: 60},
		{Protocol: WebSocket, Mode: Keep, Message: 70_000},
		{Protocol: WebSocket, Mode: Churn, Message: 300},
		{Protocol: WebSocket, Mode: Open, Message: 60, Rate: 500, Arrivals: Constant},
		{Protocol: WebSocket, Mode: Hold, Message: 60},
	} {
		opt.Target, opt.Connections, opt.Watch = raw, 8, []int{os.Getpid()}
		if opt.Protocol == WebSocket {
			opt.Target = http
		}
		r := run(t, opt)
		clean(t, r)
		if opt.Mode == Churn && r.Connects < r.Answers-8 {
			t.Errorf("%+v: %d connections for %d messages", opt, r.Connects, r.Answers)
		}
		if opt.Mode == Hold && r.Held.Alive != 8 {
			t.Errorf("%+v: %+v", opt, r.Held)
		}
	}
}

func TestStreams(t *testing.T) {
	for _, stream := range []Stream{Down, Up} {
		target := startOrigin(t, origin.Behaviour{Stream: string(stream)})
		r := run(t, Options{Target: target, Protocol: TCP, Mode: Keep, Stream: stream, Size: 1000, Connections: 3})
		clean(t, r)
		moved := float64(r.BytesIn + r.BytesOut)
		if work := 1000 * r.Units; work < 0.8*moved || work > 1.2*moved {
			t.Errorf("%s: %v bytes counted of %v", stream, work, moved)
		}
		if r.Latency != nil {
			t.Errorf("%s: the latency of an endless stream: %+v", stream, r.Latency)
		}
	}
}

// TestMessagesThatDiffer: other bytes than were sent, upgrades that are not granted,
// frames that are not an echo.
func TestMessagesThatDiffer(t *testing.T) {
	upgraded := "HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: " + wire.Accepted() + "\r\n\r\n"
	for _, c := range []struct {
		protocol Protocol
		answer   string
		want     kind
	}{
		{TCP, "nonsense", kindContent},
		{TCP, string(wire.Answer(60)[len(wire.Answer(60))-60:]) + "more", kindLength},
		{TCP, "", kindEOF},
		{WebSocket, "HTTP/1.1 400 Bad Request\r\n\r\n", kindStatus},
		{WebSocket, "HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: x\r\n\r\n", kindHead},
		{WebSocket, strings.Repeat("x", maxHead+1), kindHead},
		{WebSocket, upgraded + "\x82\x3d", kindFrame}, // another length
		{WebSocket, upgraded + "\x82\x3cxxx", kindContent},
		{WebSocket, upgraded + "\x88\x00", kindEOF},
	} {
		l, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		go sayAll(l, c.answer)
		r, err := Run(Options{
			Target: l.Addr().String(), Protocol: c.protocol, Mode: Keep, Connections: 1, Message: 60, Window: 60 * time.Millisecond,
		})
		l.Close()
		if r == nil || r.Errors[string(c.want)] == 0 || len(r.Errors) != 1 {
			t.Errorf("%s, %q: %+v, %v, want %q", c.protocol, c.answer, r, err, c.want)
		}
	}
}

// sayAll gives every connection the same bytes and the end of the stream once it has
// said something, and listens until it goes.
func sayAll(l net.Listener, answer string) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			if _, err := c.Read(make([]byte, 1<<10)); err != nil {
				return
			}
			_, _ = io.WriteString(c, answer)
			_ = c.(*net.TCPConn).CloseWrite()
			_, _ = io.Copy(io.Discard, c)
		}()
	}
}

// TestStatusIsNoEndOfTheConnection: every third answer is a 503, all over the same
// connections.
func TestStatusIsNoEndOfTheConnection(t *testing.T) {
	target := startOrigin(t, origin.Behaviour{ErrorEvery: 3})
	opt := Options{Target: target, Mode: Keep, Connections: 2, Size: 60}
	r := run(t, opt)
	if share := float64(r.Errors["status"]) / float64(r.Answers); share < 0.3 || r.Errors["status"] != r.Statuses[503] || len(r.Errors) != 1 || r.Connects != 0 {
		t.Errorf("errors %v, statuses %v, %d answers, %d connections", r.Errors, r.Statuses, r.Answers, r.Connects)
	}
	opt.Accept = []int{200, 503}
	clean(t, run(t, opt))
}

// TestSyscalls traces a process that makes some, and one that is gone.
func TestSyscalls(t *testing.T) {
	child := exec.Command("sh", "-c", "while :; do sleep 0.01; done")
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = child.Process.Kill()
		_ = child.Wait()
	}()
	opt := Options{Target: startOrigin(t), Mode: Keep, Connections: 2, Size: 60, Watch: []int{child.Process.Pid}, Syscalls: true}
	r := run(t, opt)
	clean(t, r)
	if (r.Syscalls == nil || r.Syscalls.Total == 0) == (r.Untraced == "") {
		t.Errorf("counted %+v, or not for %q", r.Syscalls, r.Untraced)
	}
	t.Setenv("PATH", os.DevNull)
	if r := run(t, opt); r.Syscalls != nil || !strings.Contains(r.Untraced, "not available") {
		t.Errorf("without strace %+v, %q", r.Syscalls, r.Untraced)
	}
}

// TestHangingShows: nothing has failed yet when the window ends, but it is seen that
// requests get no answer.
func TestHangingShows(t *testing.T) {
	target := startOrigin(t, origin.Behaviour{HangEvery: 10})
	r, err := Run(Options{Target: target, Mode: Keep, Connections: 4, Size: 60, Window: 2 * testWindow})
	if err != nil || r.Waiting != 4 || r.Oldest < testWindow/2 || r.Failures() != 0 {
		t.Errorf("%d exchanges under way, the oldest for %v; errors %v, %v", r.Waiting, r.Oldest, r.Errors, err)
	}
}

// TestAnnouncedEnds: an answer that ends its connection is an answer; the client comes
// back at once.
func TestAnnouncedEnds(t *testing.T) {
	target := startOrigin(t, origin.Behaviour{CloseEvery: 4})
	for _, opt := range []Options{{Mode: Keep}, {Mode: Keep, Pipeline: 3}, {Mode: Open, Rate: 400}} {
		opt.Target, opt.Connections, opt.Size = target, 4, 60
		r := run(t, opt)
		clean(t, r)
		if r.Connects < r.Answers/8 {
			t.Errorf("%d connections for %d answers", r.Connects, r.Answers)
		}
	}
}

func TestAnyAnswer(t *testing.T) {
	target := startOrigin(t)
	for _, query := range []string{"", "chunked=1", "status=404", "close=1"} {
		r := run(t, Options{Target: target, Mode: Keep, Connections: 2, Expect: Any, Path: "/a/5000", Query: query, Host: "example.com"})
		clean(t, r)
		if r.Units != float64(r.Answers) {
			t.Errorf("%v units, %d answers", r.Units, r.Answers)
		}
	}
	r := run(t, Options{Target: target, Mode: Keep, Connections: 2, Size: 60, Path: "/api", Query: "chunked=1"})
	clean(t, r)
	r, _ = Run(Options{Target: target, Mode: Keep, Connections: 2, Expect: Any, Path: "/60", Query: "status=502", Window: testWindow})
	if r.Statuses[502] == 0 {
		t.Errorf("502 is an answer: %+v", r)
	}
}

func TestConstantArrivals(t *testing.T) {
	s := newSchedule(300_000, Constant, 0)
	for range gapCount - 1 {
		s.advance()
	}
	if want := int64((gapCount - 1) * 1e9 / 300_000); s.next < want-1 || s.next > want+1 {
		t.Errorf("the last of a round is due at %d, want %d", s.next, want)
	}
	r := run(t, Options{Target: startOrigin(t), Mode: Open, Connections: 8, Size: 60, Rate: 1000, Arrivals: Constant})
	clean(t, r)
	if s := r.Schedule; s.Arrivals != Constant || s.Sent < 248 || s.Sent > 252 {
		t.Errorf("%+v, want a request every millisecond", s)
	}
}

// startTLS puts TLS in front of an address. It returns its own address and the file
// with the certificate.
func startTLS(t *testing.T, target string, config *tls.Config) (address, ca string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"example.com"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	ca = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate}), 0o600); err != nil {
		t.Fatal(err)
	}
	config.Certificates = []tls.Certificate{{Certificate: [][]byte{certificate}, PrivateKey: key}}
	l, err := tls.Listen("tcp4", "127.0.0.1:0", config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go relayAll(l, target)
	return l.Addr().String(), ca
}

// relayAll connects every client to the target.
func relayAll(l net.Listener, target string) {
	for {
		front, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer front.Close()
			back, err := net.Dial("tcp4", target)
			if err != nil {
				return
			}
			defer back.Close()
			go func() {
				_, _ = io.Copy(back, front)
				_ = back.(*net.TCPConn).CloseWrite()
			}()
			_, _ = io.Copy(front, back)
		}()
	}
}

func TestTLS(t *testing.T) {
	plain, echo := startOrigin(t), startOrigin(t, origin.Behaviour{Echo: true})
	down, up := startOrigin(t, origin.Behaviour{Stream: "down"}), startOrigin(t, origin.Behaviour{Stream: "up"})
	for name, c := range map[string]struct {
		target string
		opt    Options
	}{
		"keep":      {plain, Options{Protocol: HTTPS, Mode: Keep, Size: 60}},
		"large":     {plain, Options{Protocol: HTTPS, Mode: Keep, Size: 300_000}},
		"post":      {plain, Options{Protocol: HTTPS, Mode: Keep, Size: 60, Post: 300_000}},
		"pipeline":  {plain, Options{Protocol: HTTPS, Mode: Keep, Size: 60, Pipeline: 8}},
		"churn":     {plain, Options{Protocol: HTTPS, Mode: Churn, Size: 60}},
		"hold":      {plain, Options{Protocol: HTTPS, Mode: Hold, Size: 60}},
		"open":      {plain, Options{Protocol: HTTPS, Mode: Open, Size: 60, Rate: 200}},
		"websocket": {plain, Options{Protocol: WebSocket, TLS: &TLS{}, Mode: Keep, Message: 9000}},
		"echo":      {echo, Options{Protocol: TCP, TLS: &TLS{}, Mode: Keep, Message: 100_000}},
		"down":      {down, Options{Protocol: TCP, TLS: &TLS{}, Mode: Keep, Stream: Down, Size: 1000}},
		"up":        {up, Options{Protocol: TCP, TLS: &TLS{}, Mode: Keep, Stream: Up, Size: 1000}},
	} {
		t.Run(name, func(t *testing.T) {
			opt := c.opt
			var ca string
			opt.Target, ca = startTLS(t, c.target, &tls.Config{})
			opt.TLS, opt.Connections = &TLS{CA: ca, ServerName: "example.com"}, 4
			r := run(t, opt)
			clean(t, r)
			if opt.Mode == Churn && (r.Handshakes.Full < r.Answers-4 || r.Handshakes.Resumed != 0) || r.Handshakes.Version != "TLS 1.3" {
				t.Errorf("%+v for %d answers", r.Handshakes, r.Answers)
			}
		})
	}
}

func TestTLSVersionsAndResumption(t *testing.T) {
	plain := startOrigin(t)
	for _, version := range []string{"1.2", "1.3"} {
		target, _ := startTLS(t, plain, &tls.Config{})
		r := run(t, Options{
			Target: target, Protocol: HTTPS, Mode: Churn, Connections: 2, Size: 60,
			TLS: &TLS{Resume: true, MinVersion: version, MaxVersion: version, Hybrid: true},
		})
		clean(t, r)
		if r.Handshakes.Resumed < r.Answers*9/10 || r.Handshakes.Version != "TLS "+version || r.Handshakes.Cipher == "" {
			t.Errorf("%+v for %d answers", r.Handshakes, r.Answers)
		}
	}
}

// TestTLSThatFails: a certificate of somebody else, no TLS at all, and nobody at home.
func TestTLSThatFails(t *testing.T) {
	plain := startOrigin(t)
	target, ca := startTLS(t, plain, &tls.Config{})
	_, other := startTLS(t, plain, &tls.Config{})
	closed, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	echo := startOrigin(t, origin.Behaviour{Echo: true})
	for name, c := range map[string]struct {
		target, ca, name string
		want             kind
	}{
		"other CA":   {target, other, "", kindTLS},
		"other name": {target, ca, "example.net", kindTLS},
		"no TLS":     {echo, ca, "", kindTLS},
		"nobody":     {closed.Addr().String(), ca, "", kindConnect},
	} {
		r, err := Run(Options{
			Target: c.target, Protocol: HTTPS, Mode: Keep, Connections: 2, Size: 60, Window: 100 * time.Millisecond,
			TLS: &TLS{CA: c.ca, ServerName: c.name},
		})
		if err == nil || r.Errors[string(c.want)] == 0 || len(r.Errors) != 1 {
			t.Errorf("%s: %+v, %v, want %q", name, r, err, c.want)
		} else if (r.Handshakes.Failure != "") != (c.want == kindTLS) {
			t.Errorf("%s: %+v", name, r.Handshakes)
		}
	}
	for _, bad := range []TLS{{CA: "/nowhere"}, {CA: os.Args[0]}, {MinVersion: "1.1"}, {MaxVersion: "3"}} {
		if _, err := Run(Options{Target: plain, Protocol: HTTPS, Mode: Keep, Connections: 2, Size: 60, TLS: &bad}); err == nil {
			t.Errorf("%+v is accepted", bad)
		}
	}
}

func TestOptionsThatMakeNoSense(t *testing.T) {
	good := Options{Target: "127.0.0.1:1", Mode: Keep, Connections: 1, Size: 60}
	for name, change := range map[string]func(*Options){
		"target":         func(o *Options) { o.Target = "localhost:80" },
		"no mode":        func(o *Options) { o.Mode = "" },
		"protocol":       func(o *Options) { o.Protocol = "h2" },
		"no connections": func(o *Options) { o.Connections = 0 },
		"no size":        func(o *Options) { o.Size = 0 },
		"post":           func(o *Options) { o.Post = -1 },
		"no message":     func(o *Options) { o.Protocol = TCP },
		"stream":         func(o *Options) { o.Stream = Down },
		"churned stream": func(o *Options) { o.Protocol, o.Stream, o.Mode = TCP, Up, Churn },
		"rate":           func(o *Options) { o.Rate = 1 },
		"no rate":        func(o *Options) { o.Mode = Open },
		"pipeline":       func(o *Options) { o.Pipeline = -1 },
		"open pipeline":  func(o *Options) { o.Mode, o.Rate, o.Pipeline = Open, 1, 2 },
		"much":           func(o *Options) { o.Pipeline, o.Post = 4096, 1<<20 },
		"arrivals":       func(o *Options) { o.Arrivals = "uniform" },
		"expect":         func(o *Options) { o.Expect = "miracles" },
	} {
		opt := good
		change(&opt)
		if _, err := Run(opt); err == nil {
			t.Errorf("%s: %+v is accepted", name, opt)
		}
	}
}
