package configs

// What is wrong is shown the way a compiler shows it: where, what, the line itself with a caret, and what to do.
//
//	sluice.yaml:3:5: unknown key "protcol"
//	    3 |     protcol: tcp
//	      |     ^
//	  hint: did you mean "protocol"?

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"sluice/configs/tree"
)

// An Issue is one thing wrong with a configuration, ready to print. The zero At means that no place is to blame.
type Issue struct {
	File    string
	At      Position
	Line    string // the source line at At; "" if there is none
	Message string
	Hint    string // what to do about it; "" if the message says it all
}

// Issues is everything wrong with a configuration, sorted by position. It is the error of Load, Parse and Quick.
type Issues []Issue

// excerptMax is the number of characters of a source line shown around the caret: JSON may come as one line of megabytes.
const excerptMax = 120

// Error returns the issue over several lines, without a final newline.
func (i Issue) Error() string {
	var b strings.Builder
	b.WriteString(i.File)
	if i.At.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", i.At.Line, i.At.Column)
	}
	b.WriteString(": " + i.Message)
	if i.At.Line > 0 && i.Line != "" {
		text, caret := excerpt(i.Line, i.At.Column)
		fmt.Fprintf(&b, "\n%5d | %s\n      | %s^", i.At.Line, text, caret)
	}
	if i.Hint != "" {
		b.WriteString("\n  hint: " + i.Hint)
	}
	return b.String()
}

// Error returns all issues, one after the other, without a final newline.
func (is Issues) Error() string {
	texts := make([]string, len(is))
	for i := range is {
		texts[i] = is[i].Error()
	}
	return strings.Join(texts, "\n")
}

// Unwrap gives errors.As and errors.Is every single issue.
func (is Issues) Unwrap() []error {
	errs := make([]error, len(is))
	for i := range is {
		errs[i] = is[i]
	}
	return errs
}

// excerpt returns the part of line around column that is shown, and the blanks that put a caret below column. Control
// characters become '?': a terminal must not be steered by a configuration file. Tabs stay, in both lines.
func excerpt(line string, column int) (text, blanks string) {
	runes := []rune(line)
	at := min(max(column-1, 0), len(runes))
	from := min(max(0, at-excerptMax/2), max(0, len(runes)-excerptMax))
	to := min(len(runes), from+excerptMax)
	var shown, below strings.Builder
	if from > 0 {
		shown.WriteString("... ")
		below.WriteString("    ")
	}
	for i, r := range runes[from:to] {
		if r != '\t' && !unicode.IsPrint(r) {
			r = '?'
		}
		shown.WriteRune(r)
		if from+i < at {
			if r != '\t' {
				r = ' '
			}
			below.WriteRune(r)
		}
	}
	if to < len(runes) {
		shown.WriteString(" ...")
	}
	return shown.String(), below.String()
}

// sort puts the issues of file main first, each file's in order of position, and removes exact repeats.
func (is Issues) sort(main string) Issues {
	rank := func(i Issue) int {
		if i.File == main {
			return 0
		}
		return 1
	}
	slices.SortStableFunc(is, func(a, b Issue) int {
		return cmp.Or(rank(a)-rank(b), cmp.Compare(a.File, b.File),
			a.At.Line-b.At.Line, a.At.Column-b.At.Column)
	})
	return slices.Compact(is)
}

// A source is a text with a name that issues can point into.
type source struct {
	name  string
	lines []string
}

// newSource splits text into lines without copying it.
func newSource(name, text string) *source {
	return &source{name: name, lines: strings.Split(text, "\n")}
}

// issue returns an issue at a position of s. A nil source, or a position outside of it, gives an issue without a line.
func (s *source) issue(at Position, message, hint string) Issue {
	i := Issue{At: at, Message: message, Hint: hint}
	if s == nil {
		return i
	}
	i.File = s.name
	if len(s.lines) == 0 {
		i.At = Position{} // a text that nobody wrote has no places
	}
	if at.Line >= 1 && at.Line <= len(s.lines) {
		i.Line = strings.TrimSuffix(s.lines[at.Line-1], "\r")
	}
	return i
}

// issues returns what is wrong with the text of s itself.
func (s *source) issues(faults []tree.Fault) Issues {
	var list Issues
	for _, f := range faults {
		list = append(list, s.issue(f.At, f.Message, f.Hint))
	}
	return list
}
