package configs

// A kind is one way to write a value: its name in the reference and the pure function that reads it. Kinds are built from
// small ones, as in auto(count.between("1", "1024")), and know nothing of files, rows or the struct they fill.

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
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
	count    = kind[int]{name: "a number", parse: parseCount, compare: cmp.Compare[int]}
	duration = kind[time.Duration]{name: "a duration", parse: parseDuration, compare: cmp.Compare[time.Duration]}
	size     = kind[Size]{name: "a size", parse: parseSize, compare: cmp.Compare[Size]}
	boolean  = kind[bool]{name: "true or false", choices: []string{"true", "false"}, parse: parseBool}
)

// between returns k restricted to min..max, both written as a user would. What is out of range is told the range.
func (k kind[T]) between(min, max string) kind[T] {
	low, high := k.must(min), k.must(max)
	parse := k.parse
	k.limits = min + " to " + max
	k.parse = func(s scalar) (T, error) {
		v, err := parse(s)
		if err == nil && (k.compare(v, low) < 0 || k.compare(v, high) > 0) {
			err = bad("", "%s is out of range", s.text)
		}
		if p, ok := err.(problem); ok && p.hint == "" {
			p.hint = rangeHint(k.limits)
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
		if p, ok := err.(problem); ok && p.hint == rangeHint(k.limits) {
			p.hint += "; auto lets sluice choose"
			err = p
		}
		return v, err
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
	return kind[string]{name: inWords(words, "or"), choices: words, parse: func(s scalar) (string, error) {
		for _, w := range words {
			if s.text == w {
				return w, nil
			}
		}
		return "", bad(didYouMean(s.text, words), "%q is not %s", s.text, inWords(words, "or"))
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
		if p, ok := err.(problem); ok && slices.Contains(words, s.text) {
			p.hint = hint
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
var protocol = kind[string]{name: "a protocol", choices: []string{"tcp"}, parse: func(s scalar) (string, error) {
	const hint = "this version serves protocol: tcp"
	switch s.text {
	case "tcp":
		return s.text, nil
	case "http", "udp":
		return "", bad(hint, "protocol %s is not served", s.text)
	}
	return "", bad(hint, "%q is not a protocol", s.text)
}}

// nameMax bounds names: they appear in every log record and as metric labels.
const nameMax = 64

// name is what listeners, routes and upstreams are called.
var name = kind[string]{name: "a name", limits: fmt.Sprintf("at most %d characters", nameMax), parse: func(s scalar) (string, error) {
	const hint = "letters, digits, '_', '-' and '.' are allowed, and a letter or digit comes first"
	switch {
	case s.text == "":
		return "", bad(hint, "the name is empty")
	case len(s.text) > nameMax:
		return "", bad("", "the name is longer than %d characters", nameMax)
	case strings.ContainsFunc(s.text, notInName) || strings.ContainsRune("_-.", rune(s.text[0])):
		return "", bad(hint, "%q cannot be a name", s.text)
	}
	return s.text, nil
}}

func notInName(r rune) bool { return !isLetterOrDigit(r) && r != '_' && r != '-' && r != '.' }

func isLetterOrDigit(r rune) bool { return 'a' <= r|0x20 && r|0x20 <= 'z' || '0' <= r && r <= '9' }

func parseCount(s scalar) (int, error) {
	n, err := strconv.ParseUint(s.text, 10, 31)
	switch {
	case err == nil:
		return int(n), nil
	case isDigits(s.text):
		return 0, bad("", "%s is too large", s.text)
	default:
		return 0, bad("write digits only, as in 100", "%q is not a whole number", s.text)
	}
}

func parseBool(s scalar) (bool, error) {
	switch s.text {
	case "true":
		return true, nil
	case "false":
		return false, nil
	case "yes", "on", "Yes", "On", "True", "TRUE":
		return false, bad("write true", "%q is not true or false", s.text)
	}
	return false, bad("write true or false", "%q is not true or false", s.text)
}

func isDigits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }
