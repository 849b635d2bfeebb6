package tree

// Lines of words, as files of servers have them. A line becomes what its mapping would be, so that the same rows read both:
//
//	10.0.0.1:8080 weight=2 backup   # is {address: "10.0.0.1:8080", weight: 2, backup: true}

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// lineWordsMax is how many words of a line are read: with so many, some are wrong.
const lineWordsMax = 16

// A Line is how a line is read: the key of its first word, and the words that are keys without a value, meaning true.
type Line struct {
	First string
	Flags []string
}

// Object returns the line with a number, from 1, as an Object; nil if it has nothing to read. '#' begins a comment.
func (w Line) Object(number int, line string) *Node {
	const blanks = " \t"
	line, _, _ = strings.Cut(line, "#")
	n := &Node{Kind: Object}
	at := Position{Line: number, Column: 1}
	for line != "" && len(n.Pairs) < lineWordsMax {
		word, rest := line, ""
		if i := strings.IndexAny(line, blanks); i >= 0 {
			word, rest = line[:i], line[i+1:]
		}
		if word != "" {
			n.Pairs = append(n.Pairs, w.pair(word, at, len(n.Pairs) == 0))
		}
		at.Column += utf8.RuneCountInString(word) + 1
		line = rest
	}
	if len(n.Pairs) == 0 {
		return nil
	}
	n.At = n.Pairs[0].At
	return n
}

// pair is a word of a line: a value if it is the first one, else a key with a value, or a flag.
func (w Line) pair(word string, at Position, first bool) Pair {
	value := &Node{Kind: Scalar, At: at, Text: word}
	if first {
		return Pair{Key: w.First, At: at, Value: value}
	}
	key, text, ok := strings.Cut(word, "=")
	value.Text = text
	switch {
	case ok:
		value.At.Column += utf8.RuneCountInString(key) + 1
	case slices.Contains(w.Flags, key):
		value.Text = "true"
	default:
		value.Kind = Null
	}
	return Pair{Key: key, At: at, Value: value}
}
