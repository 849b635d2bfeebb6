package sim

// A stream is what one actor means to send: it can be recognised by its first bytes, and checked by the rest.

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
)

// firstID is above every byte that means something: no stream looks like TLS or like a PROXY header by accident.
const firstID = 0x80

type stream struct {
	id    byte
	owner *actor
	bytes []byte
}

// noise is what streams are filled with.
var noise = func() []byte {
	rng := rand.New(rand.NewPCG(1, 2))
	b := make([]byte, 2<<20)
	for i := 0; i < len(b); i += 8 {
		binary.LittleEndian.PutUint64(b[i:], rng.Uint64())
	}
	return b
}()

// newStream makes a stream of total bytes behind a hello, which may be empty.
func (w *World) newStream(owner *actor, makeHello func(id byte) []byte, total int) *stream {
	s := &stream{id: byte(firstID + len(w.streams)), owner: owner}
	if makeHello != nil {
		s.bytes = makeHello(s.id)
	}
	at := int(s.id) * 4099
	body := noise[at : at+total]
	first := len(s.bytes) == 0
	s.bytes = append(s.bytes, body...)
	if first && total > 0 {
		s.bytes[0] = s.id
	}
	w.streams = append(w.streams, s)
	return s
}

// recognise finds the stream that begins with b; known is false while b is too short to tell.
func (w *World) recognise(b []byte) (s *stream, known bool) {
	at := 0
	if b[0] == tlsHandshake {
		at = helloID
	}
	if len(b) <= at {
		return nil, false
	}
	for _, s := range w.streams {
		if s.id == b[at] {
			return s, true
		}
	}
	return nil, true
}

// holds reports whether b is the stream's content at off.
func (s *stream) holds(off int, b []byte) bool {
	return off+len(b) <= len(s.bytes) && bytes.Equal(s.bytes[off:off+len(b)], b)
}

const (
	tlsHandshake = 22
	helloID      = 11 // where a hello carries its stream's id: the first byte of the client random
)
