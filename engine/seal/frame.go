package seal

// Where records begin and end (RFC 8446, 5.1): a step of a handshake is worth its way only with a whole one.

import "encoding/binary"

const (
	recordHeader = 5 // bytes: type, version, length
	// The types of records, the major version of all of them, and the longest there may be (RFC 5246, 6.2.3).
	typeFirst, typeLast = 20, 24
	versionMajor        = 3
	recordMax           = 1<<14 + 2048
)

// framer counts the records of a stream that comes in pieces.
type framer struct {
	left   int  // bytes missing of the record whose header is complete
	have   int  // bytes of an incomplete header
	lost   bool // what comes are no records
	header [recordHeader]byte
}

// feed goes over the next bytes and returns how many records they complete. What cannot be the beginning of a record counts
// as a whole one, and so does all that follows: crypto/tls needs no more to see that the peer speaks something else.
func (r *framer) feed(b []byte) (whole int) {
	for len(b) > 0 {
		if r.lost {
			return whole + 1
		}
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
		if r.lost = !plausible(&r.header); r.lost {
			return whole + 1
		}
		if r.left = int(binary.BigEndian.Uint16(r.header[3:])); r.left == 0 {
			whole++
		}
	}
	return whole
}

// plausible reports whether a header may be that of a record.
func plausible(h *[recordHeader]byte) bool {
	return typeFirst <= h[0] && h[0] <= typeLast && h[1] == versionMajor && int(binary.BigEndian.Uint16(h[3:])) <= recordMax
}

// aligned reports whether the bytes so far end with a record.
func (r *framer) aligned() bool { return r.left == 0 && r.have == 0 && !r.lost }
