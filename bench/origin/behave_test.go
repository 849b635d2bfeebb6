package origin

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"syscall"
	"testing"
	"time"

	"sluice/bench/wire"
)

// ask sends a request and reads one answer.
func ask(t *testing.T, c net.Conn, in *bufio.Reader, target string) (*http.Response, []byte) {
	t.Helper()
	if _, err := c.Write(wire.Get(wire.Host, target)); err != nil {
		t.Fatal(err)
	}
	r, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatalf("%s: %v", target, err)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatalf("%s: %v", target, err)
	}
	return r, body
}

func TestWishes(t *testing.T) {
	c := dial(t, Options{})
	in := bufio.NewReader(c)
	began := time.Now()
	r, body := ask(t, c, in, "/api/60?delay=30ms&chunked=1")
	if took := time.Since(began); took < 30*time.Millisecond {
		t.Errorf("answered after %v", took)
	}
	if !slices.Equal(r.TransferEncoding, []string{"chunked"}) || len(body) != 60 || !wire.Match(body, 0) {
		t.Errorf("%v with %d bytes", r.TransferEncoding, len(body))
	}
	if r, body := ask(t, c, in, "/9000?status=418"); r.StatusCode != 418 || len(body) != 9000 {
		t.Errorf("%s with %d bytes", r.Status, len(body))
	}
	began = time.Now()
	if _, body := ask(t, c, in, "/1000?slow=20000"); !wire.Match(body, 0) || time.Since(began) < 30*time.Millisecond {
		t.Errorf("1000 bytes at 20000 a second came in %v", time.Since(began))
	}
	if r, _ := ask(t, c, in, "/60?close=1"); !r.Close {
		t.Error("the end is not announced")
	}
	if n, err := in.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Errorf("after the last answer: %d bytes, %v", n, err)
	}
}

// TestEveryNth has an address that fails in all ways, one after the other.
func TestEveryNth(t *testing.T) {
	c := dial(t, Options{Behaviours: []Behaviour{{}, {ErrorEvery: 2, CloseEvery: 3, Chunked: true, Delay: time.Microsecond, Jitter: time.Microsecond}}})
	in := bufio.NewReader(c)
	for i, want := range []int{200, 503, 200} {
		if r, _ := ask(t, c, in, "/60"); r.StatusCode != want || r.Close != (i == 2) || (r.TransferEncoding != nil) != (want == 200) {
			t.Errorf("answer %d: %s, close %v, %v", i+1, r.Status, r.Close, r.TransferEncoding)
		}
	}
	if _, err := in.ReadByte(); err != io.EOF {
		t.Errorf("after the third answer: %v", err)
	}
}

func TestDropAndHang(t *testing.T) {
	for name, target := range map[string]string{"drop": "/60?drop=1", "hang": "/60?hang=1"} {
		c := dial(t, Options{})
		// A second request shows that the first is not just late.
		if _, err := c.Write(append(wire.Get(wire.Host, target), wire.Request(60)...)); err != nil {
			t.Fatal(err)
		}
		if name == "hang" {
			if err := c.CloseWrite(); err != nil {
				t.Fatal(err)
			}
		}
		if b, err := io.ReadAll(c); len(b) != 0 || err != nil && !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("%s: %q, %v", name, b, err)
		}
	}
}

// TestDelaysDoNotQueue: many connections wait at the same time.
func TestDelaysDoNotQueue(t *testing.T) {
	const delay, clients = 100 * time.Millisecond, 50
	first := dial(t, Options{Behaviours: []Behaviour{{Delay: delay}}})
	began := time.Now()
	done := make(chan error, clients)
	for range clients {
		go func() {
			c, err := net.Dial("tcp4", first.RemoteAddr().String())
			if err != nil {
				done <- err
				return
			}
			defer c.Close()
			_, _ = c.Write(wire.Request(60))
			_, err = io.ReadFull(c, make([]byte, len(wire.Answer(60))))
			done <- err
		}()
	}
	for range clients {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if took := time.Since(began); took < delay || took > clients*delay/2 {
		t.Errorf("all together took %v", took)
	}
}

func TestEcho(t *testing.T) {
	c := dial(t, Options{Behaviours: []Behaviour{{Echo: true}}})
	const size = 8 << 20
	sent := make([]byte, size)
	wire.Fill(sent)
	go func() {
		_, _ = c.Write(sent)
		_ = c.CloseWrite()
	}()
	if got, err := io.ReadAll(c); err != nil || !bytes.Equal(got, sent) {
		t.Errorf("%d bytes came back, %v", len(got), err)
	}
}

func TestStreamDown(t *testing.T) {
	c := dial(t, Options{Behaviours: []Behaviour{{Stream: "down"}}})
	got := make([]byte, 3*wire.Period+5)
	if _, err := io.ReadFull(c, got); err != nil || !wire.MatchStream(got, 0) {
		t.Errorf("not the stream: %v", err)
	}
}

func TestStreamUp(t *testing.T) {
	c := dial(t, Options{Behaviours: []Behaviour{{Stream: "up"}}})
	period := make([]byte, wire.Period)
	wire.Fill(period)
	for range 3 {
		if _, err := c.Write(period); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.Write([]byte("nonsense")); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("nonsense is followed by %v", err)
	}
}

// TestWebSocketEcho tears the frames: a message of each kind of length, a ping, the end.
func TestWebSocketEcho(t *testing.T) {
	closing := wire.AppendFrameHead(nil, wire.FrameHead{First: 0x80 | wire.OpClose, Masked: true})
	ping := wire.AppendFrameHead(nil, wire.FrameHead{First: 0x80 | wire.OpPing, Masked: true, Length: 2})
	sent := slices.Concat(wire.Message(5), wire.Message(300), ping, []byte("hi"), wire.Message(200_000), closing)
	var want []byte
	for _, size := range []int{5, 300, -1, 200_000} {
		if size < 0 {
			want = append(want, 0x80|wire.OpPong, 2, 'h', 'i')
			continue
		}
		want = wire.AppendFrameHead(want, wire.FrameHead{First: 0x80 | wire.OpBinary, Length: int64(size)})
		body := make([]byte, size)
		wire.Fill(body)
		want = append(want, body...)
	}
	want = append(want, 0x80|wire.OpClose, 0)
	c := dial(t, Options{})
	in := bufio.NewReader(c)
	greeting := append(wire.UpgradeTo(wire.Host, "/ws"), sent[:3]...) // a frame that comes with the upgrade
	go func() {
		for _, piece := range [][]byte{greeting, sent[3:20], sent[20:21], sent[21:100_000], sent[100_000:]} {
			if _, err := c.Write(piece); err != nil {
				t.Error(err)
			}
		}
	}()
	r, err := http.ReadResponse(in, nil)
	if err != nil || r.StatusCode != 101 || r.Header.Get("Sec-WebSocket-Accept") != wire.Accepted() {
		t.Fatalf("%+v, %v", r, err)
	}
	if got, err := io.ReadAll(in); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes came back of %d, %v", len(got), len(want), err)
	}
}

func TestFramesNobodyMaySend(t *testing.T) {
	for name, frame := range map[string]string{
		"not masked": "\x82\x01x", "reserved": "\xc2\x81\x00\x00\x00\x00x", "long ping": "\x89\xfe\x01\x00\x00\x00\x00\x00",
	} {
		c := dial(t, Options{})
		if _, err := c.Write(append(wire.UpgradeTo(wire.Host, "/ws"), frame...)); err != nil {
			t.Fatal(err)
		}
		got, _ := io.ReadAll(c)
		if !bytes.HasSuffix(got, []byte(wire.HeadEnd)) {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func TestOptionsThatMakeNoSense(t *testing.T) {
	two := []string{"127.0.2.1", "127.0.2.2"}
	for _, opt := range []Options{
		{Addresses: append(two, "127.0.2.3"), Behaviours: make([]Behaviour, 2)},
		{Addresses: two, Behaviours: []Behaviour{{Stream: "sideways"}}},
		{Addresses: two, Behaviours: []Behaviour{{Stream: "up", Echo: true}}},
		{Addresses: two, Behaviours: []Behaviour{{Delay: -1}}},
	} {
		opt.Stop = -1
		if o, err := New(opt); err == nil {
			o.Close()
			t.Errorf("%+v is accepted", opt)
		}
	}
}

func TestTimersFireInOrder(t *testing.T) {
	var h timers
	for _, at := range []time.Duration{5, 3, 9, 1, 7, 3, 8, 2, 6, 4, 0} {
		h.push(timer{at: at})
	}
	for last := time.Duration(-1); len(h) > 0; {
		next := h.pop().at
		if next < last {
			t.Fatalf("%d after %d", next, last)
		}
		last = next
	}
}
