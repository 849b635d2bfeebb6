package wire

// Untouched lines leave as one piece. Fields that came over HTTP/1 lie in the arena as whole lines, one behind the other, and most are
// sent as they came; so most of a head is one or two copies.

import (
	"bytes"

	"sluice/engine/exchange"
)

// run is a piece of the arena that is a number of whole lines: "Name: value", CRLF.
type run struct {
	arena    []byte
	from, to uint32
	lines    int
}

// take puts a field behind the others of the run, if that is where its line lies.
func (r *run) take(f *exchange.Field) bool {
	colon, end := f.Name.At+f.Name.Len, f.Value.At+f.Value.Len
	if f.Value.At != colon+2 || int(end)+2 > len(r.arena) || r.lines > 0 && f.Name.At != r.to {
		return false
	}
	if b := r.arena; b[colon] != ':' || b[colon+1] != ' ' || b[end] != '\r' || b[end+1] != '\n' {
		return false
	}
	if r.lines == 0 {
		r.from = f.Name.At
	}
	r.lines++
	r.to = end + 2
	return true
}

// flush appends the lines taken and begins a new run. The gate has seen them when they came, and edits leave no such traces; still,
// nothing is sent on the strength of that: as many line ends as lines means that there are none within a line.
func (r *run) flush(dst []byte) []byte {
	lines, n := r.arena[r.from:r.to], r.lines
	r.from, r.to, r.lines = 0, 0, 0
	if bytes.Count(lines, lf) != n || bytes.Count(lines, cr) != n || bytes.IndexByte(lines, 0) >= 0 {
		panic("h1: an edit left a line end within a field")
	}
	return append(dst, lines...)
}

var cr, lf = []byte{'\r'}, []byte{'\n'}
