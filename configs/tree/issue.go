package tree

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
)

// An Issue is one thing wrong with a configuration, ready to print. The zero At means that no place is to blame.
type Issue struct {
	File    string
	At      Position
	Line    string // the source line at At; "" if there is none
	Message string
	Hint    string // what to do about it; "" if the message says it all
}

// Issues is everything wrong with a configuration, sorted by position. It is the error of the loader.
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

// Sort puts the issues of file main first, each file's in order of position, and removes exact repeats.
func (is Issues) Sort(main string) Issues {
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

// A Source is a text with a name that issues can point into.
type Source struct {
	Name  string
	Lines []string
}

// NewSource splits text into lines without copying it.
func NewSource(name, text string) *Source {
	return &Source{Name: name, Lines: strings.Split(text, "\n")}
}

// Issue returns an issue at a position of s. A nil source, or a position outside of it, gives an issue without a line.
func (s *Source) Issue(at Position, message, hint string) Issue {
	i := Issue{At: at, Message: message, Hint: hint}
	if s == nil {
		return i
	}
	i.File = s.Name
	if len(s.Lines) == 0 {
		i.At = Position{} // a text that nobody wrote has no places
	}
	if at.Line >= 1 && at.Line <= len(s.Lines) {
		i.Line = strings.TrimSuffix(s.Lines[at.Line-1], "\r")
	}
	return i
}

// Issues returns what is wrong with the text of s itself.
func (s *Source) Issues(faults []Fault) Issues {
	var list Issues
	for _, f := range faults {
		list = append(list, s.Issue(f.At, f.Message, f.Hint))
	}
	return list
}
