package conv

// From the texts of a script to bytes, and to patterns of bytes.
//
//	%{x*1000}          x, a thousand times
//	%{get PATH}        a GET for PATH at site.test, as a client sends it; %{got PATH} is what a server gets of it
//	%{ok TEXT}         a 200 with TEXT as its body and a Content-Length
//	%{chunked x*1000}  a chunked body of these bytes without trailers, in whatever chunks; expected only
//	%{any}             whatever stands in the rest of the line, up to what follows
//	%{date}            the time, as Date tells it
//	%{cut}             the bytes before are on their way, and the proxy has had its time, before the next ones go
//	%{forwarded HOST}  the fields that the proxy adds to a request; without HOST it is for site.test
//	%{scheme} %{secure} %{spliced}    what depends on TLS: of URLs, "; Secure" in cookies, true where nothing is sealed
//	%{hello NAME}      what a client sends first in TLS, asking for the NAME, or for none
//	%{origin} %{other} %{refused} %{silent} %{proxy}    addresses: of the two servers, of one that refuses, of one that
//	                   never answers, and of the proxy
//	%{proxy.port} %{client.port}                        ports
//
// A line that begins with get, got, ok or forwarded has line ends of its own.

import (
	"bytes"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// piece is a part of a text: bytes, or one of the marks.
type piece struct {
	bytes []byte
	mark  string // "any", "date", "cut" or "chunked", of bytes; "" for bytes alone
}

// whole begins lines that have line ends of their own.
var whole = regexp.MustCompile(`^%\{(forwarded|get|got|ok|chunked)\b`)

// expand makes pieces of a text; look finds what placeholders stand for.
func expand(text []textLine, look func(name string) (string, bool)) (pieces []piece, err error) {
	var now []byte
	for _, line := range text {
		for rest := line.raw; ; {
			before, after, found := strings.Cut(rest, "%{")
			if now, err = appendUnescaped(now, before); err != nil {
				return nil, err
			}
			if !found {
				break
			}
			name, tail, closed := strings.Cut(after, "}")
			rest = tail
			if !closed {
				return nil, fmt.Errorf("a placeholder does not end in %q", line.raw)
			}
			mark, body, _ := strings.Cut(name, " ")
			value, err := valueOf(name, look)
			if mark == "chunked" {
				value, err = repeated(body)
			}
			switch {
			case name == "any" || name == "cut" || name == "date":
				pieces = append(pieces, piece{bytes: now}, piece{mark: name})
				now = nil
			case err != nil:
				return nil, err
			case mark == "chunked":
				pieces = append(pieces, piece{bytes: now}, piece{value, mark})
				now = nil
			default:
				now = append(now, value...)
			}
		}
		if !line.bare && !whole.MatchString(line.raw) {
			now = append(now, '\r', '\n')
		}
	}
	return append(pieces, piece{bytes: now}), nil
}

func valueOf(name string, look func(string) (string, bool)) ([]byte, error) {
	if value, ok := look(name); ok {
		return []byte(value), nil
	}
	word, rest, _ := strings.Cut(name, " ")
	forwarded, _ := look("forwarded")
	switch word {
	case "get":
		return fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: site.test\r\n\r\n", rest), nil
	case "got":
		return fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: site.test\r\n%s\r\n", rest, forwarded), nil
	case "ok":
		return fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(rest), rest), nil
	}
	if strings.LastIndexByte(name, '*') > 0 {
		return repeated(name)
	}
	return nil, fmt.Errorf("nothing is called %%{%s}", name)
}

// repeated is a text, or "text*N", which is N times the text.
func repeated(text string) ([]byte, error) {
	times := 1
	if at := strings.LastIndexByte(text, '*'); at > 0 {
		n, err := strconv.Atoi(text[at+1:])
		if err != nil {
			return nil, err
		}
		text, times = text[:at], n
	}
	what, err := appendUnescaped(nil, text)
	return bytes.Repeat(what, times), err
}

// escapes are the letters behind a backslash.
var escapes = map[byte]byte{'r': '\r', 'n': '\n', 't': '\t', '0': 0, 's': ' ', '\\': '\\'}

func appendUnescaped(dst []byte, text string) ([]byte, error) {
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' {
			dst = append(dst, text[i])
			continue
		}
		i++
		if i+2 < len(text) && text[i] == 'x' {
			n, err := strconv.ParseUint(text[i+1:i+3], 16, 8)
			if err != nil {
				return nil, err
			}
			dst = append(dst, byte(n))
			i += 2
			continue
		}
		if i == len(text) || escapes[text[i]] == 0 && text[i] != '0' {
			return nil, fmt.Errorf("no escape: %q", text)
		}
		dst = append(dst, escapes[text[i]])
	}
	return dst, nil
}

// verdict is what a pattern says of bytes.
type verdict int

const (
	partial verdict = iota // it may match yet
	matched
	different
)

// matcher compares bytes with a pattern, from their beginning, as they come.
type matcher struct {
	pieces []piece
	free   bool // whatever stands in the rest of the line comes first
}

// take compares b and returns how much of it is done with; what is left has to be shown again, with more behind it.
func (m *matcher) take(b []byte) (n int, v verdict) {
	for len(m.pieces) > 0 {
		taken, v := m.step(b[n:])
		if n += taken; v != matched {
			return n, v
		}
		m.pieces = m.pieces[1:]
	}
	return n, matched
}

// step compares b with the first piece.
func (m *matcher) step(b []byte) (n int, v verdict) {
	p := &m.pieces[0]
	switch {
	case p.mark == "any":
		m.free = true
		return 0, matched
	case p.mark == "chunked":
		return p.takeChunks(b)
	case p.mark == "date":
		return matchDate(b)
	case len(p.bytes) == 0 || p.mark != "":
		return 0, matched
	case m.free:
		if n, v = skipTo(b, p.bytes); v == matched {
			m.free = false
			n += len(p.bytes)
		}
		return n, v
	}
	n = min(len(b), len(p.bytes))
	if !bytes.Equal(b[:n], p.bytes[:n]) {
		return 0, different
	}
	if p.bytes = p.bytes[n:]; len(p.bytes) > 0 {
		return n, partial
	}
	return n, matched
}

// matchDate reads the present time.
func matchDate(b []byte) (n int, v verdict) {
	n = len(http.TimeFormat)
	if len(b) < n {
		return 0, partial
	}
	at, err := http.ParseTime(string(b[:n]))
	if off := time.Since(at).Abs(); err != nil || off > time.Minute {
		return 0, different
	}
	return n, matched
}

// takeChunks compares b with a chunked body of the piece's bytes, and takes off those that have come.
func (p *piece) takeChunks(b []byte) (n int, v verdict) {
	for {
		line, _, found := bytes.Cut(b[n:], []byte("\r\n"))
		if !found {
			return n, partial
		}
		size, err := strconv.ParseUint(string(line), 16, 32)
		data := b[n+len(line)+2:]
		switch {
		case err != nil || int(size) > len(p.bytes) || size == 0 && len(p.bytes) > 0:
			return n, different
		case len(data) < int(size)+2:
			return n, partial
		case !bytes.Equal(data[:size], p.bytes[:size]) || string(data[size:size+2]) != "\r\n":
			return n, different
		}
		p.bytes = p.bytes[size:]
		n += len(line) + 2 + int(size) + 2
		if size == 0 {
			return n, matched
		}
	}
}

// skipTo finds want in the present line of b.
func skipTo(b, want []byte) (n int, v verdict) {
	at, end := bytes.Index(b, want), bytes.IndexByte(b, '\n')
	switch {
	case at >= 0 && (end < 0 || at <= end):
		return at, matched
	case end >= 0 && (at >= 0 || len(b)-end > len(want)):
		return 0, different
	}
	return 0, partial
}

// show writes bytes as a script would.
func show(b []byte) string {
	if len(b) == 0 {
		return "       (nothing)\n"
	}
	const most = shownMax
	cut := ""
	if len(b) > most {
		cut = fmt.Sprintf("       … %d bytes in all\n", len(b))
		b = b[:most]
	}
	var out strings.Builder
	for line := range bytes.Lines(b) {
		sign := "+"
		if bytes.HasSuffix(line, []byte("\r\n")) {
			sign, line = "|", line[:len(line)-2]
		}
		quoted := strconv.Quote(string(line))
		quoted = strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`)
		fmt.Fprintf(&out, "       %s %s\n", sign, quoted)
	}
	return out.String() + cut
}

// showPattern writes a pattern as a script would.
func showPattern(pattern []piece) string {
	var all []byte
	for _, p := range pattern {
		if p.mark != "" {
			all = append(all, "%{"+p.mark+"}"...)
		}
		all = append(all, p.bytes...)
	}
	return show(all)
}
