package configs

// A kind is one way to write a value: its name in the reference and the pure function that reads it. Kinds are built from
// small ones, as in auto(count.between("1", "1024")), and know nothing of files, rows or the struct they fill.

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"sluice/configs/literal"
)

// A scalar is a text to be read as a value: variables are expanded, and relative paths in it start at dir.
type scalar struct {
	text string
	at   Position
	dir  string
}

type kind[T any] struct {
	name    string // as in "expected NAME"
	choices []string
	limits  string // "10ms to 1h"; "" if every value that can be written is allowed
	parse   func(scalar) (T, error)
	compare func(a, b T) int // nil where between makes no sense
}

var (
	count    = kind[int]{name: "a number", parse: plain(literal.Count), compare: cmp.Compare[int]}
	duration = kind[time.Duration]{name: "a duration", parse: plain(literal.Duration), compare: cmp.Compare[time.Duration]}
	rate     = kind[int64]{name: "a rate", parse: plain(literal.Rate), compare: cmp.Compare[int64]}
	size     = kind[Size]{name: "a size", parse: plain(literal.ParseSize), compare: cmp.Compare[Size]}
	boolean  = kind[bool]{name: "true or false", choices: []string{"true", "false"}, parse: plain(literal.Bool)}
)

// plain is a parser that needs nothing but the text.
func plain[T any](parse func(string) (T, error)) func(scalar) (T, error) {
	return func(s scalar) (T, error) { return parse(s.text) }
}

// atHome is a parser of a value that may have a path in it.
func atHome[T any](parse func(text, dir string) (T, error)) func(scalar) (T, error) {
	return func(s scalar) (T, error) { return parse(s.text, s.dir) }
}

// between returns k restricted to min..max, both written as a user would. What is out of range is told the range.
func (k kind[T]) between(min, max string) kind[T] {
	low, high := k.must(min), k.must(max)
	parse := k.parse
	k.limits = min + " to " + max
	k.parse = func(s scalar) (T, error) {
		v, err := parse(s)
		if err == nil && (k.compare(v, low) < 0 || k.compare(v, high) > 0) {
			err = literal.Bad("", "%s is out of range", s.text)
		}
		if p, ok := err.(literal.Problem); ok && p.Hint == "" {
			p.Hint = rangeHint(k.limits)
			err = p
		}
		return v, err
	}
	return k
}

func rangeHint(limits string) string { return limits + " is allowed" }

// must reads a text from the tables themselves; a mistake there is found by the first test that runs.
func (k kind[T]) must(text string) T {
	v, err := k.parse(scalar{text: text})
	if err != nil {
		panic("configs: the tables hold a bad value: " + err.Error())
	}
	return v
}

// auto returns k with the word auto for its zero value.
func auto[T any](k kind[T]) kind[T] {
	parse := k.parse
	k.name = "auto or " + k.name
	k.parse = func(s scalar) (v T, err error) {
		if s.text == "auto" {
			return v, nil
		}
		v, err = parse(s)
		if p, ok := err.(literal.Problem); ok && p.Hint == rangeHint(k.limits) {
			p.Hint += "; auto lets sluice choose"
			err = p
		}
		return v, err
	}
	return k
}

// zero returns k, whose values have units, with a bare 0.
func zero[T any](k kind[T]) kind[T] {
	parse := k.parse
	k.parse = func(s scalar) (v T, err error) {
		if s.text == "0" {
			return v, nil
		}
		return parse(s)
	}
	return k
}

// placed returns k with the position kept beside the value.
func placed[T any](k kind[T]) kind[Value[T]] {
	return kind[Value[T]]{name: k.name, choices: k.choices, limits: k.limits, parse: func(s scalar) (Value[T], error) {
		v, err := k.parse(s)
		return Value[T]{V: v, At: s.at}, err
	}}
}

// choice is one of a few words.
func choice(words ...string) kind[string] {
	return kind[string]{name: literal.InWords(words, "or"), choices: words, parse: func(s scalar) (string, error) {
		for _, w := range words {
			if s.text == w {
				return w, nil
			}
		}
		return "", literal.Bad(literal.DidYouMean(s.text, words), "%q is not %s", s.text, literal.InWords(words, "or"))
	}}
}

// numbered is a choice among the names of an enumeration that starts at 0.
func numbered[T ~uint8](words []string) kind[T] {
	k := choice(words...)
	return kind[T]{name: k.name, choices: words, parse: func(s scalar) (T, error) {
		for i, w := range words {
			if s.text == w {
				return T(i), nil
			}
		}
		_, err := k.parse(s)
		return 0, err
	}}
}

// hinted returns k with a hint for words that users of other programs, or of later versions, write.
func hinted[T any](k kind[T], hint string, words ...string) kind[T] {
	parse := k.parse
	k.parse = func(s scalar) (T, error) {
		v, err := parse(s)
		if p, ok := err.(literal.Problem); ok && slices.Contains(words, s.text) {
			p.Hint = hint
			err = p
		}
		return v, err
	}
	return k
}

var (
	proxyMode   = hinted(numbered[ProxyMode](proxyModes), "did you mean accept or require?", "on", "true", "yes", "v1", "v2")
	proxyHeader = hinted(choice("off", "v1", "v2"), "did you mean v1 or v2?", "on", "true", "yes", "accept", "require", "1", "2")
	logFormat   = hinted(choice("json"), "this version writes format: json only", "common", "combined", "text", "plain", "logfmt", "clf")
)

// protocol is a choice with a better answer for words that other versions know.
var protocol = kind[string]{name: "a protocol", choices: []string{"http", "tcp"}, parse: func(s scalar) (string, error) {
	const hint = "this version serves protocol: http and protocol: tcp"
	switch s.text {
	case "http", "tcp":
		return s.text, nil
	case "udp":
		return "", literal.Bad(hint, "protocol udp is not served")
	case "https", "tls":
		return "", literal.Bad("this version terminates no TLS; protocol: tcp passes it on to servers that do", "protocol %s is not served", s.text)
	}
	return "", literal.Bad(hint, "%q is not a protocol", s.text)
}}

// serverProtocol is what is spoken to servers.
var serverProtocol = hinted(choice("http1"), "this version speaks http1 to servers", "h2", "auto", "http", "http2", "h2c", "https")

// redirectStatus is a choice among numbers: the statuses that send a client elsewhere (RFC 9110, section 15.4).
var redirectStatus = kind[int]{name: "a status", choices: []string{"301", "302", "303", "307", "308"}, parse: func(s scalar) (int, error) {
	word, err := choice("301", "302", "303", "307", "308").parse(s)
	if err != nil {
		return 0, literal.Bad("301 and 308 are for good, 302 and 307 for now; 307 and 308 keep the method", "%s", err)
	}
	return literal.Count(word)
}}

// The kinds of names and addresses, and of what connections and requests are told apart by.
var (
	name          = kind[string]{name: "a name", limits: fmt.Sprintf("at most %d characters", literal.NameMax), parse: plain(literal.Name)}
	bindAddress   = kind[Address]{name: "an address", limits: `":8080", "127.0.0.1:8080", "[::1]:8080", "unix:/path"`, parse: atHome(literal.Bind)}
	serverAddress = kind[Address]{name: "an address", limits: `"10.0.0.1:8080", "[::1]:8080", "name:8080", "unix:/path"`, parse: atHome(literal.Server)}
	prefix        = kind[netip.Prefix]{name: "a CIDR or IP address", parse: plain(literal.Prefix)}
	sniName       = kind[string]{name: "a host name", limits: `a name, "*.suffix", "*" or ""`, parse: plain(literal.SNI)}
	alpn          = kind[string]{name: "an ALPN protocol", limits: "1 to 255 bytes", parse: plain(literal.ALPN)}
	hostName      = kind[string]{name: "a host", limits: `a name, "*.suffix" or an IP address`, parse: plain(literal.Host)}
	pathMatch     = kind[string]{name: "a path", limits: `"/exact" or "/prefix*"`, parse: plain(literal.PathPattern)}
	method        = kind[string]{name: "a method", limits: "as in GET", parse: plain(literal.Method)}
	hashKey       = kind[string]{name: "what to hash", choices: literal.HashKeys, parse: plain(literal.HashKey)}
)

// The kinds of what requests and answers are changed to.
var (
	upgradable    = kind[string]{name: "the name of a protocol", limits: "as in websocket", parse: plain(literal.Upgrade)}
	pathPrefix    = kind[string]{name: "the beginning of a path", limits: "as in /v1", parse: plain(literal.StripPrefix)}
	newHost       = kind[string]{name: "a host", limits: "with or without a port; it may hold {host}", parse: plain(literal.NewHost)}
	location      = kind[string]{name: "a path or URI", limits: "as in https://new.example.com{uri}", parse: plain(literal.Location)}
	requestField  = kind[string]{name: "the name of a header field", parse: plain(literal.RequestField)}
	responseField = kind[string]{name: "the name of a header field", parse: plain(literal.Field)}
	fieldValue    = kind[string]{name: "a text", parse: plain(literal.FieldValue)}
	body          = kind[string]{name: "a text", parse: plain(literal.Body)}
)
