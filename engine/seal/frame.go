package seal

// Where records begin and end (RFC 8446, 5.1): a step of a handshake is worth its way only with a whole one.

import "encoding/binary"

const recordHeader = 5 // bytes: type, version, length

// framer counts the records of a stream that comes in pieces.
type framer struct {
	left   int // bytes missing of the record whose header is complete
	have   int // bytes of an incomplete header
	header [recordHeader]byte
}

// feed goes over the next bytes and returns how many records they complete.
func (r *framer) feed(b []byte) (whole int) {
	for len(b) > 0 {
		if r.left > 0 {
			n := min(r.left, len(b))
			b = b[n:]
			if r.left -= n; r.left == 0 {
				whole++
			}
			continue
		}
		n := copy(r.header[r.have:], b)
		b = b[n:]
		if r.have += n; r.have < recordHeader {
			return whole
		}
		r.have = 0
		if r.left = int(binary.BigEndian.Uint16(r.header[3:])); r.left == 0 {
			whole++
		}
	}
	return whole
}

// aligned reports whether the bytes so far end with a record.
func (r *framer) aligned() bool { return r.left == 0 && r.have == 0 }
