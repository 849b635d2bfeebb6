package h1

// Chunked bodies as flows: however they were cut into pieces, and with what behind them.

import (
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"sluice/engine/exchange"
	"sluice/engine/record"
	"sluice/internal/assert"
)

const posted = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"

// encoded is data in chunks of random sizes, with what may be between them.
func encoded(rng *rand.Rand, data string) string {
	var b strings.Builder
	for data != "" {
		n := min(len(data), 1+rng.IntN([]int{3, 40, 5000}[rng.IntN(3)]))
		b.WriteString(strings.Repeat("0", rng.IntN(3)))
		b.WriteString(hex(n))
		b.WriteString([]string{"", ";a", ";a=b", `;a="b;c"`}[rng.IntN(4)])
		b.WriteString("\r\n" + data[:n] + "\r\n")
		data = data[n:]
	}
	return b.String() + "0\r\nX-Sum: 42\r\nX-Second: b c\r\n\r\n"
}

func hex(n int) string {
	const digits = "0123456789aBcDeF"
	if n < 16 {
		return digits[n : n+1]
	}
	return hex(n/16) + hex(n%16)
}

func TestChunksInAnyPieces(t *testing.T) {
	t.Parallel()
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 4))
		data := make([]byte, rng.IntN([]int{10, 300, 20_000}[rng.IntN(3)]))
		for i := range data {
			data[i] = byte(rng.IntN(256))
		}
		stream := posted + encoded(rng, string(data)) + get // what follows is the next request
		r := newRig(t, nil)
		k := &reader{hold: rng.IntN(2) == 0}
		r.serve = k.serve
		c := r.connect()
		var trailers, got string
		requests := 0
		r.serve = func(x *exchange.Exchange) {
			if requests++; requests == 2 {
				got, trailers = string(k.got), k.trailers
			}
			k.serve(x)
		}
		for rest := stream; rest != ""; {
			n := min(len(rest), 1+rng.IntN([]int{2, 100, 4096}[rng.IntN(3)]))
			c.say(rest[:n])
			rest = rest[n:]
			for k.hold && k.flow != nil && k.flow.Stalled() {
				k.take()
				r.settle()
			}
		}
		if requests != 2 || got != string(data) || trailers != "X-Sum=42, X-Second=b c" {
			t.Fatalf("seed %d: %d requests, %d bytes of %d, trailers %q", seed, requests, len(got), len(data), trailers)
		}
		r.recorded("done 200", "done 200")
		r.home()
	}
}

// What comes in one read goes on as one piece, framing and all ends of chunks squeezed out; the bytes stay where they are
// until the sink has taken them.
func TestManySmallChunksAreOnePiece(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	k := &reader{hold: true}
	r.serve = k.serve
	c := r.connect().say(posted)
	c.say(strings.Repeat("1\r\nx\r\n", 300))
	assert.Equal(t, k.chunks, 1)
	assert.Equal(t, string(k.chunk.Bytes), strings.Repeat("x", 300))
	c.say("5\r\nlater\r\n0\r\n\r\n" + get)
	assert.Equal(t, string(k.chunk.Bytes), strings.Repeat("x", 300))
	assert.Equal(t, r.net.Buffers.InUse(), 1) // of the client's connection
	for k.flow != nil && k.flow.Stalled() {
		k.take()
		r.settle()
	}
	r.recorded("done 200", "done 200")
	r.home()
}

func TestChunksThatFail(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		said string
		end  bool
		want string
	}{
		"a bad size":                {"5\r\nhello\r\nnonsense\r\n", false, "bad_request 400"},
		"a bad end of a chunk":      {"5\r\nhelloworld\r\n", false, "bad_request 400"},
		"a bad trailer":             {"5\r\nhello\r\n0\r\nno colon\r\n\r\n", false, "bad_request 400"},
		"too much":                  {"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", false, "body_too_large 413"},
		"too much in one chunk":     {"ffff\r\nhello world", false, "body_too_large 413"},
		"an end between chunks":     {"5\r\nhello\r\n", true, "client_gone 0"},
		"an end within a chunk":     {"5\r\nhel", true, "client_gone 0"},
		"an end within the framing": {"5\r", true, "client_gone 0"},
		"an end within the trailer": {"0\r\nX-Sum: 4", true, "client_gone 0"},
		"as much as is allowed":     {"5\r\nhello\r\n5\r\nworld\r\n0\r\n\r\n", false, "done 200"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, func(r *rig) { r.route.MaxBody = 10 })
			k := new(reader)
			r.serve = k.serve
			s := r.connect().say(posted, c.said)
			if c.end {
				s.end()
				assert.Equal(t, k.ended, error(io.ErrUnexpectedEOF))
			}
			r.recorded(c.want)
			if got := s.got(); !strings.HasSuffix(c.want, " 0") {
				status := c.want[strings.LastIndexByte(c.want, ' ')+1:]
				assert.Equal(t, strings.HasPrefix(got, "HTTP/1.1 "+status), true)
			}
			r.home()
		})
	}
}

func TestChunksOfAStreamThatIsStopped(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	k := &reader{hold: true}
	r.serve = k.serve
	c := r.connect().say(posted, "5\r\nhello\r\n")
	k.flow.Refuse(io.ErrClosedPipe)
	r.settle()
	k.x.Fail(record.AnswerBad, "", nil)
	r.settle()
	assert.Equal(t, strings.HasPrefix(c.got(), "HTTP/1.1 502"), true)
	c.say("5\r\nworld\r\n")
	c.closed("shut")
	c.end()
	c.closed("shut close")
	r.home()
}
