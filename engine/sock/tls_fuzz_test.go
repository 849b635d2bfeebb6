package sock

import (
	"io"
	"strings"
	"testing"

	"sluice/engine/loop"
	"sluice/engine/seal"
)

// FuzzTLS cuts a handshake and the data behind it where the fuzzer says, for both directions, and checks that both sides
// read what the other wrote, to a clean end.
func FuzzTLS(f *testing.F) {
	f.Add([]byte{0}, []byte{0}, uint16(100), byte(0))
	f.Add([]byte{1}, []byte{1}, uint16(3000), byte(1))
	f.Add([]byte{5, 200, 3}, []byte{0, 7, 255}, uint16(40_000), byte(2))
	f.Add([]byte{255, 255, 1, 4}, []byte{3, 0, 0, 90}, uint16(65_535), byte(3))
	f.Fuzz(func(t *testing.T, cuts, rooms []byte, size uint16, way byte) {
		role, version := seal.Role(way&1), versions[way>>1&1]
		s := newSafe(t, role, only(serverConfig(), version), clientConfig())
		cut, room := stepper(cuts), stepper(rooms)
		s.cut = func(n int) int { return min(n, cut()) }
		s.shake()
		if s.secured != 1 {
			t.Fatal(s.failures, s.far.err)
		}
		k, _ := s.receive()
		text := pattern(int(size) + 1)
		s.far.write(t, text)
		if err := s.far.tls.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		s.sys.room = 0
		out := s.send(text, true)
		got := ""
		for {
			s.sys.room = room()
			s.event(loop.Writable)
			s.carry()
			more, err := s.far.read()
			if got += more; err == io.EOF {
				break
			} else if err != nil {
				t.Fatal(err)
			}
		}
		if got != text || string(k.got) != text || k.ends != 1 || !out.Delivered() {
			t.Fatalf("%d and %d of %d bytes, %d ends", len(got), len(k.got), len(text), k.ends)
		}
		s.sys.room = -1
		s.close()
	})
}

// FuzzTLSGarbage flips bytes of what the peer sends, in the handshake and in the records behind it, which come torn and joined:
// the connection fails, and nothing else does. What was opened before is what was sent.
func FuzzTLSGarbage(f *testing.F) {
	f.Add(uint16(0), byte(1), byte(0))
	f.Add(uint16(5), byte(0x80), byte(1))
	f.Add(uint16(300), byte(0xff), byte(2))
	f.Add(uint16(1600), byte(4), byte(3))
	f.Add(uint16(2600), byte(4), byte(7))
	f.Add(uint16(3900), byte(9), byte(12))
	f.Fuzz(func(t *testing.T, at uint16, flip, way byte) {
		s := newSafe(t, seal.Role(way&1), only(serverConfig(), versions[way>>1&1]), clientConfig())
		var k *collector
		passed, text := 0, pattern(4000)
		cut := 1 + int(way>>2)*40
		for range 20 {
			s.work()
			s.far.in = append(s.far.in, s.sys.wrote...)
			s.sys.wrote = nil
			if s.far.shake(); s.far.over && s.far.err == nil && k == nil && s.secured == 1 {
				k, _ = s.receive()
				for rest := text; rest != ""; rest = rest[min(len(rest), cut):] {
					_, _ = s.far.tls.Write([]byte(rest[:min(len(rest), cut)]))
				}
			}
			out := s.far.out
			if i := int(at) - passed; 0 <= i && i < len(out) {
				out[i] ^= flip
			}
			passed += len(out)
			s.far.out = nil
			for rest := string(out); rest != "" && s.conn.state == open && len(s.failures) == 0; {
				n := min(len(rest), 1+(cut*7+len(rest))%700)
				s.give(rest[:n])
				rest = rest[n:]
			}
		}
		if k != nil && !strings.HasPrefix(text, string(k.got)) {
			t.Fatalf("%q", k.got)
		}
		s.close()
	})
}

// stepper gives the numbers of list for ever, none below 1: a few small ones, and larger ones as they come.
func stepper(list []byte) func() int {
	at := 0
	return func() int {
		n := 1 << 20
		if len(list) > 0 {
			n = 1 + int(list[at%len(list)])*int(list[at%len(list)])
		}
		at++
		return n
	}
}
