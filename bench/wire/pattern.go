package wire

import "encoding/binary"

// word is the pattern's i-th group of eight bytes: a multiplicative hash of its
// index, so that no two neighbours and no two distant groups look alike.
func word(i uint64) uint64 { return (i + 1) * 0x9e3779b97f4a7c15 }

// Fill writes the pattern from offset 0 on.
func Fill(b []byte) {
	var group [8]byte
	for i := 0; i < len(b); i += len(group) {
		binary.LittleEndian.PutUint64(group[:], word(uint64(i/len(group))))
		copy(b[i:], group[:])
	}
}

// Match reports whether piece is what the pattern has at offset. It compares the
// first complete groups and the last one, at most nine: a sample that costs the
// same for any length, and all of a small answer.
func Match(piece []byte, offset int64) bool {
	const group, groups = 8, 8
	skip := int((group - offset%group) % group)
	if len(piece) < skip+group {
		return matchBytes(piece, offset)
	}
	whole := (len(piece) - skip) / group
	first := uint64(offset+int64(skip)) / group
	for i := range min(whole, groups) {
		if binary.LittleEndian.Uint64(piece[skip+i*group:]) != word(first+uint64(i)) {
			return false
		}
	}
	last := whole - 1
	return binary.LittleEndian.Uint64(piece[skip+last*group:]) == word(first+uint64(last)) &&
		matchBytes(piece[:skip], offset) &&
		matchBytes(piece[skip+whole*group:], offset+int64(skip+whole*group))
}

// matchBytes compares single bytes: the ragged ends, each shorter than a group.
func matchBytes(piece []byte, offset int64) bool {
	for i, b := range piece {
		at := uint64(offset) + uint64(i)
		if b != byte(word(at/8)>>(8*(at%8))) {
			return false
		}
	}
	return true
}

// Period is after how many bytes a stream repeats the pattern: as much as can be
// sent from one piece of memory, and little enough to stay in a cache.
const Period = 1 << 20

// MatchStream is Match for a stream: the piece may span repetitions.
func MatchStream(piece []byte, offset int64) bool {
	for len(piece) > 0 {
		at := offset % Period
		n := min(int64(len(piece)), Period-at)
		if !Match(piece[:n], at) {
			return false
		}
		piece, offset = piece[n:], offset+n
	}
	return true
}
