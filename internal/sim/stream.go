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

// helloFor writes a ClientHello for a name, of at least size bytes, cut into records of at most fragment bytes.
func helloFor(id byte, name string, size, fragment int) []byte {
	body := []byte{3, 3}
	random := bytes.Repeat([]byte{id}, 32)
	body = append(body, random...)
	body = append(body, 0, 0, 2, 0x13, 0x01, 1, 0)
	var ext []byte
	if name != "" {
		ext = binary.BigEndian.AppendUint16(ext, 0)
		ext = binary.BigEndian.AppendUint16(ext, uint16(len(name)+5))
		ext = binary.BigEndian.AppendUint16(ext, uint16(len(name)+3))
		ext = append(ext, 0)
		ext = binary.BigEndian.AppendUint16(ext, uint16(len(name)))
		ext = append(ext, name...)
	}
	if pad := size - len(ext) - len(body); pad > 0 {
		ext = binary.BigEndian.AppendUint16(ext, 21)
		ext = binary.BigEndian.AppendUint16(ext, uint16(pad))
		ext = append(ext, make([]byte, pad)...)
	}
	body = binary.BigEndian.AppendUint16(body, uint16(len(ext)))
	body = append(body, ext...)
	message := append([]byte{1, 0, byte(len(body) >> 8), byte(len(body))}, body...)
	var wire []byte
	for len(message) > 0 {
		n := min(fragment, len(message))
		wire = append(wire, tlsHandshake, 3, 1, byte(n>>8), byte(n))
		wire = append(wire, message[:n]...)
		message = message[n:]
	}
	return wire
}
