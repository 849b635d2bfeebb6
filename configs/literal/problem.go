// Package literal reads the single values of a configuration: addresses, durations, hosts, paths, header fields and the like.
//
// Every parser is a pure function of a text, already expanded; only those in files.go look at the machine. Its error is a Problem, which says what is wrong and what would
// be right, but not where: that is the caller's to know. What could never mean anything is a mistake here, not a value that has
// no effect later.
package literal

import "fmt"

// A Problem is the error of every parser.
type Problem struct {
	Message string
	Hint    string // what to do about it; "" if Message says it all
}

// Error returns the message.
func (p Problem) Error() string { return p.Message }

// Bad returns a Problem with a hint and a formatted message.
func Bad(hint, format string, args ...any) error {
	return Problem{Message: fmt.Sprintf(format, args...), Hint: hint}
}

// HintOf returns the hint of a Problem, or the advice of an error that has some, or "".
func HintOf(err error) string {
	switch p := err.(type) {
	case Problem:
		return p.Hint
	case interface{ Advice() string }:
		return p.Advice()
	}
	return ""
}
