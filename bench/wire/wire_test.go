package wire

import (
	"bytes"
	"testing"
)

func TestRequestRoundTrip(t *testing.T) {
	for _, size := range []int{0, 1, 60, 10 << 20, MaxBody} {
		if got, ok := Size(Request(size)); !ok || got != size {
			t.Errorf("Size(Request(%d)) = %d, %v", size, got, ok)
		}
	}
	for _, bad := range []string{"", "GET /", "GET / HTTP/1.1\r\n", "POST /1 HTTP/1.1\r\n", "GET /99999999999 HTTP/1.1\r\n", "GET /1x HTTP/1.1\r\n"} {
		if _, ok := Size([]byte(bad)); ok {
			t.Errorf("Size(%q) accepted", bad)
		}
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

func FuzzSize(f *testing.F) {
	f.Add(Request(60))
	f.Add([]byte("GET /0060 HTTP/1.1\r\n\r\n"))
	f.Add([]byte("GET /\x00 HTTP/1.1"))
	f.Fuzz(func(t *testing.T, head []byte) {
		if size, ok := Size(head); ok && (size < 0 || size > MaxBody) {
			t.Fatalf("size %d out of range from %q", size, head)
		}
	})
}
