package conv

// From the texts of a script to bytes, and to patterns of bytes.
//
//	%{x*1000}          x, a thousand times
//	%{get PATH}        a GET for PATH at site.test, as a client sends it; %{got PATH} is what a server gets of it
//	%{ok TEXT}         a 200 with TEXT as its body and a Content-Length
//	%{chunked x*1000}  a chunked body of these bytes without trailers, in whatever chunks; expected only
//	%{any}             whatever stands in the rest of the line, up to what follows
//	%{cut}             the bytes before are on their way, and the proxy has had its time, before the next ones go
//	%{forwarded HOST}  the fields that the proxy adds to a request; without HOST it is for site.test
//	%{origin} %{other} %{refused} %{silent} %{proxy}    addresses: of the two servers, of one that refuses, of one that
//	                   never answers, and of the proxy
//	%{proxy.port} %{client.port}                        ports
//
// A line that begins with get, got, ok or forwarded has line ends of its own.

import (
	"bytes"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// piece is a part of a text: bytes, or one of the marks.
type piece struct {
	bytes []byte
	mark  string // "any", "cut" or "chunked", of bytes; "" for bytes alone
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
			if mark == "chunked" {
				name = body
			}
			value, err := valueOf(name, look)
			switch {
			case name == "any" || name == "cut":
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
	if at := strings.LastIndexByte(name, '*'); at > 0 {
		what, err := appendUnescaped(nil, name[:at])
		n, wrong := strconv.Atoi(name[at+1:])
		if err == nil && wrong == nil {
			return bytes.Repeat(what, n), nil
		}
	}
	return nil, fmt.Errorf("nothing is called %%{%s}", name)
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

// match compares bytes with a pattern, from their beginning, and returns how many it takes.
func match(pattern []piece, b []byte) (n int, v verdict) {
	free := false
	for _, p := range pattern {
		switch {
		case p.mark == "chunked":
			taken, v := matchChunked(p.bytes, b[n:])
			if n += taken; v != matched {
				return n, v
			}
			continue
		case p.mark != "":
			free = free || p.mark == "any"
			continue
		case len(p.bytes) == 0:
			continue
		}
		if free {
			skip, v := skipTo(b[n:], p.bytes)
			if v != matched {
				return n, v
			}
			n += skip
			free = false
		}
		got := b[n:min(len(b), n+len(p.bytes))]
		if !bytes.Equal(got, p.bytes[:len(got)]) {
			return n, different
		}
		if n += len(got); len(got) < len(p.bytes) {
			return n, partial
		}
	}
	return n, matched
}

// matchChunked compares b with a chunked body of the bytes want.
func matchChunked(want, b []byte) (n int, v verdict) {
	for {
		line, _, found := bytes.Cut(b[n:], []byte("\r\n"))
		if !found {
			return n, partial
		}
		size, err := strconv.ParseUint(string(line), 16, 32)
		data := b[n+len(line)+2:]
		switch {
		case err != nil || int(size) > len(want):
			return n, different
		case len(data) < int(size)+2:
			return n, partial
		case !bytes.Equal(data[:size], want[:size]) || string(data[size:size+2]) != "\r\n":
			return n, different
		}
		want = want[size:]
		n += len(line) + 2 + int(size) + 2
		if size == 0 && len(want) == 0 {
			return n, matched
		} else if size == 0 {
			return n, different
		}
	}
}

// skipTo finds want in the present line of b.
func skipTo(b, want []byte) (n int, v verdict) {
	at := bytes.Index(b, want)
	end := bytes.IndexByte(b, '\n')
	switch {
	case at >= 0 && (end < 0 || at <= end):
		return at, matched
	case end >= 0 && at < 0 && len(b)-end > len(want):
		return 0, different
	case at > end && end >= 0:
		return 0, different
	}
	return 0, partial
}

// show writes bytes as a script would.
func show(b []byte) string {
	if len(b) == 0 {
		return "       (nothing)\n"
	}
	const most = 2000
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
