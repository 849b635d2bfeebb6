package wire

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"testing"
)

func TestRequestRoundTrip(t *testing.T) {
	for _, size := range []int{0, 1, 60, 10 << 20, MaxBody} {
		if got, ok := Parse(Request(size)); !ok || got != (Ask{Size: size}) {
			t.Errorf("Parse(Request(%d)) = %v, %v", size, got, ok)
		}
	}
	request := Post(1000, 60)
	head, sent, _ := bytes.Cut(request, []byte(HeadEnd))
	if got, ok := Parse(head); !ok || got != (Ask{Size: 60, Body: 1000}) || len(sent) != 1000 || !Match(sent, 0) {
		t.Errorf("Parse(Post) = %v, %v with a body of %d bytes", got, ok, len(sent))
	}
	for _, bad := range []string{
		"", "GET /", "GET / HTTP/1.1\r\n", "PUT /1 HTTP/1.1\r\n", "GET /99999999999 HTTP/1.1\r\n", "GET /1x HTTP/1.1\r\n",
		"POST /1 HTTP/1.1\r\nHost: a\r\n\r\n", "POST /1 HTTP/1.1\r\nContent-Length: +1\r\n\r\n",
	} {
		if _, ok := Parse([]byte(bad)); ok {
			t.Errorf("Parse(%q) accepted", bad)
		}
	}
}

func TestField(t *testing.T) {
	head := []byte("GET /1 HTTP/1.1\r\nHost: a\r\nx-forwarded-FOR:  127.0.0.1 \r\n\r\n")
	if value, found := Field(head, "X-Forwarded-For"); !found || string(value) != "127.0.0.1" {
		t.Errorf("Field = %q, %v", value, found)
	}
	if _, found := Field(head, "X-Forwarded"); found {
		t.Error("part of a name is enough")
	}
}

// body cuts the head off an answer.
func body(t *testing.T, size int) []byte {
	t.Helper()
	_, b, found := bytes.Cut(Answer(size), []byte(HeadEnd))
	if !found || len(b) != size {
		t.Fatalf("Answer(%d) has a body of %d bytes", size, len(b))
	}
	return b
}

func TestMatchAcceptsAnySplit(t *testing.T) {
	b := body(t, 200)
	for from := range b {
		for to := from; to <= len(b); to++ {
			if !Match(b[from:to], int64(from)) {
				t.Fatalf("piece [%d:%d] refused", from, to)
			}
		}
	}
}

func TestMatchRefusesShiftsAndDamage(t *testing.T) {
	b := body(t, 60)
	for i := range b {
		b[i] ^= 0x40
		if Match(b, 0) {
			t.Errorf("damage at byte %d of a small answer unseen", i)
		}
		b[i] ^= 0x40
	}
	big := body(t, 1<<20)
	for _, shift := range []int64{1, 8, 4096, 65536} {
		if Match(big[shift:shift+4096], 0) {
			t.Errorf("a shift by %d bytes unseen", shift)
		}
	}
}

func TestMatchStream(t *testing.T) {
	period := make([]byte, Period)
	Fill(period)
	stream := bytes.Repeat(period, 3)
	for _, piece := range [][2]int{{0, 10}, {Period - 5, Period + 5}, {7, 3 * Period}, {Period, Period}} {
		if !MatchStream(stream[piece[0]:piece[1]], int64(piece[0])) {
			t.Errorf("piece %v refused", piece)
		}
	}
	if stream[Period] ^= 1; MatchStream(stream[5:], 5) {
		t.Error("damage at the beginning of a repetition unseen")
	}
}

func TestReplies(t *testing.T) {
	for _, r := range []Reply{{Size: 10_000}, {Size: 10_000, Chunked: true}, {Status: 503, Close: true}, {Size: 1, Status: 404, Chunked: true, Close: true}} {
		got, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(r.Bytes())), nil)
		if err != nil {
			t.Fatalf("%+v: %v", r, err)
		}
		body, err := io.ReadAll(got.Body)
		if err != nil || len(body) != r.Size || !Match(body, 0) {
			t.Errorf("%+v: %d bytes, %v", r, len(body), err)
		}
		if got.StatusCode != max(r.Status, 200) || got.Close != r.Close || (got.ContentLength < 0) != r.Chunked {
			t.Errorf("%+v: %+v", r, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(Request(60))
	f.Add(Post(10, 60))
	f.Add([]byte("GET /0060 HTTP/1.1\r\n\r\n"))
	f.Add([]byte("GET /\x00 HTTP/1.1"))
	f.Add(UpgradeTo(Host, "/ws"))
	f.Add(Get(Host, "/60?delay=5ms&status=404&chunked=1&slow=9"))
	f.Fuzz(func(t *testing.T, head []byte) {
		ask, ok := Parse(head)
		if ok && (min(ask.Size, ask.Body, ask.Status, ask.Slow, int(ask.Delay)) < 0 || ask.Size > MaxBody || ask.Body > MaxBody || ask.Delay > maxDelay) {
			t.Fatalf("%+v out of range from %q", ask, head)
		}
	})
}
