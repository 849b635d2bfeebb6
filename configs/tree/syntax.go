package tree

// What is wrong with the YAML itself, in plain words. The library speaks of its scanner ("map key-value is pre-defined"); one
// table says what a person has usually done. The library's own text remains only where no row knows better.

import (
	"errors"
	"regexp"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// A plainWord translates messages of the library that contain a text.
type plainWord struct {
	library string
	first   bool   // only where the place to blame is the first thing on its line
	message string // "" = the library says it well enough
	hint    string
}

const (
	indentMessage   = "this line is indented differently from the lines it belongs to"
	indentHint      = "the keys of one mapping, and the items of one list, start in the same column"
	pairHint        = "each [ needs its ], and each { its }"
	bracketHint     = "check the commas, brackets and quotes up to here: " + pairHint
	quoteMessage    = "this quote is not closed where its value ends"
	quoteHint       = "close it: a quoted value begins and ends on one line"
	tabMessage      = "a tab, where only spaces may stand"
	tabHint         = "YAML is indented with spaces, not with tabs"
	completeMessage = "something follows a value that is already complete"
	completeHint    = "quote the whole value, once"
	closingMessage  = "a closing bracket that closes nothing"
	colonMessage    = `a key without ": "`
	colonHint       = `write "key: value", with a colon and a blank after the key`
)

// plainWords are tried in order; the first one that fits speaks.
var plainWords = []plainWord{
	{"could not find end character", false, quoteMessage, quoteHint},
	{"tab character", false, tabMessage, tabHint},
	{"character '\t'", false, tabMessage, tabHint},
	{"value is not allowed in this context. map", true, indentMessage, indentHint},
	{"value is not allowed in this context. map", false, completeMessage, completeHint},
	{"mapping value is not allowed", false, `a second ": " on one line`, `quote a value that contains ": "`},
	{"value is not allowed in this context", true, indentMessage, indentHint},
	{"value is not allowed in this context", false, completeMessage, completeHint},
	{"non-map value is specified", false, colonMessage, colonHint},
	{"unexpected key name", false, colonMessage, colonHint},
	{"block sequence entries", false, "a list begins on the line of its key", `write each "- item" on its own line, or [a, b]`},
	{"'}' must be specified", false, "expected a comma or }", bracketHint},
	{"']' must be specified", false, "expected a comma or ]", bracketHint},
	{"end token", false, "this bracket is not closed", pairHint},
	{"could not find '", false, closingMessage, pairHint},
	{"flow map content", false, "something is missing between the brackets", bracketHint},
	{"invalid key for this map", false, "this cannot be a key", bracketHint},
	{"but found ','", false, "a comma with nothing before it", "remove the comma"},
	{"reserved character", false, "", "quote the value"},
	{"unknown escape character", false, "", `inside " " a backslash is written twice; inside ' ' it is itself`},
	{"invalid header option", false, "| and > begin a text of several lines", "quote a value that begins with | or >"},
}

// parseTokens runs the library's parser, and turns its error into ours.
func parseTokens(text string, tokens token.Tokens) (*ast.File, *Fault) {
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey()) // repeats are reported by the loader, with both places
	if err == nil {
		return file, nil
	}
	var syntax interface {
		error
		GetMessage() string
		GetToken() *token.Token
	}
	if !errors.As(err, &syntax) || syntax.GetToken() == nil {
		return nil, &Fault{Message: "this is not YAML: " + err.Error()}
	}
	at, message := position(syntax.GetToken()), syntax.GetMessage()
	if quote, ok := openQuote(tokens, at, strings.Contains(message, "could not find end character")); ok {
		return nil, &Fault{quote, "this is not YAML: " + quoteMessage, quoteHint}
	}
	return nil, plainFault(lineOf(text, at), at, message)
}

// lineOf returns the line of a position, or "" if there is none.
func lineOf(text string, at Position) string {
	n := 0
	for line := range strings.SplitSeq(text, "\n") {
		if n++; n == at.Line {
			return line
		}
	}
	return ""
}

// openQuote returns the first quoted value before the position that swallows lines up to it. Values of this file have one line,
// so the quote that should have closed it is missing, and what the library stumbles over comes only later. If the text ends
// inside quotes, every quote since has changed sides, and the first value with several lines is to blame wherever it is.
func openQuote(tokens token.Tokens, before Position, anywhere bool) (Position, bool) {
	for _, tk := range tokens {
		at := position(tk)
		if at.Line >= before.Line {
			break
		}
		if tk.Type != token.DoubleQuoteType && tk.Type != token.SingleQuoteType {
			continue
		}
		lines := strings.Count(strings.TrimSpace(tk.Origin), "\n")
		if lines > 0 && (anywhere || at.Line+lines >= before.Line) {
			return at, true
		}
	}
	return Position{}, false
}

// bareIPv6 is an IPv6 address with a port and without quotes, which YAML reads as a list.
var bareIPv6 = regexp.MustCompile(`(?:^|[^"'])(\[[0-9A-Fa-f.]*:[0-9A-Fa-f:.]*\]:[0-9]+)`)

// bareKey is a key and its value without the colon or the blank between them.
var bareKey = regexp.MustCompile(`^[ -]*([a-z_]+)(?::| +)([^ :#]+)$`)

// plainFault says in plain words what is wrong at a position of a line.
func plainFault(line string, at Position, message string) *Fault {
	if m := bareIPv6.FindStringSubmatchIndex(line); m != nil {
		at.Column = 1 + len([]rune(line[:m[2]]))
		return &Fault{at, "this is not YAML: an IPv6 address without quotes is read as a list", `quote it: "` + line[m[2]:m[3]] + `"`}
	}
	before, rest := splitAt(line, at.Column)
	first := strings.TrimLeft(before, " -") == ""
	hint := ""
	for _, w := range plainWords {
		if strings.Contains(message, w.library) && (first || !w.first) {
			if w.message != "" {
				message = w.message
			}
			hint = w.hint
			break
		}
	}
	if hint == completeHint && strings.IndexAny(rest, "]}") == 0 {
		message, hint = closingMessage, pairHint
	}
	switch m := bareKey.FindStringSubmatch(strings.TrimRight(line, " ")); {
	case message == colonMessage && m != nil:
		hint = `write "` + m[1] + `: ` + m[2] + `"`
	case strings.HasPrefix(strings.TrimLeft(line, " "), "\t"):
		hint = tabHint
	case strings.Contains(line, "${"):
		hint = `inside [ ] and { } a variable needs quotes: "${NAME}"`
	}
	return &Fault{at, "this is not YAML: " + message, hint}
}

// splitAt parts a line at a column, counted in characters from 1.
func splitAt(line string, column int) (before, rest string) {
	runes := []rune(line)
	n := min(column-1, len(runes))
	return string(runes[:n]), string(runes[n:])
}
