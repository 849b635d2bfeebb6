package load

import (
	"bytes"
	"testing"

	"sluice/bench/wire"
)

// feedAll gives a listener pieces of a stream of answers and returns how many were
// complete and accepted; the pieces behind an error are not looked at.
func feedAll(l listener, pieces ...[]byte) (answers int, a answer, bad kind) {
	for _, b := range pieces {
		for len(b) > 0 {
			n, done, bad := l.feed(&a, b)
			if bad != kindNone {
				return answers, a, bad
			}
			b = b[n:]
			if done {
				if a.refused == 0 {
					answers++
				}
				a.reset()
			} else if n == 0 {
				return answers, a, "stuck"
			}
		}
	}
	return answers, a, kindNone
}

func plainChecker(size int) *checker { return newChecker(&Options{Size: size}) }

// TestFeedAnySplit: three answers in two pieces, cut anywhere, framed in every way.
func TestFeedAnySplit(t *testing.T) {
	informed := append([]byte("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"), wire.Answer(60)...)
	for name, one := range map[string][]byte{
		"length":   wire.Answer(60),
		"chunked":  wire.Reply{Size: 60, Chunked: true}.Bytes(),
		"informed": informed,
		"extended": []byte("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3C;x=\"1\"\r\n" +
			string(wire.Answer(60)[len(wire.Answer(60))-60:]) + "\r\n0\r\nTrailer: 1\r\n\r\n"),
	} {
		all := bytes.Repeat(one, 3)
		for cut := range len(all) {
			if n, _, bad := feedAll(plainChecker(60), all[:cut], all[cut:]); n != 3 || bad != kindNone {
				t.Fatalf("%s, cut at %d: %d answers, %q", name, cut, n, bad)
			}
		}
	}
}

func TestFeedManyChunks(t *testing.T) {
	const size = 100_000
	b := wire.Reply{Size: size, Chunked: true}.Bytes()
	if n, _, bad := feedAll(plainChecker(size), b[:50_000], b[50_000:]); n != 1 || bad != kindNone {
		t.Fatalf("%d answers, %q", n, bad)
	}
	b[len(b)-len("\r\n0\r\n\r\n")-1] ^= 1 // what is compared is a sample, with both edges of a piece
	if _, _, bad := feedAll(plainChecker(size), b); bad != kindContent {
		t.Errorf("damage is %q", bad)
	}
}

func TestFraming(t *testing.T) {
	for answer, want := range map[string]kind{
		"HTTP/1.1 200 OK\r\nContent-Length: 61\r\n\r\n":                                   kindLength,
		"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n":                                    kindLength,
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n":                              kindHead,
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n;x\r\n":                     kindHead,
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\n":                       kindHead,
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n":      kindHead,
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n":                  kindLength,
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3D\r\n" + "xxxxxxxxxxxxxxx": kindContent,
		"HTTP/1.1 101 Switching Protocols\r\n\r\n":                                        kindHead,
		"HTTP/1.1 0 \r\n\r\n": kindHead,
		"HTTP/2 200\r\n\r\n":  kindHead,
		"HTTP/1.1 200 OK\r\nX: " + string(bytes.Repeat([]byte("x"), maxHead)): kindHead,
	} {
		if _, _, bad := feedAll(plainChecker(60), []byte(answer)); bad != want {
			t.Errorf("%.80q is %q, want %q", answer, bad, want)
		}
	}
}

func TestStatusesAndEnds(t *testing.T) {
	const ok = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n"
	for _, c := range []struct {
		head          string
		opt           Options
		refused       int
		last, endless bool
	}{
		{head: ok + "\r\n", opt: Options{Expect: Any}},
		{head: ok + "Connection: Close\r\n\r\n", opt: Options{Expect: Any}, last: true},
		{head: "HTTP/1.0 200 OK\r\n\r\n", opt: Options{Expect: Any}, last: true, endless: true},
		{head: "HTTP/1.1 404 Not Found\r\nContent-Length: 7\r\n\r\n", opt: Options{Expect: Any}},
		{head: "HTTP/1.1 404 Not Found\r\nContent-Length: 7\r\n\r\n", opt: Options{Size: 60}, refused: 404},
		{head: "HTTP/1.1 404 Not Found\r\nContent-Length: 7\r\n\r\n", opt: Options{Size: 60, Accept: []int{200, 404}}},
		{head: "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 7\r\n\r\n", opt: Options{Expect: Any}, refused: 503},
		{head: "HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n", opt: Options{Expect: Any}},
	} {
		f, informs, bad := newChecker(&c.opt).inspect([]byte(c.head))
		if informs || bad != kindNone || f.refused != c.refused || f.last != c.last || (f.body.stage == untilEnd) != c.endless || !f.unmeasured {
			t.Errorf("%q: %+v, %v, %q", c.head, f, informs, bad)
		}
	}
}

// FuzzFeed: whatever comes, in two pieces, the checker neither panics nor stands still
// nor takes anything for complete that has not the pattern's bytes.
func FuzzFeed(f *testing.F) {
	f.Add(wire.Answer(60), 10)
	f.Add(wire.Reply{Size: 60, Chunked: true}.Bytes(), 70)
	f.Add([]byte("HTTP/1.1 200 OK\r\ncontent-length: 60\r\n\r\n"), 3)
	f.Add([]byte("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"), 3)
	f.Add([]byte("HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n"), 0)
	f.Add([]byte("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3c\r\n0\r\n\r\n"), 50)
	pattern := make([]byte, 60)
	wire.Fill(pattern)
	f.Fuzz(func(t *testing.T, b []byte, cut int) {
		if cut < 0 || cut > len(b) {
			return
		}
		n, _, bad := feedAll(plainChecker(60), b[:cut], b[cut:])
		if bad == "stuck" {
			t.Fatalf("no progress in %q", b)
		}
		if n > 0 && !bytes.Contains(b, pattern[:8]) {
			t.Fatalf("accepted %q", b)
		}
	})
}
