package wire

// Chunked bodies (RFC 9112, section 7.1), read wherever they were cut and written chunk by chunk.
//
//	5;name=value␍␊ hello ␍␊  0␍␊  Name: value␍␊ ␍␊
//	└ size line ─┘ └data─┘   └last┘ └ trailers ──┘
//
// The decoder keeps no bytes but those of trailers: every byte moves it from one state to the next, and only data leaves it.

import "sluice/engine/exchange"

// Decoder takes the framing off a chunked body. The zero value is ready; Reset makes it so again.
type Decoder struct {
	// Trailers, if set, gets the trailer fields; it must be empty and is the decoder's until done. Without it they are
	// checked and dropped. Those that a trailer must not change (framing, routing, credentials, what describes the content)
	// are dropped in any case.
	Trailers *exchange.Head
	// Answer says that the server wrote the body, so it is to blame for what is wrong with it.
	Answer bool

	state chunkState
	fault fault
	left  int64 // of the current chunk's data
	chunkLine
	trailerLine
}

// chunkLine is what is known of the line being read.
type chunkLine struct {
	digits     int // of the size
	extension  int // bytes of extensions in this line
	extensions int // and in all lines
}

// chunkState is what the next byte has to be part of.
type chunkState uint8

const (
	inSize        chunkState = iota
	afterSize                // an extension, or the end of the line
	extensionName            // behind ";": blanks, then a name
	inName
	afterName // blanks before "=" or ";"
	extensionValue
	inValue
	inQuoted
	escaped // behind a backslash in quotes
	afterQuotes
	afterValue // blanks before ";"
	sizeLF
	inData
	dataCR
	dataLF
	lineStart // of a trailer, or of the last line
	trailerName
	trailerBlank
	trailerValue
	trailerLF
	lastLF
	bodyDone
)

// Reset makes d ready for another body. Trailers and Answer stay.
func (d *Decoder) Reset() { *d = Decoder{Trailers: d.Trailers, Answer: d.Answer} }

// Left is how many bytes of data the current chunk still has; they come next, without framing between them.
func (d *Decoder) Left() int64 { return d.left }

// Taken tells d that the caller took n bytes of the current chunk by other means; n is at most Left.
func (d *Decoder) Taken(n int64) {
	if d.left -= n; d.left < 0 {
		panic("h1: more data taken than the chunk has")
	}
	if d.left == 0 && d.state == inData {
		d.state = dataCR
	}
}

// Next reads from b: framing, then data of one chunk as far as b has it. data is part of b; consumed counts it and all framing
// before it. It is to be called with the rest of b until consumed is 0, or the body is done: nothing of b has to be kept then.
// Bytes behind the body are not touched. After an error, and after done, the answer stays the same.
func (d *Decoder) Next(b []byte) (data []byte, consumed int, done bool, bad *Bad) {
	i := 0
	for i < len(b) && d.state != bodyDone && d.fault == fine {
		if d.state == inData {
			n := int(min(int64(len(b)-i), d.left))
			d.Taken(int64(n))
			return b[i : i+n], i + n, false, nil
		}
		i += d.step(b[i:])
	}
	if d.fault == fine {
		return nil, i, d.state == bodyDone, nil
	}
	if d.Answer {
		return nil, 0, false, d.fault.inAnswer()
	}
	return nil, 0, false, d.fault.inRequest()
}

// step reads at least one byte and returns how many.
func (d *Decoder) step(b []byte) (n int) {
	c := b[0]
	switch d.state {
	case inSize:
		d.size(c)
	case sizeLF:
		d.expect(c, '\n', bareCR)
		d.endSize()
	case dataCR:
		d.expect(c, '\r', badChunkEnd)
		d.state = dataLF
	case dataLF:
		d.expect(c, '\n', badChunkEnd)
		d.state, d.chunkLine = inSize, chunkLine{extensions: d.extensions}
	case lineStart, trailerName, trailerBlank, trailerValue, trailerLF, lastLF:
		return d.trailer(b)
	default:
		d.inExtension(c)
	}
	return 1
}

// size reads a digit of the size, or what ends it: no sign, no "0x", no padding. The grammar would allow blanks before a ";", but
// readers differ about them.
func (d *Decoder) size(c byte) {
	if classes[c]&hex != 0 {
		if d.digits++; d.digits > maxSizeDigits || d.left>>59 != 0 {
			d.fault = hugeChunk
			return
		}
		d.left = d.left<<4 | int64(hexDigit(c))
		return
	}
	d.state = afterSize
	if d.digits == 0 {
		d.refuse(c, badChunkSize)
		return
	}
	d.inExtension(c)
}

func hexDigit(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return c | 0x20 - 'a' + 10
}

// inExtension reads a byte of a chunk extension: *( ";" BWS name [ BWS "=" BWS ( token / quoted-string ) ] ), which means
// nothing and goes nowhere. It is read by the letter because others read it otherwise.
func (d *Decoder) inExtension(c byte) {
	if c == '\r' && d.mayEnd() {
		d.state = sizeLF
		return
	}
	if d.extension++; d.extension > maxExtension {
		d.fault = longExtension
	}
	if d.extensions++; d.extensions > maxExtensions {
		d.fault = manyExtensions
	}
	next := extensionMove(d.state, c)
	if next == inSize {
		wrong := badExtension
		if d.state == afterSize {
			wrong = badChunkSize
		}
		d.refuse(c, wrong)
		return
	}
	d.state = next
}

// mayEnd reports whether the line may end here: not behind a ";", a "=" or trailing blanks, nor within quotes.
func (d *Decoder) mayEnd() bool {
	switch d.state {
	case afterSize:
		return d.extension == 0
	case inName, inValue, afterQuotes:
		return true
	}
	return false
}

// extensionMove is the state behind a byte; inSize means that the byte is wrong.
func extensionMove(state chunkState, c byte) chunkState {
	word := classes[c]&token != 0
	switch state {
	case extensionName, inName:
		if word {
			return inName
		}
	case extensionValue, inValue:
		if word {
			return inValue
		}
		if state == extensionValue && c == '"' {
			return inQuoted
		}
	case inQuoted, escaped:
		return quotedMove(state, c)
	}
	switch {
	case c == ';' && state != extensionName && state != extensionValue:
		return extensionName
	case c == '=' && (state == inName || state == afterName):
		return extensionValue
	case blank(c):
		return blankMove[state]
	}
	return inSize
}

// blankMove is the state behind a blank; inSize where none may be.
var blankMove = [...]chunkState{
	extensionName: extensionName, inName: afterName, afterName: afterName, extensionValue: extensionValue,
	inValue: afterValue, afterQuotes: afterValue, afterValue: afterValue,
}

// quotedMove is extensionMove within quotes.
func quotedMove(state chunkState, c byte) chunkState {
	switch {
	case state == escaped && (c == '"' || c == '\\'):
		return inQuoted
	case state == inQuoted && c == '"':
		return afterQuotes
	case state == inQuoted && c == '\\':
		return escaped
	case classes[c]&inQuotes != 0:
		return inQuoted
	}
	return inSize
}

// endSize begins the chunk, or the trailer section behind the last one.
func (d *Decoder) endSize() {
	d.state = inData
	// Data pays for extensions, twice: what is bounded is the useless part of a body, however long that is.
	d.extensions = int(max(0, int64(d.extensions)-2*min(d.left, maxExtensions)))
	if d.left == 0 {
		d.state = lineStart
	}
}

// expect refuses any byte but one.
func (d *Decoder) expect(c, want byte, otherwise fault) {
	if c != want {
		d.refuse(c, otherwise)
	}
}

// refuse names the fault of a byte: that it is right nowhere, or else what it breaks here.
func (d *Decoder) refuse(c byte, here fault) {
	switch {
	case here == badChunkEnd:
		d.fault = here
	case c == 0:
		d.fault = nulByte
	case c == '\n':
		d.fault = bareLF
	case c < ' ' && c != '\t' && c != '\r' || c == 0x7f:
		d.fault = controlByte
	default:
		d.fault = here
	}
}

// AppendChunkHead appends what stands before n bytes of data, n > 0; behind them belongs a CRLF.
func AppendChunkHead(dst []byte, n int) []byte {
	if n <= 0 {
		panic("h1: a chunk without data would end the body")
	}
	const digits = "0123456789abcdef"
	shift := 0
	for n>>shift > 15 {
		shift += 4
	}
	for ; shift >= 0; shift -= 4 {
		dst = append(dst, digits[n>>shift&15])
	}
	return append(dst, '\r', '\n')
}
