package wire

import (
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
)

// The little of WebSocket (RFC 6455) that an echo needs: the upgrade, and frames.
// The key and the mask are always the same, which saves making every frame anew; a
// proxy relays both unseen.

// Opcodes of frames (RFC 6455 section 5.2).
const (
	OpBinary = 0x2
	OpClose  = 0x8
	OpPing   = 0x9
	OpPong   = 0xA
)

const (
	// key is the one of the specification's own example.
	key = "dGhlIHNhbXBsZSBub25jZQ=="
	// guid is what the answer to a key is made with (section 1.3).
	guid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
	// finalBit and maskBit stand above the opcode and above the length.
	finalBit = 0x80
	maskBit  = 0x80
	// length16 and length64 say that the length follows in two or eight bytes.
	length16 = 126
	length64 = 127
	// MaxFrameHead is the longest head of a frame: with a long length and a mask.
	MaxFrameHead = 14
)

// mask is what our frames are masked with.
var mask = [4]byte{0x37, 0xfa, 0x21, 0x3d}

// UpgradeTo returns a request that asks for WebSocket.
func UpgradeTo(host, target string) []byte {
	return []byte("GET " + target + " HTTP/1.1\r\nHost: " + host + "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + key + HeadEnd)
}

// Upgraded returns the answer that grants an upgrade with a key.
func Upgraded(key string) []byte {
	return []byte("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Accept: " + accept(key) + HeadEnd)
}

// Accepted is what the answer to UpgradeTo must have as Sec-WebSocket-Accept.
func Accepted() string { return accept(key) }

func accept(key string) string {
	sum := sha1.Sum([]byte(key + guid))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// Message returns a masked binary frame with so many bytes of the pattern.
func Message(size int) []byte {
	b := AppendFrameHead(nil, FrameHead{First: finalBit | OpBinary, Masked: true, Mask: mask, Length: int64(size)})
	head := len(b)
	b = append(b, make([]byte, size)...)
	Fill(b[head:])
	Unmask(b[head:], mask, 0)
	return b
}

// FrameHead is what precedes the bytes of a frame.
type FrameHead struct {
	// First is the first byte: whether it is the last frame of a message, and the
	// opcode.
	First  byte
	Masked bool
	Mask   [4]byte
	Length int64
}

// Op is the frame's opcode.
func (h FrameHead) Op() byte { return h.First & 0xf }

// Whole reports whether the frame is a binary message of its own.
func (h FrameHead) Whole() bool { return h.First == finalBit|OpBinary }

// ParseFrameHead reads the head of a frame (section 5.2). It returns how long it is,
// 0 if more bytes must come; false for what is no head: reserved bits, or a length
// with its highest bit set.
func ParseFrameHead(b []byte) (head FrameHead, n int, ok bool) {
	const reserved = 0x70
	if len(b) < 2 {
		return head, 0, true
	}
	head = FrameHead{First: b[0], Masked: b[1]&maskBit != 0, Length: int64(b[1] &^ maskBit)}
	if head.First&reserved != 0 {
		return head, 0, false
	}
	n = 2
	switch head.Length {
	case length16:
		if n += 2; len(b) < n {
			return head, 0, true
		}
		head.Length = int64(binary.BigEndian.Uint16(b[2:]))
	case length64:
		if n += 8; len(b) < n {
			return head, 0, true
		}
		head.Length = int64(binary.BigEndian.Uint64(b[2:]))
	}
	if head.Length < 0 {
		return head, 0, false
	}
	if head.Masked {
		if len(b) < n+len(head.Mask) {
			return head, 0, true
		}
		n += copy(head.Mask[:], b[n:])
	}
	return head, n, true
}

// AppendFrameHead appends the head's bytes.
func AppendFrameHead(b []byte, h FrameHead) []byte {
	masked := byte(0)
	if h.Masked {
		masked = maskBit
	}
	switch {
	case h.Length < length16:
		b = append(b, h.First, masked|byte(h.Length))
	case h.Length < 1<<16:
		b = append(b, h.First, masked|length16)
		b = binary.BigEndian.AppendUint16(b, uint16(h.Length))
	default:
		b = append(b, h.First, masked|length64)
		b = binary.BigEndian.AppendUint64(b, uint64(h.Length))
	}
	if h.Masked {
		b = append(b, h.Mask[:]...)
	}
	return b
}

// Unmask masks or unmasks, which is the same (section 5.3), a piece that begins at
// an offset in its frame.
func Unmask(piece []byte, mask [4]byte, offset int64) {
	var turned [8]byte
	for i := range turned {
		turned[i] = mask[(offset+int64(i))%4]
	}
	wide := binary.LittleEndian.Uint64(turned[:])
	for len(piece) >= len(turned) {
		binary.LittleEndian.PutUint64(piece, binary.LittleEndian.Uint64(piece)^wide)
		piece = piece[len(turned):]
	}
	for i := range piece {
		piece[i] ^= turned[i]
	}
}
