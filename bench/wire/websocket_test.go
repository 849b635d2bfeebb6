package wire

import (
	"bytes"
	"testing"
)

func TestFramesRoundTrip(t *testing.T) {
	for _, size := range []int{0, 1, 125, 126, 65535, 65536, 1 << 20} {
		frame := Message(size)
		head, n, ok := ParseFrameHead(frame)
		if !ok || !head.Masked || head.Op() != OpBinary || head.Length != int64(size) || len(frame) != n+size {
			t.Fatalf("%d bytes: %+v, %d, %v", size, head, n, ok)
		}
		for cut := range n {
			if _, m, ok := ParseFrameHead(frame[:cut]); m != 0 || !ok {
				t.Errorf("%d of %d bytes of a head: %d, %v", cut, n, m, ok)
			}
		}
		// In two pieces, to see that the mask goes on where it was.
		Unmask(frame[n:n+size/3], head.Mask, 0)
		Unmask(frame[n+size/3:], head.Mask, int64(size/3))
		body := make([]byte, size)
		if Fill(body); !bytes.Equal(frame[n:], body) {
			t.Errorf("%d bytes do not come back", size)
		}
	}
}

func TestFramesThatAreNone(t *testing.T) {
	for _, bad := range []string{"\xc2\x00", "\x82\x7f\xff\xff\xff\xff\xff\xff\xff\xff"} {
		if head, n, ok := ParseFrameHead([]byte(bad)); ok {
			t.Errorf("%q: %+v, %d", bad, head, n)
		}
	}
}

// FuzzFrameHead: what is parsed is written as the same head, in no more bytes.
func FuzzFrameHead(f *testing.F) {
	f.Add(Message(10)[:6])
	f.Add(Message(70_000)[:14])
	f.Add([]byte("\x88\x7e\x00\x01"))
	f.Add([]byte("\x82\xff\x80\x00\x00\x00\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		head, n, ok := ParseFrameHead(b)
		if !ok || n == 0 {
			return
		}
		if n > len(b) || n > MaxFrameHead || head.Length < 0 {
			t.Fatalf("%+v of %d bytes from %q", head, n, b)
		}
		again := AppendFrameHead(nil, head)
		if got, m, ok := ParseFrameHead(again); !ok || got != head || m != len(again) || m > n {
			t.Fatalf("%+v becomes %+v", head, got)
		}
	})
}
